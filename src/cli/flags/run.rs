//! What every command that runs a model is told beside its own flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::storage::is_url;
use clap::Args;
use vaepipe::{Device, Lock, OutputConfig, Run};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::output::is_dash;
use crate::cli::output;

/// Flags of every command that runs a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunFlags {
    /// Where the model runs: auto, cpu, cuda or cuda:N; auto uses CUDA if this build has it and a device answers
    #[arg(long, default_value_t, value_name = "DEVICE")]
    pub(crate) device: Device,
    #[command(flatten)]
    pub(crate) workers: Workers,
    #[command(flatten)]
    pub(crate) writing: WritingFlags,
}

/// Flags of every command that writes a file and a summary.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct WritingFlags {
    /// The summary on stdout: a few lines of text, or one JSON object as the last line
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(crate) summary: output::OutputFormat,
    /// Wait at most this long for another run that writes the same output, like 90s, 10m or 1h [default: none]
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<Wait>,
}

/// The threads of a command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct Workers {
    /// Worker threads; the number never changes a result [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// A time that is written as it is read.
#[derive(Debug, Clone, Copy)]
struct Wait(Duration);

fn time(text: &str) -> Result<Wait, humantime::DurationError> {
    humantime::parse_duration(text).map(Wait)
}

impl RunFlags {
    /// Checks the number of threads.
    ///
    /// # Errors
    /// [`Error::OptionRange`](vaepipe::Error::OptionRange).
    pub(crate) fn check(&self) -> Result<(), Failure> {
        Ok(Run::new().threads(self.workers.threads).check()?)
    }
}

impl WritingFlags {
    /// The right to write the file `target`, until it is dropped; it is no input, and replaces a file only if `force`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and those of [`check_target`](crate::storage::check_target).
    pub(crate) fn claim<'a>(
        &self,
        target: &Path,
        force: bool,
        inputs: impl IntoIterator<Item = &'a Path>,
        context: &Context,
    ) -> Result<Vec<Lock>, Failure> {
        output::check_is_file(target)?;
        let lock = self.lock([target], context)?;
        // What another run wrote meanwhile is there now.
        crate::storage::check_target(target, force, inputs)?;
        Ok(lock)
    }

    /// The right to write rows of a model to `target`, a file or stdout, until it is dropped.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub(crate) fn claim_new(
        &self,
        target: &Path,
        config: &OutputConfig,
        model: &Path,
        context: &Context,
    ) -> Result<Vec<Lock>, Failure> {
        let lock = self.lock([target], context)?;
        if !is_dash(target) {
            crate::storage::check_target(target, config.force || config.skip_existing, [model])?;
        }
        Ok(lock)
    }

    /// The right to write to `targets`, until it is dropped. Those that cannot be written to are for others to refuse.
    ///
    /// # Errors
    /// [`Error::Locked`](vaepipe::Error::Locked) if another run writes one of them for longer than to wait.
    pub(crate) fn lock<'a>(
        &self,
        targets: impl IntoIterator<Item = &'a Path>,
        context: &Context,
    ) -> Result<Vec<Lock>, Failure> {
        let wait = self.wait.map_or(Duration::ZERO, |wait| wait.0);
        let is_place = |path: &&Path| {
            let writable = std::fs::metadata(path).map_or(true, |about| about.is_file() || about.is_dir());
            !is_dash(path) && !is_url(path) && folder(path).is_dir() && path.file_name().is_some() && writable
        };
        // One file that is named twice is refused elsewhere.
        Ok(Lock::take_all(targets.into_iter().filter(is_place), wait, &context.signals.stop)?)
    }
}

/// The folder a file is in: where there is room for the file, scratch files find theirs. For an object, that of temporary
/// files.
pub(crate) fn folder(path: &Path) -> PathBuf {
    if is_url(path) {
        return std::env::temp_dir();
    }
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
