//! The odd rows with the reasons for their scores, and what they have in common.

use std::collections::{BTreeMap, BTreeSet};

use super::ScoredColumns;
use super::reasons::{ENCODED_FOR_ONE, Reason, explain, main_reasons, read};
use super::sampled_rows::read_rows;
use super::table_survey::TableSurvey;
use crate::artifact::Model;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Largest number of elements that the model encodes to explain rows: of wide rows, fewer are explained.
const MAX_VALUES: usize = 8 << 20;

/// The odd rows of highest score, and why they are odd.
pub(super) struct OddRows {
    /// The reasons of rows by number: of the odd rows and of those listed. Empty if they cannot be known.
    pub(super) reasons: BTreeMap<u64, Vec<Reason>>,
    /// The odd rows that have reasons, in descending order of score: (score, row).
    pub(super) rows: Vec<(f64, u64)>,
}

/// Odd rows with the same main columns.
pub(super) struct OddGroup {
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
    /// The row of highest score.
    pub(super) first: (f64, u64),
}

impl OddRows {
    /// Reads the reasons from the file, or finds them by the model if it can.
    pub(super) fn read(
        source: &ParquetSource,
        columns: &ScoredColumns,
        survey: &TableSurvey,
        model: Option<&Model>,
        stop: &Stop,
    ) -> Result<Self> {
        let learned = model.map(|model| model.features().columns());
        let explainable = learned.as_ref().is_some_and(|learned| learned.iter().all(|name| columns.has(name)));
        let most = match (&columns.top_features, model) {
            (Some(_), _) => survey.odd.len(),
            (None, Some(model)) if explainable => {
                (MAX_VALUES / (ENCODED_FOR_ONE * model.features().layout().width().max(1))).clamp(20, 1000)
            }
            _ => 0,
        };
        let odd = &survey.odd[..survey.odd.len().min(most)];
        // A file may have the reasons of other rows than anomalies.
        let most_listed = if columns.top_features.is_some() { usize::MAX } else { most };
        let listed = &survey.top[..survey.top.len().min(most_listed)];
        let rows: BTreeSet<u64> = odd.iter().chain(listed).map(|(_, row)| *row).collect();
        let rows: Vec<u64> = rows.into_iter().collect();
        let none = Self { reasons: BTreeMap::new(), rows: Vec::new() };
        if rows.is_empty() {
            return Ok(none);
        }
        let reasons = match (&columns.top_features, model) {
            (Some(name), _) => {
                let read_rows = read_rows(source, [name.clone()].into_iter(), rows.clone(), stop)?;
                read_rows.column(name).and_then(read)
            }
            (None, Some(model)) => {
                let learned = learned.unwrap_or_default();
                explain(model, &read_rows(source, learned.into_iter(), rows.clone(), stop)?, stop)?
            }
            (None, None) => None,
        };
        let Some(reasons) = reasons else { return Ok(none) };
        let reasons: BTreeMap<u64, Vec<Reason>> =
            rows.into_iter().zip(reasons).filter(|(_, reasons)| !reasons.is_empty()).collect();
        let rows = odd.iter().filter(|(_, row)| reasons.contains_key(row)).copied().collect();
        Ok(Self { reasons, rows })
    }

    /// The columns that are the main reason of odd rows, with the number of these rows, the most first.
    pub(super) fn main_columns(&self) -> Vec<(&str, u64)> {
        let mut counts = BTreeMap::<&str, u64>::new();
        for (_, row) in &self.rows {
            *counts.entry(self.reasons[row][0].column.as_str()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Odd rows grouped by their one or two main columns, the largest group first.
    pub(super) fn groups(&self) -> Vec<OddGroup> {
        let mut groups = BTreeMap::<Vec<&str>, OddGroup>::new();
        for &(score, row) in &self.rows {
            let main = main_reasons(&self.reasons[&row]).take(2);
            let names: Vec<&str> = main.map(|reason| reason.column.as_str()).collect();
            let mut key = names.clone();
            key.sort_unstable();
            let columns = || names.iter().map(|name| (*name).to_owned()).collect();
            // Rows come in descending order of score.
            groups.entry(key).or_insert_with(|| OddGroup { columns: columns(), rows: 0, first: (score, row) }).rows +=
                1;
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_by_their_two_main_columns_in_any_order() {
        let reasons = |columns: &[(&str, f32)]| -> Vec<Reason> {
            let reason = |(column, share): &(&str, f32)| Reason {
                column: (*column).to_owned(),
                share: *share,
                value: None,
                expected: None,
            };
            columns.iter().map(reason).collect()
        };
        let of_rows = [
            (7, reasons(&[("a", 0.6), ("b", 0.3)])),
            (8, reasons(&[("b", 0.5), ("a", 0.4), ("c", 0.1)])),
            (9, reasons(&[("a", 0.9), ("b", 0.1)])),
        ];
        let odd = OddRows { reasons: of_rows.into_iter().collect(), rows: vec![(3.0, 8), (2.0, 7), (1.0, 9)] };
        assert_eq!(odd.main_columns(), [("a", 2), ("b", 1)]);
        let groups: Vec<_> = odd.groups().into_iter().map(|it| (it.columns.join("+"), it.rows, it.first.1)).collect();
        assert_eq!(groups, [("b+a".to_owned(), 2, 8), ("a".to_owned(), 1, 9)]);
    }
}
