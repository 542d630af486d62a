//! Detection of strings that are numbers or times to a person, in a form that is not read.

use super::logical_type::{parse_date, parse_number};
use crate::source::{is_null_word, parse_iso_time};

/// Strings that are looked at: the first ones.
const SAMPLE: u64 = 1000;

/// Fewest strings to judge.
const FEWEST: u64 = 8;

/// What stands beside the digits of an amount.
const UNITS: [char; 6] = ['$', '€', '£', '¥', '₹', '%'];

/// The first letters of the months, in English.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What the first strings of a column look like.
#[derive(Debug, Clone, Default)]
pub(super) struct UnreadForm {
    known: u64,
    /// Plain numbers.
    numbers: u64,
    /// Plain dates and times.
    times: u64,
    /// What says when a row is, in any form.
    says_time: u64,
    /// Of each form that is not read, how many there are, and the first one.
    forms: [Option<(u64, String)>; 4],
}

/// A form that is not read.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A number with other characters than digits, a point and a minus sign.
    Amount,
    /// A date or time in another order than year, month, day.
    Date,
    /// A time of the day.
    Clock,
    /// Anything else.
    Word,
}

impl UnreadForm {
    /// Adds a string.
    pub(super) fn push(&mut self, text: &str) {
        let text = text.trim();
        if self.known == SAMPLE || is_null_word(text) {
            return;
        }
        self.known += 1;
        self.says_time += u64::from(says_time(text));
        if parse_number(text).is_some() {
            self.numbers += 1;
        } else if parse_date(text).is_some() || parse_iso_time(text).is_some() {
            self.times += 1;
        } else {
            let form = &mut self.forms[form(text) as usize];
            form.get_or_insert_with(|| (0, text.chars().take(40).collect())).0 += 1;
        }
    }

    /// Whether all strings, or nearly all, say when a row is.
    pub(super) fn says_time(&self) -> bool {
        self.known >= FEWEST && 10 * self.says_time >= 9 * self.known
    }

    /// What keeps the strings from being read as numbers or times, if most of them are some.
    pub(super) fn fault(&self) -> Option<String> {
        if self.known < FEWEST {
            return None;
        }
        let of = |form: Form| self.forms[form as usize].as_ref().map_or(0, |(count, _)| *count);
        let example = |form: Form| self.forms[form as usize].as_ref().map(|(_, text)| text);
        let most = |count: u64| 10 * count >= 9 * self.known;
        let [amounts, dates, clocks, words] = [Form::Amount, Form::Date, Form::Clock, Form::Word].map(of);
        if amounts > 0 && most(self.numbers + amounts) {
            let text = example(Form::Amount)?;
            return Some(format!("{text:?} looks like a number; numbers are read as in -1234.5, with digits alone"));
        }
        if dates > 0 && most(self.times + dates) {
            let text = example(Form::Date)?;
            return Some(format!("{text:?} looks like a date; dates and times are read as in 2024-01-31 12:30:00"));
        }
        if clocks > 0 && most(clocks) {
            let text = example(Form::Clock)?;
            return Some(format!("{text:?} looks like a time of the day; the type hhmm reads such times"));
        }
        let text = example(Form::Word)?;
        let share = 100 * words / self.known;
        // Numbers and codes, such as 7 and 7A, are words.
        let is_code = text.contains(|one: char| one.is_ascii_digit()) && !text.starts_with('#');
        let (most, what) = match (4 * self.numbers >= 3 * self.known, 4 * self.times >= 3 * self.known) {
            (true, _) if !is_code => (self.numbers, "numbers"),
            (_, true) => (self.times, "dates or times"),
            _ => return None,
        };
        (most + words == self.known).then(|| {
            let share = if share == 0 { "less than 1 %".to_owned() } else { format!("{share} %") };
            format!("its values are {what}, but for {share} of them, such as {text:?}")
        })
    }
}

/// Whether a text says when a row is: a date, a time with its date, a month, a week or a quarter of a year.
pub(super) fn says_time(text: &str) -> bool {
    parse_date(text).is_some()
        || parse_iso_time(text).is_some()
        || (text.len() <= 40 && is_date(text))
        || is_period(text)
}

/// Whether a text is a part of a year: 2024-01, 2024-W05, 2024Q1, 01/2024, Jan 2024.
fn is_period(text: &str) -> bool {
    is_month_of_year(text) || is_part_of_year(text)
}

