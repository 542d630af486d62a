//! Rows in order: each group of a table is a series, in which events are looked for.

use polars::prelude::{Column, DataType, SortOptions};
use serde::Serialize;

use super::events::{EventDetection, events};
use super::groups::groups;
use super::period::period;
use super::table::{columns, missing, numbers};
use super::vus::volumes;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::source::{ParquetSource, parse_iso_time};

/// How rows are put in order, to be judged as series.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SeriesConfig {
    /// The column of numbers, times or ISO times as text that orders the rows. Equal values keep the order of the file; rows
    /// without a value are left out.
    pub order_by: String,
    /// Rows with the same values in these columns are one series, in which a null is a value of its own. Empty: all rows.
    pub by: Vec<String>,
    /// Largest width, in rows, of the tolerance around events that VUS averages over: 0 to 100,000. `None`: of each series
    /// the period of its first learned number, as TSB-AD estimates it, or 125.
    pub window: Option<usize>,
    /// Scores of a series that VUS tries as thresholds, evenly spaced by rank: 2 or more, all if it has fewer. `None`: 250,
    /// as in TSB-AD.
    pub thresholds: Option<usize>,
}

impl SeriesConfig {
    /// One series, ordered by a column.
    pub fn new(order_by: impl Into<String>) -> Self {
        Self { order_by: order_by.into(), ..Self::default() }
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for the first option outside it.
    pub fn check(&self) -> Result<()> {
        let range = |option, value: Option<usize>, within: std::ops::RangeInclusive<usize>, range| match value {
            Some(value) if !within.contains(&value) => {
                Err(Error::OptionRange { option, value: value.to_string(), range })
            }
            _ => Ok(()),
        };
        range("window", self.window, 0..=100_000, "0 to 100000")?;
        range("thresholds", self.thresholds, 2..=usize::MAX, "2 or more")
    }
}

/// The series of a labelled table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeriesSummary {
    /// Number of series with a labelled row.
    pub series: u64,
    /// Series with an event and another row.
    pub with_events: u64,
    /// Number of events: runs of anomalous rows of one series.
    pub events: u64,
    /// Labelled rows without a value to order them by, which are left out.
    pub unordered: u64,
    /// The smallest of the widths to which VUS goes in the series with events, in rows; `None` without such a series.
    pub smallest_window: Option<u64>,
    /// The largest of these widths.
    pub largest_window: Option<u64>,
    /// The column whose period in a series is the width; `None` if the width was given, or there is no learned number.
    pub period_of: Option<String>,
    /// Largest number of scores that VUS tries as thresholds in a series.
    pub thresholds: u64,
}

/// The volume under the surface: the area under the precision-recall and the ROC curve, tolerant of predictions near an event,
/// averaged over widths of the tolerance (Paparrizos et al. 2022).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Vus {
    /// VUS-PR, in 0 to 1: the mean over the series.
    pub pr: f64,
    /// VUS-ROC, in 0 to 1: the mean over the series.
    pub roc: f64,
    /// Number of series that have scores of both anomalies and other rows.
    pub series: u64,
}

/// One group of rows.
#[derive(Default)]
struct OneSeries {
    /// Numbers of its rows in the table, in order.
    rows: Vec<usize>,
    window: usize,
}

/// The series of a table.
pub(super) struct AllSeries {
    all: Vec<OneSeries>,
    period_of: Option<String>,
    thresholds: usize,
}

impl AllSeries {
    /// Reads the order and the groups of the rows, and the periods of the first of the `features` that is a number, if no window
    /// is given.
    pub(super) fn read(
        source: &ParquetSource,
        config: &SeriesConfig,
        features: &[String],
        stop: &Stop,
    ) -> Result<Self> {
        let schema = source.schema();
        let is_number = |name: &&String| schema.field_with_name(name).is_ok_and(|field| field.data_type().is_numeric());
        let is_ours = |name: &&String| **name == config.order_by || config.by.contains(name);
        let period_of = features.iter().filter(|name| !is_ours(name)).find(is_number).cloned();
        let period_of = period_of.filter(|_| config.window.is_none());

        let mut names = vec![config.order_by.clone()];
        for name in config.by.iter().chain(&period_of) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let table = columns(source, &names, stop)?;
        let column = |name: &String| table.column(name).map_err(|_| missing(source, name));
        let by = config.by.iter().map(column).collect::<Result<Vec<_>>>()?;
        let groups = groups(source, table.height(), &by)?;
        let mut all = Vec::<OneSeries>::new();
        for row in in_order(source, column(&config.order_by)?)? {
            all.resize_with(all.len().max(groups[row] + 1), OneSeries::default);
            all[groups[row]].rows.push(row);
        }
        let values = period_of.as_ref().map(|name| column(name).and_then(|it| numbers(source, it))).transpose()?;
        for series in &mut all {
            let values = series.rows.iter().filter_map(|row| values.as_ref()?[*row]);
            series.window = config.window.unwrap_or_else(|| period(&values.collect::<Vec<_>>()));
        }
        Ok(Self { all, period_of, thresholds: config.thresholds.unwrap_or(250) })
    }

