//! The files of a command: the model, the rows to read, and where rows are written.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output::shell;

/// The model of a command that reads one.
#[derive(Debug, Args)]
pub(crate) struct ModelFlag {
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    pub(crate) model: PathBuf,
}

/// Files to read and one to write. They are one list, so that flags may stand anywhere in it.
#[derive(Debug, Args)]
pub(crate) struct InputsAndOutput {
    /// The inputs (files, directories, or globs in quotes, read as one table; - is stdin), and last the output
    ///
    /// The output is a file in the format of its name: *.arrow, *.feather or *.ipc, *.csv, *.tsv, *.ndjson or *.jsonl (with .gz,
    /// compressed), else Parquet. A directory (existing, or with a trailing /) gets a file for each input. - is stdout, an Arrow
    /// stream unless --output-format says otherwise
    #[arg(required = true, value_name = "PATH", num_args = 1..)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputFlag,
}

/// Where new rows are written: no input comes before it.
#[derive(Debug, Args)]
pub(crate) struct NewOutput {
    /// The file to write; - is stdout
    #[arg(value_name = "OUTPUT")]
    path: Option<PathBuf>,
    #[command(flatten)]
    output: OutputFlag,
}

/// The output by its name.
#[derive(Debug, Args)]
struct OutputFlag {
    /// The output, by a flag instead of its place
    #[arg(short = 'o', long = "output", value_name = "OUTPUT", help_heading = "Output")]
    target: Option<PathBuf>,
}

impl InputsAndOutput {
    /// The inputs, and the output.
    ///
    /// # Errors
    /// [`Failure::Usage`] if a single path is named, and so no output.
    pub(crate) fn split(self) -> Result<(Vec<PathBuf>, PathBuf), Failure> {
        let Self { paths: mut inputs, output } = self;
        match output.target.or_else(|| inputs.pop()) {
            Some(output) if !inputs.is_empty() => Ok((inputs, output)),
            only => Err(Failure::Usage {
                fault: "no output is named".to_owned(),
                hint: only.map(|input| format!("name it after the inputs, or with -o: {} OUTPUT", shell(&input))),
            }),
        }
    }
}

impl NewOutput {
    /// The output.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there are two, or none.
    pub(crate) fn path(self) -> Result<PathBuf, Failure> {
        match (self.path, self.output.target) {
            (Some(path), None) | (None, Some(path)) => Ok(path),
            (Some(one), Some(other)) => {
                Err(Failure::usage(format!("two outputs are named: {} and {}", one.display(), other.display())))
            }
            (None, None) => Err(Failure::Usage {
                fault: "no output is named".to_owned(),
                hint: Some("name a file to write, or - for stdout".to_owned()),
            }),
        }
    }
}
