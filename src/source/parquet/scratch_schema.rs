//! The input's columns of a scratch file: the file itself has nulls for types that Parquet cannot hold, and plain values for
//! run-end encoding.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::source::schema_mapping::string_views;
use crate::source::{batch_of, with_type};

/// The schemas of a scratch file.
#[derive(Debug, Clone)]
pub(crate) struct ScratchSchema {
    /// The columns that callers see. For training these are the input's columns, since the model is for them.
    pub(crate) columns: SchemaRef,
    /// The columns as read: nulls for unsupported types, and other types where the reader does not return the written ones.
    read: SchemaRef,
}

impl ScratchSchema {
    /// Combines the `input` columns of training rows, the `written` columns, and the columns `stored` in the file.
    pub(crate) fn new(input: Option<SchemaRef>, written: &Schema, stored: &Schema) -> Self {
        let column = |(written, stored): (&FieldRef, &FieldRef)| {
            if is_run_encoded(written) { written.clone() } else { with_type(written, stored.data_type().clone()) }
        };
        let read: Vec<FieldRef> = written.fields().iter().zip(stored.fields()).map(column).collect();
        let read = SchemaRef::new(Schema::new_with_metadata(read, written.metadata().clone()));
        Self { columns: input.unwrap_or_else(|| read.clone()), read }
    }

    /// The same schemas with strings as views.
    pub(crate) fn with_string_views(&self) -> Self {
        Self { columns: string_views(&self.columns).into(), read: string_views(&self.read).into() }
    }

    /// Converts a batch of the file's columns `roots` back to the written types.
    pub(crate) fn restore(&self, batch: &RecordBatch, roots: &[usize]) -> Result<RecordBatch, ArrowError> {
        let read = self.read.project(roots)?;
        let column = |(array, field): (&ArrayRef, &FieldRef)| {
            if is_run_encoded(field) { cast(array, field.data_type()) } else { Ok(array.clone()) }
        };
        let arrays = batch.columns().iter().zip(read.fields()).map(column).collect::<Result<_, _>>()?;
        batch_of(read.into(), arrays, batch.num_rows())
    }
}

fn is_run_encoded(field: &FieldRef) -> bool {
    matches!(field.data_type(), DataType::RunEndEncoded(..))
}
