//! A live file of a Delta table, and how it is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::column_mapping::LoggedColumns;
use super::deleted_rows::kept_rows;
use super::mapped_file::MappedFile;
use crate::error::Result;
use crate::source::ParquetFile;
use crate::source::inputs::{PartitionColumns, is_key_of};

/// A file of the current version of a table.
pub(crate) struct LiveFile {
    pub(super) path: PathBuf,
    /// Its path below the table; its file name, if it is elsewhere.
    pub(super) relative: PathBuf,
    /// The values of the table's partition columns.
    pub(super) partition: PartitionColumns,
    /// The numbers of its deleted rows, ascending.
    pub(super) deleted: Vec<u64>,
    pub(super) columns: Arc<LoggedColumns>,
}

/// How a live file is read.
pub(crate) enum LiveContent {
    /// As any other file: it stores the columns of the table under their names.
    Parquet(Box<ParquetFile>),
    Mapped(Box<MappedFile>),
}

impl LiveFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn relative(&self) -> PathBuf {
        self.relative.clone()
    }

    /// Opens the file; the partition columns are those that it does not have itself.
    ///
    /// # Errors
    /// As [`ParquetFile::open`]; [`Error::Damaged`](crate::Error::Damaged) if a deleted row is none of its rows.
    pub(crate) fn open(self) -> Result<(LiveContent, PartitionColumns)> {
        let mut file = ParquetFile::open(&self.path)?;
        if !self.deleted.is_empty() {
            let kept = kept_rows(&file, &self.deleted)?;
            file = file.with_selections(kept);
        }
        let in_path = self.partition.fields().iter().all(|key| is_key_of(&self.relative, key.name()));
        if in_path && self.columns.are_those_of(file.schema()) {
            let file = file.with_partition_columns(&self.partition);
            return Ok((LiveContent::Parquet(file.into()), self.partition));
        }
        let none = PartitionColumns::default();
        let (partition, own) = if in_path { (self.partition, none) } else { (none, self.partition) };
        Ok((LiveContent::Mapped(MappedFile::new(file, self.columns, own)?.into()), partition))
    }
}
