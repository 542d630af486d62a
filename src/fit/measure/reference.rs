//! The calibration rows that a model stores, so that feedback can change scores and leave p-values valid.

use std::sync::Arc;

use super::Calibration;
use super::sampled_batches::BATCH_ROWS;
use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::fit::encoded_rows::RowsWithScores;
use crate::pipeline::Run;
use crate::score::{COMBINED, Reference, RowPlaces, Scorer};

impl Calibration<'_> {
    /// Chooses among scored rows; none without a score that feedback can change.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn reference(
        &self,
        scorer: &Arc<Scorer>,
        RowsWithScores { rows: store, scores }: &RowsWithScores,
        run: &Run<'_>,
    ) -> Result<Option<Reference>> {
        if !COMBINED.is(self.score) || store.len() == 0 || scores.len() != store.len() {
            return Ok(None);
        }
        let chosen = Reference::choose(scores);
        let mut rows = RowPlaces::default();
        for some in chosen.chunks(BATCH_ROWS) {
            run.stopper().check()?;
            let mut table = Table::default();
            store.gather(some.iter().map(|&row| row as u64), self.layout.width(), &mut table)?;
            let batch = Batch::new(table.ids, table.x, self.layout);
            let batch = scorer.one_sided(&batch, self.score)?;
            let places = scorer.rows(&batch)?.places()?;
            (0..places.len()).for_each(|row| rows.push(&places, row));
        }
        let scores = chosen.iter().map(|&row| scores[row]).collect();
        Ok(Reference::new(rows, scores, store.len()))
    }
}
