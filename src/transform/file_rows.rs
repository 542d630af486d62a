//! Which file a row of several is in.

use crate::error::Result;
use crate::source::Source;

/// The files of a source, each with the number of its first row.
#[derive(Default)]
pub(crate) struct FileRows(Vec<(u64, String)>);

impl FileRows {
    /// The files in order. `column` is one to count rows by, where a file does not know their number.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn of(source: &Source, column: &[String]) -> Result<Self> {
        let files: Vec<Source> = source.files_with_output_paths().map(|(file, _)| file).collect();
        let (mut first, mut found) = (0, Vec::new());
        for (n, file) in files.iter().enumerate() {
            found.push((first, file.path().display().to_string()));
            first += match file.rows() {
                Some(rows) => rows,
                None if n + 1 == files.len() => 0,
                None => count(file, column)?,
            };
        }
        Ok(Self(found))
    }

    /// The path of the file that a row is in, and the number of the row there, from 0.
    pub(crate) fn locate(&self, row: u64) -> (&str, u64) {
        let last = self.0.partition_point(|(first, _)| *first <= row).checked_sub(1);
        last.map_or(("", row), |last| (self.0[last].1.as_str(), row - self.0[last].0))
    }
}

/// Counts the rows of a file.
fn count(file: &Source, column: &[String]) -> Result<u64> {
    /// Rows read at once.
    const BATCH_ROWS: usize = 8192;
    let batches = file.stream(column, BATCH_ROWS)?.batches;
    batches.map(|batch| Ok(batch?.num_rows() as u64)).sum()
}
