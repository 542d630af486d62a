//! Record batches as a source, and the rows of a source as record batches.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatchIterator, RecordBatchReader};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::any_format::{ColumnStream, Source};
use super::catch_decoder_panic;
use super::column_types::ColumnTypes;
use super::open_input::OpenInput;
use super::wide_keys::{wide_batch, wide_schema};
use crate::error::{Place, Result};
use crate::pipeline::Stop;

impl Source {
    /// Wraps a reader of record batches, whose rows can be read once; [`table`](Self::table) copies them to a temporary file.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use vaepipe::Source;
    /// use vaepipe::arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchIterator};
    /// let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    /// let rows = RecordBatch::try_from_iter([("x", x)])?;
    /// let source = Source::from_batches(RecordBatchIterator::new([Ok(rows.clone())], rows.schema()));
    /// assert_eq!(source.table(&std::env::temp_dir())?.rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_batches(reader: impl RecordBatchReader + Send + 'static) -> Self {
        let path = Path::new("record batches");
        let schema = wide_schema(&reader.schema());
        let wide = schema.clone();
        let batches = reader.map(move |batch| catch_decoder_panic(|| Place::file(path), || wide_batch(batch?, &wide)));
        let input = OpenInput::once(path.to_owned(), schema, Box::new(batches));
        Self::of(vec![Arc::new(input)], None, &Stop::new())
    }

    /// Rows that can be read once, whose columns have these logical types; `path` names them in messages.
    pub(crate) fn of_stream(path: &Path, stream: ColumnStream, types: &ColumnTypes) -> Self {
        let input = OpenInput::once(path.to_owned(), stream.schema, stream.batches);
        let source = Self::of(vec![Arc::new(input)], None, &Stop::new());
        Self { table: source.table.clone().with_logical_types(types.clone()), ..source }
    }

    /// The same rows, in the `wanted` types where a column has nulls alone, or a struct lacks fields.
    pub(crate) fn with_wanted(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        Self { table: self.table.with_wanted(wanted), ..self.clone() }
    }

    /// The same rows; reading them ends with [`Error::Interrupted`](crate::Error::Interrupted) once the stop is requested.
    #[must_use]
    pub fn stop(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// Reads all rows in order, about `batch_rows` at a time where the format allows it; no batch is empty.
    ///
    /// # Errors
    /// [`Error::TypesDiffer`](crate::Error::TypesDiffer) if the types of a column do not meet;
    /// [`Error::Unsupported`](crate::Error::Unsupported) if two columns have one name. An error of the rows is the last item.
    pub fn batches(&self, batch_rows: usize) -> Result<impl RecordBatchReader + Send + use<>> {
        let all = self.schema();
        let names: Vec<String> = all.fields().iter().map(|field| field.name().clone()).collect();
        let ColumnStream { schema, batches } = self.stream(&names, batch_rows)?;
        let batches = batches.map(|batch| batch.map_err(|error| ArrowError::ExternalError(Box::new(error))));
        Ok(RecordBatchIterator::new(batches, schema))
    }
}
