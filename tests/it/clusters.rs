//! Clusters of the latents: what a fit finds, what a transform writes, what a report says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float32Type, Int32Type};
use serde_json::{Value, json};

use crate::model_file::{put_together, take_apart};
use crate::tables::{Uniform, new_bits, read, write};
use crate::workdir::{Workdir, repository};

/// Rows about these centres, in turn: six numbers that follow from a place on a plane, and the number of the centre as a word.
fn mixture(centres: &[[f64; 2]], rows: usize, spread: f64, seed: u64) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    // The sum of four is nearly normal.
    let mut normal = || (0..4).map(|_| uniform.next()).sum::<f64>() * 0.87;
    let places: Vec<[f64; 2]> = (0..rows)
        .map(|row| {
            let centre = centres[row % centres.len()];
            [centre[0] + spread * normal(), centre[1] + spread * normal()]
        })
        .collect();
    let noise: Vec<f64> = (0..6 * rows).map(|_| 0.1 * normal()).collect();
    let number = |n: usize, a: f64, b: f64| -> ArrayRef {
        let value = |(row, [x, y]): (usize, &[f64; 2])| a * x + b * y + noise[6 * row + n];
        Arc::new(Float64Array::from_iter_values(places.iter().enumerate().map(value)))
    };
    let directions = [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (2.0, 1.0), (1.0, 2.0)];
    let columns = directions.into_iter().enumerate().map(|(n, (a, b))| (format!("x{n}"), number(n, a, b)));
    let group: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("g{}", row % centres.len()))));
    RecordBatch::try_from_iter(columns.chain([("group".to_owned(), group)])).unwrap()
}

/// Three groups of a half, a third and a sixth of the rows.
const THREE: [[f64; 2]; 6] = [[-5.0, 0.0], [5.0, 0.0], [-5.0, 0.0], [0.0, 7.0], [5.0, 0.0], [-5.0, 0.0]];

/// The group of a row of these.
fn group_of(row: usize) -> usize {
    [0, 1, 0, 2, 1, 0][row % 6]
}

/// The clusters of rows, and their probabilities.
fn clusters(batch: &RecordBatch) -> Vec<(Option<i32>, f32)> {
    let cluster = batch.column_by_name("cluster").unwrap().as_primitive::<Int32Type>();
    let probability = batch.column_by_name("cluster_p").unwrap().as_primitive::<Float32Type>();
    cluster.iter().zip(probability).map(|(cluster, p)| (cluster, p.unwrap_or(f32::NAN))).collect()
}

/// The adjusted Rand index (Hubert & Arabie 1985).
fn adjusted_rand(a: &[usize], b: &[usize]) -> f64 {
    let pairs = |n: u64| (n * n.saturating_sub(1) / 2) as f64;
    let size = |of: &dyn Fn(usize) -> usize| {
        let mut counts = std::collections::BTreeMap::<usize, u64>::new();
        (0..a.len()).for_each(|row| *counts.entry(of(row)).or_default() += 1);
        counts.into_values().map(pairs).sum::<f64>()
    };
    let (both, of_a, of_b) = (size(&|row| a[row] * 1000 + b[row]), size(&|row| a[row]), size(&|row| b[row]));
    let chance = of_a * of_b / pairs(a.len() as u64);
    (both - chance) / ((of_a + of_b) / 2.0 - chance)
}

fn fit(dir: &Workdir, flags: &str) -> Value {
    dir.ok(&format!("fit in.parquet --exclude group --latent-dim 2 --epochs 40 --force --summary json {flags}")).json()
}

#[test]
fn groups_are_found_and_numbered_by_size() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&THREE, 3000, 0.6, 1), 700);
    let groups: Vec<usize> = (0..3000).map(group_of).collect();
    for (seed, clusters_flag) in [(0, "auto"), (1, "auto"), (0, "3")] {
        let told = fit(&dir, &format!("--clusters {clusters_flag} --seed {seed}"));
        let rows: Vec<u64> =
            told["clusters"]["rows"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
        assert_eq!(rows.len(), 3, "{told}");
        assert!(rows.windows(2).all(|pair| pair[0] >= pair[1]), "{rows:?}");
        dir.ok("transform in.parquet out.parquet --force");
        let found = clusters(&read(&dir.path("out.parquet")));
        let numbers: Vec<usize> = found.iter().map(|it| it.0.unwrap() as usize).collect();
        assert!(adjusted_rand(&groups, &numbers) > 0.98, "{}", adjusted_rand(&groups, &numbers));
        // By size, so that the numbers are those of the groups.
        let same = groups.iter().zip(&numbers).filter(|(a, b)| a == b).count();
        assert!(same > 2970, "{same}");
        assert!(found.iter().all(|it| it.1 > 0.33 && it.1 <= 1.0));
    }
    dir.ok("inspect -m vae.safetensors").prints(&["clusters  3, of 50"]);
}

