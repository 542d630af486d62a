//! What is a feature: words that return, and numbers that are measured; identifiers and counters are none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn words(values: impl IntoIterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn random(rows: usize, seed: u64) -> Vec<f64> {
    let mut uniform = Uniform::new(seed);
    (0..rows).map(|_| uniform.next()).collect()
}

/// What a fit would do with each column of a table: the kind that it learns, or `None`.
fn kinds(dir: &Workdir, columns: Vec<(&str, ArrayRef)>) -> BTreeMap<String, Option<String>> {
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    let plan = dir.ok("inspect in.parquet --summary json").json();
    let kind = |column: &serde_json::Value| {
        let kind = column["learned"]["kind"].as_str().map(str::to_owned);
        (column["column"].as_str().unwrap().to_owned(), kind)
    };
    plan["columns"].as_array().unwrap().iter().map(kind).collect()
}

fn expect(found: &BTreeMap<String, Option<String>>, expected: &[(&str, Option<&str>)]) {
    for (column, kind) in expected {
        assert_eq!(found[*column].as_deref(), *kind, "{column}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn words_that_return_are_categories_however_many_and_even_they_are() {
    let dir = Workdir::new();
    let rows = 6000;
    let found = kinds(
        &dir,
        vec![
            // A panel: 200 words of 30 rows each, in blocks; and 500 of 12, taking turns.
            ("country", words((0..rows).map(|row| format!("C{}", row / 30)))),
            ("county", words((0..rows).map(|row| format!("K{}", row * 7 % 500)))),
            // Two rows each, and one each.
            ("pair", words((0..rows).map(|row| format!("P{}", row / 2)))),
            ("title", words((0..rows).map(|row| format!("T{row}")))),
            // As often as the countries, but the name says what they are.
            ("session_id", words((0..rows).map(|row| format!("S{}", row / 30)))),
            ("x", Arc::new(Float64Array::from(random(rows, 1)))),
        ],
    );
    let category = Some("category");
    let expected = [("country", category), ("county", category), ("pair", None), ("title", None), ("session_id", None)];
    expect(&found, &[&expected[..], &[("x", Some("number"))]].concat());
    let plan = dir.ok("inspect in.parquet --summary json").json();
    let words = |column: usize| plan["columns"][column]["learned"]["words"].as_array().unwrap().len();
    assert_eq!([words(0), words(1)], [200, 256], "own classes, and hashed ones");
}

#[test]
fn a_small_sorted_table_of_measurements_is_learned() {
    let dir = Workdir::new();
    // The heights and weights of R's `women`, and velocities like those of its `galaxies`: sorted, none twice.
    let weight = [115, 117, 120, 123, 126, 129, 132, 135, 139, 142, 146, 150, 154, 159, 164];
    let found = kinds(&dir, vec![("height", integers(58..73)), ("weight", integers(weight))]);
    expect(&found, &[("height", Some("number")), ("weight", Some("number"))]);
    let mut velocities: Vec<i64> = random(82, 3).iter().map(|x| 20_000 + (4000.0 * x) as i64).collect();
    velocities.sort_unstable();
    velocities.dedup();
    let rows = velocities.len() as i64;
    let found = kinds(&dir, vec![("row", integers(1..=rows)), ("velocity", integers(velocities))]);
    expect(&found, &[("row", None), ("velocity", Some("number"))]);
}

#[test]
fn counters_and_identifiers_are_carried_in_any_order_and_with_repeats() {
    let dir = Workdir::new();
    let rows = 3000;
    let draws = random(rows, 5);
    let any = |draw: f64, most: f64| ((draw + 1.0) / 2.0 * most) as i64;
    // A permutation; with rows that are there twice.
    let mut ids: Vec<i64> = (0..rows as i64).map(|row| 50_000 + row * 7 % 3001).collect();
    let unique = ids.clone();
    (0..60).for_each(|row| ids[row] = ids[row + 1000]);
    let found = kinds(
        &dir,
        vec![
            ("counter", integers(1000..1000 + rows as i64)),
            ("permuted", integers(unique.clone())),
            ("twice", integers(ids)),
            // Drawn again and again: the name is a hint beside their even spread.
            ("customer_id", integers(draws.iter().map(|&draw| any(draw, 900.0)))),
            ("amount", integers(draws.iter().rev().map(|&draw| any(draw, 900.0)))),
            ("paid", integers(random(rows, 8).iter().map(|&draw| (any(draw, 30.0)).pow(2)))),
            // A hint alone decides nothing.
            ("grade_id", integers(random(rows, 9).iter().map(|&draw| any(draw, 6.0)))),
        ],
    );
    let number = Some("number");
    expect(
        &found,
        &[
            ("counter", None),
            ("permuted", None),
            ("twice", None),
            ("customer_id", None),
            ("amount", number),
            ("paid", number),
            ("grade_id", number),
        ],
    );
}
