//! The training rows that a model stores to measure distances from them, a seeded choice among those it finds ordinary, and
//! counts of the values of some.

use std::sync::Arc;

use super::Calibration;
use super::calibration::Scores;
use super::sampled_batches::{sample, spread};
use crate::batch::{Batch, Table};
use crate::config::Decision;
use crate::error::Result;
use crate::fit::rows::FitRows;
use crate::numerics::RandomStream;
use crate::pipeline::Run;
use crate::score::{
    COMBINED, ELBO, Marginals, NeighborSpace, Neighbors, Residuals, ScoreComponents, ScoreEquivalents, Scorer, Stored,
    Tail,
};

/// Rows of a batch: a multiple of the block a network encodes.
const BATCH_ROWS: usize = 1024;

/// Of rows whose windows have begun again at most one in so many is stored.
const RESTARTED: usize = 4;

/// Rows looked at for each one to store.
const SAMPLED: usize = 2;

/// A row is ordinary if its negative ELBO is above the median by at most this many times as much as the upper quartile is,
/// so that a heavy tail loses more rows than a light one; and at least this share of the rows are.
const FENCE: f32 = 6.0;
const LEAST_ORDINARY: f64 = 0.6;

/// The share of the rows that are ordinary if the training rows are known to hold anomalies.
const ORDINARY_AMONG_ANOMALIES: f64 = 0.8;

/// The share of the rows whose values are counted, those of lowest negative ELBO: anomalies among them would make theirs common.
const COUNTED: f64 = 0.95;

impl Calibration<'_> {
    /// The scorer, with rows to store, and the scores of training rows that others are compared with; and what these make
    /// together of these rows, if that is the score.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn with_neighbors(
        &self,
        scorer: Arc<Scorer>,
        (rows, restarted): (&FitRows, &Table),
        run: &Run<'_>,
    ) -> Result<(Arc<Scorer>, Option<Scores>)> {
        let neighbors = self.choose(&scorer, (rows, restarted), run)?;
        let unmeasured = ScoreComponents::unmeasured();
        let scorer = Arc::new(scorer.with_neighbors(Some((neighbors.clone(), unmeasured))));
        let scorer = self.with_group_norms(scorer, rows, run)?;
        // Groups standardise the parts of the anomaly score, whichever that is; those of `combined` only if it is.
        let is_combined = COMBINED.is(self.score);
        let of_batch = match is_combined {
            true => scorer.clone(),
            false => Arc::new(scorer.with_group_scores(Vec::new())),
        };
        let mut parts = Vec::new();
        self.each(
            &rows.training,
            self.most_rows,
            run,
            |batch| of_batch.rows(&batch)?.parts_in_groups(&COMBINED),
            |of_batch| parts.extend(of_batch),
        )?;
        let tail = |part: usize| Tail::of(parts.iter().map(|parts| parts[part]).collect());
        let marginal_nll = neighbors.marginals.is_some().then(|| tail(2));
        let components = ScoreComponents { elbo: tail(0), neighbor_distance: tail(1), marginal_nll };
        let all = parts.iter().map(|&parts| Some(components.combine(parts, 0.0) as f32));
        // Rows with a direction are not scored as they are.
        let combined = (is_combined && self.directions.is_empty()).then(|| all.collect());
        Ok((Arc::new(scorer.with_neighbors(Some((neighbors, components)))), combined))
    }

    /// Whether the training rows are known to hold anomalies.
    fn is_contaminated(&self) -> bool {
        matches!(self.decision, Some(Decision::Contamination(_) | Decision::AutoContamination))
    }

    /// Chooses the rows to store.
    fn choose(&self, scorer: &Scorer, (rows, restarted): (&FitRows, &Table), run: &Run<'_>) -> Result<Neighbors> {
        let (store, inputs) = (&rows.training, self.layout.inputs());
        let most = Neighbors::most_rows(inputs);
        let mut sampled = sample(store.len(), SAMPLED * most, RandomStream::new(self.training.seed, "neighbors"));
        sampled.dedup();
        let (mut residuals, mut scores) = (Residuals::default(), Vec::with_capacity(sampled.len()));
        let counts = inputs <= Marginals::WIDEST || self.score.needs() == Stored::Marginals;
        let mut values = Vec::new();
        for sampled in sampled.chunks(BATCH_ROWS) {
            run.stopper().check()?;
            let mut table = Table::default();
            store.gather(sampled.iter().copied(), self.layout.width(), &mut table)?;
            let batch = Batch::new(table.ids, table.x, self.layout);
            let rows = scorer.rows(&batch)?;
            scores.extend(rows.score(&ELBO)?.into_iter().map(|score| score.unwrap_or(f32::INFINITY)));
            residuals.extend(rows.first().residuals()?);
            if counts {
                values.extend(batch.values());
            }
        }
        // In order, how far a row is off tells a level that lasts from a single value; and a change of the level within the
        // training rows is none of an anomaly.
        let space = NeighborSpace::of(&residuals, self.in_order);
        let ordinary = match self.in_order && !self.is_contaminated() {
            true => (0..scores.len()).collect(),
            false => ordinary(&scores, self.is_contaminated()),
        };
        let width = space.width();
        let kept = ordinary.len().min(most);
        let places = space.places(&residuals);
        let stored = (0..kept).map(|n| ordinary[n * ordinary.len() / kept]);
        let stored = stored.flat_map(|row| places[row * width..][..width].iter().copied()).collect();
        let row = |row: usize| values[row * inputs..][..inputs].iter().copied();
        let marginals = counts.then(|| {
            let counted: Vec<f32> = lowest(&scores, COUNTED).into_iter().flat_map(row).collect();
            Marginals::of(&counted, self.layout)
        });
        let restarted = space.places(&self.restarted_residuals(scorer, restarted, most / RESTARTED)?);
        Ok(Neighbors::new(space, [stored, restarted], marginals))
    }

    /// The residuals of at most `most` rows whose windows have begun again; of none if they are too few to compare others with.
    fn restarted_residuals(&self, scorer: &Scorer, restarted: &Table, most: usize) -> Result<Residuals> {
        let mut residuals = Residuals { inputs: self.layout.inputs(), ..Residuals::default() };
        if restarted.len() < ScoreEquivalents::FEWEST {
            return Ok(residuals);
        }
        let (some, width) = (restarted.len().min(most), self.layout.width());
        for first in (0..some).step_by(BATCH_ROWS) {
            let mut table = Table::default();
            let chosen = (first..some.min(first + BATCH_ROWS)).map(spread(restarted.len(), some));
            chosen.for_each(|row| table.push_row(restarted, row as usize, width));
            residuals.extend(scorer.rows(&Batch::new(table.ids, table.x, self.layout))?.first().residuals()?);
        }
        Ok(residuals)
    }
}

