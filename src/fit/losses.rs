//! The losses of held-out rows, without gradients.

use super::encoded_rows::EncodedRows;
use crate::batch::Batch;
use crate::config::Training;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::Trainer;
use crate::numerics::RandomStream;
use crate::pipeline::Stop;

/// Rows of a batch.
const BATCH_ROWS: usize = 1024;

/// Rows of a batch that is on a device already.
const BATCH_ROWS_ON_DEVICE: u64 = 4096;

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
    if let Some(resident) = rows.resident(&feed, layout)? {
        let len = rows.len() as u64;
        for from in (0..len).step_by(BATCH_ROWS_ON_DEVICE as usize) {
            stop.check()?;
            let range = from..len.min(from + BATCH_ROWS_ON_DEVICE);
            // No more rows stay on a device than there are numbers of 32 bits.
            let places: Vec<u32> = range.clone().map(|place| place as u32).collect();
            let input = feed.gather(&resident, &places, Batch::of_numbers(rows.ids(range)?), 0, noise)?;
            losses.extend(trainer.evaluate(&input)?.rows(training.beta));
        }
        return Ok(losses);
    }
    for batch in rows.batches(BATCH_ROWS, layout) {
        stop.check()?;
        losses.extend(trainer.evaluate(&feed.input(batch?, 0, noise)?)?.rows(training.beta));
    }
    Ok(losses)
}
