//! Counts of missing, unusable, out-of-range and unseen values, and the warnings about them.

use serde::Serialize;

use super::{Feature, Features, Watched};

/// What is said of missing values where the fit saw none.
const MISSING: &str = "missing, unlike in the training data";

/// What is said of values out of range.
const OUT_OF_RANGE: &str = "outside the range of the training data";

/// What is said of other values of a constant column.
const OTHER: &str = "other than the constant of the training data";

/// What is said of values of a column that had none.
const FIRST: &str = "in columns that are empty in the training data";

/// Columns that a warning names.
const MAX_NAMED: usize = 5;

/// Counts of a column's values that differ from those at fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueIssues {
    /// Missing values.
    pub null: u64,
    /// NaN, infinite or beyond the range of f32, or a vector of another length; taken as missing.
    pub unusable: u64,
    /// Values of a category that was not seen at fit, or other than the constant of a constant column.
    #[serde(rename = "unseen")]
    pub unseen_category: u64,
    /// Values outside the range at fit; for vectors, those with any number out of range.
    #[serde(rename = "beyond")]
    pub out_of_range: u64,
    /// Values that are the constant of a constant column.
    #[serde(skip)]
    pub(crate) constant: u64,
}

/// Values of one column that differ from those at fit in one way.
struct Finding<'a> {
    column: &'a str,
    /// How they differ, after "values are".
    what: &'static str,
    count: u64,
    /// The constant of a constant column.
    constant: Option<&'a str>,
}

impl ValueIssues {
    fn add(&mut self, other: Self) {
        self.null += other.null;
        self.unusable += other.unusable;
        self.unseen_category += other.unseen_category;
        self.out_of_range += other.out_of_range;
        self.constant += other.constant;
    }

    /// How values of a feature differ from those at fit.
    fn findings<'a>(&self, column: &'a str, feature: &dyn Feature) -> impl Iterator<Item = Finding<'a>> {
        let Self { null, unusable, unseen_category, out_of_range, .. } = *self;
        let of_nulls = if feature.missing() == 0 { null } else { 0 };
        let findings = [
            (of_nulls, MISSING),
            (unusable, feature.unusable()),
            (unseen_category, feature.unseen()),
            (out_of_range, OUT_OF_RANGE),
        ];
        let found = findings.into_iter().filter(|(count, _)| *count > 0);
        found.map(move |(count, what)| Finding { column, what, count, constant: None })
    }
}

/// [`ValueIssues`] of every learned and given feature, and of every watched column of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FeatureIssues {
    pub(crate) learned: Vec<ValueIssues>,
    pub(crate) given: Vec<ValueIssues>,
    pub(crate) watched: Vec<ValueIssues>,
}

impl FeatureIssues {
    /// Adds the counts of other rows.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { learned, given, watched } = self;
        for (sums, issues) in [(learned, &other.learned), (given, &other.given), (watched, &other.watched)] {
            sums.resize(sums.len().max(issues.len()), ValueIssues::default());
            sums.iter_mut().zip(issues).for_each(|(sum, issues)| sum.add(*issues));
        }
    }

    /// Appends the counts of the features that come next, for the same rows.
    pub(crate) fn append(&mut self, next: &Self) {
        self.learned.extend_from_slice(&next.learned);
        self.given.extend_from_slice(&next.given);
        self.add(&Self { watched: next.watched.clone(), ..Self::default() });
    }

    /// No issue of any of the same columns.
    pub(crate) fn none(&self) -> Self {
        let none = |issues: &[ValueIssues]| vec![ValueIssues::default(); issues.len()];
        Self { learned: none(&self.learned), given: none(&self.given), watched: none(&self.watched) }
    }

    /// How values of each column differ from those at fit, with the column's counts.
    fn findings<'a>(
        &'a self,
        features: &'a Features,
        watched: &'a [Watched],
    ) -> impl Iterator<Item = (Finding<'a>, ValueIssues)> {
        let learned = features.kinds().iter().zip(&self.learned);
        let of_features = learned.chain(features.given().iter().zip(&self.given)).flat_map(|(kind, issues)| {
            issues.findings(kind.column().name(), kind.feature()).map(move |finding| (finding, *issues))
        });
        let of_watched =
            watched.iter().zip(&self.watched).flat_map(|(Watched { name, constant, missing, .. }, issues)| {
                let of_nulls = if *missing == 0 { issues.null } else { 0 };
                let other = if constant.is_some() { OTHER } else { FIRST };
                let ways = [(other, issues.unseen_category, constant.as_deref()), (MISSING, of_nulls, None)];
                let found = ways.into_iter().filter(|(_, count, _)| *count > 0);
                found.map(move |(what, count, constant)| (Finding { column: name, what, count, constant }, *issues))
            });
        of_features.chain(of_watched)
    }

    /// The columns whose values differ from those at fit.
    pub(crate) fn of(&self, features: &Features, watched: &[Watched]) -> Vec<(String, ValueIssues)> {
        let mut columns: Vec<(String, ValueIssues)> = Vec::new();
        for (Finding { column, .. }, issues) in self.findings(features, watched) {
            if columns.last().is_none_or(|(last, _)| last != column) {
                columns.push((column.to_owned(), issues));
            }
        }
        columns
    }

    /// Logs a warning for each way in which values of `rows` differ from those of a fit to `rows_at_fit`, the columns with the
    /// most first. A few values out of range are ordinary, and warned of is only more.
    pub(crate) fn warn(&self, features: &Features, watched: &[Watched], rows: u64, rows_at_fit: u64) {
        let mut ways: Vec<(&str, Vec<Finding<'_>>)> = Vec::new();
        for (finding, _) in self.findings(features, watched) {
            if finding.what == OUT_OF_RANGE && finding.count <= ordinarily_out_of_range(rows, rows_at_fit) {
                continue;
            }
            match ways.iter_mut().find(|(what, _)| *what == finding.what) {
                Some((_, findings)) => findings.push(finding),
                None => ways.push((finding.what, vec![finding])),
            }
        }
        for (what, mut findings) in ways {
            let all: u64 = findings.iter().map(|finding| finding.count).sum();
            // The sort is stable: of equal counts, the first columns are named.
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.count));
            let named = findings.iter().take(MAX_NAMED).map(|Finding { column, count, constant, .. }| match constant {
                Some(constant) => format!("{column:?} ({count}, not {constant})"),
                None => format!("{column:?} ({count})"),
            });
            let named = named.collect::<Vec<_>>().join(", ");
            let more = findings.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(", … {more} more columns") } else { String::new() };
            let are = if all == 1 { "value is" } else { "values are" };
            tracing::warn!("{all} {are} {what}: {named}{more}");
        }
    }
}

/// How many values of a column may be out of range by chance: of exchangeable rows, each new one is the least or the greatest
/// of all with a probability of 2 / (rows at fit + 1); three standard deviations more are no surprise.
fn ordinarily_out_of_range(rows: u64, rows_at_fit: u64) -> u64 {
    let expected = 2.0 * rows as f64 / (rows_at_fit as f64 + 1.0);
    (1.0 + expected + 3.0 * expected.sqrt()) as u64
}
