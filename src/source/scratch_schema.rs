//! The columns of a scratch file as its rows were given: it has nulls in place of what no Parquet file holds, and values in
//! place of runs.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::arrow_schema::of_type;
use super::arrow_type::all_viewed;

/// The columns of a scratch file.
#[derive(Debug, Clone)]
pub(super) struct ScratchSchema {
    /// The columns that readers see. Of rows to learn from, those that were given: the model is for these.
    pub(super) columns: SchemaRef,
    /// As they are read: with nulls in place of what no Parquet file holds, and of other types where the reader has not
    /// those that were written.
    read: SchemaRef,
}

impl ScratchSchema {
    /// Columns that were `given` to be learned from, or else are carried; that were `written`, and that the file has as
    /// `stored`.
    pub(super) fn new(given: Option<SchemaRef>, written: &Schema, stored: &Schema) -> Self {
        let column = |(written, stored): (&FieldRef, &FieldRef)| {
            if in_runs(written) { written.clone() } else { of_type(written, stored.data_type().clone()) }
        };
        let read: Vec<FieldRef> = written.fields().iter().zip(stored.fields()).map(column).collect();
        let read = SchemaRef::new(Schema::new_with_metadata(read, written.metadata().clone()));
        Self { columns: given.unwrap_or_else(|| read.clone()), read }
    }

    /// The same with strings as views.
    pub(super) fn viewed(&self) -> Self {
        Self { columns: all_viewed(&self.columns).into(), read: all_viewed(&self.read).into() }
    }

    /// The columns `roots` as they were given, of a batch that has them as the file does.
    pub(super) fn restored(&self, batch: &RecordBatch, roots: &[usize]) -> Result<RecordBatch, ArrowError> {
        let read = self.read.project(roots)?;
        let column = |(array, field): (&ArrayRef, &FieldRef)| {
            if in_runs(field) { cast(array, field.data_type()) } else { Ok(array.clone()) }
        };
        let arrays = batch.columns().iter().zip(read.fields()).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(read.into(), arrays, &options)
    }
}

fn in_runs(field: &FieldRef) -> bool {
    matches!(field.data_type(), DataType::RunEndEncoded(..))
}
