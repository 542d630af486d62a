//! The levels, spreads and tails of the anomaly score in groups, so that no group is flagged for its level or noise alone.

use std::sync::Arc;

use super::Calibration;
use super::calibration::Scores;
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{GroupMoments, Layout};
use crate::fit::rows::FitRows;
use crate::pipeline::Run;
use crate::score::{GroupScores, GroupTails, Scorer};

/// Fewest rows a group that are scored, if there are as many.
const ROWS_A_GROUP: usize = 64;

/// Rows a group that are scored for its tail, of at most so many rows in all: a hundred are in the tail, so that the share of a group
/// that is flagged at 1 % is off by a quarter of it or so.
const ROWS_A_TAIL: usize = 1024;
const MOST_ROWS_OF_TAILS: usize = 1 << 17;

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
    pub(super) fn with_group_norms(
        &self,
        mut scorer: Arc<Scorer>,
        rows: &FitRows,
        run: &Run<'_>,
    ) -> Result<Arc<Scorer>> {
        for &(element, groups) in self.layout.given().groups() {
            let most = self.most_rows.max(groups.saturating_mul(ROWS_A_GROUP));
            let of_groups = self.moments(&scorer, rows, most, (element, groups), run)?;
            let of_unseen = self.moments(&scorer, rows, UNSEEN_ROWS, (element, 0), run)?;
            let of_column = GroupScores { norms: of_groups.finish(Some(&of_unseen)), tails: None };
            let scores = scorer.group_scores().iter().cloned().chain([of_column]);
            scorer = Arc::new(scorer.with_group_scores(scores.collect()));
        }
        Ok(scorer)
    }

    /// The scorer, with the tails of its score in each group, and the scores of training rows: those given if there are no groups,
    /// else none if more had to be measured than are asked for.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn with_group_tails(
        &self,
        mut scorer: Arc<Scorer>,
        scores: Option<Scores>,
        rows: &FitRows,
        run: &Run<'_>,
    ) -> Result<(Arc<Scorer>, Option<Scores>)> {
        let given = self.layout.given();
        let Some(most_groups) = given.groups().iter().map(|(_, groups)| *groups).max() else {
            return Ok((scorer, scores));
        };
        let of_tails = most_groups.saturating_mul(ROWS_A_TAIL).min(MOST_ROWS_OF_TAILS);
        let most = of_tails.max(self.most_rows).max(most_groups.saturating_mul(ROWS_A_GROUP));
        let mut scored: Vec<(Option<f32>, Vec<f32>)> = Vec::new();
        let with_given = |batch: Batch| {
            let given = batch.given.elements.chunks_exact(given.elements()).map(<[f32]>::to_vec);
            Ok(self.scores_of_batch(&scorer, &batch)?.into_iter().zip(given).collect::<Vec<_>>())
        };
        self.each(&rows.training, most, run, with_given, |of_batch| scored.extend(of_batch))?;
        for (n, &(element, groups)) in given.groups().iter().enumerate() {
            let mut unseen = Vec::new();
            let scores_of_unseen =
                |batch: Batch| self.scores_of_batch(&scorer, &without_group(&batch, element, self.layout));
            self.each(&rows.training, UNSEEN_ROWS, run, scores_of_unseen, |scores| {
                unseen.extend(scores.into_iter().flatten())
            })?;
            let with_group = scored.iter().filter_map(|(score, given)| Some(((*score)?, given[element])));
            let tails = GroupTails::of(element, &with_group.collect::<Vec<_>>(), groups, &unseen);
            let Some(tails) = tails else { continue };
            let known = scored.iter_mut().filter_map(|(score, given)| Some((score.as_mut()?, given)));
            known.for_each(|(score, given)| *score = tails.compared(*score, given));
            let mut of_columns = scorer.group_scores().to_vec();
            of_columns[n].tails = Some(tails);
            scorer = Arc::new(scorer.with_group_scores(of_columns));
        }
        let is_whole = most == self.most_rows;
        let scores = is_whole.then(|| scored.into_iter().map(|(score, _)| score).collect());
        Ok((scorer, scores))
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
