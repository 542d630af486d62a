//! CSV and newline-delimited JSON. Neither says of what types its columns are: all its rows decide, and what a model
//! learned.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::ChunkReader;
use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json;
use flate2::read::MultiGzDecoder;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::format::Format;
use super::lines::{Lines, Longest};
use super::{PositionalFile, guarded};
use crate::error::{Error, Place, Result};
use crate::stop::Stop;

/// A file of text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    path: PathBuf,
    file: PositionalFile,
    format: Format,
    schema: SchemaRef,
    longest: Longest,
}

impl Text {
    /// Reads the whole file to find the columns' types.
    ///
    /// # Errors
    /// [`Error::Read`] if it is not of its format.
    pub(super) fn open(path: &Path, file: PositionalFile, format: Format, stop: &Stop) -> Result<Self> {
        let (schema, longest) = (Arc::new(Schema::empty()), Longest::default());
        let mut text = Self { path: path.to_owned(), file, format, schema, longest };
        let bytes = text.bytes(stop)?;
        let inferred = guarded(
            || Place::file(path),
            || match format {
                Format::Ndjson { .. } => json::reader::infer_json_schema(bytes, None).map(|(schema, _)| schema),
                _ => csv_format().infer_schema(bytes, None).map(|(schema, _)| schema),
            },
        );
        stop.check()?;
        let inferred = inferred?;
        if inferred.fields().is_empty() {
            return Err(Error::Damaged { place: Place::file(path), what: "it has no columns".to_owned() });
        }
        let mut fields: Vec<Field> = {
            let field = |field: &Arc<Field>| Field::new(field.name(), field.data_type().clone(), true);
            inferred.fields().iter().map(field).collect()
        };
        if let Format::Ndjson { .. } = format {
            // They come sorted by name; the first row says how they stand.
            let order = first_keys(text.bytes(stop)?);
            fields.sort_by_key(|field| order.iter().position(|key| key == field.name()).unwrap_or(usize::MAX));
        }
        text.schema = Arc::new(Schema::new(fields));
        Ok(text)
    }

    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same file read with these types in place of those found.
    pub(super) fn with_types(&self, wanted: impl Fn(&Field) -> Option<DataType>) -> Self {
        let field = |field: &Arc<Field>| match wanted(field) {
            Some(data_type) => Field::new(field.name(), data_type, true),
            None => field.as_ref().clone(),
        };
        let schema = Arc::new(Schema::new(self.schema.fields().iter().map(field).collect::<Vec<_>>()));
        Self { schema, ..self.clone() }
    }

    /// Every row, `batch_rows` at a time, or fewer long ones.
    pub(super) fn batches(
        &self,
        batch_rows: usize,
        stop: &Stop,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let (bytes, batch_rows) = (self.bytes(stop)?, self.longest.rows(batch_rows));
        let place = Place::file(&self.path);
        let mut reader: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send> = guarded(
            || place.clone(),
            || -> Result<_, ArrowError> {
                Ok(match self.format {
                    Format::Ndjson { .. } => Box::new(
                        json::ReaderBuilder::new(self.schema.clone()).with_batch_size(batch_rows).build(bytes)?,
                    ) as Box<dyn Iterator<Item = _> + Send>,
                    _ => Box::new(
                        csv::ReaderBuilder::new(self.schema.clone())
                            .with_format(csv_format())
                            .with_batch_size(batch_rows)
                            .build_buffered(bytes)?,
                    ),
                })
            },
        )?;
        let (mut ended, stop) = (false, stop.clone());
        Ok(std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = guarded(|| place.clone(), || reader.next().transpose());
            let next = stop.check().and(next).transpose();
            ended = !matches!(next, Some(Ok(_)));
            next
        }))
    }

    fn bytes(&self, stop: &Stop) -> Result<Box<dyn BufRead + Send>> {
        let read = |source: ::parquet::errors::ParquetError| Error::Read {
            place: Place::file(&self.path),
            source: source.into(),
        };
        let file = Stoppable { from: self.file.get_read(0).map_err(read)?, stop: stop.clone() };
        let (Format::Csv { gzip } | Format::Ndjson { gzip }) = self.format else {
            unreachable!("only these two are text")
        };
        let bytes: Box<dyn Read + Send> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let lines = Lines::new(bytes, matches!(self.format, Format::Csv { .. }), &self.longest);
        Ok(Box::new(BufReader::with_capacity(1 << 16, lines)))
    }
}

/// The keys of the first JSON object, in their order.
fn first_keys(bytes: Box<dyn BufRead + Send>) -> Vec<String> {
    struct Keys(Vec<String>);
    struct Collect;
    impl<'de> Visitor<'de> for Collect {
        type Value = Keys;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(Keys(keys))
        }
    }
    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(Collect)
        }
    }
    let first = serde_json::Deserializer::from_reader(bytes).into_iter::<Keys>().next();
    first.and_then(Result::ok).map_or_else(Vec::new, |Keys(keys)| keys)
}

/// With a header line.
fn csv_format() -> csv::reader::Format {
    csv::reader::Format::default().with_header(true)
}

/// Bytes that end early when somebody asks for it: a look at all types of a large file takes its time.
struct Stoppable<R> {
    from: R,
    stop: Stop,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stop.check().map_err(std::io::Error::other)?;
        self.from.read(buffer)
    }
}

/// The type of a column that is of two types in two files of text; of the type null if it has no value yet.
pub(super) fn common(one: &DataType, other: &DataType) -> DataType {
    use DataType::{Date32, Float64, Int64, Null, Timestamp, Utf8};
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Int64 | Float64, Int64 | Float64) => Float64,
        (Timestamp(one, None), Timestamp(other, None)) => Timestamp(*one.max(other), None),
        (Timestamp(unit, None), Date32) | (Date32, Timestamp(unit, None)) => Timestamp(*unit, None),
        _ => Utf8,
    }
}
