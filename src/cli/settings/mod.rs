//! Where a flag's value comes from: the command line, else a `VAEPIPE_*` variable, else the file of `--config`, else
//! its default.
//!
//! A variable or a key of the file is a flag written elsewhere: it becomes the default of that flag and is parsed by
//! the flag's own rules, so that there is one definition of what may be set and to what.

pub(crate) mod file;
pub(crate) mod print_config;
pub(crate) mod setting;
mod synonyms;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches};

use crate::cli::failure::near::alike;
use crate::cli::failure::{Failure, Origin};
use crate::cli::settings::setting::{Setting, Takes, is_called, settable};
use crate::cli::{self, Cli};

/// What variables begin with.
const PREFIX: &str = "VAEPIPE_";

/// The command line, with what variables and the configuration file add.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The definition of the command line.
    command: Command,
    matches: ArgMatches,
    origins: BTreeMap<String, Origin>,
    /// What the log says of variables that set nothing.
    warnings: Vec<String>,
}

impl Invocation {
    /// Reads arguments, variables, and the file they name.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for the command line, help included; [`Failure::Configuration`] for the rest.
    pub(crate) fn parse(
        arguments: &[OsString],
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Failure> {
        let mut command = cli::command();
        if arguments.iter().any(|argument| argument == "--print-config") {
            // It needs no input.
            let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            for name in names {
                // An optional name after optional ones needs a word between them.
                let optional = |arg: Arg| arg.required(false);
                let optional = |arg: Arg| {
                    if arg.is_positional() { optional(arg).value_terminator(";") } else { optional(arg) }
                };
                command = command.mut_subcommand(name, |sub| sub.mut_args(optional));
            }
        }
        let wrong = |error| Failure::Arguments(synonyms::suggest(error, &command, arguments));
        let matches = command.clone().try_get_matches_from(arguments).map_err(wrong)?;
        let Some((name, given)) = matches.subcommand() else { unreachable!("a command is required") };

        // These two read no settings, and must not fail at those of others.
        let (variables, warnings) = match ["completions", "man"].contains(&name) {
            true => (BTreeMap::new(), Vec::new()),
            false => variables_of(&command, variables)?,
        };
        let file = match (given.get_one::<PathBuf>("config"), variables.get("config")) {
            (Some(path), _) => Some((path.clone(), None)),
            (None, Some(Setting { text: Some(text), origin })) => Some((PathBuf::from(text), Some(origin))),
            _ => None,
        };
        let mut settings = match file {
            Some((path, origin)) => file::read(&command, name, &path, origin)?,
            None => BTreeMap::new(),
        };
        settings.extend(variables.into_iter().filter(|(key, _)| key != "config"));

        let mut origins = BTreeMap::new();
        for (key, Setting { text, origin }) in settings {
            if overridden(&command, name, given, &key) {
                continue;
            }
            let Some(text) = text else { continue };
            let Some(with) = with_default(&command, name, &key, &text, &origin)? else { continue };
            with.clone().try_get_matches_from(arguments).map_err(|error| Failure::Configuration {
                origin: Some(origin.clone()),
                fault: said(&error),
                hint: None,
            })?;
            command = with;
            origins.insert(key, origin);
        }
        let matches = command.try_get_matches_from(arguments).map_err(Failure::Arguments)?;
        let mut command = cli::command();
        command.build();
        Ok(Self { command, matches, origins, warnings })
    }

    /// The command line, typed.
    ///
    /// # Errors
    /// [`Failure::Arguments`].
    pub(crate) fn cli(&self) -> Result<Cli, Failure> {
        Cli::from_arg_matches(&self.matches).map_err(Failure::Arguments)
    }

    /// The definition of the command that was called.
    pub(crate) fn command(&self) -> &Command {
        let name = self.matches.subcommand_name();
        name.and_then(|name| self.command.find_subcommand(name)).unwrap_or(&self.command)
    }

    /// What was found for it.
    pub(crate) fn matches(&self) -> &ArgMatches {
        self.matches.subcommand().map_or(&self.matches, |(_, matches)| matches)
    }

    /// What the log says of variables that set nothing.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where the value of a flag comes from, if neither from the command line nor by default.
    pub(crate) fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Whether a flag was given on the command line.
    pub(crate) fn is_given(&self, key: &str) -> bool {
        let matches = self.matches();
        matches.try_contains_id(key).is_ok() && matches.value_source(key) == Some(ValueSource::CommandLine)
    }
}

/// Reads the variables that are ours, by key; the others of our prefix may be those of another program, such as Kubernetes,
/// which sets VAEPIPE_SERVICE_HOST beside a service of that name, and are warned of.
fn variables_of(
    command: &Command,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(BTreeMap<String, Setting>, Vec<String>), Failure> {
    let (mut settings, mut warnings) = (BTreeMap::new(), Vec::new());
    for (variable, text) in variables {
        let Some(variable) = variable.to_str().filter(|variable| variable.starts_with(PREFIX)) else { continue };
        let key = variable[PREFIX.len()..].to_lowercase();
        let known = settable(command, None).find(|arg| is_called(arg, &key));
        let Some(key) =
            known.map(|arg| arg.get_id().to_string()).or_else(|| Some(key.clone()).filter(|key| key == "config"))
        else {
            let names = settable(command, None).map(|arg| arg.get_id().as_str());
            let near = alike(&key, names).map(|near| format!("; did you mean {PREFIX}{}?", near.to_uppercase()));
            warnings.push(format!("{variable}: no such setting; it is ignored{}", near.unwrap_or_default()));
            continue;
        };
        let origin = Origin::Variable(variable.to_owned());
        let text = text.into_string().map_err(|_| Failure::Configuration {
            origin: Some(origin.clone()),
            fault: "is not valid UTF-8".to_owned(),
            hint: None,
        })?;
        // An empty variable is one that somebody unset.
        if !text.is_empty() {
            settings.insert(key, Setting { text: Some(text), origin });
        }
    }
    warnings.sort();
    Ok((settings, warnings))
}

/// Whether the command line sets `key`, or something that rules it out.
fn overridden(command: &Command, name: &str, given: &ArgMatches, key: &str) -> bool {
    let is_given =
        |id: &str| given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine);
    let conflicts = |arg: &Arg| {
        let owner = if command.get_arguments().any(|global| global.get_id() == arg.get_id()) {
            Some(command)
        } else {
            command.find_subcommand(name)
        };
        let others = owner.map(|owner| owner.get_arg_conflicts_with(arg)).unwrap_or_default();
        // A conflict stands with one of the two only.
        let back = owner.into_iter().flat_map(Command::get_arguments).filter(|other| {
            owner.is_some_and(|owner| owner.get_arg_conflicts_with(other).iter().any(|it| it.get_id() == arg.get_id()))
        });
        others.into_iter().chain(back).any(|other| is_given(other.get_id().as_str()))
    };
    is_given(key) || settable(command, Some(name)).any(|arg| arg.get_id() == key && conflicts(arg))
}

/// `command` with `text` as the default of its flag `key`; `None` if command `name` has no such flag, or the flag is
/// switched off.
fn with_default(
    command: &Command,
    name: &str,
    key: &str,
    text: &str,
    origin: &Origin,
) -> Result<Option<Command>, Failure> {
    let Some(arg) = settable(command, Some(name)).find(|arg| arg.get_id() == key) else { return Ok(None) };
    let mut text = text.to_owned();
    let takes = Takes::of(arg);
    if matches!(takes, Takes::Switch | Takes::Count | Takes::OptionalWord) {
        let first = arg.get_possible_values().first().map(|word| word.get_name().to_owned());
        match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" if takes == Takes::Count => text = "1".to_owned(),
            "1" | "true" | "yes" | "on" => text = first.unwrap_or(text),
            "0" | "false" | "no" | "off" => return Ok(None),
            _ if takes != Takes::Switch => {}
            _ => {
                let fault = format!("{text:?} is neither true nor false");
                return Err(Failure::Configuration { origin: Some(origin.clone()), fault, hint: None });
            }
        }
    }
    let global = command.get_arguments().any(|arg| arg.get_id() == key);
    let set = |arg: Arg| arg.default_value(text.clone());
    let key = key.to_owned();
    Ok(Some(if global {
        command.clone().mut_arg(key, set)
    } else {
        command.clone().mut_subcommand(name, |sub| sub.mut_arg(key, set))
    }))
}

/// The way out that clap sees for an error, if any.
pub(crate) fn tip(error: &clap::Error) -> Option<String> {
    error.to_string().lines().find_map(|line| line.trim().strip_prefix("tip: ").map(str::to_owned))
}

/// What clap says of an error, in a line.
pub(crate) fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.strip_prefix("error: ").unwrap_or(&text);
    first.split("\n\n").next().unwrap_or(first).split_whitespace().collect::<Vec<_>>().join(" ")
}
