//! Why a command did not succeed.

pub(crate) mod near;

use std::fmt;
use std::io;
use std::path::PathBuf;

use vaepipe::Error;

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

/// Where a value comes from that is not on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An environment variable.
    Variable(String),
    /// A key of a configuration file.
    Key(PathBuf, String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Key(path, key) => write!(f, "{}: {key}", path.display()),
        }
    }
}
