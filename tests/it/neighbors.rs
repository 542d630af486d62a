//! Distances from stored training rows: broken relations, models that hold rows and models that hold none, contamination.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Float64Type;
use serde_json::Value;

use crate::model_file::{put_together, take_apart};
use crate::scores::{tail, top};
use crate::tables::{Uniform, floats, new_bits, read, write};
use crate::workdir::Workdir;

/// A sale: the total is quantity times price, the weight goes with the quantity, `far` with nothing.
fn sales(seed: u64, rows: usize) -> Vec<[f64; 5]> {
    let mut uniform = Uniform::new(seed);
    let mut next = || uniform.next();
    let row = |_| {
        let (quantity, price) = (5.0 + 2.0 * next() + 2.0 * next(), (1.0 + 0.5 * next() + 0.5 * next()).exp());
        let total = quantity * price * (1.0 + 0.01 * next());
        [quantity, price, total, 3.0 * quantity + 0.5 * next(), 10.0 * next()]
    };
    (0..rows).map(row).collect()
}

const NAMES: [&str; 5] = ["quantity", "price", "total", "weight", "far"];

fn table(rows: &[[f64; 5]]) -> RecordBatch {
    let column = |n: usize| Arc::new(rows.iter().map(|row| row[n]).collect::<Float64Array>()) as ArrayRef;
    RecordBatch::try_from_iter((0..5).map(|n| (NAMES[n], column(n)))).unwrap()
}

/// Writes `train.parquet`, and `test.parquet` whose first 20 rows of 1,000 have the weight of another row.
fn broken(dir: &Workdir) {
    write(&dir.path("train.parquet"), &table(&sales(1, 4000)), 1000);
    let mut rows = sales(2, 1000);
    let weights: Vec<f64> = rows.iter().map(|row| row[3]).collect();
    for row in 0..20 {
        // Another row of a quantity that is at least a third off.
        let other = (500..).find(|&other| (weights[other] - weights[row]).abs() > 8.0).unwrap();
        rows[row][3] = weights[other];
    }
    write(&dir.path("test.parquet"), &table(&rows), 300);
}

#[test]
fn ordinary_values_that_do_not_fit_each_other_are_found_and_named() {
    let dir = Workdir::new();
    broken(&dir);
    dir.ok("fit train.parquet --preset anomaly");
    dir.ok("transform test.parquet out.parquet --score all --explain 1 --explain-rows all");
    let batch = read(&dir.path("out.parquet"));
    assert_eq!(floats(&batch, "anomaly_score"), floats(&batch, "combined"));
    let found = |score: &str| {
        let scores = floats(&batch, score);
        let mut order: Vec<usize> = (0..1000).collect();
        order.sort_by(|&a, &b| scores[b].unwrap().total_cmp(&scores[a].unwrap()));
        order[..40].iter().filter(|&&row| row < 20).count()
    };
    assert!(found("combined") >= 16, "{} of 20 in the first 40", found("combined"));
    assert!(found("neighbor_distance") > found("elbo") + 8, "the network alone finds {}", found("elbo"));
    assert!(found("marginal_nll") <= 4, "each value is ordinary by itself: {}", found("marginal_nll"));
    let named = (0..20).filter(|&row| ["weight", "quantity"].contains(&top(&batch, row)[0].0.as_str())).count();
    assert!(named >= 15, "{named} of 20 named");
}

#[test]
fn distances_do_not_depend_on_threads_order_or_row_groups() {
    let dir = Workdir::new();
    broken(&dir);
    dir.ok("fit train.parquet --preset anomaly --threads 1 -m one.safetensors");
    dir.ok("fit train.parquet --preset anomaly --threads 2 -m two.safetensors");
    assert!(std::fs::read(dir.path("one.safetensors")).unwrap() == std::fs::read(dir.path("two.safetensors")).unwrap());
    let test = read(&dir.path("test.parquet"));
    let turned = concat_batches(&test.schema(), [&test.slice(437, 563), &test.slice(0, 437)]).unwrap();
    write(&dir.path("turned.parquet"), &turned, 77);
    let score = |input: &str, threads: usize| {
        let flags = format!("-m one.safetensors --score all --threads {threads} --force");
        dir.ok(&format!("transform {input} out.parquet {flags}"));
        new_bits(&read(&dir.path("out.parquet")))
    };
    let first = score("test.parquet", 1);
    assert!(first == score("test.parquet", 2));
    let again = score("turned.parquet", 2);
    for (row, again) in again.iter().enumerate() {
        assert!(first[(row + 437) % 1000] == *again, "row {row}");
    }
}

