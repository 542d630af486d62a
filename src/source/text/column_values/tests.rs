//! Which types hold which values.

use arrow::datatypes::{DataType, TimeUnit};

use super::*;

fn line() -> Line {
    Line { path: Path::new("a.csv").into(), number: 1 }
}

/// A column of CSV.
fn of(texts: &[&str]) -> ColumnValues {
    let mut values = ColumnValues::default();
    texts.iter().for_each(|text| values.add_csv(text, &CsvFormat::plain_csv(), &line()));
    values
}

#[test]
fn a_column_is_of_the_type_that_has_all_of_it() {
    let seconds = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Second, zone.map(Into::into));
    for (texts, expected) in [
        (&["", ""][..], DataType::Utf8),
        (&["1", "", "-2"], DataType::Int64),
        (&["1", "2.5"], DataType::Float64),
        (&["true", "False"], DataType::Boolean),
        (&["true", "1"], DataType::Utf8),
        (&["7", "007"], DataType::Utf8),
        (&["14857091259186476033"], DataType::Utf8),
        (&["9007199254740993", "0.5"], DataType::Utf8),
        (&["1152921504606846976", "0.5"], DataType::Float64),
        (&["+491701234567", "+491701234568"], DataType::Utf8),
        (&["+0.5", "-0.5"], DataType::Float64),
        (&["9007199254740993"], DataType::Int64),
        (&["2020-01-01"], DataType::Date32),
        (&["2020-01-01", "2020-01-01 00:00:01"], seconds(None)),
        (&["2020-01-01 00:00:00Z", "2020-01-01 00:00:00+05:30"], seconds(Some("UTC"))),
        (&["2020-01-01 00:00:00Z", "2020-01-01 00:00:00"], DataType::Utf8),
        (&["2020-01-01 00:00:00.5"], DataType::Timestamp(TimeUnit::Millisecond, None)),
        (&["2020-01-01 00:00:00.1234567"], DataType::Timestamp(TimeUnit::Nanosecond, None)),
        (&["1400-01-01 00:00:00.1234567"], DataType::Utf8),
        (&["2020-01-01", "0000-00-00"], DataType::Utf8),
        (&["1e400", "1"], DataType::Utf8),
        (&["1", "NA", "-", "NaN"], DataType::Int64),
        (&["0.5", "#N/A", "?", "."], DataType::Float64),
        (&["true", "None"], DataType::Boolean),
        (&["2020-01-01", "\\N", " "], DataType::Date32),
        (&["2020-01-01 00:00:00", "null"], seconds(None)),
        (&["red", "NA"], DataType::Utf8),
        (&["7", "007", "NA"], DataType::Utf8),
        (&["NA", "None"], DataType::Utf8),
        (&["NaN", "NA"], DataType::Float64),
        (&[" 1", "2 "], DataType::Int64),
        (&["inf", "-Infinity", "-Inf"], DataType::Float64),
        (&["1,5", "2"], DataType::Utf8),
        (&["12E4", "10E0"], DataType::Utf8),
        (&["1e3", "1.5E3", "12e-4", "12E+4"], DataType::Float64),
    ] {
        assert_eq!(of(texts).data_type(), expected, "{texts:?}");
    }
}

