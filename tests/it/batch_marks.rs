//! Columns that say when, or in which batch, rows came: the next night's say another, which is no surprise.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

const ROWS: usize = 2500;

/// Rows whose numbers belong together, with a column of this name.
fn night(seed: u64, name: &str, values: ArrayRef) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let x: Vec<f64> = (0..ROWS).map(|_| uniform.next() + uniform.next()).collect();
    let y: Float64Array = x.iter().map(|x| 2.0 * x + 0.1 * uniform.next()).collect();
    let columns: [(&str, ArrayRef); 3] = [(name, values), ("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(y))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn text(of: impl Fn(usize) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..ROWS).map(of)))
}

/// The share of a night's rows that are anomalies for a model of the night before.
fn anomalies(dir: &Workdir, name: &str, nights: [ArrayRef; 2]) -> f64 {
    let [first, second] = nights;
    write(&dir.path("first.parquet"), &night(1, name, first), 1000);
    write(&dir.path("second.parquet"), &night(2, name, second), 1000);
    dir.ok("fit first.parquet -m model.safetensors --force -q");
    let run = "transform second.parquet out.parquet -m model.safetensors --force -q --summary json";
    dir.ok(run).json()["anomaly_rate"].as_f64().unwrap()
}

#[test]
fn the_next_night_is_no_anomaly_for_its_date_or_batch() {
    let dir = Workdir::new();
    let constant = |value: &str| text(|_| value.to_owned());
    let day = |month: u32| text(move |row| format!("2024-{month:02}-{:02}", row % 28 + 1));
    let week = |first: usize| text(move |row| format!("2024-W{:02}", row % 4 + first));
    for (name, nights) in [
        ("load", [constant("2024-01-31"), constant("2024-02-01")]),
        ("load", [constant("31.01.2024 02:00"), constant("01.02.2024 02:00")]),
        ("source", [constant("export_20240131.csv"), constant("export_20240201.csv")]),
        ("run", [constant("6f1c1a52-6a6b-4d0e-9d0e-1f0c6b2c8a11"), constant("0d5f9f0e-1b7a-4f0e-8a8e-2f0c6b2c8a22")]),
        ("batch_id", [Arc::new(Int64Array::from(vec![101; ROWS])), Arc::new(Int64Array::from(vec![102; ROWS]))]),
        (
            "load",
            [Arc::new(Int64Array::from(vec![20_240_131; ROWS])), Arc::new(Int64Array::from(vec![20_240_201; ROWS]))],
        ),
        ("day", [day(1), day(2)]),
        ("week", [week(1), week(5)]),
    ] {
        let share = anomalies(&dir, name, nights);
        assert!(share < 0.03, "{name}: {share}");
    }
    // What a row is, and not when it came, is a surprise.
    assert_eq!(anomalies(&dir, "status", [constant("OK"), constant("FAIL")]), 1.0);
    // A column of dates that is named is learned.
    write(&dir.path("first.parquet"), &night(1, "day", day(1)), 1000);
    let learned = |flags: &str| {
        dir.ok(&format!("fit first.parquet --force --epochs 2 --summary json {flags}")).json()["features"].as_u64()
    };
    assert_eq!((learned(""), learned("--columns day,x,y")), (Some(2), Some(3)));
}

#[test]
fn a_constant_in_another_spelling_is_the_same() {
    let dir = Workdir::new();
    let integers = |value: i64| Arc::new(Int64Array::from(vec![value; ROWS])) as ArrayRef;
    let texts = |value: &str| text(|_| value.to_owned());
    let booleans = |value: bool| Arc::new(BooleanArray::from(vec![value; ROWS])) as ArrayRef;
    let floats = |value: f64| Arc::new(Float64Array::from(vec![value; ROWS])) as ArrayRef;
    for [first, second] in [
        [booleans(true), integers(1)],
        [booleans(false), texts("N")],
        [texts("true"), booleans(true)],
        [floats(20.0), texts("20")],
        [texts("08:30:00"), texts("08:30")],
    ] {
        let share = anomalies(&dir, "mode", [first, second]);
        assert!(share < 0.03, "{share}");
    }
    for [first, second] in [[booleans(true), integers(0)], [texts("007"), texts("7")], [floats(20.0), texts("21")]] {
        assert_eq!(anomalies(&dir, "mode", [first, second]), 1.0);
    }
    // Equal in double precision, in which a fit compares numbers.
    let large = |seed: usize| {
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| 100_000_000_000_000_000 + ((row + seed) % 5) as i64)))
            as ArrayRef
    };
    assert!(anomalies(&dir, "mode", [large(0), large(1)]) < 0.03);
}
