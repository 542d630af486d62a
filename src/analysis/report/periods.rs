//! Rows and odd rows of each file, or of each day, month or year of a column.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use chrono::NaiveDate;

use super::ScoredColumns;
use super::sampled_rows::failed;
use crate::analysis::figure::Period;
use crate::error::{Error, Place, Result};
use crate::source::ParquetSource;

/// Largest number of periods shown: of more days, months are counted, and of more months, years. Of more files, the last.
pub(super) const PERIODS: usize = 400;

/// A change counts as one if the share of odd rows at least doubles, and chance makes so clear a change anywhere less than once in
/// a thousand times: twice the logarithm of the likelihood ratio is at least this.
const CLEAR: f64 = 20.0;

/// What rows are counted by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    File,
    Day,
    Month,
    Year,
}

impl Unit {
    /// Its name in a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Counts of rows and odd rows, by file or by day.
pub(super) struct PeriodCounts {
    time: Option<String>,
    /// The row after the last of each file.
    ends: Vec<u64>,
    by_file: Vec<Period>,
    /// Rows and odd rows by days since 1970.
    by_day: BTreeMap<i32, [u64; 2]>,
}

impl PeriodCounts {
    pub(super) fn new(source: &ParquetSource, columns: &ScoredColumns) -> Self {
        let by_file = file_names(source).into_iter().map(|name| Period { name, ..Period::default() }).collect();
        let ends = source.files().iter().map(|file| file.first_row + file.rows()).collect();
        Self { time: columns.time.clone(), ends, by_file, by_day: BTreeMap::new() }
    }

    /// Counts a batch, which begins with row number `first`; `odd` says which of its rows are odd.
    pub(super) fn add(&mut self, path: &Path, batch: &RecordBatch, first: u64, odd: &[bool]) -> Result<()> {
        // A batch ends with its row group, so that it is of one file.
        let file = self.ends.partition_point(|end| *end <= first);
        if let Some(period) = self.by_file.get_mut(file) {
            period.rows += odd.len() as u64;
            period.odd += odd.iter().filter(|odd| **odd).count() as u64;
        }
        let Some((name, column)) = self.time.as_ref().and_then(|name| Some((name, batch.column_by_name(name)?))) else {
            return Ok(());
        };
        for (day, odd) in days(path, name, column)?.into_iter().zip(odd) {
            let counts = day.map(|day| self.by_day.entry(day).or_default());
            counts
                .into_iter()
                .for_each(|[rows, odd_rows]| (*rows, *odd_rows) = (*rows + 1, *odd_rows + u64::from(*odd)));
        }
        Ok(())
    }

    /// Days with a row; `None` without a column of times.
    pub(super) fn days(&self) -> Option<usize> {
        self.time.as_ref().map(|_| self.by_day.len()).filter(|days| *days > 0)
    }

    /// The periods in order, if there are several: of a time column, or of files.
    pub(super) fn periods(&self) -> Option<(Unit, Vec<Period>)> {
        if self.time.is_none() {
            let from = self.by_file.len().saturating_sub(PERIODS);
            let shown = self.by_file[from..].to_vec();
            return (shown.len() > 1).then_some((Unit::File, shown));
        }
        let units = [(Unit::Day, "%Y-%m-%d"), (Unit::Month, "%Y-%m"), (Unit::Year, "%Y")];
        let counted = units.into_iter().map(|(unit, format)| (unit, self.count(format)));
        let (unit, mut periods) = counted.reduce(|all, next| if all.1.len() > PERIODS { next } else { all })?;
        periods.drain(..periods.len().saturating_sub(PERIODS));
        (periods.len() > 1).then_some((unit, periods))
    }

