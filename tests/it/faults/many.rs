//! A process that never ends: a thousand transforms take no more of it than two hundred.

use std::process::Command;

use arrow::record_batch::RecordBatchIterator;
use vaepipe::{Device, Model, Run, Source, SourceConfig, Stop, TransformConfig};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// Open files and threads of this process, and its resident memory in KiB.
fn holds() -> [usize; 3] {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    [count("/proc/self/fd"), count("/proc/self/task"), resident.trim().trim_end_matches(" kB").parse().unwrap()]
}

#[test]
#[ignore = "needs a process of its own"]
fn a_thousand_transforms_in_one_process() {
    let (dir, rows) = (Workdir::new(), curve(500));
    write(&dir.path("in.parquet"), &rows, 100);
    write(&dir.path("other.parquet"), &rows.project(&[0]).unwrap(), 100);
    dir.ok("fit in.parquet --epochs 1");
    let (mut config, mut before) = (TransformConfig::new(), [0; 3]);
    config.output.force = true;
    for call in 0..1000 {
        if call == 200 {
            before = holds();
        }
        // As a service would: the model anew each time, a file, and rows of its own, all of them or only the first.
        let model = Model::load(dir.path("vae.safetensors"), Device::Cpu).unwrap();
        let open = |name: &str| Source::open([dir.path(name)], &SourceConfig::new(), &Stop::new()).unwrap();
        model.transform_to(&open("in.parquet"), dir.path("out.parquet"), &config, &mut Run::new()).unwrap();
        model.transform_to(&open("other.parquet"), dir.path("out.parquet"), &config, &mut Run::new()).unwrap_err();
        let batches: Vec<_> = (0..5).map(|part| Ok(rows.slice(part * 100, 100))).collect();
        let scored = model.transform(RecordBatchIterator::new(batches, rows.schema())).unwrap();
        let taken = if call % 2 == 0 { 5 } else { 1 };
        assert_eq!(scored.take(taken).map(|batch| batch.unwrap().num_rows()).sum::<usize>(), taken * 100);
    }
    let after = holds();
    println!("files, threads, KiB: {before:?} after 200 calls, {after:?} after 1,000");
    assert_eq!(before[..2], after[..2], "files and threads");
    // Pages that the allocator keeps come and go.
    assert!(after[2] < before[2] + 4096, "{} KiB, then {}", before[2], after[2]);
}

#[test]
fn a_thousand_transforms_take_no_more_than_two_hundred() {
    let name = "faults::many::a_thousand_transforms_in_one_process";
    let alone = ["--ignored", "--exact", name, "--test-threads", "1", "--nocapture"];
    let output = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("after 1,000"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
