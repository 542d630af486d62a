//! Options of a transform.

use std::path::PathBuf;

use super::{Codec, Decision, ExplainRows, IfNewer, LatentShape, OrderConfig, StreamFormat, check_decision, within};
use crate::error::{Error, Result};

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
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct TransformConfig {
    /// Write only these input columns: names, globs, or re:REGEX.
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ',', value_name = "COL,..."))]
    pub keep: Vec<String>,
    /// Leave out the columns the model learned from.
    #[cfg_attr(feature = "cli", arg(long))]
    pub drop_features: bool,
    /// Put this before the name of every new column.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", default_value = "", hide_default_value = true))]
    pub prefix: String,
    /// Write latents as columns z_0 ..., or as one column z, a list of fixed size, which vector stores take.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "AS", default_value = "columns", value_parser = super::flags::words::<LatentShape>(LatentShape::WORDS))
    )]
    pub latents: LatentShape,
    /// Add z_std_0 ..., the posterior standard deviations: how uncertain each latent is.
    #[cfg_attr(feature = "cli", arg(long))]
    pub std: bool,
    /// Add these scores, or all.
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ',', value_name = "NAME,..."))]
    pub score: Vec<String>,
    /// Add top_features, the K source columns that raise an anomaly's score most, with value and expected value.
    #[cfg_attr(feature = "cli", arg(long, value_name = "K", default_value_t = 0))]
    pub explain: usize,
    /// Explain these rows: anomalies, or all.
    #[cfg_attr(
        feature = "cli",
        arg(
            long,
            value_name = "ROWS",
            requires = "explain",
            default_value = "anomalies",
            value_parser = super::flags::words::<ExplainRows>(ExplainRows::WORDS)
        )
    )]
    pub explain_rows: ExplainRows,
    /// Add COL_expected, COL_low and COL_high for every learned number: what the rows before led to expect of it, and an
    /// interval that holds it with this probability. For a model of rows in order.
    #[cfg_attr(feature = "cli", arg(long, value_name = "LEVEL", help_heading = "Order"))]
    pub expected: Option<f64>,
    /// How rows in order are read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub order: OrderConfig,
    /// Write the rows that are anomalies here, with top_features (not in CSV), and not to the output: a file, or a directory
    /// where the output is one. Both appear together.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub quarantine: Option<PathBuf>,
    /// Count the anomalies of a group from the N-th on, in the order of the rows of an output: those before it keep their scores
    /// and reasons, and is_anomaly is false [default: 1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Anomalies"))]
    pub min_alerts: Option<u64>,
    /// The groups of --min-alerts: rows with the same values in these columns [default: all rows are one group]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_delimiter = ',', value_name = "COL,...", requires = "min_alerts", help_heading = "Anomalies")
    )]
    pub alerts_per: Vec<String>,
    /// The rule that makes a row an anomaly. `None`: that of the fit.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub decision: Option<Decision>,
    /// An anomaly must also have a p-value of at most this. `None`: that of the fit, or any.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub ignore_above_p: Option<f64>,
    /// How outputs are written.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub output: OutputConfig,
}

/// How outputs are written, and which existing ones are replaced or kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct OutputConfig {
    /// Replace an existing output.
    #[cfg_attr(feature = "cli", arg(long))]
    pub force: bool,
    /// Skip outputs that exist, and write the others.
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "force"))]
    pub skip_existing: bool,
    /// Keep outputs that are up to date, and replace the others.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub if_newer: Option<IfNewer>,
    /// The encoding. Unless it is the default, the columns of a Parquet file are encoded again, not copied.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub encoding: Encoding,
}

/// The encoding of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct Encoding {
    /// Compress the output with this codec; the columns of a Parquet file are then encoded again [default: zstd; Arrow IPC:
    /// none; text: gzip if it is named *.gz]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "CODEC", value_parser = super::flags::words::<Codec>(Codec::WORDS))
    )]
    pub compression: Option<Codec>,
    /// Maximum rows of a Parquet row group; the columns of a Parquet file are then encoded again [default: 1048576]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub row_group_size: Option<usize>,
    /// Format of stdout [default: arrow, a stream]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "FORMAT", value_parser = super::flags::words::<StreamFormat>(StreamFormat::WORDS))
    )]
    pub output_format: Option<StreamFormat>,
}

impl TransformConfig {
    /// The same for rows that are read and not written.
    pub(crate) fn check_unwritten(&self) -> Result<()> {
        match &self.quarantine {
            Some(path) => {
                let range = "left out, since the rows are read and not written";
                Err(Error::OptionRange { option: "quarantine", value: path.display().to_string(), range })
            }
            None => self.check(),
        }
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("explain", Some(self.explain), "0 to 1000", |v| v <= 1000)?;
        within("expected", self.expected, "between 0 and 1", |v| v > 0.0 && v < 1.0)?;
        within("min_alerts", self.min_alerts, "1 or more", |v| v >= 1)?;
        check_decision(self.decision, self.ignore_above_p)?;
        self.output.check()
    }
}

impl OutputConfig {
    /// Checks every option against its range.
    pub(crate) fn check(&self) -> Result<()> {
        within("row_group_size", self.encoding.row_group_size, "1 or more", |v| v >= 1)
    }
}
