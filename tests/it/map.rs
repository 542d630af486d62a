//! A fit that keeps neighbours together in the latents.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde_json::json;

use crate::model_file::take_apart;
use crate::tables::{curve, names, read, write};
use crate::workdir::{Workdir, repository};

/// The columns of rows whose names begin with this, a row a vector.
fn points(rows: &RecordBatch, prefix: &str) -> Vec<Vec<f64>> {
    let of_prefix = |name: &&String| name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<usize>().is_ok());
    let columns: Vec<_> = names(rows)
        .iter()
        .filter(of_prefix)
        .map(|name| cast(rows.column_by_name(name).unwrap(), &DataType::Float64).unwrap())
        .collect();
    let value = |row: usize| columns.iter().map(|column| column.as_primitive::<Float64Type>().value(row)).collect();
    (0..rows.num_rows()).map(value).collect()
}

/// The five points of `among` nearest to one, but itself.
fn nearest(points: &[Vec<f64>], of: usize, among: &[usize]) -> Vec<usize> {
    let distance = |&other: &usize| points[of].iter().zip(&points[other]).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut others: Vec<usize> = among.iter().copied().filter(|&other| other != of).collect();
    others.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    others.truncate(5);
    others
}

/// Of digits that the fit has not seen: how many are named right by their five nearest among those it has, and how many of
/// their five nearest by pixels are among the five nearest.
fn judged(dir: &Workdir, flags: &str) -> (f64, f64) {
    dir.ok(&format!("fit digits.parquet --where split='train' --exclude label,split --latent-dim 2 --force {flags}"));
    dir.ok("transform digits.parquet out.parquet --force");
    let rows = read(&dir.path("out.parquet"));
    let (pixels, latents) = (points(&rows, "p"), points(&rows, "z_"));
    let labels = cast(rows.column_by_name("label").unwrap(), &DataType::Float64).unwrap();
    let labels = labels.as_primitive::<Float64Type>().values().to_vec();
    let split = cast(rows.column_by_name("split").unwrap(), &DataType::Utf8).unwrap();
    let (fresh, seen): (Vec<usize>, Vec<usize>) =
        (0..rows.num_rows()).partition(|&row| split.as_string::<i32>().value(row) == "test");
    let right = |&&row: &&usize| {
        let named: Vec<f64> = nearest(&latents, row, &seen).into_iter().map(|other| labels[other]).collect();
        let votes = |label: f64| named.iter().filter(|&&other| other == label).count();
        votes(labels[row]) >= 3 || named.iter().all(|&label| votes(label) <= votes(labels[row]))
    };
    let kept = |row: &usize| {
        let [by_pixels, by_latents] =
            [&pixels, &latents].map(|points| nearest(points, *row, &fresh).into_iter().collect::<BTreeSet<_>>());
        by_pixels.intersection(&by_latents).count()
    };
    let count = fresh.len() as f64;
    (fresh.iter().filter(right).count() as f64 / count, fresh.iter().map(kept).sum::<usize>() as f64 / count / 5.0)
}

#[test]
fn rows_not_seen_fall_among_their_neighbours() {
    let dir = Workdir::new();
    std::fs::copy(repository("sample_data/digits.parquet"), dir.path("digits.parquet")).unwrap();
    let (accuracy, overlap) = judged(&dir, "--preset map --max-steps 1000");
    let (accuracy_before, overlap_before) = judged(&dir, "--max-steps 1000");
    assert!(accuracy > 0.93 && accuracy > accuracy_before + 0.02, "{accuracy} {accuracy_before}");
    assert!(overlap > overlap_before + 0.02, "{overlap} {overlap_before}");
}

#[test]
fn a_map_has_two_latents_and_says_how_it_was_made() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(700), 300);
    dir.ok("fit in.parquet --epochs 2 --preset map");
    let training = |model: &str| take_apart(&dir.path(model)).0;
    let map = training("vae.safetensors");
    assert_eq!(map["network"]["latent_dim"], 2);
    let of_training = |name: &str| map["training"][name].clone();
    assert_eq!(["preset", "neighbors", "neighbor_weight"].map(of_training), [json!("map"), json!(15), json!(0.1)]);
    dir.ok("fit in.parquet --epochs 2 -m none.safetensors");
    dir.ok("fit in.parquet --epochs 2 -m zero.safetensors --neighbors 0");
    dir.fails(2, "fit in.parquet --epochs 2 -m no.safetensors --neighbor-weight 3").says(&["neighbor_weight is 3"]);
    assert!(training("none.safetensors")["training"].get("neighbors").is_none());
    let bytes = |model: &str| std::fs::read(dir.path(model)).unwrap();
    assert!(bytes("none.safetensors") == bytes("zero.safetensors"), "no neighbours are no other model");
}

