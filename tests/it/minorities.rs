//! Minorities of ordinary rows: they do not hide the outliers of the others.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;

use crate::tables::{Uniform, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 5000;

/// A normal number, nearly: of deviation 1.
fn normal(uniform: &mut Uniform) -> f64 {
    (0..12).map(|_| uniform.next()).sum::<f64>() / 2.0
}

/// What tells a minority of one row in ten.
type Mark = fn(Vec<bool>) -> ArrayRef;

const MARKS: [(&str, Mark); 4] = [
    ("a flag", |rare| Arc::new(BooleanArray::from(rare))),
    ("an integer", |rare| Arc::new(Int64Array::from_iter_values(rare.into_iter().map(i64::from)))),
    ("an amount that most rows lack", |rare| {
        Arc::new(Float64Array::from_iter_values(
            rare.into_iter().enumerate().map(|(row, rare)| if rare { 3.0 + (row % 7) as f64 } else { 0.0 }),
        ))
    }),
    ("a word", |rare| {
        Arc::new(StringArray::from_iter_values(rare.into_iter().enumerate().map(|(row, rare)| match rare {
            true => "rare",
            false if row % 2 == 0 => "even",
            false => "odd",
        })))
    }),
];

/// Rows of two normal numbers and a mark; in the first `odd` rows one number is 6 deviations away.
fn rows(rows: usize, odd: usize, seed: u64, mark: Mark) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let mut x: Vec<f64> = (0..rows).map(|_| normal(&mut uniform)).collect();
    x[..odd].fill(6.0);
    let y: Vec<f64> = (0..rows).map(|_| normal(&mut uniform)).collect();
    let rare = (0..rows).map(|_| uniform.next() < -0.8).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(Float64Array::from(y))), ("mark", mark(rare))];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn outliers_are_found_beside_a_minority_of_ordinary_rows() {
    let dir = Workdir::new();
    for (name, mark) in MARKS {
        write(&dir.path("seen.parquet"), &rows(ROWS, 0, 1, mark), ROWS);
        write(&dir.path("new.parquet"), &rows(1000, 10, 2, mark), 1000);
        dir.ok("fit seen.parquet --preset anomaly --force");
        dir.ok("transform new.parquet out.parquet --force");
        let scored = read(&dir.path("out.parquet"));
        let p = scored.column_by_name("p_value").unwrap().as_primitive::<Float64Type>().values().to_vec();
        assert!(p[..10].iter().all(|p| *p <= 0.01), "{name}: {:?}", &p[..10]);
        let false_alarms = p[10..].iter().filter(|p| **p <= 0.01).count();
        assert!(false_alarms <= 25, "{name}: {false_alarms}");
    }
}
