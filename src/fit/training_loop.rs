//! The epoch loop of one network: early stop, best weights, and the way back from a loss that is not finite.

use std::ops::ControlFlow;

use super::checkpoint::{CheckpointWriter, EpochPass, TrainingState};
use super::encoded_rows::EncodedRows;
use super::losses::row_losses;
use super::rows::{FitRows, StepRows};
use super::schedule::Schedule;
use super::trimming::trimming_numbers;
use crate::artifact::History;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::{Step, Trainer, Weights, mean_of_best};
use crate::numerics::RandomStream;
use crate::pipeline::{Epoch, Progress, Run, Stop};

/// The factor of the learning rate at a roll-back.
const ROLLBACK_LR: f64 = 0.25;

/// Roll-backs after which a fit gives up: by then the rate is a 4096th.
const MOST_ROLLBACKS: usize = 6;

/// What to train a network on, and how.
#[derive(Clone, Copy)]
pub(super) struct TrainingTask<'a> {
    pub(super) layout: &'a Layout,
    pub(super) rows: &'a FitRows,
    pub(super) training: &'a Training,
    /// Epochs to train for; the schedule is that of all epochs of `training`.
    pub(super) epochs: usize,
    /// Whether a loop that is asked to stop ends with the best weights so far, if an epoch is done.
    pub(super) keep_partial: bool,
}

/// A trained network.
pub(super) struct TrainedNetwork {
    pub(super) weights: Weights,
    pub(super) history: History,
    /// Whether it was asked to stop.
    pub(super) interrupted: bool,
}

/// The means of an epoch's training rows, nats a row.
struct EpochMeans {
    nll: f64,
    kl: f64,
}

/// The epoch loop of one network.
pub(super) struct TrainingLoop<'a> {
    task: TrainingTask<'a>,
    trainer: &'a mut Trainer,
    checkpoint: Option<&'a mut CheckpointWriter>,
    schedule: Schedule,
    state: TrainingState,
}

impl<'a> TrainingLoop<'a> {
    /// Starts at the state of `trainer`, or resumes from the checkpoint.
    ///
    /// # Errors
    /// The device's, and those of the rows.
    pub(super) fn new(
        task: TrainingTask<'a>,
        trainer: &'a mut Trainer,
        mut checkpoint: Option<&'a mut CheckpointWriter>,
    ) -> Result<Self> {
        let state = match checkpoint.as_mut().and_then(|checkpoint| checkpoint.take_resumed()) {
            Some((state, now)) => {
                trainer.restore(&now)?;
                state
            }
            None => TrainingState {
                history: History { epochs: Vec::new(), best_epoch: 0, held_out_loss: None, rollbacks: 0, refit: false },
                lr_scale: 1.0,
                last_good: trainer.checkpoint()?,
                best: None,
                pass: EpochPass::default(),
            },
        };
        let TrainingTask { layout, rows, training, .. } = task;
        if training.trim > 0.0 {
            trainer.trim_by(trimming_numbers(&rows.training, layout, training.trim)?);
        }
        Ok(Self { task, trainer, checkpoint, schedule: Schedule::new(training), state })
    }

    /// Trains all epochs, or until patience is spent; returns the best weights and the history.
    ///
    /// # Errors
    /// [`Error::Diverged`] when roll-backs do not help; [`Error::Interrupted`], unless the best weights so far are kept;
    /// the source's, and those of the checkpoint.
    pub(super) fn run(mut self, run: &mut Run<'_>) -> Result<TrainedNetwork> {
        run.stopper().check()?;
        while self.state.history.epochs.len() < self.task.epochs {
            match self.epoch(run) {
                Err(Error::Interrupted) if self.task.keep_partial && !self.state.history.epochs.is_empty() => {
                    return Ok(self.best(true));
                }
                outcome => {
                    if outcome?.is_break() {
                        break;
                    }
                }
            }
        }
        self.finish(run.stopper())
    }

