//! The command line, on top of the library's public face: the only place that knows clap.
//!
//! To add a command: its file here, a variant of `Command`, an arm of `run`.

#![forbid(unsafe_code)]

mod clock;
mod compare;
mod completions;
mod drift;
pub mod embed;
#[cfg(feature = "analysis")]
mod evaluate;
mod exit;
mod export;
mod failure;
mod feedback;
mod fit;
mod fit_transform;
mod flags;
mod generate;
mod impute;
mod inspect;
mod lineage;
mod man;
mod monitor;
mod output;
mod reconstruct;
#[cfg(feature = "analysis")]
mod report;
mod schema;
mod settings;
mod signal;
#[cfg(feature = "analysis")]
mod thresholds;
mod transform;
mod traverse;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand};
use vaepipe::{DirectionOf, GivenValue, MapOf, Progress, Run, TypeOf};

use self::flags::fit::scores;
use self::output::{log, progress};
use self::settings::Invocation;
use self::settings::print_config;
use self::signal::Signals;

/// Train a VAE on the rows of a table, and add latents and anomaly scores to them
///
/// Example: vaepipe fit flights.parquet && vaepipe transform flights.parquet scored.parquet
///
/// A flag may also be set by a variable (--batch-size by VAEPIPE_BATCH_SIZE) or in a TOML file named by --config
/// (batch_size = 256). The flag wins over the variable, and the variable over the file.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = exit::CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogFlags,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in a run")]
enum Command {
    Fit(fit::Fit),
    Transform(transform::Transform),
    FitTransform(fit_transform::FitTransform),
    Impute(impute::Impute),
    Reconstruct(reconstruct::Reconstruct),
    Generate(generate::Generate),
    Traverse(traverse::Traverse),
    Inspect(inspect::Inspect),
    #[cfg(feature = "analysis")]
    Evaluate(evaluate::Evaluate),
    Drift(drift::DriftCommand),
    Feedback(feedback::FeedbackCommand),
    Compare(compare::CompareCommand),
    #[cfg(feature = "analysis")]
    Report(report::ReportCommand),
    #[cfg(feature = "analysis")]
    Thresholds(thresholds::ThresholdsCommand),
    Export(export::Export),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Flags every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log and configuration")]
struct LogFlags {
    /// Log only warnings and errors, and print no text summary
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log each epoch and stage; -vv also each file and row group
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Log as text, or as one JSON object per line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: log::LogFormat,
    /// Append the log and the summary to this file, also with --quiet; stderr gets only the error that ends a run [default:
    /// no file]
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Identifier of this run in JSON logs and summaries [default: made of time and process]
    #[arg(long, global = true, value_name = "ID")]
    run_id: Option<String>,
    /// Read flags from this TOML file: batch_size = 256, or for one command: [fit] seed = 7
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every setting and its source as a TOML file, and stop; `vaepipe inspect` shows what the data decides
    #[arg(long, global = true)]
    print_config: bool,
}

/// What a command is run with, beside its own flags.
struct Context {
    signals: Signals,
    quiet: bool,
    monitor: monitor::Monitor,
}

/// The definition of the command line, with the library's scores as possible values, and lists whose items may have spaces
/// around them.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|sub| {
        let adds_scores = sub.get_arguments().any(|arg| ["explain", "opset"].contains(&arg.get_id().as_str()));
        sub.mut_args(|arg| match arg.get_id().as_str() {
            "anomaly_score" => arg.value_parser(scores(&[])),
            "score" if adds_scores => arg.value_parser(Trimmed(scores(&["all"]))),
            // A word that stands for null may be a space.
            "csv_null" => arg,
            "types" => arg.value_parser(|item: &str| item.trim().parse::<TypeOf>()),
            "map" => arg.value_parser(|item: &str| item.trim().parse::<MapOf>()),
            "direction" => arg.value_parser(|item: &str| item.trim().parse::<DirectionOf>()),
            "at" => arg.value_parser(|item: &str| item.trim().parse::<GivenValue>()),
            #[cfg(feature = "analysis")]
            "per" => arg.value_parser(|item: &str| item.trim().parse::<vaepipe::Per>()),
            _ if arg.get_value_delimiter().is_some() => arg.value_parser(Trimmed(StringValueParser::new())),
            _ => arg,
        })
    })
}

/// A parser of values with spaces around them.
#[derive(Clone)]
struct Trimmed<P>(P);

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&Arg>, value: &OsStr) -> clap::error::Result<P::Value> {
        self.0.parse_ref(command, arg, value.to_str().map_or(value, |value| OsStr::new(value.trim())))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

impl Context {
    /// A run that a signal stops and whose progress is shown: rows carried, of so many if that is known.
    fn run(&self, threads: Option<usize>, rows: Option<u64>) -> Run<'static> {
        let mut shown = progress::RowProgress::new(rows);
        Run::new().stop(&self.signals.stop).threads(threads).on_progress(move |progress| {
            if let Progress::Rows { rows } = progress {
                shown.take(rows);
            }
        })
    }
}

/// Runs the program with its `arguments`, the first of which is its name, and gives the exit code.
pub fn main(arguments: Vec<OsString>) -> u8 {
    vaepipe::silence_decoder_panics();
    let invocation = match Invocation::parse(&arguments, std::env::vars_os()) {
        Ok(invocation) => invocation,
        Err(failure) => return exit::early(&failure, None, &arguments),
    };
    if invocation.matches().get_flag("print_config") {
        invocation.warnings().iter().for_each(|warning| log::line(&format!("warning: {warning}")));
        let printed = print_config::run(&invocation);
        return printed.map_or_else(|it| exit::early(&it, Some(&invocation), &arguments), |()| 0);
    }
    let Cli { command, log } = match invocation.cli() {
        Ok(cli) => cli,
        Err(failure) => return exit::early(&failure, Some(&invocation), &arguments),
    };
    if let Err(failure) = log::start(&log, invocation.matches()) {
        return exit::early(&failure, Some(&invocation), &arguments);
    }
    invocation.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let context = Context { signals: signal::watch(), quiet: log.quiet, monitor: monitor::Monitor::default() };
    let outcome = match command {
        Command::Fit(fit) => fit.run(&context),
        Command::Transform(transform) => transform.run(&context),
        Command::FitTransform(both) => both.run(&context),
        Command::Impute(impute) => impute.run(&context),
        Command::Reconstruct(reconstruct) => reconstruct.run(&context),
        Command::Generate(generate) => generate.run(&context),
        Command::Traverse(traverse) => traverse.run(&context),
        Command::Drift(drift) => drift.run(&context),
        Command::Feedback(feedback) => feedback.run(&context),
        Command::Compare(compare) => compare.run(&context),
        Command::Export(export) => export.run(&context),
        Command::Schema(schema) => schema.run(&context),
        Command::Inspect(inspect) => inspect.run(&invocation, &context),
        #[cfg(feature = "analysis")]
        Command::Evaluate(evaluate) => evaluate.run(&context),
        #[cfg(feature = "analysis")]
        Command::Report(report) => report.run(&context),
        #[cfg(feature = "analysis")]
        Command::Thresholds(thresholds) => thresholds.run(&context),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    // An alert comes once the output is complete.
    let is_written = matches!(outcome, Ok(()) | Err(failure::Failure::Alert(_)));
    let fault = outcome.as_ref().err().map(exit::text);
    let code = outcome.map_or_else(|failure| exit::code(&failure, Some(&invocation), Some(&context.signals)), |()| 0);
    context.monitor.end(is_written, code, fault);
    code
}
