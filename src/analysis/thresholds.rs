//! What if: how many rows are alerts at other thresholds, in each period of time and each group.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::Serialize;

use super::alert_counts::{AlertCounts, Partition, most_first};
use super::groups::{group_name, groups};
use super::scored_columns::ranked_by;
use super::table::{columns, missing, numbers};
use super::time_unit::PeriodUnit;
use crate::error::{Error, ParseChoiceError, Result};
use crate::pipeline::Stop;
use crate::source::{ParquetSource, named_field};

/// P-values that are looked at.
pub(super) const P_VALUES: [f64; 10] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

/// Alerts a period, or in all, whose scores are looked at.
const ALERTS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// What rows are counted by, written `COL`, or `COL:day` for a column of times.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Per {
    /// The column.
    pub column: String,
    /// The length of a period; `None` for a column of groups.
    pub unit: Option<PeriodUnit>,
}

impl FromStr for Per {
    type Err = ParseChoiceError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseChoiceError> {
        let timed = text.rsplit_once(':').and_then(|(column, unit)| Some((column, unit.parse().ok()?)));
        let (column, unit) = timed.map_or((text, None), |(column, unit)| (column, Some(unit)));
        match column.is_empty() {
            true => Err(ParseChoiceError::new(text, "of the form COL, or COL:day")),
            false => Ok(Self { column: column.to_owned(), unit }),
        }
    }
}

/// Options of [`thresholds`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ThresholdsConfig {
    /// Count by these: at most one column of times, and columns of groups.
    pub per: Vec<Per>,
    /// Alerts that are wanted in each period, or in all without periods: above 0.
    pub alerts: Option<f64>,
}

/// Alerts of a scored table at a range of thresholds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Thresholds {
    /// Rows that have a score.
    pub rows: u64,
    /// The column of scores.
    pub score: String,
    /// The length of a period; `None` without a column of times.
    pub unit: Option<PeriodUnit>,
    /// Periods with a row.
    pub periods: Option<u64>,
    /// Groups with a row; `None` without columns of groups.
    pub groups: Option<u64>,
    /// At p-values; empty if the file has none.
    pub by_p_value: Vec<AlertsAt>,
    /// At scores that make round numbers of alerts.
    pub by_score: Vec<AlertsAt>,
    /// At the score that makes at most the alerts that are wanted.
    pub wanted: Option<AlertsAt>,
    /// The alerts of each period, in time; empty without a column of times.
    pub each_period: Vec<AlertCounts>,
    /// The alerts of each group, the most first, of at most 1,000; empty without columns of groups.
    pub each_group: Vec<AlertCounts>,
}

/// Alerts at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AlertsAt {
    /// Rows of at most this p-value are alerts; at scores, the largest of an alert. `None` if the file has no p-values, or there is
    /// no alert.
    pub p_value: Option<f64>,
    /// The smallest score of an alert; `None` if there is none.
    pub score: Option<f64>,
    /// Rows that are alerts.
    pub alerts: u64,
    /// Their share of the rows.
    pub share: f64,
    /// How they are spread over the periods.
    pub periods: Option<Spread>,
    /// How they are spread over the groups.
    pub groups: Option<Spread>,
    /// Those of each period and of each group.
    #[serde(skip)]
    counts: [Vec<u64>; 2],
}

/// How alerts are spread over periods or groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// Alerts of one in the mean.
    pub mean: f64,
    /// Their median.
    pub median: f64,
    /// Most alerts of one.
    pub most: u64,
    /// Those without an alert.
    pub without: u64,
}

/// The rows of a table that have a score.
struct ScoredRows {
    scores: Vec<f64>,
    p_values: Option<Vec<f64>>,
    periods: Option<Partition>,
    groups: Option<Partition>,
}

