//! The decision whether a row is an anomaly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{COMBINED, ScoreComponents, ScoreEquivalents, Stored, Tail};
use crate::config::{Decision, Direction};
use crate::error::{AlphaTooLow, Error, Result};

/// How a model ranks rows and decides which are anomalies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scoring {
    /// The score in the column `anomaly_score`.
    pub anomaly_score: String,
    /// Scores of training rows; present if the model stores rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<ScoreComponents>,
    /// The scores of the calibration rows; absent without such rows.
    pub calibration: Option<Tail>,
    /// The scores of training rows: of all rows if the fit has a contamination, else of at most 65,536.
    pub training: Tail,
    /// The decision rule, unless a transform sets another.
    pub decision: Decision,
    /// An anomaly must also have a p-value of at most this, unless a transform sets another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_above_p: Option<f64>,
    /// The columns of which only one side of what is expected is odd.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directions: BTreeMap<String, Direction>,
    /// Of rows in order, what the scores of rows without a full window stand for; absent if they count as those of other rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_windows: Option<ScoreEquivalents>,
}

impl Scoring {
    /// Whether scores can be compared with these: a model file may be damaged.
    pub(crate) fn is_valid(&self) -> bool {
        let Self { calibration, training, decision, ignore_above_p, partial_windows, .. } = self;
        calibration.iter().chain([training]).all(|tail| tail.is_valid() && tail.rows() > 0)
            && decision.is_valid()
            && ignore_above_p.is_none_or(|most| most > 0.0 && most < 1.0)
            && partial_windows.as_ref().is_none_or(ScoreEquivalents::is_valid)
    }

    /// What it compares rows with.
    pub(crate) fn compares(&self) -> Stored {
        match &self.components {
            None => Stored::Nothing,
            Some(ScoreComponents { marginal_nll: None, .. }) => Stored::Rows,
            Some(_) => Stored::Marginals,
        }
    }

    /// The decision that holds: `decision`, or that of the model, with the share of an automatic contamination.
    pub fn decide(&self, decision: Option<Decision>) -> Decision {
        match decision.unwrap_or(self.decision) {
            Decision::AutoContamination => Decision::Contamination(self.network_scores().contamination()),
            decision => decision,
        }
    }

    /// The share of the training rows that look like anomalies: a cluster above a gap in their scores. `None` if there is no
    /// gap, or if the decision has a contamination.
    pub fn suspected_contamination(&self) -> Option<f64> {
        let counts = matches!(self.decision, Decision::Contamination(_) | Decision::AutoContamination);
        self.network_scores().cluster().filter(|_| !counts)
    }

    /// The scores of training rows by the networks alone: the rows of a cluster that is stored are near each other.
    fn network_scores(&self) -> &Tail {
        self.components.as_ref().map_or(&self.training, |components| &components.elbo)
    }

    /// A phrase on the limits of the p-values, if they matter.
    pub fn shortcoming(&self) -> Option<String> {
        /// Fewer calibration rows than this give coarse p-values.
        const COARSE: u64 = 40;
        let (Some(calibration), Some(least)) = (&self.calibration, self.least_p_value()) else {
            return Some("there are no p-values, since there are no calibration rows".to_owned());
        };
        let rows = calibration.rows();
        let coarse = if rows < COARSE { "coarse and " } else { "" };
        match self.decision {
            Decision::Alpha(alpha) if least > alpha => Some(format!(
                "p-values are {coarse}{least:.2} at least, too high for an alpha of {alpha}: no row is an anomaly; \
                 a contamination or a threshold decides without p-values"
            )),
            _ if rows < COARSE => Some(format!("p-values are coarse, as only {rows} rows calibrate")),
            _ => None,
        }
    }

    /// The p-value that no score is below; `None` without calibration rows. `combined` has a highest value where its parts have too few
    /// training rows for a tail beyond them.
    pub(crate) fn least_p_value(&self) -> Option<f64> {
        let calibration = self.calibration.as_ref()?;
        Some(match &self.components {
            Some(components) if self.anomaly_score == COMBINED.name => {
                calibration.p_value(components.combine([f32::MAX; 3], 0.0) as f32)
            }
            _ => calibration.least_p_value(),
        })
    }

    /// The least anomaly score of an anomaly by `decision`, or by that of the model; `None` if no score is one by itself. With
    /// given groups it is the score of a row after it is compared with its own group.
    pub fn threshold(&self, decision: Option<Decision>) -> Option<f32> {
        let rule = AnomalyRule::new(self, decision, None).ok()?;
        let is_anomaly = |score: f32| rule.is_anomaly(score) == Some(true);
        // The numbers of all scores in their order: the rule holds from one on.
        let score = |n: u32| f32::from_bits(if n >> 31 == 1 { n ^ (1 << 31) } else { !n });
        let [lowest, highest] = [f32::NEG_INFINITY, f32::INFINITY].map(f32::to_bits);
        let (mut below, mut from) = (!lowest, highest ^ (1 << 31));
        if !is_anomaly(score(from)) {
            return None;
        }
        while below < from {
            let middle = below + (from - below) / 2;
            if is_anomaly(score(middle)) { from = middle } else { below = middle + 1 }
        }
        Some(score(from))
    }

