//! Models of every format released so far: today's program reads them, and they give the numbers they gave then.
//!
//! `tests/golden/vN.safetensors` is a model of format N, `vN.parquet` rows that it never saw with all that a transform added
//! to them. They are made once, when a format is released, by the version that releases it:
//!
//!     cargo test --release --test it -- --ignored the_golden_files_of_a_new_format_are_made

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, TimeUnit};

use crate::model_file::{put_together, take_apart};
use crate::tables::{Uniform, floats, keys, names, read, write};
use crate::workdir::{Workdir, repository};

/// Today's models: the names of their files, which begin with the format, and the flags that make them.
const NOW: [(&str, &str); 2] = [("v2", ""), ("v2-members", "--preset anomaly --members 2")];
const FLAGS: &str = "--exclude id --columns *,day,at --given coded --categorical ticket --max-categories 12 --map skewed=asinh --map price=quantile \
                     --hidden 12,8 --latent-dim 2 --epochs 3 --seed 5";

/// Rows with a column of each kind that is learned, all of them after one number, and of each reason to learn none; `coded` is
/// given since format 2.
fn rows(seed: u64, rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let t: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let mut near = |scale: f64| -> Vec<f64> { t.iter().map(|t| scale * (t + 0.1 * uniform.next())).collect() };
    let float = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let whole = |values: Vec<f64>| cast(&float(values), &DataType::Int64).unwrap();
    let word = |t: f64| ["one", "two", "three", "", "five"][((t + 1.0) * 2.5) as usize];
    let words = || StringArray::from_iter(t.iter().enumerate().map(|(row, &t)| (row % 9 > 0).then(|| word(t))));
    let vectors = near(2.0).into_iter().map(|x| Some([x, x * x, -x].map(|x| Some(x as f32))));
    let holes = near(50.0).into_iter().enumerate().map(|(row, x)| (row % 7 != 3).then_some(x));
    let pair: Vec<(Arc<Field>, ArrayRef)> = vec![
        (Arc::new(Field::new("size", DataType::Float64, true)), float(near(3.0))),
        (Arc::new(Field::new("colour", DataType::Utf8, true)), Arc::new(words())),
    ];
    let day = cast(&whole(near(300.0)), &DataType::Int32).unwrap();
    let time = |values| cast(&whole(values), &DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let tickets = (0..rows).map(|row| format!("ticket {}", row % 40));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("plain", float(near(10.0))),
        ("holes", Arc::new(Float64Array::from_iter(holes))),
        ("skewed", float(near(8.0).into_iter().map(|x| x.exp()).collect())),
        ("price", cast(&float(near(90.0)), &DataType::Decimal128(9, 2)).unwrap()),
        ("count", whole(near(40.0))),
        ("flag", Arc::new(BooleanArray::from_iter(near(1.0).into_iter().map(|x| Some(x > 0.2))))),
        ("word", Arc::new(words())),
        ("coded", cast(&words(), &dictionary).unwrap()),
        ("ticket", Arc::new(StringArray::from_iter_values(tickets))),
        ("day", cast(&day, &DataType::Date32).unwrap()),
        ("at", time(near(3e6)).unwrap()),
        ("took", cast(&whole(near(5e5)), &DataType::Duration(TimeUnit::Millisecond)).unwrap()),
        ("vector", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(vectors))),
        ("pair", Arc::new(StructArray::from(pair))),
        ("constant", Arc::new(StringArray::from(vec!["same"; rows]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// Every golden model, with the rows it scored.
fn golden() -> Vec<(PathBuf, PathBuf)> {
    let files = std::fs::read_dir(repository("tests/golden")).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|it| it == "safetensors")).collect();
    models.sort();
    models.into_iter().map(|model| (model.clone(), model.with_extension("parquet"))).collect()
}

/// A golden model, and its rows as they were before as `in.parquet`.
fn given(model: &Path, scored: &Path) -> (Workdir, RecordBatch) {
    let (dir, scored) = (Workdir::new(), read(scored));
    std::fs::copy(model, dir.path("vae.safetensors")).unwrap();
    let own: Vec<usize> = (0..names(&rows(1, 1)).len()).collect();
    write(&dir.path("in.parquet"), &scored.project(&own).unwrap(), 70);
    (dir, scored)
}

/// Columns of numbers that come out of the network: kernels differ from CPU to CPU, and their sums in the last bits.
fn is_computed(field: &Field) -> bool {
    field.data_type() == &DataType::Float32
}

#[test]
fn a_model_of_any_format_scores_as_it_did_when_that_was_new() {
    let there = |name: &str| golden().iter().any(|(model, _)| model.file_stem().unwrap() == name);
    assert!(NOW.iter().all(|(name, _)| there(name)));
    for (model, scored) in golden() {
        let (dir, then) = given(&model, &scored);
        let ranked = take_apart(&model).0["scoring"]["calibration"]["rows"].as_f64().unwrap();
        dir.ok("transform in.parquet out.parquet --std --score all");
        let now = read(&dir.path("out.parquet"));
        assert_eq!((names(&then), then.num_rows()), (names(&now), now.num_rows()));
        let now_of = |name: &str| now.column_by_name(name).unwrap().clone();
        for (place, field) in then.schema().fields().iter().enumerate() {
            let (name, then, now) = (field.name(), then.column(place), &now_of(field.name()));
            assert_eq!(then.data_type(), now.data_type(), "{name}");
            let near = |then: f64, now: f64, far: f64| assert!((then - now).abs() <= far, "{name}: {then} {now}");
            match name.as_str() {
                // A score that moves in its last bits passes one of those it is ranked among at most.
                "p_value" => {
                    let [then, now] = [then, now].map(|column| column.as_primitive::<Float64Type>().values());
                    then.iter().zip(now).for_each(|(&then, &now)| near(then, now, 1.01 / (1.0 + ranked)));
                }
                "is_anomaly" => {
                    let p_values = now_of("p_value").as_primitive::<Float64Type>().values().to_vec();
                    let found: Vec<bool> = now.as_boolean().values().iter().collect();
                    assert_eq!(found, p_values.iter().map(|&p| p <= 0.01).collect::<Vec<_>>());
                }
                _ if is_computed(field) => {
                    let [then, now] = [then, now].map(|column| column.as_primitive::<Float32Type>());
                    assert_eq!(then.null_count() + now.null_count(), 0);
                    for (&then, &now) in then.values().iter().zip(now.values()) {
                        near(then.into(), now.into(), 1e-5 * f64::from(then).abs().max(1.0));
                    }
                }
                _ => assert_eq!(&then.to_data(), &now.to_data(), "{name}"),
            }
        }
        // What outputs call their model by is as it was.
        assert_eq!(keys(&scored)["vaepipe.model"], keys(&dir.path("out.parquet"))["vaepipe.model"]);
    }
}

#[test]
fn a_model_of_any_format_is_of_use_to_every_command() {
    for (model, scored) in golden() {
        let (dir, scored) = given(&model, &scored);
        let learned = "plain holes skewed price count flag word ticket day at took vector pair.size pair.colour";
        let learned: Vec<&str> = learned.split(' ').collect();
        dir.ok("inspect vae.safetensors").prints(&learned);
        dir.ok("inspect vae.safetensors --latents").prints(&["z_0  KL", "z_1  KL"]);
        dir.ok("drift in.parquet").prints(&learned).prints(&["z_1", "anomaly_score"]);
        dir.ok("evaluate in.parquet --likelihood -m vae.safetensors");
        dir.ok("impute in.parquet filled.parquet");
        assert_eq!(read(&dir.path("filled.parquet"))["holes"].null_count(), 0);
        dir.ok("reconstruct in.parquet rebuilt.parquet");
        assert_eq!(read(&dir.path("rebuilt.parquet")).num_rows(), scored.num_rows());
        dir.ok("generate -n 20 drawn.parquet");
        assert_eq!(read(&dir.path("drawn.parquet")).num_rows(), 20);
        dir.ok("traverse walk.parquet");
        dir.ok("transform in.parquet out.parquet --explain 2");
        dir.ok("report out.parquet -m vae.safetensors");
    }
}

/// Models of before there was drift.
#[test]
fn a_model_that_does_not_know_how_its_rows_are_spread_scores_the_same_and_says_so() {
    for (model, scored) in golden() {
        let (dir, _) = given(&model, &scored);
        let (metadata, mut tensors) = take_apart(&model);
        let all = tensors.len();
        tensors.retain(|tensor| !tensor.0.starts_with("drift."));
        assert!([3, 5].contains(&(all - tensors.len())), "two of them since format 2");
        put_together(&dir.path("bare.safetensors"), &metadata.to_string(), &tensors);
        let [with, without] = ["vae", "bare"].map(|model| {
            let ran = dir.ok(&format!("transform in.parquet {model}.parquet -m {model}.safetensors --summary json"));
            (ran.json()["drift"].clone(), floats(&read(&dir.path(&format!("{model}.parquet"))), "anomaly_score"))
        });
        assert!(with.0.is_object() && without.0.is_null(), "{} {}", with.0, without.0);
        assert_eq!(with.1, without.1);
        let missing = ["this model stores no drift baseline", "fit a new model"];
        dir.fails(2, "drift in.parquet -m bare.safetensors").says(&missing);
        dir.fails(2, "transform in.parquet new.parquet -m bare.safetensors --fail-on-drift 1").says(&missing);
        assert!(!dir.path("new.parquet").exists());
    }
}

#[test]
#[ignore = "writes files that stay as they are"]
fn the_golden_files_of_a_new_format_are_made() {
    let dir = Workdir::new();
    write(&dir.path("fit.parquet"), &rows(1, 500), 200);
    write(&dir.path("in.parquet"), &rows(2, 150), 150);
    for (name, flags) in NOW {
        let place = |kind: &str| repository(&format!("tests/golden/{name}.{kind}"));
        assert!(!place("safetensors").exists(), "{name} is released");
        dir.ok(&format!("fit fit.parquet --force {FLAGS} {flags}"));
        let version = take_apart(&dir.path("vae.safetensors")).0["format_version"].to_string();
        assert!(name.split('-').next() == Some(&format!("v{version}")));
        dir.ok("transform in.parquet out.parquet --std --score all --force");
        std::fs::copy(dir.path("vae.safetensors"), place("safetensors")).unwrap();
        std::fs::copy(dir.path("out.parquet"), place("parquet")).unwrap();
    }
}
