//! Parts of a given time that a user fixes while the rest of it is drawn: the hour, the weekday, the month.

#![forbid(unsafe_code)]

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike, Month, NaiveDate, Weekday};

use super::cycle::{Cycle, DAY};
use super::local_clock::Clock;
use super::{Features, Kind};
use crate::error::Result;

/// A part of a local time. In this order they are set: a weekday stays in its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimePart {
    /// 1 to 12.
    Month(u32),
    /// Days from Monday.
    Weekday(u32),
    /// 0 to 23.
    Hour(u32),
}

/// A fixed part of a given time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FixedTimePart {
    part: TimePart,
    /// The time alone, its type, and its given elements.
    time: Features,
    data_type: DataType,
    elements: Range<usize>,
}

impl Cycle {
    /// The part of a time that says where on the circle it is.
    fn part_name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::DayOfYear => "month",
        }
    }
}

impl Kind {
    /// The parts of its values that can be fixed, if it is a given time: those that the network sees.
    pub(crate) fn time_parts(&self) -> Vec<&'static str> {
        match self {
            Self::Time(time) => time.cycles.iter().map(|cycle| cycle.part_name()).collect(),
            Self::TimeOfDay(_) => vec![Cycle::Hour.part_name()],
            _ => Vec::new(),
        }
    }
}

impl TimePart {
    /// The part of this name. The error says what its values are.
    pub(crate) fn parse(name: &str, value: &str) -> Result<Self, &'static str> {
        let number = |range: Range<u32>| value.parse().ok().filter(|number| range.contains(number));
        match name {
            "hour" => number(0..24).map(Self::Hour).ok_or("an hour, 0 to 23"),
            "weekday" => {
                let weekday = value.parse::<Weekday>().map(|weekday| weekday.num_days_from_monday());
                weekday.map(Self::Weekday).map_err(|_| "a weekday, such as monday or mon")
            }
            _ => {
                let named = || Some(value.parse::<Month>().ok()?.number_from_month());
                number(1..13).or_else(named).map(Self::Month).ok_or("a month, 1 to 12, january or jan")
            }
        }
    }

    /// Whether a local time has this part.
    fn is_at(self, local: f64) -> bool {
        let Some(date) = date(local) else { return false };
        match self {
            Self::Month(month) => date.month() == month,
            Self::Weekday(weekday) => date.weekday().num_days_from_monday() == weekday,
            Self::Hour(hour) => ((local / DAY).fract().rem_euclid(1.0) * 24.0) as u32 == hour,
        }
    }

    /// The local time with this part, and the same other ones as far as they go together: a month may have fewer days, and a
    /// weekday has another date, less than a week away.
    fn set(self, local: f64) -> f64 {
        let Some(date) = date(local) else { return local };
        let day = (local / DAY).floor();
        let moved = match self {
            Self::Hour(hour) => return day * DAY + f64::from(hour) * 3600.0 + local.rem_euclid(3600.0),
            Self::Weekday(weekday) => {
                let later = (i64::from(weekday) - i64::from(date.weekday().num_days_from_monday())).rem_euclid(7);
                let of = |days: i64| date.checked_add_signed(chrono::TimeDelta::days(days));
                of(later).filter(|moved| moved.month() == date.month()).or_else(|| of(later - 7))
            }
            Self::Month(month) => {
                (1..=date.day()).rev().find_map(|day| NaiveDate::from_ymd_opt(date.year(), month, day))
            }
        };
        let days = moved.map_or(0, |moved| moved.signed_duration_since(date).num_days());
        local + days as f64 * DAY
    }
}

/// The date of a local time; `None` if it is missing or outside the calendar.
fn date(local: f64) -> Option<NaiveDate> {
    let time = DateTime::from_timestamp(if local.is_nan() { return None } else { local.floor() as i64 }, 0);
    time.map(|time| time.date_naive())
}

impl FixedTimePart {
    /// That of a given feature of these, by its number after the learned ones, whose column has this type.
    pub(crate) fn new(features: &Features, feature: usize, part: TimePart, data_type: DataType) -> Self {
        let (inputs, elements) = (features.layout().inputs(), features.elements(feature));
        let elements = elements.start - inputs..elements.end - inputs;
        Self { part, time: features.subset(feature..feature + 1), data_type, elements }
    }

