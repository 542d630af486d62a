//! What a fit tells its caller while it goes on.

use crate::artifact::Epoch;
use crate::pipeline::Stop;

/// A sign of life of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
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

/// How a caller follows a fit, and stops it.
pub(super) struct FitWatch<'a> {
    pub(super) stop: &'a Stop,
    /// Asked to stop, a fit ends with the best weights so far, if it has any.
    pub(super) keep_partial: bool,
    pub(super) on_progress: &'a mut dyn FnMut(Progress<'_>),
}

impl FitWatch<'_> {
    /// Does work whose epochs are not those of the fit's history, and of which a part is not kept.
    pub(super) fn steps_only<T>(&mut self, work: impl FnOnce(&mut FitWatch<'_>) -> T) -> T {
        let on_progress = &mut self.on_progress;
        let mut steps_only = |progress: Progress<'_>| {
            if !matches!(progress, Progress::Epoch { .. }) {
                on_progress(progress);
            }
        };
        work(&mut FitWatch { stop: self.stop, keep_partial: false, on_progress: &mut steps_only })
    }
}
