//! Whole rows to a file or a stream: the general path, which encodes every column anew.
//!
//! # Memory usage
//! A batch; of Parquet, the encoded columns of one row group.

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

/// Rows of a Parquet row group when nobody says, and its bytes at most.
const GROUP: (usize, usize) = (1 << 20, 256 << 20);

/// Where rows go.
pub(crate) enum Destination {
    /// A file, in the format its name says.
    File(Target),
    /// An Arrow IPC stream, flushed after each batch.
    Stream(Box<dyn Write + Send>),
}

/// What rows are in once they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Batches in memory, which hold every type.
    Memory,
    Ipc,
    Parquet,
}

impl Medium {
    /// That of a file, by its name.
    pub(crate) fn of(path: &Path) -> Self {
        if is_ipc(path) { Self::Ipc } else { Self::Parquet }
    }
}

/// What a stream is called in messages.
const STREAM: &str = "-";

/// Writes batches of rows.
pub(crate) struct RowWriter {
    schema: SchemaRef,
    form: RowFormat,
}

enum RowFormat {
    IpcFile(Box<FileWriter<BufWriter<TemporaryFile>>>, Target),
    IpcStream(Box<StreamWriter<BufWriter<Box<dyn Write + Send>>>>),
    Parquet(Box<ParquetWriter<BufWriter<TemporaryFile>>>, Target),
}

/// The columns of an output of `input`'s metadata: Arrow IPC has dictionaries written out, and Parquet has its own units of
/// time.
pub(crate) fn written(
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
    let keys = input.metadata().iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
    let mut keys: Vec<KeyValue> = keys.collect();
    keys.sort_by(|one, other| one.key.cmp(&other.key));
    let keys = metadata::updated(&keys, &output, new, own).into_iter();
    let keys: HashMap<String, String> = keys.filter_map(|key| Some((key.key, key.value?))).collect();
    Arc::new(output.with_metadata(keys))
}

impl RowWriter {
    /// Opens the output's temporary file, or writes a stream's schema at once. The first columns come from Parquet files
    /// where they are stored as `stored` says.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::OptionRange`] for a codec its format does not have.
    pub(crate) fn create(
        destination: Destination,
        schema: SchemaRef,
        stored: &[Option<StoredType>],
        encoding: &Encoding,
    ) -> Result<Self> {
        let form = match destination {
            Destination::Stream(to) => {
                let path = Path::new(STREAM);
                let options = ipc_options(encoding)?;
                let to = BufWriter::with_capacity(FileRange::BUFFER_BYTES, to);
                let writer = StreamWriter::try_new_with_options(to, &schema, options);
                let mut writer = writer.map_err(|source| failed(path, source))?;
                writer.flush().map_err(|source| failed(path, source))?;
                RowFormat::IpcStream(Box::new(writer))
            }
            Destination::File(target) => {
                let failed = |source| failed(target.path(), source);
                let file = BufWriter::with_capacity(FileRange::BUFFER_BYTES, target.create()?);
                if is_ipc(target.path()) {
                    let writer = FileWriter::try_new_with_options(file, &schema, ipc_options(encoding)?);
                    RowFormat::IpcFile(Box::new(writer.map_err(failed)?), target)
                } else {
                    if let Some(field) = first_unsupported(schema.fields()) {
                        let place = Place::column(target.path(), field.name());
                        return Err(Error::Unsupported { place, what: "a column of this type in a Parquet file" });
                    }
                    let failed = |source| failed_parquet(target.path(), source);
                    let ParquetSchema { descriptor, arrow } = parquet_schema(&schema, stored).map_err(failed)?;
                    let options = ArrowWriterOptions::new()
                        .with_properties(properties(&schema, arrow, encoding)?)
                        .with_parquet_schema(descriptor)
                        .with_skip_arrow_metadata(true);
                    let most = (encoding.row_group_size.unwrap_or(GROUP.0), GROUP.1);
                    let writer = ParquetWriter::create(file, schema.clone(), options, most).map_err(failed)?;
                    RowFormat::Parquet(Box::new(writer), target)
                }
            }
        };
        Ok(Self { schema, form })
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes rows; those of a stream can be read when it returns.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::Io`] of a stream, and [`Error::Unsupported`] for categories whose order contradicts that
    /// of earlier rows, in a Parquet file.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.form {
            RowFormat::IpcFile(writer, target) => writer.write(batch).map_err(|source| failed(target.path(), source)),
            RowFormat::IpcStream(writer) => {
                writer.write(batch).and_then(|()| writer.flush()).map_err(|source| failed(Path::new(STREAM), source))
            }
            RowFormat::Parquet(writer, target) => {
                writer.write(batch, target.path(), |source| failed_parquet(target.path(), source))
            }
        }
    }

    /// Ends the output: a file gets its name, a stream its end-of-stream marker. Without this, neither does.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn finish(self) -> Result<()> {
        match self.form {
            RowFormat::IpcFile(writer, target) => {
                let file = writer.into_inner().map_err(|source| failed(target.path(), source))?;
                commit(file, &target)
            }
            RowFormat::IpcStream(mut writer) => {
                writer.finish().and_then(|()| writer.flush()).map_err(|source| failed(Path::new(STREAM), source))
            }
            RowFormat::Parquet(writer, target) => {
                let (file, _) = writer.finish().map_err(|source| failed_parquet(target.path(), source))?;
                commit(file, &target)
            }
        }
    }
}

fn commit(file: BufWriter<TemporaryFile>, target: &Target) -> Result<()> {
    let file = file.into_inner().map_err(|source| Error::io("write", target.path())(source.into_error()))?;
    target.commit(file)
}

fn failed(path: &Path, source: ArrowError) -> Error {
    match source {
        ArrowError::IoError(_, source) => Error::io("write", path)(source),
        source => Error::Write { path: path.to_owned(), source: source.into() },
    }
}

fn failed_parquet(path: &Path, source: ParquetError) -> Error {
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
    options.map_err(|source| failed(Path::new(STREAM), source))
}

/// As a splice writes new columns, but with dictionaries, which carried columns may need.
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
    let keys = schema.metadata().iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
    let mut keys: Vec<KeyValue> = keys.collect();
    // A map has no order, and the output must have one.
    keys.sort_by(|one, other| one.key.cmp(&other.key));
    keys.extend(arrow.map(|arrow| KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(arrow) }));
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_key_value_metadata(Some(keys))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(encoding.row_group_size.unwrap_or(GROUP.0)))
        .set_max_row_group_bytes(Some(GROUP.1));
    Ok(properties.build())
}

/// Puts arrays of the same rows, which come from `path`, under a schema: dictionaries written out where it has none, times
/// in its units.
///
/// # Errors
/// [`Error::WrongType`] for a time that there is not in that unit, [`Error::Read`].
pub(crate) fn under(
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

/// A schema as Arrow IPC: a stream without a batch.
///
/// # Errors
/// [`Error::Write`] if the format cannot hold it.
pub fn ipc_schema(schema: &Schema) -> Result<Vec<u8>> {
    let writer = StreamWriter::try_new(Vec::new(), schema).and_then(StreamWriter::into_inner);
    writer.map_err(|source| failed(Path::new(STREAM), source))
}

/// A field of the values that dictionaries in it stand for.
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
