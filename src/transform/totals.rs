//! Totals of a transform: what is counted over all rows.

use std::sync::Arc;

use super::Transformed;
use super::new_columns::RowCounts;
use super::quantiles::ScoreSketch;
use crate::artifact::Model;
use crate::drift::{BinCounts, Sketch};
use crate::feature::FeatureIssues;

/// Adds up the counts of rows, in their order.
#[derive(Clone)]
pub(super) struct TransformTotals {
    rows: u64,
    empty_rows: u64,
    /// Rows whose windows are not full.
    pub(super) partial_windows: u64,
    anomalies: u64,
    held_back: u64,
    scores: ScoreSketch,
    issues: FeatureIssues,
    sketch: Option<Arc<Sketch>>,
    bins: BinCounts,
}

impl TransformTotals {
    /// Totals of no rows yet. The drift of rows is measured against the sketch, if there is one.
    pub(super) fn new(sketch: Option<Arc<Sketch>>) -> Self {
        Self {
            rows: 0,
            empty_rows: 0,
            partial_windows: 0,
            anomalies: 0,
            held_back: 0,
            scores: ScoreSketch::new(),
            issues: FeatureIssues::default(),
            sketch,
            bins: BinCounts::default(),
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
        self.held_back += counts.held_back;
        counts.scores.iter().for_each(|&score| self.scores.push(score));
        self.issues.add(&counts.issues);
        if let Some(sketch) = &self.sketch {
            self.bins.add(sketch, counts.first_row, &counts.bins);
        }
    }

    /// The result of a transform by `model`; with anomalies if something `decides`.
    pub(super) fn finish(self, model: &Model, decides: bool) -> Transformed {
        let (features, watched, rows_at_fit) = (model.features(), &model.watched(), model.metadata().provenance.rows);
        let Self { rows, empty_rows, anomalies, held_back, scores, issues, sketch, bins, .. } = self;
        let drift =
            sketch.and_then(|sketch| bins.finish(&sketch, features.kinds(), watched, &issues, rows, rows_at_fit));
        issues.warn(features, watched, rows, rows_at_fit);
        if empty_rows > 0 {
            tracing::warn!("{empty_rows} rows have no known value in any learned column; their scores are null");
        }
        let [anomalies, held_back] = [anomalies, held_back].map(|rows| Some(rows).filter(|_| decides));
        let (scores, issues) = (scores.finish(), issues.of(features, watched));
        Transformed { rows, empty_rows, anomalies, held_back, scores, issues, drift, ..Transformed::default() }
    }
}
