//! Progress of a run.

use serde::{Deserialize, Serialize};

/// A step of a run's progress.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Rows were carried from a source to a sink.
    Rows {
        /// Rows of this run so far.
        rows: u64,
    },
    /// The columns and the network were chosen, before the training.
    Chosen {
        /// The columns to learn.
        columns: &'a [String],
        /// Width of the latent space.
        latent_dim: usize,
    },
    /// Rows were read for the statistics of their columns.
    Read {
        /// Rows so far; approximate, since columns are read apart.
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
    /// An epoch was trained and validated.
    Epoch {
        /// Its number and losses.
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

/// An epoch of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean training loss in nats per row, at the final KL weight, measured while the weights changed.
    pub train_loss: f64,
    /// Mean validation loss in nats per row, at the final KL weight; absent without validation rows.
    pub validation_loss: Option<f64>,
    /// The KL term of `train_loss`, unweighted.
    pub kl: f64,
}
