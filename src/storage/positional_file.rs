//! Files and objects read by position, so that threads share one handle. It stays the opened file even if another file takes
//! its name. Of many inputs the later ones are opened for each read; if another file took the name, that read is an error.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Take};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use crate::error::{Error, Place, Unsupported};
use crate::storage::{Object, is_url};

/// An open file or object without a cursor, shared by threads.
#[derive(Debug, Clone)]
pub(crate) struct PositionalFile {
    file: Arc<ReadHandle>,
    length: u64,
}

#[derive(Debug)]
enum ReadHandle {
    File(File),
    /// The same, counted as one of the inputs.
    Counted(File),
    /// An input that is opened for each read: a process may have only so many open.
    Reopened {
        path: PathBuf,
        identity: Identity,
    },
    Object(Object),
}

/// Most files that stay open: a quarter of the usual limit of a cron job.
const MOST_OPEN: usize = 64;

/// The number of those that are.
static OPEN: AtomicUsize = AtomicUsize::new(0);

impl Drop for ReadHandle {
    fn drop(&mut self) {
        if let Self::Counted(_) = self {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl PositionalFile {
    /// Opens a file, or the object of a URL.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Unsupported`] for a directory, pipe or device.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if is_url(path) {
            let object = Object::open(path).map_err(Error::io("open", path))?;
            return Ok(Self { length: object.length(), file: Arc::new(ReadHandle::Object(object)) });
        }
        let unsupported = |what| Err(Error::Unsupported { place: Place::file(path), what });
        // Checked before opening, since opening a pipe waits for its other end without limit.
        let about = std::fs::metadata(path).map_err(Error::io("open", path))?;
        if about.is_dir() {
            return unsupported(Unsupported::DirectoryInput);
        } else if !about.is_file() {
            return unsupported(Unsupported::PipeInput);
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let handle = if OPEN.fetch_add(1, Ordering::Relaxed) < MOST_OPEN {
            ReadHandle::Counted(file)
        } else {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            ReadHandle::Reopened { path: path.to_owned(), identity: Identity::of(&about) }
        };
        Ok(Self { file: Arc::new(handle), length: about.len() })
    }

    /// Wraps an open file of `length` bytes.
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file: Arc::new(ReadHandle::File(file)), length }
    }

    /// Whether the file has become shorter since it was opened.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub(crate) fn is_truncated(&self) -> io::Result<bool> {
        match &*self.file {
            ReadHandle::File(file) | ReadHandle::Counted(file) => Ok(file.metadata()?.len() < self.length),
            ReadHandle::Reopened { path, .. } => Ok(std::fs::metadata(path)?.len() < self.length),
            // A changed object is a read error.
            ReadHandle::Object(_) => Ok(false),
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
        Ok(BufReader::new(PositionalReader::new(self.file.clone(), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Checked before allocating, since the length comes from the file's metadata, which may be wrong.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of a file of {}", self.length)));
        }
        let mut bytes = vec![0; length];
        PositionalReader::new(self.file.clone(), start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A range of a file that is read sequentially with a large buffer.
pub(crate) struct FileRange<'a> {
    file: &'a PositionalFile,
    length: u64,
}

impl<'a> FileRange<'a> {
    /// Bytes of the read buffer.
    pub(crate) const BUFFER_BYTES: usize = 1 << 20;

    /// A range of `length` bytes from the offset that is asked for.
    pub(crate) fn new(file: &'a PositionalFile, length: u64) -> Self {
        Self { file, length }
    }
}

impl Length for FileRange<'_> {
    fn len(&self) -> u64 {
        self.file.length
    }
}

impl ChunkReader for FileRange<'_> {
    type T = BufReader<Take<PositionalReader>>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let from = PositionalReader::new(self.file.file.clone(), start);
        let buffer = usize::try_from(self.length).unwrap_or(usize::MAX).min(Self::BUFFER_BYTES);
        Ok(BufReader::with_capacity(buffer, from.take(self.length)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// A reader with its own position in a shared file.
pub(crate) struct PositionalReader {
    file: Arc<ReadHandle>,
    position: u64,
    /// The file, if it is opened for this reader.
    opened: Option<File>,
}

impl PositionalReader {
    fn new(file: Arc<ReadHandle>, position: u64) -> Self {
        Self { file, position, opened: None }
    }
}

impl Read for PositionalReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &*self.file {
            ReadHandle::File(file) | ReadHandle::Counted(file) => read_at(file, buffer, self.position)?,
            ReadHandle::Reopened { path, identity } => {
                let file = match self.opened.take() {
                    Some(file) => file,
                    None => identity.open(path)?,
                };
                read_at(self.opened.insert(file), buffer, self.position)?
            }
            ReadHandle::Object(object) => object.read_at(buffer, self.position)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// What tells a file from another that took its name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    inode: (u64, u64),
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl Identity {
    fn of(about: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            #[cfg(unix)]
            inode: (about.dev(), about.ino()),
            #[cfg(not(unix))]
            modified: about.modified().ok(),
        }
    }

    /// Opens the file again.
    fn open(&self, path: &Path) -> io::Result<File> {
        let file = File::open(path)?;
        if Self::of(&file.metadata()?) == *self {
            return Ok(file);
        }
        Err(io::Error::other("another file took its name while it was read"))
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
