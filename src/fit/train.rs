//! The epochs: schedules, early stop, best weights, and the way back from a loss that is not finite.

use std::f64::consts::PI;

use super::checkpoint::{CheckpointWriter, EpochPass, TrainingState};
use super::encoded_rows::EncodedRows;
use super::rows::FitRows;
use super::watch::FitWatch;
use crate::artifact::History;
use crate::batch::Batch;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::{Step, Trainer, Weights, mean_of_best};
use crate::numerics::RandomStream;
use crate::pipeline::{Epoch, Progress, Stop};

/// What is left of the learning rate at the end of the cosine (Loshchilov & Hutter 2017, eq. 5).
const LR_FLOOR: f64 = 0.02;

/// What a roll-back multiplies the learning rate by.
const ROLLBACK_LR: f64 = 0.25;

/// Roll-backs after which a fit gives up: by then the rate is a 4096th.
const MOST_ROLLBACKS: usize = 6;

/// Rows of a pass without gradients.
const EVALUATE_ROWS: usize = 1024;

/// Learning rate and KL weight at a step of the budget.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Schedule {
    budget: f64,
    warmup: f64,
    lr: f64,
    beta: f64,
}

impl Schedule {
    fn new(training: &Training) -> Self {
        let budget = training.steps as f64;
        Self { budget, warmup: budget * training.kl_warmup, lr: training.lr, beta: training.beta }
    }

    /// Cosine from the highest rate at the first step to the floor at the last.
    fn lr(&self, step: usize) -> f64 {
        let cosine = (1.0 + (PI * step as f64 / self.budget).cos()) / 2.0;
        self.lr * (LR_FLOOR + (1.0 - LR_FLOOR) * cosine)
    }

    /// Linear from 0 (Bowman et al. 2016, section 3.1; Sønderby et al. 2016, section 2.3).
    fn beta(&self, step: usize) -> f64 {
        if self.warmed_up(step) { self.beta } else { self.beta * step as f64 / self.warmup }
    }

    fn warmed_up(&self, step: usize) -> bool {
        step as f64 >= self.warmup
    }
}

/// What training gives.
pub(super) struct Trained {
    pub(super) weights: Weights,
    pub(super) history: History,
    /// Whether it ended because it was asked to.
    pub(super) interrupted: bool,
}

