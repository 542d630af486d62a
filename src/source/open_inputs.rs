//! Opens the files that names lead to. What a directory holds beside rows is left alone.

use std::path::PathBuf;

use super::delta::live_files;
use super::inputs::{InputFile, partition_columns};
use super::open_input::OpenInput;
use crate::config::SourceConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Stop;

/// What key-value metadata of an output begins with.
const OUTPUT_KEY: &str = "vaepipe.";

/// The opened files.
pub(super) struct OpenInputs {
    pub(super) inputs: Vec<OpenInput>,
    /// Files of directories that cannot be read, each with what is wrong.
    pub(super) unreadable: Vec<(PathBuf, Error)>,
}

impl OpenInputs {
    /// Opens files in their order.
    ///
    /// # Errors
    /// As [`Source::open`](super::Source::open).
    pub(super) fn open(found: Vec<InputFile>, config: &SourceConfig, stop: &Stop) -> Result<Self> {
        let partitions = partition_columns(found.iter().map(|found| found.path.as_path()));
        let first = found.first().and_then(|found| found.directory.clone()).unwrap_or_default();
        let (mut inputs, mut unreadable, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut add = |path: PathBuf, may_lack: bool, opened: Result<Option<OpenInput>>| {
            match opened {
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => others.push(path),
                Err(error) if config.keep_going && may_lack && error.kind() == ErrorKind::Data => {
                    tracing::warn!("{error}; the file is skipped");
                    unreadable.push((path, error));
                }
                Err(error) => return Err(error),
            }
            stop.check()
        };
        for (file, partition) in found.into_iter().zip(partitions) {
            if let Some(table) = file.delta_table() {
                for live in live_files(table)? {
                    add(live.path().to_owned(), true, OpenInput::open_live(&file, live).map(Some))?;
                }
                continue;
            }
            add(file.path.clone(), file.directory.is_some(), OpenInput::open(file, partition, config, stop))?;
        }
        if let Some(one) = others.first() {
            tracing::info!("files without rows are skipped: {}, such as {}", others.len(), one.display());
        }
        leave_out_outputs(&mut inputs);
        match inputs.is_empty() {
            false => Ok(Self { inputs, unreadable }),
            true => Err(unreadable.pop().map_or(Error::NoFiles { path: first }, |(_, error)| error)),
        }
    }
}

/// Leaves out the outputs of this program that lie in a directory among other files: their rows are there twice.
fn leave_out_outputs(inputs: &mut Vec<OpenInput>) {
    let is_output = |input: &OpenInput| {
        let in_directory = input.directory.is_some() && !input.in_log;
        in_directory && input.metadata_keys().iter().any(|key| key.starts_with(OUTPUT_KEY))
    };
    let outputs = inputs.iter().filter(|input| is_output(input)).count();
    if outputs == 0 || outputs == inputs.len() {
        return;
    }
    let one = inputs.iter().find(|input| is_output(input)).map(|input| input.path.clone()).unwrap_or_default();
    tracing::warn!("outputs of vaepipe in an input directory are skipped: {outputs}, such as {}", one.display());
    inputs.retain(|input| !is_output(input));
}
