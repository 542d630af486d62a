//! A writer of rows as text: CSV or NDJSON, to a file, which may be compressed, or a stream.
//!
//! # Memory usage
//! The text of one batch.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use super::compressed::Compressed;
use super::csv_encoder;
use super::json_encoder::{self, JsonEncoder};
use super::medium::{Medium, is_gzip};
use crate::config::{Codec, Encoding};
use crate::error::{Error, Place, Result, Unsupported};

/// A writer of batches of rows as text.
pub(super) struct TextWriter<W: Write> {
    path: PathBuf,
    format: TextFormat,
    to: Compressed<W>,
    /// The text of a batch.
    text: Vec<u8>,
}

enum TextFormat {
    /// With the number of times that no text could be written for.
    Csv {
        delimiter: u8,
        lost: u64,
    },
    Json(JsonEncoder),
}

impl<W: Write> TextWriter<W> {
    /// Starts a text; the header of CSV is written at once. `path` tells whether it is compressed.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a column that the format cannot hold, [`Error::OptionRange`] for an encoding that text does
    /// not have.
    pub(super) fn create(to: W, path: &Path, schema: &SchemaRef, medium: Medium, encoding: &Encoding) -> Result<Self> {
        check_encoding(encoding, is_gzip(path))?;
        let format = match medium {
            Medium::Csv { delimiter } => TextFormat::Csv { delimiter, lost: 0 },
            _ => TextFormat::Json(JsonEncoder::default()),
        };
        check_columns(path, schema, &format)?;
        let to = Compressed::new(to, path);
        let mut writer = Self { path: path.to_owned(), format, to, text: Vec::new() };
        if let TextFormat::Csv { delimiter, .. } = writer.format {
            csv_encoder::add_header(schema, delimiter, &mut writer.text);
            writer.write_text()?;
            writer.flush()?;
        }
        Ok(writer)
    }

    /// Writes rows.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Write`] for a value that has no text.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let added = match &mut self.format {
            TextFormat::Csv { delimiter, lost } => {
                csv_encoder::add_rows(batch, *delimiter, &mut self.text).map(|of_batch| *lost += of_batch)
            }
            TextFormat::Json(encoder) => encoder.add_rows(batch, &mut self.text),
        };
        added.map_err(|source: ArrowError| Error::Write { path: self.path.clone(), source: source.into() })?;
        self.write_text()
    }

    fn write_text(&mut self) -> Result<()> {
        let written = self.to.write_all(&self.text);
        self.text.clear();
        written.map_err(|error| self.failed(error))
    }

    /// Hands on what was written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|error| self.failed(error))
    }

    /// Ends the text.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn finish(self) -> Result<W> {
        match &self.format {
            TextFormat::Csv { lost: 0, .. } => {}
            TextFormat::Csv { lost, .. } => {
                tracing::warn!("{}: {lost} times out of the range of the calendar are left empty", self.path.display());
            }
            TextFormat::Json(encoder) => tell_lost(&self.path, encoder),
        }
        self.to.finish().map_err(Error::io("write", &self.path))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", &self.path)(error)
    }
}

/// Says how many values became null since JSON has no such.
pub(crate) fn tell_lost(path: &Path, encoder: &JsonEncoder) {
    let lost = encoder.lost();
    if lost > 0 {
        let path = path.display();
        tracing::warn!(
            "{path}: {lost} values that JSON cannot hold (infinities, times out of range) are written as null"
        );
    }
}

/// Rejects a column that the format cannot hold.
fn check_columns(path: &Path, schema: &Schema, format: &TextFormat) -> Result<()> {
    for field in schema.fields() {
        let what = match format {
            TextFormat::Csv { .. } if field.data_type().is_nested() => Unsupported::CsvColumn,
            TextFormat::Json(_) if json_encoder::lacks(field.data_type()) => Unsupported::NdjsonColumn,
            _ => continue,
        };
        return Err(Error::Unsupported { place: Place::column(path, field.name()), what });
    }
    Ok(())
}

/// Rejects an encoding that text does not have.
fn check_encoding(encoding: &Encoding, gzip: bool) -> Result<()> {
    if let Some(codec) = encoding.compression
        && (codec, gzip) != (Codec::Gzip, true)
        && (codec, gzip) != (Codec::None, false)
    {
        let range = "left to the name of a text output, as in *.csv.gz";
        return Err(Error::OptionRange { option: "compression", value: codec.to_string(), range });
    }
    match encoding.row_group_size {
        Some(rows) => {
            let range = "left to Parquet outputs";
            Err(Error::OptionRange { option: "row_group_size", value: rows.to_string(), range })
        }
        None => Ok(()),
    }
}
