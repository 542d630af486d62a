//! Counts of missing, unusable, out-of-range and unseen values, and the warnings about them.

use serde::Serialize;

use super::{Feature, Features, Kind, Watched};

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

/// A column with values that deserve a warning.
struct WarnedColumn<'a> {
    name: &'a str,
    issues: ValueIssues,
    /// Counts of such values, each with its phrase.
    parts: Vec<(u64, String)>,
}

impl ValueIssues {
    fn add(&mut self, other: Self) {
        self.null += other.null;
        self.unusable += other.unusable;
        self.unseen_category += other.unseen_category;
        self.out_of_range += other.out_of_range;
        self.constant += other.constant;
    }

    /// The counts of a feature's values that deserve a warning, each with its phrase.
    fn parts(&self, feature: &dyn Feature) -> Vec<(u64, String)> {
        let Self { null, unusable, unseen_category, out_of_range, .. } = *self;
        let of_nulls = if feature.missing() == 0 { null } else { 0 };
        let parts = [
            (of_nulls, "missing, and none was at fit"),
            (unusable, feature.unusable()),
            (unseen_category, feature.unseen()),
            (out_of_range, "outside the range the fit saw"),
        ];
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| (count, what.to_owned())).collect()
    }

    /// The same for a constant column.
    fn parts_of_constant(&self, constant: &str) -> Vec<(u64, String)> {
        let other = Some(self.unseen_category).filter(|count| *count > 0);
        other.into_iter().map(|count| (count, format!("not the constant {constant} the fit saw"))).collect()
    }
}

impl WarnedColumn<'_> {
    /// The number of values that deserve a warning.
    fn total(&self) -> u64 {
        self.parts.iter().map(|(count, _)| count).sum()
    }

    /// The text of the warning.
    fn describe(&self) -> String {
        let phrases = self.parts.iter().enumerate().map(|(n, (count, what))| {
            let (value, is) = if *count == 1 { (" value", "is") } else { (" values", "are") };
            format!("{count}{} {is} {what}", if n == 0 { value } else { "" })
        });
        phrases.collect::<Vec<_>>().join("; ")
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

    /// The columns that deserve a warning.
    fn warned<'a>(&self, features: &'a Features, watched: &'a [Watched]) -> Vec<WarnedColumn<'a>> {
        let of_feature = |(kind, issues): (&'a Kind, &ValueIssues)| WarnedColumn {
            name: kind.column().name(),
            issues: *issues,
            parts: issues.parts(kind.feature()),
        };
        let learned = features.kinds().iter().zip(&self.learned).map(of_feature);
        let given = features.given().iter().zip(&self.given).map(of_feature);
        let watched = watched.iter().zip(&self.watched).map(|(watched, issues)| WarnedColumn {
            name: &watched.name,
            issues: *issues,
            parts: issues.parts_of_constant(&watched.constant),
        });
        learned.chain(given).chain(watched).filter(|column| !column.parts.is_empty()).collect()
    }

    /// The columns that deserve a warning, by name.
    pub(crate) fn of(&self, features: &Features, watched: &[Watched]) -> Vec<(String, ValueIssues)> {
        self.warned(features, watched).into_iter().map(|column| (column.name.to_owned(), column.issues)).collect()
    }

    /// Logs a warning for each column with such values; of many columns, only those with the most.
    pub(crate) fn warn(&self, features: &Features, watched: &[Watched]) {
        const MAX_WARNINGS: usize = 8;
        let mut columns = self.warned(features, watched);
        if columns.len() > MAX_WARNINGS {
            // The sort is stable: of equal counts, the first columns are shown.
            columns.sort_by_key(|column| std::cmp::Reverse(column.total()));
        }
        for column in columns.iter().take(MAX_WARNINGS) {
            tracing::warn!("column {:?}: {}", column.name, column.describe());
        }
        if let Some(rest @ [_, ..]) = columns.get(MAX_WARNINGS..) {
            let values: u64 = rest.iter().map(WarnedColumn::total).sum();
            tracing::warn!("{} more columns: {values} such values in all", rest.len());
        }
    }
}
