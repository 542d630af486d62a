//! Scores, what they mean, and why.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float32Array, ListArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Float32Type, Float64Type};
use serde_json::Value;

use crate::model_file::take_apart;
use crate::tables::{Uniform, curve, floats, names, read, write};
use crate::two_commands::sample;
use crate::workdir::Workdir;

/// A folder with `in.parquet` and a model fitted to it.
fn fitted(rows: usize, flags: &str) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(rows), 1000);
    dir.ok(&format!("fit in.parquet --epochs 3 --latent-dim 2 {flags}"));
    dir
}

/// The new columns of in.parquet.
fn scored(dir: &Workdir, flags: &str) -> RecordBatch {
    dir.ok(&format!("transform in.parquet out.parquet --force {flags}"));
    read(&dir.path("out.parquet"))
}

fn scoring(dir: &Workdir) -> Value {
    take_apart(&dir.path("vae.safetensors")).0["scoring"].clone()
}

fn p_values(batch: &RecordBatch) -> Vec<f64> {
    batch.column_by_name("p_value").unwrap().as_primitive::<Float64Type>().values().to_vec()
}

fn anomalies(batch: &RecordBatch) -> Vec<bool> {
    batch.column_by_name("is_anomaly").unwrap().as_boolean().iter().map(Option::unwrap).collect()
}

fn known(batch: &RecordBatch, column: &str) -> Vec<f64> {
    floats(batch, column).into_iter().map(|value| value.unwrap().into()).collect()
}

/// A tail of a model: its scores, and how many rows have each or a higher one.
pub fn tail(tail: &Value) -> Vec<(f64, u64)> {
    let (scores, at_least) = (tail["scores"].as_array().unwrap(), tail["at_least"].as_array().unwrap());
    scores.iter().zip(at_least).map(|(score, rows)| (score.as_f64().unwrap(), rows.as_u64().unwrap())).collect()
}

#[test]
fn scores_are_added_on_request_and_the_fit_chooses_the_one_to_rank_by() {
    let dir = fitted(500, "");
    let new = |batch: &RecordBatch| names(batch)[names(&curve(1)).len()..].to_vec();
    let all = scored(&dir, "--score all");
    assert_eq!(
        new(&all),
        [
            "z_0",
            "z_1",
            "recon_error",
            "anomaly_score",
            "recon_nll",
            "kl",
            "elbo",
            "latent_distance",
            "elbo_iw",
            "p_value",
            "is_anomaly"
        ]
    );
    let [nll, kl, elbo, bound] = ["recon_nll", "kl", "elbo", "elbo_iw"].map(|name| known(&all, name));
    assert!((0..500).all(|row| (nll[row] + kl[row] - elbo[row]).abs() < 1e-4 && kl[row] >= -1e-5));
    assert_eq!(floats(&all, "anomaly_score"), floats(&all, "elbo"));
    assert!(known(&all, "latent_distance").iter().all(|&distance| distance >= 0.0));
    // A bound on -ln p(x) that is tighter on average.
    assert!(bound.iter().sum::<f64>() < elbo.iter().sum::<f64>() + 500.0 * 2.0 && bound != elbo);
    let some = scored(&dir, "--score kl,recon_error");
    assert_eq!(new(&some), ["z_0", "z_1", "recon_error", "anomaly_score", "kl", "p_value", "is_anomaly"]);
    assert_eq!(floats(&some, "kl"), floats(&all, "kl"));
    dir.fails(2, "transform in.parquet no.parquet --score mse").says(&["mse", "latent_distance"]);

    for score in ["recon_error", "latent_distance", "elbo_iw"] {
        let dir = fitted(500, &format!("--anomaly-score {score}"));
        let batch = scored(&dir, "--score all");
        assert_eq!(floats(&batch, "anomaly_score"), floats(&batch, score));
        assert_eq!(scoring(&dir)["anomaly_score"], score);
    }
}

