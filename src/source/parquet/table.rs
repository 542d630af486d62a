//! Parquet files as one table, read batch by batch or by row number.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::{ParquetFile, RowGroup, RowGroupReader};
use crate::error::{Error, Place, Result};
use crate::source::inputs::{find_files, partition_columns};
use crate::source::near_names;

/// One or more Parquet files with the same columns, read as one table in any order, any number of times.
///
/// [`Source`](crate::Source) converts other formats to one.
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
    /// Opens files in the order given; those of a directory or glob are sorted by path. Rows are numbered across all files.
    /// Directories named `key=value` become columns.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Read`], [`Error::Damaged`] and [`Error::Unsupported`] as for any file;
    /// [`Error::NoFiles`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let found = find_files(paths)?;
        let partitions = partition_columns(found.iter().map(|found| found.path.as_path()));
        let open = |(path, partition): (_, &_)| -> Result<_> {
            Ok(ParquetFile::open(path)?.with_partition_columns(partition))
        };
        let files = found.iter().map(|found| found.path.as_path()).zip(&partitions).map(open);
        Self::from_files(files.collect::<Result<_>>()?)
    }

    /// Combines opened files into a table and numbers their rows.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the number of rows overflows.
    pub(crate) fn from_files(mut files: Vec<ParquetFile>) -> Result<Self> {
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

    /// Checks that all files have `columns` of the first file, with the same types.
    ///
    /// # Errors
    /// [`Error::MissingColumn`] and [`Error::WrongType`].
    pub(crate) fn check_same_types<'a>(&self, columns: impl Iterator<Item = &'a FieldRef> + Clone) -> Result<()> {
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

    /// The top-level columns of the first file, partition columns included.
    pub fn schema(&self) -> SchemaRef {
        self.files.first().map_or_else(|| Arc::new(Schema::empty()), ParquetFile::columns)
    }

    /// The names of the partition columns: those in the path and not in the first file.
    pub(crate) fn partition_columns(&self) -> Vec<String> {
        self.schema().fields()[self.file_columns()..].iter().map(|field| field.name().clone()).collect()
    }

    /// Whether all files have a column of the first file, with the same type.
    pub(crate) fn has_in_all_files(&self, column: &str) -> bool {
        let schema = self.schema();
        self.check_same_types(schema.fields().iter().filter(|field| field.name() == column)).is_ok()
    }

    /// The number of columns of the first file, without partition columns.
    pub(crate) fn file_columns(&self) -> usize {
        self.files.first().map_or(0, |file| file.schema().fields().len())
    }

    /// Number of rows of all files, or of those selected.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The first file, for messages.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| &file.path)
    }

    /// The paths of the files in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The value of a key in the metadata of the first file.
    pub(crate) fn metadata_value(&self, key: &str) -> Option<String> {
        let keys = self.files.first()?.metadata().file_metadata().key_value_metadata()?;
        keys.iter().find(|known| known.key == key)?.value.clone()
    }

    /// The opened files in order.
    pub(crate) fn files(&self) -> &[ParquetFile] {
        &self.files
    }

    /// The same table with strings read as views, the cheapest layout to read.
    pub(crate) fn with_string_views(&self) -> Self {
        Self { files: self.files.iter().map(ParquetFile::with_string_views).collect(), rows: self.rows }
    }

    /// The same table, with an error for pages of more than `bytes`, if given.
    pub(crate) fn with_max_page_bytes(&self, bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else { return self.clone() };
        Self { files: self.files.iter().map(|file| file.with_max_page_bytes(bytes)).collect(), rows: self.rows }
    }

    /// All row groups in order.
    pub(crate) fn row_groups(&self) -> impl Iterator<Item = RowGroup> + '_ {
        let files = self.files.iter().enumerate();
        files.flat_map(|(at, file)| {
            let mut next = file.first_row;
            (0..file.metadata().num_row_groups()).map(move |number| {
                let (first_row, rows) = (next, file.rows_of_group(number));
                next += rows;
                RowGroup { file: at, number, first_row, rows }
            })
        })
    }

    /// Reads `columns` of a row group, in batches of at most `batch_rows` rows; of fewer where rows are long.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] if the file lacks a column, [`Error::Read`] and [`Error::Damaged`].
    pub(crate) fn read(&self, columns: &[String], group: RowGroup, batch_rows: usize) -> Result<RowGroupReader> {
        let file = &self.files[group.file];
        RowGroupReader::new(file, file.root_indexes(columns)?, group, batch_rows)
    }

    /// Reads `columns` of every row in order; a batch has at most `batch_rows` rows and ends with its row group.
    pub(crate) fn scan(&self, columns: &[String], batch_rows: usize) -> Scan {
        self.scan_groups(columns, batch_rows, |_| true)
    }

    /// Reads `columns` of the row groups that are `wanted`.
    pub(crate) fn scan_groups(
        &self,
        columns: &[String],
        batch_rows: usize,
        wanted: impl Fn(&RowGroup) -> bool,
    ) -> Scan {
        let groups = self.row_groups().filter(wanted).collect::<Vec<_>>().into_iter();
        Scan { source: self.clone(), columns: columns.to_vec(), batch_rows, groups, reader: None }
    }
}

/// Iterates over the batches of a [`ParquetSource`] in row order, each with the index of its row group in its file.
pub(crate) struct Scan {
    source: ParquetSource,
    columns: Vec<String>,
    batch_rows: usize,
    groups: std::vec::IntoIter<RowGroup>,
    reader: Option<(usize, RowGroupReader)>,
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