    pub(crate) fn part(&self) -> TimePart {
        self.part
    }

    /// The times of rows of given elements, in seconds, NaN where missing; and the clock of their zone.
    fn times<'a>(&self, rows: impl Iterator<Item = &'a [f32]>) -> (Vec<f64>, Clock) {
        let elements: Vec<f32> = rows.flat_map(|row| &row[self.elements.clone()]).copied().collect();
        let clock = match self.time.given() {
            [Kind::Time(time)] => time.clock(),
            _ => Clock::default(),
        };
        (self.time.values(0, &elements), clock)
    }

    /// Whether each of some rows of given elements has a time, and one with this part.
    pub(crate) fn is_had_by<'a>(&self, rows: impl Iterator<Item = &'a [f32]>) -> Vec<Option<bool>> {
        let (times, mut clock) = self.times(rows);
        let is_at = |time: f64| (!time.is_nan()).then(|| self.part.is_at(clock.local(time)));
        times.into_iter().map(is_at).collect()
    }

    /// Sets the part in rows of given elements, `[rows, width]`.
    ///
    /// # Errors
    /// If the column's type cannot hold such a time.
    pub(crate) fn set(&self, rows: &mut [f32], width: usize) -> Result<(), ArrowError> {
        let (mut times, mut clock) = self.times(rows.chunks_exact(width));
        for time in times.iter_mut().filter(|time| !time.is_nan()) {
            let local = clock.local(*time);
            if !self.part.is_at(local) {
                *time = clock.utc(self.part.set(local), *time);
            }
        }
        let column = self.time.given()[0].column();
        let array = column.nested(self.time.array(0, &times, &self.data_type)?);
        let batch = RecordBatch::try_from_iter_with_nullable([(column.top(), array, true)])?;
        let mut elements = vec![0.0; times.len() * self.elements.len()];
        self.time.write(&batch, &mut elements, &mut []).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let rows = rows.chunks_exact_mut(width).zip(elements.chunks_exact(self.elements.len()));
        rows.for_each(|(row, elements)| row[self.elements.clone()].copy_from_slice(elements));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970 of a date and an hour.
    fn at(year: i32, month: u32, day: u32, hour: f64) -> f64 {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        date.signed_duration_since(NaiveDate::default()).num_days() as f64 * DAY + hour * 3600.0
    }

    #[test]
    fn a_part_is_set_and_the_others_stay() {
        // A Wednesday.
        let time = at(2024, 1, 31, 21.75);
        assert_eq!(TimePart::Hour(3).set(time), at(2024, 1, 31, 3.75));
        assert_eq!(TimePart::Month(2).set(time), at(2024, 2, 29, 21.75), "the month's last day");
        assert_eq!(TimePart::Weekday(4).set(time), at(2024, 1, 26, 21.75), "a Friday of the same month");
        assert_eq!(TimePart::Weekday(0).set(at(1969, 12, 17, 1.5)), at(1969, 12, 22, 1.5), "before 1970");
        for part in [TimePart::Hour(0), TimePart::Hour(23), TimePart::Weekday(6), TimePart::Month(12)] {
            for time in [time, -1e6, 0.0, 1e9 + 0.25] {
                assert!(part.is_at(part.set(time)) && part.set(part.set(time)) == part.set(time), "{part:?} {time}");
            }
        }
        assert!(!TimePart::Hour(3).is_at(time) && TimePart::Hour(21).is_at(time) && !TimePart::Hour(0).is_at(f64::NAN));
    }

    #[test]
    fn parts_are_read_by_number_and_name() {
        assert_eq!(TimePart::parse("hour", "23"), Ok(TimePart::Hour(23)));
        assert_eq!(TimePart::parse("weekday", "Sunday"), Ok(TimePart::Weekday(6)));
        assert_eq!([TimePart::parse("month", "feb"), TimePart::parse("month", "2")], [Ok(TimePart::Month(2)); 2]);
        assert!(TimePart::parse("hour", "24").is_err() && TimePart::parse("weekday", "7").is_err());
    }
}
