//! The flags of a fit: those of [`FitConfig`], by key.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use vaepipe::{FitConfig, SCORES};

use crate::cli::failure::Failure;

/// A parser of the scores' names, and of some words more, that tells what each is.
pub(crate) fn scores(more: &[&'static str]) -> PossibleValuesParser {
    let scores = SCORES.iter().map(|score| PossibleValue::new(score.name).help(score.about));
    PossibleValuesParser::new(more.iter().map(|&word| PossibleValue::new(word)).chain(scores))
}

/// Whether rows are put in order.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SortFlag {
    /// Sort the rows of each file by the column of --order-by first
    #[arg(long, help_heading = "Order")]
    pub(crate) sort: bool,
}

/// The keys of all flags.
pub(crate) fn keys() -> Vec<String> {
    let command = FitConfig::augment_args(Command::new("fit"));
    command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
}

/// Reads the flags of a fit from what was parsed.
///
/// # Errors
/// [`Failure::Arguments`].
pub(crate) fn config(matches: &ArgMatches) -> Result<FitConfig, Failure> {
    FitConfig::from_arg_matches(matches).map_err(Failure::Arguments)
}
