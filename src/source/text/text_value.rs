//! Classifies one text value by its spelling: Boolean, number, time or other text.

use std::borrow::Cow;
use std::ops::Range;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::Float64Type;
use chrono::{DateTime, Utc};

/// A classified text value, with what decides which types hold it without loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TextValue {
    Boolean,
    /// Clamped to the range of the type.
    Integer(i128),
    /// An integer with leading zeros or a plus sign, as in identifiers and telephone numbers.
    Padded,
    /// Number of digits before and after the point; `None` with an exponent and for NaN and infinities.
    Decimal(Option<(usize, usize)>),
    Time(TimeValue),
    Text,
}

/// A date, or a date and time with or without an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeValue {
    pub(super) kind: TimeKind,
    /// Number of decimals of the second, and without trailing zeros.
    pub(super) decimals: usize,
    pub(super) significant_decimals: usize,
    /// Seconds since 1970.
    pub(super) seconds: i64,
}

/// The parts of a time value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    Date,
    /// Date and time without an offset.
    Local,
    /// Date and time with an offset from UTC.
    Zoned,
}

impl TextValue {
    /// Classifies a text that may be anything.
    pub(super) fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Self::Boolean;
        }
        if matches!(text, "NaN" | "nan") || is_infinity(text) {
            return Self::Decimal(None);
        }
        Self::parse_number(text).unwrap_or_else(|| Self::parse_quoted(text))
    }

    /// Classifies a quoted text, which is never a number.
    pub(super) fn parse_quoted(text: &str) -> Self {
        parse_time(text).map_or(Self::Text, Self::Time)
    }

    /// Classifies a decimal number; `None` for other texts and for numbers beyond the range of f64.
    fn parse_number(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
            None => (digits, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        if !is_number || exponent.is_some_and(|exponent| exponent.is_empty() || !all_digits(exponent)) {
            return None;
        }
        if mantissa.len() < digits.len() || whole.len() < mantissa.len() {
            let is_finite = Float64Type::parse(text).is_some_and(f64::is_finite);
            return is_finite.then_some(Self::Decimal(exponent.is_none().then_some((whole.len(), fraction.len()))));
        }
        if text.starts_with('+') || (whole.len() > 1 && whole.starts_with('0')) {
            return Some(Self::Padded);
        }
        let beyond = if text.starts_with('-') { i128::MIN } else { i128::MAX };
        Some(Self::Integer(text.parse().unwrap_or(beyond)))
    }
}

fn is_infinity(text: &str) -> bool {
    let word = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(word, "inf" | "Inf" | "Infinity")
}

/// The microseconds since 1970 of a date or time, in UTC unless it has an offset.
pub(crate) fn parse_iso_time(text: &str) -> Option<i64> {
    let text = &*with_seconds(text);
    parse_time(text)?;
    string_to_datetime(&Utc, text).ok().map(|time| time.timestamp_micros())
}

/// A text, to which `:00` is added if it is a date and time without seconds, such as `2024-01-31 12:00` or `2024-01-31T12:00Z`.
pub(super) fn with_seconds(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let digits = |range: Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let ends = |after: Option<&u8>| after.is_none_or(|after| matches!(after, b'Z' | b'z' | b'+' | b'-' | b' '));
    let lacks_seconds = bytes.len() >= 16
        && [bytes[4], bytes[7], bytes[13]] == *b"--:"
        && matches!(bytes[10], b'T' | b' ')
        && digits(14..16)
        && ends(bytes.get(16));
    match lacks_seconds {
        true => Cow::Owned(format!("{}:00{}", &text[..16], &text[16..])),
        false => Cow::Borrowed(text),
    }
}

/// Whether an f64 holds an integer exactly.
pub(super) fn is_exact_f64(integer: &str) -> bool {
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    let is_same = |value: u128| {
        // Conversion rounds to the nearest f64, which may exceed u128.
        let nearest = value as f64;
        nearest < u128::MAX as f64 && nearest as u128 == value
    };
    digits.len() <= 15 || digits.parse().is_ok_and(is_same)
}

/// Whether the f32 nearest to a decimal number prints as the same number.
pub(super) fn is_exact_f32(number: &str) -> bool {
    // An f32 holds any six digits.
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 6 && !number.contains(['e', 'E']) {
        return true;
    }
    let value = number.parse::<f64>();
    number.parse::<f32>().is_ok_and(|x| x.to_string().parse() == value || x.is_nan())
}

