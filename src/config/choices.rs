//! Options that are one of several words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ParseChoiceError;

/// A bundle of defaults for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// Latents of every row, rare groups included: no row is left out of the loss.
    #[default]
    Reduce,
    /// Scores: scaling that is robust to outliers, and the worst rows of each batch left out of the loss.
    Anomaly,
    /// A map: two latents in which rows that are alike are near to each other.
    Map,
}

/// The rule that makes a row an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// A p-value of at most this, in (0, 1).
    Alpha(f64),
    /// An anomaly score of at least this.
    Threshold(f64),
    /// An anomaly score that at most this share of the training rows reach, in (0, 0.5].
    Contamination(f64),
    /// An anomaly score as high as those of the training rows that look like anomalies themselves: those above a gap in the
    /// scores of the training rows, or those far above their median. A model stores the share.
    AutoContamination,
    /// A p-value low enough to control the false discovery rate in one output at this, in (0, 1) (Benjamini & Hochberg
    /// 1995). The only decision that depends on other rows.
    Fdr(f64),
}

impl Decision {
    /// The default decision.
    pub const DEFAULT: Self = Self::Alpha(0.01);

    /// The option that sets it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Alpha(_) => "alpha",
            Self::Threshold(_) => "threshold",
            Self::Contamination(_) | Self::AutoContamination => "contamination",
            Self::Fdr(_) => "fdr",
        }
    }

    /// Its number; `None` for an automatic one.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Alpha(value) | Self::Threshold(value) | Self::Contamination(value) | Self::Fdr(value) => Some(value),
            Self::AutoContamination => None,
        }
    }

    /// The range of its number, and whether it is in range.
    pub(super) fn range(self) -> (&'static str, bool) {
        match self {
            Self::Alpha(value) | Self::Fdr(value) => ("between 0 and 1", value > 0.0 && value < 1.0),
            Self::Threshold(value) => ("a finite number", value.is_finite()),
            Self::Contamination(value) => ("above 0 and at most 0.5", value > 0.0 && value <= 0.5),
            Self::AutoContamination => ("automatic", true),
        }
    }

    /// Whether its number is in range.
    pub(crate) fn is_valid(self) -> bool {
        self.range().1
    }
}

/// The scaling of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scale {
    /// (x - median) / (IQR / 1.349).
    Robust,
    /// asinh of that, unless the number has another curve: linear near the median, logarithmic far from it, so that outliers
    /// count without dominating. Numbers of vectors and elapsed times are scaled as by robust.
    Asinh,
    /// (x - mean) / standard deviation.
    Standard,
    /// (x - mean) / (h · u), where h is half the range, but at most 50 standard deviations, and one u for all numbers
    /// makes their mean variance 1.
    Minmax,
    /// No scaling.
    None,
}

/// The activation function of the hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x).
    Silu,
    /// tanh(x).
    Tanh,
}

/// The curve for a heavily skewed number, applied before the scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Map {
    /// No curve.
    #[default]
    None,
    /// asinh of the distance from the median in interquartile ranges: linear near it, logarithmic far from it.
    Asinh,
    /// sign(x) · ln(1 + |x|).
    Log1p,
    /// The normal quantile of its rank.
    Quantile,
    /// The one of asinh, log1p and none that makes the values likeliest under a normal distribution.
    Auto,
}

/// The scaling of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorScale {
    /// Each element by itself, like a column.
    Element,
    /// All elements by one center and width.
    Whole,
}

/// The rows to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExplainRows {
    /// The anomalies; all rows if the model has no rule that makes a row an anomaly.
    #[default]
    Anomalies,
    /// All rows that have a score.
    All,
}

/// How latents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LatentShape {
    /// A column for each dimension: `z_0`, `z_1`, …
    #[default]
    Columns,
    /// One column `z` of lists of a fixed size.
    List,
}

/// What an existing output must be to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfNewer {
    /// Newer than its inputs. Inputs and outputs without a time, such as stdin and objects, are read and written anew.
    Input,
    /// That, and written with the same model: the output's metadata holds the model's hash. The times of the model's file
    /// do not matter.
    Model,
}

/// What stands before the decimals of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecimalMark {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

/// What becomes of a line that is not a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLines {
    /// The first one is an error.
    Error,
    /// They are left out and counted.
    Skip,
}

/// The compression of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// No compression.
    None,
    /// Fast, and supported everywhere.
    Snappy,
    /// Slow, and supported everywhere.
    Gzip,
    /// Fast; LZ4_RAW in Parquet, frames in Arrow IPC.
    Lz4,
    /// Small, and slow to write.
    Brotli,
    /// Small and fast.
    Zstd,
}

/// A curve for some columns, written `COL=CURVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOf {
    /// The columns: a name, a glob, or `re:` and a regular expression.
    pub columns: String,
    /// Their curve.
    pub map: Map,
}

of_columns!(MapOf, map, "COL=CURVE");

/// A format of rows that do not tell it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputFormat {
    /// An Arrow IPC stream or file.
    Arrow,
    /// Parquet.
    Parquet,
    /// CSV, whose delimiter is found by looking.
    Csv,
    /// The same with tabs between fields.
    Tsv,
    /// A JSON object a line.
    Ndjson,
}

