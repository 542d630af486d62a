//! A fit that is killed goes on from its checkpoint and ends with the bytes of one that nothing disturbed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::tables::{curve, write};
use crate::workdir::Workdir;

const FLAGS: &str =
    "fit in.parquet --hidden 64,32 --epochs 12 --batch-size 64 --patience 0 --checkpoint-minutes 0.0002";
const CHECKPOINT: &str = ".vae.safetensors.checkpoint";

/// Runs `arguments` until a checkpoint after `epochs` epochs or more is written, then kills the program as no clean-up
/// survives.
fn kill(dir: &Workdir, arguments: &str, epochs: usize) {
    kill_after(dir, arguments, "", epochs);
}

/// The same, of the checkpoints written once it has said something.
fn kill_after(dir: &Workdir, arguments: &str, said: &str, epochs: usize) {
    let mut run = dir.command(&format!("{arguments} -v")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut line) = (BufReader::new(run.stderr.take().unwrap()), String::new());
    let written = |line: &str| line.split("checkpoint after epoch ").nth(1)?.trim().parse().ok();
    let mut has_said = said.is_empty();
    while !has_said || written(&line).is_none_or(|written: usize| written < epochs) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before a checkpoint after epoch {epochs}");
        has_said |= line.contains(said);
    }
    run.kill().unwrap();
    run.wait().unwrap();
}

fn model(dir: &Workdir) -> Vec<u8> {
    std::fs::read(dir.path("vae.safetensors")).unwrap()
}

#[test]
fn a_fit_killed_again_and_again_ends_with_the_same_bytes() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(20_000), 1000);
    dir.ok(FLAGS);
    let undisturbed = model(&dir);
    std::fs::remove_file(dir.path("vae.safetensors")).unwrap();
    let resume = format!("{FLAGS} --resume");
    // Within the first epoch, in a later one, and later still, each time from where the one before was.
    for epochs in [0, 2, 7] {
        kill(&dir, &resume, epochs);
        assert!(dir.names().contains(&CHECKPOINT.to_owned()), "{epochs}: {:?}", dir.names());
    }
    let said = dir.ok(&resume);
    said.says(&["resumed after epoch"]);
    assert_eq!(model(&dir), undisturbed);
    // What the killed ones were writing may be too young to be swept.
    let left: Vec<_> = dir.names().into_iter().filter(|name| !name.ends_with(".tmp")).collect();
    assert_eq!(left, ["in.parquet", "vae.safetensors"]);
}

#[test]
fn a_fit_of_several_networks_goes_on_with_the_one_it_was_killed_in() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(20_000), 1000);
    let flags = format!("{FLAGS} --members 3");
    dir.ok(&flags);
    let undisturbed = model(&dir);
    std::fs::remove_file(dir.path("vae.safetensors")).unwrap();
    kill_after(&dir, &flags, "training network 2 of 3", 1);
    dir.ok(&format!("{flags} --resume")).says(&["resumed after epoch", "training network 2 of 3"]);
    assert_eq!(model(&dir), undisturbed);
}

#[test]
fn a_fit_that_keeps_neighbours_resumes() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(8000), 1000);
    let flags = format!("{FLAGS} --preset map");
    dir.ok(&flags);
    let undisturbed = model(&dir);
    std::fs::remove_file(dir.path("vae.safetensors")).unwrap();
    kill(&dir, &flags, 3);
    dir.ok(&format!("{flags} --resume")).says(&["resumed after epoch"]);
    assert_eq!(model(&dir), undisturbed);
}

#[test]
fn a_fit_that_goes_on_from_a_model_resumes_too_and_from_no_other_model() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(20_000), 1000);
    for seed in [1, 2] {
        dir.ok(&format!("fit in.parquet --hidden 64,32 --epochs 1 --seed {seed} -m start{seed}"));
    }
    let flags = format!("{FLAGS} --accept-worse --init");
    dir.ok(&format!("{flags} start1"));
    let undisturbed = model(&dir);
    std::fs::remove_file(dir.path("vae.safetensors")).unwrap();
    kill(&dir, &format!("{flags} start1"), 1);
    dir.fails(2, &format!("{flags} start2 --resume")).says(&["is the checkpoint of another fit: init.model is"]);
    dir.fails(2, &format!("{FLAGS} --resume")).says(&["is the checkpoint of another fit"]);
    dir.ok(&format!("{flags} start1 --resume")).says(&["resumed after epoch"]);
    assert_eq!(model(&dir), undisturbed);
}

#[test]
fn the_number_of_latent_dimensions_is_found_once() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(20_000), 1000);
    let flags = format!("{FLAGS} --latent-dim auto");
    let found = dir.ok(&flags);
    found.says(&["latent dimensions: 1, validation loss"]);
    let undisturbed = model(&dir);
    std::fs::remove_file(dir.path("vae.safetensors")).unwrap();
    kill(&dir, &flags, 1);
    let latents = crate::model_file::take_apart(&dir.path(CHECKPOINT)).0["fit"]["network"]["latent_dim"].clone();
    dir.fails(2, &format!("{FLAGS} --latent-dim {latents} --resume")).says(&["searched is true there and false here"]);
    let resumed = dir.ok(&format!("{flags} --resume"));
    assert!(!resumed.stderr().contains("latent dimensions:"), "{}", resumed.stderr());
    assert_eq!(model(&dir), undisturbed);
}

#[test]
fn without_resume_a_fit_starts_anew_and_says_what_it_replaces() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(5000), 1000);
    kill(&dir, FLAGS, 0);
    let said = dir.ok(&format!("{FLAGS} --seed 1"));
    said.says(&[CHECKPOINT, "replaces the checkpoint of an unfinished one"]);
    assert!(!dir.path(CHECKPOINT).exists());
    // And with nothing to go on from, resuming is starting.
    dir.ok(&format!("{FLAGS} --resume --force --seed 2"));
}

#[test]
fn a_checkpoint_of_another_fit_is_refused_with_the_difference() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(5000), 1000);
    write(&dir.path("other.parquet"), &curve(4999), 1000);
    kill(&dir, FLAGS, 0);
    for (arguments, difference) in [
        (FLAGS.replace("12", "13"), "training.epochs is 12 there and 13 here"),
        (format!("{FLAGS} --lr 0.001"), "training.lr is 0.004 there and 0.001 here"),
        (FLAGS.replace("64,32", "64"), "network.hidden is [64,32] there and [64] here"),
        (FLAGS.replace("in.parquet", "other.parquet"), "data."),
    ] {
        dir.fails(2, &format!("{arguments} --resume")).says(&[difference, CHECKPOINT]);
    }
    let bytes = std::fs::read(dir.path(CHECKPOINT)).unwrap();
    std::fs::write(dir.path(CHECKPOINT), &bytes[..bytes.len() / 2]).unwrap();
    dir.fails(65, &format!("{FLAGS} --resume")).says(&["not a usable checkpoint", "leave --resume out"]);
}
