//! Groups whose values have other tails, at any level and noise: their ordinary rows are flagged alike.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};

use crate::tables::{Uniform, floats, read, write};
use crate::workdir::Workdir;

const GROUPS: usize = 9;

/// A value of unit scale: uniform, nearly normal, or with the heavier tails of Laplace's distribution.
fn value(shape: usize, uniform: &mut Uniform) -> f64 {
    match shape {
        0 => uniform.next(),
        1 => (0..12).map(|_| uniform.next()).sum::<f64>() / 2.0,
        _ => uniform.next().signum() * -(0.5 - uniform.next() / 2.0).ln(),
    }
}

/// Rows of groups: three shapes, each with three noises, all at their own level.
fn table(seed: u64, rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for group in (0..rows).map(|row| row % GROUPS) {
        let noise = 10_f64.powi((group % 3) as i32 - 1);
        x.push(100.0 * group as f64 + noise * value(group / 3, &mut uniform));
        y.push(noise * value(group / 3, &mut uniform));
    }
    let names: StringArray = (0..rows).map(|row| Some(format!("g{}", row % GROUPS))).collect();
    let array = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    RecordBatch::try_from_iter([("group", Arc::new(names) as ArrayRef), ("x", array(x)), ("y", array(y))]).unwrap()
}

#[test]
fn no_group_is_flagged_for_the_shape_of_its_values() {
    let dir = Workdir::new();
    write(&dir.path("rows.parquet"), &table(1, GROUPS * 1500), 5000);
    write(&dir.path("fresh.parquet"), &table(2, GROUPS * 4000), 5000);
    for preset in ["reduce", "anomaly"] {
        dir.ok(&format!("fit rows.parquet --given group --preset {preset} --force"));
        dir.ok("transform fresh.parquet out.parquet --force");
        let out = read(&dir.path("out.parquet"));
        let flagged = out.column_by_name("is_anomaly").unwrap().as_boolean();
        let of =
            |group: usize| flagged.iter().skip(group).step_by(GROUPS).filter(|odd| *odd == Some(true)).count() as f64;
        let all = (0..GROUPS).map(of).sum::<f64>() / GROUPS as f64;
        assert!((10.0..80.0).contains(&all), "{preset}: {all} of 4,000 rows of a group");
        // Without their tails none of the uniform rows are flagged, and of the others up to 3 %.
        for group in 0..GROUPS {
            assert!(of(group) <= 2.1 * all, "{preset} {group}: {} of {all}", of(group));
        }
        let uniform = (0..3).map(of).sum::<f64>() / 3.0;
        assert!(uniform >= 0.25 * all, "{preset}: {uniform} of {all}");
    }
}

#[test]
fn a_score_that_is_compared_by_group_orders_the_rows_of_a_group_as_before() {
    let dir = Workdir::new();
    write(&dir.path("rows.parquet"), &table(3, GROUPS * 500), 5000);
    dir.ok("fit rows.parquet --given group --epochs 3");
    dir.ok("transform rows.parquet out.parquet --score elbo");
    let out = read(&dir.path("out.parquet"));
    let [elbo, anomaly] = ["elbo", "anomaly_score"].map(|name| floats(&out, name));
    for group in 0..GROUPS {
        let rows = (group..out.num_rows()).step_by(GROUPS);
        let mut scores: Vec<(f32, f32)> = rows.map(|row| (elbo[row].unwrap(), anomaly[row].unwrap())).collect();
        scores.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(scores.is_sorted_by(|a, b| a.1 <= b.1), "group {group}");
    }
}
