//! The exit code, decided in one place.

use std::error::Error as _;
use std::io::{self, Write};
use std::process::ExitCode;

use vaepipe::{Error, ErrorKind};

use super::hint::hint;
use super::signal::Signals;

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The library's answer.
    Library(Error),
    /// Nobody reads our stdout any more, or it cannot be written.
    Stdout(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// Reports a failure on stderr and gives the exit code: 0 done, 1 the run failed, 2 usage, 65 bad data or model, 130
/// and 143 interrupted by SIGINT and SIGTERM, 141 broken pipe.
pub(super) fn code(outcome: Result<(), Failure>, signals: &Signals) -> ExitCode {
    let code = match outcome {
        Ok(()) => 0,
        Err(Failure::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => 141,
        Err(Failure::Stdout(error)) => {
            report(&format!("stdout: {error}"), None);
            1
        }
        Err(Failure::Library(error)) => match error.kind() {
            ErrorKind::Interrupted => signals.code(),
            kind => {
                report(&chain(&error), hint(&error).as_deref());
                match kind {
                    ErrorKind::Usage => 2,
                    ErrorKind::Data | ErrorKind::Model => 65,
                    _ => 1,
                }
            }
        },
    };
    ExitCode::from(code)
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

fn report(text: &str, hint: Option<&str>) {
    // Nowhere is left to say that stderr is gone.
    let _ = writeln!(io::stderr(), "error: {text}");
    if let Some(hint) = hint {
        let _ = writeln!(io::stderr(), "hint: {hint}");
    }
}
