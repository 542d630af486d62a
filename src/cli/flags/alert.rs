//! `--fail-on-anomaly-rate` and `--fail-on-drift`: an exit code for whoever waits for one.

use clap::Args;
use vaepipe::{Drift, Error, Model, TransformConfig, Transformed};

use crate::cli::failure::Failure;
use crate::cli::output::drift_summary::moved;
use crate::cli::output::percent;

/// When a run ends with the exit code of an alert.
#[derive(Debug, Args)]
#[command(next_help_heading = "Anomalies")]
pub(crate) struct AlertFlag {
    /// Exit with code 3, once the output is complete, if more than this share of the rows are anomalies [default: none]
    #[arg(long, value_name = "SHARE")]
    fail_on_anomaly_rate: Option<f64>,
    #[command(flatten)]
    drift: DriftFlag,
}

/// When drift ends a run with the exit code of an alert.
#[derive(Debug, Args)]
#[command(next_help_heading = "Anomalies")]
pub(crate) struct DriftFlag {
    /// Exit with code 3, once the output is complete, if the population stability index (PSI) of a learned column, a latent
    /// or the score is above this and above chance; 0.1 and 0.25 are usual [default: none]
    #[arg(long, value_name = "PSI")]
    fail_on_drift: Option<f64>,
}

/// What ends a run with the exit code of an alert.
pub(crate) struct Alert {
    /// The share of anomalies above which it does.
    rate: Option<f64>,
    drift: Limit,
}

/// The index above which drift is an alert.
#[derive(Clone, Copy)]
pub(crate) struct Limit(Option<f64>);

impl AlertFlag {
    /// # Errors
    /// [`Error::OptionRange`].
    pub(crate) fn alert(self) -> Result<Alert, Failure> {
        let (rate, drift) = (self.fail_on_anomaly_rate, self.drift.limit()?);
        match rate.filter(|rate| !(0.0..1.0).contains(rate)) {
            Some(rate) => {
                let value = rate.to_string();
                Err(Error::OptionRange { option: "fail_on_anomaly_rate", value, range: "0 or more and below 1" }.into())
            }
            None => Ok(Alert { rate, drift }),
        }
    }
}

impl DriftFlag {
    /// # Errors
    /// [`Error::OptionRange`].
    pub(crate) fn limit(self) -> Result<Limit, Failure> {
        match self.fail_on_drift.filter(|limit| !(limit.is_finite() && *limit >= 0.0)) {
            Some(limit) => {
                let value = limit.to_string();
                Err(Error::OptionRange { option: "fail_on_drift", value, range: "0 or more" }.into())
            }
            None => Ok(Limit(self.fail_on_drift)),
        }
    }
}

/// # Errors
/// [`Failure::Usage`] if the model stores no drift baseline.
pub(crate) fn check_spread(model: &Model) -> Result<(), Failure> {
    if model.knows_drift() {
        return Ok(());
    }
    Err(Failure::Usage {
        fault: "this model stores no drift baseline".to_owned(),
        hint: Some("fit a new model with this version".to_owned()),
    })
}

impl Limit {
    /// Above what drift is worth a word.
    pub(crate) fn worth_a_word(self) -> f64 {
        self.0.unwrap_or(Drift::SHIFTED)
    }

    /// Refuses to wait for an alert that cannot come.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the model stores no drift baseline.
    pub(crate) fn check_model(self, model: &Model) -> Result<(), Failure> {
        self.0.map_or(Ok(()), |_| check_spread(model))
    }

    /// What to say if something drifts by more.
    fn fault(self, drift: Option<&Drift>) -> Option<String> {
        let limit = self.0?;
        let moved = moved(drift?, limit)?;
        Some(format!("drift above {limit}: {moved}"))
    }

    /// # Errors
    /// [`Failure::Alert`] if something drifts by more.
    pub(crate) fn check(self, drift: Option<&Drift>) -> Result<(), Failure> {
        self.fault(drift).map_or(Ok(()), |fault| Err(Failure::Alert(fault)))
    }
}

impl Alert {
    /// Above what drift is worth a word.
    pub(crate) fn drift(&self) -> Limit {
        self.drift
    }

    /// Refuses to wait for an alert that cannot come.
    ///
    /// # Errors
    /// Those of [`Scoring::check`](vaepipe::Scoring::check); [`Failure::Usage`] if nothing says what drifts.
    pub(crate) fn check_model(&self, model: &Model, config: &TransformConfig) -> Result<(), Failure> {
        self.drift.check_model(model)?;
        self.rate.map_or(Ok(()), |_| Ok(model.metadata().scoring.check(config.decision)?))
    }

    /// # Errors
    /// [`Failure::Alert`] if there are more anomalies, or more drift.
    pub(crate) fn check(&self, done: &Transformed) -> Result<(), Failure> {
        let rate = match (self.rate, done.anomaly_rate()) {
            (Some(most), Some(rate)) if rate > most => {
                Some(format!("{} of the rows are anomalies, more than {}", percent(rate), percent(most)))
            }
            _ => None,
        };
        let faults: Vec<String> = rate.into_iter().chain(self.drift.fault(done.drift.as_ref())).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Alert(faults.join("; "))) }
    }
}
