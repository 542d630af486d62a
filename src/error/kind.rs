//! What class of failure an error is.

use super::Error;

/// What class of failure an [`Error`] is; the command line turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call itself is wrong: an unknown column, a target that exists, an option out of range.
    Usage,
    /// The data cannot be used: damaged, of the wrong schema, or with nothing to learn from.
    Data,
    /// The model file cannot be used.
    Model,
    /// The run failed: I/O, no such device, training that will not converge.
    Run,
    /// The run did what it was asked, and a check of the result failed.
    Check,
    /// Somebody asked the run to stop.
    Interrupted,
    /// Another run is at work on the target.
    Locked,
}

impl Error {
    /// The class of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TargetExists { .. }
            | Self::TargetIsInput { .. }
            | Self::TargetInInput { .. }
            | Self::TargetNotFile { .. }
            | Self::TargetForeign { .. }
            | Self::TargetTwice { .. }
            | Self::NameClash { .. }
            | Self::NoModel { .. }
            | Self::OtherCheckpoint { .. }
            | Self::OtherModel { .. }
            | Self::NotMeasured { .. }
            | Self::UnknownColumn { .. }
            | Self::BadPattern { .. }
            | Self::NothingSelected { .. }
            | Self::NotLearnable { .. }
            | Self::UnknownScore { .. }
            | Self::NotCalibrated { .. }
            | Self::OptionRange { .. }
            | Self::Predicate { .. }
            | Self::TooLarge { .. }
            | Self::ParseChoice(_) => ErrorKind::Usage,
            Self::NoFeatures { .. }
            | Self::TooFewRows { .. }
            | Self::MissingFeature { .. }
            | Self::MissingColumn { .. }
            | Self::WrongType { .. }
            | Self::NotParquet { .. }
            | Self::Read { .. }
            | Self::PageTooLarge { .. }
            | Self::Damaged { .. }
            | Self::Truncated { .. }
            | Self::Unsupported { .. } => ErrorKind::Data,
            Self::Unfinished { source, .. } => source.kind(),
            Self::Model { .. } | Self::Checkpoint { .. } => ErrorKind::Model,
            Self::Worse { .. } => ErrorKind::Check,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Io { .. }
            | Self::NoFiles { .. }
            | Self::Write { .. }
            | Self::NoCuda { .. }
            | Self::Device { .. }
            | Self::Tensor { .. }
            | Self::Threads { .. }
            | Self::Diverged { .. } => ErrorKind::Run,
        }
    }
}
