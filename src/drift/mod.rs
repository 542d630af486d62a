//! How rows are spread beside those a model was fitted to: what the fit stores of its rows, and what is made of others.

#![forbid(unsafe_code)]

mod bin_counts;
mod divergence;
mod sketch;

use serde::Serialize;

pub(crate) use self::bin_counts::BinCounts;
pub(crate) use self::sketch::{Sketch, SketchRows};
use crate::feature::{Kind, ValueIssues};

/// How the rows of a transform are spread beside those of the fit: for every learned column, every dimension of the
/// latent space, and the anomaly score.
///
/// The spread is that of a sample: the first 4,096 rows, and of those after them every 17th.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// Rows in the sample.
    pub sampled: u64,
    /// The learned columns, in the order of the model's features.
    pub columns: Vec<Shift>,
    /// The posterior means, against those of training rows.
    pub latents: Vec<Shift>,
    /// The anomaly score, against the calibration rows; `None` of a model without such rows.
    pub score: Option<Shift>,
}

/// How one column, latent or score is spread beside how it was at fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shift {
    /// The column; or `z_0` …, `anomaly_score`. Of a list the number that moved most: `name[3]`.
    pub name: String,
    /// Population stability index (Siddiqi 2006, "Credit risk scorecards", ch. 8), Σ (a - b) ln(a / b) over about ten bins of
    /// even shares at fit, the categories, and the missing values: below 0.1 usually read as stable, above 0.25 as
    /// shifted. Of a date or time only whether it is there: time goes on.
    pub psi: f64,
    /// What chance makes of the index: rows like those of the fit stay below it, all columns together, in 999 of 1,000
    /// transforms (Yurdakul 2018, "Statistical properties of population stability index": about χ² (1/n + 1/m)).
    pub chance: f64,
    /// Kolmogorov-Smirnov distance of the known values, to within 1/32; `None` of what has no order.
    pub ks: Option<f64>,
    /// Share of missing values, those that are not usable among them, of all rows.
    pub missing: f64,
    /// The same at fit.
    pub missing_at_fit: f64,
    /// Share of values outside the range seen at fit, of all rows.
    pub beyond: f64,
    /// Share of values of categories that the fit did not see, of all rows.
    pub unseen: f64,
}

impl Shift {
    /// What was counted of a column in `rows` rows, beside so many at fit; it did not move.
    pub(crate) fn found(kind: &Kind, found: &ValueIssues, rows: u64, at_fit: u64) -> Self {
        let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
        Self {
            name: kind.column().to_string(),
            missing: share(found.null + found.unusable, rows),
            missing_at_fit: share(kind.missing(), at_fit),
            beyond: share(found.beyond, rows),
            unseen: share(found.unseen, rows),
            ..Self::default()
        }
    }

    /// Whether it moved by more than a population stability index of `limit`, and more than by chance.
    pub fn exceeds(&self, limit: f64) -> bool {
        self.psi > limit && self.psi > self.chance
    }
}

impl Drift {
    /// The index above which a shift is worth a word: the usual reading of "shifted".
    pub const SHIFTED: f64 = 0.25;

    /// All that was compared: columns, latents, score.
    pub fn shifts(&self) -> impl Iterator<Item = &Shift> {
        self.columns.iter().chain(&self.latents).chain(&self.score)
    }

    /// What [exceeds](Shift::exceeds) `limit`, the columns first and within these kinds what moved most.
    pub fn beyond(&self, limit: f64) -> Vec<&Shift> {
        let mut columns: Vec<&Shift> = self.columns.iter().filter(|shift| shift.exceeds(limit)).collect();
        let others = self.latents.iter().chain(&self.score);
        let mut others: Vec<&Shift> = others.filter(|shift| shift.exceeds(limit)).collect();
        for shifts in [&mut columns, &mut others] {
            shifts.sort_by(|a, b| b.psi.total_cmp(&a.psi));
        }
        columns.into_iter().chain(others).collect()
    }

    /// The greatest index that is more than chance; 0 if all is chance.
    pub fn worst(&self) -> f64 {
        self.shifts().filter(|shift| shift.psi > shift.chance).map(|shift| shift.psi).fold(0.0, f64::max)
    }
}
