//! The options and messages of the program for callers without a command line, such as the Python module: one definition of
//! what may be set, and the same words.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use vaepipe::{
    Error, ExportConfig, FitConfig, GenerateConfig, ImputeConfig, Model, OrderConfig, ReconstructConfig,
    TransformConfig, Transformed, TraverseConfig,
};

use crate::cli::exit;
use crate::cli::failure::near::alike;
use crate::cli::flags::decision::DecisionFlags;
use crate::cli::flags::fit::SortFlag;
use crate::cli::flags::tags::TagFlags;
use crate::cli::settings::said;
use crate::cli::settings::setting::Takes;

/// Options by name: those of the flags, with underscores.
pub type Options = Vec<(String, OptionValue)>;

/// The value of an option.
#[derive(Debug, Clone)]
pub enum OptionValue {
    /// On or off.
    Switch(bool),
    /// As the command line has it; several for a list.
    Words(Vec<String>),
}

/// What is wrong with an option.
#[derive(Debug)]
pub enum OptionFault {
    /// There is no such option.
    Unknown {
        /// Its name.
        option: String,
        /// An option with nearly this name.
        near: Option<String>,
    },
    /// The value does not fit, or two options exclude each other.
    Invalid(String),
}

/// An option, for documentation.
#[derive(Debug)]
pub struct OptionDoc {
    /// Its name.
    pub name: String,
    /// The help of the flag.
    pub help: String,
    /// What it takes: `switch`, `integer`, `number`, `text`, `list`, `widths`, `auto` or `size`.
    pub takes: &'static str,
    /// All words that it takes, if it takes only some.
    pub words: Vec<String>,
}

/// The options of a fit.
#[derive(Debug, Args)]
struct FitOptions {
    #[command(flatten)]
    config: FitConfig,
    #[command(flatten)]
    order: SortFlag,
    #[command(flatten)]
    decision: DecisionFlags,
    /// Start from this base model: keep its columns, categories, scaling and network [default: none, from random weights]
    #[arg(long)]
    init: Option<PathBuf>,
    /// Scale the columns of the base model by the new rows
    #[arg(long)]
    refit_scaling: bool,
    /// Accept a model whose calibration loss is worse than that of the base model
    #[arg(long)]
    accept_worse: bool,
    #[command(flatten)]
    tags: TagFlags,
}

/// The options of a transform.
#[derive(Debug, Args)]
struct TransformOptions {
    #[command(flatten)]
    config: TransformConfig,
    #[command(flatten)]
    decision: DecisionFlags,
}

/// The options of an export.
#[derive(Debug, Args)]
struct ExportOptions {
    #[command(flatten)]
    config: ExportConfig,
    #[command(flatten)]
    decision: DecisionFlags,
}

/// Reads the options of a fit.
///
/// # Errors
/// [`OptionFault`] for the first option that cannot be used.
pub fn fit(options: &Options) -> Result<FitConfig, OptionFault> {
    let FitOptions { mut config, order, decision, init, refit_scaling, accept_worse, tags } = parse(options)?;
    (config.decision, config.sort) = (decided(&decision)?, order.sort);
    let tags = tags.tags(&[], init.as_deref());
    let no_time = "SOURCE_DATE_EPOCH is not a number of seconds since 1970";
    config.tags = tags.map_err(|_| OptionFault::Invalid(format!("stamp: {no_time}")))?;
    config.ignore_above_p = decision.ignore_above_p();
    config.init = init;
    Ok(config.refit_scaling(refit_scaling).accept_worse(accept_worse))
}

/// Reads the options of a transform.
///
/// # Errors
/// As [`fit`].
pub fn transform(options: &Options) -> Result<TransformConfig, OptionFault> {
    let TransformOptions { mut config, decision } = parse(options)?;
    config.decision = decided(&decision)?;
    config.ignore_above_p = decision.ignore_above_p();
    Ok(config)
}

/// Reads the options of an export.
///
/// # Errors
/// As [`fit`].
pub fn export(options: &Options) -> Result<ExportConfig, OptionFault> {
    let ExportOptions { mut config, decision } = parse(options)?;
    config.decision = decided(&decision)?;
    config.ignore_above_p = decision.ignore_above_p();
    Ok(config)
}

/// The options of a command; none for a command without any.
pub fn describe(command: &str) -> Vec<OptionDoc> {
    let command = match command {
        "fit" => flags::<FitOptions>(),
        "transform" => flags::<TransformOptions>(),
        "impute" => flags::<ImputeConfig>(),
        "reconstruct" => flags::<ReconstructConfig>(),
        "generate" => flags::<GenerateConfig>(),
        "traverse" => flags::<TraverseConfig>(),
        "drift" => flags::<OrderConfig>(),
        "export" => flags::<ExportOptions>(),
        _ => return Vec::new(),
    };
    let doc = |arg: &Arg| OptionDoc {
        name: arg.get_id().to_string(),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        takes: match Takes::of(arg) {
            Takes::Switch | Takes::OptionalWord | Takes::Boolean => "switch",
            Takes::Integer | Takes::Count => "integer",
            Takes::Number => "number",
            Takes::Text => "text",
            Takes::List => "list",
            Takes::Widths => "widths",
            Takes::Auto => "auto",
            Takes::Size => "size",
        },
        words: match Takes::of(arg) {
            Takes::OptionalWord => Vec::new(),
            _ => arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect(),
        },
    };
    settable(&command).map(doc).collect()
}

