//! Scores lines of JSON, and adds the new columns to their text.

use std::collections::HashSet;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use super::new_columns::{NewColumnMaker, RowCounts};
use crate::artifact::Model;
use crate::batch::{Batch, batch_rows};
use crate::config::TransformConfig;
use crate::error::{Error, Place, Result};
use crate::feature::{BadValue, Features};
use crate::pipeline::Rows;
use crate::sink::JsonEncoder;
use crate::source::{JsonRows, LineChunk, Selection, TypedRows};

/// A scorer of lines.
#[derive(Clone)]
pub(super) struct LineWorker {
    features: Arc<Features>,
    maker: NewColumnMaker,
    rows: Arc<JsonRows>,
    pub(super) encoder: JsonEncoder,
    /// The names of the new columns.
    new: Arc<HashSet<String>>,
    kept: Arc<KeptKeys>,
    slice_rows: usize,
    skips_bad_lines: bool,
}

/// The keys of a line that are written again.
struct KeptKeys {
    keep: Selection,
    dropped: Vec<String>,
}

/// Lines with their new columns.
#[derive(Default)]
pub(super) struct ScoredLines {
    pub(super) text: Vec<u8>,
    pub(super) counts: Vec<RowCounts>,
    /// Lines that are left out.
    pub(super) skipped: Vec<Error>,
    /// The error that ends the run, after the lines before it.
    pub(super) bad: Option<Error>,
}

impl Rows for ScoredLines {
    fn rows(&self) -> usize {
        self.counts.iter().map(|counts| counts.rows).sum()
    }
}

/// A line that is an object.
struct JsonLine<'a> {
    text: &'a str,
    /// Its number in its file, from 1, and as a row of all files.
    number: u64,
    row: u64,
}

impl LineWorker {
    pub(super) fn new(
        model: &Model,
        features: &Arc<Features>,
        maker: NewColumnMaker,
        rows: JsonRows,
        config: &TransformConfig,
        skips_bad_lines: bool,
    ) -> Result<Self> {
        let new = maker.schema().fields().iter().map(|field| field.name().clone()).collect();
        let dropped = if config.drop_features { model.features().learned_columns() } else { Vec::new() };
        let kept = KeptKeys { keep: Selection::parse("keep", &config.keep)?, dropped };
        Ok(Self {
            features: features.clone(),
            maker,
            rows: Arc::new(rows),
            encoder: JsonEncoder::default(),
            new: Arc::new(new),
            kept: Arc::new(kept),
            slice_rows: batch_rows(features.layout()),
            skips_bad_lines,
        })
    }

    /// Scores the lines of a chunk, whose first line is this row.
    pub(super) fn score(&self, first_row: u64, chunk: &LineChunk) -> Result<ScoredLines> {
        let (mut scored, mut lines, mut bad) = (ScoredLines::default(), Vec::new(), None);
        for (n, bytes) in (0..).zip(chunk.text.split(|&byte| byte == b'\n')) {
            let number = chunk.first_line + n;
            match self.parse(bytes) {
                Ok("") => {}
                Ok(text) => lines.push(JsonLine { text, number, row: first_row + n }),
                Err(what) if self.skips_bad_lines => scored.skipped.push(bad_line(&chunk.path, number, what)),
                Err(what) => {
                    bad = Some(bad_line(&chunk.path, number, what));
                    break;
                }
            }
        }
        for lines in lines.chunks(self.slice_rows) {
            if scored.bad.is_none() {
                self.add_lines(&chunk.path, lines, &mut scored)?;
            }
        }
        scored.bad = scored.bad.take().or(bad);
        Ok(scored)
    }