#[test]
fn a_model_holds_rows_only_if_its_score_needs_them_and_few() {
    let dir = Workdir::new();
    broken(&dir);
    dir.ok("fit train.parquet --preset anomaly --anomaly-score elbo -m none.safetensors");
    let (metadata, tensors) = take_apart(&dir.path("none.safetensors"));
    assert!(tensors.iter().all(|(name, ..)| !name.starts_with("neighbors.")));
    assert_eq!(metadata["scoring"].get("components"), None);
    dir.ok("transform test.parquet none.parquet -m none.safetensors --score all");
    assert!(read(&dir.path("none.parquet")).column_by_name("neighbor_distance").is_none());
    let refused = dir.fails(2, "transform test.parquet refused.parquet -m none.safetensors --score neighbor_distance");
    refused.says(&["no score \"neighbor_distance\"; the scores are recon_error", "elbo_iw"]);

    dir.ok("fit train.parquet --preset anomaly -m some.safetensors");
    let (metadata, tensors) = take_apart(&dir.path("some.safetensors"));
    let (_, shape, ..) = tensors.iter().find(|(name, ..)| name == "neighbors.rows").unwrap();
    assert_eq!(shape[1], 5 + 2);
    // Of 4,000 rows 200 validate and 400 calibrate, and the oddest are not stored.
    assert!((2000..=3400).contains(&shape[0]), "{shape:?}");
    let text = |metadata: &Value| metadata.to_string();
    let without = tensors.iter().filter(|(name, ..)| name != "neighbors.mean").cloned().collect();
    put_together(&dir.path("damaged.safetensors"), &text(&metadata), &without);
    dir.fails(65, "inspect damaged.safetensors").says(&["neighbors.mean"]);
    let without = tensors.iter().filter(|(name, ..)| !name.starts_with("neighbors.")).cloned().collect();
    put_together(&dir.path("damaged.safetensors"), &text(&metadata), &without);
    dir.fails(65, "inspect damaged.safetensors").says(&["stored training rows"]);
}

#[test]
fn a_fit_to_contaminated_rows_says_so_and_can_take_the_share() {
    let dir = Workdir::new();
    let mut rows = sales(1, 3000);
    write(&dir.path("clean.parquet"), &table(&rows), 1000);
    // One row in twenty belongs to a group far from all others.
    rows.iter_mut().step_by(20).for_each(|row| *row = row.map(|value| value + 60.0));
    let odd: Vec<bool> = (0..3000).map(|row| row % 20 == 0).collect();
    write(&dir.path("mixed.parquet"), &table(&rows), 1000);

    let summary = |input: &str, flags: &str| -> Value {
        dir.ok(&format!("fit {input} --preset anomaly --force --summary json {flags}")).json()
    };
    assert_eq!(summary("clean.parquet", "")["suspected_contamination"], Value::Null);
    let suspected = summary("mixed.parquet", "")["suspected_contamination"].as_f64().unwrap();
    assert!((suspected - 0.05).abs() < 0.015, "{suspected}");
    let told = dir.ok("fit mixed.parquet --preset anomaly --force");
    told.prints(&["the training rows look contaminated: ", "--contamination auto"]);

    let automatic = summary("mixed.parquet", "--contamination auto");
    let share = automatic["decision"]["contamination"].as_f64().unwrap();
    assert!((share - 0.05).abs() < 0.015 && automatic["suspected_contamination"].is_null(), "{share}");
    dir.ok("transform mixed.parquet out.parquet");
    let batch = read(&dir.path("out.parquet"));
    let found: &BooleanArray = batch["is_anomaly"].as_boolean();
    let right = (0..3000).filter(|&row| found.value(row) == odd[row]).count();
    assert!(right > 2950, "{right} of 3,000 are told apart");
    assert!(batch["total"].as_primitive::<Float64Type>().len() == 3000);
    // The share is found for a transform as well.
    let told = dir.ok("transform mixed.parquet out.parquet --contamination auto --force --summary json").json();
    assert_eq!(told["decision"]["contamination"].as_f64(), Some(share));
}