#[test]
fn a_type_holds_what_it_does_not_change() {
    let timestamp = |unit| DataType::Timestamp(unit, None);
    let zoned = |zone: &str| DataType::Timestamp(TimeUnit::Second, Some(zone.into()));
    for (texts, data_type, expected) in [
        (&["1", "127"][..], DataType::Int8, true),
        (&["128"], DataType::Int8, false),
        (&["-1"], DataType::UInt64, false),
        (&["18446744073709551615"], DataType::UInt64, true),
        (&["7.5"], DataType::Int64, false),
        (&["7"], DataType::Float64, true),
        (&["9007199254740993"], DataType::Float64, false),
        (&["0.1", "3"], DataType::Float32, true),
        (&["0.123456789"], DataType::Float32, false),
        (&["12.34"], DataType::Decimal128(4, 2), true),
        (&["-12", "12.34"], DataType::Decimal128(4, 2), true),
        (&["-123", "12.34"], DataType::Decimal128(4, 2), false),
        (&["12.345"], DataType::Decimal128(4, 2), false),
        (&["123.4"], DataType::Decimal128(4, 2), false),
        (&["2020-01-01"], timestamp(TimeUnit::Second), true),
        (&["2020-01-01 00:00:00.000"], timestamp(TimeUnit::Second), true),
        (&["2020-01-01 00:00:00.001"], timestamp(TimeUnit::Second), false),
        (&["1400-01-01 00:00:00"], timestamp(TimeUnit::Nanosecond), false),
        (&["2020-01-01 00:00:00Z"], timestamp(TimeUnit::Second), false),
        (&["2020-01-01 00:00:00"], zoned("Europe/Berlin"), false),
        (&["2020-01-01"], zoned("Europe/Berlin"), false),
        (&["2020-01-01 00:00:00Z"], zoned("Europe/Berlin"), true),
        (&["2020-01-01 00:00:00"], zoned("+01:00"), true),
        (&["2020-01-01 00:00:00"], zoned("Etc/UTC"), true),
        (&["2020-01-01 00:00:00"], DataType::Date32, false),
        (&["2020-01-01"], DataType::Date64, true),
        (&["7", "2020-01-01", "x"], DataType::Utf8, true),
        (&[""], DataType::Int8, true),
    ] {
        assert_eq!(of(texts).holds(&data_type), expected, "{texts:?} as {data_type}");
    }
}

#[test]
fn local_times_are_not_of_a_zone() {
    let lack =
        |text: &str, zone: &str| of(&[text]).lack_offsets(&DataType::Timestamp(TimeUnit::Second, Some(zone.into())));
    assert!(lack("2020-01-01 00:00:00", "Europe/Berlin") && lack("2020-01-01", "Europe/Berlin"));
    assert!(!lack("2020-01-01 00:00:00.5Z", "Europe/Berlin") && !lack("x", "Europe/Berlin"));
    assert!(!lack("2020-01-01 00:00:00", "+01:00") && lack("2020-01-01 00:00:00.5", "+01:00"));
    assert!(!lack("2020-01-01 00:00:00.5", "UTC"));
}

#[test]
fn the_first_that_is_no_such_value_is_told() {
    let mut values = ColumnValues::default();
    for (number, text) in (2..).zip(["1", "", "NA", "none yet", "2020-01-01", "x"]) {
        values.add_csv(text, &CsvFormat::plain_csv(), &Line { number, ..line() });
    }
    let (line, text) = values.first_mismatch(&DataType::Int64).unwrap();
    assert_eq!((line.number, text), (5, "none yet"));
    assert!(values.first_mismatch(&DataType::Utf8).is_none());
}

#[test]
fn two_files_have_what_both_have() {
    let mut both = of(&["1", ""]);
    both.merge(&of(&["0.5"]));
    assert_eq!(both.data_type(), DataType::Float64);
    both.merge(&of(&["007"]));
    assert_eq!(both.data_type(), DataType::Utf8);
}

#[test]
fn a_null_word_is_a_word_where_there_are_others() {
    let words = |texts: &[&str]| of(texts).null_words().map(|(count, word)| (count, word.to_owned()));
    assert_eq!(words(&["1", "NA", "-"]), Some((2, "NA".to_owned())));
    assert_eq!((words(&["a", "NA", "-"]), words(&["1", ""])), (None, None));
    let mut both = of(&["NA", "-"]);
    both.merge(&of(&["1"]));
    assert_eq!(both.data_type(), DataType::Int64);
    assert!(of(&["1", "NA"]).holds(&DataType::Int8) && of(&["NA"]).holds(&DataType::Date32));
}

#[test]
fn decimal_commas_are_of_numbers_alone() {
    assert!(of(&["1,5", "2", "NA"]).has_only_decimal_commas());
    assert!(!of(&["1,5", "x"]).has_only_decimal_commas() && !of(&["1", "2"]).has_only_decimal_commas());
    assert!(!of(&["1,234.5", "1,5"]).has_only_decimal_commas());
    assert!(of(&["1.5", "NA"]).has_decimal_points() && !of(&["1.5", "x"]).has_decimal_points());
}
