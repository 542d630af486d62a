//! What a fit measures of its model on held-out rows. That the numbers are right, tests/latents.py checks.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use serde_json::Value;

use crate::tables::{Uniform, curve, write};
use crate::workdir::Workdir;

/// Five numbers on a plane, and a flag that is true in three rows of four and has nothing to do with them.
fn plane(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(5);
    let places: Vec<[f64; 2]> = (0..rows).map(|_| [uniform.next(), uniform.next()]).collect();
    let number = |a: f64, b: f64| {
        Arc::new(Float64Array::from_iter_values(places.iter().map(|[x, y]| a * x + b * y + 1.0))) as ArrayRef
    };
    let flags: Vec<bool> = (0..rows).map(|_| uniform.next() > -0.5).collect();
    let numbers = [("a", 1.0, 0.0), ("b", 0.0, 2.0), ("c", 1.0, 1.0), ("d", 1.0, -1.0), ("e", 3.0, 1.0)];
    let columns = numbers.map(|(name, a, b)| (name, number(a, b)));
    RecordBatch::try_from_iter(columns.into_iter().chain([("flag", Arc::new(BooleanArray::from(flags)) as ArrayRef)]))
        .unwrap()
}

fn health(dir: &Workdir, flags: &str) -> Value {
    dir.ok(&format!("fit in.parquet --summary json --force {flags}")).json()["health"].clone()
}

#[test]
fn elbo_and_kl_are_those_of_the_held_out_loss() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(3000), 1000);
    let fitted = dir.ok("fit in.parquet --epochs 30 --latent-dim 3 --summary json").json();
    let health = &fitted["health"];
    let number = |name: &str| health[name].as_f64().unwrap();
    let elbo = number("log_likelihood") - number("kl");
    assert!((elbo + fitted["held_out_loss"].as_f64().unwrap()).abs() < 1e-4, "{fitted}");
    let kl: f64 = health["dimensions"].as_array().unwrap().iter().map(|it| it["kl"].as_f64().unwrap()).sum();
    assert!((kl - number("kl")).abs() < 1e-9);
    assert_eq!((&health["rows"], health["dimensions"].as_array().unwrap().len()), (&300.into(), 3));
    dir.ok("inspect vae.safetensors").prints(&["latents   ", "variance of the mean", "rebuilt", "x3"]);
}

#[test]
fn numbers_on_a_plane_are_all_in_two_principal_components() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &plane(2000), 1000);
    let of_numbers = health(&dir, "--latent-dim 2 --epochs 60 --exclude flag");
    let [error, principal] = ["error", "principal_error"].map(|name| of_numbers[name].as_f64().unwrap());
    assert!(principal < 1e-9 && error > principal && error < 0.2, "{of_numbers}");
    for column in of_numbers["columns"].as_array().unwrap() {
        assert!(column["measure"] == "r2" && column["value"].as_f64().unwrap() > 0.8, "{column}");
    }
    // A flag that two components have no room for: what is lost is its variance, a sixth of all values.
    let with_flag = health(&dir, "--latent-dim 2 --epochs 60");
    let principal = with_flag["principal_error"].as_f64().unwrap();
    assert!((principal - 0.75 * 0.25 / 6.0).abs() < 0.01, "{with_flag}");
    let flag = &with_flag["columns"][5];
    assert_eq!((&flag["column"], &flag["measure"]), (&"flag".into(), &"accuracy".into()));
    assert!((flag["baseline"].as_f64().unwrap() - 0.75).abs() < 0.12, "{flag}");
}

#[test]
fn a_collapsed_posterior_is_said_with_the_way_out() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &plane(1000), 1000);
    let fit = dir.ok("fit in.parquet --beta 200 --latent-dim 3 --epochs 10");
    fit.says(&["posterior collapse", "--beta", "--free-bits"]).prints(&["0 of 3 dimensions active"]);
    // Dimensions beyond what there is to say stay idle.
    let fit = dir.ok("fit in.parquet --latent-dim 6 --epochs 60 --force");
    fit.prints(&["of 6 latent dimensions are inactive", "--latent-dim "]);
    assert!(!fit.stderr().contains("WARN"), "some idle dimensions are no misfortune");
    dir.ok("inspect vae.safetensors").prints(&["latent dimensions are inactive", "inactive\n"]);
}

#[test]
fn without_held_out_rows_there_is_nothing_to_say() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &plane(100), 1000);
    assert_eq!(health(&dir, "--val-fraction 0 --epochs 2"), Value::Null);
    assert!(!dir.ok("inspect vae.safetensors").stdout().contains("ELBO"));
}
