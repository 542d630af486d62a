//! `--if-newer`: outputs newer than their inputs are kept, so that a run after a crash does the rest.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::sequences::readings;
use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// Says that a file was last written so many seconds ago.
fn age(dir: &Workdir, name: &str, seconds: u64) {
    let file = std::fs::File::options().append(true).open(dir.path(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

/// An input of a while ago, and a model of now.
fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(400), 100);
    dir.ok("fit in.parquet --epochs 1");
    age(&dir, "in.parquet", 100);
    dir
}

/// How many outputs a transform writes.
fn files(dir: &Workdir, arguments: &str) -> u64 {
    dir.ok(&format!("transform {arguments} --summary json")).json()["files"].as_u64().unwrap()
}

#[test]
fn an_output_is_made_anew_when_its_input_is_younger_and_not_when_the_model_is() {
    let dir = fitted();
    let run = || files(&dir, "in.parquet out.parquet --if-newer");
    assert_eq!(run(), 1, "there is none");
    assert_eq!(run(), 0, "younger than both");
    age(&dir, "out.parquet", 70);
    let before = std::fs::read(dir.path("out.parquet")).unwrap();
    dir.ok("fit in.parquet --epochs 2 --force");
    assert_eq!(run(), 0, "the model is younger, and another one");
    assert_eq!(std::fs::read(dir.path("out.parquet")).unwrap(), before);
    age(&dir, "in.parquet", 10);
    assert_eq!(run(), 1, "the input is younger");
    assert_ne!(std::fs::read(dir.path("out.parquet")).unwrap(), before);
    dir.fails(2, "transform in.parquet out.parquet --if-newer --force").says(&["cannot be used with"]);
    dir.fails(2, "transform in.parquet out.parquet --if-newer=model --skip-existing").says(&["cannot be used with"]);
}

#[test]
fn an_output_is_made_anew_when_its_history_is_younger() {
    let dir = fitted();
    write(&dir.path("yesterday.parquet"), &readings(1, 0, 300), 100);
    write(&dir.path("today.parquet"), &readings(2, 300, 100), 100);
    dir.ok("fit yesterday.parquet -m rig.safetensors --order-by ts --window 8 --epochs 2");
    for (command, output) in [("transform", "scored.parquet"), ("impute", "filled.parquet"), ("transform", "days/")] {
        ["yesterday.parquet", "today.parquet"].iter().for_each(|name| age(&dir, name, 100));
        let run = || {
            let flags = "--history yesterday.parquet -m rig.safetensors --if-newer --summary json";
            dir.ok(&format!("{command} today.parquet {output} {flags}")).json()["files"].as_u64().unwrap()
        };
        assert_eq!((run(), run()), (1, 0), "{output}");
        let file = if output == "days/" { "days/today.parquet" } else { output };
        age(&dir, file, 50);
        age(&dir, "yesterday.parquet", 10);
        assert_eq!(run(), 1, "{output}");
    }
}

#[test]
fn on_request_an_output_of_another_model_is_made_anew_whatever_the_times() {
    let dir = fitted();
    for output in ["out.parquet", "out.arrow", "out/"] {
        let run = || files(&dir, &format!("in.parquet {output} --if-newer=model"));
        let file = if output == "out/" { "out/in.parquet" } else { output };
        dir.ok("fit in.parquet --epochs 1 --force");
        assert_eq!(run(), 1, "{output}: there is none");
        age(&dir, file, 50);
        assert_eq!(run(), 0, "{output}: the model's file is younger");
        std::fs::copy(dir.path("vae.safetensors"), dir.path("copy.safetensors")).unwrap();
        assert_eq!(files(&dir, &format!("in.parquet {output} --if-newer=model -m copy.safetensors")), 0);
        dir.ok("fit in.parquet --epochs 2 --force");
        age(&dir, "vae.safetensors", 60);
        assert_eq!(files(&dir, &format!("in.parquet {output} --if-newer=input")), 0);
        assert_eq!(run(), 1, "{output}: it is another model, and older");
        assert_eq!(run(), 0, "{output}");
        // A file that is no output, and one that cannot be read.
        for other in [std::fs::read(dir.path("in.parquet")).unwrap(), b"PAR1".to_vec(), Vec::new()] {
            std::fs::write(dir.path(file), other).unwrap();
            assert_eq!(run(), 1, "{output}: nothing tells its model");
        }
    }
}

#[test]
fn the_value_needs_its_sign_and_settings_take_words_and_booleans() {
    let dir = fitted();
    // A word behind the flag is an input, also one that is called like a value.
    std::fs::copy(dir.path("in.parquet"), dir.path("model")).unwrap();
    assert_eq!(dir.ok("transform --if-newer model out.parquet --summary json").json()["files"], 1);
    dir.fails(2, "transform in.parquet out.parquet --if-newer=age").says(&["input", "model"]);
    dir.ok("fit in.parquet --epochs 2 --force");
    let with = |setting: &str| {
        std::fs::write(dir.path("v.toml"), setting).unwrap();
        dir.run("transform in.parquet out.parquet --config v.toml --summary json")
    };
    assert_eq!(with("if_newer = true").exits(0).json()["skipped"], 1);
    assert_eq!(with("if_newer = 'input'").exits(0).json()["skipped"], 1);
    assert_eq!(with("if_newer = 'model'").exits(0).json()["files"], 1);
    with("if_newer = false").exits(2).says(&["already exists"]);
    with("if_newer = 'age'").exits(78).says(&["v.toml: if_newer", "age"]);
    with("if_newer = 3").exits(78).says(&["true or false, or a string"]);
    for (value, code) in [("1", 0), ("model", 0), ("off", 2), ("age", 78)] {
        dir.run_with(&[("VAEPIPE_IF_NEWER", value)], "transform in.parquet out.parquet").exits(code);
    }
    dir.ok("transform --print-config --if-newer").prints(&["if_newer = \"input\""]);
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
