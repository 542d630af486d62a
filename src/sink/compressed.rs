//! The bytes of a text file, compressed if its name says so.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::medium::is_gzip;

/// A writer of bytes, compressed or as they are.
pub(crate) enum Compressed<W: Write> {
    Not(W),
    Gzip(Box<GzEncoder<W>>),
}

impl<W: Write> Compressed<W> {
    /// Writes the file called `path`.
    pub(super) fn new(to: W, path: &Path) -> Self {
        if is_gzip(path) { Self::Gzip(Box::new(GzEncoder::new(to, Compression::default()))) } else { Self::Not(to) }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Not(mut to) => to.flush().map(|()| to),
            Self::Gzip(to) => to.finish(),
        }
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Not(to) => to.write(bytes),
            Self::Gzip(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Not(to) => to.flush(),
            Self::Gzip(to) => to.flush(),
        }
    }
}
