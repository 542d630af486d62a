//! What a run tells its caller while it goes on.

use serde::{Deserialize, Serialize};

/// A sign of life of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Rows were carried from a source to a sink.
    Rows {
        /// Rows so far.
        rows: u64,
    },
    /// What to learn is decided, before anything is trained.
    Chosen {
        /// The columns to learn.
        columns: &'a [String],
        /// Width of the latent space.
        latent_dim: usize,
    },
    /// Rows were read for the statistics of their columns.
    Read {
        /// Rows so far; of some columns more, of some fewer.
        rows: u64,
        /// Rows in all.
        of: u64,
    },
    /// Rows were read again and encoded.
    Encoded {
        /// Rows so far.
        rows: u64,
        /// Rows in all.
        of: u64,
    },
    /// A gradient step was taken.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Most epochs the fit may take.
        epochs: usize,
        /// Steps taken in this epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
    },
    /// An epoch was trained and its weights were measured.
    Epoch {
        /// What came of it.
        epoch: &'a Epoch,
        /// Most epochs the fit may take.
        epochs: usize,
        /// Training rows of an epoch.
        rows: usize,
        /// Learning rate of the epoch's last step.
        lr: f64,
        /// KL weight of the epoch's last step.
        beta: f64,
    },
}

/// One epoch of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss of the training rows, nats a row, at the final KL weight, measured while the weights moved.
    pub train_loss: f64,
    /// Mean loss of the rows that choose the weights, nats a row, at the final KL weight; absent without such rows.
    pub validation_loss: Option<f64>,
    /// The KL part of `train_loss`, before its weight.
    pub kl: f64,
}
