//! Counts of missing, unusable, out-of-range and unseen values, and the warnings about them.

use serde::Serialize;

use super::{Feature, Kind};

/// Counts of a column's values that differ from those at fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueIssues {
    /// Missing values.
    pub null: u64,
    /// NaN, infinite or beyond the range of f32, or a vector of another length; taken as missing.
    pub unusable: u64,
    /// Values of a category that was not seen at fit.
    #[serde(rename = "unseen")]
    pub unseen_category: u64,
    /// Values outside the range at fit; for vectors, those with any number out of range.
    #[serde(rename = "beyond")]
    pub out_of_range: u64,
}

impl ValueIssues {
    fn add(&mut self, other: Self) {
        self.null += other.null;
        self.unusable += other.unusable;
        self.unseen_category += other.unseen_category;
        self.out_of_range += other.out_of_range;
    }

    /// The counts that deserve a warning, each with its phrase.
    fn parts(&self, feature: &dyn Feature) -> [(u64, &'static str); 4] {
        let Self { null, unusable, unseen_category, out_of_range } = *self;
        let of_nulls = if feature.missing() == 0 { null } else { 0 };
        [
            (of_nulls, "missing, and none was at fit"),
            (unusable, feature.unusable()),
            (unseen_category, "of categories the fit did not see"),
            (out_of_range, "outside the range the fit saw"),
        ]
    }

    /// The number of values that deserve a warning.
    fn total(&self, feature: &dyn Feature) -> u64 {
        self.parts(feature).iter().map(|(count, _)| count).sum()
    }

    /// The text of the warning; `None` if all values are as at fit.
    fn describe(&self, feature: &dyn Feature) -> Option<String> {
        let counts = self.parts(feature).into_iter().filter(|(count, _)| *count > 0).enumerate();
        let phrases: Vec<String> = counts
            .map(|(n, (count, what))| {
                let (value, is) = if count == 1 { (" value", "is") } else { (" values", "are") };
                format!("{count}{} {is} {what}", if n == 0 { value } else { "" })
            })
            .collect();
        (!phrases.is_empty()).then(|| phrases.join("; "))
    }
}

/// [`ValueIssues`] of every feature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FeatureIssues(pub(crate) Vec<ValueIssues>);

impl FeatureIssues {
    /// Adds the counts of another block.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), ValueIssues::default());
        self.0.iter_mut().zip(&other.0).for_each(|(sum, issues)| sum.add(*issues));
    }

    /// The columns that deserve a warning, by name.
    pub(crate) fn of(&self, kinds: &[Kind]) -> Vec<(String, ValueIssues)> {
        let columns = kinds.iter().zip(&self.0).filter(|(kind, issues)| issues.total(kind.feature()) > 0);
        columns.map(|(kind, issues)| (kind.column().to_string(), *issues)).collect()
    }

    /// Logs a warning for each column with such values; of many columns, only those with the most.
    pub(crate) fn warn(&self, kinds: &[Kind]) {
        const MAX_WARNINGS: usize = 8;
        let columns = kinds.iter().zip(&self.0);
        let mut columns: Vec<_> =
            columns.filter_map(|(kind, issues)| Some((kind, *issues, issues.describe(kind.feature())?))).collect();
        if columns.len() > MAX_WARNINGS {
            // The sort is stable: of equal counts, the first columns are shown.
            columns.sort_by_key(|(kind, issues, _)| std::cmp::Reverse(issues.total(kind.feature())));
        }
        for (kind, _, phrase) in columns.iter().take(MAX_WARNINGS) {
            tracing::warn!("column {:?}: {phrase}", kind.column().name());
        }
        if let Some(rest @ [_, ..]) = columns.get(MAX_WARNINGS..) {
            let values: u64 = rest.iter().map(|(kind, issues, _)| issues.total(kind.feature())).sum();
            tracing::warn!("{} more columns: {values} such values in all", rest.len());
        }
    }
}
