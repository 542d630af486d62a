//! CSV and NDJSON: every value comes back as written, or the run names the one that does not.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::array_value_to_string;
use serde_json::{Value, json};

use crate::tables::{floats, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 300;

/// Writes a CSV file: two numbers, and what `row` says of the columns `names`.
fn csv(dir: &Workdir, file: &str, names: &str, row: impl Fn(usize) -> String) {
    let mut text = format!("x,y,{names}\n");
    for n in 0..ROWS {
        let x = (n as f64 * 0.7).sin();
        writeln!(text, "{x:.4},{:.3},{}", 2.0 * x, row(n)).unwrap();
    }
    std::fs::write(dir.path(file), text).unwrap();
}

/// Writes an NDJSON file: two numbers, and what `row` says beside them.
fn ndjson(dir: &Workdir, file: &str, row: impl Fn(usize) -> Value) {
    let mut text = String::new();
    for n in 0..ROWS {
        let x = (n as f64 * 0.7).sin();
        let mut value = json!({"x": x, "y": 2.0 * x});
        value.as_object_mut().unwrap().extend(row(n).as_object().unwrap().clone());
        writeln!(text, "{value}").unwrap();
    }
    std::fs::write(dir.path(file), text).unwrap();
}

fn word(n: usize) -> &'static str {
    ["a", "b", "c"][n % 3]
}

fn fit(dir: &Workdir, file: &str) {
    dir.ok(&format!("fit {file} --epochs 1 --latent-dim 1 --hidden 4"));
}

fn transformed(dir: &Workdir, file: &str) -> RecordBatch {
    dir.ok(&format!("transform {file} out.parquet --force"));
    read(&dir.path("out.parquet"))
}

fn data_type(batch: &RecordBatch, column: &str) -> DataType {
    batch.schema().field_with_name(column).unwrap().data_type().clone()
}

/// A column's values as text.
fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap();
    (0..batch.num_rows()).map(|row| array_value_to_string(column, row).unwrap()).collect()
}

fn count(batch: &RecordBatch, column: &str) -> usize {
    batch.column_by_name(column).unwrap().len()
}

#[test]
fn times_that_are_finer_than_those_of_the_fit_stay_as_fine() {
    let dir = Workdir::new();
    let time = |n: usize| format!("2024-01-{:02} {:02}:{:02}:07", n % 28 + 1, n % 24, n * 7 % 60);
    csv(&dir, "train.csv", "t,day", |n| format!("{},{}", time(n), &time(n)[..10]));
    csv(&dir, "next.csv", "t,day", |n| format!("{}.{:03},{}", time(n), n % 999 + 1, time(n)));
    fit(&dir, "train.csv");
    let same = transformed(&dir, "train.csv");
    // Parquet has no seconds.
    assert_eq!(data_type(&same, "t"), DataType::Timestamp(TimeUnit::Millisecond, None));
    assert_eq!(data_type(&same, "day"), DataType::Date32);
    let next = transformed(&dir, "next.csv");
    let expected: Vec<String> =
        (0..ROWS).map(|n| format!("{}.{:03}", time(n).replace(' ', "T"), n % 999 + 1)).collect();
    assert_eq!(texts(&next, "t"), expected);
    let expected: Vec<String> = (0..ROWS).map(|n| time(n).replace(' ', "T")).collect();
    assert_eq!(texts(&next, "day"), expected);
    // Another file of the same run is read alike.
    let ran = dir.ok("inspect train.csv next.csv --summary json");
    assert_eq!(ran.json()["columns"][2]["type"], "Timestamp(ms)");
}

#[test]
fn numbers_are_neither_cut_nor_rounded() {
    let dir = Workdir::new();
    ndjson(&dir, "train.ndjson", |n| json!({"id": format!("u{n}"), "q": n % 50}));
    fit(&dir, "train.ndjson");
    ndjson(
        &dir,
        "float.ndjson",
        |n| json!({"id": format!("u{n}"), "q": if n == 200 { json!(7.5) } else { json!(n % 50) }}),
    );
    let float = transformed(&dir, "float.ndjson");
    assert_eq!(float.column_by_name("q").unwrap().as_primitive::<Float64Type>().value(200), 7.5);
    // What no double and no Int64 has is the text it is.
    let id = |n: usize| 14_857_091_259_186_476_033_u64 + n as u64;
    ndjson(&dir, "ids.ndjson", |n| json!({"id": id(n), "q": n % 50}));
    let ids = transformed(&dir, "ids.ndjson");
    assert_eq!(texts(&ids, "id"), (0..ROWS).map(|n| id(n).to_string()).collect::<Vec<_>>());
    assert_eq!(data_type(&ids, "q"), DataType::Int64);
    ndjson(&dir, "null.ndjson", |n| json!({"id": n, "q": null}));
    let null = transformed(&dir, "null.ndjson");
    assert_eq!(null.column_by_name("q").unwrap().null_count(), ROWS);
    assert_eq!(null.column_by_name("id").unwrap().as_primitive::<Int64Type>().value(7), 7);
}

