//! Missing, unseen and out-of-range values, as a transform reports them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use serde_json::Value;

use crate::tables::{floats, read, write};
use crate::workdir::{Workdir, repository};

const ROWS: usize = 3000;

/// `x` within ±1 and `word` of two, but for some rows after the first thousand.
fn table(odd: bool) -> RecordBatch {
    let x = |row: usize| match row % 100 {
        7 if odd && row > 1000 => None,
        8 if odd && row > 1000 => Some(5.0),
        9 if odd && row > 1000 => Some(f64::NAN),
        _ => Some((row as f64).sin()),
    };
    let word = |row: usize| if odd && row % 50 == 3 { "new" } else { ["a", "b"][row % 2] };
    RecordBatch::try_from_iter_with_nullable([
        ("x", Arc::new((0..ROWS).map(x).collect::<Float64Array>()) as ArrayRef, true),
        ("word", Arc::new((0..ROWS).map(|row| Some(word(row))).collect::<StringArray>()), true),
        ("y", Arc::new((0..ROWS).map(|row| Some((row as f64).cos())).collect::<Float64Array>()), true),
    ])
    .unwrap()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &table(false), 700);
    write(&dir.path("odd.parquet"), &table(true), 700);
    dir.ok("fit in.parquet --epochs 2");
    dir
}

#[test]
fn what_the_training_data_lacks_is_scored_counted_and_said_in_a_line_for_each_kind() {
    let dir = fitted();
    let ran = dir.ok("transform odd.parquet out.parquet --summary json");
    let said: Vec<&str> = ran.stderr().lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    ran.says(&[
        r#"20 values are missing, unlike in the training data: "x" (20)"#,
        r#"20 values are NaN, infinite or beyond f32, and count as missing: "x" (20)"#,
        r#"20 values are outside the range of the training data: "x" (20)"#,
        r#"60 values are of categories the training data lacks: "word" (60)"#,
    ]);
    let expected = serde_json::json!([
        {"column": "x", "null": 20, "unusable": 20, "unseen": 0, "beyond": 20},
        {"column": "word", "null": 0, "unusable": 0, "unseen": 60, "beyond": 0},
    ]);
    assert_eq!(ran.json()["found"], expected);
    let scores = floats(&read(&dir.path("out.parquet")), "anomaly_score");
    assert!(scores.iter().all(|score| score.is_some_and(f32::is_finite)), "every row is scored");
}

#[test]
fn a_few_values_out_of_range_are_ordinary_and_many_columns_make_one_line() {
    let columns = |factor: f64| {
        let column = |n: usize| {
            let value = |row: usize| (row * (n + 7) % 1009) as f64 * if row < n { factor } else { 1.0 };
            Arc::new((0..ROWS).map(|row| Some(value(row + 1))).collect::<Float64Array>()) as ArrayRef
        };
        RecordBatch::try_from_iter((0..23).map(|n| (format!("c{n}"), column(n)))).unwrap()
    };
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &columns(1.0), 700);
    write(&dir.path("far.parquet"), &columns(10_000.0), 700);
    dir.ok("fit in.parquet --epochs 1");
    // As many rows as those of the fit: by chance 2 values of a column are out of range, and 7 may be.
    let ran = dir.ok("transform far.parquet out.parquet");
    let said: Vec<&str> = ran.stderr().lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    ran.says(&["203 values are outside the range of the training data: \"c22\" (21), ", ", … 9 more columns"]);
    ran.prints(&["values    231 in 21 columns out of range"]);
}

#[test]
fn of_values_like_those_of_the_fit_nothing_is_said() {
    let dir = fitted();
    let ran = dir.ok("transform in.parquet out.parquet --summary json");
    assert!(!ran.stderr().contains("column"), "{}", ran.stderr());
    assert_eq!(ran.json()["found"], serde_json::json!([]));
}

/// The keys of an object, sorted.
fn keys(object: &Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

#[test]
fn the_summaries_of_transform_and_impute_have_what_their_schema_asks_for() {
    let dir = fitted();
    let schema = std::fs::read_to_string(repository("schemas/summary.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for (command, items) in [("transform", "found"), ("impute", "columns")] {
        let json = dir.ok(&format!("{command} odd.parquet {command}.parquet --summary json")).json();
        let of = &schema["$defs"][command]["properties"];
        assert_eq!(keys(&json), keys(of), "{command}");
        assert_eq!(keys(&json[items][0]), keys(&of[items]["items"]["properties"]), "{command}");
    }
}
