//! Options of an export to ONNX.

use super::{Decision, check_decision, within};
use crate::error::Result;

/// Options of an export to ONNX.
///
/// ```
/// let mut config = vaepipe::ExportConfig::new();
/// config.score = vec!["elbo".to_owned()];
/// config.std = true;
/// assert!(config.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct ExportConfig {
    /// Version of the ONNX operators, 13 to 23; onnxruntime runs 17 since version 1.12.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 17))]
    pub opset: usize,
    /// Put this before the name of every output.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", default_value = "", hide_default_value = true))]
    pub prefix: String,
    /// Add z_std, the posterior standard deviations.
    #[cfg_attr(feature = "cli", arg(long))]
    pub std: bool,
    /// Add these scores, or all but elbo_iw, which draws random numbers.
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ',', value_name = "NAME,..."))]
    pub score: Vec<String>,
    /// Add reconstruction, what the decoder expects of every learned value: a number on the model's scale, the probability of a
    /// true Boolean or of each class.
    #[cfg_attr(feature = "cli", arg(long))]
    pub reconstruction: bool,
    /// The rule that makes a row an anomaly. `None`: that of the fit.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub decision: Option<Decision>,
    /// The highest p-value of an anomaly. `None`: that of the fit.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub ignore_above_p: Option<f64>,
}

impl Default for ExportConfig {
    fn default() -> Self {
        let (prefix, score) = (String::new(), Vec::new());
        Self { opset: 17, prefix, std: false, score, reconstruction: false, decision: None, ignore_above_p: None }
    }
}

impl ExportConfig {
    /// Latents, recon_error, anomaly_score, p_value and is_anomaly, in operators of version 17.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("opset", Some(self.opset), "13 to 23", |v| (13..=23).contains(&v))?;
        check_decision(self.decision, self.ignore_above_p)
    }
}
