//! The losses of held-out rows, without gradients.

use super::encoded_rows::EncodedRows;
use crate::config::Training;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::Trainer;
use crate::numerics::RandomStream;
use crate::pipeline::Stop;

/// Rows of a batch.
const BATCH_ROWS: usize = 1024;

/// Computes the loss of each row at the final KL weight, with noise fixed by the seed.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(super) fn row_losses(
    trainer: &mut Trainer,
    rows: &EncodedRows,
    layout: &Layout,
    training: &Training,
    stop: &Stop,
) -> Result<Vec<f64>> {
    let noise = RandomStream::new(training.seed, "validation");
    let feed = trainer.feed();
    let mut losses = Vec::with_capacity(rows.len());
    for batch in rows.batches(BATCH_ROWS, layout) {
        stop.check()?;
        losses.extend(trainer.evaluate(&feed.input(batch?, 0, noise)?)?.rows(training.beta));
    }
    Ok(losses)
}
