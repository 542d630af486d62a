//! The drift baseline: a sketch of the training rows to compare later rows with.

use super::FittedNetwork;
use crate::batch::Batch;
use crate::drift::{GivenEffects, Sketch, SketchRows};
use crate::error::Result;
use crate::feature::Features;
use crate::fit::rows::FitRows;
use crate::score::Tail;

/// Most rows, and most values of them: with so many, chance makes a hundredth of a drift worth reporting.
const MOST_ROWS: usize = 8192;
const MOST_CELLS: usize = 1 << 22;

/// Sketches a sample of training rows; `scores` are those of training rows, in their order.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    features: &Features,
    rows: &FitRows,
    scores: &[Option<f32>],
    calibration: Option<&Tail>,
) -> Result<Sketch> {
    let most = MOST_ROWS.min((MOST_CELLS / look.layout.inputs()).max(1024));
    let (mut x, mut known, mut mean, mut given) = (Vec::new(), None, Vec::new(), Vec::new());
    let (strata, mut of_rows, mut of_scores) = (features.strata(), Vec::new(), Vec::new());
    let encoded = |batch: Batch| Ok((look.vae.posterior(&batch)?, batch));
    look.each(&rows.training, most, encoded, |([mean_of_batch, _], batch)| {
        mean.extend(mean_of_batch);
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
        of_rows.extend(strata.of_rows(&batch.given.elements));
        given.extend(batch.given.inputs);
    })?;
    let given = take_given_effects(look, (&mut x, known.as_deref()), &mut mean, &given);
    if strata.divisions() > 0 {
        let of_batch = |batch: Batch| Ok(strata.of_rows(&batch.given.elements));
        look.each(&rows.training, scores.len(), of_batch, |of_batch| of_scores.extend(of_batch))?;
    }
    let known = known.as_deref();
    let (x, mean, strata, strata_of_scores) = (&x, &mean, &of_rows, &of_scores);
    let rows = SketchRows { given, x, known, mean, strata, scores, strata_of_scores };
    Ok(Sketch::of(features, look.layout, &rows, calibration, &look.pool))
}

/// Takes what follows from the given inputs, `[rows, inputs]`, from the numbers and latents of rows.
fn take_given_effects(
    look: &FittedNetwork<'_>,
    (x, known): (&mut [f32], Option<&[f32]>),
    mean: &mut [f32],
    given: &[f32],
) -> Option<GivenEffects> {
    if given.is_empty() {
        return None;
    }
    let (inputs, k, gaussians) = (look.layout.inputs(), look.latent_dim, look.layout.gaussians());
    let rows = mean.len() / k;
    let mut quantities = Vec::with_capacity(rows * (gaussians + k));
    for (row, (x, mean)) in x.chunks_exact(inputs).zip(mean.chunks_exact(k)).enumerate() {
        let is_known = |element: usize| known.is_none_or(|known| known[row * inputs + element] > 0.0);
        quantities.extend((0..gaussians).map(|element| if is_known(element) { x[element] } else { f32::NAN }));
        quantities.extend_from_slice(mean);
    }
    let effects = GivenEffects::fit(&quantities, given, rows)?;
    let of_rows = x.chunks_exact_mut(inputs).zip(mean.chunks_exact_mut(k)).zip(given.chunks_exact(effects.inputs()));
    of_rows.for_each(|((x, mean), given)| effects.take_from(x[..gaussians].iter_mut().chain(mean), given));
    Some(effects)
}
