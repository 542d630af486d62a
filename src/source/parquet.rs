//! Parquet files as one table of rows, read batch by batch or by row number.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelector};
use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::{ParquetFile, guarded, near_names};
use crate::error::{Error, Place, Result};

/// Some rows of one row group, with where they stand.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Counts the batches of a scan, from 0.
    pub seq: u64,
    /// Row group within the file, from 0.
    pub row_group: usize,
    /// Number of the first row, counted over all files, from 0.
    pub first_row: u64,
    /// The rows, with the columns asked for, in that order.
    pub batch: RecordBatch,
}

/// One or more Parquet files with the same columns, read as one table.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// let source = vaepipe::ParquetSource::open(["january.parquet", "february.parquet"])?;
/// println!("{} rows", source.rows());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ParquetSource {
    files: Vec<ParquetFile>,
    rows: u64,
}

impl ParquetSource {
    /// Opens files in the order given; their rows are numbered through.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Read`], [`Error::Damaged`] and [`Error::Unsupported`] as for any file.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut files = Vec::<ParquetFile>::new();
        let mut rows = 0_u64;
        for path in paths {
            let mut file = ParquetFile::open(path.as_ref())?;
            file.first_row = rows;
            rows = rows.checked_add(file.rows()).ok_or_else(|| Error::Damaged {
                place: Place::file(&file.path),
                what: "the number of rows overflows".to_owned(),
            })?;
            files.push(file);
        }
        Ok(Self { files, rows })
    }

    /// Refuses files that lack one of `columns` of the first, or have it with another type.
    ///
    /// # Errors
    /// [`Error::MissingColumn`] and [`Error::WrongType`].
    pub(crate) fn agree<'a>(&self, columns: impl Iterator<Item = &'a FieldRef> + Clone) -> Result<()> {
        for other in self.files.iter().skip(1) {
            for field in columns.clone() {
                let Ok(found) = other.schema().field_with_name(field.name()) else {
                    return Err(Error::MissingColumn {
                        path: other.path.clone(),
                        column: field.name().clone(),
                        first: self.path().to_owned(),
                        near: near_names(
                            field.name(),
                            other.schema().fields().iter().map(|field| field.name().as_str()),
                        ),
                    });
                };
                if found.data_type() != field.data_type() {
                    return Err(Error::WrongType {
                        place: Place::column(&other.path, field.name()),
                        found: found.data_type().to_string().into(),
                        expected: format!("{}, as in {}", field.data_type(), self.path().display()).into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The same source with the page indexes of its files read, as far as they are sound.
    pub(crate) fn with_page_indexes(&self) -> Self {
        Self { files: self.files.iter().map(ParquetFile::with_page_indexes).collect(), rows: self.rows }
    }

    /// Top-level columns, as in the first file.
    pub fn schema(&self) -> SchemaRef {
        self.files.first().map_or_else(|| Arc::new(Schema::empty()), |file| file.schema().clone())
    }

    /// Rows of all files, as their footers say.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The first file, for messages.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| &file.path)
    }

    /// The files' paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The opened files, in order.
    pub(crate) fn files(&self) -> &[ParquetFile] {
        &self.files
    }

    /// Reads `columns` of every row in order; a batch has at most `batch_rows` rows and ends with its row group.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] if a file lacks a column.
    pub(crate) fn scan(&self, columns: &[String], batch_rows: usize) -> Result<Scan> {
        let files = self.files.iter().map(|file| Ok((file.roots(columns)?, file.clone()))).collect::<Result<_>>()?;
        Ok(Scan { files, batch_rows, file: 0, row_group: 0, reader: None, row: 0, rest: 0, seq: 0 })
    }

    /// Reads `columns` of the rows numbered `range`, which must exist, wherever their row groups begin and end.
    pub(crate) fn rows_at(&self, columns: &[String], range: Range<u64>) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for file in &self.files {
            let roots = file.roots(columns)?;
            let mut start = file.first_row;
            for row_group in 0..file.metadata().num_row_groups() {
                let rows = file.rows_of(row_group);
                let (from, to) = (range.start.clamp(start, start + rows), range.end.clamp(start, start + rows));
                let wanted = (to - from) as usize;
                if wanted > 0 {
                    let selection =
                        vec![RowSelector::skip((from - start) as usize), RowSelector::select(wanted)].into();
                    let mut got = 0;
                    let mut reader = file.reader(&roots, row_group, wanted, Some(selection))?;
                    let place = || Place::row_group(&file.path, row_group);
                    while let Some(batch) = guarded(place, || reader.next().transpose())? {
                        got += batch.num_rows();
                        batches.push(file.reorder(batch, &roots, row_group)?);
                    }
                    if got != wanted {
                        return Err(short(&file.path, row_group));
                    }
                }
                start += rows;
            }
        }
        Ok(batches)
    }
}

fn short(path: &Path, row_group: usize) -> Error {
    Error::Damaged {
        place: Place::row_group(path, row_group),
        what: "it holds another number of rows than its footer says".to_owned(),
    }
}

/// Iterates over the batches of a [`ParquetSource`], file by file and row group by row group.
pub(crate) struct Scan {
    files: Vec<(Vec<usize>, ParquetFile)>,
    batch_rows: usize,
    file: usize,
    row_group: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Number of the next row.
    row: u64,
    /// Rows of the current row group still to come.
    rest: u64,
    seq: u64,
}

impl Scan {
    fn advance(&mut self) -> Result<Option<Rows>> {
        while let Some((roots, file)) = self.files.get(self.file) {
            if self.row_group == file.metadata().num_row_groups() {
                (self.file, self.row_group) = (self.file + 1, 0);
                continue;
            }
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => {
                    file.check_growth(roots, self.row_group)?;
                    self.rest = file.rows_of(self.row_group);
                    self.reader.insert(file.reader(roots, self.row_group, self.batch_rows, None)?)
                }
            };
            let row = file.rows_of(self.row_group) - self.rest;
            let place = || Place { row: Some(row), ..Place::row_group(&file.path, self.row_group) };
            match guarded(place, || reader.next().transpose())? {
                Some(batch) if batch.num_rows() as u64 <= self.rest => {
                    let batch = file.reorder(batch, roots, self.row_group)?;
                    let rows = Rows { seq: self.seq, row_group: self.row_group, first_row: self.row, batch };
                    self.seq += 1;
                    self.row += rows.batch.num_rows() as u64;
                    self.rest -= rows.batch.num_rows() as u64;
                    return Ok(Some(rows));
                }
                None if self.rest == 0 => (self.reader, self.row_group) = (None, self.row_group + 1),
                _ => return Err(short(&file.path, self.row_group)),
            }
        }
        Ok(None)
    }
}

impl Iterator for Scan {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
