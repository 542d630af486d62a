//! Rows that can be read once, kept in a temporary Parquet file that has no name and vanishes with its last handle.

use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::parquet_support::{held, holdable, unholdable};
use super::scratch_schema::ScratchSchema;
use super::{ColumnStream, ParquetFile, ParquetWriter};
use crate::error::{Error, Place, Result};
use crate::storage::PositionalFile;

/// Rows read at once.
pub(super) const BATCH_ROWS: usize = 8192;

/// Rows and bytes of a row group, at most.
const GROUP: (usize, usize) = (1 << 17, 64 << 20);

/// What the rows are kept for.
#[derive(Clone, Copy)]
pub(super) enum Use<'a> {
    /// All columns are written out again.
    Carrying,
    /// The columns of these names are learned from. Of the others nulls are kept, as of what a Parquet file cannot hold.
    Learning(&'a dyn Fn(&str) -> bool),
}

/// Writes rows to a temporary file in `folder`; `path` is what messages call it.
///
/// # Errors
/// The stream's; [`Error::Io`] if there is no room; [`Error::Unsupported`] for a carried column that a Parquet file cannot
/// hold.
pub(super) fn spool(path: &Path, folder: &Path, stream: ColumnStream, to: Use<'_>) -> Result<ParquetFile> {
    let full = |source: ParquetError| Error::io("write a scratch file here", folder)(std::io::Error::other(source));
    let all = stream.schema.fields();
    let unholdable = unholdable(all);
    if let (Some(field), Use::Carrying) = (unholdable, to) {
        let what = "reading a stream twice with a column of this type";
        return Err(Error::Unsupported { place: Place::column(path, field.name()), what });
    }
    let learned = |field: &FieldRef, needed: &dyn Fn(&str) -> bool| {
        let field = match unholdable {
            _ if !needed(field.name()) => Arc::new(Field::new(field.name(), DataType::Null, true)),
            Some(_) => holdable(field),
            None => field.clone(),
        };
        // Nothing learns the order of categories.
        Arc::new(field.as_ref().clone().with_dict_is_ordered(false))
    };
    let fields: Vec<FieldRef> = match to {
        Use::Carrying => all.to_vec(),
        Use::Learning(needed) => all.iter().map(|field| learned(field, needed)).collect(),
    };
    let schema = Arc::new(Schema::new_with_metadata(fields, stream.schema.metadata().clone()));
    let file = tempfile::tempfile_in(folder).map_err(Error::io("create a scratch file here", folder))?;
    let reading = file.try_clone().map_err(Error::io("create a scratch file here", folder))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(GROUP.0))
        .set_max_row_group_bytes(Some(GROUP.1));
    let options = ArrowWriterOptions::new().with_properties(properties.build());
    let mut writer = ParquetWriter::create(file, schema.clone(), options, GROUP).map_err(full)?;
    for batch in stream.batches {
        let batch = kept(&batch?, &schema).map_err(|source| full(source.into()))?;
        writer.write(&batch, path, full)?;
    }
    let (_, rows) = writer.finish().map_err(full)?;
    tracing::info!("{}: {rows} rows are kept in a scratch file in {}", path.display(), folder.display());
    let length = reading.metadata().map_err(Error::io("read a scratch file here", folder))?.len();
    let file = ParquetFile::read(path, PositionalFile::new(reading, length))?;
    let given = matches!(to, Use::Learning(_)).then_some(stream.schema);
    let given = ScratchSchema::new(given, &schema, file.schema());
    Ok(file.with_given(given))
}

/// The rows as they are kept.
fn kept(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| held(column, field.data_type())).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