/// Whether a text is a month before its year, or in words: 01/2024, Jan 2024, January-24, 2024 Jan.
fn is_month_of_year(text: &str) -> bool {
    let parts: Vec<&str> = text.split([' ', '-', '/', '.', '_']).filter(|part| !part.is_empty()).collect();
    let &[first, last] = parts.as_slice() else { return false };
    let is_digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_year = |part: &str| is_digits(part, 4) && (part.starts_with("19") || part.starts_with("20"));
    let is_number = |part: &str| part.len() <= 2 && part.parse().is_ok_and(|month: u32| (1..=12).contains(&month));
    let names_month = |part: &str| {
        let is_word = (3..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_word && MONTHS.contains(&part[..3].to_lowercase().as_str())
    };
    match names_month(first) {
        true => is_year(last) || is_digits(last, 2),
        false => is_year(last) && is_number(first) || is_year(first) && names_month(last),
    }
}

/// Whether a text is a year and its month, week or quarter: 2024-01, 2024-W05, 2024Q1.
fn is_part_of_year(text: &str) -> bool {
    let Some((year, part)) = text.split_at_checked(4) else { return false };
    let part = part.trim_start_matches(['-', '/', '_', ' ']);
    let below = |digits: &str, most: u32| digits.parse().is_ok_and(|number: u32| (1..=most).contains(&number));
    let is_part = match part.split_at_checked(1) {
        Some(("W" | "w", week)) => week.len() == 2 && below(week, 53),
        Some(("Q" | "q", quarter)) => below(quarter, 4),
        _ => text.len() == 7 && part.len() == 2 && below(part, 12),
    };
    is_part && (year.starts_with("19") || year.starts_with("20")) && year.bytes().all(|byte| byte.is_ascii_digit())
}

/// The form of a string that is no plain number, date or time.
fn form(text: &str) -> Form {
    match text.len() {
        0..=40 if is_amount(text) => Form::Amount,
        0..=40 if is_date(text) => Form::Date,
        0..=40 if is_clock(text) => Form::Clock,
        _ => Form::Word,
    }
}

/// Whether a text is a number with a unit, a sign, a decimal comma or separators of thousands.
fn is_amount(text: &str) -> bool {
    let in_brackets = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    // As ledgers and typesetters write a number below 0.
    let negated = in_brackets.or_else(|| text.strip_suffix('-')).or_else(|| text.strip_prefix(['−', '–']));
    let bare = negated.unwrap_or(text).trim_start_matches(['-', '+']);
    let measured = bare.trim_start_matches(UNITS).trim_end_matches(UNITS).trim();
    let measure = without_unit(measured);
    let digits = measure.trim_start_matches(['-', '+']);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && digits.parse::<f64>().is_ok();
    if is_plain {
        // A plus sign alone is that of a telephone number.
        let has_unit = bare.contains(UNITS) || measure != measured;
        return negated.is_some() || has_unit || (text.starts_with('+') && digits.contains('.'));
    }
    let (whole, decimals) = match digits.rsplit_once([',', '.']) {
        Some((whole, decimals)) => (whole, decimals),
        None => (digits, "0"),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split([',', '.', '\'', ' ', '\u{a0}', '\u{202f}']);
    let first = groups.next().is_some_and(|first| all_digits(first) && first.len() <= 15);
    let grouped =
        groups.clone().count() == 0 || whole.find(|one: char| !one.is_ascii_digit()).is_some_and(|at| at <= 3);
    let has_sign = digits.contains([',', '.', '\'', ' ', '\u{a0}', '\u{202f}']);
    has_sign && first && grouped && all_digits(decimals) && groups.all(|group| group.len() == 3 && all_digits(group))
}

/// A number without its unit of a few letters: `9.5 kg`, `20 ms`, `USD 10.13`. Others, as in 7A and SKU12, are codes.
fn without_unit(text: &str) -> &str {
    let is_letter = |one: char| one.is_alphabetic() || one == '°';
    let is_decimal = text.contains('.');
    if let Some((currency, rest)) = text.split_at_checked(3)
        && is_decimal
        && currency.bytes().all(|byte| byte.is_ascii_uppercase())
    {
        return rest.trim_start();
    }
    let bare = text.trim_end_matches(is_letter);
    let letters = text[bare.len()..].chars().count();
    let is_unit = (1..=4).contains(&letters) && (is_decimal || (letters > 1 && bare.ends_with(' ')));
    if is_unit { bare.trim_end() } else { text }
}

/// Whether a text is a date, perhaps with a time: 31.01.2024, 1/31/24, 31-Jan-2024, 2024/01/31, Jan 31, 2024.
fn is_date(text: &str) -> bool {
    let mut parts = text.split(['.', '/', '-', ' ', ',']).filter(|part| !part.is_empty());
    let [Some(a), Some(b), Some(c)] = [parts.next(), parts.next(), parts.next()] else { return false };
    if parts.next().is_some_and(|rest| !rest.contains(':')) {
        // An address, such as 10.1.12.20.
        return false;
    }
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() <= 4);
    let is_month = |part: &str| part.get(..3).is_some_and(|first| MONTHS.contains(&first.to_lowercase().as_str()));
    let is_day = |part: &str| part.len() <= 2 && number(part).is_some_and(|day| (1..=31).contains(&day));
    let is_year = |part: &str| match part.len() {
        4 => number(part).is_some_and(|year| (1000..=9999).contains(&year)),
        2 => number(part).is_some(),
        _ => false,
    };
    let c = c.split(['T', ':']).next().unwrap_or(c);
    let in_digits =
        is_day(a) && is_day(b) && is_year(c) && [a, b].into_iter().filter_map(number).any(|part| part <= 12);
    let is_slashed = a.len() == 4 && is_year(a) && is_day(b) && is_day(c) && number(b).is_some_and(|month| month <= 12);
    let has_month = (is_day(a) && is_month(b) && is_year(c)) || (is_month(a) && is_day(b) && is_year(c));
    in_digits || is_slashed || has_month
}

/// Whether a text is a time of the day: 8:15, 08:15:30.
fn is_clock(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let below = |part: &str, most: u32| part.len() <= 2 && part.parse::<u32>().is_ok_and(|part| part < most);
    match parts.as_slice() {
        [hour, minute] => below(hour, 25) && minute.len() == 2 && below(minute, 60),
        [hour, minute, second] => {
            below(hour, 25) && below(minute, 60) && second.split('.').next().is_some_and(|second| below(second, 61))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<String> {
        let mut form = UnreadForm::default();
        (0..8).flat_map(|_| texts).for_each(|text| form.push(text));
        form.fault()
    }

    #[test]
    fn numbers_and_times_in_other_forms_are_noticed() {
        for text in [
            "$1,234.50",
            "1,234",
            "12,5",
            "1.234,5",
            "1'234'567",
            "12 345,67",
            "(12.50)",
            "45%",
            "45.5 %",
            "€ 12",
            "12 €",
            "-$3.00",
            "+1.5",
            "9.5 kg",
            "9.5°C",
            "20 ms",
            "USD 10.13",
            "12.50-",
            "−12.5",
            "1.234,5-",
        ] {
            let fault = of(&[text, "7"]).unwrap_or_else(|| panic!("{text}"));
            assert!(fault.contains("looks like a number"), "{fault}");
        }
        for text in [
            "31.01.2024",
            "1/31/2024",
            "31-Jan-24",
            "2024/01/31",
            "Jan 31, 2024",
            "31.01.2024 10:22",
            "01/31/2024 10:22:00 PM",
        ] {
            let fault = of(&[text]).unwrap_or_else(|| panic!("{text}"));
            assert!(fault.contains("looks like a date"), "{fault}");
        }
        assert!(of(&["08:15", "8:15:30.5"]).unwrap().contains("time of the day"));
        let fault = of(&["1", "2.5", "3", "missing", "4"]).unwrap();
        assert_eq!(fault, "its values are numbers, but for 20 % of them, such as \"missing\"");
        assert!(of(&["1", "2", "3", "#DIV/0!"]).unwrap().contains("for 25 % of them"));
        let fault = of(&["2024-01-31", "2024-02-01", "2024-02-02", "0000-00-00"]).unwrap();
        assert_eq!(fault, "its values are dates or times, but for 25 % of them, such as \"0000-00-00\"");
    }

    #[test]
    fn strings_that_say_when_are_noticed() {
        let says = |texts: &[&str]| {
            let mut form = UnreadForm::default();
            (0..8).flat_map(|_| texts).for_each(|text| form.push(text));
            form.says_time()
        };
        for text in [
            "2024-01-31",
            "2024-01-31 05:00",
            "31.01.2024",
            "2024-01",
            "2024/12",
            "2024-W05",
            "2024Q1",
            "2024-q4",
            "Jan 2024",
            "January-24",
            "2024 Sep",
            "01/2024",
            "12.2023",
        ] {
            assert!(says(&[text]), "{text}");
        }
        for text in [
            "2024",
            "202401",
            "2024-13",
            "2024-W54",
            "2024Q5",
            "1024-01",
            "Jan",
            "05:00",
            "12-34",
            "2024-01-A",
            "13/2024",
            "1/24",
            "Maya 2024x",
        ] {
            assert!(!says(&[text]), "{text}");
        }
        assert!(!says(&["2024-01-31", "open"]));
    }

    #[test]
    fn words_and_codes_are_left_alone() {
        for texts in [
            &["red", "green"][..],
            &["+49 170 1234567"],
            &["+4917012345"],
            &["007", "012"],
            &["10.0.0.1"],
            &["10.1.12.20"],
            &["1.2.3"],
            &["12E4", "7"],
            &["A1", "7", "8", "9"],
            &["7", "8"],
            &["2024-01-31"],
            &["555-1234", "555-9876"],
            &["52.5200,13.4050"],
            &["a", "1"],
        ] {
            assert_eq!(of(texts), None, "{texts:?}");
        }
    }
}
