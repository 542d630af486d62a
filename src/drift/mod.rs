//! Data drift: the baseline that a fit stores of its rows, and the comparison of other rows with it.

#![forbid(unsafe_code)]

mod bin_counts;
mod binning;
mod binnings;
mod divergence;
mod given_effects;
mod post_stratification;
mod sketch;
mod usual;

use serde::Serialize;

pub(crate) use self::bin_counts::BinCounts;
use self::divergence::{chance, psi};
pub(crate) use self::given_effects::GivenEffects;
pub(crate) use self::sketch::{Sketch, SketchRows};
use crate::feature::{Kind, ValueIssues, Watched};

/// The drift of a transform's rows from those of the fit: of every learned column, every latent dimension and the
/// anomaly score.
///
/// Numbers and latents are compared after what follows from given columns is taken from them, and the rows of the fit are
/// weighted so that the hours, weekdays, months and groups that are given have the shares that they have of the rows. Measured
/// on a sample: the first 4,096 rows, then every 17th.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// Rows in the sample.
    pub sampled: u64,
    /// The learned columns, in the order of the model's features, then those that were constant at fit and are present.
    pub columns: Vec<Shift>,
    /// The posterior means, compared with those of training rows; an inactive dimension does not drift.
    pub latents: Vec<Shift>,
    /// The anomaly score, compared with the calibration rows; `None` for a model without such rows.
    pub score: Option<Shift>,
}

/// The shift of one column, latent or score from its distribution at fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shift {
    /// The column; or `z_0` …, `anomaly_score`. For a list, the number with the largest shift: `name[3]`.
    pub name: String,
    /// Population stability index (Siddiqi 2006, "Credit risk scorecards", ch. 8), Σ (a - b) ln(a / b) over about ten
    /// bins of even shares at fit, or the categories, and a bin of missing values. Usually, below 0.1 means stable and
    /// above 0.25 shifted. For a date or time only missing against known, since later rows have later times.
    pub psi: f64,
    /// The limit of chance: without drift, all indices together stay below it in 999 of 1,000 transforms (Yurdakul
    /// 2018, "Statistical properties of population stability index": about χ² (1/n + 1/m)). Or what is usual, if that is more:
    /// one and a half times the largest index of a thirty-second part of the training rows, in their order.
    pub chance: f64,
    /// Kolmogorov-Smirnov distance of the known values, to within 1/32; `None` without an order.
    pub ks: Option<f64>,
    /// Share of missing or unusable values, of all rows.
    pub missing: f64,
    /// Share of missing or unusable values at fit.
    pub missing_at_fit: f64,
    /// Share of values outside the range at fit, of all rows.
    pub beyond: f64,
    /// Share of values of categories that were not seen at fit, or other than the constant, of all rows.
    pub unseen: f64,
}

impl Shift {
    /// The shares of a column's issues in `rows` rows, against `at_fit` rows of the fit; the distances are 0.
    pub(crate) fn from_issues(kind: &Kind, issues: &ValueIssues, rows: u64, at_fit: u64) -> Self {
        let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
        Self {
            name: kind.column().to_string(),
            missing: share(issues.null + issues.unusable, rows),
            missing_at_fit: share(kind.missing(), at_fit),
            beyond: share(issues.out_of_range, rows),
            unseen: share(issues.unseen_category, rows),
            ..Self::default()
        }
    }

    /// The shift of a watched column, among `tests` shifts. A constant column has bins of the constant and of all other known values, an
    /// empty one of missing and of known values. `None` if the bins are empty, here or at fit.
    pub(crate) fn of_watched(watched: &Watched, issues: &ValueIssues, rows: u64, tests: usize) -> Option<Self> {
        let missing = issues.null + issues.unusable;
        let same = if watched.constant.is_some() { issues.constant } else { missing };
        let (all, alike) = (same + issues.unseen_category, watched.alike() as f64);
        let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
        (all > 0 && alike > 0.0).then(|| Self {
            name: watched.name.clone(),
            psi: psi(&[alike, 0.0], &[same as f64, issues.unseen_category as f64]),
            chance: chance(2, alike, all as f64, tests),
            missing: share(missing, rows),
            missing_at_fit: share(watched.missing, watched.known + watched.missing),
            unseen: share(issues.unseen_category, rows),
            ..Self::default()
        })
    }

    /// Whether the population stability index exceeds both `limit` and the limit of chance.
    pub fn exceeds(&self, limit: f64) -> bool {
        self.psi > limit && self.psi > self.chance
    }
}

impl Drift {
    /// The population stability index above which a distribution usually counts as shifted.
    pub const SHIFTED: f64 = 0.25;

    /// All shifts: columns, latents, score.
    pub fn shifts(&self) -> impl Iterator<Item = &Shift> {
        self.columns.iter().chain(&self.latents).chain(&self.score)
    }

    /// The shifts that [exceed](Shift::exceeds) `limit`: columns first, then others, the largest first in each part.
    pub fn beyond(&self, limit: f64) -> Vec<&Shift> {
        let mut columns: Vec<&Shift> = self.columns.iter().filter(|shift| shift.exceeds(limit)).collect();
        let others = self.latents.iter().chain(&self.score);
        let mut others: Vec<&Shift> = others.filter(|shift| shift.exceeds(limit)).collect();
        for shifts in [&mut columns, &mut others] {
            shifts.sort_by(|a, b| b.psi.total_cmp(&a.psi));
        }
        columns.into_iter().chain(others).collect()
    }

    /// The largest index above its limit of chance; 0 if there is none.
    pub fn worst(&self) -> f64 {
        self.shifts().filter(|shift| shift.psi > shift.chance).map(|shift| shift.psi).fold(0.0, f64::max)
    }
}