    /// What there is to judge.
    pub(super) fn summary(&self, labels: &[Option<bool>]) -> SeriesSummary {
        let (mut series, mut count, mut placed, mut windows) = (0, 0, 0, Vec::new());
        for one in &self.all {
            let labels: Vec<bool> = one.rows.iter().filter_map(|row| labels[*row]).collect();
            (series, placed) = (series + u64::from(!labels.is_empty()), placed + labels.len());
            count += events(labels.iter().copied()).len();
            if labels.contains(&true) && labels.contains(&false) {
                windows.push(one.window as u64);
            }
        }
        SeriesSummary {
            series,
            with_events: windows.len() as u64,
            events: count as u64,
            unordered: (labels.iter().flatten().count() - placed) as u64,
            smallest_window: windows.iter().min().copied(),
            largest_window: windows.iter().max().copied(),
            period_of: self.period_of.clone(),
            thresholds: self.thresholds as u64,
        }
    }

    /// The volumes under the surfaces of a score; `None` if no series has scores of both anomalies and other rows.
    pub(super) fn vus(&self, scores: &[Option<f64>], labels: &[Option<bool>], stop: &Stop) -> Result<Option<Vus>> {
        let (mut pr, mut roc, mut series) = (0.0, 0.0, 0);
        for one in &self.all {
            let rows: Vec<(f64, bool)> = known(&one.rows, scores, labels).collect();
            if let Some(found) = volumes(&rows, one.window, self.thresholds, stop)? {
                (pr, roc, series) = (pr + found.pr, roc + found.roc, series + 1);
            }
        }
        let mean = |sum: f64| sum / series as f64;
        Ok((series > 0).then(|| Vus { pr: mean(pr), roc: mean(roc), series }))
    }

    /// How events are found by rows that score at least `threshold`.
    pub(super) fn detection(&self, scores: &[Option<f64>], labels: &[Option<bool>], threshold: f64) -> EventDetection {
        EventDetection::of(self.all.iter().map(|one| {
            known(&one.rows, scores, labels).map(|(score, anomaly)| (score >= threshold, anomaly)).collect()
        }))
    }
}

/// The score and label of those of the `rows` that have both.
fn known(rows: &[usize], scores: &[Option<f64>], labels: &[Option<bool>]) -> impl Iterator<Item = (f64, bool)> {
    rows.iter().filter_map(|row| scores[*row].zip(labels[*row]))
}

/// The numbers of the rows in the order of a column, without those that have no value.
///
/// # Errors
/// [`Error::WrongType`] unless the column holds numbers or times.
fn in_order(source: &ParquetSource, column: &Column) -> Result<Vec<usize>> {
    let wrong = |found: String| Error::WrongType {
        place: Place::column(source.path(), column.name().as_str()),
        found: found.into(),
        expected: "a number or a time, to order rows by".into(),
    };
    let wrong_type = || wrong(column.dtype().to_string());
    let order = match column.str() {
        Ok(text) => {
            let time = |text: &str| parse_iso_time(text).ok_or_else(|| wrong(format!("{text:?} somewhere")));
            let times = text.iter().map(|text| text.map(time).transpose()).collect::<Result<Vec<_>>>()?;
            Column::new(column.name().clone(), times)
        }
        Err(_) if column.dtype().is_numeric() || column.dtype().is_temporal() => column.clone(),
        Err(_) => return Err(wrong_type()),
    };
    let values = order.cast(&DataType::Float64).map_err(|_| wrong_type())?;
    let values = values.try_f64().ok_or_else(wrong_type)?;
    let known: Vec<bool> = values.iter().map(|value| value.is_some_and(|value| !value.is_nan())).collect();
    let stable = SortOptions { nulls_last: true, multithreaded: false, maintain_order: true, ..SortOptions::default() };
    let sorted = order.arg_sort(stable);
    Ok(sorted.iter().flatten().map(|row| row as usize).filter(|row| known[*row]).collect())
}