/// Trains until `epochs` are, or patience is spent; returns the best weights and how it went. Where there is a keeper,
/// from its checkpoint on.
///
/// # Errors
/// [`Error::Diverged`] when roll-backs do not help, [`Error::Interrupted`] unless the best weights so far are to be
/// kept, the source's, and the keeper's.
pub(super) fn train(
    trainer: &mut Trainer,
    rows: &FitRows,
    layout: &Layout,
    (training, epochs): (&Training, usize),
    watch: &mut FitWatch<'_>,
    keeper: &mut Option<CheckpointWriter>,
) -> Result<Trained> {
    let schedule = Schedule::new(training);
    let resumed = keeper.as_mut().and_then(CheckpointWriter::resumed);
    let mut run = match resumed {
        Some((run, now)) => {
            trainer.restore(&now)?;
            run
        }
        None => TrainingState {
            history: History { epochs: Vec::new(), best_epoch: 0, held_out_loss: None, rollbacks: 0, refit: false },
            lr_scale: 1.0,
            last_good: trainer.checkpoint()?,
            best: None,
            pass: EpochPass::default(),
        },
    };
    watch.stop.check()?;
    let mut interrupted = false;
    while run.history.epochs.len() < epochs {
        let epoch = run.history.epochs.len();
        let first_step = epoch * training.steps_per_epoch;
        let steps = training.steps_per_epoch.min(training.steps - first_step);
        let lr_scale = run.lr_scale;
        let settings = |step: usize| Step {
            lr: lr_scale * schedule.lr(first_step + step),
            beta: schedule.beta(first_step + step),
            free_bits: training.free_bits,
            clip_norm: training.clip_norm,
            trim: training.trim,
        };
        let trained = pass(trainer, rows, steps, (layout, training), watch, settings, (&mut run, keeper));
        let outcome = trained.and_then(|trained| {
            let measured = trained.is_some();
            Ok((trained, if measured { evaluate(trainer, &rows.select, layout, training, watch.stop)? } else { None }))
        });
        if matches!(outcome, Err(Error::Interrupted))
            && let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.is_worth_it())
        {
            keeper.save(&trainer.checkpoint()?, &run)?;
        }
        let (trained, validation_loss) = match outcome {
            Err(Error::Interrupted) if watch.keep_partial && epoch > 0 => {
                interrupted = true;
                break;
            }
            outcome => outcome?,
        };
        run.pass = EpochPass::default();
        let sound = trained.filter(|_| validation_loss.is_none_or(f64::is_finite));
        let Some((nll, kl)) = sound else {
            run.history.rollbacks += 1;
            run.lr_scale *= ROLLBACK_LR;
            let lr = run.lr_scale * training.lr;
            if run.history.rollbacks > MOST_ROLLBACKS {
                return Err(Error::Diverged { epoch: epoch + 1, rollbacks: MOST_ROLLBACKS, lr });
            }
            tracing::warn!(
                "epoch {}: the loss is not finite; back to the last good state, learning rate now {lr:e}",
                epoch + 1
            );
            trainer.restore(&run.last_good)?;
            continue;
        };
        let done = Epoch { epoch: epoch + 1, train_loss: nll + training.beta * kl, validation_loss, kl };
        run.history.epochs.push(done);
        let last = settings(steps.saturating_sub(1));
        (watch.on_progress)(Progress::Epoch {
            epoch: &done,
            epochs: training.epochs,
            rows: rows.train.len() * steps / training.steps_per_epoch,
            lr: last.lr,
            beta: last.beta,
        });
        run.last_good = trainer.checkpoint()?;
        if schedule.warmed_up(first_step + steps) {
            // Without rows to choose by, the last weights are the best known.
            let reached = validation_loss.unwrap_or(f64::NEG_INFINITY);
            if run.best.as_ref().is_none_or(|(least, _)| reached <= *least) {
                run.best = Some((reached, run.last_good.weights.clone()));
                run.history.best_epoch = epoch + 1;
            } else if training.patience > 0 && epoch + 1 - run.history.best_epoch >= training.patience {
                break;
            }
        }
        if let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.is_worth_it()) {
            keeper.save(&run.last_good, &run)?;
        }
    }
    let TrainingState { mut history, mut last_good, best, .. } = run;
    match best {
        Some((_, weights)) => last_good.weights = weights,
        // Stopped while the KL weight was still rising.
        None => history.best_epoch = history.epochs.len(),
    }
    if !interrupted {
        trainer.restore(&last_good)?;
        match evaluate(trainer, &rows.calibrate, layout, training, watch.stop) {
            Err(Error::Interrupted) if watch.keep_partial => interrupted = true,
            loss => history.held_out_loss = loss?,
        }
    }
    Ok(Trained { weights: last_good.weights, history, interrupted })
}

/// Trains once more, from the start and for as many epochs as were best, on rows among which are those that chose: of a
/// small table they are too many to learn nothing from.
///
/// Asked to stop, it leaves what was trained before if that is to be kept.
///
/// # Errors
/// As [`train`].
pub(super) fn refit(
    trainer: &mut Trainer,
    rows: &FitRows,
    layout: &Layout,
    training: &Training,
    before: Trained,
    watch: &mut FitWatch<'_>,
) -> Result<Trained> {
    let budget = (training, before.history.best_epoch);
    match watch.steps_only(|watch| train(trainer, rows, layout, budget, watch, &mut None)) {
        Err(Error::Interrupted) if watch.keep_partial => Ok(Trained { interrupted: true, ..before }),
        trained => {
            let Trained { weights, history, .. } = trained?;
            let rollbacks = before.history.rollbacks + history.rollbacks;
            let history = History { held_out_loss: history.held_out_loss, rollbacks, refit: true, ..before.history };
            Ok(Trained { weights, history, interrupted: false })
        }
    }
}