#[test]
fn a_p_value_counts_the_calibration_rows_that_score_at_least_as_high() {
    let dir = fitted(1800, "--alpha 0.05");
    let batch = scored(&dir, "");
    let calibration = scoring(&dir)["calibration"].clone();
    let (levels, rows) = (tail(&calibration), calibration["rows"].as_u64().unwrap());
    assert_eq!(rows, 1800);
    for ((score, p), anomaly) in known(&batch, "anomaly_score").iter().zip(p_values(&batch)).zip(anomalies(&batch)) {
        let at_least = levels.iter().rfind(|(level, _)| level >= &((*score as f32).to_string().parse().unwrap()));
        let conformal = (1 + at_least.map_or(0, |(_, rows)| *rows)) as f64 / 1801.0;
        // Above the highest score, a fitted tail goes on.
        assert!(if at_least.is_some() { p == conformal } else { p > 0.0 && p <= conformal }, "{p} {conformal}");
        assert_eq!(anomaly, p <= 0.05);
    }
}

#[test]
fn p_values_of_fresh_rows_are_uniform() {
    let dir = Workdir::new();
    let all = curve(30_000);
    write(&dir.path("seen.parquet"), &all.slice(0, 20_000), 5000);
    write(&dir.path("in.parquet"), &all.slice(20_000, 10_000), 5000);
    for score in ["elbo", "latent_distance"] {
        dir.ok(&format!("fit seen.parquet --epochs 2 --exclude id --anomaly-score {score} --force"));
        let p = p_values(&scored(&dir, ""));
        for level in [0.01, 0.05, 0.2] {
            let share = p.iter().filter(|&&p| p <= level).count() as f64 / p.len() as f64;
            // Of 1,000 calibration rows and 10,000 fresh ones.
            let error = (level * (1.0 - level) * (1.0 / 1000.0 + 1.0 / 10_000.0)).sqrt();
            assert!((share - level).abs() < 4.0 * error, "{score}: {share} at {level}");
        }
    }
}

#[test]
fn decisions_are_taken_at_fit_or_at_transform() {
    let dir = fitted(2000, "--contamination 0.1");
    let (model, batch) = (scoring(&dir), scored(&dir, ""));
    let score = known(&batch, "anomaly_score");
    // The lowest score that at most a tenth of the training rows reach.
    let training = &model["training"];
    assert_eq!(training["rows"], 1700);
    let (least, reached) = *tail(training).iter().rfind(|(_, rows)| *rows <= 170).unwrap();
    assert!(reached >= 160, "{reached}");
    let by = |least: f64| score.iter().map(|&score| score >= f64::from(least as f32)).collect::<Vec<bool>>();
    assert_eq!(anomalies(&batch), by(least));
    assert_eq!(anomalies(&scored(&dir, "--threshold 3.25")), by(3.25));
    let alpha = scored(&dir, "--alpha 0.2");
    assert_eq!(anomalies(&alpha), p_values(&alpha).iter().map(|&p| p <= 0.2).collect::<Vec<_>>());
    assert_eq!(floats(&alpha, "anomaly_score"), floats(&batch, "anomaly_score"));

    // Benjamini & Hochberg 1995: the largest p with p <= rank · Q / rows.
    let fdr = scored(&dir, "--fdr 0.5 --threads 2");
    let mut sorted = p_values(&fdr);
    sorted.sort_by(f64::total_cmp);
    let most = (1..=2000).rev().find(|&rank| sorted[rank - 1] <= rank as f64 * 0.5 / 2000.0);
    let most = most.map_or(0.0, |rank| sorted[rank - 1]);
    assert_eq!(anomalies(&fdr), p_values(&fdr).iter().map(|&p| p <= most).collect::<Vec<_>>());

    for (flags, says) in [
        ("--alpha 0", "alpha is 0, but must be between 0 and 1"),
        ("--contamination 0.7", "at most 0.5"),
        ("--alpha 0.1 --fdr 0.1", "cannot be used with"),
        ("--threshold many", "--threshold"),
    ] {
        dir.fails(2, &format!("transform in.parquet no.parquet {flags}")).says(&[says]);
    }
    dir.run_with(&[("VAEPIPE_ALPHA", "0.1"), ("VAEPIPE_FDR", "0.1")], "transform in.parquet no.parquet")
        .exits(2)
        .says(&["only one can be"]);
}

