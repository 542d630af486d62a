//! What goes to stderr, to stdout, and into the file of `--metrics`.

use serde_json::Value;

use crate::model_file::take_apart;
use crate::tables::{curve, write};
use crate::workdir::{Workdir, repository};

fn with_input() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(600), 100);
    dir
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn metrics_get_a_line_an_epoch_with_the_numbers_of_the_model() {
    let dir = with_input();
    dir.ok("fit in.parquet --epochs 4 --metrics m.jsonl");
    dir.ok("fit in.parquet --epochs 3 --metrics m.jsonl --force");
    let lines = json_lines(&std::fs::read_to_string(dir.path("m.jsonl")).unwrap());
    assert_eq!(lines.iter().map(|line| line["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 1, 2, 3]);
    assert!(
        lines[0]["run_id"] == lines[3]["run_id"] && lines[3]["run_id"] != lines[4]["run_id"],
        "appended, and told apart"
    );
    let history = take_apart(&dir.path("vae.safetensors")).0["history"]["epochs"].clone();
    for (line, epoch) in lines[4..].iter().zip(history.as_array().unwrap()) {
        for key in ["epoch", "train_loss", "validation_loss", "kl"] {
            assert_eq!(line[key], epoch[key], "{key}");
        }
    }
    // The last step of a cosine is nearly at its floor of 2 %, and the warm-up is long over.
    let (rate, last) = (lines[6]["lr"].as_f64().unwrap(), &lines[6]);
    assert!((8e-5..2e-4).contains(&rate) && last["beta"] == 1.0 && last["epochs"] == 3, "{last}");
    assert!(last["rows_per_second"].as_f64() > Some(0.0));
}

#[test]
fn the_metrics_file_is_neither_input_nor_output() {
    let dir = with_input();
    dir.fails(2, "fit in.parquet --metrics in.parquet").says(&["is also the input in.parquet"]);
    dir.fails(2, "fit in.parquet -m a --metrics a").says(&["a: is the path of two outputs"]);
    dir.fails(2, "fit-transform in.parquet a --metrics a").says(&["a: is the path of two outputs"]);
    dir.fails(2, "fit in.parquet --metrics .").says(&["not a regular file"]);
    assert_eq!(dir.names(), ["in.parquet"]);
}

#[test]
fn json_logs_are_one_object_a_line_errors_included() {
    let dir = with_input();
    let fit = dir.ok("fit in.parquet --epochs 2 --log-format json");
    let lines = json_lines(fit.stderr());
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    let epoch = lines.iter().find(|line| line["message"].as_str().unwrap().starts_with("epoch 1/2: loss ")).unwrap();
    assert!(epoch["epoch"] == 1 && epoch["epochs"] == 2 && epoch["rows_per_second"].is_f64(), "{epoch}");
    assert!(["train_loss", "validation_loss", "kl"].iter().all(|field| epoch[field].is_f64()), "{epoch}");
    let failed = dir.fails(2, "fit in.parquet --log-format json");
    let last = json_lines(failed.stderr()).pop().unwrap();
    assert_eq!(
        (&last["level"], &last["exit_code"], &last["hint"]),
        (&"ERROR".into(), &2.into(), &"--force replaces it".into())
    );
    assert_eq!(last["message"], "vae.safetensors: already exists");
    // Also of what is wrong before there is a log.
    std::fs::write(dir.path("v.toml"), "lr = 'x'").unwrap();
    for (code, arguments) in [
        (2, "--log-format json"),
        (2, "fit in.parquet --no-such --log-format=json"),
        (2, "fit in.parquet --log-format json --lr x"),
        (78, "fit in.parquet --log-format json --config v.toml"),
        (2, "fit in.parquet --log-format json --print-config --lr -1"),
    ] {
        let line = json_lines(dir.fails(code, arguments).stderr()).pop().unwrap();
        assert_eq!(line["exit_code"], code, "{line}");
    }
    let typo = json_lines(dir.fails(2, "fit in.parquet --log-format json --epoch 3").stderr()).pop().unwrap();
    assert!(typo["hint"].as_str().unwrap().contains("--epochs"), "{typo}");
}

#[test]
fn quiet_is_silent_and_verbose_tells_every_epoch() {
    let dir = with_input();
    let quiet = dir.ok("fit in.parquet --epochs 5 -q");
    assert_eq!((quiet.stdout(), quiet.stderr()), ("", ""));
    let epochs = |ran: &str| ran.lines().filter(|line| line.contains("epoch ")).count();
    // The first and the last, if it is over soon.
    assert_eq!(epochs(dir.ok("fit in.parquet --epochs 5 --force").stderr()), 2);
    assert_eq!(epochs(dir.ok("fit in.parquet --epochs 5 --force -v").stderr()), 5);
    dir.fails(2, "fit in.parquet -q -v").says(&["--quiet"]);
}

#[test]
fn a_log_file_gets_the_log_and_stderr_the_error_alone() {
    let dir = with_input();
    let log = || std::fs::read_to_string(dir.path("run.log")).unwrap();
    let quiet = dir.ok("fit in.parquet --epochs 2 -q --log-file run.log");
    assert_eq!((quiet.stdout(), quiet.stderr()), ("", ""));
    let first = log();
    for part in ["INFO epoch 1/2: loss ", "INFO learned 5 of 7 columns", "Z  INFO model vae.safetensors, "] {
        assert!(first.contains(part), "no {part} in {first}");
    }
    let failed = dir.fails(2, "fit in.parquet --log-file run.log");
    assert_eq!(failed.stderr(), "error: vae.safetensors: already exists\nhint: --force replaces it\n");
    assert!(
        log().starts_with(&first) && log().lines().last().unwrap().contains("ERROR vae.safetensors: already exists")
    );
    // The form is that of the log; a person reads stderr.
    let failed = dir.fails(2, "fit in.parquet --log-file run.jsonl --log-format json --run-id 7");
    assert_eq!(failed.stderr().lines().count(), 2);
    let lines = json_lines(&std::fs::read_to_string(dir.path("run.jsonl")).unwrap());
    assert!(lines.iter().all(|line| line["run_id"] == "7") && lines.last().unwrap()["exit_code"] == 2);
    // The summary is in the log also if stdout has it.
    let loud = dir.ok_with(&[("VAEPIPE_LOG_FILE", "run.log")], "transform in.parquet out.parquet");
    loud.prints(&["wrote     600 rows"]);
    assert!(loud.stderr().is_empty() && log().contains("INFO wrote 600 rows"));
    std::fs::write(dir.path("v.toml"), "log_file = 'other.log'").unwrap();
    dir.ok("inspect in.parquet --config v.toml");
    assert!(dir.path("other.log").exists());
}

#[test]
fn a_log_spoils_no_other_file() {
    let dir = with_input();
    dir.ok("fit in.parquet --epochs 1");
    std::fs::write(dir.path("in.csv"), "a\n1\n").unwrap();
    let before: Vec<_> = dir.names().iter().map(|name| std::fs::read(dir.path(name)).unwrap()).collect();
    for (code, path, says) in [
        (2, "in.parquet", "is not a log"),
        (2, "vae.safetensors", "is not a log"),
        (2, "in.csv", "is not a log"),
        (2, "out.parquet", "is not a log"),
        (2, "-", "stdout is not supported"),
        (1, "missing/run.log", "cannot create"),
        (1, ".", "cannot create"),
    ] {
        let failed = dir.fails(code, &format!("transform in.parquet in.csv out.parquet --log-file {path}"));
        failed.says(&["error: ", path, says]);
    }
    let after: Vec<_> = dir.names().iter().map(|name| std::fs::read(dir.path(name)).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn the_summary_tells_what_was_learned_and_what_comes_next() {
    let dir = with_input();
    let fit = dir.ok("fit in.parquet --epochs 2 --exclude x3");
    let model = std::fs::metadata(dir.path("vae.safetensors")).unwrap().len() as f64 / 1024.0;
    fit.prints(&[
        "learned   4 of 7 columns of 600 rows: x0, x1, x2, flag\n",
        "id: looks like an identifier",
        "name: looks like an identifier: 480 different words",
        "x3: is excluded",
        " of 2 trained, 2 at most\n",
        &format!("model     vae.safetensors, {model:.2} KiB\n"),
        "next      vaepipe transform in.parquet OUTPUT\n",
    ]);
    std::fs::rename(dir.path("in.parquet"), dir.path("my$in.parquet")).unwrap();
    dir.ok("fit my$in.parquet --epochs 1 -m a.safetensors")
        .prints(&["transform 'my$in.parquet' OUTPUT -m a.safetensors\n"]);
}

#[test]
fn colours_are_for_terminals() {
    let dir = with_input();
    for arguments in ["fit none.parquet", "fit in.parquet --epochs 1", "inspect in.parquet", "--help", "fit --no-such"]
    {
        let ran = dir.run(arguments);
        assert!(!ran.stdout().contains('\u{1b}') && !ran.stderr().contains('\u{1b}'), "{arguments}");
    }
    assert!(std::fs::read_to_string(repository(".ci/run")).unwrap().contains("tests/terminal.py"), "the rest is there");
}
