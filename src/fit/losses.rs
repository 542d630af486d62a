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

/// The same on a device, whether the rows stay there or not: a product of other rows may round in another way.
const BATCH_ROWS_ON_DEVICE: usize = 4096;

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
    let batch_rows = if feed.is_to_device() { BATCH_ROWS_ON_DEVICE } else { BATCH_ROWS };
    let mut losses = Vec::with_capacity(rows.len());
    match rows.resident(&feed, layout)? {
        Some(resident) => {
            let len = rows.len() as u64;
            for from in (0..len).step_by(batch_rows) {
                stop.check()?;
                let range = from..len.min(from + batch_rows as u64);
                // No more rows stay on a device than there are numbers of 32 bits.
                let places: Vec<u32> = range.clone().map(|place| place as u32).collect();
                let input = feed.gather(&resident, &places, Batch::of_numbers(rows.ids(range)?), 0, noise)?;
                losses.extend(trainer.evaluate(&input)?.rows(training.beta));
            }
        }
        None => {
            for batch in rows.batches(batch_rows, layout) {
                stop.check()?;
                losses.extend(trainer.evaluate(&feed.input(batch?, 0, noise)?)?.rows(training.beta));
            }
        }
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Table;
    use crate::config::{Activation, FitConfig};
    use crate::feature::Likelihood::{Bernoulli, Gaussian};
    use crate::feature::Shape;
    use crate::fit::defaults;
    use crate::model::{Network, TensorDevice};

    /// More rows than two batches, of which the last one is short; every seventh value is missing.
    #[test]
    fn a_row_has_the_same_loss_wherever_the_rows_are() {
        let layout = Layout::new([(Shape::of(Gaussian, 3), true), (Shape::of(Bernoulli, 1), false)]).unwrap();
        let network = Network { hidden: vec![8], latent_dim: 2, activation: Activation::Silu, noise_floor: -3.0 };
        let training = defaults::training(&FitConfig::new(), layout.inputs(), 9000, 0, true);
        let stream = RandomStream::new(1, "rows");
        let mut table = Table::default();
        for row in 0..9000_u64 {
            let mut x = [0.0; 4];
            stream.child(row).normals(&mut x);
            x[3] = (row % 2) as f32;
            x.iter_mut()
                .enumerate()
                .filter(|(n, _)| (3 * row + *n as u64).is_multiple_of(7))
                .for_each(|(_, x)| *x = f32::NAN);
            table.push(7 * row, &x);
        }
        let losses = |trainer: Result<Trainer>, rows: &EncodedRows| {
            row_losses(&mut trainer.unwrap(), rows, &layout, &training, &Stop::default()).unwrap()
        };
        let (rows, not_there) = (EncodedRows::of(table.clone()), EncodedRows::not_on_device(table));
        let tensors = || Trainer::in_tensors(&layout, &network, 1);
        let (staying, copied) = (losses(tensors(), &rows), losses(tensors(), &not_there));
        assert!(staying == copied);
        let kernels = losses(Trainer::new(&layout, &network, 1, 64, 1, &TensorDevice::Cpu), &rows);
        assert_eq!((staying.len(), kernels.len()), (9000, 9000));
        for (one, other) in staying.iter().zip(&kernels) {
            assert!((one - other).abs() < 1e-4 * other.abs().max(1.0), "{one} {other}");
        }
    }
}
