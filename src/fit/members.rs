//! The networks of a fit, trained one after the other: each from its own weights and noise, on the same rows.

use super::checkpoint::CheckpointWriter;
use super::rows::FitRows;
use super::train::{self, Trained};
use super::watch::FitWatch;
use crate::artifact::History;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::{Trainer, Weights};

/// What it takes to train them.
pub(super) struct Members<'a> {
    pub(super) layout: &'a Layout,
    pub(super) training: &'a Training,
    pub(super) rows: &'a FitRows,
    /// What to train each of them on once more, if anything: rows among which are those that chose.
    pub(super) again: Option<(&'a FitRows, &'a Training)>,
    /// Makes a trainer of network `n` where its training begins.
    pub(super) trainer: &'a dyn Fn(usize) -> Result<Trainer>,
}

/// Trained networks; at least one.
pub(super) struct TrainedMembers {
    pub(super) weights: Vec<Weights>,
    /// How the first one went.
    pub(super) history: History,
    /// Rows of all epochs of all of them.
    pub(super) trained_rows: u64,
    /// Whether it ended because it was asked to, and some are missing or the only one is not done.
    pub(super) interrupted: bool,
}

impl Members<'_> {
    /// Trains all of them, or, asked to stop where what there is is to be kept, those that are done by then, and of the
    /// first what there is.
    ///
    /// # Errors
    /// As [`train::train`].
    pub(super) fn train(
        &self,
        watch: &mut FitWatch<'_>,
        keeper: &mut Option<CheckpointWriter>,
    ) -> Result<TrainedMembers> {
        let mut done = keeper.as_ref().map(|keeper| keeper.finished().to_vec()).unwrap_or_default();
        let mut interrupted = false;
        while done.len() < self.training.members && !interrupted {
            let n = done.len();
            let trained = if n == 0 {
                self.one(n, watch, keeper)
            } else {
                tracing::info!("training network {} of {}", n + 1, self.training.members);
                watch.steps_only(|watch| self.one(n, watch, keeper))
            };
            match trained {
                Err(Error::Interrupted) if n > 0 && watch.keep_partial => interrupted = true,
                trained => {
                    let Trained { weights, history, interrupted: ended } = trained?;
                    interrupted = ended;
                    if let Some(keeper) = keeper.as_mut().filter(|_| !ended) {
                        keeper.finish(weights.clone(), history.clone());
                    }
                    done.push((weights, history));
                }
            }
        }
        let (weights, histories): (_, Vec<History>) = done.into_iter().unzip();
        let trained_rows = histories.iter().map(|history| self.rows_of(history)).sum();
        let history = histories.into_iter().next().ok_or(Error::Interrupted)?;
        Ok(TrainedMembers { weights, history, trained_rows, interrupted })
    }

    /// Rows of all epochs of one.
    fn rows_of(&self, history: &History) -> u64 {
        let again = self.again.filter(|_| history.refit).map_or(0, |(rows, _)| rows.train.len() * history.best_epoch);
        (self.rows.train.len() * history.epochs.len() + again) as u64
    }

    fn one(&self, n: usize, watch: &mut FitWatch<'_>, keeper: &mut Option<CheckpointWriter>) -> Result<Trained> {
        let Self { layout, rows, .. } = *self;
        let of_member = |training: &Training| Training { seed: self.training.member_seed(n), ..training.clone() };
        let training = of_member(self.training);
        let mut trainer = (self.trainer)(n)?;
        // A large network takes its time.
        watch.stop.check()?;
        let first = self.again.is_some().then(|| trainer.checkpoint()).transpose()?;
        let trained = train::train(&mut trainer, rows, layout, (&training, training.epochs), watch, keeper)?;
        let Some(((rows, again), first)) = self.again.zip(first).filter(|_| !trained.interrupted) else {
            return Ok(trained);
        };
        tracing::info!("training again with the rows that chose, for {} epochs", trained.history.best_epoch);
        trainer.restore(&first)?;
        train::refit(&mut trainer, rows, layout, &of_member(again), trained, watch)
    }
}
