//! The flags that decide how outputs are written, and what `-` is.

use std::io::Write;
use std::path::Path;

use clap::Args;
use vaepipe::{Codec, Encoding, Output, Source, TransformConfig};

use crate::cli::failure::Failure;
use crate::cli::flags::fit::words;

/// Flags that decide how outputs are written.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputFlags {
    /// Replace an existing output
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave outputs that are there as they are, and make those that are not
    #[arg(long, conflicts_with = "force")]
    pub(crate) skip_existing: bool,
    /// Compress the output so, which encodes the columns of a Parquet file anew [default: zstd; Arrow IPC: none]
    #[arg(long, value_name = "CODEC", value_parser = words::<Codec>(Codec::WORDS))]
    compression: Option<Codec>,
    /// Most rows of a Parquet row group, which encodes the columns of a Parquet file anew [default: 1048576]
    #[arg(long, value_name = "N")]
    row_group_size: Option<usize>,
}

impl OutputFlags {
    /// The library's configuration of it.
    pub(crate) fn encoding(&self) -> Encoding {
        let mut encoding = Encoding::default();
        encoding.compression = self.compression;
        encoding.row_group_size = self.row_group_size;
        encoding
    }
}

/// Whether a name is that of stdin or stdout.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Checks, before any work, that a file may be written; a directory's files are checked by whoever knows their names.
pub(crate) fn check_output(
    path: &Path,
    config: &TransformConfig,
    source: &Source,
    model: Option<&Path>,
) -> Result<(), Failure> {
    match Output::from(path) {
        Output::File(_) if is_dash(path) || config.skips(path, source.paths())? => Ok(()),
        Output::File(_) => {
            Ok(vaepipe::cli_support::check_target(path, config.force || config.if_newer, source.paths().chain(model))?)
        }
        _ => Ok(()),
    }
}

/// Where rows go that are written to `path`.
pub(crate) fn open_output(path: &Path) -> Result<Output, Failure> {
    if !is_dash(path) {
        return Ok(path.into());
    }
    Ok(Output::Stream(stdout().map_err(Failure::Stdout)?))
}

/// Stdout without the buffer that looks for lines.
#[cfg(unix)]
fn stdout() -> std::io::Result<Box<dyn Write + Send>> {
    use std::os::fd::AsFd;
    Ok(Box::new(std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?)))
}

#[cfg(not(unix))]
fn stdout() -> std::io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(std::io::stdout()))
}
