//! Where the rows of a source go: a file, a directory of files, or a stream; and which existing files are kept.

#![forbid(unsafe_code)]

mod directory;
mod skipped;
mod unreadable;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

pub use self::unreadable::UnreadableFile;
pub(crate) use self::unreadable::{check as check_unreadable, readable};
#[cfg(feature = "delta")]
use arrow::datatypes::SchemaRef;

use crate::config::OutputConfig;
use crate::error::{Error, Result};
#[cfg(feature = "delta")]
use crate::error::{Place, Unsupported};
use crate::pipeline::{Stop, StreamWriter};
#[cfg(feature = "delta")]
use crate::sink::NewDeltaTable;
use crate::sink::{Destination, check_output_name};
use crate::source::Source;
use crate::storage::{Target, check_outside};

/// The output of a command that writes the rows of its input.
#[non_exhaustive]
pub enum Output {
    /// One file: Arrow IPC if its name ends in `.arrow`, `.feather` or `.ipc`, CSV if in `.csv` or `.tsv`, NDJSON if in
    /// `.ndjson` or `.jsonl`, text compressed if `.gz` follows; else Parquet.
    File(PathBuf),
    /// A directory with one file for each file of the source, at the same relative path.
    Folder(PathBuf),
    /// A new Delta table in a directory that is missing or empty: one data file, then the commit that makes it a table.
    #[cfg(feature = "delta")]
    Delta(PathBuf),
    /// A stream, flushed after each batch: Arrow IPC, unless [`Encoding::output_format`](crate::Encoding::output_format) names
    /// another format. After an error an Arrow stream has no end-of-stream marker.
    Stream(Box<dyn Write + Send>),
}

/// Writes the rows of sources.
pub(crate) trait WriteRows {
    /// Checks the columns of a file of a directory before anything is written.
    fn check(&self, _file: &Source) -> Result<()> {
        Ok(())
    }

    /// The files beside the source from which the rows follow.
    fn history(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// The columns of a Parquet file of the rows of a source.
    #[cfg(feature = "delta")]
    fn schema(&self, source: &Source) -> Result<SchemaRef>;

    /// Writes the rows of a source, whole or not at all. A file of a directory leaves out the keys of its path.
    fn write(&mut self, source: &Source, destination: Destination, in_directory: bool) -> Result<()>;

    /// Takes back what was written beside the last output, which is not there after all.
    #[cfg(feature = "delta")]
    fn retract(&mut self) {}
}

/// Files that were written, those that were kept, and those that could not be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCounts {
    pub(crate) written: u64,
    pub(crate) skipped: u64,
    pub(crate) unreadable: Vec<UnreadableFile>,
}

impl FileCounts {
    /// One output that was written.
    pub(crate) fn one() -> Self {
        Self { written: 1, ..Self::default() }
    }

    /// One output that was kept.
    pub(crate) fn kept() -> Self {
        Self { skipped: 1, ..Self::default() }
    }
}

impl Output {
    /// Checks that the name of a file is not that of a format that is not written, such as `.json` or `.csv.zst`.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn check_name(&self) -> Result<()> {
        match self {
            Self::File(path) => check_output_name(path),
            _ => Ok(()),
        }
    }

    /// Writes the rows of `source`, unless the output exists and is kept; `model_hash` is that of the model in use.
    ///
    /// # Errors
    /// Those of the writer, and those of the output.
    pub(crate) fn write(
        self,
        source: &Source,
        config: &OutputConfig,
        model_hash: &str,
        stop: &Stop,
        rows: &mut dyn WriteRows,
    ) -> Result<FileCounts> {
        if !matches!(self, Self::Folder(_)) {
            // One output of all files cannot do without some.
            unreadable::check(&unreadable::files(source.unreadable()), 0)?;
        }
        match self {
            Self::Folder(folder) => return directory::write(source, &folder, config, model_hash, stop, rows),
            #[cfg(feature = "delta")]
            Self::Delta(folder) => {
                check_outside(&folder, source.directories())?;
                let schema = rows.schema(source)?;
                let table = NewDeltaTable::create(&folder, &schema)?;
                let target = Target::check(&table.data_file(), false, source.paths())?;
                rows.write(source, Destination::File(target), false)?;
                // It comes last, so that a run that fails leaves no table.
                table.commit().inspect_err(|_| rows.retract())?;
            }
            Self::Stream(to) => {
                let to = Destination::Stream(Box::new(StreamWriter::new(to, stop)?));
                let written = rows.write(source, to, false);
                if let Err(Error::Io { .. } | Error::Write { .. }) = written {
                    // A stop interrupts a blocked write, which then fails.
                    stop.check()?;
                }
                written?;
            }
            Self::File(path) => {
                check_output_name(&path)?;
                if config.skips(&path, source.paths().chain(rows.history()), model_hash)? {
                    return Ok(FileCounts::kept());
                }
                check_outside(&path, source.directories())?;
                let target = Target::check(&path, config.replaces(), source.paths())?;
                rows.write(source, Destination::File(target), false)?;
            }
        }
        Ok(FileCounts::one())
    }

    /// Where rows go that no input has; `None` if the output exists and is kept.
    ///
    /// # Errors
    /// Those of the output; a directory is none.
    pub(crate) fn of_new_rows(
        self,
        config: &OutputConfig,
        model_hash: &str,
        stop: &Stop,
    ) -> Result<Option<Destination>> {
        Ok(match self {
            Self::Stream(to) => Some(Destination::Stream(Box::new(StreamWriter::new(to, stop)?))),
            #[cfg(feature = "delta")]
            Self::Delta(path) => {
                return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::NewRowsDeltaTable });
            }
            Self::File(path) | Self::Folder(path) => {
                check_output_name(&path)?;
                match config.skips(&path, std::iter::empty(), model_hash)? {
                    true => None,
                    false => Some(Destination::File(Target::check(&path, config.replaces(), [])?)),
                }
            }
        })
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            #[cfg(feature = "delta")]
            Self::Delta(path) => f.debug_tuple("Delta").field(path).finish(),
            Self::Stream(_) => f.debug_tuple("Stream").finish_non_exhaustive(),
        }
    }
}

impl From<&Path> for Output {
    /// A directory if it is one or ends in a slash, else a file.
    fn from(path: &Path) -> Self {
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if is_folder { Self::Folder(path.to_owned()) } else { Self::File(path.to_owned()) }
    }
}

impl From<PathBuf> for Output {
    fn from(path: PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&PathBuf> for Output {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&str> for Output {
    fn from(path: &str) -> Self {
        Path::new(path).into()
    }
}
