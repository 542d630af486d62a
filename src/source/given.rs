//! What a scratch file was given to keep, where it keeps it in another way: times in units that Parquet has, nulls in place
//! of what it has no type for.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::error::ArrowError;

use super::read_as::all_viewed;
use super::units::in_parquet_units;

/// The columns of a scratch file.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// As they were given.
    pub(super) columns: SchemaRef,
    /// The same with nulls in place of what no Parquet file holds.
    pub(super) kept: SchemaRef,
}

impl Given {
    /// Whether the file has any of them in another way.
    pub(super) fn differs(&self) -> bool {
        let in_runs = |field: &FieldRef| matches!(field.data_type(), DataType::RunEndEncoded(..));
        let differs = |field: &FieldRef| in_runs(field) || in_parquet_units(field) != *field;
        self.columns != self.kept || self.kept.fields().iter().any(differs)
    }

    /// The same with strings as views.
    pub(super) fn viewed(&self) -> Self {
        Self { columns: all_viewed(&self.columns).into(), kept: all_viewed(&self.kept).into() }
    }

    /// The columns `roots` as they were given, of a batch that has them as the file does.
    pub(super) fn restored(&self, batch: &RecordBatch, roots: &[usize]) -> Result<RecordBatch, ArrowError> {
        let kept = self.kept.project(roots)?;
        let column = |(array, field): (&ArrayRef, &FieldRef)| {
            if array.data_type() == field.data_type() { Ok(array.clone()) } else { cast(array, field.data_type()) }
        };
        let arrays = batch.columns().iter().zip(kept.fields()).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(kept.into(), arrays, &options)
    }
}
