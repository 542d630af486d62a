//! Numbers that are times: counted since 1970, or dates written with eight digits.

use chrono::{DateTime, NaiveDate, Utc};

use super::row_sample::RowSample;

/// Seconds from 1970 to the start of 2000 and of 2040: other times are hardly events of a table.
const EVENTS: [f64; 2] = [946_684_800.0, 2_208_988_800.0];

/// Fewest different times in the sample.
const FEWEST: usize = 8;

/// The units of a count since 1970, with their number in a second.
const UNITS: [(&str, f64); 4] = [("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)];

/// How a number says a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TimeNumber {
    /// A count since 1970: the unit, and its number in a second.
    Count(&'static str, f64),
    /// A date as the integer YYYYMMDD.
    Date,
}

impl TimeNumber {
    /// The form of numbers between `min` and `max` that all look like times.
    pub(super) fn of(sample: &RowSample, min: f64, max: f64) -> Option<Self> {
        let is_unit = |(_, unit): &&(&str, f64)| EVENTS[0] <= min / unit && max / unit < EVENTS[1];
        let count = UNITS.iter().find(is_unit).map(|&(name, unit)| Self::Count(name, unit));
        let are_dates = |values: &[f64]| values.iter().all(|value| date(*value).is_some());
        // Most numbers are neither, by their range.
        let form = count.or_else(|| are_dates(&[min, max]).then_some(Self::Date))?;
        let mut known: Vec<f64> = sample.values().iter().copied().filter(|value| !value.is_nan()).collect();
        known.sort_by(f64::total_cmp);
        known.dedup();
        (known.len() >= FEWEST && (form != Self::Date || are_dates(&known))).then_some(form)
    }

    /// The time in seconds since 1970; NaN if there is none.
    pub(super) fn seconds(self, number: f64) -> f64 {
        match self {
            Self::Count(_, unit) => number / unit,
            Self::Date => {
                date(number).map_or(f64::NAN, |date| date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() as f64)
            }
        }
    }

    /// A phrase with the column as its subject.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Count(unit, _) => format!("looks like a time: {unit} since 1970"),
            Self::Date => "looks like a time: dates as YYYYMMDD".to_owned(),
        }
    }
}

/// The time of a number that counts since 1970 in one of the units, if it is one of events.
pub(super) fn time_of_count(number: f64) -> Option<DateTime<Utc>> {
    let is_event = |seconds: &f64| (EVENTS[0]..EVENTS[1]).contains(seconds);
    let seconds = UNITS.iter().map(|(_, unit)| number / unit).find(is_event)?;
    DateTime::from_timestamp(seconds as i64, 0)
}

/// The date of YYYYMMDD, if it is one of the years 1900 to 2099.
pub(super) fn date(number: f64) -> Option<NaiveDate> {
    let whole = (number.fract() == 0.0 && (19_000_101.0..=20_991_231.0).contains(&number)).then_some(number as u32)?;
    NaiveDate::from_ymd_opt((whole / 10_000) as i32, whole / 100 % 100, whole % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(values: impl Iterator<Item = f64>) -> Option<TimeNumber> {
        let (mut sample, mut range) = (RowSample::new(), [f64::INFINITY, f64::NEG_INFINITY]);
        for value in values {
            sample.push(Some(value));
            range = [range[0].min(value), range[1].max(value)];
        }
        TimeNumber::of(&sample, range[0], range[1])
    }

    #[test]
    fn times_of_every_unit_are_recognised_and_other_large_numbers_are_not() {
        let hours = |unit: f64| (0..500).map(move |hour| (1_704_067_200.0 + 3600.0 * f64::from(hour)) * unit);
        for (name, unit) in UNITS {
            assert_eq!(form(hours(unit)), Some(TimeNumber::Count(name, unit)));
        }
        let dates = (1..=12).flat_map(|month| (1..=28).map(move |day| f64::from(20_130_000 + 100 * month + day)));
        assert_eq!(form(dates.clone()), Some(TimeNumber::Date));
        // 2013-02-01.
        assert_eq!(TimeNumber::Date.seconds(20_130_201.0), 1_359_676_800.0);
        assert_eq!(form(dates.map(|date| date + 80.0)), None);
        assert_eq!(form(hours(1.0).map(|time| time / 2.0)), None);
        assert_eq!(form(hours(1.0).chain([0.0])), None);
        assert_eq!(form(hours(1.0).take(FEWEST - 1)), None);
    }
}
