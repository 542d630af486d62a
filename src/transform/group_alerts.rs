//! Alerts that count only from the N-th of their group on, in the order of the rows of one output.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::columns::{HELD_BACK, IS_ANOMALY};
use super::read_columns::unreadable;
use crate::config::TransformConfig;
use crate::error::Result;
use crate::source::named_field;

/// An anomaly: its row in the batch, and the values of its group.
pub(super) type GroupAlert = (u32, String);

/// Finds the group of each anomaly.
#[derive(Clone)]
pub(super) struct AlertGroups {
    /// The columns whose values tell groups apart, by their indexes among those that are read.
    columns: Vec<usize>,
}

impl TransformConfig {
    /// Whether alerts of a group wait for others.
    pub(super) fn counts_alerts(&self) -> bool {
        self.min_alerts.is_some_and(|least| least > 1)
    }

    /// Checks that an input with this schema has the columns of the groups.
    ///
    /// # Errors
    /// [`UnknownColumn`](crate::Error::UnknownColumn).
    pub(super) fn check_groups(&self, schema: &Schema) -> Result<()> {
        self.alerts_per.iter().try_for_each(|name| named_field(schema, "alerts_per", name).map(drop))
    }
}

impl AlertGroups {
    /// `None` if every alert counts. `read` are the columns that are read, which have those of the groups.
    pub(super) fn new(config: &TransformConfig, read: &[String]) -> Option<Self> {
        let index = |name: &String| read.iter().position(|column| column == name);
        config.counts_alerts().then(|| Self { columns: config.alerts_per.iter().filter_map(index).collect() })
    }

    /// The anomalies among some rows.
    pub(super) fn alerts(&self, rows: &RecordBatch, decided: &BooleanArray) -> Result<Vec<GroupAlert>> {
        let formats = FormatOptions::default().with_null("\u{1e}");
        let columns = self.columns.iter().map(|&column| ArrayFormatter::try_new(rows.column(column), &formats));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(unreadable)?;
        let of_row = |row: usize| {
            let mut group = String::new();
            for column in &columns {
                // A string takes everything; values of any length end with a unit separator.
                let _ = write!(group, "{}\u{1f}", column.value(row));
            }
            (row as u32, group)
        };
        let found = (0..decided.len()).filter(|&row| decided.is_valid(row) && decided.value(row));
        Ok(found.map(of_row).collect())
    }
}

/// Counts the alerts of each group.
pub(super) struct AlertCounter {
    least: u64,
    counts: HashMap<String, u64>,
}

impl AlertCounter {
    pub(super) fn new(config: &TransformConfig) -> Self {
        Self { least: config.min_alerts.unwrap_or(1), counts: HashMap::new() }
    }

    /// The rows whose alerts do not count, of the next ones.
    pub(super) fn held_back(&mut self, alerts: Vec<GroupAlert>) -> Vec<u32> {
        let mut is_early = |group: String| {
            let count = self.counts.entry(group).or_default();
            *count += 1;
            *count < self.least
        };
        alerts.into_iter().filter_map(|(row, group)| is_early(group).then_some(row)).collect()
    }
}

/// The rows, in which these are no anomalies by the column of decisions, and held back by the one that says so.
pub(super) fn without_alerts(rows: &RecordBatch, held_back: &[u32], decision: &str) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    let prefix = decision.strip_suffix(IS_ANOMALY).unwrap_or_default();
    for (name, is) in [(decision, false), (&format!("{prefix}{HELD_BACK}"), true)] {
        let Ok(at) = rows.schema().index_of(name) else { continue };
        let Some(before) = columns[at].as_boolean_opt() else { continue };
        let mut values: Vec<Option<bool>> = before.iter().collect();
        held_back.iter().for_each(|&row| values[row as usize] = Some(is));
        columns[at] = Arc::new(BooleanArray::from(values)) as ArrayRef;
    }
    RecordBatch::try_new(rows.schema(), columns).expect("the same columns, some with other values")
}
