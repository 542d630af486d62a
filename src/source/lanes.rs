//! Decoding on several threads: each reads columns of its own, so that one row group is enough for all of them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{ParquetSource, Rows};
use crate::ahead::{Ahead, ahead};
use crate::error::Result;
use crate::stage::Stage;

/// Batches a thread may be ahead of the slowest.
const DEPTH: usize = 2;

/// Reads columns of every row in order, as [`ParquetSource::scan`] does, in lanes of columns side by side.
pub(crate) struct Lanes(Vec<Ahead<Rows>>);

impl ParquetSource {
    /// Reads `columns` of every row in order on at most `threads` threads, as `stage`; a batch has at most `batch_rows`
    /// rows and ends with its row group.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub(crate) fn scan_in_lanes(
        &self,
        columns: &[String],
        batch_rows: usize,
        threads: usize,
        stage: &Stage,
    ) -> Result<Lanes> {
        let lanes = threads.min(columns.len()).max(1);
        let lane = |lane| {
            let columns = &columns[columns.len() * lane / lanes..columns.len() * (lane + 1) / lanes];
            ahead(stage, DEPTH, self.scan(columns, batch_rows)?)
        };
        (0..lanes).map(lane).collect::<Result<_>>().map(Lanes)
    }
}

impl Lanes {
    fn advance(&mut self) -> Result<Option<Rows>> {
        let parts = self.0.iter_mut().filter_map(Iterator::next).collect::<Result<Vec<Rows>>>()?;
        let Some(first) = parts.first() else { return Ok(None) };
        let Rows { seq, row_group, first_row, .. } = *first;
        if parts.len() == 1 {
            return Ok(parts.into_iter().next());
        }
        let fields = parts.iter().flat_map(|part| part.batch.schema_ref().fields().iter().cloned());
        let columns = parts.iter().flat_map(|part| part.batch.columns().iter().cloned()).collect();
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("the same rows in every lane");
        Ok(Some(Rows { seq, row_group, first_row, batch }))
    }
}

impl Iterator for Lanes {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
