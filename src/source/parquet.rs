//! Parquet files as one table of rows, read batch by batch or by row number.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use super::{PositionalFile, guarded, near_names};
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

/// One opened Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    pub(crate) path: PathBuf,
    pub(crate) file: PositionalFile,
    first_row: u64,
    arrow: ArrowReaderMetadata,
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

impl ParquetFile {
    /// Opens a file and reads its footer and page indexes.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Read`] or [`Error::Damaged`] if it is not a sound Parquet file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let place = || Place::file(path);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let about = file.metadata().map_err(Error::io("read", path))?;
        if about.is_dir() {
            return Err(Error::Unsupported { place: place(), what: "a directory as input" });
        }
        let file = PositionalFile::new(file, about.len());
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let load = |options| guarded(place, || ArrowReaderMetadata::load(&file, options));
        let arrow = load(options.clone()).or_else(|error| {
            // A damaged or contradicting embedded Arrow schema is no reason to refuse sound Parquet.
            load(options.with_skip_arrow_metadata(true)).map_err(|_| error)
        })?;
        let mut rows = 0_i64;
        for (row_group, metadata) in arrow.metadata().row_groups().iter().enumerate() {
            let damaged =
                |what: &str| Error::Damaged { place: Place::row_group(path, row_group), what: what.to_owned() };
            if metadata.num_rows() < 0 {
                return Err(damaged("it has a negative number of rows"));
            }
            rows = rows.checked_add(metadata.num_rows()).ok_or_else(|| damaged("its number of rows overflows"))?;
            if metadata.columns().iter().any(|chunk| chunk.file_path().is_some()) {
                return Err(Error::Unsupported { place: place(), what: "a column chunk in another file" });
            }
        }
        Ok(Self { path: path.to_owned(), file, first_row: 0, arrow })
    }

    /// The file's own metadata.
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.arrow.metadata()
    }

    /// The same as the reader takes it.
    pub(crate) fn arrow(&self) -> &ArrowReaderMetadata {
        &self.arrow
    }

    /// The top-level columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.arrow.schema()
    }

    fn rows_of(&self, row_group: usize) -> u64 {
        self.metadata().row_group(row_group).num_rows().unsigned_abs()
    }

    fn rows(&self) -> u64 {
        (0..self.metadata().num_row_groups()).map(|row_group| self.rows_of(row_group)).sum()
    }

    fn roots(&self, columns: &[String]) -> Result<Vec<usize>> {
        let schema = self.schema();
        columns
            .iter()
            .map(|column| {
                schema.index_of(column).map_err(|_| Error::MissingFeature {
                    path: self.path.clone(),
                    column: column.clone(),
                    near: near_names(column, schema.fields().iter().map(|field| field.name().as_str())),
                })
            })
            .collect()
    }

    /// A reader of `roots` over one row group, in batches of `batch_rows`.
    fn reader(
        &self,
        roots: &[usize],
        row_group: usize,
        batch_rows: usize,
        selection: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchReader> {
        guarded(
            || Place::row_group(&self.path, row_group),
            || {
                let mask = ProjectionMask::roots(self.arrow.parquet_schema(), roots.iter().copied());
                let mut reader =
                    ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.arrow.clone())
                        .with_row_groups(vec![row_group])
                        .with_projection(mask)
                        .with_batch_size(batch_rows);
                if let Some(selection) = selection {
                    reader = reader.with_row_selection(selection);
                }
                reader.build()
            },
        )
    }

    /// Puts the columns of a projected batch, which arrive in file order, into the order of `roots`.
    fn reorder(&self, batch: RecordBatch, roots: &[usize], row_group: usize) -> Result<RecordBatch> {
        let mut in_file_order: Vec<usize> = roots.to_vec();
        in_file_order.sort_unstable();
        in_file_order.dedup();
        // Every root is in the list it was copied from.
        let order: Vec<usize> = roots.iter().filter_map(|root| in_file_order.binary_search(root).ok()).collect();
        guarded(|| Place::row_group(&self.path, row_group), || batch.project(&order))
    }
}

impl ParquetSource {
    /// Opens files in the order given; their rows are numbered through.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Read`] as for any file; [`Error::MissingFeature`] or [`Error::WrongType`] if a file
    /// lacks a column of the first or has it with another type.
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
            if let Some(first) = files.first() {
                agree(first, &file)?;
            }
            files.push(file);
        }
        Ok(Self { files, rows })
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
                    for batch in file.reader(&roots, row_group, wanted, Some(selection))? {
                        let batch = guarded(|| Place::row_group(&file.path, row_group), || batch)?;
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

/// Refuses `other` unless it has every column of `first` with the same type.
fn agree(first: &ParquetFile, other: &ParquetFile) -> Result<()> {
    let names = first.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    for (field, root) in first.schema().fields().iter().zip(other.roots(&names)?) {
        let found = other.schema().field(root).data_type();
        if found != field.data_type() {
            return Err(Error::WrongType {
                place: Place::column(&other.path, field.name()),
                found: found.to_string().into(),
                expected: format!("{}, as in {}", field.data_type(), first.path.display()).into(),
            });
        }
    }
    Ok(())
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
