//! Copies rows to a temporary Parquet file, which has no name and vanishes with its last handle.

use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::parquet::{ScratchSchema, supported_array, supported_field};
use super::{ColumnStream, ParquetFile, ParquetWriter, batch_of, first_unsupported};
use crate::error::{Error, Place, Result, Unsupported};
use crate::storage::PositionalFile;

/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 8192;

/// Most rows and bytes of a row group.
const GROUP_LIMITS: (usize, usize) = (1 << 17, 64 << 20);

/// What the copied rows are for.
#[derive(Clone, Copy)]
pub(super) enum ScratchPurpose<'a> {
    /// All columns go to the output.
    PassThrough,
    /// A fit reads the columns for which this is true. Other columns, and types that Parquet cannot hold, become nulls.
    Training(&'a dyn Fn(&str) -> bool),
}

/// Writes rows to a temporary file in `folder`; `path` names the input in messages.
///
/// # Errors
/// Errors of the stream; [`Error::Io`] if the disk is full; [`Error::Unsupported`] for a passed-through column that Parquet
/// cannot hold.
pub(super) fn write_scratch_file(
    path: &Path,
    folder: &Path,
    stream: ColumnStream,
    purpose: ScratchPurpose<'_>,
) -> Result<ParquetFile> {
    let failed = |source: ParquetError| Error::io("write a scratch file here", folder)(std::io::Error::other(source));
    let all = stream.schema.fields();
    let unsupported = first_unsupported(all);
    if let (Some(field), ScratchPurpose::PassThrough) = (unsupported, purpose) {
        return Err(Error::Unsupported {
            place: Place::column(path, field.name()),
            what: Unsupported::StreamColumnTwice,
        });
    }
    let training_field = |field: &FieldRef, needed: &dyn Fn(&str) -> bool| {
        let field = match unsupported {
            _ if !needed(field.name()) => Arc::new(Field::new(field.name(), DataType::Null, true)),
            Some(_) => supported_field(field),
            None => field.clone(),
        };
        // No model learns the order of categories.
        Arc::new(field.as_ref().clone().with_dict_is_ordered(false))
    };
    let fields: Vec<FieldRef> = match purpose {
        ScratchPurpose::PassThrough => all.to_vec(),
        ScratchPurpose::Training(needed) => all.iter().map(|field| training_field(field, needed)).collect(),
    };
    let schema = Arc::new(Schema::new_with_metadata(fields, stream.schema.metadata().clone()));
    let file = tempfile::tempfile_in(folder).map_err(Error::io("create a scratch file here", folder))?;
    let reading = file.try_clone().map_err(Error::io("create a scratch file here", folder))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(GROUP_LIMITS.0))
        .set_max_row_group_bytes(Some(GROUP_LIMITS.1));
    let options = ArrowWriterOptions::new().with_properties(properties.build());
    let mut writer = ParquetWriter::create(file, schema.clone(), options, GROUP_LIMITS).map_err(failed)?;
    for batch in stream.batches {
        let batch = supported_batch(&batch?, &schema).map_err(|source| failed(source.into()))?;
        writer.write(&batch, path, failed)?;
    }
    let (_, rows) = writer.finish().map_err(failed)?;
    tracing::info!("{}: {rows} rows are kept in a scratch file in {}", path.display(), folder.display());
    let length = reading.metadata().map_err(Error::io("read a scratch file here", folder))?.len();
    let file = ParquetFile::read(path, PositionalFile::new(reading, length))?;
    let input = matches!(purpose, ScratchPurpose::Training(_)).then_some(stream.schema);
    let scratch = ScratchSchema::new(input, &schema, file.schema());
    Ok(file.with_scratch_schema(scratch))
}

/// The rows with unsupported columns as nulls.
fn supported_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns =
        columns.map(|(column, field)| supported_array(column, field.data_type())).collect::<Result<_, _>>()?;
    batch_of(schema.clone(), columns, batch.num_rows())
}
