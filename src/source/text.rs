//! CSV and NDJSON. They store no column types; the values and the model's types decide.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::ChunkReader;
use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json;
use flate2::read::MultiGzDecoder;

use super::format::FileFormat;
use super::guarded;
use super::infer_type::{ColumnValues, Line};
use super::json_line::{self, JsonColumns, Unnested};
use super::line_length::{Lines, Longest};
use crate::error::{Error, Foreign, Place, Result};
use crate::pipeline::Stop;
use crate::storage::PositionalFile;

/// A file of text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    path: PathBuf,
    file: PositionalFile,
    format: FileFormat,
    schema: SchemaRef,
    longest: Longest,
    /// All values of each column, those of other files that are read with it included.
    columns: Arc<HashMap<String, ColumnValues>>,
    /// Types that were wanted of columns that have other values.
    refused: HashMap<String, DataType>,
}

impl Text {
    /// Reads the whole file to find the columns' types.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`] if it is not of its format.
    pub(super) fn open(path: &Path, file: PositionalFile, format: FileFormat, stop: &Stop) -> Result<Self> {
        let (schema, longest) = (Arc::new(Schema::empty()), Longest::default());
        let (columns, refused) = (Arc::default(), HashMap::new());
        let mut text = Self { path: path.to_owned(), file, format, schema, longest, columns, refused };
        let bytes = text.bytes(stop)?;
        let seen = if text.is_json() {
            guarded(|| Place::file(path), || Ok::<_, Foreign>(text.see_json(bytes)))?
        } else {
            text.see_csv(bytes)
        };
        stop.check()?;
        let seen = seen?;
        if seen.is_empty() {
            return Err(Error::Damaged { place: Place::file(path), what: "it has no columns".to_owned() });
        }
        let field = |(name, values): &(String, ColumnValues)| Field::new(name, values.data_type(), true);
        text.schema = Arc::new(Schema::new(seen.iter().map(field).collect::<Vec<_>>()));
        let mut columns = HashMap::new();
        join(&mut columns, seen.iter().map(|(name, values)| (name, values)));
        Ok(text.settled(&Arc::new(columns)))
    }

    /// All values of a CSV file, by column.
    fn see_csv(&self, bytes: Box<dyn BufRead + Send>) -> Result<Vec<(String, ColumnValues)>> {
        let path: Arc<Path> = self.path.as_path().into();
        let mut damaged = None;
        let seen = guarded(
            || Place::file(&self.path),
            || -> Result<_, ::csv::Error> {
                let mut reader = ::csv::Reader::from_reader(bytes);
                let names = reader.headers()?.iter().map(str::to_owned);
                let mut columns: Vec<_> = names.map(|name| (name, ColumnValues::default())).collect();
                let mut record = ::csv::StringRecord::new();
                loop {
                    match reader.read_record(&mut record) {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(error) => {
                            if let ::csv::ErrorKind::Utf8 { err, .. } = error.kind() {
                                damaged = columns.get(err.field()).map(|(name, _)| name.clone());
                            }
                            return Err(error);
                        }
                    }
                    let number = record.position().map_or(0, ::csv::Position::line);
                    let line = Line { path: path.clone(), number };
                    columns.iter_mut().zip(&record).for_each(|((_, values), text)| values.see(text, &line));
                }
                Ok(columns)
            },
        );
        match (seen, damaged) {
            (Err(Error::Read { source, .. }), Some(column)) => {
                Err(Error::Read { place: Place::column(&self.path, column), source })
            }
            (seen, _) => seen,
        }
    }

    /// All values of a JSON file, by column.
    fn see_json(&self, mut bytes: Box<dyn BufRead + Send>) -> Result<Vec<(String, ColumnValues)>> {
        let path: Arc<Path> = self.path.as_path().into();
        let (mut columns, mut text) = (JsonColumns::default(), Vec::new());
        for number in 1.. {
            text.clear();
            let read = bytes.read_until(b'\n', &mut text);
            let read = read.map_err(|error| Error::Read { place: Place::file(&self.path), source: error.into() })?;
            if read == 0 {
                break;
            }
            let damaged = |what: String| Error::Damaged {
                place: Place::file(&self.path),
                what: format!("line {number}: {what}"),
            };
            let row = str::from_utf8(&text).map_err(|_| damaged("it is not UTF-8".to_owned()))?;
            let row = row.trim();
            if row.is_empty() {
                continue;
            }
            json_line::check(row).map_err(damaged)?;
            columns.see_row(row, &Line { path: path.clone(), number }).map_err(damaged)?;
        }
        Ok(columns.into_fields())
    }

    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// All values of each column.
    pub(super) fn columns(&self) -> &HashMap<String, ColumnValues> {
        &self.columns
    }

