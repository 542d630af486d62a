//! In the place of predicates where there are none: a build without the feature `analysis`.

use std::convert::Infallible;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::ParquetFile;
use crate::error::{Error, Result};
use crate::pipeline::Stop;

/// A condition that nobody can have.
#[derive(Debug, Clone)]
pub(super) struct Predicate(Infallible);

impl Predicate {
    /// Refuses every predicate.
    ///
    /// # Errors
    /// [`Error::Predicate`].
    pub(super) fn parse(text: &str) -> Result<Self> {
        let source = "this build has no predicates: it lacks the feature analysis".into();
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

    pub(super) fn keep(&self, _: &ParquetFile, _: &Stop) -> Result<ParquetFile> {
        match self.0 {}
    }

    pub(super) fn never(&self, _: &ParquetFile, _: usize) -> bool {
        match self.0 {}
    }
}
