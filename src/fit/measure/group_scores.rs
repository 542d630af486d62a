//! The levels and spreads of the anomaly score in groups, so that no group is flagged for its level or noise alone.

use std::sync::Arc;

use super::Calibration;
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{GroupMoments, Layout};
use crate::fit::rows::FitRows;
use crate::pipeline::Run;
use crate::score::Scorer;

/// Fewest rows a group that are scored, if there are as many.
const ROWS_A_GROUP: usize = 64;

/// Rows scored as if their group were not known.
const UNSEEN_ROWS: usize = 8192;

/// The share of the scores on either side that counts as this quantile, so that few rows do not decide a group's spread.
const TAIL: f64 = 0.005;

impl Calibration<'_> {
    /// The scorer, with the levels and spreads of its score in each group of the training rows, and in rows whose group is
    /// hidden, as in those of a group that the fit did not see.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn with_group_scores(
        &self,
        mut scorer: Arc<Scorer>,
        rows: &FitRows,
        run: &Run<'_>,
    ) -> Result<Arc<Scorer>> {
        for &(element, groups) in self.layout.given().groups() {
            let most = self.most_rows.max(groups.saturating_mul(ROWS_A_GROUP));
            let of_groups = self.moments(&scorer, rows, most, (element, groups), run)?;
            let of_unseen = self.moments(&scorer, rows, UNSEEN_ROWS, (element, 0), run)?;
            let scores = scorer.group_scores().iter().cloned().chain([Arc::new(of_groups.finish(Some(&of_unseen)))]);
            scorer = Arc::new(scorer.with_group_scores(scores.collect()));
        }
        Ok(scorer)
    }

    /// Moments of the score of at most `most` training rows in so many groups; without groups, of rows whose group is hidden.
    fn moments(
        &self,
        scorer: &Arc<Scorer>,
        rows: &FitRows,
        most: usize,
        (element, groups): (usize, usize),
        run: &Run<'_>,
    ) -> Result<GroupMoments> {
        let (score, layout, parts) = (self.score, self.layout, self.score.parts(scorer.stored()));
        let mut scored = Vec::<([f32; 3], f32)>::new();
        self.each(
            &rows.training,
            most,
            run,
            |batch| {
                let scores = match groups {
                    0 => scorer.rows(&without_group(&batch, element, layout))?.parts_in_groups(score)?,
                    _ => scorer.rows(&batch)?.parts_in_groups(score)?,
                };
                let group = batch.given.elements.iter().skip(element).step_by(layout.given().elements());
                Ok(scores.into_iter().zip(group.copied()).collect::<Vec<_>>())
            },
            |of_batch| scored.extend(of_batch),
        )?;
        for part in 0..parts {
            let [least, most] = tails(scored.iter().map(|(scores, _)| scores[part]).collect());
            scored.iter_mut().for_each(|(scores, _)| scores[part] = scores[part].clamp(least, most));
        }
        let mut moments = GroupMoments::new(0, groups.max(1), (0..parts).collect());
        for (scores, group) in &scored {
            moments.add(scores, None, &[if groups == 0 { 0.0 } else { *group }]);
        }
        Ok(moments.of_element(element))
    }
}

/// The rows, as if their group were not known.
fn without_group(batch: &Batch, element: usize, layout: &Layout) -> Batch {
    let mut rows = layout.stored_rows(batch.values().collect(), &batch.given.elements);
    rows.iter_mut().skip(layout.inputs() + element).step_by(layout.width()).for_each(|group| *group = f32::NAN);
    let (surprise, partial_windows) = (batch.surprise.clone(), batch.partial_windows.clone());
    Batch { surprise, partial_windows, ..Batch::new(batch.ids.clone(), rows, layout) }
}

/// The scores with a small share below, and above.
fn tails(mut scores: Vec<f32>) -> [f32; 2] {
    scores.retain(|score| !score.is_nan());
    scores.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| scores.get((share * scores.len() as f64) as usize).copied();
    [at(TAIL).unwrap_or(f32::NEG_INFINITY), at(1.0 - TAIL).unwrap_or(f32::INFINITY)]
}
