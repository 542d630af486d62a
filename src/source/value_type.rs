//! What one value of a text is by the way it is written: a number, a time, a Boolean, or a text that is none of these.

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::Float64Type;
use chrono::{DateTime, Utc};

/// A value, and what says which types hold it as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spelling {
    Boolean,
    /// The greatest or least of its type if it is beyond that.
    Integer(i128),
    /// An integer with zeros or a plus sign before it, as identifiers and telephone numbers have them.
    Padded,
    /// Digits before and after the point; none if it has an exponent or is not finite.
    Decimal(Option<(usize, usize)>),
    Time(SpelledTime),
    Text,
}

/// A date, a time of one, or one of those with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpelledTime {
    pub(super) kind: TimeKind,
    /// Decimals of the second, and those up to the last that is not 0.
    pub(super) decimals: usize,
    pub(super) needed: usize,
    /// Seconds since 1970.
    pub(super) seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    Date,
    Local,
    Zoned,
}

impl Spelling {
    /// What a text is that may be anything.
    pub(super) fn of(text: &str) -> Self {
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Self::Boolean;
        }
        if matches!(text, "NaN" | "nan" | "inf" | "-inf") {
            return Self::Decimal(None);
        }
        Self::number(text).unwrap_or_else(|| Self::time(text))
    }

    /// What a text is that is no number, however it looks: one within quotes.
    pub(super) fn time(text: &str) -> Self {
        time(text).map_or(Self::Text, Self::Time)
    }

    /// A number in decimal; `None` if it is written otherwise or is greater than any f64.
    pub(super) fn number(text: &str) -> Option<Self> {
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

/// Whether an integer is exactly an f64.
pub(super) fn is_double(integer: &str) -> bool {
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    let is_same = |value: u128| {
        // Conversion rounds to the nearest f64, which may be beyond a u128.
        let nearest = value as f64;
        nearest < u128::MAX as f64 && nearest as u128 == value
    };
    digits.len() <= 15 || digits.parse().is_ok_and(is_same)
}

/// Whether the f32 nearest to a number, written in decimal, is the same f64.
pub(super) fn is_single(number: &str) -> bool {
    // An f32 has any six digits.
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 6 && !number.contains(['e', 'E']) {
        return true;
    }
    let value = number.parse::<f64>();
    number.parse::<f32>().is_ok_and(|x| x.to_string().parse() == value || x.is_nan())
}

/// A date, `2024-01-31`, or a time of one, `2024-01-31 12:00:00.5` with a T or a space between and an offset after it if it
/// has one.
fn time(text: &str) -> Option<SpelledTime> {
    let bytes = text.as_bytes();
    let digits = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let byte = |at: usize, one_of: &[u8]| bytes.get(at).is_some_and(|byte| one_of.contains(byte));
    if !(digits(0) && byte(4, b"-") && byte(7, b"-") && text.is_ascii()) {
        return None;
    }
    if bytes.len() == 10 {
        let seconds = string_to_datetime(&Utc, text).ok()?.timestamp();
        return Some(SpelledTime { kind: TimeKind::Date, decimals: 0, needed: 0, seconds });
    }
    // A second that is inserted would be one of those beside it.
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
    let needed = fraction.trim_end_matches('0').len();
    Some(SpelledTime { kind, decimals: fraction.len(), needed, seconds: at.timestamp() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_say_which_floats_hold_them() {
        let floats = |text: &str, value: i128| {
            assert_eq!(Spelling::of(text), Spelling::Integer(value));
            (is_double(text), is_single(text))
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
            assert_eq!(Spelling::of(padded), Spelling::Padded, "{padded}");
        }
    }

    #[test]
    fn decimals_say_their_digits_and_whether_an_f32_has_them() {
        let decimal = |text: &str, digits| {
            assert_eq!(Spelling::of(text), Spelling::Decimal(digits), "{text}");
            is_single(text)
        };
        assert!(decimal("0.1", Some((1, 1))) && decimal("-12.500", Some((2, 3))) && decimal("1e-3", None));
        assert!(decimal(".5", Some((0, 1))) && decimal("5.", Some((1, 0))));
        assert!(decimal("nan", None) && decimal("-inf", None));
        assert!(!decimal("0.123456789", Some((1, 9))) && !decimal("1e300", None));
    }

    #[test]
    fn times_are_those_of_a_calendar() {
        let time = |text: &str| match Spelling::of(text) {
            Spelling::Time(SpelledTime { kind, decimals, needed, seconds }) => Some((kind, decimals, needed, seconds)),
            other => {
                assert_eq!(other, Spelling::Text, "{text}");
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
    fn what_looks_like_a_number_and_is_none_is_text() {
        for text in ["1e400", "1e", "e5", ".", "-", "+", "1_000", "1,5", "0x1f", " 1", "1 ", "--1", "Infinity", "1.2.3"]
        {
            assert_eq!(Spelling::of(text), Spelling::Text, "{text}");
        }
        assert_eq!((Spelling::of("TRUE"), Spelling::of("yes")), (Spelling::Boolean, Spelling::Text));
        assert_eq!(Spelling::time("17"), Spelling::Text);
    }
}
