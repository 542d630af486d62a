//! A file read by position, so that any number of threads share one handle: the file stays the one that was opened,
//! also when another takes its name.

use std::fs::File;
use std::io::{self, BufReader, Read, Take};
use std::sync::Arc;

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

/// A shared file handle without a cursor.
#[derive(Debug, Clone)]
pub(crate) struct PositionalFile {
    file: Arc<File>,
    length: u64,
}

impl PositionalFile {
    /// Takes over an open file of `length` bytes.
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file: Arc::new(file), length }
    }

    /// Whether it has become shorter since.
    ///
    /// # Errors
    /// Those of the system, which knows.
    pub(super) fn is_cut(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.length)
    }
}

impl Length for PositionalFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for PositionalFile {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(From { file: self.file.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Before allocating: a length comes from the file's own metadata, which may lie.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of a file of {}", self.length)));
        }
        let mut bytes = vec![0; length];
        From { file: self.file.clone(), position: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A part of a file that is read from its beginning to its end, in large pieces.
pub(crate) struct Whole<'a> {
    file: &'a PositionalFile,
    length: u64,
}

impl<'a> Whole<'a> {
    /// Bytes read in one go.
    pub(crate) const PIECE: usize = 1 << 20;

    /// A part of `length` bytes.
    pub(crate) fn new(file: &'a PositionalFile, length: u64) -> Self {
        Self { file, length }
    }
}

impl Length for Whole<'_> {
    fn len(&self) -> u64 {
        self.file.length
    }
}

impl ChunkReader for Whole<'_> {
    type T = BufReader<Take<From>>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let from = From { file: self.file.file.clone(), position: start };
        let piece = usize::try_from(self.length).map_or(Self::PIECE, |length| length.min(Self::PIECE));
        Ok(BufReader::with_capacity(piece, from.take(self.length)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// Reads on from a position.
pub(crate) struct From {
    file: Arc<File>,
    position: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.position)?;
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
