//! A copy of a Parquet file with some columns replaced and others added.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::failed;
use crate::artifact::Model;
use crate::error::Result;
use crate::pipeline::{Route, Rows, Run};
use crate::sink::{self, NewColumns, OutputColumn, Splice};
use crate::source::ParquetSource;
use crate::storage::Target;

/// A copy to write.
pub(super) struct Replacement<'a> {
    pub(super) source: &'a ParquetSource,
    pub(super) target: Target,
    /// The columns to read.
    pub(super) read: &'a [String],
    /// The columns to write: those that have the name of an input column take its place, the others follow.
    pub(super) new: SchemaRef,
    /// Rows of a batch.
    pub(super) batch_rows: usize,
    /// Bytes of a batch that waits to be written.
    pub(super) batch_bytes: usize,
}

/// New columns, and what was measured of their rows.
struct MeasuredColumns<M> {
    columns: NewColumns,
    measure: M,
}

impl<M> Rows for MeasuredColumns<M> {
    fn rows(&self) -> usize {
        self.columns.batch.num_rows()
    }
}

impl Replacement<'_> {
    /// Makes the new columns of each batch by `work`, hands what it measures to `take`, and returns the number of rows.
    pub(super) fn write<M: Send + 'static>(
        self,
        model: &Model,
        run: &mut Run<'_>,
        work: impl Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
        mut take: impl FnMut(M),
    ) -> Result<u64> {
        let (order, columns) = self.order();
        let new = Arc::new(self.new.project(&order).map_err(failed)?);
        let metadata = model.keys(None);
        let splice = Splice { columns, new, metadata: &metadata };
        let sink = sink::open(self.source, &splice, self.target, self.batch_rows, run.stopper().clone())?;

        let batches = (0..).zip(self.source.scan(self.read, self.batch_rows)).map(|(seq, batch)| Ok((seq, batch?)));
        let replace = move |(seq, (row_group, batch))| {
            let (new, measure) = work(&batch)?;
            let batch = new.project(&order).map_err(failed)?;
            Ok(MeasuredColumns { columns: NewColumns { seq, row_group, batch }, measure })
        };
        let mut rows = 0;
        run.carry(&Route::new(self.batch_bytes), batches, replace, |replaced| {
            sink.write(&mut replaced.map(|replaced| {
                let replaced = replaced?;
                rows += replaced.rows() as u64;
                take(replaced.measure);
                Ok(replaced.columns)
            }))
        })?;
        Ok(rows)
    }

    /// The new columns in the order of the output, by index, and the columns of the output, whose new ones are numbered
    /// in that order.
    fn order(&self) -> (Vec<usize>, Vec<OutputColumn>) {
        let (input, new, mut order) = (self.source.schema(), &self.new, Vec::new());
        let mut next = |column| {
            order.push(column);
            OutputColumn::New(order.len() - 1)
        };
        let mut columns = Vec::new();
        for root in 0..self.source.file_columns() {
            columns.push(match new.index_of(input.field(root).name()) {
                Ok(column) => next(column),
                Err(_) => OutputColumn::Carried(root),
            });
        }
        let added = (0..new.fields().len()).filter(|&column| input.index_of(new.field(column).name()).is_err());
        columns.extend(added.map(next));
        (order, columns)
    }
}
