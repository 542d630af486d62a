//! SIGINT, SIGTERM and SIGHUP at any moment: the documented code, within a second, and nothing left.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arrow::compute::concat_batches;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::tables::{curve, read, write};
use crate::two_commands::sample;
use crate::workdir::Workdir;

/// Starts the program and waits until its log says `until`.
fn start(dir: &Workdir, arguments: &str, until: &str) -> Child {
    let mut run = dir.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut line) = (BufReader::new(run.stderr.take().unwrap()), String::new());
    while !line.contains(until) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it said {until:?}");
    }
    // Whoever writes on must find a reader.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    run
}

/// Interrupts it; gives its exit code and how long that took.
fn interrupt(mut run: Child, signal: i32) -> (Option<i32>, Duration) {
    let asked = Instant::now();
    std::process::Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().unwrap();
    (run.wait().unwrap().code(), asked.elapsed())
}

/// The promise is a second; a busy machine is given three.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn a_fit_ends_in_order_in_every_stage() {
    let dir = Workdir::new();
    let part = curve(50_000);
    write(&dir.path("in.parquet"), &concat_batches(&part.schema(), vec![&part; 20]).unwrap(), 100_000);
    for until in ["reading statistics", "training on", "epoch 1/"] {
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] {
            let run = start(&dir, "fit in.parquet --epochs 1000 --patience 0 -v --metrics m.jsonl", until);
            let (ended, took) = interrupt(run, signal);
            assert!(ended == Some(code) && took < SOON, "{until}: {ended:?} after {took:?}");
            let _ = std::fs::remove_file(dir.path("m.jsonl"));
            // What is trained already is there to go on with.
            let _ =
                std::fs::remove_file(dir.path(".vae.safetensors.checkpoint")).map(|()| assert_eq!(until, "epoch 1/"));
            assert_eq!(dir.names(), ["in.parquet"], "{until}");
        }
    }
}

#[test]
fn a_transform_ends_in_order() {
    let dir = Workdir::new();
    let part = curve(50_000);
    write(&dir.path("in.parquet"), &concat_batches(&part.schema(), vec![&part; 40]).unwrap(), 100_000);
    dir.ok(&format!("fit {} --epochs 1", sample("digits.parquet")));
    write(&dir.path("few.parquet"), &curve(500), 100);
    dir.ok("fit few.parquet --epochs 1 --force --hidden 1024,1024");
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        let run = start(&dir, "transform in.parquet out.parquet --threads 1", "device cpu");
        // Well into the rows, of which there are many.
        std::thread::sleep(Duration::from_millis(300));
        let (ended, took) = interrupt(run, signal);
        assert!(ended == Some(code) && took < SOON, "{ended:?} after {took:?}");
        assert_eq!(dir.names(), ["few.parquet", "in.parquet", "vae.safetensors"]);
    }
}

#[test]
fn an_imputation_ends_in_order() {
    let dir = Workdir::new();
    let part = curve(50_000);
    write(&dir.path("in.parquet"), &concat_batches(&part.schema(), vec![&part; 10]).unwrap(), 100_000);
    write(&dir.path("few.parquet"), &curve(500), 100);
    dir.ok("fit few.parquet --epochs 1");
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        let run = start(&dir, "impute in.parquet out.parquet --samples 5000", "device cpu");
        std::thread::sleep(Duration::from_millis(500));
        let (ended, took) = interrupt(run, signal);
        assert!(ended == Some(code) && took < SOON, "{ended:?} after {took:?}");
        assert_eq!(dir.names(), ["few.parquet", "in.parquet", "vae.safetensors"]);
    }
}

#[test]
fn keep_partial_keeps_the_model_also_when_only_its_last_measure_is_missing() {
    use vaepipe::{Device, FitConfig, ParquetSource, Progress, Run, Stop};
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(500), 1000);
    let source = ParquetSource::open([dir.path("in.parquet")]).unwrap();
    let interrupted_after_the_last_epoch = |keep| {
        let stop = Stop::new();
        let mut run = Run::new().stop(&stop).on_progress(|event| {
            if matches!(event, Progress::Epoch { epoch, epochs, .. } if epoch.epoch == epochs) {
                stop.request();
            }
        });
        FitConfig::new().epochs(2).keep_partial(keep).fit(&source, Device::Cpu, &mut run)
    };
    assert!(matches!(interrupted_after_the_last_epoch(false), Err(vaepipe::Error::Interrupted)));
    let kept = interrupted_after_the_last_epoch(true).unwrap();
    let history = &kept.model.metadata().history;
    assert!(kept.interrupted && history.epochs.len() == 2 && history.held_out_loss.is_none());
}

#[test]
fn keep_partial_keeps_the_best_model_so_far() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(5000), 1000);
    // Before an epoch is done there is nothing to keep.
    let flags = "fit in.parquet --epochs 100000 --patience 0 --keep-partial -v";
    let run = start(&dir, &format!("{flags} --hidden 4096,4096 --batch-size 5000"), "training on");
    assert_eq!(interrupt(run, SIGINT).0, Some(130));
    assert_eq!(dir.names(), ["in.parquet"]);
    let run = start(&dir, flags, "epoch 3/");
    let (ended, took) = interrupt(run, SIGTERM);
    assert!(ended == Some(143) && took < SOON, "{ended:?} after {took:?}");
    assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
    let history = dir.ok("inspect vae.safetensors --summary json").json()["metadata"]["history"].clone();
    assert!(history["best_epoch"].as_u64() >= Some(3) && history["held_out_loss"].is_null(), "{history}");
    dir.ok("transform in.parquet out.parquet");
    assert_eq!(read(&dir.path("out.parquet")).num_rows(), 5000);
}
