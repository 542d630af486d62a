//! What may be set elsewhere than on the command line: which flags, to what, and where a value comes from.

use std::any::TypeId;

use clap::{Arg, ArgAction, Command};
use vaepipe::{ClusterCount, LatentDim};

use crate::cli::failure::Origin;

/// Flags that are not settings.
const NOT_SETTINGS: [&str; 6] = ["config", "print_config", "help", "version", "table_format", "target"];

/// A value that is not on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// As the command line would have it; `None` for an empty list.
    pub(crate) text: Option<String>,
    pub(crate) origin: Origin,
}

/// The flags of one command that may be set elsewhere, or of all of them.
pub(crate) fn settable<'a>(command: &'a Command, name: Option<&'a str>) -> impl Iterator<Item = &'a Arg> {
    let subs = command.get_subcommands().filter(move |sub| name.is_none_or(|name| sub.get_name() == name));
    let args = command.get_arguments().chain(subs.flat_map(Command::get_arguments));
    args.filter(|arg| is_setting(arg))
}

/// Whether `key` names a flag, by its own or an older name.
pub(crate) fn is_called(arg: &Arg, key: &str) -> bool {
    arg.get_id() == key || arg.get_all_aliases().is_some_and(|names| names.contains(&key))
}

/// Whether a flag may be set by a variable or a file.
pub(crate) fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some() && !NOT_SETTINGS.contains(&arg.get_id().as_str())
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing: it is there or not.
    Switch,
    /// Nothing: it is there so many times.
    Count,
    Integer,
    Number,
    Text,
    /// True or false.
    Boolean,
    /// Texts.
    List,
    /// A word, which may be left out: then it is the first one.
    OptionalWord,
    /// Integers, or a word.
    Widths,
    /// A number, or `auto`.
    Auto,
    /// Bytes, as an integer or with a unit.
    Size,
}

impl Takes {
    pub(crate) fn of(arg: &Arg) -> Self {
        let value = arg.get_value_parser().type_id();
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            Self::Switch
        } else if matches!(arg.get_action(), ArgAction::Count) {
            Self::Count
        } else if arg.get_num_args().is_some_and(|number| number.min_values() == 0) {
            Self::OptionalWord
        } else if arg.get_value_delimiter().is_some() {
            Self::List
        } else if arg.get_value_names().is_some_and(|names| names == ["SIZE"]) {
            Self::Size
        } else if value == TypeId::of::<usize>() || value == TypeId::of::<u64>() {
            Self::Integer
        } else if value == TypeId::of::<bool>() {
            Self::Boolean
        } else if value == TypeId::of::<f64>() {
            Self::Number
        } else if value == TypeId::of::<Vec<usize>>() {
            Self::Widths
        } else if [TypeId::of::<Option<f64>>(), TypeId::of::<LatentDim>(), TypeId::of::<ClusterCount>()]
            .iter()
            .any(|auto| value == *auto)
        {
            Self::Auto
        } else {
            Self::Text
        }
    }
}