#[test]
fn a_model_without_calibration_rows_says_what_it_can() {
    let dir = fitted(500, "--val-fraction 0");
    assert_eq!(scoring(&dir)["calibration"], Value::Null);
    let columns = |flags: &str| names(&scored(&dir, flags)).split_off(11);
    assert_eq!(columns(""), [""; 0]);
    assert_eq!(columns("--contamination 0.1"), ["is_anomaly"]);
    for flags in ["--alpha 0.1", "--fdr 0.1"] {
        dir.fails(2, &format!("transform in.parquet no.parquet {flags}"))
            .says(&["the model has no calibration rows", "--contamination"]);
    }
    dir.fails(2, "transform in.parquet no.parquet --fail-on-anomaly-rate 0.1")
        .says(&["alpha needs p-values", "--contamination and --threshold"]);
    dir.ok("inspect vae.safetensors").prints(&["there are no p-values"]);
    // Few rows calibrate coarsely, and it is said.
    let few = Workdir::new();
    write(&few.path("in.parquet"), &curve(20), 1000);
    few.ok("fit in.parquet --epochs 1")
        .prints(&["p-values are coarse and 0.05 at least, too high for an alpha of 0.01"]);
    few.ok("transform in.parquet out.parquet")
        .prints(&["anomalies 0 rows, 0.0 % (p_value at most 0.01)", "0.05 at least"]);
}

#[test]
fn more_anomalies_than_asked_for_are_an_exit_code_after_the_output() {
    let dir = fitted(500, "");
    let transform = "transform in.parquet out.parquet --threshold -1e9 --summary json --force";
    let ran = dir.fails(3, &format!("{transform} --fail-on-anomaly-rate 0.05"));
    ran.says(&["100.0 % of the rows are anomalies, more than 5.0 %", "the output is complete"]);
    assert_eq!((&ran.json()["anomalies"], &ran.json()["anomaly_rate"]), (&500.into(), &1.0.into()));
    assert_eq!(read(&dir.path("out.parquet")).num_rows(), 500);
    let ran = dir.ok(transform);
    let scores = known(&read(&dir.path("out.parquet")), "anomaly_score");
    let told = |name: &str| ran.json()["scores"][name].as_f64().unwrap();
    let below = |score: f64| scores.iter().filter(|&&it| it < score).count() as f64 / 500.0;
    assert_eq!(
        (told("min"), told("max")),
        (scores.iter().copied().fold(f64::MAX, f64::min), scores.iter().copied().fold(f64::MIN, f64::max))
    );
    for (name, rank) in [("median", 0.5), ("q90", 0.9), ("q99", 0.99)] {
        assert!((below(told(name)) - rank).abs() < 0.01, "{name}");
    }
    // More than all rows cannot be anomalies.
    for rate in ["1", "5"] {
        dir.fails(2, &format!("{transform} --fail-on-anomaly-rate {rate}")).says(&["0 or more and below 1"]);
    }
    let digits = sample("digits.parquet");
    let both =
        format!("fit-transform {digits} both.parquet --epochs 1 --contamination 0.4 --fail-on-anomaly-rate 0.01");
    dir.fails(3, &both).says(&["more than 1.0 %"]);
    assert_eq!(read(&dir.path("both.parquet")).num_rows(), 1797);
}

/// The columns of a row's `top_features`: names, contributions, values, what is expected.
pub fn top(batch: &RecordBatch, row: usize) -> Vec<(String, f32, String, String)> {
    let of_row = batch.column_by_name("top_features").unwrap().as_list::<i32>().value(row);
    let of_row = of_row.as_struct();
    let text = |name: &str, at: usize| {
        let texts = of_row.column_by_name(name).unwrap().as_string::<i32>();
        if texts.is_null(at) { "null".to_owned() } else { texts.value(at).to_owned() }
    };
    let contribution = of_row.column_by_name("contribution").unwrap().as_primitive::<Float32Type>();
    (0..of_row.len())
        .map(|at| (text("feature", at), contribution.value(at), text("value", at), text("expected", at)))
        .collect()
}

