//! Whole rows to a file of their own, in the format its name says.
//!
//! # Memory usage
//! A batch; of Parquet, the encoded columns of one row group.

use std::io::BufWriter;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;

use super::general::without_dictionaries;
use super::{Target, Temporary, is_ipc};
use crate::error::{Error, Result};
use crate::source::Whole;

/// Rows of a Parquet row group, and its bytes at most.
const GROUP: (usize, usize) = (1 << 20, 256 << 20);

/// Writes batches of rows.
pub(crate) struct RowWriter {
    target: Target,
    schema: SchemaRef,
    form: Form,
}

enum Form {
    Ipc(Box<FileWriter<BufWriter<Temporary>>>),
    Parquet(Box<ArrowWriter<BufWriter<Temporary>>>),
}

impl RowWriter {
    /// Opens the output's temporary file, for rows of `schema` and with this key-value metadata.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::Write`] if its format has no such columns.
    pub(crate) fn create(target: Target, schema: &Schema, metadata: Vec<(String, String)>) -> Result<Self> {
        let file = BufWriter::with_capacity(Whole::PIECE, target.create()?);
        let field = |field: &FieldRef| if is_ipc(target.path()) { without_dictionaries(field) } else { field.clone() };
        let schema = Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>());
        let (schema, form) = if is_ipc(target.path()) {
            let schema =
                SchemaRef::new(schema.with_metadata(metadata.into_iter().collect::<std::collections::HashMap<_, _>>()));
            let writer = FileWriter::try_new(file, &schema);
            (schema, writer.map(|writer| Form::Ipc(Box::new(writer))))
        } else {
            let keys = metadata.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect();
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_key_value_metadata(Some(keys))
                .set_max_row_group_row_count(Some(GROUP.0))
                .set_max_row_group_bytes(Some(GROUP.1));
            let schema = SchemaRef::new(schema);
            let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build()));
            (schema, writer.map(|writer| Form::Parquet(Box::new(writer))).map_err(ArrowError::from))
        };
        let form = form.map_err(|source| Error::Write { path: target.path().to_owned(), source: source.into() })?;
        Ok(Self { target, schema, form })
    }

    /// Writes columns of the same rows, as the schema has them or with dictionaries in their place.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<()> {
        let path = self.target.path();
        let cast_to = |(array, field): (ArrayRef, &FieldRef)| cast(&array, field.data_type());
        let columns = columns.into_iter().zip(self.schema.fields()).map(cast_to).collect::<Result<_, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            columns.and_then(|columns| RecordBatch::try_new_with_options(self.schema.clone(), columns, &options));
        let written = batch.and_then(|batch| match &mut self.form {
            Form::Ipc(writer) => writer.write(&batch),
            Form::Parquet(writer) => writer.write(&batch).map_err(ArrowError::from),
        });
        written.map_err(|source| Error::Write { path: path.to_owned(), source: source.into() })
    }

    /// Gives the file its name. Without this it gets none.
    ///
    /// # Errors
    /// [`Error::Write`] and [`Error::Io`].
    pub(crate) fn finish(self) -> Result<()> {
        let path = self.target.path();
        let file = match self.form {
            Form::Ipc(writer) => writer.into_inner(),
            Form::Parquet(writer) => writer.into_inner().map_err(ArrowError::from),
        };
        let file = file.map_err(|source| Error::Write { path: path.to_owned(), source: source.into() })?;
        let file = file.into_inner().map_err(|source| Error::io("write", path)(source.into_error()))?;
        self.target.commit(file)
    }
}