/// Parses a date like `2024-01-31`, or a date and time like `2024-01-31 12:00:00.5`, with a T or a space between them and an
/// optional offset.
fn parse_time(text: &str) -> Option<TimeValue> {
    let bytes = text.as_bytes();
    let digits = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let byte = |at: usize, one_of: &[u8]| bytes.get(at).is_some_and(|byte| one_of.contains(byte));
    if !(digits(0) && byte(4, b"-") && byte(7, b"-") && text.is_ascii()) {
        return None;
    }
    if bytes.len() == 10 {
        let seconds = string_to_datetime(&Utc, text).ok()?.timestamp();
        return Some(TimeValue { kind: TimeKind::Date, decimals: 0, significant_decimals: 0, seconds });
    }
    // A leap second would become a neighbouring second.
    if !(byte(10, b"T ") && byte(13, b":") && byte(16, b":")) || text.get(17..19)? == "60" {
        return None;
    }
    let after = text.get(19..)?;
    let fraction = match after.strip_prefix('.') {
        Some(rest) => &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()],
        None => "",
    };
    let zone = after.get(if after.starts_with('.') { 1 + fraction.len() } else { 0 }..)?.trim_start();
    if fraction.len() > 9 || (after.starts_with('.') && fraction.is_empty()) {
        return None;
    }
    let kind = match zone {
        "" if text.ends_with(' ') => return None,
        "" => TimeKind::Local,
        "Z" | "z" => TimeKind::Zoned,
        zone => zone.parse::<Tz>().ok().map(|_| TimeKind::Zoned)?,
    };
    let at: DateTime<Utc> = string_to_datetime(&Utc, text).ok()?;
    let significant_decimals = fraction.trim_end_matches('0').len();
    Some(TimeValue { kind, decimals: fraction.len(), significant_decimals, seconds: at.timestamp() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_floats_of_integers_are_known() {
        let floats = |text: &str, value: i128| {
            assert_eq!(TextValue::parse(text), TextValue::Integer(value));
            (is_exact_f64(text), is_exact_f32(text))
        };
        assert_eq!(floats("-17", -17), (true, true));
        assert_eq!(floats("16777217", 16_777_217), (true, false));
        assert_eq!(floats("9007199254740992", 1 << 53), (true, false));
        assert_eq!(floats("9007199254740993", (1 << 53) + 1), (false, false));
        assert_eq!(floats("14857091259186476033", 14_857_091_259_186_476_033), (false, false));
        // The shortest decimal of a double, as JavaScript writes it.
        assert_eq!(floats("150000000000000000000", 150_000_000_000_000_000_000), (true, true));
        // The shortest decimal of 2^60 is 1152921504606847000.
        assert!(
            floats("1152921504606846976", 1 << 60).0 && !floats("1152921504606847000", 1_152_921_504_606_847_000).0
        );
        assert!(floats(&(i128::MIN / 2).to_string(), i128::MIN / 2).0);
        assert!(!floats("340282366920938463463374607431768211455", i128::MAX).0);
        assert!(!floats(&"9".repeat(400), i128::MAX).0);
        for padded in ["007", "-01", "00", "+5", "+491701234567"] {
            assert_eq!(TextValue::parse(padded), TextValue::Padded, "{padded}");
        }
    }

    #[test]
    fn digits_and_exact_f32_of_decimals_are_known() {
        let decimal = |text: &str, digits| {
            assert_eq!(TextValue::parse(text), TextValue::Decimal(digits), "{text}");
            is_exact_f32(text)
        };
        assert!(decimal("0.1", Some((1, 1))) && decimal("-12.500", Some((2, 3))) && decimal("1e-3", None));
        assert!(decimal(".5", Some((0, 1))) && decimal("5.", Some((1, 0))));
        assert!(decimal("nan", None) && decimal("-inf", None));
        assert!(!decimal("0.123456789", Some((1, 9))) && !decimal("1e300", None));
    }

    #[test]
    fn times_must_exist_in_the_calendar() {
        let time = |text: &str| match TextValue::parse(text) {
            TextValue::Time(TimeValue { kind, decimals, significant_decimals, seconds }) => {
                Some((kind, decimals, significant_decimals, seconds))
            }
            other => {
                assert_eq!(other, TextValue::Text, "{text}");
                None
            }
        };
        assert_eq!(time("1970-01-02"), Some((TimeKind::Date, 0, 0, 86_400)));
        assert_eq!(time("1970-01-01T00:00:07"), Some((TimeKind::Local, 0, 0, 7)));
        assert_eq!(time("1970-01-01 00:00:07.250"), Some((TimeKind::Local, 3, 2, 7)));
        assert_eq!(time("1970-01-01 00:00:07.5Z"), Some((TimeKind::Zoned, 1, 1, 7)));
        assert_eq!(time("1970-01-01 02:00:00+02:00"), Some((TimeKind::Zoned, 0, 0, 0)));
        let none = [
            "2024-02-30",
            "0000-00-00",
            "2024-13-01 00:00:00",
            "2024-01-01 12:00:00 PM",
            "2016-12-31 23:59:60",
            "2024-01-01 00:00:00.1234567890",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00 ",
            "2024-01-01 00:00",
        ];
        for text in none {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_seconds_gets_some() {
        for (text, expected) in [
            ("2024-01-31 12:30", "2024-01-31 12:30:00"),
            ("2024-01-31T12:30Z", "2024-01-31T12:30:00Z"),
            ("2024-01-31 12:30+02:00", "2024-01-31 12:30:00+02:00"),
            ("2024-01-31 12:30:15", "2024-01-31 12:30:15"),
            ("2024-01-31 12:30.5", "2024-01-31 12:30.5"),
            ("2024-01-31 1230", "2024-01-31 1230"),
            ("2024-01-31", "2024-01-31"),
            ("größe-größe-größe:00", "größe-größe-größe:00"),
        ] {
            assert_eq!(with_seconds(text), expected);
        }
        assert_eq!(parse_iso_time("1970-01-01 00:01"), Some(60_000_000));
        assert_eq!(parse_iso_time("1970-01-01 24:61"), None);
    }

    #[test]
    fn an_invalid_number_is_text() {
        for text in ["1e400", "1e", "e5", ".", "-", "+", "1_000", "1,5", "0x1f", " 1", "1 ", "--1", "infinite", "1.2.3"]
        {
            assert_eq!(TextValue::parse(text), TextValue::Text, "{text}");
        }
        assert_eq!((TextValue::parse("TRUE"), TextValue::parse("yes")), (TextValue::Boolean, TextValue::Text));
        assert_eq!(TextValue::parse_quoted("17"), TextValue::Text);
    }
}
