//! Rows in order beyond scores: they are sorted, forecast, filled, rebuilt, and learned again from an earlier model.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, UInt32Array};
use arrow::compute::{sort_to_indices, take_record_batch};
use arrow::datatypes::Float64Type;

use crate::sequences::{fitted, numbers, readings, with};
use crate::tables::{names, new_bits, read, write};
use crate::workdir::Workdir;

/// The same rows in an order that does not depend on their times.
fn shuffled(batch: &RecordBatch) -> RecordBatch {
    let rows = batch.num_rows() as u32;
    let keys: UInt32Array = (0..rows).map(|row| row.wrapping_mul(2_654_435_761)).collect::<Vec<_>>().into();
    take_record_batch(batch, &sort_to_indices(&keys, None, None).unwrap()).unwrap()
}

pub(crate) fn bits(batch: &RecordBatch, column: &str) -> Vec<Option<u64>> {
    let values = batch.column_by_name(column).unwrap().as_primitive::<Float64Type>();
    values.iter().map(|value| value.map(f64::to_bits)).collect()
}

#[test]
fn rows_are_sorted_on_request_and_then_are_those_of_a_sorted_file() {
    let dir = fitted();
    let (past, today) = (readings(1, 0, 3000), readings(2, 3000, 500));
    write(&dir.path("past-mixed.parquet"), &shuffled(&past), 256);
    write(&dir.path("today.parquet"), &today, 100);
    write(&dir.path("mixed.parquet"), &shuffled(&today), 100);
    dir.ok("fit past-mixed.parquet -m sorted.safetensors --order-by ts --window 16 --epochs 20 --sort");
    dir.ok("inspect past-mixed.parquet --order-by ts --sort");
    dir.ok("transform today.parquet expected.parquet -m model.safetensors --history past.parquet");
    let expected = read(&dir.path("expected.parquet"));
    for (output, flags) in [("a.parquet", ""), ("b.parquet", "--fdr 0.1"), ("c.arrow", "--threads 1")] {
        let command = format!("transform mixed.parquet {output} --sort --history past-mixed.parquet");
        for model in ["model", "sorted"] {
            dir.ok(&format!("{command} -m {model}.safetensors --force {flags}"));
        }
        if output == "a.parquet" {
            let sorted = read(&dir.path(output));
            assert_eq!(sorted.columns()[..4], expected.columns()[..4], "rows are written in their order");
            assert_eq!(new_bits(&sorted), new_bits(&expected));
        }
    }
    dir.ok("fit-transform past-mixed.parquet both.parquet -m both.safetensors --order-by ts --window 16 --epochs 20 --sort");
    let [one, two] = ["sorted", "both"].map(|name| std::fs::read(dir.path(&format!("{name}.safetensors"))).unwrap());
    assert!(one == two);
    assert_eq!(read(&dir.path("both.parquet")).column(0), past.column(0));
    dir.ok("impute mixed.parquet filled.parquet -m model.safetensors --sort");
    assert_eq!(read(&dir.path("filled.parquet")).column(0), today.column(0));
    let drift = dir.ok("drift mixed.parquet -m model.safetensors --sort --summary json").json();
    assert_eq!(drift["rows"], 500);
    let names = dir.names();
    assert!(names.iter().all(|name| !name.starts_with('.')), "no scratch file stays: {names:?}");
}

#[test]
fn sorting_needs_an_order_and_names_rows_without_one() {
    let dir = fitted();
    dir.fails(2, "fit past.parquet --sort -m x.safetensors")
        .says(&["sort is true, but must be left out unless order_by names a column"]);
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    dir.fails(2, "transform past.parquet x.parquet -m rows.safetensors --sort")
        .says(&["sort is true, but must be left out, since the model learned no rows in order"]);
    let today = readings(2, 3000, 40);
    let times = today.column(0).slice(0, 39);
    let missing = arrow::compute::concat(&[&times, &arrow::array::new_null_array(times.data_type(), 1)]).unwrap();
    write(&dir.path("null.parquet"), &with(&today, "ts", missing), 1000);
    dir.fails(65, "transform null.parquet x.parquet -m model.safetensors --sort")
        .says(&["null.parquet: row 39 has no value in \"ts\", which orders the rows"]);
}

