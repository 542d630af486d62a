//! The exit code, decided in one place.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

use vaepipe::{Error, ErrorKind as Kind};

use super::Context;
use super::hint::hint;
use super::log;
use super::settings::{Invocation, Origin};

/// The exit codes, as the help lists them.
pub(super) const CODES: &str = "\
Exit codes: 0 done; 1 the run failed; 2 wrong usage, also an existing target without --force, and a column or file \
named in a flag that does not exist; 65 bad data or model; 78 bad configuration file or variable; 130 and 143 \
interrupted by SIGINT and SIGTERM; 141 the reader of stdout went away; 101 a bug.";

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line is wrong, or asked for help.
    Arguments(clap::Error),
    /// A flag that is right by itself, but not here.
    Usage(String),
    /// A variable or a configuration file is wrong.
    Configuration { origin: Option<Origin>, fault: String, hint: Option<String> },
    /// The library's answer.
    Library(Error),
    /// Asked to stop; what there was is kept.
    Interrupted,
    /// Nobody reads our stdout any more, or it cannot be written.
    Stdout(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Failure {
    /// The file named by `--config` cannot be read.
    pub(super) fn missing_configuration(path: &Path, error: io::Error) -> Self {
        let text = format!("{}: cannot open: {error}", path.display());
        if error.kind() == ErrorKind::NotFound {
            Self::Usage(text)
        } else {
            Self::Library(Error::Io { path: path.into(), action: "open", source: error })
        }
    }
}

/// The code of a failure before logging has begun.
pub(super) fn early(failure: &Failure) -> ExitCode {
    if let Failure::Arguments(error) = failure {
        // Help goes to stdout and is no failure; clap knows which is which.
        return match error.print() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(141),
            _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
        };
    }
    let (code, text, hint) = match failure {
        Failure::Configuration { origin, fault, hint } => {
            (78, origin.as_ref().map_or(fault.clone(), |origin| format!("{origin}: {fault}")), hint.clone())
        }
        Failure::Usage(text) => (2, text.clone(), None),
        Failure::Library(error) => (1, chain(error), None),
        Failure::Stdout(error) => (1, format!("stdout: {error}"), None),
        Failure::Arguments(_) | Failure::Interrupted => unreachable!("no run has begun"),
    };
    log::report(code, &text, hint.as_deref());
    ExitCode::from(code)
}

/// Reports a failure on stderr and gives the exit code.
pub(super) fn code(outcome: Result<(), Failure>, invocation: &Invocation, context: &Context) -> ExitCode {
    let code = match outcome {
        Ok(()) => 0,
        Err(Failure::Interrupted) => context.signals.code(),
        Err(Failure::Stdout(error)) if error.kind() == ErrorKind::BrokenPipe => 141,
        Err(Failure::Library(error)) if error.kind() == Kind::Interrupted => context.signals.code(),
        Err(Failure::Library(error)) => {
            let code = match error.kind() {
                Kind::Usage if set_elsewhere(&error, invocation) => 78,
                Kind::Usage => 2,
                Kind::Data | Kind::Model => 65,
                _ => 1,
            };
            log::report(code, &chain(&error), hint(&error, invocation).as_deref());
            code
        }
        Err(failure) => return early(&failure),
    };
    ExitCode::from(code)
}

/// Whether the value that is wrong stands in a variable or configuration file.
fn set_elsewhere(error: &Error, invocation: &Invocation) -> bool {
    let key = match error {
        Error::OptionRange { option: key, .. }
        | Error::UnknownColumn { selection: key, .. }
        | Error::BadPattern { selection: key, .. } => key,
        Error::NotLearnable { .. } => "columns",
        _ => return false,
    };
    invocation.origin(key).is_some()
}

/// An error with its causes, in a line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