    /// Checks that some row could be an anomaly by `decision`, or by that of the model.
    ///
    /// # Errors
    /// [`Error::NotCalibrated`] if the decision needs p-values and the model has none, [`Error::AlphaTooLow`] if no
    /// p-value is as low as it asks.
    pub fn check(&self, decision: Option<Decision>) -> Result<()> {
        let decision = self.decide(decision);
        let (Some(calibration), Some(least)) = (&self.calibration, self.least_p_value()) else {
            return match decision {
                Decision::Threshold(_) | Decision::Contamination(_) => Ok(()),
                _ => Err(Error::NotCalibrated { option: decision.option() }),
            };
        };
        match decision {
            Decision::Alpha(alpha) if least > alpha => {
                Err(AlphaTooLow { alpha, least, rows: calibration.rows() }.into())
            }
            _ => Ok(()),
        }
    }
}

/// A decision rule with its threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    /// Anomalies have a p-value of at most this.
    PValue(f64),
    /// Anomalies have a score of at least this.
    Score(f64),
    /// Anomalies are the discoveries at this false discovery rate; needs all rows first.
    Fdr(f64),
}

/// Computes p-values and decides which rows are anomalies.
#[derive(Debug, Clone)]
pub(crate) struct AnomalyRule {
    calibration: Option<Tail>,
    rule: Option<Rule>,
    /// The highest p-value of an anomaly.
    ignore_above_p: Option<f64>,
}

impl AnomalyRule {
    /// Uses `decision` and `ignore_above_p`, or those of the model.
    ///
    /// # Errors
    /// As [`Scoring::check`], for a `decision` given; [`Error::NotCalibrated`] for an `ignore_above_p` given.
    pub(crate) fn new(scoring: &Scoring, decision: Option<Decision>, ignore_above_p: Option<f64>) -> Result<Self> {
        if decision.is_some() {
            scoring.check(decision)?;
        }
        let calibration = scoring.calibration.clone();
        if ignore_above_p.is_some() && calibration.is_none() {
            return Err(Error::NotCalibrated { option: "ignore_above_p" });
        }
        let ignore_above_p = ignore_above_p.or(scoring.ignore_above_p);
        let rule = match scoring.decide(decision) {
            Decision::Alpha(alpha) => Rule::PValue(alpha),
            Decision::Threshold(score) => Rule::Score(score),
            Decision::Contamination(share) => Rule::Score(scoring.training.threshold_for(share).into()),
            Decision::Fdr(rate) => Rule::Fdr(rate),
            Decision::AutoContamination => unreachable!("decided just now"),
        };
        let lacks = calibration.is_none() && !matches!(rule, Rule::Score(_));
        Ok(Self { calibration, rule: (!lacks).then_some(rule), ignore_above_p })
    }

    /// Whether there are p-values.
    pub(crate) fn has_p_values(&self) -> bool {
        self.calibration.is_some()
    }

    /// Whether it decides which rows are anomalies.
    pub(crate) fn decides(&self) -> bool {
        self.rule.is_some()
    }

    /// The rule; `None` if nothing decides.
    pub(crate) fn rule(&self) -> Option<Rule> {
        self.rule
    }

    /// The highest p-value of an anomaly, beside the rule.
    pub(crate) fn ignore_above_p(&self) -> Option<f64> {
        self.ignore_above_p
    }

    /// The p-value of a score.
    pub(crate) fn p_value(&self, score: f32) -> Option<f64> {
        Some(self.calibration.as_ref()?.p_value(score))
    }

    /// Whether a row with this score is an anomaly; `None` without a rule. With a false discovery rate none is, before
    /// [`discover`](Self::discover).
    pub(crate) fn is_anomaly(&self, score: f32) -> Option<bool> {
        let is_ignored = |most: f64| self.p_value(score).is_none_or(|p| p > most);
        if self.rule.is_some() && self.ignore_above_p.is_some_and(is_ignored) {
            return Some(false);
        }
        Some(match self.rule? {
            Rule::PValue(most) => self.p_value(score)? <= most,
            // NaN comes only from overflow and counts as the highest score.
            Rule::Score(least) => score.is_nan() || f64::from(score) >= least,
            Rule::Fdr(_) => false,
        })
    }

    /// The calibration in which all rows must be ranked first, if the decision depends on all of them.
    pub(crate) fn ranks_all(&self) -> Option<&Tail> {
        self.calibration.as_ref().filter(|_| matches!(self.rule, Some(Rule::Fdr(_))))
    }

    /// Sets the threshold for a false discovery rate, from the number of rows at each level of the calibration: the
    /// largest p-value that is at most rate · rank / rows (Benjamini & Hochberg 1995).
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
