//! Why a command did not succeed.

pub(crate) mod near;

use std::io;

use vaepipe::Error;

use crate::cli::settings::setting::Origin;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong, or asked for help.
    Arguments(clap::Error),
    /// A flag or argument that is right by itself, but not here.
    Usage { fault: String, hint: Option<String> },
    /// A variable or a configuration file is wrong.
    Configuration { origin: Option<Origin>, fault: String, hint: Option<String> },
    /// More anomalies than were asked for; the output is complete.
    Alert(String),
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
    /// Wrong usage that needs no hint.
    pub(crate) fn usage(fault: impl Into<String>) -> Self {
        Self::Usage { fault: fault.into(), hint: None }
    }
}
