//! A writer of lines that are text already: to a stream, flushed after each call, or to a file.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::compressed::Compressed;
use super::medium::Medium;
use crate::error::{Error, Place, Result, Unsupported};
use crate::storage::{FileRange, Target, TemporaryFile};

/// A writer of lines.
pub(crate) enum LineWriter {
    Stream(Box<dyn Write + Send>),
    File(Compressed<BufWriter<TemporaryFile>>, Box<Target>),
}

impl LineWriter {
    /// Checks that an output of this name holds lines of JSON.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub(crate) fn check_name(path: &Path) -> Result<()> {
        match Medium::of(path) {
            Medium::Ndjson => Ok(()),
            _ => Err(Error::Unsupported { place: Place::file(path), what: Unsupported::LinesOutputName }),
        }
    }

    /// Opens the temporary file of an output.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn create(target: Target) -> Result<Self> {
        let file = BufWriter::with_capacity(FileRange::BUFFER_BYTES, target.create()?);
        Ok(Self::File(Compressed::new(file, target.path()), Box::new(target)))
    }

    /// Writes lines.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<()> {
        match self {
            Self::Stream(to) => {
                to.write_all(lines).and_then(|()| to.flush()).map_err(Error::io("write", Path::new("-")))
            }
            Self::File(to, target) => to.write_all(lines).map_err(Error::io("write", target.path())),
        }
    }

    /// Ends the output: commits a file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn finish(self) -> Result<()> {
        let Self::File(to, target) = self else { return Ok(()) };
        let failed = |error| Error::io("write", target.path())(error);
        let file = to.finish().map_err(failed)?.into_inner().map_err(|error| failed(error.into_error()))?;
        target.commit(file)
    }
}