#[test]
fn other_models_keep_neighbours_too_and_the_model_it_goes_on_from_decides() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(700), 300);
    dir.ok("fit in.parquet --epochs 2 --preset anomaly --neighbors 7 --neighbor-weight 0.5 --members 2");
    dir.ok("fit in.parquet --epochs 2 --init vae.safetensors -m more.safetensors --accept-worse");
    let training = |model: &str| take_apart(&dir.path(model)).0["training"].clone();
    for model in ["vae.safetensors", "more.safetensors"] {
        let training = training(model);
        assert_eq!((&training["neighbors"], &training["neighbor_weight"]), (&json!(7), &json!(0.5)), "{model}");
    }
    dir.ok("fit in.parquet --epochs 2 --init vae.safetensors -m without.safetensors --accept-worse --neighbors 0");
    assert!(training("without.safetensors").get("neighbors").is_none());
    dir.fails(2, "fit in.parquet --init vae.safetensors -m other.safetensors --preset map").says(&["preset"]);
}

#[test]
fn threads_row_groups_and_memory_do_not_change_a_bit() {
    let (dir, all) = (Workdir::new(), curve(6000));
    write(&dir.path("whole.parquet"), &all, 1 << 20);
    write(&dir.path("groups.parquet"), &all, 777);
    let model = |flags: &str| {
        dir.ok(&format!("fit {flags} --preset map --hidden 16 --epochs 2 --exclude id --force"));
        std::fs::read(dir.path("vae.safetensors")).unwrap()
    };
    let first = model("whole.parquet --threads 1");
    for flags in ["whole.parquet --threads 3", "groups.parquet --threads 2", "whole.parquet --memory 16MiB"] {
        assert!(first == model(flags), "{flags}");
    }
    assert!(first != model("whole.parquet --neighbors 5"), "the number of neighbours is not ignored");
}

#[test]
fn a_map_of_few_rows_is_calibrated_out_of_fold() {
    let (dir, all) = (Workdir::new(), curve(2150));
    write(&dir.path("seen.parquet"), &all.slice(0, 150), 1000);
    write(&dir.path("in.parquet"), &all.slice(150, 2000), 1000);
    let model = |threads: usize| {
        let fit = "fit seen.parquet --preset map --hidden 16 --epochs 60 --exclude id --force --threads";
        dir.ok(&format!("{fit} {threads}")).says(&["calibration rows are few", "out of fold"]);
        std::fs::read(dir.path("vae.safetensors")).unwrap()
    };
    let first = model(1);
    assert!([2, 3, 8].into_iter().all(|threads| first == model(threads)));
    assert_eq!(take_apart(&dir.path("vae.safetensors")).0["scoring"]["calibration"]["rows"], 150);
    dir.ok("transform in.parquet out.parquet");
    let p = read(&dir.path("out.parquet")).column_by_name("p_value").unwrap().clone();
    let p = cast(&p, &DataType::Float64).unwrap();
    let low = p.as_primitive::<Float64Type>().values().iter().filter(|p| **p <= 0.2).count() as f64 / 2000.0;
    // The standard error of 20 % of 150 rows is 3.3 %.
    assert!((0.07..0.33).contains(&low), "{low}");
}

#[test]
fn a_map_does_all_that_another_model_does() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &read(&repository("sample_data/flights.parquet")).slice(0, 1500), 500);
    dir.ok("fit in.parquet --preset map --max-steps 50 --hidden 16");
    dir.ok("transform in.parquet out.parquet --score all --std --explain 2");
    for command in ["reconstruct in.parquet a.parquet", "impute in.parquet b.parquet", "traverse c.parquet"] {
        dir.ok(command);
    }
    dir.ok("generate d.parquet -n 100");
    dir.ok("drift in.parquet");
    dir.ok("inspect -m vae.safetensors --latents");
}

#[test]
fn rows_without_neighbours_enough_or_with_equal_ones_are_fitted() {
    let dir = Workdir::new();
    for rows in [8, 30] {
        write(&dir.path("few.parquet"), &curve(rows), 300);
        dir.ok("fit few.parquet --preset map --neighbors 100 --epochs 2 --force");
    }
    let equal = curve(1);
    let equal = arrow::compute::concat_batches(&equal.schema(), &vec![equal.clone(); 200]).unwrap();
    let all = arrow::compute::concat_batches(&equal.schema(), &[equal.clone(), curve(100)]).unwrap();
    write(&dir.path("equal.parquet"), &all, 300);
    dir.ok("fit equal.parquet --preset map --epochs 2 --force");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(100), 300);
    dir.fails(2, "fit in.parquet --neighbors 101").says(&["neighbors", "101", "0 to 100"]);
    dir.fails(2, "fit in.parquet --neighbors 5 --neighbor-weight -1").says(&["neighbor", "0 or more"]);
    dir.fails(2, "fit in.parquet --preset maps").says(&["maps", "map"]);
}
