//! Columns of which only one side of what is expected is odd: the row that is scored in place of the row as it is.

use std::borrow::Cow;

use super::scorer::{Directions, MemberView};
use super::{COMBINED, EncodedBatch, Member, Score, Scorer, Stored};
use crate::batch::Batch;
use crate::error::Result;

/// Times that replaced values are found anew: in two steps each, from which a third is extrapolated.
pub(crate) const REFINEMENTS: usize = 2;

/// The slowest convergence that is extrapolated.
pub(crate) const MOST_FACTOR: f32 = 0.95;

impl Scorer {
    /// The rows as they are scored: without what is on the side that is not odd. A row stays as it is where that would not lower
    /// the score by which rows are ranked, so that a direction raises none.
    ///
    /// # Errors
    /// Those of the networks.
    pub(crate) fn one_sided<'b>(&self, batch: &'b Batch, score: &Score) -> Result<Cow<'b, Batch>> {
        let directions = self.directions();
        if directions.is_empty() || batch.rows() == 0 {
            return Ok(Cow::Borrowed(batch));
        }
        let inputs = batch.x.len() / batch.rows();
        // A distance alone says little of a row with an expected value.
        let score = if score.needs() == Stored::Rows { &COMBINED } else { score };
        let mut scored = self.first().with_expected(batch, directions)?;
        let scores = |batch: &Batch| self.rows(batch)?.unadjusted_score(score);
        let [before, after] = [scores(batch)?, scores(&scored)?];
        for row in (0..batch.rows()).filter(|&row| before[row] <= after[row]) {
            let range = row * inputs..(row + 1) * inputs;
            scored.x[range.clone()].copy_from_slice(&batch.x[range.clone()]);
            scored.replaced.iter_mut().for_each(|replaced| replaced[range.clone()].fill(false));
        }
        Ok(Cow::Owned(scored))
    }
}

impl EncodedBatch<'_> {
    /// Whether some value of a row is an expected one. Of such a row `combined` is that of `elbo` alone: an expectation is too
    /// coarse for a distance from stored rows.
    pub(super) fn has_expected(&self, row: usize) -> bool {
        let (batch, inputs) = (self.first().batch, self.first().encoded.features);
        batch.replaced.as_ref().is_some_and(|replaced| replaced[row * inputs..][..inputs].contains(&true))
    }
}

impl Member {
    /// The rows with each known value on the side that is not odd replaced by the one that the rest of the row leads to
    /// expect. First that is what the columns without a direction lead to; then replaced values are found given each other and
    /// the values that stay, as in imputation (Rezende, Mohamed & Wierstra 2014, "Stochastic backpropagation", section 6.3).
    fn with_expected(&self, batch: &Batch, directions: &Directions) -> Result<Batch> {
        let mut scored = batch.clone();
        scored.replaced = Some(vec![false; batch.x.len()]);
        self.replace(batch, directions, &self.without(batch, directions), &mut scored)?;
        for _ in 0..REFINEMENTS {
            let first = scored.clone();
            self.replace(batch, directions, &first, &mut scored)?;
            let second = scored.clone();
            self.replace(batch, directions, &second, &mut scored)?;
            extrapolate([&first.x, &second.x], batch, directions, &mut scored);
        }
        let last = scored.clone();
        self.replace(batch, directions, &last, &mut scored)?;
        Ok(scored)
    }

    /// The rows with the elements that have a direction hidden.
    fn without(&self, batch: &Batch, directions: &Directions) -> Batch {
        let inputs = batch.x.len() / batch.rows();
        let mut x: Vec<f32> = batch.values().collect();
        for row in x.chunks_exact_mut(inputs) {
            directions.iter().for_each(|(element, _)| row[*element] = f32::NAN);
        }
        Batch::of_row_vectors(batch.ids.clone(), x, batch.given.clone())
    }

    /// Writes into `scored` the values of `batch`, or where these are on the side that is not odd of what the rows `seen` lead to
    /// expect, that.
    fn replace(&self, batch: &Batch, directions: &Directions, seen: &Batch, scored: &mut Batch) -> Result<()> {
        let (inputs, layout) = (batch.x.len() / batch.rows(), self.heads.layout());
        let view = MemberView::new(self, seen, true)?;
        let decoded = view.decoded()?;
        for (row, output) in decoded.chunks_exact(layout.outputs()).enumerate() {
            for &(element, sign) in directions {
                let (at, expected) = (row * inputs + element, output[layout.spans()[element].output.start]);
                put(batch, at, sign, expected, scored);
            }
        }
        Ok(())
    }
}

/// Writes a value of `batch` into `scored`, or the expected value if it is on the side of that which is not odd.
fn put(batch: &Batch, at: usize, sign: f32, expected: f32, scored: &mut Batch) {
    let is_known = batch.known.as_ref().is_none_or(|known| known[at] > 0.0);
    let is_replaced = is_known && sign * (batch.x[at] - expected) < 0.0;
    scored.x[at] = if is_replaced { expected } else { batch.x[at] };
    scored.replaced.iter_mut().for_each(|replaced| replaced[at] = is_replaced);
}

/// Moves each replaced value to where the last two steps, which shrink by a factor, lead to (Aitken 1926, "On Bernoulli's
/// numerical solution of algebraic equations").
fn extrapolate(before: [&[f32]; 2], batch: &Batch, directions: &Directions, scored: &mut Batch) {
    let inputs = batch.x.len() / batch.rows();
    for row in 0..batch.rows() {
        for &(element, sign) in directions {
            let at = row * inputs + element;
            let steps = [before[1][at] - before[0][at], scored.x[at] - before[1][at]];
            if steps[0] != 0.0 {
                let factor = (steps[1] / steps[0]).clamp(0.0, MOST_FACTOR);
                put(batch, at, sign, scored.x[at] + steps[1] * factor / (1.0 - factor), scored);
            }
        }
    }
}
