//! `--fail-on-anomaly-rate`: an exit code for whoever waits for one.

use vaepipe::{Error, Model, TransformConfig, Transformed};

use super::exit::Failure;
use super::transform::percent;

/// The share of anomalies above which a run ends with the exit code of an alert.
pub(super) struct Alert(Option<f64>);

impl Alert {
    /// # Errors
    /// [`Error::OptionRange`].
    pub(super) fn above(rate: Option<f64>) -> Result<Self, Failure> {
        match rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            Some(rate) => {
                let value = rate.to_string();
                Err(Error::OptionRange { option: "fail_on_anomaly_rate", value, range: "0 to 1" }.into())
            }
            None => Ok(Self(rate)),
        }
    }

    /// Refuses to wait for an alert that cannot come.
    ///
    /// # Errors
    /// [`Failure::Usage`] if nothing says which rows are anomalies.
    pub(super) fn check_model(&self, model: &Model, config: &TransformConfig) -> Result<(), Failure> {
        let name = format!("{}is_anomaly", config.prefix);
        if self.0.is_none() || model.new_columns(config)?.field_with_name(&name).is_ok() {
            return Ok(());
        }
        Err(Failure::Usage {
            fault: "the model has no calibration rows, so that nothing says which rows are anomalies".to_owned(),
            hint: Some("--contamination or --threshold says it".to_owned()),
        })
    }

    /// # Errors
    /// [`Failure::Alert`] if there are more anomalies.
    pub(super) fn check(&self, done: &Transformed) -> Result<(), Failure> {
        match (self.0, done.anomaly_rate()) {
            (Some(most), Some(rate)) if rate > most => {
                Err(Failure::Alert(format!("{} of the rows are anomalies, more than {}", percent(rate), percent(most))))
            }
            _ => Ok(()),
        }
    }
}