/// The rows whose scores are ordinary.
fn ordinary(scores: &[f32], contaminated: bool) -> Vec<usize> {
    if contaminated {
        return lowest(scores, ORDINARY_AMONG_ANOMALIES);
    }
    let quantile = quantiles(scores);
    let (median, quartile) = (quantile(0.5), quantile(0.75));
    up_to(scores, (median + FENCE * (quartile - median)).max(quantile(LEAST_ORDINARY)))
}

/// The rows with the lowest scores, a share of all, and more if scores are equal.
fn lowest(scores: &[f32], share: f64) -> Vec<usize> {
    up_to(scores, quantiles(scores)(share))
}

fn up_to(scores: &[f32], most: f32) -> Vec<usize> {
    (0..scores.len()).filter(|&row| scores[row] <= most).collect()
}

/// The score that a share of the rows has at most.
fn quantiles(scores: &[f32]) -> impl Fn(f64) -> f32 {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    move |share| sorted[(share * (sorted.len() - 1) as f64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_fence_are_not_ordinary() {
        let scores: Vec<f32> = (0..101).map(|row| if row < 95 { row as f32 / 100.0 } else { 50.0 }).collect();
        assert_eq!(ordinary(&scores, false), (0..95).collect::<Vec<_>>());
        assert_eq!(ordinary(&[3.0; 4], false), [0, 1, 2, 3], "equal rows are all ordinary");
        let half: Vec<f32> = (0..100).map(|row| if row < 51 { 0.0 } else { 1e9 }).collect();
        assert_eq!(ordinary(&half, false).len(), 100, "what most rows are is ordinary");
        assert_eq!(ordinary(&scores, true), (0..81).collect::<Vec<_>>());
    }
}
