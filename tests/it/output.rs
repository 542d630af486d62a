//! What a transform writes, and what it asks of its input.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;

use crate::tables::{carries, curve, floats, names, new_bits, read, write};
use crate::workdir::Workdir;

/// A folder with `in.parquet` and a model fitted to it.
fn fitted(rows: usize) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(rows), 1000);
    dir.ok("fit in.parquet --epochs 2 --latent-dim 2");
    dir
}

const NEW: [&str; 6] = ["z_0", "z_1", "recon_error", "anomaly_score", "p_value", "is_anomaly"];

#[test]
fn rows_in_are_rows_out_for_every_count_around_a_block() {
    let dir = fitted(1000);
    let all = curve(1000);
    // 256 rows are encoded at once.
    for rows in [0, 1, 2, 255, 256, 257, 511, 512, 513] {
        write(&dir.path("some.parquet"), &all.slice(0, rows), 1000);
        let transform = dir.ok("transform some.parquet out.parquet --force --summary json").json();
        assert_eq!(transform["rows"], rows);
        let out = read(&dir.path("out.parquet"));
        carries(&all.slice(0, rows), &out);
        assert_eq!(names(&out), [names(&all), NEW.map(String::from).to_vec()].concat());
    }
}

#[test]
fn more_rows_than_a_batch_and_a_queue_hold_arrive_in_order() {
    let dir = fitted(500);
    let part = curve(25_000);
    let all = concat_batches(&part.schema(), [&part, &part, &part]).unwrap();
    write(&dir.path("many.parquet"), &all, 20_000);
    dir.ok("transform many.parquet out.parquet");
    let out = read(&dir.path("out.parquet"));
    carries(&all, &out);
    let bits = new_bits(&out);
    assert!(bits[..25_000] == bits[25_000..50_000] && bits[..25_000] == bits[50_000..]);
}