/// An error with its causes in a line, and the way out of it in the words of the command line.
pub fn explain(error: &Error) -> (String, Option<String>) {
    (exit::chain(error), exit::hint::hint(error, None))
}

/// The summary of a transform of `seconds`, as `--summary json` prints it.
pub fn summary(model: &Model, config: &TransformConfig, done: &Transformed, seconds: f64) -> serde_json::Value {
    crate::cli::transform::json(model, config, done, seconds)
}

/// What each dimension of the latent space moves and goes with, as `inspect --latents --format json` prints it.
pub fn latents(model: &Model) -> serde_json::Value {
    crate::cli::inspect::latents::json(model)
}

/// The flags of a group of options.
fn flags<T: Args>() -> Command {
    T::augment_args(Command::new("options").no_binary_name(true).disable_help_flag(true))
}

/// Those that are options: what replaces an output belongs to the call that writes it.
fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some() && arg.get_id() != "force")
}

/// Reads options by the rules of their flags.
///
/// # Errors
/// As [`fit`].
pub fn parse<T: Args + FromArgMatches>(options: &Options) -> Result<T, OptionFault> {
    // A list is given as one, and its words may have commas.
    let command = flags::<T>().mut_args(|arg| arg.value_delimiter(None));
    let lists = flags::<T>();
    let mut words = Vec::new();
    for (name, value) in options {
        let Some(arg) = settable(&lists).find(|arg| arg.get_id() == name.as_str()) else {
            let near = alike(name, settable(&lists).map(|arg| arg.get_id().as_str()));
            return Err(OptionFault::Unknown { option: name.clone(), near });
        };
        let flag = format!("--{}", arg.get_long().unwrap_or_default());
        let invalid = |what: &str| Err(OptionFault::Invalid(format!("{name}: {what}")));
        match (Takes::of(arg), value) {
            (Takes::Switch, OptionValue::Switch(on)) => words.extend(on.then_some(flag)),
            (Takes::OptionalWord | Takes::Boolean, OptionValue::Switch(on)) => words.push(format!("{flag}={on}")),
            (Takes::Switch | Takes::OptionalWord, _) => return invalid("takes True or False"),
            (_, OptionValue::Switch(_)) => return invalid("takes no bool"),
            (Takes::List, OptionValue::Words(list))
                if list.is_empty() && ["columns", "keep"].contains(&name.as_str()) =>
            {
                return invalid("is empty; name a column, or leave it out for all");
            }
            (Takes::List, OptionValue::Words(list)) => words.extend(list.iter().map(|word| format!("{flag}={word}"))),
            (Takes::Widths, OptionValue::Words(widths)) if widths.is_empty() => words.push(format!("{flag}=none")),
            (Takes::Widths, OptionValue::Words(widths)) => words.push(format!("{flag}={}", widths.join(","))),
            (_, OptionValue::Words(word)) => match word.as_slice() {
                [word] => words.push(format!("{flag}={word}")),
                _ => return invalid("takes one value, not a list"),
            },
        }
    }
    let matches: ArgMatches = command.try_get_matches_from(words).map_err(fault)?;
    T::from_arg_matches(&matches).map_err(fault)
}

/// What clap says of a value, by the names of options.
fn fault(error: clap::Error) -> OptionFault {
    let option = |kind| match error.get(kind) {
        Some(ContextValue::String(flag)) => {
            Some(flag.split_whitespace().next()?.trim_start_matches('-').replace('-', "_"))
        }
        _ => None,
    };
    let value = || match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => String::new(),
    };
    OptionFault::Invalid(match (error.kind(), option(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidValue, Some(name)) => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(words)) => format!("{name}: {:?} is none of {}", value(), words.join(", ")),
            _ => format!("{name}: {:?} is no value for it", value()),
        },
        (ErrorKind::ValueValidation, Some(name)) => {
            let cause = std::error::Error::source(&error).map_or_else(|| said(&error), ToString::to_string);
            format!("{name}: {:?}: {cause}", value())
        }
        (ErrorKind::ArgumentConflict, Some(name)) => {
            let other = option(ContextKind::PriorArg).unwrap_or_else(|| "another option".to_owned());
            format!("{name} and {other} exclude each other")
        }
        _ => said(&error),
    })
}

/// The rule of the anomalies.
fn decided(flags: &DecisionFlags) -> Result<Option<vaepipe::Decision>, OptionFault> {
    flags
        .decision()
        .map_err(|_| OptionFault::Invalid("only one of alpha, threshold, contamination and fdr can be set".to_owned()))
}
