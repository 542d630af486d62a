//! Detection of columns that are a part of the table's dates, such as the month.

use chrono::{DateTime, Datelike, NaiveDate};

/// Hours between the local time of a column and the time of another.
const OFFSETS: std::ops::RangeInclusive<i32> = -14..=14;

/// The smallest share of rows in which a column is the part. The rest allows for an hour of summer time, and for zones half
/// an hour off.
const MOST_ROWS: f64 = 0.97;

/// The smallest share of rows in which a part must have another value than its commonest one: else a column that is nearly
/// constant could be like it.
const VARIES: f64 = 0.1;

/// Fewest rows to compare.
const FEWEST_ROWS: usize = 16;

/// The smallest value that tells a date without varying: a year.
const FIRST_YEAR: f64 = 1900.0;

/// A part of a date, in one of its usual numberings.
struct Part {
    name: &'static str,
    /// Words that are in the names of columns of this part.
    words: &'static [&'static str],
    of: fn(NaiveDate) -> u32,
}

const WEEKDAY: &[&str] = &["weekday", "wday", "dow", "day_of_week", "dayofweek", "day of week"];
const DAY_OF_YEAR: &[&str] = &["doy", "yday", "day_of_year", "dayofyear", "day of year"];

/// The parts of a date. Not the hour: it returns each day.
const PARTS: [Part; 16] = [
    Part { name: "weekday", words: WEEKDAY, of: |date| date.weekday().num_days_from_monday() },
    Part { name: "weekday", words: WEEKDAY, of: |date| date.weekday().number_from_monday() },
    Part { name: "weekday", words: WEEKDAY, of: |date| date.weekday().num_days_from_sunday() },
    Part { name: "weekday", words: WEEKDAY, of: |date| date.weekday().number_from_sunday() },
    Part { name: "day of the year", words: DAY_OF_YEAR, of: |date| date.ordinal() },
    Part { name: "day of the year", words: DAY_OF_YEAR, of: |date| date.ordinal0() },
    Part { name: "quarter", words: &["quarter", "qtr"], of: |date| date.month0() / 3 + 1 },
    Part { name: "month", words: &["month"], of: |date| date.month() },
    Part { name: "month", words: &["month"], of: |date| date.month0() },
    Part { name: "week", words: &["week"], of: |date| date.iso_week().week() },
    Part { name: "day of the month", words: &["day"], of: |date| date.day() },
    Part { name: "year", words: &["year"], of: |date| date.year().unsigned_abs() },
    Part { name: "year", words: &["year"], of: |date| date.year().unsigned_abs() % 100 },
    Part { name: "year and month", words: &["month"], of: |date| date.year().unsigned_abs() * 100 + date.month() },
    Part {
        name: "year and week",
        words: &["week"],
        of: |date| date.iso_week().year().unsigned_abs() * 100 + date.iso_week().week(),
    },
    Part {
        name: "date",
        words: &["date", "day"],
        of: |date| (date.year().unsigned_abs() * 100 + date.month()) * 100 + date.day(),
    },
];

/// The calendar of some rows' times.
pub(super) struct Calendar {
    /// The part of each row, NaN if it has no time; for each part, at each offset.
    parts: Vec<Vec<Vec<f64>>>,
}

impl Calendar {
    /// Of times in seconds since 1970.
    pub(super) fn new(times: &[f64]) -> Self {
        let date = |time: f64, offset: i32| {
            let local = time + 3600.0 * f64::from(offset);
            (!local.is_nan())
                .then(|| DateTime::from_timestamp(local.floor() as i64, 0))?
                .map(|local| local.date_naive())
        };
        let dates: Vec<Vec<Option<NaiveDate>>> =
            OFFSETS.map(|offset| times.iter().map(|&time| date(time, offset)).collect()).collect();
        let part = |part: &Part, date: &Option<NaiveDate>| date.map_or(f64::NAN, |date| f64::from((part.of)(date)));
        let at = |of: &Part, dates: &Vec<Option<NaiveDate>>| dates.iter().map(|date| part(of, date)).collect();
        Self { parts: PARTS.iter().map(|part| dates.iter().map(|dates| at(part, dates)).collect()).collect() }
    }

