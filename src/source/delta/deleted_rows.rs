//! Deletion vectors: the rows of a file that are left.

use ::parquet::arrow::arrow_reader::RowSelection;

use crate::error::{Error, Place, Result};
use crate::source::ParquetFile;

/// The rows of each row group that are not deleted, and their number.
///
/// # Errors
/// [`Error::Damaged`] if a deleted row is none of the file.
pub(super) fn kept_rows(file: &ParquetFile, deleted: &[u64]) -> Result<Vec<(RowSelection, u64)>> {
    let (mut rest, mut first_row, mut kept) = (deleted, 0, Vec::new());
    for row_group in 0..file.metadata().num_row_groups() {
        let rows = file.rows_of_group(row_group);
        let (here, later) = rest.split_at(rest.partition_point(|&row| row < first_row + rows));
        let ends = here.iter().map(|row| row - first_row).chain([rows]);
        let starts = [0].into_iter().chain(here.iter().map(|row| row - first_row + 1));
        let ranges =
            starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start as usize..end as usize);
        kept.push((RowSelection::from_consecutive_ranges(ranges, rows as usize), rows - here.len() as u64));
        (rest, first_row) = (later, first_row + rows);
    }
    match rest.first() {
        None => Ok(kept),
        Some(row) => Err(Error::Damaged {
            place: Place::file(&file.path),
            what: format!("its deletion vector deletes row {row}, and it has {first_row} rows"),
        }),
    }
}
