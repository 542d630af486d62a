//! Stdin as an input. An Arrow stream is read as it comes. Any other format is first copied to a scratch file: the types of text
//! are decided by all values, and a file of Parquet or Arrow IPC ends with what tells where its parts are.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Write};
use std::path::Path;

use super::arrow_ipc::IpcReader;
use super::inputs::{FileFormat, SIGNATURE_BYTES};
use crate::config::SourceConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::{InterruptibleReader, Stop};
use crate::storage::PositionalFile;

/// What stdin holds.
pub(super) enum Stdin {
    Stream(IpcReader),
    /// A copy of it.
    File(PositionalFile, FileFormat),
}

/// Opens stdin, called `path` in messages, in the format that is given or that its first bytes tell.
///
/// # Errors
/// [`Error::Read`] for what is not of its format, [`Error::Io`] if the disk is full.
pub(super) fn open_stdin(path: &Path, config: &SourceConfig, stop: &Stop) -> Result<Stdin> {
    let mut stdin = InterruptibleReader::new(Box::new(std::io::stdin()), stop)?;
    let mut start = Vec::new();
    let read = stdin.by_ref().take(SIGNATURE_BYTES as u64).read_to_end(&mut start);
    stop.check()?;
    read.map_err(|error| Error::Read { place: Place::file(path), source: error.into() })?;
    let format = FileFormat::detect_stdin(&start, config.input_format);
    let mut from = Cursor::new(start).chain(stdin);
    if format == FileFormat::IpcStream {
        return Ok(Stdin::Stream(IpcReader::new(path, Box::new(from), config.allow_missing_eos, stop)?));
    }
    if config.input_format.is_none() {
        tracing::info!("{}: it is read as {}, by its first bytes", path.display(), format.name());
    }
    let folder = config.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut file = tempfile::tempfile_in(&folder).map_err(Error::io("create a scratch file here", &folder))?;
    let length = copy(&mut from, &mut file, (path, &folder), stop)?;
    tracing::info!("{}: {length} bytes are kept in a scratch file in {}", path.display(), folder.display());
    Ok(Stdin::File(PositionalFile::new(file, length), format))
}

/// Copies all bytes to a file in `folder`; returns their number.
fn copy(from: &mut dyn Read, to: &mut File, (path, folder): (&Path, &Path), stop: &Stop) -> Result<u64> {
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    loop {
        let read = from.read(&mut buffer);
        stop.check()?;
        match read {
            Ok(0) => return Ok(length),
            Ok(read) => {
                to.write_all(&buffer[..read]).map_err(Error::io("write a scratch file here", folder))?;
                length += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read { place: Place::file(path), source: error.into() }),
        }
    }
}
