//! Options of a transform.

use super::{Codec, Decision, check_decision, within};
use crate::error::Result;

/// Options of a transform.
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
    /// Prefix of the names of new columns.
    pub prefix: String,
    /// Keep only these input columns (names, globs, `re:`). Empty: all.
    pub keep: Vec<String>,
    /// Leave out the learned columns.
    pub drop_features: bool,
    /// Add `z_std_i`, the posterior standard deviations.
    pub std: bool,
    /// Add these of the [`SCORES`](crate::SCORES), or `all` of them.
    pub score: Vec<String>,
    /// The rule that makes a row an anomaly; `None` takes that of the fit.
    pub decision: Option<Decision>,
    /// Add `top_features`: the source columns that raise a row's score most, at most this many; 0 for none.
    pub explain: usize,
    /// Replace an existing output.
    pub force: bool,
    /// Skip outputs of a directory that exist.
    pub skip_existing: bool,
    /// Skip outputs that are newer than their inputs, and than [`newer_than`](Self::newer_than), for which a caller may set the
    /// time of the model file; replace the others.
    pub if_newer: bool,
    /// A time that skipped outputs must be newer than.
    pub newer_than: Option<std::time::SystemTime>,
    /// The encoding of the output. Unless it is the default, the columns of a Parquet file are encoded again, not copied.
    pub encoding: Encoding,
}

/// The encoding of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoding {
    /// Compression. Default: zstd for Parquet, none for Arrow IPC.
    pub compression: Option<Codec>,
    /// Most rows of a Parquet row group, 1 or more. Default: 1,048,576, and 256 MiB.
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
