//! The place of a value that is not of its column's type: rows are read again up to it, since batches do not know their own.

use crate::artifact::Model;
use crate::error::{Error, Place};
use crate::feature::{BadValue, Kind};
use crate::source::Source;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

impl Model {
    /// An error with the file and row of the value that it is about, if it is about one. Of rows that cannot be read again
    /// the row stays that of its batch.
    pub(crate) fn located(&self, source: &Source, error: Error) -> Error {
        match error {
            Error::Read { place, source: cause } if BadValue::of(cause.as_ref()).is_some() => {
                let named = |kind: &&Kind| place.column.as_deref() == Some(kind.column().name());
                let first = self.features().all().find(named).and_then(|kind| first_bad_value(source, kind));
                let place = Place { path: source.display_name().to_owned(), ..place };
                first.unwrap_or(Error::Read { place, source: cause })
            }
            error => error,
        }
    }
}

/// The error about the first value of a column that is not of its type.
fn first_bad_value(source: &Source, kind: &Kind) -> Option<Error> {
    let column = kind.column();
    for (file, _) in source.rereadable().ok()?.files_with_output_paths() {
        let mut rows = 0;
        for batch in file.stream(&[column.top().to_owned()], BATCH_ROWS).ok()?.batches {
            let batch = batch.ok()?;
            if let Err(bad) = kind.array(batch.column(0)) {
                let place = Place::column(file.path(), column.name());
                return Some(Error::Read { place, source: BadValue::after(bad, rows).into() });
            }
            rows += batch.num_rows() as u64;
        }
    }
    None
}
