//! Classes of errors.

use super::Error;

/// The class of an [`Error`]. The command line turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call is wrong: an unknown column, an output that exists, an option out of range.
    Usage,
    /// The data is not usable: it is damaged, has the wrong columns, or has nothing to learn.
    Data,
    /// The model file is not usable.
    Model,
    /// The run failed: I/O, a device that is not available, training that diverged.
    Run,
    /// The run is complete, but a check of its result failed.
    Check,
    /// The caller stopped the run.
    Interrupted,
    /// Another run is writing the same output.
    Locked,
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TargetExists { .. }
            | Self::TargetIsInput { .. }
            | Self::TargetInInput { .. }
            | Self::TargetNotFile { .. }
            | Self::TargetForeign { .. }
            | Self::TargetTwice { .. }
            | Self::NameClash { .. }
            | Self::OtherCheckpoint { .. }
            | Self::OtherModel { .. }
            | Self::NotMeasured { .. }
            | Self::UnknownColumn { .. }
            | Self::BadPattern { .. }
            | Self::NothingSelected(_)
            | Self::NotLearnable { .. }
            | Self::UnknownScore { .. }
            | Self::NotCalibrated { .. }
            | Self::NoFeedback(_)
            | Self::AlphaTooLow(_)
            | Self::OptionRange { .. }
            | Self::NotGiven { .. }
            | Self::Predicate { .. }
            | Self::TooLarge { .. }
            | Self::ParseChoice(_) => ErrorKind::Usage,
            Self::Unsupported { what, .. } if what.is_usage() => ErrorKind::Usage,
            Self::NoFeatures { .. }
            | Self::TooFewRows { .. }
            | Self::MissingFeature { .. }
            | Self::WrongType { .. }
            | Self::TypesDiffer(_)
            | Self::WrongValue { .. }
            | Self::NotParquet { .. }
            | Self::Read { .. }
            | Self::PageTooLarge { .. }
            | Self::Damaged { .. }
            | Self::BadLine { .. }
            | Self::Truncated { .. }
            | Self::Order(_)
            | Self::Unsupported { .. } => ErrorKind::Data,
            Self::Unfinished { source, .. } => source.kind(),
            Self::Model { .. } | Self::Checkpoint { .. } | Self::Onnx(_) => ErrorKind::Model,
            Self::Worse(_) => ErrorKind::Check,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Io { .. }
            | Self::NoFiles { .. }
            | Self::NoModel { .. }
            | Self::Write { .. }
            | Self::Device(_)
            | Self::Tensor { .. }
            | Self::Threads { .. }
            | Self::Diverged { .. } => ErrorKind::Run,
        }
    }
}
