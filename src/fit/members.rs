//! The members of a fit: networks trained one after the other, each from its own weights and noise, on the same rows.

use super::checkpoint::CheckpointWriter;
use super::rows::FitRows;
use super::training_loop::{TrainedNetwork, TrainingLoop, TrainingTask};
use crate::artifact::History;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::{Trainer, Weights};
use crate::pipeline::{Progress, Run};

/// The members to train.
pub(super) struct Members<'a> {
    pub(super) layout: &'a Layout,
    pub(super) rows: &'a FitRows,
    pub(super) training: &'a Training,
    /// The refit, if there is one.
    pub(super) refit: Option<&'a Refit>,
    pub(super) keep_partial: bool,
    /// Makes the trainer of network `n` in its first state.
    pub(super) trainer: &'a dyn Fn(usize) -> Result<Trainer>,
}

/// A second training, from the first state and for the best number of epochs, on the training and validation rows
/// together: a small table misses its validation rows.
pub(super) struct Refit {
    pub(super) rows: FitRows,
    pub(super) training: Training,
}

/// The trained members; at least one.
pub(super) struct TrainedMembers {
    pub(super) weights: Vec<Weights>,
    /// The history of the first one.
    pub(super) history: History,
    /// Training rows of all epochs of all members.
    pub(super) trained_rows: u64,
    /// Whether the fit was asked to stop before all members were trained.
    pub(super) interrupted: bool,
}

impl Members<'_> {
    /// Trains all members. Asked to stop where a partial result is kept, it returns the members trained so far, and of
    /// the first one the best weights so far.
    ///
    /// # Errors
    /// As [`TrainingLoop::run`].
    pub(super) fn train(&self, run: &mut Run<'_>, checkpoint: &mut Option<CheckpointWriter>) -> Result<TrainedMembers> {
        let mut done = checkpoint.as_ref().map(|checkpoint| checkpoint.finished().to_vec()).unwrap_or_default();
        let mut interrupted = false;
        while done.len() < self.training.members && !interrupted {
            let n = done.len();
            let trained = if n == 0 {
                self.train_one(n, self.keep_partial, run, checkpoint)
            } else {
                tracing::info!("training network {} of {}", n + 1, self.training.members);
                self.train_one(n, false, &mut without_epochs(run), checkpoint)
            };
            match trained {
                Err(Error::Interrupted) if n > 0 && self.keep_partial => interrupted = true,
                trained => {
                    let TrainedNetwork { weights, history, interrupted: ended } = trained?;
                    interrupted = ended;
                    if let Some(checkpoint) = checkpoint.as_mut().filter(|_| !ended) {
                        checkpoint.finish(weights.clone(), history.clone());
                    }
                    done.push((weights, history));
                }
            }
        }
        let (weights, histories): (_, Vec<History>) = done.into_iter().unzip();
        let trained_rows = histories.iter().map(|history| self.count_rows(history)).sum();
        let history = histories.into_iter().next().ok_or(Error::Interrupted)?;
        Ok(TrainedMembers { weights, history, trained_rows, interrupted })
    }

    /// Counts the training rows of all epochs of one member.
    fn count_rows(&self, history: &History) -> u64 {
        let refit = self.refit.filter(|_| history.refit);
        let refit = refit.map_or(0, |refit| refit.rows.training.len() * history.best_epoch);
        (self.rows.training.len() * history.epochs.len() + refit) as u64
    }

    /// Trains network `n`, and refits it if there is a refit.
    fn train_one(
        &self,
        n: usize,
        keep_partial: bool,
        run: &mut Run<'_>,
        checkpoint: &mut Option<CheckpointWriter>,
    ) -> Result<TrainedNetwork> {
        let of_member = |training: &Training| Training { seed: self.training.member_seed(n), ..training.clone() };
        let training = of_member(self.training);
        let mut trainer = (self.trainer)(n)?;
        // A large network takes its time.
        run.stopper().check()?;
        let first = self.refit.is_some().then(|| trainer.checkpoint()).transpose()?;
        let (layout, rows, epochs) = (self.layout, self.rows, training.epochs);
        let task = TrainingTask { layout, rows, training: &training, epochs, keep_partial };
        let trained = TrainingLoop::new(task, &mut trainer, checkpoint.as_mut())?.run(run)?;
        let Some((refit, first)) = self.refit.zip(first).filter(|_| !trained.interrupted) else {
            return Ok(trained);
        };
        let epochs = trained.history.best_epoch;
        tracing::info!("training again on training and validation rows, for {epochs} epochs");
        trainer.restore(&first)?;
        let training = of_member(&refit.training);
        let task = TrainingTask { layout, rows: &refit.rows, training: &training, epochs, keep_partial: false };
        match TrainingLoop::new(task, &mut trainer, None)?.run(&mut without_epochs(run)) {
            Err(Error::Interrupted) if keep_partial => Ok(TrainedNetwork { interrupted: true, ..trained }),
            again => {
                let (before, TrainedNetwork { weights, history, .. }) = (trained.history, again?);
                let rollbacks = before.rollbacks + history.rollbacks;
                let history = History { held_out_loss: history.held_out_loss, rollbacks, refit: true, ..before };
                Ok(TrainedNetwork { weights, history, interrupted: false })
            }
        }
    }
}

/// A run that reports no epochs: those of the work are not in the history of the fit.
pub(super) fn without_epochs<'r>(run: &'r mut Run<'_>) -> Run<'r> {
    let (stop, threads) = (run.stopper().clone(), run.workers());
    Run::new().stop(&stop).threads(threads).on_progress(|progress| {
        if !matches!(progress, Progress::Epoch { .. }) {
            run.report(progress);
        }
    })
}
