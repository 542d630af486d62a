//! A writer of whole rows to a file or a stream, which encodes every column.
//!
//! # Memory usage
//! One batch; for Parquet, the encoded columns of one row group.

use std::io::{BufWriter, Write};
use std::path::Path;

use ::parquet::arrow::ARROW_SCHEMA_META_KEY;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::medium::{Medium, check_output_name};
use super::output_schema::sorted_metadata;
use super::parquet_schema::{ParquetSchema, parquet_schema};
use super::text_writer::TextWriter;
use crate::config::{Codec, Encoding};
use crate::error::{Error, Place, Result, Unsupported};
use crate::source::{ParquetWriter, StoredType, first_unsupported};
use crate::storage::{FileRange, ReadyFile, Target, TemporaryFile};

/// Default number of rows of a Parquet row group, and its largest size in bytes.
const MAX_ROW_GROUP: (usize, usize) = (1 << 20, 256 << 20);

/// The destination of an output.
pub(crate) enum Destination {
    /// A file, in the format of its extension.
    File(Target),
    /// A stream, flushed after each batch: Arrow IPC, unless the encoding names another format.
    Stream(Box<dyn Write + Send>),
}

impl Destination {
    /// The format that is written; that of a stream is the encoding's.
    pub(crate) fn medium(&self, encoding: &Encoding) -> Medium {
        match self {
            Self::File(target) => Medium::of(target.path()),
            Self::Stream(_) => Medium::of_stream(encoding.output_format),
        }
    }
}

/// The name of a stream in messages.
const STREAM: &str = "-";

/// A writer of batches of rows.
pub(crate) struct RowWriter {
    schema: SchemaRef,
    format: RowFormat,
}

enum RowFormat {
    IpcFile(Box<FileWriter<BufWriter<TemporaryFile>>>, Target),
    IpcStream(Box<StreamWriter<BufWriter<Box<dyn Write + Send>>>>),
    Parquet(Box<ParquetWriter<BufWriter<TemporaryFile>>>, Target),
    TextFile(TextWriter<BufWriter<TemporaryFile>>, Target),
    TextStream(TextWriter<BufWriter<Box<dyn Write + Send>>>),
}

impl RowWriter {
    /// Opens the output's temporary file, or writes a stream's schema or header at once. `stored` has the types of the first
    /// columns that come from Parquet files.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::OptionRange`] for a codec that its format does not support,
    /// [`Error::Unsupported`] for a column that it cannot hold.
    pub(crate) fn create(
        destination: Destination,
        schema: SchemaRef,
        stored: &[Option<StoredType>],
        encoding: &Encoding,
    ) -> Result<Self> {
        let format = match destination {
            Destination::Stream(to) => {
                let to = BufWriter::with_capacity(FileRange::BUFFER_BYTES, to);
                match Medium::of_stream(encoding.output_format) {
                    medium if medium.is_text() => {
                        RowFormat::TextStream(TextWriter::create(to, Path::new(STREAM), &schema, medium, encoding)?)
                    }
                    _ => RowFormat::IpcStream(Box::new(ipc_stream(to, &schema, encoding)?)),
                }
            }
            Destination::File(target) => Self::create_file(target, &schema, stored, encoding)?,
        };
        Ok(Self { schema, format })
    }

    /// Opens the temporary file of an output in the format of its extension.
    fn create_file(
        target: Target,
        schema: &SchemaRef,
        stored: &[Option<StoredType>],
        encoding: &Encoding,
    ) -> Result<RowFormat> {
        check_output_name(target.path())?;
        if let Some(format) = encoding.output_format {
            let range = "left to outputs on stdout; the name of a file tells its format";
            return Err(Error::OptionRange { option: "output_format", value: format.to_string(), range });
        }
        let write_error = |source| write_error(target.path(), source);
        let file = BufWriter::with_capacity(FileRange::BUFFER_BYTES, target.create()?);
        Ok(match Medium::of(target.path()) {
            medium if medium.is_text() => {
                let writer = TextWriter::create(file, target.path(), schema, medium, encoding)?;
                RowFormat::TextFile(writer, target)
            }
            Medium::Ipc => {
                let writer = FileWriter::try_new_with_options(file, schema, ipc_options(encoding)?);
                RowFormat::IpcFile(Box::new(writer.map_err(write_error)?), target)
            }
            _ => {
                if let Some(field) = first_unsupported(schema.fields()) {
                    let place = Place::column(target.path(), field.name());
                    return Err(Error::Unsupported { place, what: Unsupported::ParquetColumn });
                }
                let write_error = |source| parquet_write_error(target.path(), source);
                let ParquetSchema { descriptor, arrow } = parquet_schema(schema, stored).map_err(write_error)?;
                let options = ArrowWriterOptions::new()
                    .with_properties(properties(schema, arrow, encoding)?)
                    .with_parquet_schema(descriptor)
                    .with_skip_arrow_metadata(true);
                let max_row_group = (encoding.row_group_size.unwrap_or(MAX_ROW_GROUP.0), MAX_ROW_GROUP.1);
                let writer =
                    ParquetWriter::create(file, schema.clone(), options, max_row_group).map_err(write_error)?;
                RowFormat::Parquet(Box::new(writer), target)
            }
        })
    }

