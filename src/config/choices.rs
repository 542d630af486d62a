//! The words a user may choose from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A bundle of defaults for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Latents of every row, rare groups included: no row is left out of the loss.
    #[default]
    Reduce,
    /// Scores: scaling that wild values do not sway, and the worst rows of each batch left out of the
    /// loss.
    Anomaly,
}

/// What makes a row an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A p-value of at most this, in (0, 1).
    Alpha(f64),
    /// An anomaly score of at least this.
    Threshold(f64),
    /// An anomaly score that at most this share of the training rows reach, in (0, 0.5].
    Contamination(f64),
    /// A p-value low enough that of the rows of one output that are called anomalies this share, in (0, 1), is expected
    /// not to be any (Benjamini & Hochberg 1995). The one decision that depends on other rows.
    Fdr(f64),
}

impl Decision {
    /// The one that is taken unless somebody says otherwise.
    pub const DEFAULT: Self = Self::Alpha(0.01);

    /// The option that sets it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Alpha(_) => "alpha",
            Self::Threshold(_) => "threshold",
            Self::Contamination(_) => "contamination",
            Self::Fdr(_) => "fdr",
        }
    }

    /// The number that makes it up.
    pub fn value(self) -> f64 {
        let (Self::Alpha(value) | Self::Threshold(value) | Self::Contamination(value) | Self::Fdr(value)) = self;
        value
    }

    /// What that number must be.
    pub(super) fn range(self) -> (&'static str, bool) {
        match self {
            Self::Alpha(value) | Self::Fdr(value) => ("between 0 and 1", value > 0.0 && value < 1.0),
            Self::Threshold(value) => ("a finite number", value.is_finite()),
            Self::Contamination(value) => ("above 0 and at most 0.5", value > 0.0 && value <= 0.5),
        }
    }

    /// Whether its number is in range.
    pub(crate) fn is_valid(self) -> bool {
        self.range().1
    }
}

/// How a number is brought to the model's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// (x - median) / (IQR / 1.349).
    Robust,
    /// asinh of that, unless the number has another curve: straight near the median, logarithmic far from it, so that what
    /// is wild counts without counting for all. Numbers of vectors and the time elapsed are scaled as robust does.
    Asinh,
    /// (x - mean) / standard deviation.
    Standard,
    /// (x - mean) / (h · u), where h is half the range, but at most 50 standard deviations, and one u for all numbers
    /// makes their mean variance 1.
    Minmax,
    /// As it is.
    None,
}

/// The nonlinearity between hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x).
    Silu,
    /// tanh(x).
    Tanh,
}

/// The curve a heavily skewed number is bent by before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Map {
    /// None: it is scaled as it is.
    #[default]
    None,
    /// asinh of the distance from the median in interquartile ranges: straight near it, logarithmic far from it.
    Asinh,
    /// sign(x) · ln(1 + |x|).
    Log1p,
    /// The normal quantile of its rank.
    Quantile,
    /// Of asinh, log1p and none the one on which the values are likeliest under a normal distribution.
    Auto,
}

/// How the numbers of a vector are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VectorScale {
    /// Each for itself, as columns are.
    Element,
    /// All by one center and width.
    Whole,
}

/// How an output is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// Fast, and found everywhere.
    Snappy,
    /// Slow, and found everywhere.
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

impl FromStr for MapOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (columns, map) = text.rsplit_once('=').ok_or("not of the form COL=CURVE")?;
        Ok(Self { columns: columns.to_owned(), map: map.parse()? })
    }
}

impl fmt::Display for MapOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.columns, self.map)
    }
}

impl Serialize for MapOf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gives an enum its words, for flags and messages.
macro_rules! words {
    ($type:ty, $($word:literal => $value:path),+ $(,)?) => {
        impl $type {
            /// The words a user may write.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
        impl FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($value),)+
                    _ => Err(format!("not one of {}", Self::WORDS.join(", "))),
                }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($value => $word),+ })
            }
        }
    };
}
words!(Preset, "reduce" => Preset::Reduce, "anomaly" => Preset::Anomaly);
words!(Scale, "robust" => Scale::Robust, "asinh" => Scale::Asinh, "standard" => Scale::Standard, "minmax" => Scale::Minmax, "none" => Scale::None);
words!(Map, "asinh" => Map::Asinh, "log1p" => Map::Log1p, "quantile" => Map::Quantile, "auto" => Map::Auto, "none" => Map::None);
words!(VectorScale, "element" => VectorScale::Element, "whole" => VectorScale::Whole);
words!(Codec, "none" => Codec::None, "snappy" => Codec::Snappy, "gzip" => Codec::Gzip, "lz4" => Codec::Lz4, "brotli" => Codec::Brotli, "zstd" => Codec::Zstd);
words!(Activation, "relu" => Activation::Relu, "silu" => Activation::Silu, "tanh" => Activation::Tanh);

/// How wide the latent space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatentDim {
    /// So many dimensions, 1 to 4096.
    Of(usize),
    /// As many as held-out rows gain from, found by short trainings of 1, 2, 4, … dimensions.
    Auto,
}

impl From<usize> for LatentDim {
    fn from(dimensions: usize) -> Self {
        Self::Of(dimensions)
    }
}

impl FromStr for LatentDim {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Of).map_err(|_| format!("{text:?} is neither auto nor a number of dimensions")),
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
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Of(dimensions) => dimensions.serialize(serializer),
            Self::Auto => "auto".serialize(serializer),
        }
    }
}