/// Counts the alerts that other thresholds would make of the scored rows of `source`.
///
/// # Errors
/// [`Error::OptionRange`], [`Error::UnknownColumn`], [`Error::WrongType`], and the errors of the source.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{ParquetSource, Stop, ThresholdsConfig, thresholds};
/// let mut config = ThresholdsConfig::default();
/// config.per = vec!["ts:day".parse().unwrap()];
/// config.alerts = Some(5.0);
/// let found = thresholds(&ParquetSource::open(["scored.parquet"])?, &config, &Stop::new())?;
/// println!("{:?}", found.wanted.and_then(|wanted| wanted.score));
/// # Ok(())
/// # }
/// ```
pub fn thresholds(source: &ParquetSource, config: &ThresholdsConfig, stop: &Stop) -> Result<Thresholds> {
    if let Some(alerts) = config.alerts.filter(|alerts| !(alerts.is_finite() && *alerts > 0.0)) {
        let (option, value) = ("alerts", alerts.to_string());
        return Err(Error::OptionRange { option, value, range: "above 0 and finite" });
    }
    let times: Vec<&Per> = config.per.iter().filter(|per| per.unit.is_some()).collect();
    if let [_, second, ..] = times[..] {
        let (option, value) = ("per", second.column.clone());
        return Err(Error::OptionRange { option, value, range: "one column of times, and columns of groups" });
    }
    let unit = times.first().and_then(|per| per.unit);
    let (rows, score) = ScoredRows::read(source, config, stop)?;
    let [periods, groups] = [&rows.periods, &rows.groups].map(|of| of.as_ref().map(|of| of.names.len()));
    let each = periods.unwrap_or(1) as f64;
    let by_p_value =
        |p: &Vec<f64>| P_VALUES.map(|most| AlertsAt { p_value: Some(most), ..rows.at(|row| p[row] <= most) });
    let by_p_value: Vec<AlertsAt> = rows.p_values.iter().flat_map(by_p_value).collect();
    let by_score = ALERTS.iter().filter(|alerts| **alerts * each < rows.scores.len() as f64);
    let mut highest = rows.scores.clone();
    highest.sort_unstable_by(|a, b| b.total_cmp(a));
    let at_most = |alerts: f64| rows.at_most(alerts * each, &highest);
    let by_score: Vec<AlertsAt> = by_score.map(|alerts| at_most(*alerts)).collect();
    let wanted = config.alerts.map(at_most);
    let each = |which: usize, of: &Option<Partition>| {
        let all = [&by_p_value, &by_score].map(|all| all.iter().map(|at| at.counts[which].as_slice()).collect());
        of.as_ref().map(|of| of.alerts(all, wanted.as_ref().map(|at| at.counts[which].as_slice())))
    };
    let (each_period, each_group) = (each(0, &rows.periods), each(1, &rows.groups).map(most_first));
    Ok(Thresholds {
        rows: rows.scores.len() as u64,
        score,
        unit,
        periods: periods.map(|periods| periods as u64),
        groups: groups.map(|groups| groups as u64),
        each_period: each_period.unwrap_or_default(),
        each_group: each_group.unwrap_or_default(),
        by_p_value,
        by_score,
        wanted,
    })
}

