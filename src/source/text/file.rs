//! CSV and NDJSON files. They store no column types; these are inferred from the values or given by the model.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::ChunkReader;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use flate2::read::MultiGzDecoder;

use super::column_values::{ColumnValues, Line};
use super::csv_format::CsvFormat;
use super::csv_look::SAMPLE_BYTES;
use super::csv_records::INVALID_UTF8;
use super::csv_rows::{CsvRows, ScannedCsv, has_decimal_commas};
use super::encoding::{decode, is_ascii_or_invalid};
use super::json_line::{JsonColumns, NestedAsText, check_object};
use super::line_length::{LineLimiter, LongestLine};
use crate::config::CsvConfig;
use crate::error::{Error, Foreign, Place, Result};
use crate::pipeline::Stop;
use crate::source::catch_decoder_panic;
use crate::source::inputs::FileFormat;
use crate::storage::PositionalFile;

/// An opened CSV or NDJSON file.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    path: PathBuf,
    file: PositionalFile,
    format: FileFormat,
    /// How CSV is written.
    csv: Option<Arc<CsvFormat>>,
    encoding: &'static Encoding,
    schema: SchemaRef,
    longest_line: LongestLine,
    /// Summaries of each column's values, in all files that are read together.
    columns: Arc<HashMap<String, ColumnValues>>,
    /// Wanted types that do not hold the values of their columns.
    rejected_types: HashMap<String, DataType>,
}

impl TextFile {
    /// Opens a file and reads all of it to infer the column types.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Damaged`] and [`Error::BadLine`] if it is not valid.
    pub(crate) fn open(
        path: &Path,
        file: PositionalFile,
        format: FileFormat,
        config: &CsvConfig,
        stop: &Stop,
    ) -> Result<Self> {
        let mut text = Self {
            path: path.to_owned(),
            file,
            format,
            csv: None,
            encoding: UTF_8,
            schema: Arc::new(Schema::empty()),
            longest_line: LongestLine::default(),
            columns: Arc::default(),
            rejected_types: HashMap::new(),
        };
        let found = catch_decoder_panic(
            || Place::file(path),
            || Ok::<_, Foreign>(if text.is_json() { text.scan_json(stop) } else { text.scan_csv(config, stop) }),
        )?;
        stop.check()?;
        let found = found?;
        if found.is_empty() {
            return Err(Error::Damaged { place: Place::file(path), what: "it has no columns".to_owned() });
        }
        let field = |(name, values): &(String, ColumnValues)| Field::new(name, values.data_type(), true);
        text.schema = Arc::new(Schema::new(found.iter().map(field).collect::<Vec<_>>()));
        let mut columns = HashMap::new();
        merge_values(&mut columns, found.iter().map(|(name, values)| (name, values)));
        Ok(text.with_column_values(&Arc::new(columns)))
    }

    /// Finds out how a CSV file is written, and summarizes all its values by column. A text that is no UTF-8 at all is read as
    /// Windows-1252.
    fn scan_csv(&mut self, config: &CsvConfig, stop: &Stop) -> Result<Vec<(String, ColumnValues)>> {
        if let Some(name) = &config.encoding {
            let range = "an encoding of the web";
            let unknown = || Error::OptionRange { option: "csv_encoding", value: name.clone(), range };
            self.encoding = Encoding::for_label(name.as_bytes()).ok_or_else(unknown)?;
        }
        let mut found = self.scan_decoded_csv(config, stop);
        let is_invalid = match &found {
            Ok(found) => found.has_invalid_lines(),
            Err(error) => matches!(error, Error::BadLine { what, .. } if what == INVALID_UTF8),
        };
        if is_invalid && config.encoding.is_none() {
            let is_other = is_ascii_or_invalid(self.bytes(stop)?);
            if is_other.map_err(|error| Error::Read { place: Place::file(&self.path), source: error.into() })? {
                tracing::warn!("{}: it is not UTF-8, and is read as Windows-1252", self.path.display());
                self.encoding = WINDOWS_1252;
                found = self.scan_decoded_csv(config, stop);
            }
        }
        let found = found?;
        found.tell();
        Ok(found.columns)
    }

    /// The same, of a file whose encoding is known.
    fn scan_decoded_csv(&mut self, config: &CsvConfig, stop: &Stop) -> Result<ScannedCsv<Box<dyn BufRead + Send>>> {
        let (mut sample, is_tsv) = (Vec::new(), matches!(self.format, FileFormat::Tsv { .. }));
        let read = self.bytes(stop)?.take(SAMPLE_BYTES).read_to_end(&mut sample);
        read.map_err(|error| Error::Read { place: Place::file(&self.path), source: error.into() })?;
        let mut format = CsvFormat::find(&sample, is_tsv, config);
        loop {
            let is_known = format.decimal_comma.is_some();
            let csv = Arc::new(format.clone());
            self.csv = Some(csv.clone());
            let found = CsvRows::open(&self.path, self.bytes(stop)?, &csv, &self.longest_line)?.scan()?;
            if is_known || !has_decimal_commas(&found.columns) {
                return Ok(found);
            }
            format.decimal_comma = Some(true);
        }
    }

    /// Summarizes all values of a JSON file by column.
    fn scan_json(&self, stop: &Stop) -> Result<Vec<(String, ColumnValues)>> {
        let mut bytes = self.bytes(stop)?;
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
            check_object(row).map_err(damaged)?;
            columns.add_row(row, &Line { path: path.clone(), number }).map_err(damaged)?;
        }
        Ok(columns.into_fields())
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Summaries of each column's values.
    pub(crate) fn columns(&self) -> &HashMap<String, ColumnValues> {
        &self.columns
    }

