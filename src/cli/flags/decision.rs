//! The flags that say what makes a row an anomaly.

use clap::Args;
use vaepipe::Decision;

use crate::cli::failure::Failure;
use crate::cli::output::percent;

/// At most one of these.
#[derive(Debug, Args)]
#[command(next_help_heading = "Anomalies", allow_negative_numbers = true)]
pub(crate) struct DecisionFlags {
    /// A row is an anomaly if its p-value is at most this [default: that of the fit, 0.01 unless set]
    #[arg(long, value_name = "P", conflicts_with_all = ["threshold", "contamination", "fdr"])]
    alpha: Option<f64>,
    /// A row is an anomaly if its anomaly_score is at least this [default: none]
    #[arg(long, value_name = "SCORE", conflicts_with_all = ["contamination", "fdr"])]
    threshold: Option<f64>,
    /// A row is an anomaly if it scores as high as the top of the training rows, of this share: 0.002 flags about 2 of 1,000;
    /// auto estimates the share. In a fit it also states that the training rows hold anomalies [default: none]
    #[arg(long, value_name = "SHARE", value_parser = contamination, conflicts_with = "fdr")]
    contamination: Option<Decision>,
    /// As many rows are anomalies as keep the share of false alarms among them at this (false discovery rate,
    /// Benjamini-Hochberg); reads the input twice [default: none]
    #[arg(long, value_name = "SHARE")]
    fdr: Option<f64>,
    /// Beside the rule above, an anomaly must have a p-value of at most this: bounds --threshold, --contamination and --fdr
    /// [default: that of the fit, none unless set]
    #[arg(long, value_name = "P")]
    ignore_above_p: Option<f64>,
}

impl DecisionFlags {
    /// The highest p-value of an anomaly.
    pub(crate) fn ignore_above_p(&self) -> Option<f64> {
        self.ignore_above_p
    }

    /// The decision asked for.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there are several, which variables and files may ask for.
    pub(crate) fn decision(&self) -> Result<Option<Decision>, Failure> {
        let Self { alpha, threshold, contamination, fdr, .. } = *self;
        let all =
            [alpha.map(Decision::Alpha), threshold.map(Decision::Threshold), contamination, fdr.map(Decision::Fdr)];
        let mut asked = all.into_iter().flatten();
        let decision = asked.next();
        if asked.next().is_some() {
            return Err(Failure::usage(
                "alpha, threshold, contamination and fdr are set together, but only one can be",
            ));
        }
        Ok(decision)
    }
}

/// Reads a share, or the word auto.
fn contamination(text: &str) -> Result<Decision, String> {
    match text {
        "auto" => Ok(Decision::AutoContamination),
        _ => text.parse().map(Decision::Contamination).map_err(|_| "neither auto nor a number".to_owned()),
    }
}

/// What makes a row an anomaly, in words.
pub(crate) fn because(decision: Decision, ignored: Option<f64>) -> String {
    let rule = rule(decision);
    ignored.map_or(rule.clone(), |most| format!("{rule}, and p_value at most {most}"))
}

fn rule(decision: Decision) -> String {
    match decision {
        Decision::Alpha(alpha) => format!("p_value at most {alpha}"),
        Decision::Threshold(score) => format!("anomaly_score at least {score}"),
        Decision::Contamination(share) => {
            format!("anomaly_score in the top {} of the training rows", percent(share))
        }
        Decision::Fdr(rate) => format!("false discovery rate {rate}"),
        other => format!("{other:?}"),
    }
}
