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
fn what_the_fit_did_not_see_is_scored_counted_and_said_once_a_column() {
    let dir = fitted();
    let ran = dir.ok("transform odd.parquet out.parquet --summary json");
    let said: Vec<&str> = ran.stderr().lines().filter(|line| line.contains("column \"")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    ran.says(&[
        r#"column "x": 20 values are missing, and none was at fit; 20 are NaN, infinite or beyond f32, taken as missing; 20 are outside the range the fit saw"#,
        r#"column "word": 60 values are of categories the fit did not see"#,
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
