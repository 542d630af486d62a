//! How many latent dimensions held-out rows gain from: short trainings of ever more of them.

use super::rows::FitRows;
use super::train::train;
use super::watch::FitWatch;
use crate::config::Training;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::Trainer;

/// The most that are tried.
const WIDEST: usize = 64;

/// Steps of the whole training for one of a short one.
const SHORTER: usize = 4;

/// Nats a row and element of the row vector that more dimensions have to gain: a seed changes a few thousandths, up to a
/// hundredth on some hundred rows.
const LEAST_GAIN: f64 = 0.01;

/// The most that are tried for rows of so many elements.
pub(super) fn widest(inputs: usize) -> usize {
    WIDEST.min(inputs)
}

/// What it takes to find it.
pub(super) struct Search<'a> {
    pub(super) layout: &'a Layout,
    pub(super) training: &'a Training,
    pub(super) rows: &'a FitRows,
    /// Makes a trainer of a network with so many latent dimensions.
    pub(super) trainer: &'a dyn Fn(usize) -> Result<Trainer>,
}

impl Search<'_> {
    /// The smallest of 1, 2, 4, … dimensions after which two doublings gain nothing to speak of on the rows that choose
    /// the weights; `None` without such rows.
    ///
    /// # Errors
    /// As [`train`].
    pub(super) fn run(&self, watch: &mut FitWatch<'_>) -> Result<Option<usize>> {
        let inputs = self.layout.inputs();
        let widest = widest(inputs);
        let doubled = std::iter::successors(Some(1), |size| Some(2 * size)).take_while(|&size| size < widest);
        let mut best = None;
        for size in doubled.chain([widest]) {
            let Some(loss) = self.loss(size, watch)? else { return Ok(None) };
            tracing::info!("latent dimensions: {size} leave {loss:.4} nats a row");
            match best {
                Some((chosen, least)) if least - loss < LEAST_GAIN * inputs as f64 => {
                    if size >= 4 * chosen {
                        break;
                    }
                }
                _ => best = Some((size, loss)),
            }
        }
        Ok(best.map(|(size, _)| size))
    }

    /// The loss of the rows that choose, nats a row, after a short training.
    fn loss(&self, size: usize, watch: &mut FitWatch<'_>) -> Result<Option<f64>> {
        let steps = self.training.steps.div_ceil(SHORTER);
        let epochs = steps.div_ceil(self.training.steps_per_epoch);
        let training = Training { steps, epochs, ..self.training.clone() };
        let mut trainer = (self.trainer)(size)?;
        let trained = watch
            .steps_only(|watch| train(&mut trainer, self.rows, self.layout, (&training, epochs), watch, &mut None))?;
        Ok(trained.history.validation_loss())
    }
}
