//! `transform --quarantine`: rows that are anomalies go to a second output with their reasons, the others to the first; `--latents
//! list`: latents as one column.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::{DataType, Float32Type};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::tables::{Uniform, names, read, write};
use crate::workdir::Workdir;

/// Points on a line, each with its number; every 50th is off it.
fn points(seed: u64, rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in 0..rows {
        x.push(uniform.next());
        y.push(2.0 * x[row] + 0.05 * uniform.next() + if row % 50 == 49 { 3.0 } else { 0.0 });
    }
    RecordBatch::try_from_iter([
        ("id", Arc::new((0..rows as i64).collect::<Int64Array>()) as ArrayRef),
        ("x", Arc::new(Float64Array::from(x))),
        ("y", Arc::new(Float64Array::from(y))),
    ])
    .unwrap()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &points(1, 2000), 500);
    write(&dir.path("today.parquet"), &points(2, 1000), 300);
    dir.ok("fit past.parquet -m vae.safetensors --exclude id --preset anomaly --epochs 20");
    dir
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    let id = arrow::compute::cast(batch.column_by_name("id").unwrap(), &DataType::Int64).unwrap();
    id.as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
}

#[test]
fn rows_are_parted_in_one_pass_and_none_is_lost() {
    let dir = fitted();
    dir.ok("transform today.parquet all.parquet -m vae.safetensors --explain 3");
    let all = read(&dir.path("all.parquet"));
    let is_anomaly = all.column_by_name("is_anomaly").unwrap().as_boolean().clone();
    let (odd, rest) = (
        filter_record_batch(&all, &is_anomaly).unwrap(),
        filter_record_batch(&all, &not(&is_anomaly).unwrap()).unwrap(),
    );
    assert!((3..60).contains(&odd.num_rows()), "{} anomalies", odd.num_rows());
    let ran = dir.ok(
        "transform today.parquet rest.parquet -m vae.safetensors --quarantine odd.parquet --explain 3 --summary json",
    );
    let summary = ran.json();
    assert_eq!((&summary["rows"], &summary["quarantined"]), (&1000.into(), &odd.num_rows().into()));
    assert_eq!(summary["anomalies"], summary["quarantined"]);
    assert_eq!(read(&dir.path("odd.parquet")), odd, "the same numbers and reasons");
    assert_eq!(read(&dir.path("rest.parquet")), rest);
    // Reasons without --explain are in the quarantine alone.
    dir.ok("transform today.parquet rest2.parquet -m vae.safetensors --quarantine odd2.parquet").prints(&[
        &format!("{} rows with 6 new columns to rest2.parquet", rest.num_rows()),
        &format!("{} rows to odd2.parquet", odd.num_rows()),
    ]);
    assert_eq!(read(&dir.path("odd2.parquet")), odd);
    assert!(!names(&read(&dir.path("rest2.parquet"))).contains(&"top_features".to_owned()));
}

#[test]
fn every_kind_of_input_and_output_is_parted_alike() {
    let dir = fitted();
    dir.ok("transform today.parquet rest.parquet -m vae.safetensors --quarantine odd.parquet");
    let expected = ["rest", "odd"].map(|name| ids(&read(&dir.path(&format!("{name}.parquet")))));
    dir.ok("transform today.parquet today.csv -m vae.safetensors --keep id,x,y");
    for (input, output, quarantine) in [
        ("today.parquet", "rest.csv", "odd.ndjson"),
        ("today.parquet", "rest.arrow", "odd.csv"),
        ("today.csv", "rest.ndjson.gz", "odd.arrow"),
    ] {
        let command = format!(
            "transform {input} {output} -m vae.safetensors --prefix v_ --quarantine {quarantine} --keep id,x,y"
        );
        dir.ok(&command);
        for (path, expected) in [output, quarantine].into_iter().zip(&expected) {
            dir.ok(&format!("transform {path} back.parquet -m vae.safetensors --force"));
            assert_eq!(&ids(&read(&dir.path("back.parquet"))), expected, "{command}");
        }
    }
    let stream =
        dir.ok("transform today.parquet - -m vae.safetensors --quarantine streamed.parquet --output-format ndjson");
    assert_eq!(ids(&read(&dir.path("streamed.parquet"))), expected[1]);
    assert_eq!(stream.stdout().lines().count(), expected[0].len());
    // A false discovery rate takes two passes.
    dir.ok("transform today.parquet fdr.parquet -m vae.safetensors --fdr 0.9 --quarantine fdr-odd.parquet");
    let all = dir.ok("transform today.parquet all.parquet -m vae.safetensors --fdr 0.9 --summary json").json();
    assert_eq!(all["anomalies"], read(&dir.path("fdr-odd.parquet")).num_rows());
    // A directory, whose quarantine is one, too.
    std::fs::create_dir_all(dir.path("lake/day=1")).unwrap();
    write(&dir.path("lake/day=1/a.parquet"), &points(2, 1000), 300);
    write(&dir.path("lake/b.parquet"), &points(3, 400).slice(0, 49), 300);
    dir.ok("transform lake scored/ -m vae.safetensors --quarantine held/");
    for (folder, expected) in ["scored", "held"].into_iter().zip(&expected) {
        assert_eq!(&ids(&read(&dir.path(&format!("{folder}/day=1/a.parquet")))), expected);
        assert!(dir.path(&format!("{folder}/b.parquet")).is_file(), "one that holds nothing odd is there, too");
    }
}