#[test]
fn the_column_that_was_pushed_off_is_named() {
    let dir = Workdir::new();
    let all = curve(4000);
    write(&dir.path("seen.parquet"), &all.slice(0, 3000), 5000);
    let mut fresh = all.slice(3000, 1000).columns().to_vec();
    let float = |at: usize| all.column(at).as_primitive_opt::<Float32Type>().map(|x| x.values().to_vec());
    for (n, at) in [2, 4, 5].into_iter().enumerate() {
        let values = float(at).unwrap();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
        let pushed = values[3000..].iter().enumerate().map(|(row, x)| if row % 3 == n { x + 6.0 * std } else { *x });
        fresh[at] = Arc::new(Float32Array::from_iter_values(pushed));
    }
    write(&dir.path("in.parquet"), &RecordBatch::try_new(all.schema(), fresh).unwrap(), 300);
    for preset in ["reduce", "anomaly"] {
        dir.ok(&format!("fit seen.parquet --force --epochs 40 --preset {preset}"));
        let batch = scored(&dir, "--explain 1 --explain-rows all");
        let named = (0..1000).filter(|&row| top(&batch, row)[0].0 == ["x0", "x2", "x3"][row % 3]).count();
        assert!(named >= 850, "{preset}: {named}");
    }
}

#[test]
fn reasons_are_columns_in_their_own_units() {
    let dir = Workdir::new();
    let flights = sample("flights.parquet");
    dir.ok(&format!("fit {flights} --epochs 1 --columns *,time_hour"));
    dir.ok(&format!("transform {flights} out.parquet --explain 4 --explain-rows all"));
    let (before, batch) = (read(flights.as_ref()), read(&dir.path("out.parquet")));
    let learned = crate::model_file::learned(&dir.path("vae.safetensors"));
    let mut seen = std::collections::BTreeSet::new();
    for row in (0..batch.num_rows()).step_by(37) {
        let top = top(&batch, row);
        assert!(top.len() == 4 && top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        assert!(top.iter().map(|it| it.1).sum::<f32>() <= 1.0 + 1e-5 && top[3].1 > 0.0);
        for (name, _, value, expected) in top {
            let column = before.column_by_name(&name).unwrap();
            let format = arrow::util::display::FormatOptions::default();
            let given = arrow::util::display::ArrayFormatter::try_new(column, &format).unwrap();
            assert_eq!(value, given.value(row).to_string(), "{name}");
            assert!(learned.contains(&name) && expected != "null");
            seen.insert(name);
        }
    }
    for kind in ["carrier", "distance", "time_hour"] {
        assert!(seen.contains(kind), "{kind} in {seen:?}");
    }
    // The same as the program writes, for rows in memory; a number of a list has its place in it.
    let mut uniform = Uniform::new(3);
    let list = |row: usize| {
        Some(
            (0..4)
                .map(|at| {
                    if at == 1 {
                        5.0
                    } else if row == 7 && at == 2 {
                        99.5
                    } else {
                        uniform.next()
                    }
                })
                .map(Some)
                .collect::<Vec<_>>(),
        )
    };
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>((0..300).map(list));
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter([("v", Arc::new(lists) as ArrayRef)]).unwrap(), 1000);
    dir.ok("fit in.parquet --epochs 20 --scale robust --force");
    let batch = scored(&dir, "--explain 2 --explain-rows all");
    let (name, contribution, value, expected) = top(&batch, 7).remove(0);
    assert_eq!((name.as_str(), value.as_str()), ("v[2]", "99.5"));
    let expected: f64 = expected.parse().unwrap();
    // The KL divergence of a posterior so far out has the rest.
    assert!(contribution > 0.1 && expected < 50.0, "{contribution} {expected}");
    let model = vaepipe::Model::load(dir.path("vae.safetensors"), vaepipe::Device::Cpu).unwrap();
    let mut config = vaepipe::TransformConfig::new();
    config.explain = 2;
    config.explain_rows = vaepipe::ExplainRows::All;
    let new = model.transform_batch(&read(&dir.path("in.parquet")), &config).unwrap();
    assert_eq!(new.column_by_name("top_features"), batch.column_by_name("top_features"));
    assert_eq!(new.column_by_name("p_value"), batch.column_by_name("p_value"));
}

