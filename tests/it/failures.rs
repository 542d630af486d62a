//! What goes wrong, with its exit code, and nothing left behind.

use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};

use crate::model_file::take_apart;
use crate::tables::{curve, read, write};
use crate::workdir::Workdir;

fn with_input(rows: usize) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(rows), 1000);
    dir
}

#[test]
fn an_existing_target_needs_force() {
    let dir = with_input(300);
    for (target, command) in
        [("vae.safetensors", "fit in.parquet --epochs 1"), ("out.parquet", "transform in.parquet out.parquet")]
    {
        std::fs::write(dir.path(target), "mine").unwrap();
        dir.fails(2, command).says(&[target, "already exists", "--force"]);
        assert_eq!(std::fs::read(dir.path(target)).unwrap(), b"mine");
        dir.ok(&format!("{command} --force"));
        assert_ne!(std::fs::read(dir.path(target)).unwrap(), b"mine");
    }
    dir.fails(2, "fit-transform in.parquet out.parquet").says(&["out.parquet", "--force"]);
    dir.fails(2, "fit-transform in.parquet new.parquet -m vae.safetensors").says(&["vae.safetensors", "--force"]);
    dir.fails(2, "fit-transform in.parquet new.parquet -m new.parquet").says(&["new.parquet"]);
}

#[test]
fn the_input_is_never_the_target_also_through_links() {
    let dir = with_input(300);
    dir.ok("fit in.parquet --epochs 1");
    std::fs::hard_link(dir.path("in.parquet"), dir.path("hard.parquet")).unwrap();
    let mut targets = vec!["in.parquet", "./in.parquet", "hard.parquet"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in.parquet", dir.path("soft.parquet")).unwrap();
        targets.push("soft.parquet");
    }
    for target in targets {
        dir.fails(2, &format!("transform in.parquet {target} --force")).says(&["is also the input in.parquet"]);
        dir.fails(2, &format!("fit in.parquet -m {target} --force")).says(&["is also the input in.parquet"]);
    }
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.fails(2, "fit in.parquet -m folder --force").says(&["folder", "not a regular file"]);
    dir.fails(2, "impute in.parquet . --force").says(&["./in.parquet: is also the input in.parquet"]);
    dir.fails(2, "transform in.parquet . --force").says(&["./in.parquet: is also the input in.parquet"]);
    assert_eq!(read(&dir.path("in.parquet")).num_rows(), 300);
}

#[test]
fn missing_files_and_folders_are_run_errors() {
    let dir = with_input(300);
    dir.ok("fit in.parquet --epochs 1");
    dir.fails(1, "fit none.parquet --force").says(&["none.parquet: cannot open"]);
    dir.fails(1, "transform none.parquet out.parquet").says(&["none.parquet: cannot open"]);
    dir.fails(1, "transform in.parquet no/such/folder/out.parquet")
        .says(&["no/such/folder/out.parquet: cannot create"]);
    // Found before the work is done: it would take days.
    for target in ["-m no/such/vae.safetensors", "-m m.safetensors --metrics no/such/m.jsonl"] {
        let fit = format!("fit in.parquet {target} --epochs 1000000 --patience 0");
        dir.fails(1, &fit).says(&["cannot create", "mkdir -p no/such"]);
    }
    dir.fails(2, "fit in.parquet -m new/").says(&["new/: is not a regular file"]);
    dir.fails(2, "generate -n 5 new/").says(&["new/: is not a regular file"]);
}

#[test]
fn damaged_inputs_are_data_errors_that_name_the_file() {
    let dir = with_input(3000);
    dir.ok("fit in.parquet --epochs 1");
    let sound = std::fs::read(dir.path("in.parquet")).unwrap();
    let fails = |bytes: &[u8]| {
        std::fs::write(dir.path("bad.parquet"), bytes).unwrap();
        for command in ["transform bad.parquet out.parquet", "fit bad.parquet --epochs 1 -m bad.safetensors"] {
            let ran = dir.fails(65, command);
            ran.says(&["bad.parquet"]);
            assert!(!ran.stderr().contains("panicked"), "{}", ran.stderr());
        }
        assert_eq!(dir.names(), ["bad.parquet", "in.parquet", "vae.safetensors"]);
    };
    fails(b"");
    fails(b"id,x0\n1,2\n");
    fails(&sound[..sound.len() / 2]);
    fails(&sound[..sound.len() - 1]);
    // Zeros over the learned columns of the first row groups: the pages no longer parse.
    let mut zeroed = sound.clone();
    zeroed[4..sound.len() / 2].fill(0);
    fails(&zeroed);
}

