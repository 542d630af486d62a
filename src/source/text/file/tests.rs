//! Text files: inferred types, and values that survive reading.

use arrow::array::Array;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::TimeUnit;
use arrow::util::display::array_value_to_string;
use chrono::Utc;

use super::*;

/// Every two of these make a column.
const TEXTS: [&str; 44] = [
    "",
    "0",
    "-0",
    "7",
    "+7",
    "-7",
    "007",
    "255",
    "16777217",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "150000000000000000000",
    "0.1",
    "+.5",
    "5.",
    "-0.0",
    "7.50",
    "1e3",
    "1E+3",
    "1e400",
    "0.123456789",
    "NaN",
    "-inf",
    "Infinity",
    " 7",
    "NA",
    "None",
    "true",
    "FALSE",
    "2020-02-29",
    "2021-02-29",
    "2020-01-01 00:00:00",
    "2020-01-01T00:00:00.5",
    "2020-01-01 00:00:00.123456789",
    "1400-01-01 00:00:00.123456789",
    "2020-01-01T00:00:00Z",
    "2020-01-01 00:00:00.25+05:30",
    "2016-12-31 23:59:60",
    "2020-01-01 00:00:00 PM",
    "x",
    "-",
];

const JSON: [&str; 22] = [
    "null",
    "0",
    "-0",
    "7",
    "-7",
    "9007199254740993",
    "9223372036854775808",
    "0.1",
    "7.50",
    "1e3",
    "1e400",
    "true",
    "\"7\"",
    "\"\\\"x\"",
    "\"2020-02-29\"",
    "\"2020-01-01T00:00:00.5\"",
    "[]",
    "[1]",
    "[[0.5], null]",
    "{}",
    "{\"a\": 1}",
    "{\"a\": {\"b\": \"c\"}}",
];

fn types() -> Vec<Option<DataType>> {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int8, Int64, Timestamp, UInt64, Utf8, Utf8View};
    let mut types = vec![Boolean, Int8, Int64, UInt64, Float32, Float64, Decimal128(20, 2), Date32, Utf8, Utf8View];
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Nanosecond] {
        types.extend([Timestamp(unit, None), Timestamp(unit, Some("+02:00".into()))]);
    }
    types.push(DataType::List(Field::new_list_field(Float32, true).into()));
    std::iter::once(None).chain(types.into_iter().map(Some)).collect()
}

/// The rows of a file, each column read as `wanted` if that holds it.
fn read(name: &str, text: &str, wanted: Option<&DataType>) -> RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    let (path, stop) = (folder.path().join(name), Stop::new());
    std::fs::write(&path, text).unwrap();
    let format = FileFormat::detect(&path, text.as_bytes(), None);
    let text =
        TextFile::open(&path, PositionalFile::open(&path).unwrap(), format.unwrap(), &CsvConfig::default(), &stop)
            .unwrap();
    let mut batches = text.with_types(|_| wanted.cloned()).batches(1000, &stop).unwrap();
    batches.next().unwrap().unwrap()
}

/// Whether a value of this type is what a text says.
fn is_same(value: &str, data_type: &DataType, text: &str) -> bool {
    let text = if data_type.is_string() { text } else { text.trim() };
    let float = |text: &str| text.parse::<f64>().unwrap();
    let time = |text: &str| match data_type {
        // A time without an offset is in the time zone of the column.
        DataType::Timestamp(_, Some(zone)) => {
            string_to_datetime(&zone.parse::<arrow::array::timezone::Tz>().unwrap(), text).unwrap().with_timezone(&Utc)
        }
        _ => string_to_datetime(&Utc, text).unwrap(),
    };
    match data_type {
        DataType::Utf8 | DataType::Utf8View => value == text,
        DataType::Boolean => value.eq_ignore_ascii_case(text),
        data_type if data_type.is_integer() => value.parse::<i128>() == text.parse::<i128>(),
        data_type if data_type.is_temporal() => time(value) == time(text),
        _ => float(value) == float(text) || float(text).is_nan(),
    }
}

#[test]
fn every_value_of_csv_is_read_as_it_is_written() {
    let pairs: Vec<[&str; 2]> = TEXTS.iter().flat_map(|one| TEXTS.map(|other| [*one, other])).collect();
    let names: Vec<String> = (0..pairs.len()).map(|n| format!("c{n}")).collect();
    let row = |row: usize| pairs.iter().map(|pair| pair[row]).collect::<Vec<_>>().join(",");
    let text = format!("{}\n{}\n{}\n", names.join(","), row(0), row(1));
    for wanted in types() {
        let batch = read("a.csv", &text, wanted.as_ref());
        for (column, pair) in batch.columns().iter().zip(&pairs) {
            for (row, text) in pair.iter().enumerate() {
                let value = column.is_valid(row).then(|| array_value_to_string(column, row).unwrap());
                let is_null = |text| {
                    matches!(text, "" | "NA" | "None" | "NaN" | "-")
                        && (text.is_empty() || !column.data_type().is_string())
                };
                let same = value.as_ref().map_or(is_null(text), |it| is_same(it, column.data_type(), text));
                assert!(same, "{pair:?}: {value:?} of type {}", column.data_type());
            }
        }
    }
}

#[test]
fn every_value_of_json_is_read_as_it_is_written() {
    let pairs: Vec<[&str; 2]> = JSON.iter().flat_map(|one| JSON.map(|other| [*one, other])).collect();
    let row = |row: usize| {
        let entries = pairs.iter().enumerate().map(|(n, pair)| format!("\"c{n}\": {}", pair[row]));
        format!("{{{}}}\n", entries.collect::<Vec<_>>().join(", "))
    };
    let text = [row(0), row(1)].concat();
    for wanted in types() {
        let batch = read("a.ndjson", &text, wanted.as_ref());
        for (n, pair) in pairs.iter().enumerate() {
            let column = batch.column_by_name(&format!("c{n}")).unwrap();
            for (row, text) in pair.iter().enumerate() {
                let value = column.is_valid(row).then(|| array_value_to_string(column, row).unwrap());
                let same = match (&value, column.data_type()) {
                    (None, _) => *text == "null",
                    // Nested values have other tests.
                    (Some(_), data_type) if data_type.is_nested() => text.starts_with(['[', '{']),
                    (Some(value), data_type) => {
                        let plain = serde_json::from_str::<String>(text).ok();
                        is_same(value, data_type, plain.as_deref().unwrap_or(text))
                    }
                };
                assert!(same, "{pair:?}: {value:?} of type {}", column.data_type());
            }
        }
    }
}
