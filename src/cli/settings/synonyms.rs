//! Words that other tools use for commands and flags of this one.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A name of ours, and the words of others for it.
type Words = (&'static str, &'static [&'static str]);

/// Commands, by the words of others.
const COMMANDS: &[Words] = &[
    ("fit", &["train", "learn", "build", "create", "retrain"]),
    ("transform", &["predict", "score", "encode", "embed", "apply", "detect", "infer", "reduce"]),
    ("drift", &["monitor"]),
    ("compare", &["diff"]),
    ("inspect", &["info", "show", "describe", "summary", "profile"]),
    ("evaluate", &["eval", "test", "metrics"]),
    ("generate", &["sample", "draw", "synthesize"]),
    ("reconstruct", &["decode", "inverse-transform"]),
    ("impute", &["fill", "fillna"]),
    ("report", &["plot", "dashboard", "html"]),
    ("feedback", &["teach", "review", "mark", "annotate"]),
    ("export", &["onnx", "to-onnx", "convert", "save"]),
    ("thresholds", &["alerts", "what-if", "cutoff", "tune"]),
];

/// Flags, by the words of others.
/// The first one that a command has is meant.
const FLAGS: &[Words] = &[
    ("seed", &["random-state", "random-seed", "rng"]),
    ("latent-dim", &["n-components", "components", "dim", "dims", "k", "z-dim", "latent-size", "latents-dim"]),
    ("hidden", &["layers", "hidden-dims", "hidden-layers", "hidden-layer-sizes", "units"]),
    ("lr", &["learning-rate", "eta", "alpha"]),
    ("patience", &["early-stopping", "early-stop"]),
    ("val-fraction", &["validation-split", "validation-fraction", "test-size", "val-split", "holdout"]),
    ("epochs", &["max-epochs", "n-epochs", "iterations", "max-iter", "n-iter"]),
    ("batch-size", &["batch"]),
    ("columns", &["features", "cols", "select", "include", "variables"]),
    ("exclude", &["drop", "ignore", "skip-columns", "drop-columns", "label", "labels", "target", "y"]),
    ("categorical", &["category", "cat-features", "categories"]),
    ("threads", &["jobs", "n-jobs", "workers", "num-threads", "num-workers", "cores", "nthreads"]),
    ("force", &["overwrite", "replace", "yes"]),
    ("where", &["filter", "query", "sql"]),
    ("output", &["out", "output-file", "dest", "target"]),
    // What a fit writes.
    ("model", &["model-file", "model-path", "output", "out", "output-file"]),
    ("rows", &["n", "count", "n-rows", "n-samples", "num-rows"]),
    ("device", &["gpu", "cuda"]),
];

/// Our name for a command.
pub(super) fn command(word: &str) -> Option<&'static str> {
    named(COMMANDS, word).next()
}

/// Puts the name this program has for an unknown command or flag into `error`, in place of one that merely looks alike.
pub(super) fn suggest(mut error: clap::Error, program: &Command, arguments: &[OsString]) -> clap::Error {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word)), _) => {
            if let Some(name) = command(word) {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![name.to_owned()]));
            }
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(word))) => {
            let mut program = program.clone();
            program.build();
            let named_command = arguments.iter().skip(1).find_map(|name| program.find_subcommand(name));
            let command = named_command.unwrap_or(&program);
            let has = |flag: &&str| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
            let flag = named(FLAGS, word.trim_start_matches('-')).find(has);
            // The tip that a file may have this name is never what is meant.
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(Vec::new()));
            if let Some(flag) = flag {
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

/// Our names for a word of others.
fn named(names: &'static [Words], word: &str) -> impl Iterator<Item = &'static str> {
    let word = word.to_lowercase().replace('_', "-");
    names.iter().filter(move |(_, words)| words.contains(&word.as_str())).map(|(name, _)| *name)
}