    /// Trains and validates one epoch, and rolls it back if a loss is not finite; breaks when patience is spent.
    fn epoch(&mut self, run: &mut Run<'_>) -> Result<ControlFlow<()>> {
        let outcome = self.train_and_validate(run);
        if matches!(outcome, Err(Error::Interrupted)) && self.is_checkpoint_worthwhile() && self.read_losses()? {
            self.save_checkpoint()?;
        }
        let (means, validation_loss) = outcome?;
        self.state.pass = EpochPass::default();
        let Some(means) = means.filter(|_| validation_loss.is_none_or(f64::is_finite)) else {
            self.roll_back()?;
            return Ok(ControlFlow::Continue(()));
        };
        self.record(&means, validation_loss, run);
        self.state.last_good = self.trainer.checkpoint()?;
        let flow = self.compare_with_best(validation_loss);
        if flow.is_continue() && self.is_checkpoint_worthwhile() {
            self.save_checkpoint()?;
        }
        Ok(flow)
    }

    /// The means of the epoch, `None` if a loss or gradient was not finite, and the validation loss, if there are
    /// validation rows.
    fn train_and_validate(&mut self, run: &mut Run<'_>) -> Result<(Option<EpochMeans>, Option<f64>)> {
        let Some(means) = self.train_epoch(run)? else { return Ok((None, None)) };
        Ok((Some(means), self.mean_loss(&self.task.rows.validation, run.stopper())?))
    }

