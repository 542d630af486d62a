//! `--latent-dim auto`: as many dimensions as the data has.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

/// Rows of 12 numbers that are mixtures of `dimensions` independent ones, and a little noise.
fn subspace(rows: usize, dimensions: usize) -> RecordBatch {
    let mut uniform = Uniform::new(dimensions as u64);
    let mixing: Vec<f64> = (0..12 * dimensions).map(|_| uniform.next()).collect();
    let mut columns = vec![Vec::new(); 12];
    for _ in 0..rows {
        let from: Vec<f64> = (0..dimensions).map(|_| uniform.next()).collect();
        for (column, mixing) in columns.iter_mut().zip(mixing.chunks_exact(dimensions)) {
            let value: f64 = from.iter().zip(mixing).map(|(from, mixing)| from * mixing).sum();
            column.push(value + 0.05 * uniform.next());
        }
    }
    let column = |(n, values): (usize, Vec<f64>)| (format!("x{n}"), Arc::new(Float64Array::from(values)) as ArrayRef);
    RecordBatch::try_from_iter(columns.into_iter().enumerate().map(column)).unwrap()
}

#[test]
fn as_many_dimensions_are_found_as_rows_vary_in() {
    let dir = Workdir::new();
    for (dimensions, found) in [(1, 1), (2, 2), (4, 4)] {
        write(&dir.path("in.parquet"), &subspace(3000, dimensions), 1000);
        let flags = "fit in.parquet --latent-dim auto --force --summary json --scale standard";
        let summary = dir.ok(flags).json();
        assert_eq!(summary["latent_dim"], found, "{dimensions}");
        let once = std::fs::read(dir.path("vae.safetensors")).unwrap();
        dir.ok(&format!("{flags} --threads 1"));
        assert!(std::fs::read(dir.path("vae.safetensors")).unwrap() == once, "the same for any number of threads");
        // The search decides a number, and nothing else.
        dir.ok(&format!("fit in.parquet --latent-dim {found} --force --scale standard"));
        assert!(std::fs::read(dir.path("vae.safetensors")).unwrap() == once);
    }
}

#[test]
fn what_is_not_known_before_the_training_is_said() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &subspace(500, 2), 1000);
    dir.ok("inspect in.parquet --latent-dim auto").prints(&["12-64-32-12 and back", "or less: the fit searches"]);
    dir.fails(2, "fit in.parquet --latent-dim auto --val-fraction 0").says(&["latent_dim is auto, but must be"]);
    dir.fails(2, "fit in.parquet --latent-dim some").says(&["neither auto nor a number"]);
}
