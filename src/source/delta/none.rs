//! The stand-in for Delta tables in a build without them: the files of a table are never read without its log.

use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;

use crate::error::{Error, Place, Result, Unsupported};
use crate::source::inputs::PartitionColumns;
use crate::source::{Batches, ParquetFile};

/// A live file, of which this build can have none.
pub(crate) enum LiveFile {}

/// How it is read.
pub(crate) enum LiveContent {
    #[expect(dead_code, reason = "matched as in a build with Delta tables")]
    Parquet(Box<ParquetFile>),
    #[expect(dead_code, reason = "matched as in a build with Delta tables")]
    Mapped(Box<MappedFile>),
}

/// A file with other columns, of which this build can have none.
#[derive(Clone)]
pub(crate) enum MappedFile {}

/// The files of a table.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn live_files(table: &Path) -> Result<Vec<LiveFile>> {
    Err(Error::Unsupported { place: Place::file(table), what: Unsupported::DeltaTable })
}

impl LiveFile {
    pub(crate) fn path(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn relative(&self) -> PathBuf {
        match *self {}
    }

    pub(crate) fn open(self) -> Result<(LiveContent, PartitionColumns)> {
        match self {}
    }
}

impl MappedFile {
    pub(crate) fn schema(&self) -> &SchemaRef {
        match *self {}
    }

    pub(crate) fn rows(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn batches(&self, _: &[String], _: usize) -> Result<Batches> {
        match *self {}
    }
}