#[test]
fn missing_and_unusable_values_are_left_out_of_the_scores() {
    let dir = fitted(1000);
    let float = |values: [f32; 4]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let x1: ArrayRef = Arc::new(Float64Array::from(vec![Some(250.0), None, Some(f64::NAN), Some(1e300)]));
    let flag: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true; 4]));
    let same = [("x0", float([0.5; 4])), ("x1", x1), ("x2", float([0.1; 4])), ("x3", float([0.2; 4])), ("flag", flag)];
    write(&dir.path("odd.parquet"), &RecordBatch::try_from_iter(same).unwrap(), 10);
    let ran = dir.ok("transform odd.parquet out.parquet");
    ran.says(&[r#"2 values are NaN, infinite or beyond f32, and count as missing: "x1" (2)"#]);
    let bits = new_bits(&read(&dir.path("out.parquet")));
    assert!(bits[1] == bits[2] && bits[1] == bits[3], "null, NaN and too large are all missing");
    assert_ne!(bits[0], bits[1]);

    let nothing = |_| Arc::new(Float32Array::from(vec![None::<f32>, Some(f32::INFINITY)])) as ArrayRef;
    let flag: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![None, None]));
    let columns =
        ["x0", "x1", "x2", "x3"].map(|name| (name, nothing(name), true)).into_iter().chain([("flag", flag, true)]);
    write(&dir.path("empty.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 10);
    let ran = dir.ok("transform empty.parquet out.parquet --force --summary json");
    assert_eq!(ran.json()["empty_rows"], 2);
    ran.says(&["2 rows have no known value"]);
    let out = read(&dir.path("out.parquet"));
    assert_eq!((floats(&out, "recon_error"), floats(&out, "anomaly_score")), (vec![None, None], vec![None, None]));
}

#[test]
fn a_value_far_out_of_range_has_a_large_finite_score() {
    let dir = fitted(1000);
    let mut columns = curve(10).columns().to_vec();
    columns[2] = Arc::new(Float32Array::from(vec![1e30; 10]));
    write(&dir.path("far.parquet"), &RecordBatch::try_new(curve(10).schema(), columns).unwrap(), 10);
    dir.ok("transform far.parquet far_out.parquet");
    dir.ok("transform in.parquet near_out.parquet");
    let scores = |name| floats(&read(&dir.path(name)), "anomaly_score");
    let most = scores("near_out.parquet").into_iter().flatten().fold(f32::MIN, f32::max);
    assert!(scores("far_out.parquet").into_iter().flatten().all(|score| score.is_finite() && score > most));
}

#[test]
fn column_order_and_further_columns_do_not_matter() {
    let dir = fitted(300);
    dir.ok("transform in.parquet plain.parquet");
    let batch = curve(300);
    let further: ArrayRef = Arc::new(StringArray::from(vec!["x"; 300]));
    let order = ["flag", "x3", "x1", "x2", "x0"];
    let columns = order.map(|name| (name, batch.column_by_name(name).unwrap().clone(), true)).into_iter();
    let other = RecordBatch::try_from_iter_with_nullable(columns.chain([("further", further, true)])).unwrap();
    write(&dir.path("other.parquet"), &other, 70);
    dir.ok("transform other.parquet other_out.parquet");
    assert_eq!(new_bits(&read(&dir.path("plain.parquet"))), new_bits(&read(&dir.path("other_out.parquet"))));
}

#[test]
fn a_feature_that_is_missing_or_of_the_wrong_type_is_named() {
    let dir = fitted(300);
    let batch = curve(300);
    write(&dir.path("less.parquet"), &batch.project(&[0, 1, 2, 3, 5, 6]).unwrap(), 1000);
    dir.fails(65, "transform less.parquet out.parquet").says(&["less.parquet", r#"needs column "x2""#]);
    let mut columns = batch.columns().to_vec();
    columns[4] = Arc::new(StringArray::from(vec!["a"; 300]));
    let fields = names(&batch).into_iter().zip(columns);
    write(&dir.path("text.parquet"), &RecordBatch::try_from_iter(fields).unwrap(), 1000);
    dir.fails(65, "transform text.parquet out.parquet").says(&[
        "text.parquet",
        r#"column "x2""#,
        "is Utf8",
        "a number",
    ]);
    assert_eq!(dir.names(), ["in.parquet", "less.parquet", "text.parquet", "vae.safetensors"]);
}

#[test]
fn keep_drop_features_prefix_and_std_choose_the_output() {
    let dir = fitted(300);
    let columns = |flags: &str| {
        dir.ok(&format!("transform in.parquet out.parquet --force {flags}"));
        names(&read(&dir.path("out.parquet")))
    };
    let with = |carried: &[&str], new: &[&str]| {
        [carried, new].concat().iter().map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(columns("--keep id,x*"), with(&["id", "x0", "x1", "x2", "x3"], &NEW));
    assert_eq!(columns("--drop-features"), with(&["id", "name"], &NEW));
    assert_eq!(columns("--keep x0,name --drop-features"), with(&["name"], &NEW));
    assert_eq!(columns("--keep nothing_*"), with(&[], &NEW), "only what is new");
    let prefixed = NEW.map(|name| format!("v_{name}"));
    let prefixed = prefixed.each_ref().map(String::as_str);
    assert_eq!(columns("--keep id --prefix v_"), with(&["id"], &prefixed));
    assert_eq!(columns("--keep id --std"), with(&["id"], &[&NEW[..2], &["z_std_0", "z_std_1"], &NEW[2..]].concat()));
    let stds = floats(&read(&dir.path("out.parquet")), "z_std_1");
    // The posterior's log-variance is bounded to [-8, 4].
    assert!(stds.into_iter().flatten().all(|std| (0.018..7.4).contains(&std)));
    dir.fails(2, "transform in.parquet out.parquet --force --keep idd").says(&[
        r#"no column "idd""#,
        r#""id""#,
        "--keep",
    ]);
}

#[test]
fn a_name_clash_is_refused_and_names_the_prefix_flag() {
    let dir = fitted(300);
    dir.ok("transform in.parquet once.parquet");
    dir.fails(2, "transform once.parquet twice.parquet").says(&["once.parquet", r#""z_0""#, "--prefix"]);
    dir.ok("transform once.parquet twice.parquet --prefix again_");
    let out = read(&dir.path("twice.parquet"));
    assert_eq!(floats(&out, "z_1"), floats(&out, "again_z_1"));
    dir.ok("transform once.parquet thrice.parquet --keep id");
}

#[test]
fn the_library_gives_rows_in_memory_the_numbers_the_program_writes() {
    let dir = fitted(1500);
    dir.ok("transform in.parquet out.parquet --std");
    let rows = read(&dir.path("in.parquet"));
    let model = vaepipe::Model::load(dir.path("vae.safetensors"), vaepipe::Device::Cpu).unwrap();
    let mut config = vaepipe::TransformConfig::new();
    config.std = true;
    let reversed = rows.project(&(0..rows.num_columns()).rev().collect::<Vec<_>>()).unwrap();
    let parts = [0..700, 700..1500].map(|part| reversed.slice(part.start, part.len()));
    let parts = parts.map(|part| model.transform_batch(&part, &config).unwrap());
    let new = concat_batches(&parts[0].schema(), &parts).unwrap();
    assert_eq!(new_bits(&new), new_bits(&read(&dir.path("out.parquet"))));
    let error = model.transform_batch(&rows.project(&[0]).unwrap(), &config).unwrap_err();
    assert!(matches!(error, vaepipe::Error::MissingFeature { .. }), "{error}");
}
