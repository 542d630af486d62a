//! How far two models agree on rows.

use serde::Serialize;

use crate::transform::{RowReason, ScoreQuantiles};

/// How the scores, ranks and verdicts of two models differ on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowComparison {
    /// Rows read.
    pub rows: u64,
    /// Rows that have a score.
    pub scored: BothCounts,
    /// Of the rows that both score, those that are anomalies; `None` unless both models decide it of each row by itself.
    pub anomalies: Option<BothCounts>,
    /// Spearman's rank correlation of the scores, -1 to 1; `None` if one model scores all rows alike.
    pub rank_correlation: Option<f64>,
    /// Rows that it is of: all that both score, or of more than 1,000,000 a random sample.
    pub ranked: u64,
    /// The scores of the first model; `None` without any.
    pub scores_a: Option<ScoreQuantiles>,
    /// Those of the second.
    pub scores_b: Option<ScoreQuantiles>,
    /// Rows of at most some p-values; empty unless both models have p-values.
    pub p_values: Vec<AtPValue>,
    /// The rows that differ most: first those with other verdicts, then those whose p-values differ by the largest factor, or
    /// without p-values their scores.
    pub top: Vec<ComparedRow>,
}

/// Rows of which something is true by two models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BothCounts {
    /// By both.
    pub both: u64,
    /// Only by the first.
    pub only_a: u64,
    /// Only by the second.
    pub only_b: u64,
    /// By neither.
    pub neither: u64,
}

/// Rows of at most a p-value, among those that both models score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtPValue {
    /// The p-value; ordinary rows are at most this in just this share.
    pub p_value: f64,
    /// Rows by the first model.
    pub rows_a: u64,
    /// Rows by the second.
    pub rows_b: u64,
}

/// A row, and what two models say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedRow {
    /// The file that it is in.
    pub file: String,
    /// Its number within the file, from 0; with a condition, among the rows that meet it.
    pub row: u64,
    /// By the first model.
    pub a: RowUnderModel,
    /// By the second.
    pub b: RowUnderModel,
}

/// What a model says of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowUnderModel {
    /// Its `anomaly_score`.
    pub score: f32,
    /// Its `p_value`; `None` if the model has none.
    pub p_value: Option<f64>,
    /// Whether it is an anomaly; `None` if the model does not decide it of a row by itself.
    pub is_anomaly: Option<bool>,
    /// The columns that raise the score most.
    pub reasons: Vec<RowReason>,
}

impl BothCounts {
    /// Counts a row.
    pub(super) fn add(&mut self, a: bool, b: bool) {
        *match (a, b) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.only_a,
            (false, true) => &mut self.only_b,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// Rows on which the models differ.
    pub fn differing(&self) -> u64 {
        self.only_a + self.only_b
    }
}
