//! The library's errors as Python's exceptions: the kind chooses the class, and the text ends with the way out.

use std::error::Error as _;
use std::io;

use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError};
use pyo3::prelude::*;
use vaepipe::cli::embed::{OptionFault, explain};
use vaepipe::{Error, ErrorKind};

/// The exception for an error.
pub(crate) fn exception(error: Error) -> PyErr {
    Python::attach(|py| {
        // What a Python iterator of rows raised comes back as it was.
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if let Some(raised) = error.downcast_ref::<PyErr>() {
                return raised.clone_ref(py);
            }
            cause = error.source();
        }
        if let ErrorKind::Interrupted = error.kind() {
            return PyKeyboardInterrupt::new_err(());
        }
        let (text, hint) = explain(&error);
        let hint = hint.map(|hint| format!(" ({})", in_python(&hint))).unwrap_or_default();
        named(py, class(&error), format!("{text}{hint}"))
    })
}

/// The exception for an option of a call.
pub(crate) fn option_exception(fault: OptionFault) -> PyErr {
    match fault {
        OptionFault::Unknown { option, near } => {
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            PyTypeError::new_err(format!("got an unexpected keyword argument {option:?}{near}"))
        }
        OptionFault::Invalid(text) => usage(text),
    }
}

/// The exception for a call that is wrong.
pub(crate) fn usage(text: String) -> PyErr {
    Python::attach(|py| named(py, "UsageError", text))
}

/// The name of the class, in the module `vaepipe.errors`.
fn class(error: &Error) -> &'static str {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match (error, error.kind()) {
        (Error::TargetExists { .. }, _) => "ExistsError",
        (Error::NoModel { .. } | Error::NoFiles { .. }, _) => "NotFoundError",
        (_, ErrorKind::Usage) => "UsageError",
        (_, ErrorKind::Data) => "DataError",
        (_, ErrorKind::Model) => "ModelError",
        (_, ErrorKind::Check) => "CheckError",
        (_, ErrorKind::Locked) => "LockedError",
        (Error::Io { .. } | Error::Write { .. }, _) if cause == Some(io::ErrorKind::NotFound) => "NotFoundError",
        (Error::Io { .. } | Error::Write { .. }, _) if cause.is_some() => "StorageError",
        _ => "RunError",
    }
}

fn named(py: Python<'_>, class: &str, text: String) -> PyErr {
    let raised = || py.import("vaepipe.errors")?.getattr(class)?.call1((text,));
    raised().map_or_else(|error| error, PyErr::from_value)
}

/// What the program's hints call what the module has under another name.
const WORDS: [(&str, &str); 5] = [
    ("`vaepipe fit INPUT`", "vaepipe.fit"),
    ("`vaepipe transform`", "Model.transform"),
    ("`vaepipe inspect`", "vaepipe.inspect"),
    ("; -m names it", ""),
    ("? -m names it", "?"),
];

/// A hint in the words of a call.
fn in_python(hint: &str) -> String {
    let hint = WORDS.iter().fold(hint.to_owned(), |hint, (word, ours)| hint.replace(word, ours));
    // Commands stay as they are.
    let parts = hint.split('`').enumerate();
    let parts = parts.map(|(n, part)| if n % 2 == 0 { keywords(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

/// Flags as keywords: `--latent-dim` is `latent_dim`.
fn keywords(hint: &str) -> String {
    let mut text = String::with_capacity(hint.len());
    let mut rest = hint;
    while let Some((before, flag)) = rest.split_once("--") {
        let end = flag.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(flag.len());
        text.push_str(before);
        text.push_str(&flag[..end].replace('-', "_"));
        rest = &flag[end..];
    }
    text + rest
}
