//! `--if-newer`: outputs newer than their inputs are kept, so that a run after a crash does the rest.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// Says that a file was last written so many seconds ago.
fn age(dir: &Workdir, name: &str, seconds: u64) {
    let file = std::fs::File::options().append(true).open(dir.path(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn an_output_is_made_anew_when_its_input_or_the_model_is_younger() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(400), 100);
    dir.ok("fit in.parquet --epochs 1");
    let run = || dir.ok("transform in.parquet out.parquet --if-newer --summary json").json()["files"].clone();
    age(&dir, "in.parquet", 100);
    age(&dir, "vae.safetensors", 50);
    assert_eq!(run(), 1, "there is none");
    assert_eq!(run(), 0, "younger than both");
    age(&dir, "out.parquet", 70);
    assert_eq!(run(), 1, "the model is younger");
    age(&dir, "out.parquet", 20);
    age(&dir, "in.parquet", 10);
    assert_eq!(run(), 1, "the input is younger");
    dir.fails(2, "transform in.parquet out.parquet --if-newer --force").says(&["cannot be used with"]);
}

#[test]
fn a_run_after_a_kill_does_only_what_is_left() {
    let dir = Workdir::new();
    std::fs::create_dir(dir.path("in")).unwrap();
    const FILES: usize = 60;
    for n in 0..FILES {
        write(&dir.path(&format!("in/{n:02}.parquet")), &curve(3000), 1000);
        age(&dir, &format!("in/{n:02}.parquet"), 100);
    }
    dir.ok("fit in --epochs 1");
    age(&dir, "vae.safetensors", 50);
    let arguments = "transform in out/ --if-newer --summary json";
    let mut run = dir.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let made = || {
        std::fs::read_dir(dir.path("out"))
            .map_or(0, |it| it.flatten().filter(|it| it.file_name().to_string_lossy().ends_with("parquet")).count())
    };
    while made() < 3 && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let before = made();
    let written = |n: usize| std::fs::metadata(dir.path(&format!("out/{n:02}.parquet"))).unwrap().modified().unwrap();
    let first = written(0);
    let summary = dir.ok(arguments).json();
    let (files, skipped) = (summary["files"].as_u64().unwrap(), summary["skipped"].as_u64().unwrap());
    assert_eq!((files + skipped, skipped), (FILES as u64, before as u64));
    assert!(before >= 3 && made() == FILES && written(0) == first, "{before}");
}