impl ScoredRows {
    /// Reads the scores of a table, and what its rows are counted by.
    fn read(source: &ParquetSource, config: &ThresholdsConfig, stop: &Stop) -> Result<(Self, String)> {
        let (score, prefix) = ranked_by(source);
        let schema = source.schema();
        let has = |name: &str| schema.field_with_name(name).is_ok();
        let p_value = Some(format!("{prefix}p_value")).filter(|name| has(name));
        let mut names = vec![score.clone()];
        names.extend(p_value.clone());
        for Per { column, .. } in &config.per {
            named_field(&schema, "per", column)?;
            if !names.contains(column) {
                names.push(column.clone());
            }
        }
        if !has(&score) {
            return Err(Error::UnknownColumn { selection: "scored", name: score, near: Vec::new() });
        }
        if source.rows() == 0 {
            let (scores, p_values, periods, groups) = (Vec::new(), None, None, None);
            return Ok((Self { scores, p_values, periods, groups }, score));
        }
        let table = columns(source, &names, stop)?;
        let column = |name: &String| table.column(name).map_err(|_| missing(source, name));
        let scores = numbers(source, column(&score)?)?;
        let p_values = p_value.as_ref().map(|name| numbers(source, column(name)?)).transpose()?;
        let known: Vec<usize> = (0..scores.len()).filter(|&row| scores[row].is_some()).collect();
        let mut periods = None;
        for per in &config.per {
            if let Some(unit) = per.unit {
                let of_rows = unit.periods(source, column(&per.column)?)?;
                let present: BTreeSet<Option<i64>> = known.iter().map(|&row| of_rows[row]).collect();
                let names = present.iter().map(|period| period.map_or_else(String::new, |it| unit.start(it))).collect();
                let numbers: BTreeMap<_, _> = present.into_iter().zip(0..).collect();
                periods = Some(Partition { of: known.iter().map(|&row| numbers[&of_rows[row]]).collect(), names });
            }
        }
        let by: Vec<_> = config.per.iter().filter(|per| per.unit.is_none()).map(|per| &per.column).collect();
        let groups = match by.is_empty() {
            true => None,
            false => {
                let by = by.into_iter().map(column).collect::<Result<Vec<_>>>()?;
                let of_rows = groups(source, table.height(), &by)?;
                let mut numbers = BTreeMap::new();
                let mut names = Vec::new();
                let mut number = |row: usize| {
                    *numbers.entry(of_rows[row]).or_insert_with(|| {
                        names.push(group_name(&by, row));
                        names.len() - 1
                    })
                };
                Some(Partition { of: known.iter().map(|&row| number(row)).collect(), names })
            }
        };
        let p_values = p_values.map(|p| known.iter().map(|&row| p[row].unwrap_or(f64::INFINITY)).collect());
        let scores = known.iter().filter_map(|&row| scores[row]).collect();
        Ok((Self { scores, p_values, periods, groups }, score))
    }

    /// The alerts if these rows are some.
    fn at(&self, is_alert: impl Fn(usize) -> bool) -> AlertsAt {
        let rows: Vec<usize> = (0..self.scores.len()).filter(|&row| is_alert(row)).collect();
        let counts = [&self.periods, &self.groups]
            .map(|of| of.as_ref().map(|of| of.counts(rows.iter().copied())).unwrap_or_default());
        let p_values = self.p_values.as_ref();
        AlertsAt {
            p_value: p_values.and_then(|p| rows.iter().map(|&row| p[row]).max_by(f64::total_cmp)),
            score: rows.iter().map(|&row| self.scores[row]).min_by(f64::total_cmp),
            alerts: rows.len() as u64,
            share: rows.len() as f64 / self.scores.len().max(1) as f64,
            periods: Spread::of(counts[0].clone()),
            groups: Spread::of(counts[1].clone()),
            counts,
        }
    }

    /// The most alerts that are at most so many: those of the `highest` scores, which are all in descending order. Rows of equal
    /// scores are alerts together.
    fn at_most(&self, alerts: f64, highest: &[f64]) -> AlertsAt {
        // The highest score that is one too many.
        let too_low = highest.get(alerts.floor() as usize).copied();
        self.at(|row| too_low.is_none_or(|too_low| self.scores[row] > too_low))
    }
}

impl Spread {
    /// `None` of nothing.
    fn of(mut counts: Vec<u64>) -> Option<Self> {
        counts.sort_unstable();
        let (middle, most) = (counts.len() / 2, *counts.last()?);
        let median = match counts.len() % 2 {
            1 => counts[middle] as f64,
            _ => (counts[middle - 1] + counts[middle]) as f64 / 2.0,
        };
        let without = counts.partition_point(|&count| count == 0) as u64;
        Some(Self { mean: counts.iter().sum::<u64>() as f64 / counts.len() as f64, median, most, without })
    }
}
