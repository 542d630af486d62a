//! The stand-in for row predicates in a build without the feature `analysis`.

use std::convert::Infallible;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::ParquetFile;
use crate::error::{Error, Result};
use crate::pipeline::Stop;

/// A predicate, of which this build can have no value.
#[derive(Debug, Clone)]
pub(super) struct Predicate(Infallible);

impl Predicate {
    /// Rejects every predicate.
    ///
    /// # Errors
    /// [`Error::Predicate`].
    pub(super) fn parse(text: &str) -> Result<Self> {
        let source = "this build does not support predicates; build with the feature analysis".into();
        Err(Error::Predicate { predicate: text.to_owned(), columns: Vec::new(), source })
    }

    pub(super) fn columns(&self) -> &[String] {
        match self.0 {}
    }

    pub(super) fn check(&self, _: &Schema, _: &Path) -> Result<()> {
        match self.0 {}
    }

    pub(super) fn filter(&self, _: &RecordBatch, _: RecordBatch, _: &Path) -> Result<RecordBatch> {
        match self.0 {}
    }

    pub(super) fn select_rows(&self, _: &ParquetFile, _: &Stop) -> Result<ParquetFile> {
        match self.0 {}
    }

    pub(super) fn excludes_group(&self, _: &ParquetFile, _: usize) -> bool {
        match self.0 {}
    }
}
