//! The rows of a CSV file: its records after the header, without lines that are left out.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use super::column_values::{ColumnValues, Line};
use super::csv_format::{CsvFormat, is_nan};
use super::csv_look::names_of;
use super::csv_records::{BadLine, CsvRecords, Found, INVALID_UTF8, Record};
use super::line_length::LongestLine;
use crate::error::{Error, Place, Result};
use crate::source::schema_mapping::batch_of;

/// A reader of the rows of a CSV file.
pub(super) struct CsvRows<R> {
    path: PathBuf,
    format: Arc<CsvFormat>,
    records: CsvRecords<R>,
    /// The names of the columns, and the places of those that the header does not give.
    names: Vec<String>,
    renamed: Vec<usize>,
    /// The first record, if it is a row.
    first: Option<Record>,
    /// Number of lines left out, and the first of them.
    skipped: u64,
    first_skipped: Option<BadLine>,
    has_invalid_lines: bool,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::BadLine`] if the first line is not a record.
    pub(super) fn open(path: &Path, from: R, format: &Arc<CsvFormat>, longest: &LongestLine) -> Result<Self> {
        let mut records = CsvRecords::new(from, format.delimiter, format.quote, longest);
        records.comment = format.comment;
        let mut record = Record::default();
        if format.names_delimiter {
            records.next(&mut record).map_err(|error| read_error(path, error))?;
        }
        let found = records.next(&mut record).map_err(|error| read_error(path, error))?;
        let header = match found {
            Found::Record if format.has_row_names => names_of(std::iter::once("").chain(record.fields())),
            Found::Record if format.has_header => names_of(record.fields()),
            Found::Record => names_of((0..record.len()).map(|_| "")),
            Found::Bad(bad) => return Err(bad_line(path, None, bad)),
            Found::End => Default::default(),
        };
        let (names, renamed) = header;
        records.width = Some(names.len());
        let first = (!format.has_header && !names.is_empty()).then_some(record);
        let (path, format) = (path.to_owned(), format.clone());
        Ok(Self {
            path,
            format,
            records,
            names,
            renamed,
            first,
            skipped: 0,
            first_skipped: None,
            has_invalid_lines: false,
        })
    }

    /// Reads the next row into `record`; `false` at the end.
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        if let Some(first) = self.first.take() {
            *record = first;
            return Ok(true);
        }
        loop {
            match self.records.next(record).map_err(|error| read_error(&self.path, error))? {
                Found::Record => return Ok(true),
                Found::End => return Ok(false),
                Found::Bad(bad) if self.format.skips_bad_lines => {
                    self.skipped += 1;
                    self.has_invalid_lines |= bad.what == INVALID_UTF8;
                    self.first_skipped.get_or_insert(bad);
                }
                Found::Bad(bad) => return Err(bad_line(&self.path, self.names.get(bad.field), bad)),
            }
        }
    }

    /// Summarizes all values by column.
    pub(super) fn scan(mut self) -> Result<ScannedCsv<R>> {
        let path: Arc<Path> = self.path.as_path().into();
        let mut columns = vec![ColumnValues::default(); self.names.len()];
        let mut record = Record::default();
        while self.next(&mut record)? {
            let line = Line { path: path.clone(), number: record.line };
            let values = columns.iter_mut().zip(record.fields());
            values.for_each(|(values, text)| values.add_csv(text, &self.format, &line));
        }
        Ok(ScannedCsv { columns: self.names.iter().cloned().zip(columns).collect(), rows: self })
    }

    /// Reads at most `most` rows; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::BadLine`], and [`Error::Damaged`] if the file changed after its types were inferred.
    pub(super) fn batch(&mut self, schema: &SchemaRef, most: usize) -> Result<Option<RecordBatch>> {
        let changed =
            || Error::Damaged { place: Place::file(&self.path), what: "it changed while it was read".to_owned() };
        if self.names.iter().ne(schema.fields().iter().map(|field| field.name())) {
            return Err(changed());
        }
        let mut columns: Vec<_> = schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
        let (mut record, mut rows) = (Record::default(), 0);
        while rows < most && self.next(&mut record)? {
            for (n, (column, text)) in columns.iter_mut().zip(record.fields()).enumerate() {
                match text {
                    "" if types[n].is_string() && record.is_quoted(n) => column.append_value(""),
                    text if self.format.is_null(text) => column.append_null(),
                    text if types[n].is_string() => column.append_value(text),
                    text if types[n].is_floating() && is_nan(text) => column.append_value("NaN"),
                    text if self.format.is_null_word(text) => column.append_null(),
                    text => column.append_value(self.format.plain(text)),
                }
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = columns.iter_mut().zip(schema.fields()).map(|(texts, field)| {
            parse(&(Arc::new(texts.finish()) as ArrayRef), field.data_type())
                .map_err(|source| Error::Read { place: Place::column(&self.path, field.name()), source: source.into() })
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let batch = batch_of(schema.clone(), arrays, rows);
        Ok(Some(batch.map_err(|source| Error::Read { place: Place::file(&self.path), source: source.into() })?))
    }
}

/// What a scan found.
pub(super) struct ScannedCsv<R> {
    pub(super) columns: Vec<(String, ColumnValues)>,
    rows: CsvRows<R>,
}

impl<R> ScannedCsv<R> {
    /// Whether lines are left out since they are not UTF-8.
    pub(super) fn has_invalid_lines(&self) -> bool {
        self.rows.has_invalid_lines
    }

    /// Says what is odd about the file: a header that is not there, renamed columns, and lines left out.
    pub(super) fn tell(&self) {
        let CsvRows { path, format, names, renamed, skipped, first_skipped, .. } = &self.rows;
        let path = path.display();
        if !format.has_header && !names.is_empty() {
            tracing::info!("{path}: the first line has values, not names; columns are named column_1, column_2, …");
        } else if format.has_row_names {
            tracing::info!("{path}: the header has one field fewer than the rows; the first column is {:?}", names[0]);
        } else if !renamed.is_empty() {
            let renamed = renamed.iter().map(|&n| format!("column {} is {:?}", n + 1, names[n]));
            let renamed = renamed.collect::<Vec<_>>().join(", ");
            tracing::info!("{path}: columns without a name of their own are renamed: {renamed}");
        }
        if let Some(BadLine { line, what, .. }) = first_skipped {
            let lines = if *skipped == 1 {
                "1 line is not a row and is left out".to_owned()
            } else {
                format!("{skipped} lines are not rows and are left out")
            };
            tracing::warn!("{path}: {lines}; the first is line {line}: {what}");
        }
    }
}

/// Texts as another type; a text that is no such value is an error.
fn parse(texts: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(texts, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

/// Whether a file has decimal commas: numbers of a column have some, and no number has a point.
pub(super) fn has_decimal_commas(columns: &[(String, ColumnValues)]) -> bool {
    columns.iter().any(|(_, values)| values.has_only_decimal_commas())
        && !columns.iter().any(|(_, values)| values.has_decimal_points())
}

/// Says how many words are read as null.
pub(crate) fn tell_null_words(columns: &HashMap<String, ColumnValues>) {
    let mut told: Vec<_> = columns.iter().filter_map(|(name, values)| Some((name, values.null_words()?))).collect();
    told.sort();
    for (name, (count, word)) in told {
        let values = if count == 1 { "value is" } else { "values are" };
        tracing::info!("column {name:?}: {count} {values} read as null, such as {word:?}");
    }
}

fn read_error(path: &Path, error: std::io::Error) -> Error {
    Error::Read { place: Place::file(path), source: error.into() }
}

fn bad_line(path: &Path, column: Option<&String>, bad: BadLine) -> Error {
    let place = Place { column: column.cloned(), ..Place::file(path) };
    Error::BadLine { place, line: bad.line, what: bad.what }
}
