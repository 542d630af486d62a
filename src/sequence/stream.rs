//! The rows of a source with their windows.

use arrow::array::RecordBatch;

use super::Windower;
use crate::error::Result;
use crate::source::{Batches, ColumnStream, Source};

/// The files of a source, one after another, with the windows of their rows.
struct WindowedFiles {
    files: std::vec::IntoIter<Source>,
    columns: Vec<String>,
    batch_rows: usize,
    /// The windows that each file begins with.
    start: Windower,
    /// The rows of the file that is read.
    current: Option<Batches>,
}

/// Reads `columns` of every row in order, with the windows after them. Each file begins with the same windows: none goes on from
/// one file into the next.
///
/// # Errors
/// As [`Source::stream`] and [`Sequence::check`](super::Sequence::check).
pub(crate) fn windowed(
    start: Windower,
    source: &Source,
    columns: &[String],
    batch_rows: usize,
) -> Result<ColumnStream> {
    let all = source.stream(columns, batch_rows)?;
    start.sequence().check(&all.schema, source.path())?;
    let schema = start.schema(&all.schema);
    let files: Vec<Source> = source.files_with_output_paths().map(|(file, _)| file).collect();
    let (files, columns) = (files.into_iter(), columns.to_vec());
    Ok(ColumnStream { schema, batches: Box::new(WindowedFiles { files, columns, batch_rows, start, current: None }) })
}

impl WindowedFiles {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                return batch.map(Some);
            }
            let Some(file) = self.files.next() else { return Ok(None) };
            let rows = file.stream(&self.columns, self.batch_rows)?;
            self.current = Some(self.start.for_file(file.path()).add_all(rows)?);
        }
    }
}

impl Iterator for WindowedFiles {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