#[test]
fn one_group_is_one_cluster_and_noise_is_none() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&[[0.0, 0.0]], 2000, 1.0, 2), 1000);
    assert_eq!(fit(&dir, "--clusters auto")["clusters"]["rows"].as_array().unwrap().len(), 1);
    let noise = mixture(&[[0.0, 0.0]], 60, 6.0, 3);
    let both = [mixture(&THREE, 2400, 0.6, 4), noise];
    write(&dir.path("in.parquet"), &arrow::compute::concat_batches(&both[0].schema(), &both).unwrap(), 1000);
    assert_eq!(fit(&dir, "--clusters auto")["clusters"]["rows"].as_array().unwrap().len(), 3);
}

#[test]
fn clusters_do_not_depend_on_threads_files_or_the_rows_around() {
    let dir = Workdir::new();
    let batch = mixture(&THREE, 1500, 0.6, 5);
    write(&dir.path("in.parquet"), &batch, 333);
    fit(&dir, "--clusters auto --threads 1 -m one.safetensors");
    fit(&dir, "--clusters auto --threads 3 -m three.safetensors");
    assert!(
        std::fs::read(dir.path("one.safetensors")).unwrap() == std::fs::read(dir.path("three.safetensors")).unwrap()
    );
    dir.ok("transform in.parquet all.parquet -m one.safetensors --threads 2");
    write(&dir.path("some.parquet"), &batch.slice(701, 5), 5);
    dir.ok("transform some.parquet out.parquet -m one.safetensors");
    let (all, some) = (read(&dir.path("all.parquet")).slice(701, 5), read(&dir.path("out.parquet")));
    assert_eq!((new_bits(&some), clusters(&some)), (new_bits(&all), clusters(&all)));
    // Lines of JSON and CSV have the same columns.
    dir.ok("transform in.parquet out.csv -m one.safetensors --keep group");
    let text = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(text.starts_with("group,z_0,z_1,cluster,cluster_p,recon_error,"), "{}", text.lines().next().unwrap());
}

#[test]
fn a_row_of_missing_values_has_no_cluster() {
    let dir = Workdir::new();
    let batch = mixture(&THREE, 1200, 0.6, 6);
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let column: ArrayRef = match column.as_primitive_opt::<arrow::datatypes::Float64Type>() {
            Some(numbers) => {
                Arc::new(numbers.iter().enumerate().map(|(row, x)| x.filter(|_| row != 7)).collect::<Float64Array>())
            }
            None => column.clone(),
        };
        (field.name().clone(), column)
    });
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap(), 1000);
    fit(&dir, "--clusters 3");
    dir.ok("transform in.parquet out.parquet");
    let batch = read(&dir.path("out.parquet"));
    let null = |name: &str| batch.column_by_name(name).unwrap().is_null(7);
    assert!(null("cluster") && null("cluster_p") && null("anomaly_score"));
    assert_eq!(batch.column_by_name("cluster").unwrap().null_count(), 1);
}

#[test]
fn a_number_out_of_range_is_refused_and_a_column_of_the_name_is_not_replaced() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&THREE, 300, 0.6, 7), 1000);
    dir.fails(2, "fit in.parquet --clusters 0").says(&["clusters", "auto, or 1 to 64"]);
    dir.fails(2, "fit in.parquet --clusters 65").says(&["auto, or 1 to 64"]);
    dir.fails(2, "fit in.parquet --clusters some").says(&["neither auto nor a number of clusters"]);
    let batch = read(&dir.path("in.parquet"));
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let name = if field.name() == "group" { "cluster" } else { field.name() };
        (name.to_owned(), column.clone())
    });
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap(), 1000);
    let flags = "--exclude cluster --epochs 2";
    // Before the training.
    dir.fails(2, &format!("fit-transform in.parquet out.parquet {flags} --clusters 2")).says(&["cluster", "--prefix"]);
    dir.ok(&format!("fit-transform in.parquet out.parquet {flags} --clusters 2 --prefix v_"));
    dir.ok(&format!("fit-transform in.parquet out.parquet {flags} --force"));
}