    /// Takes the gradient steps of the epoch that are still to do. `None` if a loss or gradient was not finite.
    fn train_epoch(&mut self, run: &mut Run<'_>) -> Result<Option<EpochMeans>> {
        let TrainingTask { layout, rows, training, epochs, .. } = self.task;
        let Training { batch_size, mask_rate, input_noise, seed, .. } = *training;
        let (epoch, steps, done) = (self.state.history.epochs.len(), self.steps(), self.state.pass.steps);
        let [hidden, blur, noise] =
            ["hide", "blur", "noise"].map(|name| RandomStream::new(seed, name).child(epoch as u64));
        let (feed, values) = (self.trainer.feed(), layout.values());
        let resident = rows.training.resident(&feed, layout)?;
        let needs_values = resident.is_none() || mask_rate > 0.0 || input_noise > 0.0;
        let input = move |StepRows { mut batch, places, pairs }: StepRows| {
            if mask_rate > 0.0 {
                batch.hide(mask_rate, hidden);
            }
            if input_noise > 0.0 {
                batch.blur(input_noise, values, blur);
            }
            match &resident {
                Some(resident) => feed.gather(resident, &places, batch, pairs, noise),
                None => feed.input(batch, pairs, noise),
            }
        };
        let inputs = rows.epoch(epoch as u64, batch_size, layout, needs_values, input)?;
        for (step, input) in inputs.take(steps).enumerate() {
            run.stopper().check()?;
            let input = input?;
            if step < done {
                continue;
            }
            let settings = self.step_settings(step);
            self.trainer.step(&input, &settings)?;
            run.report(Progress::Step { epoch: epoch + 1, epochs, step: step + 1, steps });
            self.state.pass.steps = step + 1;
            let save = self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.is_due());
            if (save || self.trainer.should_read()) && !self.read_losses()? {
                return Ok(None);
            }
            if save {
                self.save_checkpoint()?;
            }
        }
        if !self.read_losses()? {
            return Ok(None);
        }
        let pass = self.state.pass;
        let rows_seen = pass.rows.max(1) as f64;
        Ok(Some(EpochMeans { nll: pass.nll / rows_seen, kl: pass.kl / rows_seen }))
    }

    /// Adds the losses of the steps since the last reading to those of the epoch. False if one was not finite.
    fn read_losses(&mut self) -> Result<bool> {
        let Some(sums) = self.trainer.read()? else { return Ok(false) };
        let pass = &mut self.state.pass;
        (pass.rows, pass.nll, pass.kl) = (pass.rows + sums.rows, pass.nll + sums.nll, pass.kl + sums.kl);
        Ok(true)
    }

    /// The first step of the epoch under way, counted over all epochs.
    fn first_step(&self) -> usize {
        self.state.history.epochs.len() * self.task.training.steps_per_epoch
    }

    /// Number of steps of the epoch under way; the last one may be cut short.
    fn steps(&self) -> usize {
        let training = self.task.training;
        training.steps_per_epoch.min(training.steps - self.first_step())
    }

    fn step_settings(&self, step: usize) -> Step {
        let (training, step) = (self.task.training, self.first_step() + step);
        Step {
            lr: self.state.lr_scale * self.schedule.lr(step),
            beta: self.schedule.beta(step),
            free_bits: training.free_bits,
            clip_norm: training.clip_norm,
            trim: training.trim,
            neighbor_weight: training.neighbor_weight * self.task.layout.inputs() as f64,
        }
    }

    /// The mean loss of held-out rows, trimmed as in training; `None` without rows.
    fn mean_loss(&mut self, rows: &EncodedRows, stop: &Stop) -> Result<Option<f64>> {
        let TrainingTask { layout, training, .. } = self.task;
        let losses = row_losses(self.trainer, rows, layout, training, stop)?;
        Ok((!losses.is_empty()).then(|| mean_of_best(losses, training.trim)))
    }

    /// Goes back to the last good state, at a lower learning rate.
    fn roll_back(&mut self) -> Result<()> {
        let state = &mut self.state;
        let epoch = state.history.epochs.len() + 1;
        state.history.rollbacks += 1;
        state.lr_scale *= ROLLBACK_LR;
        let lr = state.lr_scale * self.task.training.lr;
        if state.history.rollbacks > MOST_ROLLBACKS {
            return Err(Error::Diverged { epoch, rollbacks: MOST_ROLLBACKS, lr });
        }
        tracing::warn!("epoch {epoch}: the loss is not finite; back to the last good state, learning rate now {lr:e}");
        self.trainer.restore(&state.last_good)
    }

    /// Adds the epoch to the history, and reports it.
    fn record(&mut self, means: &EpochMeans, validation_loss: Option<f64>, run: &mut Run<'_>) {
        let TrainingTask { rows, training, .. } = self.task;
        let (epoch, steps) = (self.state.history.epochs.len() + 1, self.steps());
        let last = self.step_settings(steps.saturating_sub(1));
        let done = Epoch { epoch, train_loss: means.nll + training.beta * means.kl, validation_loss, kl: means.kl };
        self.state.history.epochs.push(done);
        run.report(Progress::Epoch {
            epoch: &done,
            epochs: training.epochs,
            rows: rows.training.len() * steps / training.steps_per_epoch,
            lr: last.lr,
            beta: last.beta,
        });
    }

    /// Keeps the weights if they are the best since the KL weight reached its final value; breaks when patience is spent.
    fn compare_with_best(&mut self, validation_loss: Option<f64>) -> ControlFlow<()> {
        let (training, state) = (self.task.training, &mut self.state);
        let epoch = state.history.epochs.len();
        if self.schedule.warmed_up((epoch * training.steps_per_epoch).min(training.steps)) {
            // Without validation rows, the last weights are the best known; and neighbours are closest in them, of which the
            // validation loss knows nothing.
            let loss = validation_loss.filter(|_| training.neighbors == 0).unwrap_or(f64::NEG_INFINITY);
            if state.best.as_ref().is_none_or(|(least, _)| loss <= *least) {
                state.best = Some((loss, state.last_good.weights.clone()));
                state.history.best_epoch = epoch;
            } else if training.patience > 0 && epoch - state.history.best_epoch >= training.patience {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn is_checkpoint_worthwhile(&self) -> bool {
        self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.is_worthwhile())
    }

    /// Writes the checkpoint, if there is one.
    fn save_checkpoint(&mut self) -> Result<()> {
        match &mut self.checkpoint {
            Some(checkpoint) => checkpoint.save(&self.trainer.checkpoint()?, &self.state),
            None => Ok(()),
        }
    }

    /// Measures the best weights on the calibration rows.
    fn finish(mut self, stop: &Stop) -> Result<TrainedNetwork> {
        if let Some((_, weights)) = &self.state.best {
            self.state.last_good.weights = weights.clone();
        }
        self.trainer.restore(&self.state.last_good)?;
        let rows = &self.task.rows.calibration;
        match self.mean_loss(rows, stop) {
            Err(Error::Interrupted) if self.task.keep_partial => Ok(self.best(true)),
            loss => {
                self.state.history.held_out_loss = loss?;
                Ok(self.best(false))
            }
        }
    }

    /// The best weights and the history.
    fn best(self, interrupted: bool) -> TrainedNetwork {
        let TrainingState { mut history, last_good, best, .. } = self.state;
        let weights = match best {
            Some((_, weights)) => weights,
            // The KL weight was still rising.
            None => {
                history.best_epoch = history.epochs.len();
                last_good.weights
            }
        };
        TrainedNetwork { weights, history, interrupted }
    }
}

#[cfg(test)]
mod tests;