#[test]
fn alerts_are_about_all_rows() {
    let dir = fitted();
    let rate = |command: &str| dir.ok(command).json()["anomaly_rate"].as_f64().unwrap();
    let expected = rate("transform today.parquet all.parquet -m vae.safetensors --summary json");
    let found = rate("transform today.parquet rest.parquet -m vae.safetensors --quarantine odd.parquet --summary json");
    assert_eq!(found, expected);
    dir.fails(
        3,
        "transform today.parquet x.parquet -m vae.safetensors --quarantine y.parquet --fail-on-anomaly-rate 0.001",
    );
    assert!(dir.path("x.parquet").is_file() && dir.path("y.parquet").is_file(), "both are complete by then");
}

#[test]
fn neither_output_appears_without_the_other() {
    let dir = fitted();
    let missing = |names: &[&str]| names.iter().all(|name| !dir.path(name).exists());
    std::fs::write(dir.path("there.parquet"), "theirs").unwrap();
    dir.fails(2, "transform today.parquet out.parquet -m vae.safetensors --quarantine there.parquet");
    dir.fails(2, "transform today.parquet there.parquet -m vae.safetensors --quarantine odd.parquet");
    assert!(missing(&["out.parquet", "odd.parquet"]));
    assert_eq!(std::fs::read(dir.path("there.parquet")).unwrap(), b"theirs");
    // A row that cannot be read is found after others were written.
    let mut bytes = std::fs::read(dir.path("today.parquet")).unwrap();
    let footer = SerializedFileReader::new(std::fs::File::open(dir.path("today.parquet")).unwrap()).unwrap();
    let page = footer.metadata().row_group(2).column(2).byte_range().0 as usize;
    bytes[page..page + 8].fill(0xff);
    std::fs::write(dir.path("damaged.parquet"), bytes).unwrap();
    dir.fails(65, "transform damaged.parquet out.parquet -m vae.safetensors --quarantine odd.parquet");
    assert!(missing(&["out.parquet", "odd.parquet"]));
    let leftovers: Vec<String> = dir.names().into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    dir.ok("transform today.parquet out.parquet -m vae.safetensors --quarantine there.parquet --force");
    assert_eq!(read(&dir.path("out.parquet")).num_rows() + read(&dir.path("there.parquet")).num_rows(), 1000);
}

#[test]
fn a_quarantine_that_cannot_be_is_refused_before_any_work() {
    let dir = fitted();
    let refused = |quarantine: &str, output: &str, words: &str| {
        dir.fails(2, &format!("transform today.parquet {output} -m vae.safetensors --quarantine {quarantine}"))
            .says(&[words]);
    };
    refused("held/", "out.parquet", "must be a file, as the output is");
    refused("odd.parquet", "out/", "must be a directory, as the output is");
    refused("-", "out.parquet", "must be a file or a directory");
    refused("./out.parquet", "out.parquet", "out.parquet");
    dir.fails(2, "transform today.parquet out.parquet -m vae.safetensors --quarantine today.parquet --force");
    assert!(!dir.path("out.parquet").exists() && !dir.path("held").exists());
    assert_eq!(read(&dir.path("today.parquet")).num_rows(), 1000);
}

#[test]
fn latents_are_one_list_on_request_and_lead_back_to_the_columns() {
    let dir = fitted();
    dir.ok("transform today.parquet columns.parquet -m vae.safetensors --std");
    dir.ok("transform today.parquet list.parquet -m vae.safetensors --std --latents list");
    dir.ok("transform today.parquet list.arrow -m vae.safetensors --std --latents list --threads 1");
    let (columns, list) = (read(&dir.path("columns.parquet")), read(&dir.path("list.parquet")));
    let k = names(&columns).iter().filter(|name| name.starts_with("z_") && !name.starts_with("z_std")).count();
    for (name, part) in [("z", "z"), ("z_std", "z_std")] {
        let lists = list.column_by_name(name).unwrap().as_fixed_size_list();
        assert_eq!(lists.value_length(), k as i32);
        let values = lists.values().as_primitive::<Float32Type>();
        for i in 0..k {
            let column = columns.column_by_name(&format!("{part}_{i}")).unwrap().as_primitive::<Float32Type>();
            assert!((0..1000).all(|row| column.value(row).to_bits() == values.value(row * k + i).to_bits()));
        }
    }
    for name in ["columns", "list"] {
        dir.ok(&format!("reconstruct {name}.parquet {name}-back.parquet -m vae.safetensors --latents"));
    }
    let [a, b] = ["columns", "list"].map(|name| read(&dir.path(&format!("{name}-back.parquet"))));
    assert_eq!(a.column_by_name("y"), b.column_by_name("y"));
    dir.fails(2, "transform today.parquet x.parquet -m vae.safetensors --latents vector").says(&["columns, list"]);
    let types: Vec<DataType> = list.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert!(
        types.iter().any(|it| matches!(it, DataType::FixedSizeList(item, _) if *item.data_type() == DataType::Float32))
    );
}
