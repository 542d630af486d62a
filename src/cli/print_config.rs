//! `--print-config`: every setting of a command and where it comes from, in the form that `--config` reads.

use clap::Arg;
use clap::parser::ValueSource;
use serde_json::Value;

use super::exit::Failure;
use super::fit_flags::FitFlags;
use super::output;
use super::settings::Invocation;

/// Prints the settings of the command that was called.
pub(super) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let (command, matches) = (invocation.command(), invocation.matches());
    // What a preset decides is known without data.
    let keys = FitFlags::keys();
    let of_fit = if command.get_arguments().any(|arg| arg.get_id() == "latent_dim") {
        let config = FitFlags::of(matches)?.config().with_preset();
        config.check()?;
        serde_json::to_value(&config).unwrap_or_default()
    } else {
        Value::Null
    };
    let mut lines = Vec::new();
    for arg in command.get_arguments().filter(|arg| super::settings::is_setting(arg)) {
        let key = arg.get_id().as_str();
        let value = if keys.iter().any(|it| it == key) && !of_fit.is_null() {
            toml_of(&of_fit[key])
        } else {
            raw(arg, matches)
        };
        let source = match (matches.value_source(key), invocation.origin(key)) {
            (Some(ValueSource::CommandLine), _) => "command line".to_owned(),
            (_, Some(origin)) => origin.to_string(),
            (Some(_), None) => "default".to_owned(),
            (None, None) => "preset".to_owned(),
        };
        lines.push(match value {
            Some(value) => (format!("{key} = {value}"), source),
            None => (format!("# {key}"), default_in_words(arg)),
        });
    }
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let text: String = lines.iter().map(|(line, source)| format!("{line:<width$}  # {source}\n")).collect();
    output::stdout(&text)
}

/// A value of the library's configuration as TOML; `None` if there is none.
fn toml_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(values) if values.is_empty() => None,
        value => toml::Value::try_from(value).ok().map(|value| value.to_string()),
    }
}

/// A value as it was written, as TOML.
fn raw(arg: &Arg, matches: &clap::ArgMatches) -> Option<String> {
    let values: Vec<&str> = matches.get_raw(arg.get_id().as_str())?.filter_map(std::ffi::OsStr::to_str).collect();
    let text = values.join(",");
    if text.is_empty() {
        return None;
    }
    let bare = text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok();
    Some(if bare { text } else { toml::Value::String(text).to_string() })
}

/// What the help says of a default that depends on the data or the machine.
fn default_in_words(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    let default = help.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
    default.map_or("not set".to_owned(), |default| format!("default: {default}"))
}
