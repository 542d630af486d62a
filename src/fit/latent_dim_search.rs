//! The search for the number of latent dimensions: short trainings of ever wider latent spaces.

use super::members::without_epochs;
use super::rows::FitRows;
use super::training_loop::{TrainingLoop, TrainingTask};
use crate::config::Training;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::Trainer;
use crate::pipeline::Run;

/// Most dimensions tried.
const WIDEST: usize = 64;

/// A short training takes the steps of a full one divided by this.
const SHORTER: usize = 4;

/// Nats a row and element of the row vector that twice as many dimensions have to gain: a seed changes a few thousandths, up to a
/// hundredth on some hundred rows.
const LEAST_GAIN: f64 = 0.01;

/// The most dimensions to try for rows of `inputs` elements.
pub(super) fn widest(inputs: usize) -> usize {
    WIDEST.min(inputs)
}

/// Nats a row that `size` dimensions have to gain over those chosen, for rows of `inputs` elements.
fn least_gain(inputs: usize, [chosen, size]: [usize; 2]) -> f64 {
    LEAST_GAIN * inputs as f64 * (size as f64 / chosen as f64).log2()
}

/// A search for the number of latent dimensions.
pub(super) struct LatentDimSearch<'a> {
    pub(super) layout: &'a Layout,
    pub(super) training: &'a Training,
    pub(super) rows: &'a FitRows,
    /// Makes the trainer of a network with so many latent dimensions.
    pub(super) trainer: &'a dyn Fn(usize) -> Result<Trainer>,
}

impl LatentDimSearch<'_> {
    /// Finds the smallest of 1, 2, 4, … dimensions after which two doublings do not lower the validation loss enough;
    /// `None` without validation rows.
    ///
    /// # Errors
    /// As [`TrainingLoop::run`].
    pub(super) fn run(&self, run: &mut Run<'_>) -> Result<Option<usize>> {
        let inputs = self.layout.inputs();
        let widest = widest(inputs);
        let doubled = std::iter::successors(Some(1), |size| Some(2 * size)).take_while(|&size| size < widest);
        let mut best = None;
        for size in doubled.chain([widest]) {
            let Some(loss) = self.validation_loss(size, run)? else { return Ok(None) };
            tracing::info!("latent dimensions: {size}, validation loss {loss:.4} nats a row");
            match best {
                Some((chosen, least)) if least - loss < least_gain(inputs, [chosen, size]) => {
                    if size >= 4 * chosen {
                        break;
                    }
                }
                _ => best = Some((size, loss)),
            }
        }
        Ok(best.map(|(size, _)| size))
    }

    /// The validation loss after a short training, nats a row.
    fn validation_loss(&self, size: usize, run: &mut Run<'_>) -> Result<Option<f64>> {
        let Self { layout, rows, .. } = *self;
        let steps = self.training.steps.div_ceil(SHORTER);
        let epochs = steps.div_ceil(self.training.steps_per_epoch);
        let training = &Training { steps, epochs, ..self.training.clone() };
        let mut trainer = (self.trainer)(size)?;
        let task = TrainingTask { layout, rows, training, epochs, keep_partial: false };
        let trained = TrainingLoop::new(task, &mut trainer, None)?.run(&mut without_epochs(run))?;
        Ok(trained.history.validation_loss())
    }
}
