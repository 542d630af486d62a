//! What was counted of all rows of a transform.

use super::Transformed;
use super::added::Tally;
use super::quantiles::ScoreSketch;
use crate::feature::{FoundAll, Kind};

/// Counts rows in their order.
pub(super) struct Total {
    rows: u64,
    pub(super) files: u64,
    pub(super) skipped: u64,
    empty_rows: u64,
    anomalies: u64,
    scores: ScoreSketch,
    found: FoundAll,
}

impl Total {
    pub(super) fn new() -> Self {
        let (scores, found) = (ScoreSketch::new(), FoundAll::default());
        Self { rows: 0, files: 0, skipped: 0, empty_rows: 0, anomalies: 0, scores, found }
    }

    /// Takes in `rows` rows; the rows so far.
    pub(super) fn add(&mut self, rows: usize, tally: Tally, found: &FoundAll) -> u64 {
        self.rows += rows as u64;
        self.empty_rows += tally.empty;
        self.anomalies += tally.anomalies;
        tally.scores.into_iter().for_each(|score| self.scores.push(score));
        self.found.add(found);
        self.rows
    }

    /// What is said of a transform to features of these `kinds`, with anomalies if something `decides` which they are.
    pub(super) fn finish(self, kinds: &[Kind], decides: bool) -> Transformed {
        let Self { rows, files, skipped, empty_rows, anomalies, scores, found } = self;
        found.warn(kinds);
        if empty_rows > 0 {
            tracing::warn!("{empty_rows} rows have no known value in any learned column; their scores are null");
        }
        let anomalies = Some(anomalies).filter(|_| decides);
        Transformed { rows, files, skipped, empty_rows, anomalies, scores: scores.finish(), found: found.of(kinds) }
    }
}
