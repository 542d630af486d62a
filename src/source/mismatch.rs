//! The value of a text file that is the reason why a column has not the type that it should have.

use std::path::PathBuf;
use std::sync::Arc;

use super::Source;
use super::open_input::{InputContent, OpenInput};
use crate::error::{Error, Place, Result};

impl Source {
    /// Adds to an error about the type of a text column the first value that does not have the wanted type.
    pub(crate) fn with_mismatch(&self, error: Error) -> Error {
        let Error::WrongType { place, found, expected } = error else { return error };
        match self.first_mismatch(&place, &found, |_| true) {
            Some((path, found)) => Error::WrongValue { place: Place { path, ..place }, found, expected },
            None => Error::WrongType { place, found, expected },
        }
    }

    /// The error about the first value of a text column that does not have the wanted type, unless that value can be read.
    pub(crate) fn mismatch(&self, error: Error, reads: impl Fn(&str) -> bool) -> Result<()> {
        let Error::WrongType { place, found, expected } = error else { return Err(error) };
        match self.first_mismatch(&place, &found, |value| !reads(value)) {
            Some((path, found)) => Err(Error::WrongValue { place: Place { path, ..place }, found, expected }),
            None => Ok(()),
        }
    }

    /// The first value of a text column that does not have the wanted type, described, and its file.
    fn first_mismatch(&self, place: &Place, found: &str, counts: impl Fn(&str) -> bool) -> Option<(PathBuf, Box<str>)> {
        let mismatch = |input: &'_ Arc<OpenInput>| match &input.content {
            InputContent::Text(text) => {
                let (line, value, lacks) = text.first_mismatch(place.column.as_deref()?)?;
                counts(value).then(|| {
                    (line.path.to_path_buf(), format!("{found} (line {} has {value:?}{lacks})", line.number).into())
                })
            }
            _ => None,
        };
        self.inputs.iter().find_map(mismatch)
    }
}
