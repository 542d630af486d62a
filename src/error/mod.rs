//! The one error type of the library: what was wrong and where.
//!
//! Messages name the file, column and row group. Which command-line flag would help is the command line's to say.

#![forbid(unsafe_code)]

mod kind;
mod model_fault;
mod phrases;
mod place;

use std::path::{Path, PathBuf};

pub use self::kind::ErrorKind;
pub use self::model_fault::ModelFault;
use self::phrases::{because, did_you_mean, gib, mib, of_types};
pub use self::place::Place;

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a foreign reader, writer or tensor library, kept as the source of ours.
pub type Foreign = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Everything that can go wrong in this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operating-system call failed.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried: "open", "create", ...
        action: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The target exists and may not be replaced.
    #[error("{path}: already exists")]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// The target is one of the inputs, possibly through a link.
    #[error("{path}: is also the input {input}")]
    TargetIsInput {
        /// The target.
        path: PathBuf,
        /// The input it is the same file as.
        input: PathBuf,
    },
    /// The target would be in a directory that is read.
    #[error("{path}: would be in {input}, which is read, and be taken for an input the next time")]
    TargetInInput {
        /// The target.
        path: PathBuf,
        /// The directory.
        input: PathBuf,
    },
    /// The target is a directory, a device or a pipe.
    #[error("{path}: is not a regular file, so it cannot be replaced")]
    TargetNotFile {
        /// The target.
        path: PathBuf,
    },
    /// Another user put something into the target's place, in a folder that is open to all.
    #[error("{path}: another user put it there, in a folder that is open to all")]
    TargetForeign {
        /// The target.
        path: PathBuf,
    },
    /// Another run holds the target's lock.
    #[error("{path}: another run is writing it{}", .holder.map_or_else(String::new, |id| format!(", process {id}")))]
    Locked {
        /// The target.
        path: PathBuf,
        /// The other run's process id.
        holder: Option<u32>,
    },
    /// Two targets of one run are the same file.
    #[error("{path}: is named for two outputs of one run")]
    TargetTwice {
        /// The target.
        path: PathBuf,
    },
    /// An output column would carry the name of an input column.
    #[error("{path}: already has a column {column:?}")]
    NameClash {
        /// The input.
        path: PathBuf,
        /// The name both want.
        column: String,
    },
    /// A selection names a column that is not there.
    #[error("no column {name:?}{}", did_you_mean(.near))]
    UnknownColumn {
        /// The selection it stands in: "columns", "exclude", "categorical", "map", "keep" or "where".
        selection: &'static str,
        /// The name as given.
        name: String,
        /// Names that are there and look alike, best first.
        near: Vec<String>,
    },
    /// A selection leaves no column to learn, of those that could be.
    #[error("{selection}: leaves no column to learn")]
    NothingSelected {
        /// The selection: "columns" or "exclude".
        selection: &'static str,
    },
    /// A selection holds a pattern that is not one.
    #[error("{pattern:?} is not a pattern")]
    BadPattern {
        /// The selection it stands in.
        selection: &'static str,
        /// The pattern as given.
        pattern: String,
        /// What the pattern's parser says.
        source: Foreign,
    },
    /// A score is named that there is not.
    #[error("no score {name:?}; there are {}", .known.join(", "))]
    UnknownScore {
        /// The option it was named in: "score" or "anomaly_score".
        option: &'static str,
        /// The name as given.
        name: String,
        /// All there are.
        known: Vec<&'static str>,
    },
    /// A decision needs p-values, and no rows were held out for the model to give them by.
    #[error("{option} needs p-values, and the model has no calibration rows for them")]
    NotCalibrated {
        /// The option that asks for them: "alpha" or "fdr".
        option: &'static str,
    },
    /// A column was named to be learned, and cannot be, or not so.
    #[error("column {column:?} cannot be learned{reason}")]
    NotLearnable {
        /// The selection that names it: "columns", "categorical" or "map".
        selection: &'static str,
        /// The column.
        column: String,
        /// As what, and why not.
        reason: String,
    },
    /// An option has a value outside its range.
    #[error("{option} is {value}, but must be {range}")]
    OptionRange {
        /// The option, by its name in [`FitConfig`](crate::FitConfig).
        option: &'static str,
        /// The value given.
        value: String,
        /// The range allowed.
        range: &'static str,
    },
    /// The network asked for takes more memory to train than there is.
    #[error("a network of {parameters} parameters takes {} of memory to train{}", gib(*.needed), .free.map_or(", which the system does not give".to_owned(), |free| format!(", and {} are free", gib(free))))]
    TooLarge {
        /// Weights and biases.
        parameters: usize,
        /// Bytes that training takes.
        needed: u64,
        /// Bytes there are, if it is these that do not suffice and not a limit of the process.
        free: Option<u64>,
    },
    /// The data has no column to learn from.
    #[error("{path}: no column to learn from{}", because(.reasons))]
    NoFeatures {
        /// The (first) input.
        path: PathBuf,
        /// The columns with the reason each was left out.
        reasons: Vec<(String, String)>,
    },
    /// The data has too few rows with a known value.
    #[error("{path}: a fit needs at least 2 rows with a known value to train on, but there {}", if *rows == 1 { "is 1".to_owned() } else { format!("are {rows}") })]
    TooFewRows {
        /// The (first) input.
        path: PathBuf,
        /// Rows with at least one known feature that are not held out.
        rows: u64,
    },
    /// The model needs a column the input does not have.
    #[error("{path}: the model needs column {column:?}, which is missing{}", did_you_mean(.near))]
    MissingFeature {
        /// The input.
        path: PathBuf,
        /// The column.
        column: String,
        /// Names that are there and look alike, best first.
        near: Vec<String>,
    },
    /// A file lacks a column that the first one has and that is to be learned.
    #[error("{path}: column {column:?} is missing, which {first} has{}", did_you_mean(.near))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first file.
        first: PathBuf,
        /// Names that are there and look alike, best first.
        near: Vec<String>,
    },
    /// A column has another type than it must have.
    #[error("{place}: is {found}, but must be {expected}")]
    WrongType {
        /// The column.
        place: Place,
        /// The type it has.
        found: Box<str>,
        /// The type, or class of types, it must have.
        expected: Box<str>,
    },
    /// The input is of another format.
    #[error("{path}: not a Parquet file: {what}")]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// How that is known.
        what: &'static str,
    },
    /// A directory or glob holds no file to read.
    #[error("{path}: there is no file to read")]
    NoFiles {
        /// The directory or glob.
        path: PathBuf,
    },
    /// A condition on rows is not one, or not of these rows.
    #[error("{predicate:?}{} cannot be asked of rows", of_types(.columns))]
    Predicate {
        /// The condition.
        predicate: String,
        /// The columns it names, with their types, as far as it came to that.
        columns: Vec<(String, String)>,
        /// What is wrong with it.
        source: Foreign,
    },
    /// The input ends before its end.
    #[error("{place}: cut short: {what}")]
    Truncated {
        /// The input.
        place: Place,
        /// How it ends.
        what: String,
    },
    /// Of several files some were transformed, and then one failed.
    #[error("{source}")]
    Unfinished {
        /// Files that are written.
        done: usize,
        /// Inputs that remain, the one that failed first.
        rest: Vec<PathBuf>,
        /// Why it failed.
        source: Box<Error>,
    },
    /// Reading the input failed: it is damaged, truncated or not of its format.
    #[error("{place}: cannot be read")]
    Read {
        /// Where.
        place: Place,
        /// What the reader says.
        source: Foreign,
    },
    /// A page of a column takes more memory than there may be.
    #[error("{place}: a page of {} is more than the {} that there may be", mib(*.bytes), mib(*.most))]
    PageTooLarge {
        /// The column chunk.
        place: Place,
        /// Bytes of the page.
        bytes: u64,
        /// Bytes there may be.
        most: u64,
    },
    /// The input contradicts itself.
    #[error("{place}: damaged: {what}")]
    Damaged {
        /// Where.
        place: Place,
        /// The contradiction.
        what: String,
    },
    /// The input uses something this version does not handle.
    #[error("{place}: {what} is not supported")]
    Unsupported {
        /// Where.
        place: Place,
        /// What.
        what: &'static str,
    },
    /// Writing the output failed.
    #[error("{path}: cannot be written")]
    Write {
        /// The output.
        path: PathBuf,
        /// What the writer says.
        source: Foreign,
    },
    /// There is no model file.
    #[error("{path}: no such model file")]
    NoModel {
        /// Where it should be.
        path: PathBuf,
    },
    /// The model file is not usable.
    #[error("{path}: not a usable model: {fault}")]
    Model {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        fault: ModelFault,
    },
    /// The checkpoint file is not usable.
    #[error("{path}: not a usable checkpoint: {fault}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        fault: ModelFault,
    },
    /// The checkpoint is of other data, other options or another version.
    #[error("{path}: is the checkpoint of another fit: {difference}")]
    OtherCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// The first difference: where it is, what the checkpoint has, and what this fit has.
        difference: String,
    },
    /// An option contradicts the base model of a fit.
    #[error("{option} contradicts {path}, the base model: {difference}")]
    OtherModel {
        /// The option, by its name in [`FitConfig`](crate::FitConfig).
        option: &'static str,
        /// The model.
        path: PathBuf,
        /// What the model has, and what is asked for.
        difference: String,
    },
    /// A fit made its base model worse.
    #[error(
        "{path}: the fit made it worse: loss {before:.4} nats a row before, {after:.4} after, on {rows} calibration rows"
    )]
    Worse {
        /// The base model.
        path: PathBuf,
        /// Its loss, nats a row.
        before: f64,
        /// That of the new model.
        after: f64,
        /// Rows it was measured on.
        rows: usize,
    },
    /// There are too few calibration rows to compare the model with its base model.
    #[error("{path}: too few rows are held out to tell whether the fit makes it worse")]
    NotMeasured {
        /// The base model.
        path: PathBuf,
    },
    /// CUDA is asked for, and this build has none.
    #[error("device {device}: this build is without CUDA")]
    NoCuda {
        /// The device as asked for.
        device: String,
    },
    /// The device asked for does not answer.
    #[error("device {device}: not available")]
    Device {
        /// The device as asked for.
        device: String,
        /// What the tensor library says.
        source: Foreign,
    },
    /// A device is not named in a known way.
    #[error("device {device:?} is not one of auto, cpu, cuda, cuda:N")]
    UnknownDevice {
        /// The name given.
        device: String,
    },
    /// A tensor operation failed.
    #[error("tensor operation failed")]
    Tensor {
        /// What the tensor library says.
        source: Foreign,
    },
    /// A pool of worker threads could not be started.
    #[error("cannot start worker threads")]
    Threads {
        /// The reason.
        source: Foreign,
    },
    /// Training gave NaN or infinity again after every retry at a lower learning rate.
    #[error("training diverged in epoch {epoch}, also after {rollbacks} retries at a lower learning rate (now {lr:e})")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// How often the last good state was restored.
        rollbacks: usize,
        /// The learning rate in force.
        lr: f64,
    },
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// For `map_err`: an I/O error at `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