#[test]
fn what_a_model_cannot_take_is_told_by_file_column_and_line() {
    let dir = Workdir::new();
    ndjson(&dir, "train.ndjson", |n| json!({"q": n % 50, "b": n.is_multiple_of(2), "w": word(n)}));
    fit(&dir, "train.ndjson");
    let other = |n: usize, column: &str, value: Value| {
        let mut row = json!({"q": n % 50, "b": n.is_multiple_of(2), "w": word(n)});
        row[column] = value;
        row
    };
    ndjson(&dir, "many.ndjson", |n| other(n, "q", if n == 200 { json!("many") } else { json!(n % 50) }));
    dir.fails(65, "transform many.ndjson o.parquet").says(&[
        "many.ndjson",
        "\"q\"",
        "Utf8",
        "line 201 has \"many\"",
        "correct the value",
        "a number",
    ]);
    ndjson(&dir, "text.ndjson", |n| other(n, "q", json!((n % 50).to_string())));
    assert_eq!(data_type(&transformed(&dir, "text.ndjson"), "q"), DataType::Utf8, "its numbers are words of numbers");
    ndjson(&dir, "flag.ndjson", |n| other(n, "b", json!(n % 2)));
    assert_eq!(data_type(&transformed(&dir, "flag.ndjson"), "b"), DataType::Int64);
    ndjson(&dir, "two.ndjson", |n| other(n, "b", json!(n % 3)));
    dir.fails(65, "transform two.ndjson o.parquet --force").says(&[
        "two.ndjson",
        "\"b\"",
        "row 2",
        "\"2\"",
        "true or false",
    ]);
    // Words may be numbers, of a Parquet file too.
    ndjson(&dir, "word.ndjson", |n| other(n, "w", json!(n % 3)));
    assert_eq!(data_type(&transformed(&dir, "word.ndjson"), "w"), DataType::Int64);
    csv(&dir, "zeros.csv", "q,b,w", |n| format!("{},true,a", if n == 9 { "007" } else { "7" }));
    dir.fails(65, "drift zeros.csv").says(&["zeros.csv", "\"q\"", "line 11 has \"007\""]);
}

