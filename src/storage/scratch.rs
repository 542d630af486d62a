//! Scratch files for data that does not fit in memory, read and written by position.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::Pod;

use crate::error::{Error, Result};

/// A temporary file of values without a name; it vanishes with its last handle, even if the program is killed.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    file: Arc<File>,
    folder: Arc<PathBuf>,
}

impl Scratch {
    /// Creates a file in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder is missing or not writable.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("create a scratch file here", folder))?;
        Ok(Self { file: Arc::new(file), folder: Arc::new(folder.to_owned()) })
    }

    /// Writes `values` at index `at`, counted in values.
    ///
    /// # Errors
    /// [`Error::Io`], usually because the disk is full.
    pub(crate) fn write_at<T: Pod>(&self, values: &[T], at: u64) -> Result<()> {
        let (mut bytes, mut position) = (bytemuck::cast_slice(values), at * size_of::<T>() as u64);
        while !bytes.is_empty() {
            match write_at(&self.file, bytes, position) {
                Ok(0) => return Err(self.error("write a scratch file here", ErrorKind::WriteZero.into())),
                Ok(written) => (bytes, position) = (&bytes[written..], position + written as u64),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("write a scratch file here", error)),
            }
        }
        Ok(())
    }

    /// Reads into `values` from index `at`, counted in values.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn read_at<T: Pod>(&self, values: &mut [T], at: u64) -> Result<()> {
        let (mut bytes, mut position) = (bytemuck::cast_slice_mut(values), at * size_of::<T>() as u64);
        while !bytes.is_empty() {
            match read_at(&self.file, bytes, position) {
                Ok(0) => return Err(self.error("read a scratch file here", ErrorKind::UnexpectedEof.into())),
                Ok(read) => (bytes, position) = (&mut bytes[read..], position + read as u64),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("read a scratch file here", error)),
            }
        }
        Ok(())
    }

    fn error(&self, action: &'static str, error: io::Error) -> Error {
        Error::io(action, &self.folder)(error)
    }
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    file.read_at(bytes, position)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    file.seek_read(bytes, position)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    file.write_at(bytes, position)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    file.seek_write(bytes, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_values_are_read_back_at_any_position() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(folder.path()).unwrap();
        scratch.write_at(&[3.0_f32, f32::NAN, 5.0], 3).unwrap();
        scratch.clone().write_at(&[0.5_f32, 1.5, 2.5], 0).unwrap();
        let mut values = [0.0_f32; 4];
        scratch.read_at(&mut values, 1).unwrap();
        assert_eq!((values[0], values[1], values[2]), (1.5, 2.5, 3.0));
        assert!(values[3].is_nan());
        assert!(scratch.read_at(&mut values, 3).is_err(), "beyond the end");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it has no name");
    }

    #[test]
    fn an_error_names_a_missing_folder() {
        let error = Scratch::create(Path::new("/not/there")).unwrap_err();
        assert_eq!(error.to_string(), "/not/there: cannot create a scratch file here");
    }
}