    /// Checks that a line is an object, or blank, which is empty; the error is a message.
    fn parse<'a>(&self, line: &'a [u8]) -> Result<&'a str, String> {
        let text = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?.trim();
        if text.is_empty() {
            return Ok(text);
        }
        JsonRows::check(text)?;
        match JsonRows::entries(text).find(|(key, _)| self.new.contains(&**key)) {
            Some((key, _)) => Err(format!("it has the key {key:?} of a new column")),
            None => Ok(text),
        }
    }

    /// Scores lines together, or, if a value is not of the type that the model learned, each by itself, so that none depends
    /// on others.
    fn add_lines(&self, path: &Path, lines: &[JsonLine<'_>], scored: &mut ScoredLines) -> Result<()> {
        let texts: Vec<&str> = lines.iter().map(|line| line.text).collect();
        if let Ok(TypedRows { rows, are_as_wanted: true }) = self.rows.read(path, &texts)
            && self.features.check(&rows.schema(), path).is_ok()
        {
            match self.add_rows(&rows, lines, scored) {
                Err(error) if is_about_a_value(&error) => {}
                added => return added,
            }
        }
        for line in lines {
            let rows = self.rows.read(path, &[line.text]).and_then(|TypedRows { rows, .. }| {
                self.features.check(&rows.schema(), path)?;
                Ok(rows)
            });
            let added = rows.and_then(|rows| self.add_rows(&rows, std::slice::from_ref(line), scored));
            match added {
                Ok(()) => {}
                Err(error @ Error::Write { .. }) => return Err(error),
                Err(error) => {
                    let error = bad_value(path, line.number, error);
                    if !self.skips_bad_lines {
                        scored.bad = Some(error);
                        return Ok(());
                    }
                    scored.skipped.push(error);
                }
            }
        }
        Ok(())
    }

    /// Adds the text of lines with their new columns.
    fn add_rows(&self, rows: &RecordBatch, lines: &[JsonLine<'_>], scored: &mut ScoredLines) -> Result<()> {
        let rows = &without_nested(rows, &self.features);
        let (batch, issues) = Batch::encode(&self.features, rows)?;
        let (new, mut counts) = self.maker.columns(&batch, Some(rows), lines.first().map(|line| line.row))?;
        counts.issues = issues;
        scored.counts.push(counts);
        let mut objects = Vec::new();
        let added = self.encoder.add_rows(&new, &mut objects);
        added.map_err(|source| Error::Write { path: "lines".into(), source: source.into() })?;
        for (line, new) in lines.iter().zip(objects.split(|&byte| byte == b'\n')) {
            self.kept.add(line.text, &mut scored.text);
            scored.text.extend_from_slice(new.strip_prefix(b"{").unwrap_or(new));
            scored.text.push(b'\n');
        }
        Ok(())
    }
}

impl KeptKeys {
    /// Adds an object up to where its new keys begin.
    fn add(&self, object: &str, text: &mut Vec<u8>) {
        if self.keep.is_empty() && self.dropped.is_empty() {
            // As it is written, spaces included.
            let open = object.strip_suffix('}').unwrap_or(object).trim_end();
            text.extend_from_slice(open.as_bytes());
            if open != "{" {
                text.push(b',');
            }
            return;
        }
        text.push(b'{');
        for (key, value) in JsonRows::entries(object) {
            if (self.keep.is_empty() || self.keep.matches(&key)) && !self.dropped.iter().any(|name| *name == key) {
                text.extend_from_slice(format!("{}:{value},", Value::from(&*key)).as_bytes());
            }
        }
    }
}

/// Watched columns have no lists and objects; where a line has one, nothing is known.
fn without_nested(rows: &RecordBatch, features: &Features) -> RecordBatch {
    let is_odd = |name: &str| features.watched().any(|watched| watched.name == name);
    let schema = rows.schema();
    if !schema.fields().iter().any(|field| field.data_type().is_nested() && is_odd(field.name())) {
        return rows.clone();
    }
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        if field.data_type().is_nested() && is_odd(field.name()) {
            (Field::new(field.name(), DataType::Utf8, true), new_null_array(&DataType::Utf8, column.len()))
        } else {
            (field.as_ref().clone(), column.clone())
        }
    });
    let (fields, columns): (Vec<Field>, Vec<_>) = columns.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("as many rows of types that are theirs")
}

fn bad_line(path: &Path, line: u64, what: String) -> Error {
    Error::BadLine { place: Place::file(path), line, what }
}

/// The error of a line with a value that cannot be read.
/// Whether an error is about a value that is not of its column's type.
fn is_about_a_value(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } if BadValue::of(source.as_ref()).is_some())
}

fn bad_value(path: &Path, line: u64, error: Error) -> Error {
    match error {
        Error::WrongType { place, found, expected } => {
            Error::BadLine { place, line, what: format!("is {found}, but must be {expected}") }
        }
        Error::Read { ref place, ref source } if let Some(bad) = BadValue::of(source.as_ref()) => {
            let what = format!("has {:?}, which is not {}", bad.value, bad.expected);
            Error::BadLine { place: Place { path: path.to_owned(), ..place.clone() }, line, what }
        }
        error => {
            let what = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            bad_line(path, line, what)
        }
    }
}
