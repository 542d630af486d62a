//! Parquet files as one table of rows, read batch by batch or by row number.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::find::find;
use super::partition_keys::keys;
use super::{GroupReader, ParquetFile, RowGroup, near_names};
use crate::error::{Error, Place, Result};

/// One or more Parquet files with the same columns, read as one table, in any order and as often as need be.
///
/// [`Source`](crate::Source) makes one of other formats.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// let source = vaepipe::ParquetSource::open(["january.parquet", "february/"])?;
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
    /// Opens files in the order given, those of directories and globs in the order of their paths; their rows are
    /// numbered through. Directories called `key=value` are columns.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Read`], [`Error::Damaged`] and [`Error::Unsupported`] as for any file;
    /// [`Error::NoFiles`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let found = find(paths)?;
        let keys = keys(found.iter().map(|found| found.path.as_path()));
        let open = |(found, keys): (_, &_)| -> Result<_> { Ok(ParquetFile::open(found)?.with_keys(keys)) };
        let files = found.iter().map(|found| found.path.as_path()).zip(&keys).map(open);
        Self::of(files.collect::<Result<_>>()?)
    }

    /// Numbers the rows of opened files through.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they are more than can be.
    pub(super) fn of(mut files: Vec<ParquetFile>) -> Result<Self> {
        let mut rows = 0_u64;
        for file in &mut files {
            file.first_row = rows;
            rows = rows.checked_add(file.rows()).ok_or_else(|| Error::Damaged {
                place: Place::file(&file.path),
                what: "the number of rows overflows".to_owned(),
            })?;
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
                let schema = other.columns();
                let Ok(found) = schema.field_with_name(field.name()) else {
                    return Err(Error::MissingColumn {
                        path: other.path.clone(),
                        column: field.name().clone(),
                        first: self.path().to_owned(),
                        near: near_names(field.name(), schema.fields().iter().map(|field| field.name().as_str())),
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

    /// Top-level columns, as in the first file and its path.
    pub fn schema(&self) -> SchemaRef {
        self.files.first().map_or_else(|| Arc::new(Schema::empty()), ParquetFile::columns)
    }

    /// How many of them are the first file's own.
    pub(crate) fn own_columns(&self) -> usize {
        self.files.first().map_or(0, |file| file.schema().fields().len())
    }

    /// Rows of all files, as their footers say, or as many as are kept of them.
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

    /// What the first file says under a key of its metadata.
    #[cfg(feature = "analysis")]
    pub(crate) fn key(&self, key: &str) -> Option<String> {
        let keys = self.files.first()?.metadata().file_metadata().key_value_metadata()?;
        keys.iter().find(|known| known.key == key)?.value.clone()
    }

    /// The opened files, in order.
    pub(crate) fn files(&self) -> &[ParquetFile] {
        &self.files
    }

    /// The same source with its strings read as views, which is the cheapest way to look at them.
    pub(crate) fn with_views(&self) -> Self {
        Self { files: self.files.iter().map(ParquetFile::with_views).collect(), rows: self.rows }
    }

    /// The same source, of which no page that is read may take more than so many bytes, if it says so.
    pub(crate) fn with_most_page_bytes(&self, bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else { return self.clone() };
        Self { files: self.files.iter().map(|file| file.with_most_page_bytes(bytes)).collect(), rows: self.rows }
    }

    /// Every row group, in order.
    pub(crate) fn row_groups(&self) -> impl Iterator<Item = RowGroup> + '_ {
        let files = self.files.iter().enumerate();
        files.flat_map(|(at, file)| {
            let mut next = file.first_row;
            (0..file.metadata().num_row_groups()).map(move |number| {
                let (first_row, rows) = (next, file.rows_of(number));
                next += rows;
                RowGroup { file: at, number, first_row, rows }
            })
        })
    }

    /// Reads `columns` of a row group, in batches of at most `batch_rows` rows; of fewer where rows are long.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] if the file lacks a column, [`Error::Read`] and [`Error::Damaged`].
    pub(crate) fn read(&self, columns: &[String], group: RowGroup, batch_rows: usize) -> Result<GroupReader> {
        let file = &self.files[group.file];
        GroupReader::new(file, file.roots(columns)?, group, batch_rows)
    }

    /// Reads `columns` of every row in order; a batch has at most `batch_rows` rows and ends with its row group.
    pub(crate) fn scan(&self, columns: &[String], batch_rows: usize) -> Scan {
        self.scan_some(columns, batch_rows, |_| true)
    }

    /// The same of some row groups.
    pub(super) fn scan_some(&self, columns: &[String], batch_rows: usize, wanted: impl Fn(&RowGroup) -> bool) -> Scan {
        let groups = self.row_groups().filter(wanted).collect::<Vec<_>>().into_iter();
        Scan { source: self.clone(), columns: columns.to_vec(), batch_rows, groups, reader: None }
    }
}

/// Iterates over the batches of a [`ParquetSource`], file by file and row group by row group, with their row group's
/// number in its file.
pub(crate) struct Scan {
    source: ParquetSource,
    columns: Vec<String>,
    batch_rows: usize,
    groups: std::vec::IntoIter<RowGroup>,
    reader: Option<(usize, GroupReader)>,
}

impl Scan {
    fn advance(&mut self) -> Result<Option<(usize, RecordBatch)>> {
        loop {
            if let Some((number, reader)) = &mut self.reader
                && let Some(batch) = reader.next()
            {
                return Ok(Some((*number, batch?)));
            }
            let Some(group) = self.groups.next() else { return Ok(None) };
            self.reader = Some((group.number, self.source.read(&self.columns, group, self.batch_rows)?));
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(usize, RecordBatch)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
