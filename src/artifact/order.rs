//! What models of rows in order do not do.

use super::Model;
use crate::error::{Error, Place, Result, Unsupported};

impl Model {
    /// Rejects `what` if the model learns rows in order: it takes each row by itself.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub(crate) fn check_unordered(&self, what: Unsupported) -> Result<()> {
        match self.metadata().sequence {
            Some(_) => Err(Error::Unsupported { place: Place::file("a model of rows in order"), what }),
            None => Ok(()),
        }
    }
}
