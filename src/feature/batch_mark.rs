//! Constants that say when, or in which batch, the rows of a fit came: those of later rows say another, which is no surprise.

use chrono::{Datelike, Month, NaiveDate, Timelike, Weekday};

use super::epoch::{date, time_of_count};
use super::logical_type::parse_number;
use super::name_hint::says_batch;
use super::unread_form::says_time;

/// Whether a column with this name, whose values are all this one, tells batches of rows apart.
pub(super) fn marks_a_batch(name: &str, constant: &str) -> bool {
    let text = constant.trim();
    let is_mark = is_uuid(text) || says_time(text) || holds_a_date(text) || parse_number(text).is_some_and(is_time);
    says_batch(name) || is_mark || text.parse::<Month>().is_ok() || text.parse::<Weekday>().is_ok()
}

/// Whether a number is a date as YYYYMMDD, or counts whole minutes since 1970 to a time of this century.
fn is_time(number: f64) -> bool {
    date(number).is_some() || time_of_count(number).is_some_and(|time| time.second() == 0)
}

/// Whether a text is of 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let groups = text.split('-').map(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

/// Whether a date stands in a longer text, such as the name of a file: 2024-01-31, 2024_01_31 or 20240131.
fn holds_a_date(text: &str) -> bool {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..text.len()).filter(|&at| is_digit(at) && (at == 0 || !is_digit(at - 1)));
    let date = |at: usize| {
        let run = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_digit() || b"-_".contains(byte));
        let digits: String = run.filter(|byte| byte.is_ascii_digit()).take(8).map(|&byte| char::from(byte)).collect();
        NaiveDate::parse_from_str(&digits, "%Y%m%d").ok().filter(|_| digits.len() == 8)
    };
    starts.filter_map(date).any(|date| (1990..2100).contains(&date.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_when_or_in_which_batch_is_told_from_what_rows_are() {
        for (name, constant) in [
            ("load", "2024-01-31"),
            ("load", "2024-01-31T02:00:00Z"),
            ("load", "31.01.2024"),
            ("load", "20240131"),
            ("load", "1706659200"),
            ("load", "1706659200000"),
            ("m", "2024-01"),
            ("m", "Jan"),
            ("d", "Monday"),
            ("m", "2024-W05"),
            ("m", "2024Q1"),
            ("run", "6f1c1a52-6a6b-4d0e-9d0e-1f0c6b2c8a11"),
            ("source", "export_2024-01-31.csv"),
            ("source", "s3://lake/20240131/part-0.csv"),
            ("batch_id", "101"),
            ("app_version", "1.4.2"),
            ("year", "2024"),
            ("month", "1"),
            ("source_file", "a.csv"),
        ] {
            assert!(marks_a_batch(name, constant), "{name} {constant}");
        }
        for (name, constant) in [
            ("status", "OK"),
            ("error_count", "0"),
            ("temperature", "20.5"),
            ("limit", "1000000000"),
            ("bytes", "1073741824"),
            ("phone", "555-1234"),
            ("mode", "deadbeef"),
            ("host", "10.1.12.20"),
            ("unit", "km"),
            ("flag", "true"),
            ("size", "12345678"),
        ] {
            assert!(!marks_a_batch(name, constant), "{name} {constant}");
        }
    }
}
