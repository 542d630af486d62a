//! Alerts of single periods and groups.

use serde::Serialize;

/// Most groups that are told one by one.
const MOST_GROUPS: usize = 1000;

/// Alerts of one period or group, at each threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AlertCounts {
    /// When a period starts: an hour as `2024-03-01T13:00Z`, a day or a week as `2024-03-01`, a month as `2024-03`; or the
    /// values of a group, joined by commas. Empty without a time.
    pub name: String,
    /// Its rows that have a score.
    pub rows: u64,
    /// Its alerts at each of [`Thresholds::by_p_value`](super::Thresholds::by_p_value).
    pub by_p_value: Vec<u64>,
    /// Its alerts at each of [`Thresholds::by_score`](super::Thresholds::by_score).
    pub by_score: Vec<u64>,
    /// Its alerts at [`Thresholds::wanted`](super::Thresholds::wanted).
    pub wanted: Option<u64>,
}

/// Which period or group each row is of.
pub(super) struct Partition {
    /// The number of each row's part, from 0.
    pub(super) of: Vec<usize>,
    /// The name of each part.
    pub(super) names: Vec<String>,
}

impl Partition {
    /// Counts some rows by part.
    pub(super) fn counts(&self, rows: impl Iterator<Item = usize>) -> Vec<u64> {
        let mut counts = vec![0; self.names.len()];
        rows.for_each(|row| counts[self.of[row]] += 1);
        counts
    }

    /// The alerts of each part, in their order, from the counts of all parts at each threshold.
    pub(super) fn alerts(&self, [by_p_value, by_score]: [Vec<&[u64]>; 2], wanted: Option<&[u64]>) -> Vec<AlertCounts> {
        let rows = self.counts(0..self.of.len());
        let of_part = |(part, name): (usize, &String)| {
            let at = |all: &[&[u64]]| all.iter().map(|counts| counts[part]).collect();
            AlertCounts {
                name: name.clone(),
                rows: rows[part],
                by_p_value: at(&by_p_value),
                by_score: at(&by_score),
                wanted: wanted.map(|counts| counts[part]),
            }
        };
        self.names.iter().enumerate().map(of_part).collect()
    }
}

/// The groups with the most alerts over all thresholds, the most first.
pub(super) fn most_first(mut groups: Vec<AlertCounts>) -> Vec<AlertCounts> {
    let all =
        |group: &AlertCounts| -> u64 { group.by_p_value.iter().chain(&group.by_score).chain(&group.wanted).sum() };
    groups.sort_by_cached_key(|group| std::cmp::Reverse(all(group)));
    groups.truncate(MOST_GROUPS);
    groups
}
