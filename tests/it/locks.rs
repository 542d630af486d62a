//! Two runs on one output: the second waits, or ends with its own code and the first one's process id.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// A fit that goes on until it is ended, once it has begun.
fn begun(dir: &Workdir) -> Child {
    let endless = "fit in.parquet --epochs 1000000 --max-steps 1000000000 --patience 0 -v";
    let mut run = dir.command(endless).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut line) = (BufReader::new(run.stderr.take().unwrap()), String::new());
    while !line.contains("training on") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it trained");
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    run
}

#[test]
fn the_second_of_two_runs_is_told_who_the_first_is() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(2000), 1000);
    let mut first = begun(&dir);
    let holder = format!("process {}", first.id());
    dir.fails(75, "fit in.parquet --epochs 1").says(&["another run is writing it", &holder, "--wait"]);
    dir.fails(75, "fit in.parquet --epochs 1 --wait 300ms").says(&["waiting for another run"]);
    // Another output is another matter.
    dir.ok("fit in.parquet --epochs 1 -m other.safetensors");
    // A dead holder blocks nobody, and its lock file goes with the next.
    first.kill().unwrap();
    first.wait().unwrap();
    dir.ok("fit in.parquet --epochs 1");
    assert!(!dir.names().iter().any(|name| name.ends_with(".lock")), "{:?}", dir.names());
}

#[cfg(unix)]
#[test]
fn a_link_to_an_output_has_the_lock_of_the_output() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(2000), 1000);
    // It leads to what the first run has not written yet.
    std::fs::create_dir(dir.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../vae.safetensors", dir.path("elsewhere/link")).unwrap();
    let mut first = begun(&dir);
    let holder = format!("process {}", first.id());
    dir.fails(75, "fit in.parquet --epochs 1 -m elsewhere/link").says(&["elsewhere/link", &holder]);
    dir.fails(75, "fit-transform in.parquet o.parquet --epochs 1 -m elsewhere/../vae.safetensors").says(&[&holder]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn who_waits_gets_its_turn() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(2000), 1000);
    let mut first = begun(&dir);
    let second = dir.command("fit in.parquet --epochs 1 --wait 10m --quiet").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!dir.path("vae.safetensors").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success() && dir.path("vae.safetensors").exists());
}
