//! Rows that can be read once, kept in a temporary Parquet file that has no name and vanishes with its last handle.

use std::path::Path;

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::datatypes::Schema;

use super::units::{batch_in_units, schema_in_parquet_units};
use super::{ParquetFile, ParquetWriter, PositionalFile, Stream};
use crate::error::{Error, Place, Result};

/// Rows read at once.
pub(super) const BATCH_ROWS: usize = 8192;

/// Rows and bytes of a row group, at most.
const GROUP: (usize, usize) = (1 << 17, 64 << 20);

/// Writes rows to a temporary file in `folder`; `path` is what messages call it.
///
/// # Errors
/// The stream's; [`Error::WrongType`] for a time that Parquet cannot hold; [`Error::Io`] for want of room; [`Error::Unsupported`] for a column that a Parquet file cannot hold.
pub(super) fn spool(path: &Path, folder: &Path, stream: Stream) -> Result<ParquetFile> {
    let full = |source: ParquetError| Error::io("write a scratch file here", folder)(std::io::Error::other(source));
    for field in stream.schema.fields() {
        let alone = Schema::new(vec![field.clone()]);
        if ArrowSchemaConverter::new().convert(&alone).is_err() {
            let what = "a column of this type, which cannot be kept to be read again,";
            return Err(Error::Unsupported { place: Place::column(path, field.name()), what });
        }
    }
    let file = tempfile::tempfile_in(folder).map_err(Error::io("create a scratch file here", folder))?;
    let kept = file.try_clone().map_err(Error::io("create a scratch file here", folder))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(GROUP.0))
        .set_max_row_group_bytes(Some(GROUP.1));
    let schema = schema_in_parquet_units(&stream.schema);
    let options = ArrowWriterOptions::new().with_properties(properties.build());
    let mut writer = ParquetWriter::create(file, schema.clone(), options, GROUP).map_err(full)?;
    for batch in stream.batches {
        writer.write(&batch_in_units(&batch?, &schema, path)?).map_err(full)?;
    }
    let (_, rows) = writer.finish().map_err(full)?;
    tracing::info!("{}: {rows} rows are kept in a scratch file in {}", path.display(), folder.display());
    let length = kept.metadata().map_err(Error::io("read a scratch file here", folder))?.len();
    Ok(ParquetFile::read(path, PositionalFile::new(kept, length))?.with_given(stream.schema))
}
