//! The columns of a scratch file as its rows were given: it has nulls in place of what no Parquet file holds, and values in
//! place of runs.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::arrow_schema::of_type;
use super::read_as::all_viewed;

/// The columns of a scratch file.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// As they were given; of the types that they are read as, where the reader has no others.
    pub(super) columns: SchemaRef,
    /// The same with nulls in place of what no Parquet file holds.
    kept: SchemaRef,
}

impl Given {
    /// Columns that were `given`, are `kept` in the file, and that the reader reads as `read`.
    pub(super) fn new(given: &Schema, kept: &Schema, read: &Schema) -> Self {
        let restored = |(kept, read): (&FieldRef, &FieldRef)| {
            if in_runs(kept) { kept.clone() } else { of_type(kept, read.data_type().clone()) }
        };
        let restored: Vec<FieldRef> = kept.fields().iter().zip(read.fields()).map(restored).collect();
        let column = |((given, kept), restored): ((&FieldRef, &FieldRef), &FieldRef)| {
            if given == kept { restored.clone() } else { given.clone() }
        };
        let columns = given.fields().iter().zip(kept.fields()).zip(&restored).map(column).collect::<Vec<_>>();
        Self {
            columns: Schema::new_with_metadata(columns, given.metadata().clone()).into(),
            kept: Schema::new_with_metadata(restored, given.metadata().clone()).into(),
        }
    }

    /// The same with strings as views.
    pub(super) fn viewed(&self) -> Self {
        Self { columns: all_viewed(&self.columns).into(), kept: all_viewed(&self.kept).into() }
    }

    /// The columns `roots` as they were given, of a batch that has them as the file does.
    pub(super) fn restored(&self, batch: &RecordBatch, roots: &[usize]) -> Result<RecordBatch, ArrowError> {
        let kept = self.kept.project(roots)?;
        let column = |(array, field): (&ArrayRef, &FieldRef)| {
            if in_runs(field) { cast(array, field.data_type()) } else { Ok(array.clone()) }
        };
        let arrays = batch.columns().iter().zip(kept.fields()).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(kept.into(), arrays, &options)
    }
}

fn in_runs(field: &FieldRef) -> bool {
    matches!(field.data_type(), DataType::RunEndEncoded(..))
}
