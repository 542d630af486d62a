//! The way out of an error, by the flag or command that gives it: what the library cannot know.

use std::io::ErrorKind;

use vaepipe::Error;

/// What to do about an error, in a line.
pub(super) fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::TargetExists { .. } => "--force replaces it".to_owned(),
        Error::TargetIsInput { .. } => "choose another output; nothing is changed in place".to_owned(),
        Error::TargetNotFile { .. } | Error::TargetTwice { .. } => "choose another path".to_owned(),
        Error::NameClash { .. } => "--prefix NAME puts NAME before the new columns".to_owned(),
        Error::UnknownColumn { selection, near, .. } if near.is_empty() => {
            format!("--{selection} takes names, globs like 'x_*', and regular expressions like 're:^x_'")
        }
        Error::UnknownColumn { selection, .. } => format!("--{selection} named it"),
        Error::BadPattern { selection, .. } => {
            format!("--{selection} takes names, globs like 'x_*', and regular expressions like 're:^x_'")
        }
        Error::NotLearnable { .. } => "leave it out of --columns; it is carried to the output all the same".to_owned(),
        Error::OptionRange { option, .. } => format!("--{} sets it", option.replace('_', "-")),
        Error::NoFeatures { .. } => "a fit learns from numbers and Booleans that vary; --columns names them".to_owned(),
        Error::MissingFeature { .. } | Error::WrongType { .. } => {
            "a transform needs the columns its model learned from, under their names".to_owned()
        }
        Error::Io { action: "open", source, path }
            if source.kind() == ErrorKind::NotFound && path.extension().is_some_and(|end| end == "safetensors") =>
        {
            "`vaepipe fit INPUT` makes a model; -m names it".to_owned()
        }
        Error::Model { .. } => "`vaepipe fit INPUT` makes a model; -m names it".to_owned(),
        Error::Device { .. } => "--device cpu always works; CUDA needs a build with `--features cuda`".to_owned(),
        Error::Diverged { .. } => "try a lower --lr, or --clip-norm 1".to_owned(),
        _ => return None,
    })
}
