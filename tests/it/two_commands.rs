//! The main job on the sample data.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::tables::{carries, floats, names, new_bits, read};
use crate::workdir::{Workdir, repository};

pub fn sample(name: &str) -> String {
    repository("sample_data").join(name).display().to_string()
}

#[test]
fn fit_and_transform_add_latents_and_scores_to_every_row() {
    let dir = Workdir::new();
    let digits = sample("digits.parquet");
    dir.ok(&format!("fit {digits} --exclude label,split --epochs 3 --latent-dim 3"));
    dir.ok(&format!("transform {digits} scored.parquet"));
    assert_eq!(dir.names(), ["scored.parquet", "vae.safetensors"]);

    let (before, after) = (read(digits.as_ref()), read(&dir.path("scored.parquet")));
    carries(&before, &after);
    let expected = [
        names(&before),
        ["z_0", "z_1", "z_2", "recon_error", "anomaly_score", "p_value", "is_anomaly"].map(String::from).to_vec(),
    ]
    .concat();
    assert_eq!(names(&after), expected);
    for column in ["z_0", "z_1", "z_2", "anomaly_score"] {
        assert!(floats(&after, column).iter().all(|value| value.is_some_and(f32::is_finite)), "{column}");
    }
    assert!(floats(&after, "recon_error").iter().all(|error| error.is_some_and(|error| error >= 0.0)));
}

#[test]
fn fit_transform_gives_the_rows_that_the_two_commands_give() {
    let dir = Workdir::new();
    let digits = sample("digits.parquet");
    dir.ok(&format!("fit {digits} --epochs 2 --seed 5 -m two.safetensors"));
    dir.ok(&format!("transform {digits} two.parquet -m two.safetensors"));
    dir.ok(&format!("fit-transform {digits} one.parquet --epochs 2 --seed 5"));
    assert_eq!(dir.names(), ["one.parquet", "two.parquet", "two.safetensors"], "a model is kept only with -m");
    assert_eq!(new_bits(&read(&dir.path("one.parquet"))), new_bits(&read(&dir.path("two.parquet"))));

    dir.ok(&format!("fit-transform {digits} again.parquet --epochs 2 --seed 5 -m kept.safetensors"));
    let model = |name| std::fs::read(dir.path(name)).unwrap();
    assert!(model("kept.safetensors") == model("two.safetensors"));
}

#[test]
fn of_flights_all_is_learned_but_parts_of_the_date_and_the_tail_numbers() {
    let dir = Workdir::new();
    let flights = sample("flights.parquet");
    let fit = dir.ok(&format!("fit {flights} --epochs 1"));
    fit.prints(&[
        "learned   14 of 19 columns",
        "given     time_hour",
        "tailnum: looks like an identifier: 3146 different words",
        "year: is the year of \"time_hour\"",
    ]);
    dir.ok("inspect vae.safetensors").prints(&[
        "carrier         category: UA, B6, EV, … 12 more, other",
        "dest            category: ",
        "time_hour  hour, weekday, day of year in UTC",
    ]);
    dir.ok(&format!("transform {flights} scored.parquet"));
    carries(&read(flights.as_ref()), &read(&dir.path("scored.parquet")));
}

/// The share of test rows whose five nearest training rows, in the latents, mostly carry their label.
fn nearest_neighbour_accuracy(dir: &Workdir, latents: usize, flags: &str) -> f64 {
    let digits = read(sample("digits.parquet").as_ref());
    let split = digits.column_by_name("split").unwrap();
    let split = arrow::compute::cast(split, &arrow::datatypes::DataType::Utf8).unwrap();
    let train: Vec<bool> = split.as_string::<i32>().iter().map(|split| split == Some("train")).collect();
    let rows = arrow::compute::filter_record_batch(&digits, &train.clone().into()).unwrap();
    crate::tables::write(&dir.path("train.parquet"), &rows, 1000);
    dir.ok(&format!("fit train.parquet --exclude label,split --latent-dim {latents} {flags}"));
    dir.ok(&format!("transform {} scored.parquet", sample("digits.parquet")));

    let scored = read(&dir.path("scored.parquet"));
    let labels =
        arrow::compute::cast(scored.column_by_name("label").unwrap(), &arrow::datatypes::DataType::Int64).unwrap();
    let labels = labels.as_primitive::<Int64Type>().values().to_vec();
    let z: Vec<_> = (0..latents).map(|i| floats(&scored, &format!("z_{i}"))).collect();
    let distance = |a: usize, b: usize| -> f32 { z.iter().map(|z| (z[a].unwrap() - z[b].unwrap()).powi(2)).sum() };
    let (mut right, mut tested) = (0, 0);
    for row in (0..labels.len()).filter(|&row| !train[row]) {
        let mut near: Vec<usize> = (0..labels.len()).filter(|&row| train[row]).collect();
        near.sort_by(|&a, &b| distance(row, a).total_cmp(&distance(row, b)));
        let votes = |label: i64| near[..5].iter().filter(|&&row| labels[row] == label).count();
        let most = (0..10).max_by_key(|&label| (votes(label), -label)).unwrap();
        right += usize::from(most == labels[row]);
        tested += 1;
    }
    right as f64 / tested as f64
}

#[test]
fn latents_of_digits_keep_the_digits_apart() {
    // Eight principal components reach .954 and two reach .606.
    let eight = nearest_neighbour_accuracy(&Workdir::new(), 8, "");
    assert!(eight >= 0.945, "{eight}");
    let two = nearest_neighbour_accuracy(&Workdir::new(), 2, "");
    assert!(two >= 0.80, "{two}");
}

#[test]
fn the_json_summary_is_the_last_line_and_complete() {
    let dir = Workdir::new();
    let fit = dir.ok(&format!("fit {} --epochs 2 --latent-dim 3 --summary json", sample("digits.parquet"))).json();
    assert_eq!((&fit["rows"], &fit["latent_dim"], &fit["epochs"]), (&1797.into(), &3.into(), &2.into()));
    let seconds = |part: &str| fit["seconds"][part].as_f64().unwrap();
    assert!(seconds("statistics") + seconds("train") <= seconds("total") + 0.01);
    let told = fit["train_rows"].as_f64().unwrap() * 2.0 / fit["rows_per_second"].as_f64().unwrap();
    assert!((told - seconds("train")).abs() < 0.001, "{fit}");
    assert!(fit["validation_loss"].is_f64() && fit["best_epoch"].as_u64() <= Some(2));
    let transform = dir.ok(&format!("transform {} scored.parquet --summary json", sample("digits.parquet"))).json();
    assert_eq!(transform["rows"], 1797);
    assert!(transform["seconds"].is_f64() && transform["rows_per_second"].is_f64());
}

#[test]
fn stdout_is_for_results_and_quiet_is_quiet() {
    let dir = Workdir::new();
    let fit = dir.ok(&format!("fit {} --epochs 1", sample("digits.parquet")));
    assert!(fit.stdout().contains("vaepipe transform") && !fit.stdout().contains("INFO"));
    assert!(fit.stderr().contains("epoch 1") && !fit.stderr().contains('\u{1b}'), "plain when not a terminal");
    let quiet = dir.ok(&format!("fit {} --epochs 1 --force -q", sample("digits.parquet")));
    assert_eq!((quiet.stdout(), quiet.stderr()), ("", ""));
}
