//! Words that other tools use for commands and flags of this one.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A name of ours, and the words of others for it.
type Words = (&'static str, &'static [&'static str]);

/// Commands, by the words of others.
const COMMANDS: [Words; 9] = [
    ("fit", &["train", "learn", "build", "create", "retrain"]),
    ("transform", &["predict", "score", "encode", "embed", "apply", "detect", "infer", "reduce"]),
    ("drift", &["compare", "monitor", "diff"]),
    ("inspect", &["info", "show", "describe", "summary", "profile"]),
    ("evaluate", &["eval", "test", "metrics"]),
    ("generate", &["sample", "draw", "synthesize"]),
    ("reconstruct", &["decode", "inverse-transform"]),
    ("impute", &["fill", "fillna"]),
    ("report", &["plot", "dashboard", "html"]),
];

/// Flags, by the words of others.
const FLAGS: [Words; 16] = [
    ("seed", &["random-state", "random-seed", "rng"]),
    ("latent-dim", &["n-components", "components", "dim", "dims", "k", "z-dim", "latent-size", "latents-dim"]),
    ("hidden", &["layers", "hidden-dims", "hidden-layers", "hidden-layer-sizes", "units"]),
    ("lr", &["learning-rate", "eta", "alpha"]),
    ("epochs", &["max-epochs", "n-epochs", "iterations", "max-iter", "n-iter"]),
    ("batch-size", &["batch"]),
    ("columns", &["features", "cols", "select", "include", "variables"]),
    ("exclude", &["drop", "ignore", "skip-columns", "drop-columns"]),
    ("categorical", &["category", "cat-features", "categories"]),
    ("threads", &["jobs", "n-jobs", "workers", "num-threads", "cores", "nthreads"]),
    ("force", &["overwrite", "replace", "yes"]),
    ("where", &["filter", "query", "sql"]),
    ("model", &["model-file", "model-path"]),
    ("output", &["out", "output-file", "dest", "target"]),
    ("rows", &["n", "count", "n-rows", "n-samples", "num-rows"]),
    ("device", &["gpu", "cuda"]),
];

/// Puts the name this program has for an unknown command or flag into `error`, in place of one that merely looks alike.
pub(super) fn suggest(mut error: clap::Error, program: &Command, arguments: &[OsString]) -> clap::Error {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word)), _) => {
            if let Some(name) = named(&COMMANDS, word) {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![name.to_owned()]));
            }
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(word))) => {
            let named_command = arguments.iter().skip(1).find_map(|name| program.find_subcommand(name));
            let command = named_command.unwrap_or(program);
            let flag = named(&FLAGS, word.trim_start_matches('-'));
            if let Some(flag) = flag.filter(|flag| command.get_arguments().any(|arg| arg.get_long() == Some(flag))) {
                error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{flag}")));
                error.insert(ContextKind::Usage, ContextValue::StyledStr(command.clone().render_usage()));
            }
        }
        (ErrorKind::InvalidValue, _, Some(ContextValue::String(flag))) if flag.starts_with("--format ") => {
            let tip = "--summary json prints the summary as JSON; the name of OUTPUT tells the format of rows";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        }
        _ => {}
    }
    error
}

/// Our name for a word of others.
fn named(names: &[Words], word: &str) -> Option<&'static str> {
    let word = word.to_lowercase().replace('_', "-");
    names.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(name, _)| *name)
}