    /// The part that the values of a column are, in the same rows, at some offset.
    pub(super) fn part(&self, name: &str, values: &[f64]) -> Option<&'static str> {
        let name = name.to_lowercase();
        let is_named = |part: &Part| part.words.iter().any(|word| name.contains(word));
        let is_part = |(part, offsets): &(&Part, &Vec<Vec<f64>>)| {
            offsets.iter().any(|dates| is_same(dates, values, is_named(part)))
        };
        let mut parts: Vec<_> = PARTS.iter().zip(&self.parts).collect();
        // Several parts may be equal in a month.
        parts.sort_by_key(|(part, _)| !is_named(part));
        parts.into_iter().find(is_part).map(|(part, _)| part.name)
    }
}

/// Whether values are the part of a date in nearly all rows, and not by chance. `named` if the column's name says so.
fn is_same(part: &[f64], values: &[f64], named: bool) -> bool {
    let known = || part.iter().zip(values).filter(|(part, value)| !part.is_nan() && !value.is_nan());
    let allowed = |rows: usize| (rows as f64 * (1.0 - MOST_ROWS)) as usize;
    let differs = |rows| known().filter(|(part, value)| part != value).nth(allowed(rows)).is_some();
    // Most columns differ in the first few rows.
    if differs(values.len()) {
        return false;
    }
    let rows = known().count();
    if rows < FEWEST_ROWS || differs(rows) {
        return false;
    }
    let by_value = || known().all(|(part, value)| part == value && *value >= FIRST_YEAR);
    named || varies(known().map(|(part, _)| *part).collect()) || by_value()
}

/// Whether enough values differ from the commonest one.
fn varies(mut values: Vec<f64>) -> bool {
    values.sort_by(f64::total_cmp);
    let commonest = values.chunk_by(|one, other| one == other).map(<[f64]>::len).max().unwrap_or(0);
    (values.len() - commonest) as f64 >= VARIES * values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every third hour from the start of 2013.
    fn times(days: u32) -> Vec<f64> {
        (0..8 * days).map(|n| 1_356_998_400.0 + 10_800.0 * f64::from(n)).collect()
    }

    fn part(days: u32, name: &str, value: impl Fn(NaiveDate) -> u32) -> Option<&'static str> {
        let times = times(days);
        let local = |time: &f64| DateTime::from_timestamp(*time as i64 - 5 * 3600, 0).unwrap().date_naive();
        let values: Vec<f64> = times.iter().map(|time| f64::from(value(local(time)))).collect();
        Calendar::new(&times).part(name, &values)
    }

    #[test]
    fn parts_of_a_local_date_are_recognised() {
        assert_eq!(part(365, "a", |date| date.month()), Some("month"));
        assert_eq!(part(365, "a", |date| date.day()), Some("day of the month"));
        assert_eq!(part(365, "a", |date| date.ordinal()), Some("day of the year"));
        assert_eq!(part(365, "a", |date| date.iso_week().week()), Some("week"));
        assert_eq!(part(365, "a", |date| date.month0() / 3 + 1), Some("quarter"));
        assert_eq!(part(365, "a", |date| date.weekday().number_from_sunday()), Some("weekday"));
        assert_eq!(part(365, "a", |date| 100 * date.year().unsigned_abs() + date.month()), Some("year and month"));
    }

    #[test]
    fn a_part_that_does_not_vary_needs_its_name_unless_it_is_a_year() {
        let january = |date: NaiveDate| (date + chrono::Days::new(1)).month();
        assert_eq!(part(25, "month", january), Some("month"));
        assert_eq!(part(25, "amount", january), None);
        assert_eq!(part(25, "amount", |_| 2013), Some("year"));
        assert_eq!(part(25, "amount", |_| 2014), None);
        assert_eq!(part(25, "yday", |date| date.ordinal()), Some("day of the year"));
    }

    #[test]
    fn other_columns_are_no_part() {
        assert_eq!(part(365, "month", |date| 13 - date.month()), None);
        assert_eq!(part(365, "a", |date| u32::from(date.month() > 6)), None);
        assert_eq!(part(365, "a", |date| date.day() % 7), None);
        assert_eq!(part(1, "a", |date| date.day()), None);
    }
}
