//! Files or stdin as lines of text, read once and in order.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ::parquet::file::reader::ChunkReader;
use encoding_rs::UTF_8;
use flate2::read::MultiGzDecoder;

use super::encoding::decode;
use super::line_chunks::{LineChunk, LineChunks};
use crate::error::{Error, Place, Result};
use crate::pipeline::{InterruptibleReader, Stop};
use crate::source::inputs::{InputFile, find_files, is_stdin};
use crate::storage::PositionalFile;

/// The lines of files, which may be compressed, or of stdin.
pub(crate) struct LineSource {
    files: Vec<InputFile>,
    stop: Stop,
}

impl LineSource {
    /// Finds the files; those of a directory or glob are sorted by path.
    ///
    /// # Errors
    /// [`Error::Io`] for a name that does not exist, [`Error::NoFiles`] for a directory or glob without files.
    pub(crate) fn open<P: AsRef<Path>>(names: impl IntoIterator<Item = P>, stop: &Stop) -> Result<Self> {
        Ok(Self { files: find_files(names)?, stop: stop.clone() })
    }

    /// The paths of the files, without stdin.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path()).filter(|path| !is_stdin(path))
    }

    /// The directories that were given.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter_map(|file| file.directory.as_deref())
    }

    /// Reads all lines.
    pub(crate) fn chunks(self) -> impl Iterator<Item = Result<LineChunk>> + Send {
        let Self { files, stop } = self;
        files.into_iter().flat_map(move |file| -> Box<dyn Iterator<Item = Result<LineChunk>> + Send> {
            match read(&file.path, &stop) {
                Ok(from) => Box::new(LineChunks::new(&file.path, from, &stop)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })
    }
}

/// Opens a file or stdin, decompressed and in UTF-8.
fn read(path: &PathBuf, stop: &Stop) -> Result<Box<dyn Read + Send>> {
    let failed = |error: std::io::Error| Error::Read { place: Place::file(path), source: error.into() };
    let decoded = if is_stdin(path) {
        decode(InterruptibleReader::new(Box::new(std::io::stdin()), stop)?, UTF_8)
    } else {
        let file = PositionalFile::open(path)?;
        let read = |at| file.get_read(at).map_err(|error| failed(std::io::Error::other(error)));
        let mut start = Vec::new();
        read(0)?.take(2).read_to_end(&mut start).map_err(failed)?;
        match start.as_slice() {
            [0x1f, 0x8b] => decode(BufReader::new(MultiGzDecoder::new(read(0)?)), UTF_8),
            _ => decode(read(0)?, UTF_8),
        }
    };
    stop.check()?;
    decoded.map_err(failed)
}
