//! The one error type of the library. A message says what is wrong and where; the command line adds which flag helps.

#![forbid(unsafe_code)]

mod alpha_too_low;
mod device_fault;
mod kind;
mod model_fault;
mod onnx_fault;
mod order_fault;
mod parse_choice;
mod phrases;
mod place;
mod types_differ;
mod unsupported;
mod worse;

use std::path::PathBuf;

pub use self::alpha_too_low::AlphaTooLow;
pub use self::device_fault::DeviceFault;
pub use self::kind::ErrorKind;
pub use self::parse_choice::ParseChoiceError;
use self::phrases::{because, did_you_mean, gib, mib, of_types, those_given};
pub use self::place::Place;
pub use self::{model_fault::ModelFault, onnx_fault::OnnxFault, order_fault::OrderFault};
pub use self::{types_differ::TypesDiffer, unsupported::Unsupported, worse::Worse};

/// The result of a function of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of another library, kept as the source of an [`Error`].
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
        /// What was tried, as in "open".
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The output exists, and may not be replaced.
    #[error("{path}: already exists")]
    TargetExists {
        /// The output.
        path: PathBuf,
    },
    /// The output is one of the inputs, possibly through a link.
    #[error("{path}: is also the input {input}")]
    TargetIsInput {
        /// The output.
        path: PathBuf,
        /// The input it is the same file as.
        input: PathBuf,
    },
    /// The output would be in an input directory.
    #[error("{path}: is in the input directory {input}, where the next run would read it")]
    TargetInInput {
        /// The output.
        path: PathBuf,
        /// The directory.
        input: PathBuf,
    },
    /// The output is a directory, a device or a pipe.
    #[error("{path}: is not a regular file, so it cannot be replaced")]
    TargetNotFile {
        /// The output.
        path: PathBuf,
    },
    /// The output belongs to another user, in a directory that every user can write to.
    #[error("{path}: belongs to another user, in a directory that every user can write to")]
    TargetForeign {
        /// The output.
        path: PathBuf,
    },
    /// Another run holds the lock of the output.
    #[error("{path}: another run is writing it{}", .holder.map_or_else(String::new, |id| format!(", process {id}")))]
    Locked {
        /// The output.
        path: PathBuf,
        /// The other run's process id.
        holder: Option<u32>,
    },
    /// Two outputs of one run are the same file.
    #[error("{path}: is the path of two outputs of one run")]
    TargetTwice {
        /// The output.
        path: PathBuf,
    },
    /// A new column has the name of an input column.
    #[error("{path}: already has a column {column:?}")]
    NameClash {
        /// The input.
        path: PathBuf,
        /// The name of both.
        column: String,
    },
    /// A selection names an unknown column.
    #[error("no column {name:?}{}", did_you_mean(.near))]
    UnknownColumn {
        /// The selection that names it: "columns", "exclude", "given", "categorical", "map", "at", "keep" or "where".
        selection: &'static str,
        /// The name as given.
        name: String,
        /// Similar names that exist, the most similar first.
        near: Vec<String>,
    },
    /// A selection, "columns", "exclude" or "given", leaves no column to learn.
    #[error("{0}: leaves no column to learn")]
    NothingSelected(&'static str),
    /// A selection has an invalid pattern.
    #[error("{pattern:?} is not a valid pattern")]
    BadPattern {
        /// The selection that has it.
        selection: &'static str,
        /// The pattern as given.
        pattern: String,
        /// The error of the parser.
        source: Foreign,
    },
    /// An option names an unknown score.
    #[error("no score {name:?}; the scores are {}", .known.join(", "))]
    UnknownScore {
        /// The option: "score" or "anomaly_score".
        option: &'static str,
        /// The name as given.
        name: String,
        /// All scores.
        known: Vec<&'static str>,
    },
    /// A decision needs p-values, and the model has no calibration rows.
    #[error("{option} needs p-values, but the model has no calibration rows")]
    NotCalibrated {
        /// The option that asks for them: "alpha" or "fdr".
        option: &'static str,
    },
    /// No p-value of the model is as low as the decision asks.
    #[error(transparent)]
    AlphaTooLow(#[from] AlphaTooLow),
    /// The model cannot take feedback.
    #[error("the model cannot take feedback: {0}")]
    NoFeedback(&'static str),
    /// A column cannot be learned as the selection asks.
    #[error("column {column:?} cannot be learned{reason}")]
    NotLearnable {
        /// The selection that names it: "columns", "categorical" or "map".
        selection: &'static str,
        /// The column.
        column: String,
        /// As what it cannot be learned, and why.
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
    /// A value is given for a column that the model is not given.
    #[error("{column:?} is not given; {}", those_given(.given))]
    NotGiven {
        /// The column.
        column: String,
        /// The columns that are given.
        given: Vec<String>,
    },
    /// There is too little memory to train the network.
    #[error("training a network of {parameters} parameters takes {} of memory, but {}", gib(*.needed), .free.map_or("the system does not give it".to_owned(), |free| format!("{} are free", gib(free))))]
    TooLarge {
        /// Number of weights and biases.
        parameters: usize,
        /// Bytes that training takes.
        needed: u64,
        /// Bytes free; `None` if a limit of the process is too low.
        free: Option<u64>,
    },
    /// The input has no column to learn.
    #[error("{path}: no column to learn from{}", because(.reasons))]
    NoFeatures {
        /// The (first) input.
        path: PathBuf,
        /// Each column and why it is not learned.
        reasons: Vec<(String, String)>,
    },
    /// The input has too few rows with a known value.
    #[error("{path}: a fit needs at least 2 rows with a known value to train on, but there {}", if *rows == 1 { "is 1".to_owned() } else { format!("are {rows}") })]
    TooFewRows {
        /// The (first) input.
        path: PathBuf,
        /// Training rows with a known value.
        rows: u64,
    },
    /// The input lacks a column that the model needs.
    #[error("{path}: the model needs column {column:?}, which is missing{}", did_you_mean(.near))]
    MissingFeature {
        /// The input.
        path: PathBuf,
        /// The column.
        column: String,
        /// Similar names that exist, the most similar first.
        near: Vec<String>,
    },
    /// Two files store a column with types that do not meet.
    #[error(transparent)]
    TypesDiffer(#[from] Box<TypesDiffer>),
    /// A column has the wrong type.
    #[error("{place}: is {found}, but must be {expected}")]
    WrongType {
        /// The column.
        place: Place,
        /// The type it has.
        found: Box<str>,
        /// The type, or class of types, it must have.
        expected: Box<str>,
    },
    /// A value does not fit the type that its column must have.
    #[error("{place}: is {found}, but must be {expected}")]
    WrongValue {
        /// The column.
        place: Place,
        /// The type it has, and the value that is the reason, in a text file with its line.
        found: Box<str>,
        /// The type it must have.
        expected: Box<str>,
    },
    /// The input is not a Parquet file.
    #[error("{path}: not a Parquet file: {what}")]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// The reason.
        what: &'static str,
    },
    /// A directory or glob has no file to read.
    #[error("{path}: has no file to read")]
    NoFiles {
        /// The directory or glob.
        path: PathBuf,
    },
    /// A condition on rows is not valid for the input.
    #[error("{predicate:?}{} is not a condition on these rows", of_types(.columns))]
    Predicate {
        /// The condition.
        predicate: String,
        /// The columns that it names, with their types, if it was parsed.
        columns: Vec<(String, String)>,
        /// What is wrong with it.
        source: Foreign,
    },
    /// The input is truncated.
    #[error("{place}: truncated: {what}")]
    Truncated {
        /// The input.
        place: Place,
        /// How it ends.
        what: String,
        /// Whether nothing but the end-of-stream marker of an Arrow stream is missing.
        only_marker: bool,
    },
    /// Some of several files were transformed, and then one failed.
    #[error("{source}")]
    Unfinished {
        /// Number of files written.
        done: usize,
        /// Inputs that are left, first the one that failed.
        rest: Vec<PathBuf>,
        /// Why it failed.
        source: Box<Error>,
    },
    /// The input cannot be read: it is damaged, truncated or of another format.
    #[error("{place}: cannot be read")]
    Read {
        /// Where.
        place: Place,
        /// The error of the reader.
        source: Foreign,
    },
    /// A page of a column is larger than the limit of memory.
    #[error("{place}: has a page of {}, but the limit is {}", mib(*.bytes), mib(*.most))]
    PageTooLarge {
        /// The column chunk.
        place: Place,
        /// Bytes of the page.
        bytes: u64,
        /// Bytes allowed.
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
    /// A line of a text file is not a row.
    #[error("{place}, line {line}: {what}")]
    BadLine {
        /// The file, and the column of the first field that is wrong.
        place: Place,
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// Rows are not in the order of a column.
    #[error(transparent)]
    Order(Box<OrderFault>),
    /// Something that this version does not support.
    #[error("{place}: {what} is not supported")]
    Unsupported {
        /// Where.
        place: Place,
        /// What.
        what: Unsupported,
    },
    /// ONNX cannot express the model.
    #[error(transparent)]
    Onnx(#[from] OnnxFault),
    /// Writing the output failed.
    #[error("{path}: cannot be written")]
    Write {
        /// The output.
        path: PathBuf,
        /// The error of the writer.
        source: Foreign,
    },
    /// There is no model file.
    #[error("{path}: no such model file")]
    NoModel {
        /// The path.
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
    /// The checkpoint belongs to a fit of other data, other options or another version.
    #[error("{path}: is the checkpoint of another fit: {difference}")]
    OtherCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// The first difference: its name, the value in the checkpoint, and that of this fit.
        difference: String,
    },
    /// An option contradicts the base model.
    #[error("{option} contradicts the base model {path}: {difference}")]
    OtherModel {
        /// The option, by its name in [`FitConfig`](crate::FitConfig).
        option: &'static str,
        /// The model.
        path: PathBuf,
        /// The value in the model, and the value asked for.
        difference: String,
    },
    /// The new model is worse than the base model on calibration rows.
    #[error(transparent)]
    Worse(#[from] Worse),
    /// There are too few calibration rows to compare the new model with the base model.
    #[error("{path}: too few rows are held out to tell whether the fit makes it worse")]
    NotMeasured {
        /// The base model.
        path: PathBuf,
    },
    /// The device cannot do the work.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// A text is not one of the words of a choice.
    #[error(transparent)]
    ParseChoice(#[from] ParseChoiceError),
    /// A tensor operation failed.
    #[error("tensor operation failed")]
    Tensor {
        /// The error of the tensor library.
        source: Foreign,
    },
    /// Worker threads cannot be started.
    #[error("cannot start worker threads")]
    Threads {
        /// The reason.
        source: Foreign,
    },
    /// Training gave NaN or infinity, even after retries at a lower learning rate.
    #[error("training diverged in epoch {epoch}, even after {rollbacks} retries at a lower learning rate (now {lr:e})")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// Number of retries, each from the last good state.
        rollbacks: usize,
        /// The learning rate of the last retry.
        lr: f64,
    },
    /// The caller stopped the run.
    #[error("interrupted")]
    Interrupted,
}
