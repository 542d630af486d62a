//! The drift baseline: a sketch of the training rows to compare later rows with.

use super::FittedNetwork;
use crate::drift::{Sketch, SketchRows};
use crate::error::Result;
use crate::feature::Features;
use crate::fit::rows::FitRows;
use crate::score::Tail;

/// Most rows, and most values of them: with so many, chance makes a hundredth of a drift worth reporting.
const MOST_ROWS: usize = 8192;
const MOST_CELLS: usize = 1 << 22;

/// Sketches a sample of training rows.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    features: &Features,
    rows: &FitRows,
    calibration: Option<&Tail>,
) -> Result<Sketch> {
    let most = MOST_ROWS.min((MOST_CELLS / look.layout.inputs()).max(1024));
    let (mut x, mut known, mut mean) = (Vec::new(), None, Vec::new());
    for batch in look.batches(&rows.training, most) {
        let batch = batch?;
        mean.extend(look.vae.encode(&batch)?.mean);
        if batch.known.is_some() && known.is_none() {
            known = Some(vec![1.0; x.len()]);
        }
        if let Some(known) = &mut known {
            match &batch.known {
                Some(of_batch) => known.extend_from_slice(of_batch),
                None => known.resize(x.len() + batch.x.len(), 1.0),
            }
        }
        x.extend(batch.x);
    }
    let rows = SketchRows { x: &x, known: known.as_deref(), mean: &mean };
    Ok(Sketch::of(features.kinds(), look.layout, &rows, calibration))
}
