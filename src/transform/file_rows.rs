//! Which file a row of several is in.

use crate::error::Result;
use crate::source::Source;

/// The number of the first row of each file, with its path, in order. `column` is one to count rows by, where a file does not
/// know their number.
///
/// # Errors
/// Those of the source.
pub(super) fn first_rows(source: &Source, column: &[String]) -> Result<Vec<(u64, String)>> {
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
    Ok(found)
}

/// Counts the rows of a file.
fn count(file: &Source, column: &[String]) -> Result<u64> {
    /// Rows read at once.
    const BATCH_ROWS: usize = 8192;
    let batches = file.stream(column, BATCH_ROWS)?.batches;
    batches.map(|batch| Ok(batch?.num_rows() as u64)).sum()
}
