//! A writer of whole rows to a file or a stream, which encodes every column.
//!
//! # Memory usage
//! One batch; for Parquet, the encoded columns of one row group.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ARROW_SCHEMA_META_KEY;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::parquet_schema::{ParquetSchema, parquet_schema};
use super::{is_ipc, metadata};
use crate::config::{Codec, Encoding};
use crate::error::{Error, Place, Result};
use crate::source::{ParquetWriter, StoredType, batch_of, convert_unit, first_unsupported, with_parquet_units};
use crate::storage::{FileRange, Target, TemporaryFile};

/// Default number of rows of a Parquet row group, and its largest size in bytes.
const MAX_ROW_GROUP: (usize, usize) = (1 << 20, 256 << 20);

/// The destination of an output.
pub(crate) enum Destination {
    /// A file, in the format of its extension.
    File(Target),
    /// An Arrow IPC stream, flushed after each batch.
    Stream(Box<dyn Write + Send>),
}

/// The format of written rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Batches in memory, which hold every type.
    Memory,
    Ipc,
    Parquet,
}

impl Destination {
    /// The format that is written.
    pub(crate) fn medium(&self) -> Medium {
        match self {
            Self::File(target) => Medium::of(target.path()),
            Self::Stream(_) => Medium::Ipc,
        }
    }
}

impl Medium {
    /// The format of a file, by its extension.
    pub(crate) fn of(path: &Path) -> Self {
        if is_ipc(path) { Self::Ipc } else { Self::Parquet }
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
}

/// The schema of an output with the metadata of `input`: Arrow IPC stores dictionaries as plain values, and Parquet
/// stores times in its own units.
pub(crate) fn output_schema(
    input: &Schema,
    fields: &[FieldRef],
    new: &Schema,
    own: &[(String, String)],
    medium: Medium,
) -> SchemaRef {
    let field = |field: &FieldRef| match medium {
        Medium::Memory => field.clone(),
        Medium::Ipc => without_dictionaries(field),
        Medium::Parquet => with_parquet_units(field),
    };
    let output = Schema::new(fields.iter().map(field).collect::<Vec<_>>());
    let keys = metadata::update(&sorted_metadata(input), &output, new, own).into_iter();
    let keys: HashMap<String, String> = keys.filter_map(|key| Some((key.key, key.value?))).collect();
    Arc::new(output.with_metadata(keys))
}

impl RowWriter {
    /// Opens the output's temporary file, or writes a stream's schema at once. `stored` has the types of the first
    /// columns that come from Parquet files.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::OptionRange`] for a codec that its format does not support.
    pub(crate) fn create(
        destination: Destination,
        schema: SchemaRef,
        stored: &[Option<StoredType>],
        encoding: &Encoding,
    ) -> Result<Self> {
        let format = match destination {
            Destination::Stream(to) => {
                let path = Path::new(STREAM);
                let options = ipc_options(encoding)?;
                let to = BufWriter::with_capacity(FileRange::BUFFER_BYTES, to);
                let writer = StreamWriter::try_new_with_options(to, &schema, options);
                let mut writer = writer.map_err(|source| write_error(path, source))?;
                writer.flush().map_err(|source| write_error(path, source))?;
                RowFormat::IpcStream(Box::new(writer))
            }
            Destination::File(target) => {
                let write_error = |source| write_error(target.path(), source);
                let file = BufWriter::with_capacity(FileRange::BUFFER_BYTES, target.create()?);
                if is_ipc(target.path()) {
                    let writer = FileWriter::try_new_with_options(file, &schema, ipc_options(encoding)?);
                    RowFormat::IpcFile(Box::new(writer.map_err(write_error)?), target)
                } else {
                    if let Some(field) = first_unsupported(schema.fields()) {
                        let place = Place::column(target.path(), field.name());
                        return Err(Error::Unsupported { place, what: "a column of this type in a Parquet file" });
                    }
                    let write_error = |source| parquet_write_error(target.path(), source);
                    let ParquetSchema { descriptor, arrow } = parquet_schema(&schema, stored).map_err(write_error)?;
                    let options = ArrowWriterOptions::new()
                        .with_properties(properties(&schema, arrow, encoding)?)
                        .with_parquet_schema(descriptor)
                        .with_skip_arrow_metadata(true);
                    let max_row_group = (encoding.row_group_size.unwrap_or(MAX_ROW_GROUP.0), MAX_ROW_GROUP.1);
                    let writer =
                        ParquetWriter::create(file, schema.clone(), options, max_row_group).map_err(write_error)?;
                    RowFormat::Parquet(Box::new(writer), target)
                }
            }
        };
        Ok(Self { schema, format })
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
        }
    }

