//! Rows in order whose windows are not full are compared with rows like them, and are no yardstick for others: in such a window some
//! rows stand for those before them, which is odd.

use std::sync::Arc;

use super::Calibration;
use super::sampled_batches::{each_batch, spread};
use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::fit::encoded_rows::{EncodedRows, RowsWithScores};
use crate::pipeline::{Pool, Run};
use crate::score::{ScoreEquivalents, Scorer};

impl Calibration<'_> {
    /// The scored rows with a full window, and which of their scores are as rare as those of rows whose windows have begun
    /// `restarted`; all rows and `None` if either are too few.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn with_full_windows(
        &self,
        scored: RowsWithScores,
        restarted: Vec<f32>,
    ) -> Result<(RowsWithScores, Option<ScoreEquivalents>)> {
        if restarted.is_empty() {
            return Ok((scored, None));
        }
        let RowsWithScores { rows, scores } = &scored;
        let all = 0..rows.len() as u64;
        let ids = rows.ids(all.clone())?.into_iter();
        let full: Vec<u64> = all.zip(ids).filter(|(_, id)| self.filled.is_full(*id)).map(|(row, _)| row).collect();
        let of_full: Vec<f32> = full.iter().map(|&row| scores[row as usize]).collect();
        let Some(equivalents) = ScoreEquivalents::of(restarted, of_full.clone()) else { return Ok((scored, None)) };
        let mut table = Table::default();
        rows.gather(full.into_iter(), self.layout.width(), &mut table)?;
        Ok((RowsWithScores { rows: EncodedRows::of(table), scores: of_full }, Some(equivalents)))
    }

    /// The scores of rows whose windows have begun again.
    ///
    /// # Errors
    /// Those of the networks, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(in crate::fit) fn restarted_scores(
        &self,
        scorer: &Arc<Scorer>,
        rows: Table,
        run: &Run<'_>,
    ) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(rows.len());
        let pool = Pool::new(run.workers())?;
        let work = |batch: Batch| {
            let partial_windows = vec![true; batch.rows()];
            self.scores_of_batch(scorer, &Batch { partial_windows, ..batch })
        };
        let of_pool = (&pool, run.stopper());
        let take = |of_batch: Vec<Option<f32>>| scores.extend(of_batch.into_iter().flatten());
        each_batch(&EncodedRows::of(rows), self.layout, usize::MAX, of_pool, work, take)?;
        Ok(scores)
    }

    /// The rows of a batch, with which of their windows are not full.
    pub(super) fn with_partial_windows(&self, batch: Batch) -> Batch {
        if !self.in_order {
            return batch;
        }
        let partial_windows = batch.ids.iter().map(|&id| !self.filled.is_full(id)).collect();
        Batch { partial_windows, ..batch }
    }

    /// Scores of training rows, evenly spread as those that are [measured](Self::each), by which these are compared.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn compared(
        &self,
        mut scores: Vec<Option<f32>>,
        rows: &EncodedRows,
        equivalents: Option<&ScoreEquivalents>,
    ) -> Result<Vec<Option<f32>>> {
        let Some(equivalents) = equivalents else { return Ok(scores) };
        let ids = rows.ids((0..scores.len()).map(spread(rows.len(), scores.len())))?;
        let partial = scores.iter_mut().zip(ids).filter(|(_, id)| !self.filled.is_full(*id));
        partial.flat_map(|(score, _)| score).for_each(|score| *score = equivalents.equivalent(*score));
        Ok(scores)
    }
}
