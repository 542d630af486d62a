//! Outputs as the command line names them: files, directories, and `-` for stdout.

use std::io::Write;
use std::path::Path;

use vaepipe::{Output, OutputConfig};

use crate::cli::failure::Failure;

/// Whether a name is that of stdin or stdout.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Checks, before any work, that a file may be written; a directory's files are checked by whoever knows their names.
pub(crate) fn check_output<'a>(
    path: &Path,
    config: &OutputConfig,
    inputs: impl Iterator<Item = &'a Path>,
    model: Option<&'a Path>,
) -> Result<(), Failure> {
    let kept = config.skip_existing && path.is_file();
    let output = Output::from(path);
    output.check_name()?;
    match output {
        Output::File(_) if !is_dash(path) && !kept => {
            // An object that exists is found and skipped later.
            let replaces = config.force || config.skip_existing || config.if_newer.is_some();
            Ok(crate::storage::check_target(path, replaces, inputs.chain(model))?)
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
