//! The exit code, decided in one place.

pub(crate) mod hint;

use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, ErrorKind};

use vaepipe::{Error, ErrorKind as Kind};

use crate::cli::exit::hint::hint;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::log;
use crate::cli::settings::{Invocation, said, tip};
use crate::cli::signal::Signals;

/// The exit codes, as the help lists them.
pub(crate) const CODES: &str = "\
Exit codes: 0 done; 1 the run failed; 2 wrong usage, also an existing target without --force, and a column or file \
named in a flag that does not exist; 3 more anomalies than --fail-on-anomaly-rate, drift above --fail-on-drift, or a \
model worse than that of --init; 65 bad data or model; 75 another run is writing the same output; 78 bad \
configuration file or variable; 129, 130 and 143 interrupted by SIGHUP, SIGINT and SIGTERM; 141 the reader of stdout \
went away; 101 a bug.";

/// The same as [`code`], before logging has begun.
pub(crate) fn early(failure: &Failure, invocation: Option<&Invocation>, arguments: &[OsString]) -> u8 {
    log::start_early(arguments);
    code(failure, invocation, None)
}

/// Reports a failure on stderr and gives the exit code.
pub(crate) fn code(failure: &Failure, invocation: Option<&Invocation>, signals: Option<&Signals>) -> u8 {
    let interrupted = || signals.map_or(130, Signals::code);
    let (code, text, hint) = match failure {
        Failure::Arguments(error) if !error.use_stderr() => {
            // Help is no failure, as long as it finds its way.
            return match output::stdout(&help(error)) {
                Ok(()) => 0,
                Err(failure) => self::code(&failure, invocation, signals),
            };
        }
        Failure::Arguments(error) if log::is_json() => (2, said(error), tip(error)),
        Failure::Arguments(error) => {
            let _ = error.print();
            return 2;
        }
        Failure::Configuration { origin, fault, hint } => {
            (78, origin.as_ref().map_or(fault.clone(), |origin| format!("{origin}: {fault}")), hint.clone())
        }
        Failure::Usage { fault, hint } => (2, fault.clone(), hint.clone()),
        Failure::Alert(fault) => (3, fault.clone(), Some("the output is complete".to_owned())),
        Failure::Interrupted => return interrupted(),
        Failure::Stdout(error) if error.kind() == ErrorKind::BrokenPipe => return 141,
        Failure::Stdout(error) => (1, format!("stdout: {error}"), None),
        // Whoever read our rows has seen enough.
        Failure::Library(Error::Io { path, source, .. })
            if path.as_os_str() == "-" && source.kind() == ErrorKind::BrokenPipe =>
        {
            return 141;
        }
        Failure::Library(error) => {
            let code = match error.kind() {
                Kind::Interrupted => return interrupted(),
                Kind::Usage if set_elsewhere(error, invocation) => 78,
                Kind::Usage => 2,
                Kind::Data | Kind::Model => 65,
                Kind::Check => 3,
                Kind::Locked => 75,
                _ => 1,
            };
            (code, chain(error), hint(error, invocation))
        }
    };
    log::report(code, &text, hint.as_deref());
    code
}

/// What went wrong, without a hint.
pub(crate) fn text(failure: &Failure) -> String {
    match failure {
        Failure::Arguments(error) => said(error),
        Failure::Configuration { fault, .. } | Failure::Usage { fault, .. } | Failure::Alert(fault) => fault.clone(),
        Failure::Interrupted => "interrupted".to_owned(),
        Failure::Stdout(error) => format!("stdout: {error}"),
        Failure::Library(error) => chain(error),
    }
}

/// Help or version, with colours where they show.
fn help(error: &clap::Error) -> String {
    let text = error.render();
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => text.to_string(),
        _ => text.ansi().to_string(),
    }
}

/// Whether the value that is wrong stands in a variable or configuration file.
fn set_elsewhere(error: &Error, invocation: Option<&Invocation>) -> bool {
    let key = match error {
        Error::OptionRange { option: key, .. }
        | Error::UnknownColumn { selection: key, .. }
        | Error::NothingSelected(key)
        | Error::NotLearnable { selection: key, .. }
        | Error::BadPattern { selection: key, .. }
        | Error::UnknownScore { option: key, .. }
        | Error::NotCalibrated { option: key }
        | Error::OtherModel { option: key, .. } => key,
        _ => return false,
    };
    invocation.is_some_and(|invocation| invocation.origin(key).is_some())
}

/// An error with its causes, in a line.
pub(crate) fn chain(error: &Error) -> String {
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