#[test]
fn what_is_expected_of_a_row_comes_from_the_rows_before_it_alone() {
    let dir = fitted();
    let today = readings(2, 3000, 2000);
    write(&dir.path("today.parquet"), &today, 300);
    dir.ok("transform today.parquet a.parquet -m model.safetensors --expected 0.9 --explain 1");
    let scored = read(&dir.path("a.parquet"));
    let added: Vec<String> = names(&scored).into_iter().rev().take(6).rev().collect();
    assert_eq!(added, ["load_expected", "load_low", "load_high", "heat_expected", "heat_low", "heat_high"]);
    for column in ["load", "heat"] {
        let values = numbers(&today, column);
        let [expected, low, high] =
            ["expected", "low", "high"].map(|what| numbers(&scored, &format!("{column}_{what}")));
        let error =
            |of: &dyn Fn(usize) -> f64| (1..2000).map(|row| (values[row] - of(row)).abs()).sum::<f64>() / 1999.0;
        let (by_model, by_last) = (error(&|row| expected[row]), error(&|row| values[row - 1]));
        assert!(by_model < 0.75 * by_last, "{column}: {by_model} is the error, and {by_last} that of the value before");
        let within = (1..2000).filter(|&row| (low[row]..=high[row]).contains(&values[row])).count();
        assert!((1720..1880).contains(&within), "{column}: {within} of 1999 rows within the interval of 90 %");
    }
    // A row's own values, and those after it, are no part of it.
    let mut load = numbers(&today, "load");
    load[1000..].iter_mut().for_each(|load| *load += 50.0);
    write(&dir.path("moved.parquet"), &with(&today, "load", Arc::new(Float64Array::from(load))), 300);
    dir.ok("transform moved.parquet b.parquet -m model.safetensors --expected 0.9");
    let moved = read(&dir.path("b.parquet"));
    assert_eq!(bits(&moved, "load_expected")[..=1000], bits(&scored, "load_expected")[..=1000]);
    assert_ne!(bits(&moved, "load_expected")[1001], bits(&scored, "load_expected")[1001]);
    // It follows a level that the fit never saw.
    let late = numbers(&moved, "load_expected")[1500..]
        .iter()
        .zip(&numbers(&scored, "load_expected")[1500..])
        .all(|(moved, was)| (moved - was - 50.0).abs() < 1e-6);
    assert!(late);
    dir.fails(2, "transform today.parquet x.parquet -m model.safetensors --expected 1")
        .says(&["expected is 1, but must be between 0 and 1"]);
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    dir.fails(2, "transform today.parquet x.parquet -m rows.safetensors --expected 0.9")
        .says(&["expected is 0.9, but must be left out, since the model learned no rows in order"]);
}

#[test]
fn rows_are_rebuilt_drawn_and_reported() {
    let dir = fitted();
    let today = readings(2, 3000, 300);
    write(&dir.path("today.parquet"), &today, 90);
    dir.ok("reconstruct today.parquet rebuilt.parquet -m model.safetensors");
    dir.ok("transform today.parquet scored.parquet -m model.safetensors --explain 2");
    dir.ok("transform today.parquet latents.parquet -m model.safetensors --drop-features");
    dir.ok("reconstruct latents.parquet again.parquet -m model.safetensors");
    let (rebuilt, again) = (read(&dir.path("rebuilt.parquet")), read(&dir.path("again.parquet")));
    assert_eq!(names(&rebuilt), names(&today));
    assert_eq!(rebuilt.column(0), today.column(0));
    for column in ["load", "heat"] {
        let (was, is) = (numbers(&today, column), numbers(&rebuilt, column));
        let mean = was.iter().sum::<f64>() / 300.0;
        let residual: f64 = was.iter().zip(&is).map(|(was, is)| (was - is).powi(2)).sum();
        let spread: f64 = was.iter().map(|was| (was - mean).powi(2)).sum();
        assert!(residual < 0.5 * spread, "{column}: {residual} of {spread}");
        assert_eq!(bits(&again, column), bits(&rebuilt, column), "from the latents alone");
    }
    dir.ok("generate -n 50 drawn.parquet -m model.safetensors");
    dir.ok("traverse steps.parquet -m model.safetensors");
    let drawn = read(&dir.path("drawn.parquet"));
    assert_eq!((drawn.num_rows(), names(&drawn)), (50, ["ts", "load", "heat", "mode"].map(str::to_owned).to_vec()));
    dir.ok("report scored.parquet -m model.safetensors -o report.html");
    let page = std::fs::read_to_string(dir.path("report.html")).unwrap();
    assert!(
        page.contains("1 row before") && page.contains("Against training"),
        "columns of rows before are compared, too"
    );
    dir.fails(65, "transform - - --lines -m model.safetensors")
        .says(&["a model of rows in order: scoring single lines is not supported"]);
}

