//! What was counted of all rows of a transform.

use std::sync::Arc;

use super::Transformed;
use super::new_columns::RowCounts;
use super::quantiles::ScoreSketch;
use crate::drift::{BinCounts, Sketch};
use crate::feature::{FeatureIssues, Kind};

/// Counts rows in their order.
pub(super) struct TransformTotals {
    rows: u64,
    pub(super) files: u64,
    pub(super) skipped: u64,
    empty_rows: u64,
    anomalies: u64,
    scores: ScoreSketch,
    found: FeatureIssues,
    sketch: Option<Arc<Sketch>>,
    seen: BinCounts,
}

impl TransformTotals {
    /// Of rows that are compared with those of a sketch, if there is one.
    pub(super) fn new(sketch: Option<Arc<Sketch>>) -> Self {
        Self {
            rows: 0,
            files: 0,
            skipped: 0,
            empty_rows: 0,
            anomalies: 0,
            scores: ScoreSketch::new(),
            found: FeatureIssues::default(),
            sketch,
            seen: BinCounts::default(),
        }
    }

    /// The rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds what was counted of the next rows.
    pub(super) fn add(&mut self, counts: &RowCounts) {
        self.rows += counts.rows as u64;
        self.empty_rows += counts.empty;
        self.anomalies += counts.anomalies;
        counts.scores.iter().for_each(|&score| self.scores.push(score));
        self.found.add(&counts.issues);
        if let Some(sketch) = &self.sketch {
            self.seen.add(sketch, counts.first, &counts.bins);
        }
    }

    /// What is said of a transform to features of these `kinds`, fitted to so many rows, with anomalies if something
    /// `decides` which they are.
    pub(super) fn finish(self, kinds: &[Kind], at_fit: u64, decides: bool) -> Transformed {
        let Self { rows, files, skipped, empty_rows, anomalies, scores, found, sketch, seen } = self;
        let drift = sketch.and_then(|sketch| seen.finish(&sketch, kinds, &found.0, rows, at_fit));
        found.warn(kinds);
        if empty_rows > 0 {
            tracing::warn!("{empty_rows} rows have no known value in any learned column; their scores are null");
        }
        let anomalies = Some(anomalies).filter(|_| decides);
        let (scores, found) = (scores.finish(), found.of(kinds));
        Transformed { rows, files, skipped, empty_rows, anomalies, scores, found, drift }
    }
}
