//! The rows of a source with their windows.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{Sequence, Windower};
use crate::error::Result;
use crate::source::{Batches, ColumnStream, Source};

/// The files of a source, one after another, with the windows of their rows.
struct WindowedFiles {
    files: std::vec::IntoIter<Source>,
    columns: Vec<String>,
    batch_rows: usize,
    windower: Windower,
    batches: Option<Batches>,
}

/// Reads `columns` of every row in order, with the windows after them. No window goes on from one file into the next.
///
/// # Errors
/// As [`Source::stream`] and [`Windower::new`].
pub(crate) fn windowed(
    sequence: &Arc<Sequence>,
    source: &Source,
    columns: &[String],
    batch_rows: usize,
) -> Result<ColumnStream> {
    let all = source.stream(columns, batch_rows)?;
    let windower = Windower::new(sequence, &all.schema, source.path())?;
    let schema = windower.schema().clone();
    let files: Vec<Source> = source.files_with_output_paths().map(|(file, _)| file).collect();
    let (files, columns) = (files.into_iter(), columns.to_vec());
    let batches = Box::new(WindowedFiles { files, columns, batch_rows, windower, batches: None });
    Ok(ColumnStream { schema, batches })
}

impl WindowedFiles {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batches) = &mut self.batches
                && let Some(batch) = batches.next()
            {
                return self.windower.add(&batch?).map(Some);
            }
            let Some(file) = self.files.next() else { return Ok(None) };
            self.windower.begin_file(file.path());
            self.batches = Some(file.stream(&self.columns, self.batch_rows)?.batches);
        }
    }
}

impl Iterator for WindowedFiles {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
