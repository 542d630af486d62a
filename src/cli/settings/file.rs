//! The TOML file of `--config`: keys that are flags, with values of the type the flag takes.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use clap::Command;
use toml::de::DeTable;
use toml::{Table, Value};

use crate::cli::failure::near::{alike, beside};
use crate::cli::failure::{Failure, Origin};
use crate::cli::settings::setting::{Setting, Takes, is_called, settable};
use crate::cli::settings::synonyms;

/// Reads the settings for command `name` out of the file at `path`: those at its top, and over them those in the
/// command's table. `named` is the variable that named the file, if it was not the command line.
///
/// # Errors
/// [`Failure::Configuration`]; for a file that the command line names and that is not there, wrong usage.
pub(crate) fn read(
    command: &Command,
    name: &str,
    path: &Path,
    named: Option<&Origin>,
) -> Result<BTreeMap<String, Setting>, Failure> {
    let text = contents(path).map_err(|error| {
        let hint = beside(path).filter(|_| error.kind() == ErrorKind::NotFound);
        let hint = hint.map(|near| format!("did you mean {near}?"));
        let fault = format!("{}: {error}", path.display());
        if named.is_none() && error.kind() == ErrorKind::NotFound {
            return Failure::Usage { fault: format!("{}: cannot open: {error}", path.display()), hint };
        }
        Failure::Configuration { origin: named.cloned(), fault, hint }
    })?;
    let fault = |key: Option<&str>, fault: String, hint| Failure::Configuration {
        origin: Some(Origin::Key(path.to_owned(), key.unwrap_or("not a TOML file").to_owned())),
        fault,
        hint,
    };
    let top: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = line_of(&text, error.span().map_or(0, |span| span.start));
        fault(None, format!("line {line}: {}", error.message().replace('\n', " ")), None)
    })?;
    let mut settings = BTreeMap::new();
    let mut take = |table: &Table, of: Option<&str>, wanted: bool| {
        for (key, value) in table {
            let place = of.map_or(key.clone(), |of| format!("{of}.{key}"));
            if of.is_none() && value.is_table() && command.find_subcommand(key).is_some() {
                continue;
            }
            let Some(arg) = settable(command, of).find(|arg| is_called(arg, key)) else {
                let tables = command.get_subcommands().map(Command::get_name).filter(|_| of.is_none());
                let names = settable(command, of).map(|arg| arg.get_id().as_str()).chain(tables);
                let hint = match synonyms::command(key).filter(|_| of.is_none() && value.is_table()) {
                    Some(name) => Some(format!("a table has the name of a command; did you mean [{name}]?")),
                    None => alike(key, names).map(|near| format!("did you mean {near}?")),
                };
                return Err(fault(Some(&place), format!("no such setting{}", at_line(&text, of, key)), hint));
            };
            let words = in_words(value, Takes::of(arg));
            let words = words.map_err(|found| fault(Some(&place), found + &at_line(&text, of, key), None))?;
            if wanted {
                let origin = Origin::Key(path.to_owned(), place);
                settings.insert(arg.get_id().to_string(), Setting { text: words, origin });
            }
        }
        Ok(())
    };
    take(&top, None, true)?;
    for sub in command.get_subcommands().map(Command::get_name) {
        if let Some(Value::Table(table)) = top.get(sub) {
            take(table, Some(sub), sub == name)?;
        }
    }
    Ok(settings)
}

/// Where a key stands, in words.
fn at_line(text: &str, table: Option<&str>, key: &str) -> String {
    let line = || {
        let top = DeTable::parse(text).ok()?.into_inner();
        let keys = match table {
            Some(table) => top.get(table)?.get_ref().as_table()?,
            None => &top,
        };
        let (key, _) = keys.iter().find(|(known, _)| known.get_ref() == key)?;
        Some(line_of(text, key.span().start))
    };
    line().map_or(String::new(), |line| format!(" (line {line})"))
}

/// The line that holds a byte, from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or_default().matches('\n').count() + 1
}

fn contents(path: &Path) -> io::Result<String> {
    // Before opening: that of a pipe would wait for its other end, which only one that a shell made is sure to have.
    if !std::fs::metadata(path)?.is_file() && !path.starts_with("/dev/fd") {
        return Err(io::Error::other("is not a regular file"));
    }
    String::from_utf8(std::fs::read(path)?).map_err(|_| io::Error::other("is not a text in UTF-8"))
}

/// A value as the command line would have it; `None` for an empty list.
fn in_words(value: &Value, takes: Takes) -> Result<Option<String>, String> {
    let text = match (takes, value) {
        (Takes::Switch | Takes::Count | Takes::OptionalWord | Takes::Boolean, Value::Boolean(flag)) => flag.to_string(),
        (
            Takes::Count | Takes::Integer | Takes::Number | Takes::Auto | Takes::Widths | Takes::Size,
            Value::Integer(number),
        ) => number.to_string(),
        // TOML's integers end where a seed goes on.
        (Takes::Integer, Value::String(text)) if text.parse::<u64>().is_ok_and(|n| i64::try_from(n).is_err()) => {
            text.clone()
        }
        (Takes::Number | Takes::Auto, Value::Float(number)) => number.to_string(),
        (Takes::List, Value::String(text)) if text.is_empty() => return Ok(None),
        (Takes::Text | Takes::OptionalWord | Takes::List | Takes::Widths | Takes::Size, Value::String(text)) => {
            text.clone()
        }
        (Takes::Auto, Value::String(text)) if text.parse::<f64>().is_err() => text.clone(),
        (Takes::List, Value::Array(items)) => {
            let item = |item: &Value| match item {
                Value::String(text) if text.contains(',') => {
                    Err(format!("{text:?} holds a comma, which parts a list: write ? in its place"))
                }
                Value::String(text) => Ok(text.clone()),
                other => Err(format!("holds {}, but must be a list of strings", class(other))),
            };
            let items = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
            return Ok((!items.is_empty()).then(|| items.join(",")));
        }
        (Takes::Widths, Value::Array(items)) if items.is_empty() => "none".to_owned(),
        (Takes::Widths, Value::Array(items)) => {
            let item = |item: &Value| match item {
                Value::Integer(number) => Ok(number.to_string()),
                other => Err(format!("holds {}, but must be a list of integers", class(other))),
            };
            items.iter().map(item).collect::<Result<Vec<_>, _>>()?.join(",")
        }
        (takes, value) => {
            let expected = match takes {
                Takes::Switch | Takes::Boolean => "true or false",
                Takes::OptionalWord => "true or false, or a string",
                Takes::Count => "true, false or a small integer",
                Takes::Integer => "an integer",
                Takes::Number => "a number",
                Takes::Text => "a string",
                Takes::List => "a list of strings",
                Takes::Auto => "a number, or \"auto\"",
                Takes::Widths => "a list of integers, or \"none\"",
                Takes::Size => "bytes, or a string like \"512MiB\"",
            };
            return Err(format!("is {}, but must be {expected}", class(value)));
        }
    };
    Ok(Some(text))
}

/// What a value is.
fn class(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a Boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