#[test]
fn data_there_is_nothing_to_learn_from_is_refused() {
    let dir = Workdir::new();
    write(&dir.path("none.parquet"), &curve(0), 1000);
    dir.fails(65, "fit none.parquet").says(&["none.parquet", "at least 2 rows", "there are 0"]);
    write(&dir.path("one.parquet"), &curve(1), 1000);
    dir.fails(65, "fit one.parquet").says(&["one.parquet", "at least 2 rows", "there is 1"]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let same: ArrayRef = Arc::new(Int32Array::from(vec![1, 1]));
    write(&dir.path("dull.parquet"), &RecordBatch::try_from_iter([("text", text), ("same", same)]).unwrap(), 1000);
    dir.fails(65, "fit dull.parquet").says(&[r#""text" looks like an identifier"#, r#""same" is constant (1)"#]);
    assert_eq!(dir.names(), ["dull.parquet", "none.parquet", "one.parquet"]);
}

#[test]
fn two_rows_are_enough() {
    let dir = Workdir::new();
    let x: ArrayRef = Arc::new(Int32Array::from(vec![3, 1, 3]));
    write(&dir.path("few.parquet"), &RecordBatch::try_from_iter([("x", x)]).unwrap().slice(0, 2), 1000);
    dir.ok("fit few.parquet --epochs 3 --columns x");
    dir.ok("transform few.parquet out.parquet");
    // Wherever they are, they are not held out.
    for rows in [3, 4, 8, 20] {
        for at in 0..rows - 1 {
            let x: ArrayRef = Arc::new(
                (0..rows)
                    .map(|row| (row - at < 2).then_some(row))
                    .map(|x| x.filter(|&x| x >= at))
                    .collect::<Int32Array>(),
            );
            write(&dir.path("holes.parquet"), &RecordBatch::try_from_iter([("x", x)]).unwrap(), 1000);
            let fit = dir.ok("fit holes.parquet --epochs 1 --columns x -m holes --force --summary json").json();
            assert_eq!((&fit["train_rows"], &fit["empty_rows"]), (&2.into(), &(rows - 2).into()), "{at} of {rows}");
        }
    }
}

#[test]
fn an_inspection_counts_as_a_fit_does() {
    for rows in [2, 3, 5, 40, 300, 3000] {
        let dir = with_input(rows);
        let plan = dir.ok("inspect in.parquet --summary json").json()["model"].clone();
        dir.ok("fit in.parquet --epochs 1");
        let rows = take_apart(&dir.path("vae.safetensors")).0["provenance"].clone();
        let held_out = rows["select_rows"].as_u64().unwrap() + rows["calibrate_rows"].as_u64().unwrap();
        assert_eq!((&plan["train_rows"], &plan["held_out_rows"]), (&rows["train_rows"], &held_out.into()));
    }
}

#[test]
fn types_of_one_table_must_meet() {
    let dir = with_input(300);
    let batch = curve(300);
    let mut columns = batch.columns().to_vec();
    columns[2] = Arc::new(StringArray::from(vec!["a"; 300]));
    let fields = crate::tables::names(&batch).into_iter().zip(columns);
    write(&dir.path("text.parquet"), &RecordBatch::try_from_iter(fields).unwrap(), 1000);
    dir.fails(65, "fit in.parquet text.parquet").says(&["text.parquet", r#""x0""#, "Utf8", "in.parquet"]);
}

#[test]
fn options_outside_their_range_are_usage_errors_that_name_the_flag() {
    let dir = with_input(300);
    for (flag, value) in [
        ("--latent-dim", "0"),
        ("--hidden", "0"),
        ("--epochs", "0"),
        ("--batch-size", "0"),
        ("--lr", "-1"),
        ("--lr", "NaN"),
        ("--kl-warmup", "1.5"),
        ("--trim", "1"),
        ("--val-fraction", "0.9"),
        ("--threads", "0"),
        ("--threads", "1025"),
        ("--seed", "-1"),
        ("--shuffle-rows", "0"),
        ("--device", "gpu"),
        ("--scale", "log"),
        ("--epochs", "many"),
        ("--no-such-flag", "1"),
    ] {
        dir.fails(2, &format!("fit in.parquet {flag}={value}")).says(&[flag]);
    }
    assert_eq!(dir.names(), ["in.parquet"]);
}

#[test]
fn cuda_without_a_device_is_a_run_error_and_auto_is_not() {
    if candle_core::Device::new_cuda_with_stream(0).is_ok() {
        return;
    }
    let dir = with_input(300);
    let built = candle_core::utils::cuda_is_available();
    let why: &[&str] = if built { &["not available", "nvidia-smi"] } else { &["without CUDA", "--features cuda"] };
    for device in ["cuda:0", "cuda:7"] {
        for command in ["fit in.parquet", "fit-transform in.parquet out.parquet"] {
            let ran = dir.fails(1, &format!("{command} --device {device}"));
            ran.says(&[&format!("error: device {device}: "), "--device cpu"]).says(why);
            // Said before anything is read.
            assert_eq!(ran.stderr().lines().count(), 2, "{}", ran.stderr());
        }
    }
    assert_eq!(dir.names(), ["in.parquet"]);
    // Only where a device could have answered is it worth a word that none did.
    let auto = dir.ok("fit in.parquet --device auto --epochs 1");
    let line = auto.stderr().lines().find(|line| line.contains("device cpu")).unwrap().to_owned();
    assert_eq!(line.contains("no CUDA device answers"), built, "{line}");
    for command in ["transform in.parquet out.parquet", "impute in.parquet out.parquet"] {
        dir.fails(1, &format!("{command} --device cuda")).says(&["error: device cuda:0: "]).says(why);
    }
    assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
}

#[test]
fn a_loss_that_is_not_finite_goes_back_and_lowers_the_rate() {
    let dir = with_input(2000);
    // Far too high, but after a few quarterings it is not.
    let ran = dir.ok("fit in.parquet --lr 100 --epochs 4 --summary json");
    ran.says(&["the loss is not finite", "last good state"]);
    assert!(ran.json()["rollbacks"].as_u64() > Some(0));
    let metadata = take_apart(&dir.path("vae.safetensors")).0;
    assert_eq!(metadata["history"]["rollbacks"], ran.json()["rollbacks"]);
    dir.fails(1, "fit in.parquet --lr 1e30 --epochs 4 -m none.safetensors")
        .says(&["training diverged in epoch 1", "--lr"]);
    assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error_message() {
    let dir = with_input(300);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = dir.command("fit in.parquet --epochs 1 -q --summary json");
    let output = run.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
}

/// Runs shell words in which `vaepipe` is the program; gives the exit code and what was said.
#[cfg(target_os = "linux")]
fn shell(dir: &Workdir, script: &str) -> (Option<i32>, String) {
    let script = script.replace("vaepipe", env!("CARGO_BIN_EXE_vaepipe"));
    let ran = std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path(".")).output().unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn a_stderr_that_is_closed_or_full_changes_no_answer() {
    let dir = with_input(300);
    for stderr in ["2>&-", "2>/dev/full"] {
        for (code, command) in [
            (0, "fit in.parquet --epochs 2 --force"),
            (0, "fit in.parquet --epochs 2 --force -v --log-format json"),
            (2, "fit in.parquet"),
            (2, "fit in.parquet --log-format json"),
            (2, "fit in.parquet --no-such-flag"),
            (2, ""),
        ] {
            assert_eq!(shell(&dir, &format!("vaepipe {command} {stderr}")).0, Some(code), "{command} {stderr}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_is_full_is_a_run_error() {
    let dir = with_input(300);
    for command in
        ["--help", "fit --help", "--version", "man", "completions bash", "fit --print-config", "inspect in.parquet"]
    {
        let (code, said) = shell(&dir, &format!("vaepipe {command} >/dev/full"));
        assert!(code == Some(1) && said.contains("stdout: No space left"), "{command}: {code:?} {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_grow_is_an_ordinary_write_error() {
    let dir = with_input(3000);
    dir.ok("fit in.parquet --epochs 1");
    for (command, target) in [
        ("fit in.parquet --epochs 1 -m new", "new"),
        ("transform in.parquet out.parquet", "out.parquet"),
        ("fit-transform in.parquet out.parquet --epochs 1", "out.parquet"),
    ] {
        let (code, said) = shell(&dir, &format!("ulimit -f 8; exec vaepipe {command}"));
        assert!(code == Some(1) && said.contains(&format!("error: {target}: cannot")), "{command}: {code:?} {said}");
        assert!(!said.contains(".tmp"), "a name that nobody knows: {said}");
        assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"], "{command}");
    }
}

#[test]
fn a_url_with_a_secret_is_refused_and_not_repeated() {
    let dir = with_input(300);
    dir.ok("fit in.parquet --epochs 1");
    dir.ok("transform in.parquet scored.parquet");
    for url in ["https://me:hush@there/a.parquet", "s3://KEY:hush@lake/a.parquet", "https://there/a.parquet?sig=hush"] {
        std::fs::write(dir.path("v.toml"), format!("model = '{url}'\n")).unwrap();
        for arguments in [
            "fit URL",
            "fit in.parquet -m URL",
            "fit in.parquet -m new.safetensors --init URL",
            "fit in.parquet -m new.safetensors --metrics URL",
            "fit-transform in.parquet URL -m new.safetensors",
            "fit-transform in.parquet out.parquet -m URL",
            "transform URL out.parquet",
            "transform in.parquet URL",
            "transform in.parquet out.parquet -m URL",
            "transform in.parquet out.parquet --config v.toml",
            "transform in.parquet out.parquet --metrics-textfile URL",
            "impute URL out.parquet",
            "generate -n 3 URL",
            "traverse out.parquet -m URL",
            "inspect URL",
            "evaluate URL --label x0",
            "drift in.parquet -m URL",
            "drift URL",
            "report URL",
            "report scored.parquet -m URL",
            "report scored.parquet -o URL",
        ] {
            let arguments = format!("{} --verbose", arguments.replace("URL", url));
            let ran = dir.run(&arguments);
            assert!(![ran.stdout(), ran.stderr()].concat().contains("hush"), "{arguments}");
            ran.says(&["***"]);
        }
    }
}
