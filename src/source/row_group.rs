//! One row group, read in batches.

use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use arrow::array::RecordBatch;

use super::{ParquetFile, guarded};
use crate::error::{Error, Place, Result};

/// Bytes of rows read at once, more or less: rows may hold long vectors.
const BATCH_BYTES: u64 = 16 << 20;

/// Where a row group is in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowGroup {
    /// Its file, counted from 0.
    pub(super) file: usize,
    /// Its number within the file, from 0.
    pub(crate) number: usize,
    /// Number of its first row, counted over all files.
    pub(crate) first_row: u64,
    /// Its rows.
    pub(crate) rows: u64,
}

/// Reads some columns of a row group from its first row to its last.
pub(crate) struct GroupReader {
    file: ParquetFile,
    roots: Vec<usize>,
    group: RowGroup,
    reader: ParquetRecordBatchReader,
    /// Rows still to come.
    rest: u64,
}

impl GroupReader {
    /// Reads `roots` in batches of at most `batch_rows` rows.
    pub(super) fn new(file: &ParquetFile, roots: Vec<usize>, group: RowGroup, batch_rows: usize) -> Result<Self> {
        file.check_chunks_of(&roots, group.number)?;
        let batch_rows = batch_rows.min(file.rows_in(BATCH_BYTES, &roots, group.number));
        let reader = file.reader(&roots, group.number, batch_rows)?;
        Ok(Self { file: file.clone(), roots, group, reader, rest: group.rows })
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let Self { file, group, reader, .. } = self;
        let row = group.rows - self.rest;
        let place = || Place { row: Some(row), ..Place::row_group(&file.path, group.number) };
        match guarded(place, || reader.next().transpose())? {
            Some(batch) if batch.num_rows() as u64 <= self.rest => {
                self.rest -= batch.num_rows() as u64;
                file.reorder(batch, &self.roots, group.number).map(Some)
            }
            None if self.rest == 0 => Ok(None),
            _ => Err(short(&file.path, group.number)),
        }
    }
}

impl Iterator for GroupReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

fn short(path: &Path, row_group: usize) -> Error {
    Error::Damaged {
        place: Place::row_group(path, row_group),
        what: "it holds another number of rows than its footer says".to_owned(),
    }
}