    /// The same file, read with types that hold these values, too.
    pub(super) fn settled(&self, columns: &Arc<HashMap<String, ColumnValues>>) -> Self {
        let text = Self { columns: columns.clone(), ..self.clone() };
        text.with_types(|_| None)
    }

    /// The same file read with the types wanted in place of its own, where these hold its values as they are.
    pub(super) fn with_types(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        let mut refused = HashMap::new();
        let mut field = |field: &FieldRef| {
            let values = &self.columns[field.name()];
            let data_type = match wanted(field.name()) {
                // The CSV reader knows one type of text, and no lists.
                Some(DataType::LargeUtf8) if !self.is_json() => DataType::Utf8,
                Some(data_type) if values.holds(&data_type) && (self.is_json() || !data_type.is_nested()) => data_type,
                Some(data_type) => {
                    // As times of their own they would be taken for UTC.
                    let own = if values.lack_offsets(&data_type) { DataType::Utf8 } else { values.data_type() };
                    refused.insert(field.name().clone(), data_type);
                    own
                }
                None => values.data_type(),
            };
            Field::new(field.name(), data_type, true)
        };
        let schema = Arc::new(Schema::new(self.schema.fields().iter().map(&mut field).collect::<Vec<_>>()));
        Self { schema, refused, ..self.clone() }
    }

    /// The first value of a column that is not of the type that was wanted, where it is, and what it lacks.
    pub(super) fn stranger(&self, column: &str) -> Option<(&Line, &str, &'static str)> {
        let (values, wanted) = (self.columns.get(column)?, self.refused.get(column)?);
        let (line, value) = values.stranger(wanted)?;
        let lacks = if values.lack_offsets(wanted) { ", without an offset from UTC" } else { "" };
        Some((line, value, lacks))
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
                if self.is_json() {
                    // Numbers of a column that has texts, too, are texts as they are written.
                    let reader = json::ReaderBuilder::new(self.schema.clone()).with_coerce_primitive(true);
                    let reader = reader.with_batch_size(batch_rows);
                    let mixed = self.columns.iter().filter(|(_, values)| values.is_mixed());
                    let mixed: Vec<String> = mixed.map(|(name, _)| name.clone()).collect();
                    return Ok(if mixed.is_empty() {
                        Box::new(reader.build(bytes)?) as Box<dyn Iterator<Item = _> + Send>
                    } else {
                        Box::new(reader.build(Unnested::new(bytes, mixed))?)
                    });
                }
                let reader = csv::ReaderBuilder::new(self.schema.clone()).with_header(true);
                Ok(Box::new(reader.with_batch_size(batch_rows).build_buffered(bytes)?))
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

    fn is_json(&self) -> bool {
        matches!(self.format, FileFormat::Ndjson { .. })
    }

    fn bytes(&self, stop: &Stop) -> Result<Box<dyn BufRead + Send>> {
        let read = |source: ::parquet::errors::ParquetError| Error::Read {
            place: Place::file(&self.path),
            source: source.into(),
        };
        let file = Stoppable { from: self.file.get_read(0).map_err(read)?, stop: stop.clone() };
        let (FileFormat::Csv { gzip } | FileFormat::Ndjson { gzip }) = self.format else {
            unreachable!("only these two are text")
        };
        let bytes: Box<dyn Read + Send> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let lines = Lines::new(bytes, !self.is_json(), &self.longest);
        Ok(Box::new(BufReader::with_capacity(1 << 16, lines)))
    }
}

/// Adds the values of columns to those of the same names.
pub(super) fn join<'a>(
    all: &mut HashMap<String, ColumnValues>,
    columns: impl IntoIterator<Item = (&'a String, &'a ColumnValues)>,
) {
    for (name, values) in columns {
        all.entry(name.clone()).or_default().join(values);
    }
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
