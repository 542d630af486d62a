//! `--print-config`: every setting of a command and where it comes from, in the form that `--config` reads.

use std::path::PathBuf;

use clap::Arg;
use clap::parser::ValueSource;
use toml::Value;
use vaepipe::Run;

use crate::cli::failure::Failure;
use crate::cli::flags::fit;
use crate::cli::output;
use crate::cli::settings::Invocation;
use crate::cli::settings::setting::{Takes, is_setting};

/// Longer lines have their source right behind them, and do not push away that of others.
const WIDEST: usize = 60;

/// Prints the settings of the command that was called.
///
/// # Errors
/// If a value is out of its range, or stdout cannot be written.
pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let (command, matches) = (invocation.command(), invocation.matches());
    Run::new().threads(matches.try_get_one::<usize>("threads").ok().flatten().copied()).check()?;
    // What a preset decides is known without data.
    let keys = fit::keys();
    let of_fit = if command.get_arguments().any(|arg| arg.get_id() == "latent_dim") {
        let given = fit::config(matches)?;
        let filled = given.with_preset();
        filled.check()?;
        // The base model decides what a preset would.
        let has_base = matches.try_get_one::<PathBuf>("init").is_ok_and(|init| init.is_some());
        let mut config = if has_base { given } else { filled };
        // A path need not be a text; it is printed as it was written.
        config.spool_dir = None;
        serde_json::to_value(&config).unwrap_or_default()
    } else {
        serde_json::Value::Null
    };
    let mut lines = Vec::new();
    for arg in command.get_arguments().filter(|arg| is_setting(arg)) {
        let key = arg.get_id().as_str();
        let source = match (matches.value_source(key), invocation.origin(key)) {
            (Some(ValueSource::CommandLine), _) => "command line".to_owned(),
            (_, Some(origin)) => origin.to_string(),
            (Some(_), None) => "default".to_owned(),
            (None, None) => "preset".to_owned(),
        };
        let value = if keys.iter().any(|it| it == key) && key != "spool_dir" && !of_fit.is_null() {
            Ok(toml_of(&of_fit[key], Takes::of(arg)))
        } else {
            raw(arg, matches)
        };
        lines.push(match value {
            Ok(Some(value)) => (format!("{key} = {value}"), source),
            Ok(None) => (format!("# {key}"), default_in_words(arg)),
            Err(NotText) => (format!("# {key}"), format!("{source}, not a text in UTF-8 and so nothing for this file")),
        });
    }
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|&width| width <= WIDEST).max().unwrap_or(0);
    let text: String = lines.iter().map(|(line, source)| format!("{line:<width$}  # {source}\n")).collect();
    output::stdout(&text)
}

/// A value of the library's configuration as TOML; `None` if there is none.
fn toml_of(value: &serde_json::Value, takes: Takes) -> Option<Value> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::Array(values) if values.is_empty() && takes == Takes::Widths => Some("none".into()),
        serde_json::Value::Array(values) if values.is_empty() => None,
        // TOML's integers end there.
        value if value.as_u64().is_some_and(|number| i64::try_from(number).is_err()) => Some(value.to_string().into()),
        value => Value::try_from(value).ok(),
    }
}

/// Bytes of a path that are no text.
struct NotText;

/// A value as it was written, as TOML.
fn raw(arg: &Arg, matches: &clap::ArgMatches) -> Result<Option<Value>, NotText> {
    let Some(values) = matches.get_raw(arg.get_id().as_str()) else { return Ok(None) };
    let values = values.map(|value| value.to_str().ok_or(NotText)).collect::<Result<Vec<_>, _>>()?;
    Ok(match (Takes::of(arg), values.as_slice()) {
        (_, [] | [""]) => None,
        (Takes::List, values) => Some(values.to_vec().into()),
        (Takes::Switch, [value]) => Some((*value == "true").into()),
        (Takes::Integer | Takes::Count, [value]) => value.parse::<i64>().ok().map(Value::from),
        (_, values) => Some(values.join(",").into()),
    })
}

/// What the help says of a default that depends on the data or the machine.
fn default_in_words(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    let default = help.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
    default.map_or("not set".to_owned(), |default| format!("default: {default}"))
}