    /// The schema of the output.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes rows. A stream is flushed after each call.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::Io`] for a stream, and in a Parquet file [`Error::Unsupported`] for categories whose
    /// order contradicts that of earlier rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.format {
            RowFormat::IpcFile(writer, target) => {
                writer.write(batch).map_err(|source| write_error(target.path(), source))
            }
            RowFormat::IpcStream(writer) => writer
                .write(batch)
                .and_then(|()| writer.flush())
                .map_err(|source| write_error(Path::new(STREAM), source)),
            RowFormat::Parquet(writer, target) => {
                writer.write(batch, target.path(), |source| parquet_write_error(target.path(), source))
            }
            RowFormat::TextFile(writer, _) => writer.write(batch),
            RowFormat::TextStream(writer) => writer.write(batch).and_then(|()| writer.flush()),
        }
    }

    /// Ends the output: commits a file, or writes a stream's end marker. A writer dropped before this does neither.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn finish(self) -> Result<()> {
        self.ready()?.map_or(Ok(()), ReadyFile::publish)
    }

    /// Ends the output, but for the name of a file: a stream, which has none, is complete then.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn ready(self) -> Result<Option<ReadyFile>> {
        let (file, target) = match self.format {
            RowFormat::IpcFile(writer, target) => {
                (writer.into_inner().map_err(|source| write_error(target.path(), source))?, target)
            }
            RowFormat::IpcStream(mut writer) => {
                let finished = writer.finish().and_then(|()| writer.flush());
                return finished.map(|()| None).map_err(|source| write_error(Path::new(STREAM), source));
            }
            RowFormat::Parquet(writer, target) => {
                (writer.finish().map_err(|source| parquet_write_error(target.path(), source))?.0, target)
            }
            RowFormat::TextFile(writer, target) => (writer.finish()?, target),
            RowFormat::TextStream(writer) => return writer.finish().map(|_| None),
        };
        let file = file.into_inner().map_err(|source| Error::io("write", target.path())(source.into_error()))?;
        ReadyFile::new(target, file).map(Some)
    }
}

fn write_error(path: &Path, source: ArrowError) -> Error {
    match source {
        ArrowError::IoError(_, source) => Error::io("write", path)(source),
        source => Error::Write { path: path.to_owned(), source: source.into() },
    }
}

fn parquet_write_error(path: &Path, source: ParquetError) -> Error {
    Error::Write { path: path.to_owned(), source: source.into() }
}

/// Starts an Arrow IPC stream: its schema is written at once.
fn ipc_stream<W: Write>(to: W, schema: &Schema, encoding: &Encoding) -> Result<StreamWriter<W>> {
    let failed = |source| write_error(Path::new(STREAM), source);
    let mut writer = StreamWriter::try_new_with_options(to, schema, ipc_options(encoding)?).map_err(failed)?;
    writer.flush().map_err(failed)?;
    Ok(writer)
}

fn ipc_options(encoding: &Encoding) -> Result<IpcWriteOptions> {
    let compression = match encoding.compression {
        None | Some(Codec::None) => None,
        Some(Codec::Lz4) => Some(CompressionType::LZ4_FRAME),
        Some(Codec::Zstd) => Some(CompressionType::ZSTD),
        Some(other) => {
            let range = "none, lz4 or zstd for Arrow IPC";
            return Err(Error::OptionRange { option: "compression", value: other.to_string(), range });
        }
    };
    if let Some(rows) = encoding.row_group_size {
        let range = "left to Parquet outputs";
        return Err(Error::OptionRange { option: "row_group_size", value: rows.to_string(), range });
    }
    let options = IpcWriteOptions::default().try_with_compression(compression);
    options.map_err(|source| write_error(Path::new(STREAM), source))
}

/// The writer properties; as for a splice, but with dictionaries, which carried columns may need.
fn properties(schema: &Schema, arrow: Option<String>, encoding: &Encoding) -> Result<WriterProperties> {
    use ::parquet::basic::{Compression, ZstdLevel};
    let compression = match encoding.compression.unwrap_or(Codec::Zstd) {
        Codec::None => Compression::UNCOMPRESSED,
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(Default::default()),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Brotli => Compression::BROTLI(Default::default()),
        Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
    };
    let mut keys = sorted_metadata(schema);
    keys.extend(arrow.map(|arrow| KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(arrow) }));
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_key_value_metadata(Some(keys))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(encoding.row_group_size.unwrap_or(MAX_ROW_GROUP.0)))
        .set_max_row_group_bytes(Some(MAX_ROW_GROUP.1));
    Ok(properties.build())
}

/// Encodes a schema as an Arrow IPC stream without batches.
///
/// # Errors
/// [`Error::Write`] if the format cannot hold it.
pub fn ipc_schema(schema: &Schema) -> Result<Vec<u8>> {
    let writer = StreamWriter::try_new(Vec::new(), schema).and_then(StreamWriter::into_inner);
    writer.map_err(|source| write_error(Path::new(STREAM), source))
}