#[test]
fn values_that_are_rare_by_themselves_count_by_their_share_of_the_training_rows() {
    let dir = Workdir::new();
    // The numbers 0 to 31, the last in two rows; a flag that is true in one row of ten where it is known.
    let numbers: Vec<f64> = (0..622).map(|row| if row < 620 { f64::from(row % 31) } else { 31.0 }).collect();
    let flags: Vec<Option<bool>> = (0..622).map(|row| (row % 2 == 0).then_some(row % 20 == 0)).collect();
    let table = |numbers: Vec<f64>, flags: Vec<Option<bool>>| {
        let numbers = Arc::new(Float64Array::from(numbers)) as ArrayRef;
        RecordBatch::try_from_iter([("number", numbers), ("flag", Arc::new(BooleanArray::from(flags)) as ArrayRef)])
    };
    write(&dir.path("train.parquet"), &table(numbers.clone(), flags.clone()).unwrap(), 200);
    let few = [(7.0, Some(false)), (31.0, Some(false)), (50.0, Some(true)), (7.0, None)];
    let (some_numbers, some_flags) = few.into_iter().unzip();
    write(&dir.path("few.parquet"), &table(some_numbers, some_flags).unwrap(), 4);
    dir.ok("fit train.parquet --scale none --val-fraction 0 --epochs 2 --anomaly-score marginal_nll");
    dir.ok("transform train.parquet scored.parquet --score elbo");
    let elbos: Vec<f32> = floats(&read(&dir.path("scored.parquet")), "elbo").into_iter().flatten().collect();
    let mut sorted = elbos.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    // The twentieth of the rows that the network finds oddest does not count.
    let counted: Vec<usize> = (0..622).filter(|&row| elbos[row] <= sorted[589]).collect();
    assert!((590..=622).contains(&counted.len()));
    let share = |bins: f64, is_it: &dyn Fn(usize) -> Option<bool>| {
        let known: Vec<bool> = counted.iter().filter_map(|&row| is_it(row)).collect();
        // Each bin has half a row more.
        (known.iter().filter(|it| **it).count() as f64 + 0.5) / (known.len() as f64 + 0.5 * bins)
    };
    dir.ok("transform few.parquet out.parquet --explain 2 --explain-rows all --drop-features");
    let out = read(&dir.path("out.parquet"));
    for ((number, flag), found) in few.into_iter().zip(floats(&out, "anomaly_score")) {
        let of_number = -share(34.0, &|row| Some(numbers[row] == number)).ln();
        let expected = match flag {
            Some(flag) => of_number - share(2.0, &|row| flags[row].map(|it| it == flag)).ln(),
            None => 2.0 * of_number,
        };
        assert!((f64::from(found.unwrap()) - expected).abs() < 1e-4, "{number}: {found:?}, {expected}");
    }
    let reasons = |row: usize| top(&out, row).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(reasons(2), ["number", "flag"]);
    assert_eq!(reasons(1)[0], "number");
}

/// -ln of the p-value of a score among those of a tail; `None` above the highest, where the tail is fitted.
fn nats_of(of: &Value, score: f32) -> Option<f64> {
    let (_, at_least) = tail(of).into_iter().rfind(|(level, _)| *level as f32 >= score)?;
    Some(-((1 + at_least) as f64 / (1.0 + of["rows"].as_f64().unwrap())).ln())
}

#[test]
fn combined_is_of_three_p_values_and_of_two_in_a_model_without_histograms() {
    let dir = Workdir::new();
    broken(&dir);
    dir.ok("fit train.parquet --preset anomaly --epochs 3");
    let (metadata, tensors) = take_apart(&dir.path("vae.safetensors"));
    let components = &metadata["scoring"]["components"];
    let scored = |model: &str| {
        dir.ok(&format!("transform test.parquet out.parquet -m {model} --score all --force"));
        read(&dir.path("out.parquet"))
    };
    let nats = |batch: &RecordBatch, name: &str| -> Vec<Option<f64>> {
        floats(batch, name).into_iter().map(|score| nats_of(&components[name], score.unwrap())).collect()
    };
    let check = |batch: &RecordBatch, marginals: Vec<Option<f64>>| {
        let both = nats(batch, "elbo").into_iter().zip(nats(batch, "neighbor_distance"));
        let rows = both.zip(marginals).zip(floats(batch, "combined"));
        let known = rows.filter_map(|(((a, b), c), found)| Some(([a?, b?, c?], f64::from(found?))));
        let known: Vec<([f64; 3], f64)> = known.collect();
        assert!(known.len() > 900, "{}", known.len());
        for ([a, b, c], found) in known {
            let both = (((3.0 * a).exp() + (3.0 * b).exp()) / 2.0).ln() / 3.0;
            let expected = (both.powi(2) + (c / 2.0).powi(2)).sqrt();
            assert!((found - expected).abs() < 1e-4, "{found}, {expected}");
        }
    };
    let of_three = scored("vae.safetensors");
    check(&of_three, nats(&of_three, "marginal_nll"));

    // As models from before: neither histograms nor what training rows scored by them.
    let mut before = metadata.clone();
    before["scoring"]["components"].as_object_mut().unwrap().remove("marginal_nll").unwrap();
    let without = tensors.iter().filter(|(name, ..)| !name.starts_with("neighbors.marginals.")).cloned().collect();
    put_together(&dir.path("before.safetensors"), &before.to_string(), &without);
    let of_two = scored("before.safetensors");
    assert!(of_two.column_by_name("marginal_nll").is_none());
    check(&of_two, vec![Some(0.0); 1000]);
    for (metadata, tensors) in [(&metadata, &without), (&before, &tensors)] {
        put_together(&dir.path("damaged.safetensors"), &metadata.to_string(), tensors);
        dir.fails(65, "inspect damaged.safetensors").says(&["stored training rows do not match"]);
    }
}
