//! Rules of an operator: columns that are odd on one side only, anomalies that need a low p-value as well, and groups whose first
//! alerts do not count.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;

use crate::tables::{Uniform, floats, names, read, write};
use crate::workdir::Workdir;

const DEVICES: [&str; 3] = ["pump", "fan", "belt"];

/// Points on a plane, y = 2 x - u with little noise, and by how much each y is off.
fn points(seed: u64, offs: &[f64]) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let (mut x, mut u, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for (row, off) in offs.iter().enumerate() {
        x.push(uniform.next());
        u.push(uniform.next());
        y.push(2.0 * x[row] - u[row] + 0.1 * (uniform.next() + uniform.next()) + off);
    }
    let devices = (0..offs.len()).map(|row| DEVICES[row * 7 / 5 % 3]);
    RecordBatch::try_from_iter([
        ("id", Arc::new((0..offs.len() as i64).collect::<Int64Array>()) as ArrayRef),
        ("device", Arc::new(StringArray::from_iter_values(devices))),
        ("even", Arc::new((0..offs.len()).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>())),
        ("x", Arc::new(Float64Array::from(x))),
        ("u", Arc::new(Float64Array::from(u))),
        ("y", Arc::new(Float64Array::from(y))),
    ])
    .unwrap()
}

const FIT: &str = "fit past.parquet --exclude id,device,even --preset anomaly --epochs 30";

/// A folder with ordinary rows, and rows of which some are far off: each tenth is high, and the one after it low.
fn folder() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &points(1, &[0.0; 4000]), 1000);
    write(&dir.path("ordinary.parquet"), &points(2, &[0.0; 4000]), 1000);
    let offs: Vec<f64> = (0..1000).map(|row| [3.0, -3.0].get(row % 10).copied().unwrap_or(0.0)).collect();
    write(&dir.path("today.parquet"), &points(3, &offs), 300);
    dir
}

fn decided(batch: &RecordBatch) -> Vec<bool> {
    let column = batch.column_by_name("is_anomaly").unwrap().as_boolean();
    (0..column.len()).map(|row| column.value(row)).collect()
}

