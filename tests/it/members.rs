//! Several networks in one model, whose scores are averaged.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float32Type;
use serde_json::json;

use crate::model_file::{Tensors, put_together, take_apart};
use crate::tables::{curve, floats, names, read, write};
use crate::workdir::Workdir;

const SCORES: [&str; 6] = ["recon_error", "anomaly_score", "recon_nll", "kl", "elbo", "latent_distance"];

/// A folder with `in.parquet` and a model of three networks fitted to it.
fn fitted(flags: &str) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(700), 300);
    dir.ok(&format!("fit in.parquet --epochs 4 --hidden 8 --latent-dim 2 --members 3 {flags}"));
    dir
}

/// The new columns of in.parquet by a model.
fn scored(dir: &Workdir, model: &str, flags: &str) -> RecordBatch {
    dir.ok(&format!("transform in.parquet out.parquet -m {model} --force {flags}"));
    read(&dir.path("out.parquet"))
}

/// The model of one network of `vae.safetensors`, as a model of its own.
fn alone(dir: &Workdir, n: usize) -> String {
    let (mut metadata, tensors) = take_apart(&dir.path("vae.safetensors"));
    metadata["training"]["members"] = json!(1);
    let own = |name: &str| match name.strip_prefix("members.").and_then(|rest| rest.split_once('.')) {
        Some((number, name)) => (number.parse::<usize>() == Ok(n)).then(|| name.to_owned()),
        None => (n == 0 || name.starts_with("aggregate.")).then(|| name.to_owned()),
    };
    let tensors: Tensors =
        tensors.into_iter().filter_map(|(name, shape, dtype, data)| Some((own(&name)?, shape, dtype, data))).collect();
    let model = format!("alone{n}.safetensors");
    put_together(&dir.path(&model), &metadata.to_string(), &tensors);
    model
}

#[test]
fn scores_are_means_over_the_networks_and_latents_are_the_first_ones() {
    let dir = fitted("");
    let together = scored(&dir, "vae.safetensors", "--score all");
    let each: Vec<RecordBatch> = (0..3).map(|n| scored(&dir, &alone(&dir, n), "--score all")).collect();
    for name in SCORES {
        let [mean, one, two, three] = [&together, &each[0], &each[1], &each[2]].map(|batch| floats(batch, name));
        assert!(one != two && two != three, "{name}");
        for (row, mean) in mean.iter().enumerate() {
            let expected = (one[row].unwrap() + two[row].unwrap() + three[row].unwrap()) / 3.0;
            assert!((mean.unwrap() - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name} of row {row}");
        }
    }
    for name in names(&together).iter().filter(|name| name.starts_with("z_")) {
        assert_eq!(floats(&together, name), floats(&each[0], name));
        assert_ne!(floats(&together, name), floats(&each[1], name));
    }
    dir.ok("reconstruct in.parquet together.parquet");
    dir.ok("reconstruct in.parquet alone.parquet -m alone0.safetensors");
    // But for the name of the model they came from.
    assert_eq!(read(&dir.path("together.parquet")).columns(), read(&dir.path("alone.parquet")).columns());
}

#[test]
fn the_first_network_is_that_of_a_fit_without_others() {
    let dir = fitted("");
    let (metadata, tensors) = take_apart(&dir.path("vae.safetensors"));
    // What is usual of the score, which is that of all networks, is in one of the tensors.
    let weights = |tensors: Tensors| {
        let of_all = |name: &str| name.starts_with("members.") || name == "drift.usual";
        tensors.into_iter().filter(|it| !of_all(&it.0)).collect::<Tensors>()
    };
    dir.ok("fit in.parquet --epochs 4 --hidden 8 --latent-dim 2 --force");
    let (single, without) = take_apart(&dir.path("vae.safetensors"));
    assert_eq!((&metadata["training"]["members"], &single["training"]["members"]), (&json!(3), &json!(1)));
    assert_eq!(metadata["history"], single["history"]);
    assert_eq!(metadata["health"], single["health"]);
    let with = weights(tensors);
    assert_eq!(with, weights(without));
}

#[test]
fn several_networks_give_the_same_bytes_for_any_threads() {
    let dir = fitted("--preset anomaly --threads 1");
    let model = std::fs::read(dir.path("vae.safetensors")).unwrap();
    let rows = scored(&dir, "vae.safetensors", "--score all --explain 2 --explain-rows all --threads 1");
    dir.ok("fit in.parquet --epochs 4 --hidden 8 --latent-dim 2 --members 3 --preset anomaly --threads 2 --force");
    assert!(model == std::fs::read(dir.path("vae.safetensors")).unwrap());
    assert_eq!(rows, scored(&dir, "vae.safetensors", "--score all --explain 2 --explain-rows all --threads 2"));
}

#[test]
fn a_reason_is_that_of_all_networks() {
    let dir = fitted("");
    let top = |batch: &RecordBatch| {
        let lists = batch.column_by_name("top_features").unwrap().as_list::<i32>().clone();
        let share = |row: usize| {
            let of_row = lists.value(row);
            let shares = of_row.as_struct().column(1).as_primitive::<Float32Type>().clone();
            shares.values().iter().sum::<f32>()
        };
        (0..lists.len()).map(share).collect::<Vec<f32>>()
    };
    let together = top(&scored(&dir, "vae.safetensors", "--explain 99 --explain-rows all"));
    let each: Vec<Vec<f32>> =
        (0..3).map(|n| top(&scored(&dir, &alone(&dir, n), "--explain 99 --explain-rows all"))).collect();
    assert!(together.iter().all(|share| (0.0..=1.0 + 1e-5).contains(share)));
    assert!(together.iter().any(|share| *share > 0.0) && !each.contains(&together));
}

#[test]
fn a_number_of_networks_that_is_not_there_is_refused() {
    let dir = fitted("");
    dir.fails(2, "fit in.parquet --members 0 --force").says(&["members", "1 to 64"]);
    let (sound, tensors) = take_apart(&dir.path("vae.safetensors"));
    let claims = |members: u64| {
        let mut metadata = sound.clone();
        metadata["training"]["members"] = json!(members);
        put_together(&dir.path("bad.safetensors"), &metadata.to_string(), &tensors);
        dir.fails(65, "transform in.parquet no.parquet -m bad.safetensors")
    };
    claims(2).says(&["members.2."]);
    claims(4).says(&["parameters"]);
    claims(0).says(&["number of networks"]);
    claims(u64::MAX).says(&["number of networks"]);
    let lacks: Tensors = tensors.into_iter().filter(|tensor| tensor.0 != "members.1.latents.mean").collect();
    put_together(&dir.path("bad.safetensors"), &sound.to_string(), &lacks);
    dir.fails(65, "transform in.parquet no.parquet -m bad.safetensors").says(&["members.1.latents.mean"]);
}