#[test]
fn identifiers_keep_their_zeros_and_times_their_offsets() {
    let dir = Workdir::new();
    csv(&dir, "in.csv", "id,zip,phone,at,odd,big", |n| {
        let offset = ["+01:00", "Z", "-05:30"][n % 3];
        let odd = if n == 7 { "2024-02-30" } else { "2024-02-20" };
        format!(
            "{n:05},0{},+49170123{n:04},2024-01-01T{:02}:00:00{offset},{odd},{}",
            n % 4,
            n % 24,
            9_007_199_254_740_993_u64 + n as u64
        )
    });
    dir.ok("fit-transform in.csv out.parquet --epochs 1");
    let out = read(&dir.path("out.parquet"));
    assert_eq!(texts(&out, "id"), (0..ROWS).map(|n| format!("{n:05}")).collect::<Vec<_>>());
    assert_eq!(texts(&out, "zip")[..3], ["00", "01", "02"]);
    assert_eq!(texts(&out, "phone")[..2], ["+491701230000", "+491701230001"]);
    assert_eq!(texts(&out, "odd")[6..8], ["2024-02-20", "2024-02-30"]);
    assert_eq!(texts(&out, "big")[..2], ["9007199254740993", "9007199254740994"]);
    assert_eq!(data_type(&out, "at"), DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    let milliseconds = cast(out.column_by_name("at").unwrap(), &DataType::Int64).unwrap();
    // 2024-01-01T02:00:00-05:30.
    assert_eq!(milliseconds.as_primitive::<Int64Type>().value(2), 1000 * (1_704_067_200 + 7200 + 19_800));
}

#[test]
fn a_carried_column_never_stops_a_run() {
    let dir = Workdir::new();
    ndjson(&dir, "in.ndjson", |n| {
        json!({
            "empty": {},
            "within": {"a": {}, "b": n},
            "mixed": if n.is_multiple_of(2) { json!(n) } else { json!({"n": [n, "}"]}) },
            "word": if n.is_multiple_of(2) { json!(n) } else { json!(format!("w{n}")) },
            "lists": if n.is_multiple_of(2) { json!([n, 0.5]) } else { json!([]) },
            "bare": [],
            "nothing": null,
        })
    });
    dir.ok("fit in.ndjson --epochs 1");
    let out = transformed(&dir, "in.ndjson");
    assert_eq!((out.num_rows(), count(&out, "nothing")), (ROWS, ROWS));
    assert_eq!(texts(&out, "empty")[7], "{}");
    for (column, row, expected) in
        [("within", 7, json!({"a": {}, "b": 7})), ("mixed", 6, json!(6)), ("mixed", 7, json!({"n": [7, "}"]}))]
    {
        assert_eq!(serde_json::from_str::<Value>(&texts(&out, column)[row]).unwrap(), expected);
    }
    assert_eq!(texts(&out, "word")[6..8], ["6", "w7"]);
    assert_eq!(texts(&out, "lists")[6..8], ["[6.0, 0.5]", "[]"]);
}

#[test]
fn a_line_that_is_no_row_is_told_by_its_number() {
    let dir = Workdir::new();
    for (line, expected) in [
        ("{\"x\": 1", "line 3: not valid JSON at column 7"),
        ("[1]", "line 3: not a JSON object"),
        (r#"{"x": 1, "s": "\ud800 b"}"#, "line 3: not valid JSON at column"),
        (r#"{"x": 1, "s": "\udc00"}"#, "line 3: not valid JSON at column"),
    ] {
        std::fs::write(dir.path("in.ndjson"), format!("{{\"x\": 1}}\n\n{line}\n{{\"x\": 2}}\n")).unwrap();
        dir.fails(65, "fit in.ndjson").says(&["in.ndjson", expected]);
    }
}

/// Writes a Parquet file: two numbers, and `t` of this type from milliseconds since 1970.
fn times(dir: &Workdir, file: &str, data_type: &DataType, milliseconds: impl Fn(i64) -> i64) {
    let x: Float64Array = (0..ROWS).map(|n| (n as f64 * 0.7).sin()).collect();
    let y: Float64Array = x.iter().flatten().map(|x| Some(2.0 * x)).collect();
    let t: ArrayRef = Arc::new((0..ROWS as i64).map(milliseconds).collect::<Int64Array>());
    let t = match data_type {
        DataType::Timestamp(_, zone) => {
            cast(&cast(&t, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).unwrap(), data_type).unwrap()
        }
        data_type => cast(&t, data_type).unwrap(),
    };
    let batch = RecordBatch::try_from_iter([("x", Arc::new(x) as ArrayRef), ("y", Arc::new(y)), ("t", t)]).unwrap();
    write(&dir.path(file), &batch, ROWS);
}

#[test]
fn a_local_time_is_not_taken_for_one_of_a_zone_whose_clock_is_changed() {
    let dir = Workdir::new();
    let berlin = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
    times(&dir, "train.parquet", &berlin, |n| 1_698_000_000_000 + n * 3_600_000);
    fit(&dir, "train.parquet");
    // This hour came twice.
    let twice = |n: usize| format!("2023-10-29 02:{:02}:00", n % 60);
    csv(&dir, "local.csv", "t", twice);
    dir.fails(65, "transform local.csv o.parquet").says(&[
        "local.csv",
        "\"t\"",
        "line 2 has \"2023-10-29 02:00:00\", without an offset from UTC",
    ]);
    csv(&dir, "offset.csv", "t", |n| format!("{}{}", twice(n), if n % 2 == 0 { "+02:00" } else { "+01:00" }));
    let out = transformed(&dir, "offset.csv");
    assert_eq!(data_type(&out, "t"), berlin);
    let microseconds = cast(out.column_by_name("t").unwrap(), &DataType::Int64).unwrap();
    let microseconds = microseconds.as_primitive::<Int64Type>();
    // 2023-10-29T00:00:00Z and T01:01:00Z.
    assert_eq!((microseconds.value(0), microseconds.value(1)), (1_698_537_600_000_000, 1_698_541_260_000_000));
}

#[test]
fn dates_are_read_for_a_model_of_64_bit_dates() {
    let dir = Workdir::new();
    times(&dir, "train.parquet", &DataType::Date64, |n| n * 86_400_000);
    fit(&dir, "train.parquet");
    ndjson(&dir, "next.ndjson", |n| json!({"t": format!("2024-01-{:02}", n % 28 + 1)}));
    let out = transformed(&dir, "next.ndjson");
    let days = cast(out.column_by_name("t").unwrap(), &DataType::Date32).unwrap();
    assert_eq!(array_value_to_string(&days, 29).unwrap(), "2024-01-02");
}

#[test]
fn strings_stay_as_they_are_among_values_of_other_types() {
    let dir = Workdir::new();
    let of = |n: usize, values: [Value; 3]| values[n % 3].clone();
    ndjson(&dir, "in.ndjson", |n| {
        json!({
            "flag": of(n, [json!(true), json!("true"), json!(7)]),
            "nested": of(n, [json!({"a": 1}), json!("{\"a\":1}"), json!([1])]),
            "within": {"a": of(n, [json!(true), json!("true"), json!(null)])},
            "id": of(n, [json!(7), json!("7"), json!("a7")]),
        })
    });
    dir.ok("fit in.ndjson --epochs 1");
    let out = transformed(&dir, "in.ndjson");
    assert_eq!(texts(&out, "flag")[..3], ["true", "true", "7"]);
    assert_eq!(texts(&out, "nested")[..3], ["{\"a\":1}", "{\"a\":1}", "[1]"]);
    assert_eq!(texts(&out, "within")[..3], ["{\"a\":true}", "{\"a\":\"true\"}", "{\"a\":null}"]);
    assert_eq!(texts(&out, "id")[..3], ["7", "7", "a7"]);
}

#[test]
fn one_odd_value_among_words_changes_no_other_row() {
    let dir = Workdir::new();
    let words = |odd: Option<Value>| {
        move |n: usize| {
            let word = json!(["red", "blue", "green"][n % 3]);
            json!({"w": if n == 20 { odd.clone().unwrap_or(word) } else { word }})
        }
    };
    ndjson(&dir, "in.ndjson", words(None));
    dir.ok("fit in.ndjson --epochs 2");
    let before = transformed(&dir, "in.ndjson");
    for odd in [json!(true), json!({}), json!([]), json!({"code": "red"}), json!(5)] {
        ndjson(&dir, "odd.ndjson", words(Some(odd.clone())));
        let after = transformed(&dir, "odd.ndjson");
        let scores = [&before, &after].map(|rows| floats(rows, "anomaly_score"));
        let changed = (0..before.num_rows()).filter(|&row| scores[0][row] != scores[1][row]);
        assert_eq!(changed.collect::<Vec<_>>(), [20], "{odd}");
        assert_eq!(texts(&after, "w")[..3], ["red", "blue", "green"], "{odd}");
    }
}

#[test]
fn objects_with_a_new_key_in_every_row_are_read_as_text() {
    let dir = Workdir::new();
    let lines = |line: &dyn Fn(usize) -> String| (0..10_010).map(line).collect::<String>();
    let nested = |n: usize| format!("{{\"x\": {}, \"m\": {{\"user_{n:06}\": 1}}}}\n", n % 17);
    std::fs::write(dir.path("in.ndjson"), lines(&nested)).unwrap();
    fit(&dir, "in.ndjson");
    let out = transformed(&dir, "in.ndjson");
    assert_eq!(texts(&out, "m")[10_009], "{\"user_010009\": 1}");
    let columns = |n: usize| format!("{{\"x\": {}, \"user_{n:06}\": 1}}\n", n % 17);
    std::fs::write(dir.path("wide.ndjson"), lines(&columns)).unwrap();
    dir.fails(65, "fit wide.ndjson").says(&["wide.ndjson", "line 10000: more than 10000 columns"]);
}

#[test]
fn a_value_that_is_not_utf_8_is_told_by_its_column() {
    let dir = Workdir::new();
    std::fs::write(dir.path("in.csv"), b"x,name\n1,\xc3\xb6\n2,\xff\n").unwrap();
    dir.fails(65, "fit in.csv").says(&[
        "in.csv",
        "column \"name\"",
        "line 3",
        "invalid utf-8",
        "--csv-encoding names the encoding",
    ]);
}