#[test]
fn only_anomalies_are_explained_unless_all_rows_are_asked_for() {
    let dir = fitted(1000, "");
    let reasons = |batch: &RecordBatch| batch.column_by_name("top_features").unwrap().clone();
    let all = reasons(&scored(&dir, "--explain 2 --explain-rows all --contamination 0.05"));
    let batch = scored(&dir, "--explain 2 --contamination 0.05");
    let (some, anomaly) = (reasons(&batch), batch.column_by_name("is_anomaly").unwrap().as_boolean().clone());
    assert!((10..=100).contains(&anomaly.true_count()), "{}", anomaly.true_count());
    for row in 0..1000 {
        let expected =
            if anomaly.value(row) { all.slice(row, 1) } else { arrow::array::new_null_array(all.data_type(), 1) };
        assert_eq!(&some.slice(row, 1), &expected, "row {row}");
    }
    // Without a decision there is nothing to choose by.
    let dir = fitted(500, "--val-fraction 0");
    assert_eq!(reasons(&scored(&dir, "--explain 1")).null_count(), 0);
}

#[test]
fn a_small_calibration_still_finds_what_is_far_off() {
    let dir = fitted(1000, "");
    let far: Vec<ArrayRef> = curve(500)
        .columns()
        .iter()
        .map(|column| match column.as_primitive_opt::<Float32Type>() {
            Some(x) => Arc::new(Float32Array::from_iter_values(x.values().iter().map(|x| x + 100.0))) as ArrayRef,
            None => column.clone(),
        })
        .collect();
    write(&dir.path("far.parquet"), &RecordBatch::try_new(curve(500).schema(), far).unwrap(), 1000);
    // No conformal p-value of a thousand rows is below 0.001.
    let ran = dir.fails(3, "transform far.parquet far_out.parquet --fail-on-anomaly-rate 0.05 --summary json");
    assert_eq!(ran.json()["anomalies"], 500);
    let p = p_values(&read(&dir.path("far_out.parquet")));
    assert!(p.iter().all(|p| (f64::MIN_POSITIVE..1e-4).contains(p)), "{p:?}");
}

#[test]
fn a_small_table_is_calibrated_out_of_fold() {
    let dir = Workdir::new();
    let all = curve(12_700);
    write(&dir.path("seen.parquet"), &all.slice(0, 200), 1000);
    write(&dir.path("in.parquet"), &all.slice(200, 2000), 1000);
    let fit = "fit seen.parquet --epochs 20 --preset anomaly --force --threads";
    dir.ok(&format!("{fit} 1")).says(&["20 calibration rows are few", "out of fold"]);
    let model = std::fs::read(dir.path("vae.safetensors")).unwrap();
    assert_eq!(scoring(&dir)["calibration"]["rows"], 200);
    dir.ok(&format!("{fit} 2"));
    assert!(model == std::fs::read(dir.path("vae.safetensors")).unwrap());
    // Of fresh rows, about as many have a low p-value as it says: the standard error of 20 % of 200 rows is 2.8 %.
    let p = p_values(&scored(&dir, ""));
    let low = p.iter().filter(|&&p| p <= 0.2).count() as f64 / p.len() as f64;
    assert!((0.08..0.32).contains(&low), "{low}");
    // Enough calibration rows, or none by request, are left alone.
    write(&dir.path("more.parquet"), &all.slice(2200, 10_500), 5000);
    dir.ok("fit more.parquet --epochs 1 --force");
    assert_eq!(scoring(&dir)["calibration"]["rows"], 1050);
    dir.ok("fit seen.parquet --epochs 1 --val-fraction 0 --force");
    assert_eq!(scoring(&dir)["calibration"], Value::Null);
}

#[test]
fn thousands_of_narrow_rows_are_calibrated_with_all_of_them() {
    let dir = Workdir::new();
    let all = curve(26_000);
    write(&dir.path("seen.parquet"), &all.slice(0, 4000), 1000);
    write(&dir.path("in.parquet"), &all.slice(4000, 20_000), 5000);
    let fit = "fit seen.parquet --columns x0,x1,x2,x3 --force --threads";
    dir.ok(&format!("{fit} 2"));
    let model = std::fs::read(dir.path("vae.safetensors")).unwrap();
    dir.ok(&format!("{fit} 1"));
    assert!(model == std::fs::read(dir.path("vae.safetensors")).unwrap());
    assert_eq!(scoring(&dir)["calibration"]["rows"], 4000);
    let p = p_values(&scored(&dir, ""));
    for level in [0.01_f64, 0.05, 0.2] {
        let share = p.iter().filter(|&&p| p <= level).count() as f64 / p.len() as f64;
        let error = (level * (1.0 - level) * (1.0 / 4000.0 + 1.0 / 20_000.0)).sqrt();
        assert!((share - level).abs() < 4.0 * error, "{share} at {level}");
    }
    // Those of more rows vary little by themselves.
    dir.ok("fit in.parquet --columns x0,x1,x2,x3 --epochs 1 --force");
    assert_eq!(scoring(&dir)["calibration"]["rows"], 2000);
}