#[test]
fn a_fit_starts_from_a_model_of_rows_in_order() {
    let dir = fitted();
    write(&dir.path("next.parquet"), &readings(3, 3000, 3000), 500);
    dir.ok("fit next.parquet --init model.safetensors -m next.safetensors --epochs 3")
        .prints(&["windows of 16 rows in the order of ts"]);
    dir.ok("transform next.parquet scored.parquet -m next.safetensors --expected 0.5");
    dir.fails(2, "fit next.parquet --init model.safetensors -m x.safetensors --window 8")
        .says(&["window", "it has 16, and not 8"]);
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    dir.fails(2, "fit next.parquet --init rows.safetensors -m x.safetensors --order-by ts")
        .says(&["order_by", "it learned no rows in order"]);
    let backwards = dir.path("backwards.parquet");
    write(&backwards, &shuffled(&readings(3, 3000, 1000)), 500);
    dir.fails(65, "fit backwards.parquet --init model.safetensors -m x.safetensors")
        .says(&["not in the order of \"ts\""]);
    dir.ok("fit backwards.parquet --init model.safetensors -m sorted.safetensors --epochs 2 --sort --accept-worse");
}

#[test]
fn a_line_that_is_left_out_is_no_row_of_a_window() {
    let dir = Workdir::new();
    let line =
        |row: usize| format!("{row},{:.4},{}", (row as f64 / 3.0).sin() + (row * 37 % 11) as f64 / 50.0, row % 7);
    let (past, today) = ((0..900).map(line), (900..1000).map(line).collect::<Vec<_>>());
    let text = |lines: &[String]| format!("n,load,heat\n{}\n", lines.join("\n"));
    std::fs::write(dir.path("past.csv"), text(&past.collect::<Vec<_>>())).unwrap();
    std::fs::write(dir.path("good.csv"), text(&today)).unwrap();
    let mut bad = today.clone();
    bad.insert(50, "949,1".to_owned());
    bad.insert(20, "919,0.5,1,2,3".to_owned());
    std::fs::write(dir.path("bad.csv"), text(&bad)).unwrap();
    dir.ok("fit past.csv -m model.safetensors --order-by n --window 8 --epochs 5");
    dir.ok("transform good.csv good.parquet -m model.safetensors --expected 0.9");
    dir.ok("transform bad.csv bad.parquet -m model.safetensors --expected 0.9 --csv-bad-lines skip").says(&["2"]);
    let [good, bad] = ["good", "bad"].map(|name| read(&dir.path(&format!("{name}.parquet"))));
    assert_eq!(bad.columns(), good.columns());
}

#[test]
fn two_models_of_rows_in_order_are_compared_on_sorted_rows_after_a_history() {
    let dir = fitted();
    let today = readings(2, 3000, 500);
    write(&dir.path("today.parquet"), &today, 100);
    write(&dir.path("mixed.parquet"), &shuffled(&today), 100);
    dir.ok("fit past.parquet -m other.safetensors --order-by ts --window 4 --epochs 5 --preset anomaly");
    dir.ok("fit past.parquet -m plain.safetensors --exclude ts --epochs 2");
    let compared = |models: &str, flags: &str| {
        let mut found = dir.ok(&format!("compare {models} {flags} --top 20 --summary json")).json();
        for row in found["rows"]["top"].as_array_mut().unwrap() {
            row["file"] = serde_json::json!("");
        }
        found["rows"].take()
    };
    let both = "model.safetensors other.safetensors";
    let expected = compared(both, "today.parquet --history past.parquet");
    assert_eq!(compared(both, "mixed.parquet --sort --history past.parquet"), expected);
    assert_ne!(compared(both, "today.parquet"), expected, "the first rows have no window");
    dir.ok("transform today.parquet out.parquet -m other.safetensors --history past.parquet");
    let scored = dir
        .ok("transform today.parquet out.parquet -m other.safetensors --history past.parquet --force --summary json");
    let (anomalies, found) = (scored.json()["anomalies"].clone(), &expected["anomalies"]);
    let of_other = found["both"].as_u64().unwrap() + found["only_b"].as_u64().unwrap();
    assert_eq!(anomalies, of_other);
    // A model that knows no order takes the rows as they come, without a history.
    let plain = compared("plain.safetensors other.safetensors", "today.parquet --history past.parquet");
    assert_eq!(plain["scores_b"], expected["scores_b"]);
    dir.fails(2, "compare plain.safetensors other.safetensors mixed.parquet --sort")
        .says(&["sort is true, but must be left out, since the models do not order rows by the same column"]);
    dir.fails(2, "compare plain.safetensors plain.safetensors today.parquet --history past.parquet").says(&["history"]);
}
