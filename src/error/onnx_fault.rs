//! What ONNX cannot express of a model.

/// A part of a model that ONNX cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxFault {
    /// A category whose words are hashed.
    #[error("column {column:?} is a category whose words are hashed, which ONNX cannot express")]
    HashedCategory {
        /// The column.
        column: String,
    },
    /// The hour, weekday or day of the year in a named time zone.
    #[error(
        "column {column:?} is learned with the hour, weekday or day of the year in {zone}, whose offset from UTC ONNX cannot express"
    )]
    NamedZone {
        /// The column.
        column: String,
        /// The time zone.
        zone: String,
    },
    /// A column of a type that ONNX lacks.
    #[error("column {column:?} is of the type {data_type}, which ONNX lacks")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// A column all of whose integers are values, so that none can stand for a missing one.
    #[error("column {column:?} has missing values, and no integer is left to stand for them")]
    NoMark {
        /// The column.
        column: String,
    },
    /// A column without a name.
    #[error("a column has the empty name, which no input in ONNX can have")]
    Unnamed,
    /// Rows that are learned with the rows before them.
    #[error("the model learns rows in order, and ONNX takes each row by itself")]
    Ordered,
    /// A score of random draws.
    #[error("the score {score} is of random draws that ONNX cannot express")]
    Random {
        /// The score.
        score: &'static str,
    },
    /// Decisions that depend on all rows.
    #[error("a false discovery rate decides on all rows together, and ONNX takes each row by itself")]
    FalseDiscoveryRate,
    /// A file beyond the limit of its format.
    #[error("the file would have {bytes} bytes, and ONNX files have less than 2147483648")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
    },
}