#[test]
fn a_gate_that_can_never_fire_is_refused() {
    // Twenty scores have no tail.
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(20), 1000);
    dir.ok("fit in.parquet --epochs 1");
    for flags in ["--alpha 0.01", "--fail-on-anomaly-rate 0.5"] {
        dir.fails(2, &format!("transform in.parquet no.parquet {flags}")).says(&[
            "no row can be an anomaly",
            "alpha is 0.01",
            "--contamination and --threshold",
        ]);
        assert!(!dir.path("no.parquet").exists());
    }
    dir.ok("transform in.parquet out.parquet --alpha 0.5 --fail-on-anomaly-rate 0.99");
}

#[test]
fn a_row_without_a_known_value_has_nothing_to_say() {
    let dir = fitted(500, "");
    let nothing = |_| Arc::new(Float32Array::from(vec![None::<f32>, Some(0.1)])) as ArrayRef;
    let flag: ArrayRef = Arc::new(BooleanArray::from(vec![None, Some(true)]));
    let columns =
        ["x0", "x1", "x2", "x3"].map(|name| (name, nothing(name), true)).into_iter().chain([("flag", flag, true)]);
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 10);
    let ran = dir.ok("transform in.parquet out.parquet --score all --explain 2 --threshold -1e9 --summary json");
    assert_eq!((&ran.json()["anomalies"], &ran.json()["empty_rows"]), (&1.into(), &1.into()));
    let batch = read(&dir.path("out.parquet"));
    for name in ["recon_nll", "elbo_iw", "latent_distance", "p_value", "is_anomaly", "top_features"] {
        let column = batch.column_by_name(name).unwrap();
        assert!(column.is_null(0) && column.is_valid(1), "{name}");
    }
}

#[test]
fn scores_and_reasons_do_not_depend_on_order_neighbours_or_threads() {
    let dir = fitted(3000, "");
    let expected = scored(&dir, "--score all --explain 3 --explain-rows all --threads 1");
    let some: Vec<u32> = (0..1000).rev().map(|row| row * 3).collect();
    let pick = UInt32Array::from(some);
    let batch = take_record_batch(&curve(3000), &pick).unwrap();
    for (row_group, threads) in [(1000, 1), (77, 2)] {
        write(&dir.path("some.parquet"), &batch, row_group);
        dir.ok(&format!("transform some.parquet some_out.parquet --force --score all --explain 3 --explain-rows all --threads {threads}"));
        assert!(take_record_batch(&expected, &pick).unwrap() == read(&dir.path("some_out.parquet")), "{row_group}");
    }
}

#[test]
fn a_gate_on_few_rows_fires_or_is_refused() {
    for rows in [20, 25, 30, 35, 40] {
        for preset in ["reduce", "anomaly"] {
            let dir = Workdir::new();
            write(&dir.path("in.parquet"), &curve(rows), 1000);
            let far = curve(300);
            let columns = far.columns().iter().map(|array| match array.as_primitive_opt::<Float32Type>() {
                Some(numbers) => Arc::new(numbers.unary::<_, Float32Type>(|x| x + 100.0)) as ArrayRef,
                None => array.clone(),
            });
            write(&dir.path("far.parquet"), &RecordBatch::try_new(far.schema(), columns.collect()).unwrap(), 1000);
            dir.ok(&format!("fit in.parquet --preset {preset}"));
            let ran = dir.run("transform far.parquet out.parquet --fail-on-anomaly-rate 0.05");
            let code = ran.output.status.code().unwrap();
            assert!(code == 3 || (code == 2 && rows < 40), "{preset}, {rows} rows: {code}");
        }
    }
}
