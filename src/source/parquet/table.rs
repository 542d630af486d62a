//! Parquet files as one table, read batch by batch or by row number.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};

use super::kept_columns::KeptColumns;
use super::{ParquetFile, RowGroup, RowGroupReader};
use crate::error::{Error, Place, Result, Unsupported};
use crate::source::ColumnTypes;
use crate::source::inputs::{InputFile, find_files, partition_columns};
use crate::source::schema_mapping::string_views;
use crate::source::table_schema::{TableFile, TableSchema};

/// One or more Parquet files, read as one table in any order, any number of times. The columns of the table are the union of
/// theirs by name, each with the type that holds the values of all files; a column that a file lacks is null there.
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
    columns: TableSchema,
    rows: u64,
    /// Columns that a first reading keeps for a second.
    kept: Option<Arc<KeptColumns>>,
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
        if let Some(table) = found.iter().find_map(InputFile::delta_table) {
            return Err(Error::Unsupported { place: Place::file(table), what: Unsupported::DeltaAsParquet });
        }
        let partitions = partition_columns(found.iter().map(|found| found.path.as_path()));
        let open = |(path, partition): (_, &_)| -> Result<_> {
            Ok(ParquetFile::open(path)?.with_partition_columns(partition))
        };
        let files = found.iter().map(|found| found.path.as_path()).zip(&partitions).map(open);
        let table = Self::from_files(files.collect::<Result<_>>()?)?;
        table.columns.tell();
        Ok(table)
    }

    /// Combines opened files into a table and numbers their rows.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the number of rows overflows.
    pub(crate) fn from_files(files: Vec<ParquetFile>) -> Result<Self> {
        let columns = TableSchema::of(files.iter().map(|file| TableFile {
            path: &file.path,
            columns: file.columns(),
            partition_columns: file.partition_columns.fields().len(),
        }));
        Self::of_table(files, columns)
    }

    /// The files as part of a table with these columns.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files).
    pub(crate) fn of_table(files: Vec<ParquetFile>, columns: TableSchema) -> Result<Self> {
        let mut rows = 0_u64;
        let mut numbered = Vec::with_capacity(files.len());
        for file in files {
            let mut file = file.with_columns(columns.columns());
            file.first_row = rows;
            rows = rows.checked_add(file.rows()).ok_or_else(|| Error::Damaged {
                place: Place::file(&file.path),
                what: "the number of rows overflows".to_owned(),
            })?;
            numbered.push(file);
        }
        Ok(Self { files: numbered, columns, rows, kept: None })
    }

    /// Checks that the types of these columns meet in all files.
    ///
    /// # Errors
    /// [`Error::TypesDiffer`].
    pub(crate) fn check_types<'a>(&self, mut columns: impl Iterator<Item = &'a FieldRef>) -> Result<()> {
        columns.try_for_each(|field| self.columns.check(field.name()))
    }

    /// The columns, partition columns last.
    pub fn schema(&self) -> SchemaRef {
        self.columns.columns().clone()
    }

    /// The names of the partition columns: those in the path and not in a file.
    pub(crate) fn partition_columns(&self) -> Vec<String> {
        let in_a_file = |name: &str| self.files.iter().any(|file| file.schema().field_with_name(name).is_ok());
        let keys = self.files.first().map(|file| file.partition_columns.fields()).unwrap_or_default();
        keys.iter().map(|field| field.name().clone()).filter(|name| !in_a_file(name)).collect()
    }

    /// The logical types of columns.
    pub(crate) fn types(&self) -> &ColumnTypes {
        self.columns.types()
    }

    /// The columns as one table.
    pub(crate) fn columns(&self) -> &TableSchema {
        &self.columns
    }

    /// The indexes in the first file of those of these columns that it stores, in its order.
    pub(crate) fn stored_columns(&self, columns: &[usize]) -> Vec<usize> {
        let mut stored = self.files.first().map(|file| file.roots_of(columns)).unwrap_or_default();
        stored.sort_unstable();
        stored
    }

    /// Whether the types of a column meet in all files.
    pub(crate) fn can_read(&self, column: &str) -> bool {
        self.columns.check(column).is_ok()
    }

    /// The columns that the first file stores, in its order.
    pub(crate) fn file_columns(&self) -> Vec<String> {
        let fields = self.files.first().map(|file| file.schema().fields().iter().map(|field| field.name().clone()));
        fields.into_iter().flatten().collect()
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
        let keys = self.files.first()?.metadata().file_metadata().key_value_metadata();
        let stored = keys.and_then(|keys| keys.iter().find(|known| known.key == key)?.value.clone());
        // Rows of other formats are in a scratch file, with the metadata of their schema.
        stored.or_else(|| self.schema().metadata().get(key).cloned())
    }

    /// The opened files in order.
    pub(crate) fn files(&self) -> &[ParquetFile] {
        &self.files
    }

    /// The same table with strings read as views, the cheapest layout to read.
    pub(crate) fn with_string_views(&self) -> Self {
        let columns = self.columns.with_columns(string_views(self.columns.columns()));
        Self { files: self.files.iter().map(ParquetFile::with_string_views).collect(), columns, ..self.clone() }
    }

    /// The same table, which keeps the columns it decodes, if they take at most so much memory, until
    /// [`read_again`](Self::read_again).
    pub(crate) fn keeping(&self, most_bytes: u64) -> Self {
        Self { kept: Some(Arc::new(KeptColumns::new(most_bytes))), ..self.clone() }
    }

    /// Ends the first reading: of what was kept, only these columns are needed again.
    pub(crate) fn read_again(&self, columns: &[String]) {
        self.kept.iter().for_each(|kept| kept.close(columns));
    }

    /// Takes columns of a row group that the first reading kept; `None` if it did not.
    pub(crate) fn take_kept(&self, columns: &[String], group: RowGroup) -> Option<Vec<RecordBatch>> {
        self.kept.as_ref()?.take(group, columns)
    }

    /// The same table, read from its files.
    pub(crate) fn without_kept(&self) -> Self {
        Self { kept: None, ..self.clone() }
    }

    /// The same table, with an error for pages of more than `bytes`, if given.
    pub(crate) fn with_max_page_bytes(&self, bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else { return self.clone() };
        Self { files: self.files.iter().map(|file| file.with_max_page_bytes(bytes)).collect(), ..self.clone() }
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
    /// [`Error::MissingFeature`] for a column that the table lacks, [`Error::TypesDiffer`] for one whose types do not meet,
    /// [`Error::Read`] and [`Error::Damaged`].
    pub(crate) fn read(&self, columns: &[String], group: RowGroup, batch_rows: usize) -> Result<RowGroupReader> {
        columns.iter().try_for_each(|column| self.columns.check(column))?;
        let file = &self.files[group.file];
        RowGroupReader::new(file, file.column_indexes(columns)?, group, batch_rows, self.kept.clone())
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
