//! What makes a row an anomaly.

use serde::{Deserialize, Serialize};

use super::Tail;
use crate::config::Decision;
use crate::error::{Error, Result};

/// How a model ranks rows, and what it compares them with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scoring {
    /// The score that the column `anomaly_score` holds.
    pub anomaly_score: String,
    /// The scores of the calibration rows; absent without such rows.
    pub calibration: Option<Tail>,
    /// That score of training rows: all of them if the fit was told a contamination, else 65,536 at most.
    pub training: Tail,
    /// What makes a row an anomaly, unless a transform says otherwise.
    pub decision: Decision,
}

impl Scoring {
    /// What p-values cannot do, if anything: a phrase.
    pub fn shortcoming(&self) -> Option<String> {
        /// Fewer rows give coarse p-values.
        const COARSE: u64 = 40;
        let Some(calibration) = &self.calibration else {
            return Some("there are no p-values, since no rows were held out to calibrate them".to_owned());
        };
        let (rows, least) = (calibration.rows(), calibration.p_value_of(0));
        let coarse = if rows < COARSE { "coarse and " } else { "" };
        match self.decision {
            Decision::Alpha(alpha) if least > alpha => Some(format!(
                "p-values are {coarse}{least:.2} at least, too high for an alpha of {alpha}: no row is an anomaly"
            )),
            _ if rows < COARSE => Some(format!("p-values are coarse, {least:.2} at least")),
            _ => None,
        }
    }
}

/// A decision, ready to be taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// A p-value of at most this.
    PValue(f64),
    /// A score of at least this.
    Score(f64),
    /// A p-value among the discoveries at this rate, of rows that have yet to be seen.
    Fdr(f64),
}

/// Gives p-values and says which rows are anomalies, as far as there is something to go by.
#[derive(Debug, Clone)]
pub(crate) struct AnomalyRule {
    calibration: Option<Tail>,
    rule: Option<Rule>,
}

impl AnomalyRule {
    /// Decides as `decision` says, or else the model.
    ///
    /// # Errors
    /// [`Error::NotCalibrated`] if `decision` needs p-values and the model has none.
    pub(crate) fn new(scoring: &Scoring, decision: Option<Decision>) -> Result<Self> {
        let calibration = scoring.calibration.clone();
        let rule = match decision.unwrap_or(scoring.decision) {
            Decision::Alpha(alpha) => Rule::PValue(alpha),
            Decision::Threshold(score) => Rule::Score(score),
            Decision::Contamination(share) => Rule::Score(scoring.training.reached_by(share).into()),
            Decision::Fdr(rate) => Rule::Fdr(rate),
        };
        let lacks = calibration.is_none() && !matches!(rule, Rule::Score(_));
        match decision.filter(|_| lacks) {
            Some(decision) => Err(Error::NotCalibrated { option: decision.option() }),
            None => Ok(Self { calibration, rule: (!lacks).then_some(rule) }),
        }
    }

    /// Whether there are p-values.
    pub(crate) fn has_p_values(&self) -> bool {
        self.calibration.is_some()
    }

    /// Whether it says of rows if they are anomalies.
    pub(crate) fn decides(&self) -> bool {
        self.rule.is_some()
    }

    /// The p-value of a score.
    pub(crate) fn p_value(&self, score: f32) -> Option<f64> {
        Some(self.calibration.as_ref()?.p_value(score))
    }

    /// Whether a row of this score is an anomaly; none is of rows that have yet to be seen.
    pub(crate) fn is_anomaly(&self, score: f32) -> Option<bool> {
        Some(match self.rule? {
            Rule::PValue(most) => self.p_value(score)? <= most,
            // NaN, which only overflow gives, is as high as can be.
            Rule::Score(least) => score.is_nan() || f64::from(score) >= least,
            Rule::Fdr(_) => false,
        })
    }

    /// The calibration that all rows have to be ranked in first, if the decision depends on all of them.
    pub(crate) fn ranks_all(&self) -> Option<&Tail> {
        self.calibration.as_ref().filter(|_| matches!(self.rule, Some(Rule::Fdr(_))))
    }

    /// Takes the decision that depends on all rows, of which this many have each level of the calibration: p-values up to
    /// the largest that is at most rate · rank / rows (Benjamini & Hochberg 1995).
    pub(crate) fn discover(&mut self, levels: &[u64]) {
        let (Some(Rule::Fdr(rate)), Some(calibration)) = (self.rule, &self.calibration) else { return };
        let rows: u64 = levels.iter().sum();
        let (mut rank, mut most) = (0, 0.0);
        for (level, count) in levels.iter().enumerate() {
            rank += count;
            let p = calibration.p_value_of(level);
            if p <= rate * rank as f64 / rows.max(1) as f64 {
                most = p;
            }
        }
        self.rule = Some(Rule::PValue(most));
    }
}
