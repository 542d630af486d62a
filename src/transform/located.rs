//! The place of a value that is not of its column's type: rows are read again up to it, since batches do not know their own.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;

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
                let kind = self.features().all().find(named);
                let place = Place { path: source.display_name().to_owned(), ..place };
                let of_batch = |cause: ArrowError| {
                    let schema = source.schema();
                    let stored = kind.and_then(|kind| kind.column().data_type(&schema).cloned());
                    BadValue::unreadable(place.clone(), &stored.unwrap_or(DataType::Null), cause)
                };
                match (kind.and_then(|kind| first_bad_value(source, kind)), cause.downcast::<ArrowError>()) {
                    (Some(first), _) => first,
                    (None, Ok(cause)) => of_batch(*cause),
                    (None, Err(source)) => Error::Read { place, source },
                }
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
                return Some(BadValue::unreadable(place, batch.column(0).data_type(), BadValue::after(bad, rows)));
            }
            rows += batch.num_rows() as u64;
        }
    }
    None
}
