//! Drift: silent on fresh rows of the same kind, few or many, and not on a column that moved.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use serde_json::Value;

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

/// Rows of one kind: a normal number, a skewed one with missing values, whole numbers and words; moved by `shift`.
fn rows(seed: u64, rows: usize, shift: f64, word: &str) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let mut normal = move || (0..12).map(|_| uniform.next()).sum::<f64>() / 2.0;
    let a: Vec<f64> = (0..rows).map(|_| normal() + shift).collect();
    let b: Vec<Option<f64>> = a.iter().map(|a| (a + normal()).exp()).map(|b| (b < 8.0).then_some(b)).collect();
    let c: Vec<f64> = (0..rows).map(|_| (normal() * 2.0).round()).collect();
    let d: Vec<&str> = c.iter().map(|c| ["few", word, "often"][(c + 100.0) as usize % 3]).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("a", Arc::new(Float64Array::from(a))),
        ("b", Arc::new(Float64Array::from(b))),
        ("c", Arc::new(Float64Array::from(c))),
        ("d", Arc::new(StringArray::from(d))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &rows(1, 6000, 0.0, "word"), 1000);
    dir.ok("fit in.parquet --hidden 16 --epochs 20");
    dir
}

fn shift<'a>(drift: &'a Value, name: &str) -> &'a Value {
    let columns = drift["columns"].as_array().unwrap();
    columns.iter().find(|shift| shift["name"] == name).unwrap_or_else(|| panic!("no {name} in {drift}"))
}

#[test]
fn fresh_rows_of_the_same_kind_do_not_alarm_however_few() {
    let dir = fitted();
    for (seed, count) in (2..).zip([1, 5, 20, 20, 50, 50, 100, 100, 300, 300, 1000, 1000, 5000, 20_000]) {
        write(&dir.path("fresh.parquet"), &rows(seed, count, 0.0, "word"), 1000);
        let said = dir.ok("transform fresh.parquet out.parquet --force --fail-on-drift 0.1");
        assert!(!said.stdout().contains("drift"), "{count}: {}", said.stdout());
    }
}

#[test]
fn a_column_that_moved_is_named_and_ends_the_run_with_its_code() {
    let dir = fitted();
    write(&dir.path("moved.parquet"), &rows(2, 500, 0.8, "word"), 1000);
    dir.fails(3, "transform moved.parquet out.parquet --fail-on-drift 0.2").says(&[
        "drift above 0.2: ",
        "a (PSI 0.",
        "the output is complete",
    ]);
    assert!(dir.path("out.parquet").exists());
    // Without being asked it is said, and no failure; another reading of it may be asked for.
    dir.ok("transform moved.parquet more.parquet").prints(&["drift ", "a (PSI "]);
    dir.ok("drift moved.parquet --fail-on-drift 5");
    dir.fails(3, "drift moved.parquet --fail-on-drift 0.2").prints(&["out of range", "drifts"]);
    dir.fails(2, "drift moved.parquet --fail-on-drift=-1").says(&["0 or more"]);
    write(&dir.path("words.parquet"), &rows(2, 500, 0.0, "other word"), 1000);
    let drift = dir.ok("drift words.parquet --summary json").json();
    let d = shift(&drift, "d");
    assert!(d["unseen"].as_f64().unwrap() > 0.2 && d["psi"].as_f64() > d["chance"].as_f64(), "{d}");
    assert!(drift["worst"].as_f64().unwrap() >= d["psi"].as_f64().unwrap());
}

#[test]
fn distances_are_those_of_all_values() {
    let dir = fitted();
    // Of shifts of a normal distribution by 0.8: KS = 2 Φ(0.4) - 1 = 0.3108, PSI = 0.8² = 0.64 (twice the KL divergence),
    // and less of bins.
    write(&dir.path("moved.parquet"), &rows(3, 4000, 0.8, "word"), 1000);
    let drift = dir.ok("drift moved.parquet --summary json").json();
    let (a, b, c) = (shift(&drift, "a"), shift(&drift, "b"), shift(&drift, "c"));
    let of = |shift: &Value, key: &str| shift[key].as_f64().unwrap();
    assert!((of(a, "ks") - 0.3108).abs() < 0.05 && (of(a, "psi") - 0.58).abs() < 0.1, "{a}");
    assert!(of(c, "ks") < 0.05 && of(c, "psi") < 0.02, "{c}");
    assert!(of(b, "missing") > 1.5 * of(b, "missing_at_fit") && of(b, "missing_at_fit") > 0.05, "{b}");
}

#[test]
fn neither_threads_nor_row_groups_nor_the_way_change_a_number() {
    let dir = fitted();
    let batch = rows(4, 9000, 0.3, "word");
    write(&dir.path("one.parquet"), &batch, 9000);
    write(&dir.path("many.parquet"), &batch, 700);
    let drift = |file: &str, threads: usize| {
        let mut all = dir.ok(&format!("drift {file} --summary json --threads {threads}")).json();
        for key in ["run_id", "seconds"] {
            all.as_object_mut().unwrap().remove(key);
        }
        all
    };
    let one = drift("one.parquet", 1);
    assert_eq!(one, drift("many.parquet", 3));
    for (n, flags) in ["", "--explain 1", "--compression zstd", "--threads 1"].into_iter().enumerate() {
        let arguments = format!("transform many.parquet {n}.parquet --summary json {flags}");
        let summary = dir.ok(&arguments).json();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(shift(&summary["drift"], name), shift(&one, name), "{flags}");
        }
        assert_eq!(summary["drift"]["score"], one["score"], "{flags}");
    }
}