    /// Counts the days of each name that a format gives them.
    fn count(&self, format: &str) -> Vec<Period> {
        let mut periods = Vec::<Period>::new();
        for (&day, &[rows, odd]) in &self.by_day {
            let Some(date) = NaiveDate::from_num_days_from_ce_opt(day.saturating_add(UNIX_DAY)) else { continue };
            let name = date.format(format).to_string();
            match periods.last_mut().filter(|last| last.name == name) {
                Some(last) => (last.rows, last.odd) = (last.rows + rows, last.odd + odd),
                None => periods.push(Period { name, rows, odd }),
            }
        }
        periods
    }
}

/// The names of the files without their extensions; with their directories if names alone do not tell them apart.
fn file_names(source: &ParquetSource) -> Vec<String> {
    let stem = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let names: Vec<String> = source.paths().map(stem).collect();
    if names.iter().collect::<BTreeSet<_>>().len() == names.len() {
        return names;
    }
    let folder = |path: &Path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    let full = |(path, name): (&Path, &String)| folder(path).map_or(name.clone(), |folder| format!("{folder}/{name}"));
    source.paths().zip(&names).map(full).collect()
}

/// The number of 1970-01-01 in the calendar.
const UNIX_DAY: i32 = 719_163;

/// The column of times to count by: the chosen one; of a single file, the first with dates or times.
pub(super) fn time_column(source: &ParquetSource, chosen: Option<String>) -> Option<String> {
    let is_time =
        |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    let schema = source.schema();
    let first = || schema.fields().iter().find(|field| is_time(field.data_type())).map(|field| field.name().clone());
    chosen.or_else(|| (source.paths().count() == 1).then(first).flatten())
}

/// The day of each value since 1970.
fn days(path: &Path, name: &str, column: &ArrayRef) -> Result<Vec<Option<i32>>> {
    let days = match column.data_type() {
        data_type if data_type.is_temporal() || data_type.is_string() => cast(column, &DataType::Date32),
        DataType::Dictionary(_, words) if words.is_string() => {
            cast(column, &DataType::Utf8).and_then(|it| cast(&it, &DataType::Date32))
        }
        _ => return Err(no_time(path, name, column)),
    };
    let days = days.map_err(|source| failed(path, name, source))?;
    if days.null_count() == days.len() && column.null_count() < column.len() {
        return Err(no_time(path, name, column));
    }
    Ok(days.as_primitive_opt::<Date32Type>().map(|days| days.iter().collect()).unwrap_or_default())
}

fn no_time(path: &Path, name: &str, column: &ArrayRef) -> Error {
    Error::WrongType {
        place: Place::column(path, name),
        found: column.data_type().to_string().into(),
        expected: "dates or times, to count rows by".into(),
    }
}

/// The period from which on more rows are odd, if that is clear: its index, and the shares before and since. Of all places the
/// one where two shares explain the counts best, by their likelihood.
pub(super) fn change(periods: &[Period]) -> Option<(usize, f64, f64)> {
    let sum = |periods: &[Period]| periods.iter().fold((0, 0), |(odd, rows), it| (odd + it.odd, rows + it.rows));
    let (all_odd, all_rows) = sum(periods);
    let (mut odd, mut rows, mut best) = (0, 0, None::<(f64, usize)>);
    for (n, period) in periods.iter().enumerate() {
        let (later_odd, later_rows) = (all_odd - odd, all_rows - rows);
        if rows > 0 && later_rows > 0 && share(later_odd, later_rows) >= 2.0 * share(odd, rows) {
            let gain =
                log_likelihood(odd, rows) + log_likelihood(later_odd, later_rows) - log_likelihood(all_odd, all_rows);
            if 2.0 * gain >= CLEAR && best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, n));
            }
        }
        (odd, rows) = (odd + period.odd, rows + period.rows);
    }
    let (_, at) = best?;
    let [before, since] = [&periods[..at], &periods[at..]].map(sum).map(|(odd, rows)| share(odd, rows));
    Some((at, before, since))
}

/// The logarithm of the likelihood of so many odd rows at their own share.
fn log_likelihood(odd: u64, rows: u64) -> f64 {
    let part = |count: u64| if count == 0 { 0.0 } else { count as f64 * share(count, rows).ln() };
    part(odd) + part(rows - odd)
}

fn share(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;

    use super::*;

    fn periods(odd: &[u64]) -> Vec<Period> {
        odd.iter().enumerate().map(|(n, &odd)| Period { name: n.to_string(), rows: 1000, odd }).collect()
    }

    #[test]
    fn a_clear_rise_has_a_start_and_an_even_share_has_none() {
        let (at, before, since) = change(&periods(&[2, 3, 1, 2, 30, 41, 28])).unwrap();
        assert_eq!((at, before, since), (4, 0.002, 0.033));
        assert_eq!(change(&periods(&[10, 12, 9, 11, 10, 12])), None);
        assert_eq!(change(&periods(&[0, 0, 1])), None);
        assert_eq!(change(&periods(&[30, 40, 2, 1])), None, "a fall is no rise");
        assert_eq!(change(&[]), None);
    }

    #[test]
    fn the_unix_day_is_that_of_the_calendar() {
        assert_eq!(NaiveDate::from_ymd_opt(1970, 1, 1).unwrap().num_days_from_ce(), UNIX_DAY);
    }
}
