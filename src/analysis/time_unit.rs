//! Periods of time that rows are counted by.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike};
use polars::prelude::{Column, DataType, TimeUnit};
use serde::Serialize;

use crate::error::{Error, ParseChoiceError, Place, Result};
use crate::source::{ParquetSource, parse_iso_time};

/// Microseconds of an hour and of a day.
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// The length of a period of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PeriodUnit {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month of the calendar.
    Month,
}

impl PeriodUnit {
    /// The words a user may write.
    pub const WORDS: &'static [&'static str] = &["hour", "day", "week", "month"];

    /// The number of the period that a time is in, in microseconds since 1970.
    fn period(self, time: i64) -> i64 {
        match self {
            Self::Hour => time.div_euclid(HOUR),
            Self::Day => time.div_euclid(DAY),
            // 1970 began on a Thursday.
            Self::Week => (time.div_euclid(DAY) + 3).div_euclid(7),
            Self::Month => DateTime::from_timestamp_micros(time)
                .map_or(i64::MAX, |date| i64::from(date.year()) * 12 + i64::from(date.month0())),
        }
    }

    /// When the period of this number starts, as text in UTC.
    pub(super) fn start(self, period: i64) -> String {
        let time = |length: i64, offset: i64, format: &str| {
            let micros = (period * length - offset).checked_mul(HOUR).and_then(DateTime::from_timestamp_micros);
            micros.map_or_else(String::new, |time| time.format(format).to_string())
        };
        match self {
            Self::Hour => time(1, 0, "%Y-%m-%dT%H:00Z"),
            Self::Day => time(24, 0, "%Y-%m-%d"),
            Self::Week => time(7 * 24, 3 * 24, "%Y-%m-%d"),
            Self::Month => format!("{:04}-{:02}", period.div_euclid(12), period.rem_euclid(12) + 1),
        }
    }

    /// The number of each row's period, by a column of dates, times or ISO times as text; `None` where missing.
    ///
    /// # Errors
    /// [`Error::WrongType`] for any other column.
    pub(super) fn periods(self, source: &ParquetSource, column: &Column) -> Result<Vec<Option<i64>>> {
        let wrong = |found: String| Error::WrongType {
            place: Place::column(source.path(), column.name().as_str()),
            found: found.into(),
            expected: "a date or a time, to count rows by".into(),
        };
        let times = match column.str() {
            Ok(text) => {
                let time = |text: &str| parse_iso_time(text).ok_or_else(|| wrong(format!("{text:?} somewhere")));
                let times = text.iter().map(|text| text.map(time).transpose()).collect::<Result<Vec<_>>>()?;
                return Ok(times.into_iter().map(|time| Some(self.period(time?))).collect());
            }
            Err(_) if matches!(column.dtype(), DataType::Date | DataType::Datetime(..)) => {
                column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).and_then(|it| it.cast(&DataType::Int64))
            }
            Err(_) => return Err(wrong(column.dtype().to_string())),
        };
        let times = times.map_err(|_| wrong(column.dtype().to_string()))?;
        let times = times.i64().map_err(|_| wrong(column.dtype().to_string()))?;
        Ok(times.iter().map(|time| Some(self.period(time?))).collect())
    }
}

impl fmt::Display for PeriodUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS[*self as usize])
    }
}

impl FromStr for PeriodUnit {
    type Err = ParseChoiceError;

    fn from_str(word: &str) -> std::result::Result<Self, ParseChoiceError> {
        match word {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(ParseChoiceError::new(word, format!("one of {}", Self::WORDS.join(", ")))),
        }
    }
}