/// The gradient steps of an epoch that are still to do: the rows' mean negative log-likelihood and mean KL divergence
/// over all its steps. `None` if a loss or gradient was not finite.
fn pass(
    trainer: &mut Trainer,
    rows: &FitRows,
    steps: usize,
    (layout, training): (&Layout, &Training),
    watch: &mut FitWatch<'_>,
    settings: impl Fn(usize) -> Step,
    (run, keeper): (&mut TrainingState, &mut Option<CheckpointWriter>),
) -> Result<Option<(f64, f64)>> {
    let Training { epochs, batch_size, mask_rate, .. } = *training;
    let epoch = run.history.epochs.len();
    let [hidden, noise] = ["hide", "noise"].map(|name| RandomStream::new(training.seed, name).child(epoch as u64));
    let feed = trainer.feed();
    let input = move |mut batch: Batch| {
        if mask_rate > 0.0 {
            batch.hide(mask_rate, hidden);
        }
        feed(batch, noise)
    };
    let done = run.pass.steps;
    for (step, input) in rows.epoch(epoch as u64, batch_size, layout, input)?.take(steps).enumerate() {
        watch.stop.check()?;
        let input = input?;
        if step < done {
            continue;
        }
        let Some(loss) = trainer.step(&input, &settings(step))? else { return Ok(None) };
        (watch.on_progress)(Progress::Step { epoch: epoch + 1, epochs, step: step + 1, steps });
        run.pass = EpochPass {
            steps: step + 1,
            rows: run.pass.rows + loss.nll.len(),
            nll: run.pass.nll + loss.nll.iter().sum::<f64>(),
            kl: run.pass.kl + loss.kl.iter().sum::<f64>(),
        };
        if let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.is_due()) {
            keeper.save(&trainer.checkpoint()?, run)?;
        }
    }
    let rows_seen = run.pass.rows.max(1) as f64;
    Ok(Some((run.pass.nll / rows_seen, run.pass.kl / rows_seen)))
}

/// Mean loss of held-out rows at the final KL weight and with the trim of training, with noise fixed by the seed.
fn evaluate(
    trainer: &mut Trainer,
    rows: &EncodedRows,
    layout: &Layout,
    training: &Training,
    stop: &Stop,
) -> Result<Option<f64>> {
    let losses = losses(trainer, rows, layout, training, stop)?;
    Ok((!losses.is_empty()).then(|| mean_of_best(losses, training.trim)))
}

/// The loss of each of some rows at the final KL weight, with noise fixed by the seed.
///
/// # Errors
/// The store's, and [`Error::Interrupted`].
pub(super) fn losses(
    trainer: &mut Trainer,
    rows: &EncodedRows,
    layout: &Layout,
    training: &Training,
    stop: &Stop,
) -> Result<Vec<f64>> {
    let noise = RandomStream::new(training.seed, "validation");
    let feed = trainer.feed();
    let mut losses = Vec::with_capacity(rows.len());
    for batch in rows.batches(EVALUATE_ROWS, layout) {
        stop.check()?;
        losses.extend(trainer.evaluate(&feed(batch?, noise)?)?.rows(training.beta));
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_follow_their_formulas() {
        let schedule = Schedule { budget: 100.0, warmup: 30.0, lr: 0.5, beta: 2.0 };
        assert_eq!((schedule.lr(0), schedule.beta(0)), (0.5, 0.0));
        assert!((schedule.lr(50) - 0.5 * 0.51).abs() < 1e-12);
        assert!((schedule.lr(100) - 0.5 * LR_FLOOR).abs() < 1e-12);
        assert_eq!((schedule.beta(15), schedule.beta(30), schedule.beta(99)), (1.0, 2.0, 2.0));
        assert!(!schedule.warmed_up(29) && schedule.warmed_up(30));
        assert_eq!(Schedule { warmup: 0.0, ..schedule }.beta(0), 2.0);
    }
}
