//! What is counted while values are written.

use serde::Serialize;

use super::{Feature, Kind};

/// Values of a column that were not as those of the fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueIssues {
    /// Missing.
    pub null: u64,
    /// NaN, infinite or beyond the range of f32, or a vector of another length; taken as missing.
    pub unusable: u64,
    /// Of a category the fit did not see.
    pub unseen: u64,
    /// Outside the range seen at fit; of vectors, those with a number outside its range.
    pub beyond: u64,
}

impl ValueIssues {
    fn add(&mut self, other: Self) {
        self.null += other.null;
        self.unusable += other.unusable;
        self.unseen += other.unseen;
        self.beyond += other.beyond;
    }

    /// How many values there is something to say of, and what.
    fn parts(&self, feature: &dyn Feature) -> [(u64, &'static str); 4] {
        let Self { null, unusable, unseen, beyond } = *self;
        let of_nulls = if feature.missing() == 0 { null } else { 0 };
        [
            (of_nulls, "missing, and none was at fit"),
            (unusable, feature.unusable()),
            (unseen, "of categories the fit did not see"),
            (beyond, "outside the range the fit saw"),
        ]
    }

    /// How many values there is something to say of.
    fn said_of(&self, feature: &dyn Feature) -> u64 {
        self.parts(feature).iter().map(|(count, _)| count).sum()
    }

    /// What is worth saying of a feature's values; nothing if they are as those of the fit were.
    fn in_words(&self, feature: &dyn Feature) -> Option<String> {
        let said = self.parts(feature).into_iter().filter(|(count, _)| *count > 0).enumerate();
        let said: Vec<String> = said
            .map(|(n, (count, what))| {
                let (value, is) = if count == 1 { (" value", "is") } else { (" values", "are") };
                format!("{count}{} {is} {what}", if n == 0 { value } else { "" })
            })
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// The same of all features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FeatureIssues(pub(crate) Vec<ValueIssues>);

impl FeatureIssues {
    /// Adds the counts of another block.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), ValueIssues::default());
        self.0.iter_mut().zip(&other.0).for_each(|(sum, found)| sum.add(*found));
    }

    /// The columns with something to say, by name.
    pub(crate) fn of(&self, kinds: &[Kind]) -> Vec<(String, ValueIssues)> {
        let said = kinds.iter().zip(&self.0).filter(|(kind, found)| found.said_of(kind.feature()) > 0);
        said.map(|(kind, found)| (kind.column().to_string(), *found)).collect()
    }

    /// Warns, a column, of values that are not as those of the fit; of many columns, of those with the most.
    pub(crate) fn warn(&self, kinds: &[Kind]) {
        const MOST: usize = 8;
        let said = kinds.iter().zip(&self.0);
        let mut said: Vec<_> =
            said.filter_map(|(kind, found)| Some((kind, *found, found.in_words(kind.feature())?))).collect();
        if said.len() > MOST {
            // Stable: of equals, the first columns.
            said.sort_by_key(|(kind, found, _)| std::cmp::Reverse(found.said_of(kind.feature())));
        }
        for (kind, _, words) in said.iter().take(MOST) {
            tracing::warn!("column {:?}: {words}", kind.column().name());
        }
        if let Some(rest @ [_, ..]) = said.get(MOST..) {
            let values: u64 = rest.iter().map(|(kind, found, _)| found.said_of(kind.feature())).sum();
            tracing::warn!("{} more columns: {values} such values in all", rest.len());
        }
    }
}