/// A format of rows on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFormat {
    /// An Arrow IPC stream.
    Arrow,
    /// CSV with a header.
    Csv,
    /// The same with tabs between fields.
    Tsv,
    /// A JSON object a line.
    Ndjson,
}

/// What the values of a column are, whatever type a file stores them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogicalType {
    /// Words.
    String,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// True or false, as words or as 1 and 0.
    Boolean,
    /// Dates as ISO 8601 writes them: `2024-01-31`.
    Date,
    /// Times as ISO 8601 writes them: `2024-01-31 12:00:00.5`, in UTC unless they have an offset.
    Timestamp,
    /// Seconds since 1970.
    EpochS,
    /// Milliseconds since 1970.
    EpochMs,
    /// Microseconds since 1970.
    EpochUs,
    /// Nanoseconds since 1970.
    EpochNs,
    /// Times of the day as 0 to 2359, or as `05:17`: after 2359 comes 0.
    Hhmm,
}

/// The logical type of some columns, written `COL=TYPE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeOf {
    /// The columns: a name, a glob, or `re:` and a regular expression.
    pub columns: String,
    /// What their values are.
    pub logical_type: LogicalType,
}

of_columns!(TypeOf, logical_type, "COL=TYPE");

/// A value of a given column, written `COL=VALUE`, or of a part of a given time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenValue {
    /// The column; or the part of a time, such as `ts.hour`, or `hour` where it can only be that of one column.
    pub column: String,
    /// The value, as text.
    pub value: String,
}

impl FromStr for GivenValue {
    type Err = ParseChoiceError;

    fn from_str(text: &str) -> Result<Self, ParseChoiceError> {
        let Some((column, value)) = text.split_once('=') else {
            return Err(ParseChoiceError::new(text, "of the form COL=VALUE"));
        };
        Ok(Self { column: column.to_owned(), value: value.to_owned() })
    }
}

words!(Preset, "reduce" => Preset::Reduce, "anomaly" => Preset::Anomaly, "map" => Preset::Map);
words!(Scale, "robust" => Scale::Robust, "asinh" => Scale::Asinh, "standard" => Scale::Standard, "minmax" => Scale::Minmax, "none" => Scale::None);
words!(Map, "asinh" => Map::Asinh, "log1p" => Map::Log1p, "quantile" => Map::Quantile, "auto" => Map::Auto, "none" => Map::None);
words!(VectorScale, "element" => VectorScale::Element, "whole" => VectorScale::Whole);
words!(LatentShape, "columns" => LatentShape::Columns, "list" => LatentShape::List);
words!(ExplainRows, "anomalies" => ExplainRows::Anomalies, "all" => ExplainRows::All);
words!(
    LogicalType,
    "string" => LogicalType::String, "integer" => LogicalType::Integer, "float" => LogicalType::Float,
    "boolean" => LogicalType::Boolean, "date" => LogicalType::Date, "timestamp" => LogicalType::Timestamp,
    "epoch_s" => LogicalType::EpochS, "epoch_ms" => LogicalType::EpochMs, "epoch_us" => LogicalType::EpochUs,
    "epoch_ns" => LogicalType::EpochNs, "hhmm" => LogicalType::Hhmm,
);
words!(IfNewer, "input" => IfNewer::Input, "model" => IfNewer::Model);
words!(DecimalMark, "point" => DecimalMark::Point, "comma" => DecimalMark::Comma);
words!(BadLines, "error" => BadLines::Error, "skip" => BadLines::Skip);
words!(InputFormat, "arrow" => InputFormat::Arrow, "parquet" => InputFormat::Parquet, "csv" => InputFormat::Csv, "tsv" => InputFormat::Tsv, "ndjson" => InputFormat::Ndjson);
words!(StreamFormat, "arrow" => StreamFormat::Arrow, "csv" => StreamFormat::Csv, "tsv" => StreamFormat::Tsv, "ndjson" => StreamFormat::Ndjson);
words!(Codec, "none" => Codec::None, "snappy" => Codec::Snappy, "gzip" => Codec::Gzip, "lz4" => Codec::Lz4, "brotli" => Codec::Brotli, "zstd" => Codec::Zstd);
words!(Activation, "relu" => Activation::Relu, "silu" => Activation::Silu, "tanh" => Activation::Tanh);

/// The width of the latent space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LatentDim {
    /// So many dimensions, 1 to 4096.
    Of(usize),
    /// The smallest that validation rows need, found by short trainings of 1, 2, 4, … dimensions.
    Auto,
}

impl From<usize> for LatentDim {
    fn from(dimensions: usize) -> Self {
        Self::Of(dimensions)
    }
}

impl FromStr for LatentDim {
    type Err = ParseChoiceError;

    fn from_str(text: &str) -> Result<Self, ParseChoiceError> {
        let unknown = |_| {
            ParseChoiceError::new(text, "auto or a number of dimensions")
                .with_message(format!("{text:?} is neither auto nor a number of dimensions"))
        };
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Of).map_err(unknown),
        }
    }
}

impl fmt::Display for LatentDim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(dimensions) => dimensions.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Serialize for LatentDim {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Of(dimensions) => dimensions.serialize(serializer),
            Self::Auto => "auto".serialize(serializer),
        }
    }
}
