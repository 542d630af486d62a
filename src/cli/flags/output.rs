//! Outputs as the command line names them: files, directories, and `-` for stdout.

use std::io::Write;
use std::path::Path;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{IfNewer, Output, OutputConfig, UnreadableFile};

use crate::cli::failure::Failure;

/// Flags of commands that write the rows they read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputFlags {
    #[command(flatten)]
    config: OutputConfig,
    /// Skip outputs that are newer than their input, and write the others; --if-newer=model also replaces outputs of another
    /// model, by the hash in their metadata
    #[arg(
        long,
        value_name = "THAN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "input",
        value_parser = PossibleValuesParser::new(IfNewer::WORDS).try_map(|word| word.parse::<IfNewer>()),
        conflicts_with_all = ["force", "skip_existing"],
    )]
    if_newer: Option<IfNewer>,
    /// Write the directory OUTPUT as a new Delta table of one data file
    #[cfg(feature = "delta")]
    #[arg(
        long = "format",
        value_name = "FORMAT",
        value_parser = ["delta"],
        conflicts_with_all = ["force", "skip_existing", "if_newer"]
    )]
    table_format: Option<String>,
    /// From directory to directory, skip files that cannot be read: the others are written, then the exit code is 1; the summary
    /// and the error name the skipped ones
    #[arg(long, help_heading = "Rows")]
    keep_going: bool,
}

impl OutputFlags {
    /// How outputs are written.
    pub(crate) fn config(&self) -> OutputConfig {
        let mut config = self.config.clone();
        config.if_newer = self.if_newer;
        config
    }

    /// Whether files that cannot be read are skipped: only where each has an output of its own.
    pub(crate) fn keep_going(&self, path: &Path) -> bool {
        self.keep_going && matches!(Output::from(path), Output::Folder(_))
    }

    /// Where rows go that are written to `path`.
    pub(crate) fn open(&self, path: &Path) -> Result<Output, Failure> {
        #[cfg(feature = "delta")]
        if self.table_format.is_some() {
            return Ok(Output::Delta(path.to_owned()));
        }
        open_output(path)
    }
}

/// What a person reads of outputs that were kept.
pub(crate) fn kept(skipped: u64) -> Option<(&'static str, String)> {
    let outputs = if skipped == 1 { "output" } else { "outputs" };
    (skipped > 0).then(|| ("skipped", format!("{} existing {outputs}", HumanCount(skipped))))
}

/// What a person reads of files that could not be read: the first ones.
pub(crate) fn unreadable(files: &[UnreadableFile]) -> Vec<(&'static str, String)> {
    const SHOWN: usize = 5;
    let mut said: Vec<String> =
        files.iter().take(SHOWN).map(|it| format!("{}: {}", it.path.display(), it.fault)).collect();
    if files.len() > SHOWN {
        said.push(format!("… {} more", HumanCount((files.len() - SHOWN) as u64)));
    }
    said.into_iter().enumerate().map(|(n, line)| (if n == 0 { "left out" } else { "" }, line)).collect()
}

/// The same for a program: all of them.
pub(crate) fn unreadable_json(files: &[UnreadableFile]) -> Value {
    files.iter().map(|it| json!({ "file": it.path.display().to_string(), "fault": it.fault })).collect()
}

/// Where the rows of some files are, as a person reads it.
pub(crate) fn place(output: &Path, files: u64) -> String {
    let place = if is_dash(output) { "stdout".to_owned() } else { output.display().to_string() };
    if files > 1 { format!("{place} in {} files", HumanCount(files)) } else { place }
}

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
