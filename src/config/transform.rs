//! What is asked of a transform.

use super::{Codec, Decision, check_decision, within};
use crate::error::Result;

/// What a transform writes.
///
/// ```
/// use vaepipe::{Decision, TransformConfig};
/// let mut config = TransformConfig::new();
/// config.score = vec!["kl".to_owned(), "latent_distance".to_owned()];
/// config.decision = Some(Decision::Contamination(0.02));
/// config.explain = 3;
/// assert!(config.check().is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TransformConfig {
    /// Put before the name of every new column.
    pub prefix: String,
    /// Keep only these input columns (names, globs, `re:`). Empty: all.
    pub keep: Vec<String>,
    /// Leave out the columns the model learned from.
    pub drop_features: bool,
    /// Add `z_std_i`, the posterior standard deviations.
    pub std: bool,
    /// Add these of the [`SCORES`](crate::SCORES), or `all` of them.
    pub score: Vec<String>,
    /// What makes a row an anomaly; `None` is as the fit has it.
    pub decision: Option<Decision>,
    /// Add `top_features`: this many source columns that raise a row's score most, 0 for none.
    pub explain: usize,
    /// Replace an existing output.
    pub force: bool,
    /// Of a directory of outputs leave those that are there as they are, and make the others.
    pub skip_existing: bool,
    /// Leave outputs that are younger than their inputs as they are, and replace the others; where a caller knows the
    /// model's file, it compares that, too, by [`newer_than`](Self::newer_than).
    pub if_newer: bool,
    /// A time that outputs must be younger than as well to be left.
    pub newer_than: Option<std::time::SystemTime>,
    /// How the output is encoded. Unless this is the default, the columns of a Parquet file are not copied but encoded anew.
    pub encoding: Encoding,
}

/// How an output is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoding {
    /// Compression. Default: zstd for Parquet, none for Arrow IPC.
    pub compression: Option<Codec>,
    /// Rows of a Parquet row group at most, 1 or more. Default: 1,048,576, and 256 MiB.
    pub row_group_size: Option<usize>,
}

impl TransformConfig {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("explain", Some(self.explain), "0 to 1000", |v| v <= 1000)?;
        check_decision(self.decision)?;
        within("row_group_size", self.encoding.row_group_size, "1 or more", |v| v >= 1)
    }
}
