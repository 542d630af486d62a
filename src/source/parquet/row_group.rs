//! Reads one row group in batches.

use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use arrow::array::RecordBatch;

use super::ParquetFile;
use super::kept_columns::KeptColumns;
use crate::error::{Error, Place, Result};
use crate::source::catch_decoder_panic;

/// Approximate bytes of a batch: rows may hold long vectors.
const BATCH_BYTES: u64 = 16 << 20;

/// The position of a row group in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowGroup {
    /// Index of its file.
    pub(super) file: usize,
    /// Its index within the file.
    pub(crate) number: usize,
    /// Number of its first row, counted over all files.
    pub(crate) first_row: u64,
    /// Number of rows.
    pub(crate) rows: u64,
}

/// Reads some columns of a row group in row order.
pub(crate) struct RowGroupReader {
    file: ParquetFile,
    columns: Vec<usize>,
    group: RowGroup,
    reader: ParquetRecordBatchReader,
    /// Rows not yet read.
    remaining: u64,
    /// Where the rows are kept, too.
    kept: Option<Arc<KeptColumns>>,
}

impl RowGroupReader {
    /// Reads the columns of these indexes in batches of at most `batch_rows` rows.
    pub(super) fn new(
        file: &ParquetFile,
        columns: Vec<usize>,
        group: RowGroup,
        batch_rows: usize,
        kept: Option<Arc<KeptColumns>>,
    ) -> Result<Self> {
        let roots = file.roots_of(&columns);
        file.check_chunks_of(&roots, group.number)?;
        let batch_rows = batch_rows.min(file.max_batch_rows(BATCH_BYTES, &roots, group.number));
        let reader = file.reader(&roots, group.number, batch_rows)?;
        Ok(Self { file: file.clone(), columns, group, reader, remaining: group.rows, kept })
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let Self { file, group, reader, .. } = self;
        let row = group.rows - self.remaining;
        let place = || Place { row: Some(row), ..Place::row_group(&file.path, group.number) };
        match catch_decoder_panic(place, || reader.next().transpose())? {
            Some(batch) if batch.num_rows() as u64 <= self.remaining => {
                self.remaining -= batch.num_rows() as u64;
                let rows = file.assemble(batch, &self.columns, group.number)?;
                self.kept.iter().for_each(|kept| kept.keep(self.group, &rows));
                Ok(Some(rows))
            }
            None if self.remaining == 0 => Ok(None),
            _ => Err(row_count_mismatch(&file.path, group.number)),
        }
    }
}

impl Iterator for RowGroupReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

fn row_count_mismatch(path: &Path, row_group: usize) -> Error {
    Error::Damaged {
        place: Place::row_group(path, row_group),
        what: "its number of rows differs from its footer".to_owned(),
    }
}