fn p_values(batch: &RecordBatch) -> Vec<f64> {
    batch.column_by_name("p_value").unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// The share of each tenth row from `first` on that is an anomaly.
fn found(batch: &RecordBatch, first: usize) -> f64 {
    let of = decided(batch).into_iter().skip(first).step_by(10).collect::<Vec<_>>();
    of.iter().filter(|found| **found).count() as f64 / of.len() as f64
}

/// The greatest distance of the values from a uniform distribution.
fn kolmogorov_smirnov(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    values.iter().enumerate().map(|(rank, value)| ((rank as f64 + 1.0) / n - value).abs()).fold(0.0, f64::max)
}

#[test]
fn a_column_is_odd_on_one_side_only_and_p_values_stay_valid() {
    let dir = folder();
    for (model, direction) in [("both", ""), ("high", "--direction y=high"), ("low", "--direction y=low")] {
        dir.ok(&format!("{FIT} -m {model}.safetensors {direction}"));
        dir.ok(&format!("transform today.parquet {model}.parquet -m {model}.safetensors --score all --explain 3"));
        dir.ok(&format!("transform ordinary.parquet {model}-ordinary.parquet -m {model}.safetensors"));
    }
    let [both, high, low] = ["both", "high", "low"].map(|model| read(&dir.path(&format!("{model}.parquet"))));
    assert!(found(&both, 0) > 0.95 && found(&both, 1) > 0.95);
    assert!(found(&high, 0) > 0.95, "high ones are found: {}", found(&high, 0));
    assert!(found(&high, 1) < 0.03, "low ones are not: {}", found(&high, 1));
    assert!(found(&low, 1) > 0.95 && found(&low, 0) < 0.03);
    for model in ["both", "high", "low"] {
        let p = p_values(&read(&dir.path(&format!("{model}-ordinary.parquet"))));
        // Of 200 calibration rows and 4,000 others.
        let share = p.iter().filter(|p| **p <= 0.05).count() as f64 / p.len() as f64;
        assert!((0.015..0.1).contains(&share), "{model}: {share}");
        let distance = kolmogorov_smirnov(p);
        assert!(distance < 0.12, "{model}: {distance}");
    }
    // Latents are of the row as it is: those of a fit without the rule, which learns the same.
    for column in names(&both).iter().filter(|name| name.starts_with("z_")) {
        assert_eq!(floats(&both, column), floats(&high, column));
    }
    // The reasons say the side.
    let reasons = high.column_by_name("top_features").unwrap().as_list::<i32>();
    for row in (0..1000).step_by(10).filter(|&row| decided(&high)[row]) {
        let reasons = reasons.value(row);
        let reasons = reasons.as_struct();
        let text = |name: &str| reasons.column_by_name(name).unwrap().as_string::<i32>().clone();
        let y = text("feature").iter().position(|feature| feature == Some("y")).expect("y is a reason");
        assert!(text("expected").value(y).starts_with("at most "), "{}", text("expected").value(y));
    }
    dir.ok("inspect high.safetensors").prints(&["odd on one side only: y high"]);
    let metadata = dir.ok("inspect high.safetensors --summary json").json();
    assert_eq!(metadata["metadata"]["scoring"]["directions"], serde_json::json!({"y": "high"}));
}

#[test]
fn how_far_a_value_is_on_the_other_side_changes_no_score() {
    let dir = folder();
    let scores = ["recon_error", "anomaly_score", "recon_nll", "kl", "latent_distance", "neighbor_distance"];
    dir.ok(&format!("{FIT} -m high.safetensors --direction y=high --anomaly-score combined"));
    let scored = |off: f64| {
        write(&dir.path("low.parquet"), &points(5, &[off; 50]), 50);
        dir.ok("transform low.parquet out.parquet -m high.safetensors --score all --force");
        read(&dir.path("out.parquet"))
    };
    let (far, farther) = (scored(-3.0), scored(-300.0));
    for score in scores {
        assert_eq!(floats(&far, score), floats(&farther, score), "{score}");
    }
    assert!(decided(&farther).iter().filter(|found| **found).count() <= 3);
    assert_ne!(floats(&far, "z_0"), floats(&farther, "z_0"));
}

#[test]
fn a_direction_raises_no_score_of_single_values() {
    let dir = folder();
    let scored = |flags: &str| {
        dir.ok(&format!("{FIT} --anomaly-score marginal_nll --force {flags}"));
        dir.ok("transform today.parquet out.parquet --force");
        floats(&read(&dir.path("out.parquet")), "anomaly_score").into_iter().flatten().collect::<Vec<f32>>()
    };
    let (either, high) = (scored(""), scored("--direction y=high"));
    assert!(either.iter().zip(&high).all(|(either, high)| *high <= either + 1e-4));
    // Low rows are rare, and what the rest of them leads to expect is not.
    let lower = (1..1000).step_by(10).filter(|&row| high[row] < either[row] - 0.5).count();
    assert!(lower > 50, "{lower} of 100");
}

#[test]
fn several_columns_may_have_a_side() {
    let dir = folder();
    write(&dir.path("down.parquet"), &points(4, &[-50.0; 200]), 100);
    dir.ok_with(&[("VAEPIPE_DIRECTION", "*=high,u=low")], &format!("{FIT} -m all.safetensors"));
    let metadata = dir.ok("inspect all.safetensors --summary json").json();
    let expected = serde_json::json!({"u": "low", "x": "high", "y": "high"});
    assert_eq!(metadata["metadata"]["scoring"]["directions"], expected);
    dir.ok("transform down.parquet out.parquet -m all.safetensors");
    assert!(decided(&read(&dir.path("out.parquet"))).iter().filter(|found| **found).count() < 12);
    // Higher than the highest x and the lowest u explain, which may be too low and too high themselves.
    write(&dir.path("up.parquet"), &points(5, &[8.0; 200]), 100);
    dir.ok("transform up.parquet out2.parquet -m all.safetensors");
    let up = decided(&read(&dir.path("out2.parquet"))).iter().filter(|found| **found).count();
    assert!(up > 190, "{up}");
    // A fit that goes on from a model keeps its rules.
    dir.ok("fit past.parquet --init all.safetensors -m more.safetensors --epochs 1 --accept-worse");
    let more = dir.ok("inspect more.safetensors --summary json").json();
    assert_eq!(more["metadata"]["scoring"]["directions"], expected);
}

#[test]
fn rows_after_a_low_one_are_not_odd_either() {
    let dir = Workdir::new();
    let series = |seed: u64, low: std::ops::Range<usize>| {
        let mut uniform = Uniform::new(seed);
        let level = |row: usize| (row as f64 / 9.0).sin() - if low.contains(&row) { 20.0 } else { 0.0 };
        let y: Vec<f64> = (0..3000).map(|row| level(row) + 0.1 * uniform.next()).collect();
        RecordBatch::try_from_iter([
            ("t", Arc::new((0..3000).collect::<Int64Array>()) as ArrayRef),
            ("y", Arc::new(Float64Array::from(y))),
        ])
        .unwrap()
    };
    write(&dir.path("past.parquet"), &series(1, 0..0), 1000);
    write(&dir.path("today.parquet"), &series(2, 1000..1040), 1000);
    for (model, flags) in [("both", ""), ("high", "--direction y=high")] {
        dir.ok(&format!("fit past.parquet -m {model}.safetensors --order-by t --window 16 --epochs 10 {flags}"));
        dir.ok(&format!("transform today.parquet {model}.parquet -m {model}.safetensors"));
    }
    let low = |model: &str| {
        let found = decided(&read(&dir.path(&format!("{model}.parquet"))));
        found[1000..1055].iter().filter(|found| **found).count()
    };
    assert!(low("both") > 40 && low("high") <= 6, "{} {}", low("both"), low("high"));
    dir.ok("inspect high.safetensors").prints(&["odd on one side only: y high\n"]);
}

#[test]
fn a_side_is_of_numbers() {
    let dir = folder();
    let fit = "fit past.parquet -m m.safetensors --exclude id --epochs 1";
    dir.fails(2, &format!("{fit} --direction even=high")).says(&["column \"even\"", "flag", "--direction"]);
    dir.fails(2, &format!("{fit} --direction device=low")).says(&["column \"device\"", "by one side"]);
    dir.fails(2, &format!("{fit} --direction id=low")).says(&["column \"id\"", "not learned"]);
    dir.fails(2, &format!("{fit} --direction z=high")).says(&["no column \"z\""]);
    dir.fails(2, "inspect past.parquet --direction even=high").says(&["column \"even\""]);
    dir.fails(2, &format!("{fit} --direction y=up")).says(&["high", "low"]);
    dir.fails(2, &format!("{fit} --direction y")).says(&["COL=high"]);
}

#[test]
fn an_anomaly_needs_a_low_p_value_as_well() {
    let dir = folder();
    dir.ok(&format!("{FIT} -m vae.safetensors --threshold -1e9 --ignore-above-p 0.02"));
    dir.ok("inspect vae.safetensors").prints(&["anomaly_score at least -1000000000, and p_value at most 0.02"]);
    let check = |flags: &str, is_anomaly: &dyn Fn(f64) -> bool| {
        let ran =
            dir.ok(&format!("transform today.parquet out.parquet -m vae.safetensors --force --summary json {flags}"));
        let scored = read(&dir.path("out.parquet"));
        let expected: Vec<bool> = p_values(&scored).into_iter().map(is_anomaly).collect();
        assert_eq!(decided(&scored), expected, "{flags}");
        assert_eq!(ran.json()["anomalies"], expected.iter().filter(|found| **found).count());
    };
    check("", &|p| p <= 0.02);
    check("--ignore-above-p 0.3", &|p| p <= 0.3);
    check("--fdr 0.9 --ignore-above-p 0.1", &|p| p <= 0.1);
    dir.fails(2, "transform today.parquet x.parquet -m vae.safetensors --ignore-above-p 2").says(&["ignore_above_p"]);
    dir.ok("fit past.parquet -m bare.safetensors --exclude id --epochs 1 --val-fraction 0 --threshold 3");
    dir.fails(2, "transform today.parquet x.parquet -m bare.safetensors --ignore-above-p 0.1")
        .says(&["needs p-values"]);
}

#[test]
fn alerts_of_a_group_count_from_the_nth_on() {
    let dir = folder();
    dir.ok(&format!("{FIT} -m vae.safetensors"));
    dir.ok("transform today.parquet all.parquet -m vae.safetensors");
    let all = read(&dir.path("all.parquet"));
    let devices = all.column_by_name("device").unwrap().as_string::<i32>();
    // Which count, counted here.
    let counted = |least: usize, by_device: bool| -> Vec<bool> {
        let mut counts = HashMap::<&str, usize>::new();
        let rows = decided(&all).into_iter().enumerate();
        let count = |(row, found): (usize, bool)| {
            let count = counts.entry(if by_device { devices.value(row) } else { "" }).or_default();
            *count += usize::from(found);
            found && *count >= least
        };
        rows.map(count).collect()
    };
    let anomalies = |rows: &[bool]| rows.iter().filter(|found| **found).count();
    for (flags, expected) in
        [("--min-alerts 20 --alerts-per device", counted(20, true)), ("--min-alerts 50", counted(50, false))]
    {
        assert!(anomalies(&expected) > 0 && anomalies(&expected) < anomalies(&decided(&all)));
        for threads in [1, 2] {
            let command = format!(
                "transform today.parquet few.parquet -m vae.safetensors {flags} --threads {threads} --force --summary json"
            );
            let summary = dir.ok(&command).json();
            let few = read(&dir.path("few.parquet"));
            assert_eq!(decided(&few), expected, "{flags}");
            let held_back = few.column_by_name("held_back").unwrap().as_boolean().clone();
            let held_back: Vec<bool> = held_back.iter().map(|it| it == Some(true)).collect();
            let either: Vec<bool> = held_back.iter().zip(&expected).map(|(a, b)| a ^ b).collect();
            assert_eq!(either, decided(&all), "{flags}");
            assert_eq!(floats(&few, "anomaly_score"), floats(&all, "anomaly_score"));
            assert_eq!(summary["anomalies"], anomalies(&expected));
            assert_eq!(summary["held_back"], anomalies(&decided(&all)) - anomalies(&expected));
        }
    }
    let expected = counted(20, true);
    let rules = "--min-alerts 20 --alerts-per device";
    dir.ok(&format!(
        "transform today.parquet rest.parquet -m vae.safetensors {rules} --quarantine odd.parquet --keep id"
    ))
    .prints(&["more held back"]);
    assert_eq!(read(&dir.path("odd.parquet")).num_rows(), anomalies(&expected));
    assert_eq!(read(&dir.path("rest.parquet")).num_rows(), 1000 - anomalies(&expected));
    assert!(!names(&read(&dir.path("rest.parquet"))).contains(&"device".to_owned()));
    let rate = anomalies(&expected) as f64 / 1000.0;
    dir.ok(&format!("transform today.parquet a.parquet -m vae.safetensors {rules} --fail-on-anomaly-rate {rate}"));
    dir.fails(3, &format!("transform today.parquet b.parquet -m vae.safetensors --fail-on-anomaly-rate {rate}"));
    dir.fails(2, "transform today.parquet x.parquet -m vae.safetensors --min-alerts 2 --alerts-per room")
        .says(&["no column \"room\""]);
    dir.fails(2, "transform today.parquet x.parquet -m vae.safetensors --min-alerts 0").says(&["min_alerts"]);
}