    /// Ends the output: commits a file, or writes a stream's end marker. A writer dropped before this does neither.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn finish(self) -> Result<()> {
        match self.format {
            RowFormat::IpcFile(writer, target) => {
                let file = writer.into_inner().map_err(|source| write_error(target.path(), source))?;
                commit(file, &target)
            }
            RowFormat::IpcStream(mut writer) => {
                writer.finish().and_then(|()| writer.flush()).map_err(|source| write_error(Path::new(STREAM), source))
            }
            RowFormat::Parquet(writer, target) => {
                let (file, _) = writer.finish().map_err(|source| parquet_write_error(target.path(), source))?;
                commit(file, &target)
            }
        }
    }
}

fn commit(file: BufWriter<TemporaryFile>, target: &Target) -> Result<()> {
    let file = file.into_inner().map_err(|source| Error::io("write", target.path())(source.into_error()))?;
    target.commit(file)
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

/// The metadata of a schema, sorted: the order of a map is random, and that of an output must not be.
fn sorted_metadata(schema: &Schema) -> Vec<KeyValue> {
    let keys = schema.metadata().iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
    let mut keys: Vec<KeyValue> = keys.collect();
    keys.sort_by(|one, other| one.key.cmp(&other.key));
    keys
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

/// Casts arrays of the same rows, read from `path`, to a schema: decodes dictionaries and converts units of time.
///
/// # Errors
/// [`Error::WrongType`] for a time that the unit cannot represent, [`Error::Read`].
pub(crate) fn cast_to_schema(
    schema: &SchemaRef,
    arrays: impl IntoIterator<Item = ArrayRef>,
    rows: usize,
    path: &Path,
) -> Result<RecordBatch> {
    let read = |source: ArrowError| Error::Read { place: Place::file(path), source: source.into() };
    let of_type = |(array, field): (ArrayRef, &FieldRef)| {
        if array.data_type() == field.data_type() {
            return Ok(array);
        }
        let plain = without_dictionaries(&Arc::new(Field::new("", array.data_type().clone(), true)));
        if plain.data_type() == field.data_type() {
            cast(&array, field.data_type()).map_err(read)
        } else {
            convert_unit(&array, field, path)
        }
    };
    let arrays = arrays.into_iter().zip(schema.fields()).map(of_type).collect::<Result<_, _>>()?;
    batch_of(schema.clone(), arrays, rows).map_err(read)
}

/// Encodes a schema as an Arrow IPC stream without batches.
///
/// # Errors
/// [`Error::Write`] if the format cannot hold it.
pub fn ipc_schema(schema: &Schema) -> Result<Vec<u8>> {
    let writer = StreamWriter::try_new(Vec::new(), schema).and_then(StreamWriter::into_inner);
    writer.map_err(|source| write_error(Path::new(STREAM), source))
}

/// A field with its dictionary types replaced by their value types.
fn without_dictionaries(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => {
            let values = Field::new(field.name(), (**values).clone(), true);
            without_dictionaries(&Arc::new(values)).data_type().clone()
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_dictionaries).collect()),
        DataType::List(inner) => DataType::List(without_dictionaries(inner)),
        DataType::LargeList(inner) => DataType::LargeList(without_dictionaries(inner)),
        DataType::FixedSizeList(inner, length) => DataType::FixedSizeList(without_dictionaries(inner), *length),
        DataType::Map(entries, sorted) => DataType::Map(without_dictionaries(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}
