//! A file or object read by position, so that any number of threads share one handle: it stays the one that was opened,
//! also when another takes its name.

use std::fs::File;
use std::io::{self, BufReader, Read, Take};
use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use crate::error::{Error, Place};
use crate::storage::{Object, is_url};

/// A shared file handle without a cursor.
#[derive(Debug, Clone)]
pub(crate) struct PositionalFile {
    file: Arc<Handle>,
    length: u64,
}

#[derive(Debug)]
enum Handle {
    File(File),
    Object(Object),
}

impl PositionalFile {
    /// Opens a file, or the object that a URL names.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Unsupported`] for a directory, pipe or device.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if is_url(path) {
            let object = Object::open(path).map_err(Error::io("open", path))?;
            return Ok(Self { length: object.length(), file: Arc::new(Handle::Object(object)) });
        }
        let unsupported = |what| Err(Error::Unsupported { place: Place::file(path), what });
        // Before opening: that of a pipe waits for its other end, and nothing ends the wait.
        let about = std::fs::metadata(path).map_err(Error::io("open", path))?;
        if about.is_dir() {
            return unsupported("a directory as input");
        } else if !about.is_file() {
            return unsupported("a pipe or device as input");
        }
        Ok(Self::new(File::open(path).map_err(Error::io("open", path))?, about.len()))
    }

    /// Takes over an open file of `length` bytes.
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file: Arc::new(Handle::File(file)), length }
    }

    /// Whether it has become shorter since.
    ///
    /// # Errors
    /// Those of the system, which knows.
    pub(crate) fn is_truncated(&self) -> io::Result<bool> {
        match &*self.file {
            Handle::File(file) => Ok(file.metadata()?.len() < self.length),
            // What is read is the object that was opened, or an error.
            Handle::Object(_) => Ok(false),
        }
    }
}

impl Length for PositionalFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for PositionalFile {
    type T = BufReader<PositionalReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(PositionalReader { file: self.file.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Before allocating: a length comes from the file's own metadata, which may lie.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of a file of {}", self.length)));
        }
        let mut bytes = vec![0; length];
        PositionalReader { file: self.file.clone(), position: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A part of a file that is read from its beginning to its end, in large pieces.
pub(crate) struct WholeFile<'a> {
    file: &'a PositionalFile,
    length: u64,
}

impl<'a> WholeFile<'a> {
    /// Bytes read in one go.
    pub(crate) const PIECE: usize = 1 << 20;

    /// A part of `length` bytes.
    pub(crate) fn new(file: &'a PositionalFile, length: u64) -> Self {
        Self { file, length }
    }
}

impl Length for WholeFile<'_> {
    fn len(&self) -> u64 {
        self.file.length
    }
}

impl ChunkReader for WholeFile<'_> {
    type T = BufReader<Take<PositionalReader>>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let from = PositionalReader { file: self.file.file.clone(), position: start };
        let piece = usize::try_from(self.length).map_or(Self::PIECE, |length| length.min(Self::PIECE));
        Ok(BufReader::with_capacity(piece, from.take(self.length)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// Reads on from a position.
pub(crate) struct PositionalReader {
    file: Arc<Handle>,
    position: u64,
}

impl Read for PositionalReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &*self.file {
            Handle::File(file) => read_at(file, buffer, self.position)?,
            Handle::Object(object) => object.read_at(buffer, self.position)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}
