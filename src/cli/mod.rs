//! The command line, on top of the library's public face: the only place that knows clap.
//!
//! To add a command: its file here, a variant of `Command`, an arm of `main`.

mod exit;
mod fit;
mod fit_transform;
mod hint;
mod log;
mod output;
mod signal;
mod transform;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use vaepipe::Device;

/// A streaming stage that learns the structure of Parquet rows with a variational autoencoder, and adds latent
/// columns and reconstruction errors to them.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fit(fit::Fit),
    Transform(transform::Transform),
    FitTransform(fit_transform::FitTransform),
}

/// Flags every command has.
#[derive(Debug, Args)]
struct Common {
    /// Where the model runs: auto, cpu, cuda or cuda:N; auto takes CUDA if this build has it and a device answers
    #[arg(long, global = true, default_value_t, value_name = "DEVICE", help_heading = "Run")]
    device: Device,
    /// Worker threads [default: the machine's]; never changes a number
    #[arg(long, global = true, value_name = "N", help_heading = "Run")]
    threads: Option<usize>,
    /// What stdout gets: a few lines to read, or one JSON object as its last line
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT", help_heading = "Run")]
    summary: output::Summary,
    /// Log only warnings and errors, and print no text summary
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Run")]
    quiet: bool,
    /// Log more
    #[arg(short, long, global = true, help_heading = "Run")]
    verbose: bool,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let Cli { command, common } = Cli::parse();
    log::start(&common);
    let stop = signal::watch();
    let outcome = match command {
        Command::Fit(fit) => fit.run(&common, &stop),
        Command::Transform(transform) => transform.run(&common, &stop),
        Command::FitTransform(both) => both.run(&common, &stop),
    };
    exit::code(outcome, &stop)
}