#[test]
fn more_clusters_than_different_rows_are_fewer() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&THREE, 40, 0.6, 8), 1000);
    let told = fit(&dir, "--clusters 64");
    let found = told["clusters"]["rows"].as_array().unwrap().len();
    assert!((3..=40).contains(&found), "{told}");
}

#[test]
fn a_fit_from_a_base_model_finds_clusters_again() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&THREE, 1200, 0.6, 9), 1000);
    fit(&dir, "--clusters 3 -m base.safetensors");
    let told = dir.ok("fit in.parquet --init base.safetensors --epochs 2 --accept-worse --summary json").json();
    assert_eq!((&told["clusters"]["asked"], told["clusters"]["rows"].as_array().unwrap().len()), (&json!(3), 3));
}

#[test]
fn older_models_have_none_and_clusters_that_lie_are_refused() {
    let dir = Workdir::new();
    for old in ["v1", "v2"] {
        let model = repository(&format!("tests/golden/{old}.safetensors"));
        assert!(take_apart(&model).0.get("clusters").is_none());
        let schema = dir.ok(&format!("inspect -m {}", model.display()));
        assert!(!schema.stdout().contains("clusters"), "{}", schema.stdout());
    }
    write(&dir.path("in.parquet"), &mixture(&THREE, 600, 0.6, 10), 1000);
    fit(&dir, "--clusters 3");
    let (metadata, tensors) = take_apart(&dir.path("vae.safetensors"));
    let refused = |metadata: &Value, tensors| {
        put_together(&dir.path("bad.safetensors"), &metadata.to_string(), tensors);
        dir.fails(65, "transform in.parquet out.parquet -m bad.safetensors");
    };
    let edited = |path: &str, value: Value| {
        let mut edited = metadata.clone();
        *edited.pointer_mut(path).unwrap() = value;
        edited
    };
    put_together(&dir.path("same.safetensors"), &metadata.to_string(), &tensors);
    dir.ok("transform in.parquet same.parquet -m same.safetensors");
    let components = metadata["clusters"]["components"].as_array().unwrap().len();
    refused(&edited("/clusters/components", json!(vec![1; components])), &tensors);
    refused(&edited("/clusters/components", json!(vec![0; components + 1])), &tensors);
    refused(&edited("/clusters/components/0", json!(u64::MAX)), &tensors);
    refused(&edited("/clusters/rows", json!([1, 2, 3])), &tensors);
    refused(&edited("/clusters/rows", json!([3])), &tensors);
    refused(&edited("/clusters/asked", json!(65)), &tensors);
    refused(&edited("/clusters/asked", json!("many")), &tensors);
    let mut without = metadata.clone();
    without.as_object_mut().unwrap().remove("clusters");
    refused(&without, &tensors);
    let rest = tensors.iter().filter(|tensor| tensor.0 != "clusters.mean").cloned().collect();
    refused(&metadata, &rest);
}

#[test]
fn a_report_says_what_sets_each_cluster_apart() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixture(&THREE, 1500, 0.6, 11), 1000);
    fit(&dir, "--clusters auto");
    dir.ok("transform in.parquet scored.parquet");
    dir.ok("report scored.parquet -m vae.safetensors");
    let page = std::fs::read_to_string(dir.path("report.html")).unwrap();
    assert!(page.contains("coloured by cluster") && page.contains("<h2 id=\"clusters\">Clusters</h2>"));
    let table = page.split("<h2 id=\"clusters\">").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(table.matches("<tr>").count(), 4, "{table}");
    // The smallest group is the one far up: x1 is 7 and x5 14, while those of others are about 0.
    let last = table.rsplit("<tr>").next().unwrap();
    let near = |name: &str, value: f64| {
        let text = last.split(&format!("{name} ")).nth(1).unwrap().split(' ').next().unwrap();
        (text.parse::<f64>().unwrap() - value).abs() < 0.3
    };
    assert!(near("x1", 7.0) && near("x5", 14.0), "{last}");
    assert!(last.contains("group = g3: 100.0 % (others 0.0 %)"), "{last}");
    dir.ok("report scored.parquet -o label.html --color group");
    assert!(std::fs::read_to_string(dir.path("label.html")).unwrap().contains("coloured by group"));
}
