//! The course of a fit, epoch by epoch.

use serde::{Deserialize, Serialize};

use crate::pipeline::Epoch;

/// The course of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct History {
    /// Every epoch trained.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept, or the number of epochs of the refit.
    pub best_epoch: usize,
    /// Loss of the kept weights on the calibration rows, nats a row; absent without such rows.
    pub held_out_loss: Option<f64>,
    /// How often a loss was not finite, so that the last good state was restored with a lower learning rate.
    pub rollbacks: usize,
    /// Whether the kept weights come from a refit: as many epochs on the training and validation rows together.
    pub refit: bool,
}

impl History {
    /// Loss of the kept weights on the validation rows, nats a row; absent without such rows.
    pub fn validation_loss(&self) -> Option<f64> {
        self.epochs.get(self.best_epoch.checked_sub(1)?)?.validation_loss
    }
}