    /// The same file, with column types that hold these values.
    pub(crate) fn with_column_values(&self, columns: &Arc<HashMap<String, ColumnValues>>) -> Self {
        let text = Self { columns: columns.clone(), ..self.clone() };
        text.with_types(|_| None)
    }

    /// The same file, with `wanted` types where these hold all values without loss, and inferred types elsewhere.
    pub(crate) fn with_types(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        let mut rejected_types = HashMap::new();
        let mut field = |field: &FieldRef| {
            let values = &self.columns[field.name()];
            let data_type = match wanted(field.name()) {
                Some(data_type) if values.holds(&data_type) && (self.is_json() || !data_type.is_nested()) => data_type,
                Some(data_type) => {
                    // Times without offsets would be taken for UTC.
                    let inferred = if values.lack_offsets(&data_type) { DataType::Utf8 } else { values.data_type() };
                    rejected_types.insert(field.name().clone(), data_type);
                    inferred
                }
                None => values.data_type(),
            };
            Field::new(field.name(), data_type, true)
        };
        let schema = Arc::new(Schema::new(self.schema.fields().iter().map(&mut field).collect::<Vec<_>>()));
        Self { schema, rejected_types, ..self.clone() }
    }

    /// The first value of a column that the wanted type does not hold, its line, and what it lacks.
    pub(crate) fn first_mismatch(&self, column: &str) -> Option<(&Line, &str, &'static str)> {
        let (values, wanted) = (self.columns.get(column)?, self.rejected_types.get(column)?);
        let (line, value) = values.first_mismatch(wanted)?;
        let lacks = if values.lack_offsets(wanted) { ", without an offset from UTC" } else { "" };
        Some((line, value, lacks))
    }

    /// Reads all rows, `batch_rows` at a time, or fewer if lines are long.
    pub(crate) fn batches(
        &self,
        batch_rows: usize,
        stop: &Stop,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let (place, stop) = (Place::file(&self.path), stop.clone());
        let opened = catch_decoder_panic(|| place.clone(), || Ok::<_, Foreign>(self.reader(batch_rows, &stop)));
        let mut reader = stop.check().and(opened)??;
        let mut ended = false;
        Ok(std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = catch_decoder_panic(|| place.clone(), || Ok::<_, Foreign>(reader.next()));
            let next = stop.check().and(next).and_then(Option::transpose).transpose();
            ended = !matches!(next, Some(Ok(_)));
            next
        }))
    }

    /// Opens a reader of all rows.
    fn reader(&self, batch_rows: usize, stop: &Stop) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let (bytes, batch_rows) = (self.bytes(stop)?, self.longest_line.batch_rows(batch_rows));
        let (place, schema) = (Place::file(&self.path), self.schema.clone());
        if let Some(csv) = &self.csv {
            let mut rows = CsvRows::open(&self.path, bytes, csv, &LongestLine::default())?;
            return Ok(Box::new(std::iter::from_fn(move || rows.batch(&schema, batch_rows).transpose())));
        }
        let error = move |source: ArrowError| Error::Read { place: place.clone(), source: source.into() };
        // In a text column, numbers become texts as written.
        let reader = json::ReaderBuilder::new(schema).with_coerce_primitive(true).with_batch_size(batch_rows);
        let mixed = self.columns.iter().filter(|(_, values)| values.is_mixed());
        let mixed: Vec<String> = mixed.map(|(name, _)| name.clone()).collect();
        Ok(if mixed.is_empty() {
            let reader = reader.build(bytes).map_err(&error)?;
            Box::new(reader.map(move |batch| batch.map_err(&error)))
        } else {
            let reader = reader.build(NestedAsText::new(bytes, mixed)).map_err(&error)?;
            Box::new(reader.map(move |batch| batch.map_err(&error)))
        })
    }

    fn is_json(&self) -> bool {
        matches!(self.format, FileFormat::Ndjson { .. })
    }

    /// The decompressed text, with limited line lengths.
    fn bytes(&self, stop: &Stop) -> Result<Box<dyn BufRead + Send>> {
        let read = |source: ::parquet::errors::ParquetError| Error::Read {
            place: Place::file(&self.path),
            source: source.into(),
        };
        let file = StoppableReader { from: self.file.get_read(0).map_err(read)?, stop: stop.clone() };
        let (FileFormat::Csv { gzip } | FileFormat::Tsv { gzip } | FileFormat::Ndjson { gzip }) = self.format else {
            unreachable!("only these are text")
        };
        let bytes = if gzip { decode(MultiGzDecoder::new(file), self.encoding) } else { decode(file, self.encoding) };
        let bytes = bytes.map_err(|error| Error::Read { place: Place::file(&self.path), source: error.into() })?;
        let bytes: Box<dyn Read + Send> =
            if self.is_json() { Box::new(LineLimiter::new(bytes, &self.longest_line)) } else { bytes };
        Ok(Box::new(BufReader::with_capacity(1 << 16, bytes)))
    }
}

/// Merges column summaries by column name.
pub(crate) fn merge_values<'a>(
    all: &mut HashMap<String, ColumnValues>,
    columns: impl IntoIterator<Item = (&'a String, &'a ColumnValues)>,
) {
    for (name, values) in columns {
        all.entry(name.clone()).or_default().merge(values);
    }
}

/// A reader that fails once the run is asked to stop: inferring the types of a large file takes long.
struct StoppableReader<R> {
    from: R,
    stop: Stop,
}

impl<R: Read> Read for StoppableReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stop.check().map_err(std::io::Error::other)?;
        self.from.read(buffer)
    }
}
