//! Errors name what is wrong and what to do next.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};

use crate::tables::write;
use crate::targets::with_model;
use crate::workdir::Workdir;

/// Numbers in columns of these names.
fn named(names: &[&str]) -> RecordBatch {
    let column = |n: usize| Arc::new(Float64Array::from_iter_values((0..200).map(|row| (row * (n + 3) % 17) as f64)));
    RecordBatch::try_from_iter(names.iter().enumerate().map(|(n, name)| (name, column(n) as ArrayRef))).unwrap()
}

#[test]
fn inputs_that_are_something_else_are_told_apart() {
    let dir = with_model();
    let model = std::fs::read(dir.path("vae.safetensors")).unwrap();
    std::fs::write(dir.path("half.safetensors"), &model[..model.len() / 2]).unwrap();
    std::fs::write(dir.path("stub.safetensors"), &model[..5]).unwrap();
    std::fs::write(dir.path("t.txt"), "a,b\n1,2\n").unwrap();
    std::fs::create_dir(dir.path("folder")).unwrap();
    for (command, says) in [
        ("inspect half.safetensors", ["half.safetensors: not a usable model", "a model has to be whole"]),
        ("inspect stub.safetensors", ["stub.safetensors: not a usable model", "a model has to be whole"]),
        ("transform in.parquet o -m half.safetensors", ["half.safetensors: not a usable model", "has to be whole"]),
        (
            "fit t.txt -m new",
            ["t.txt: not a Parquet file: it does not end in PAR1", "*.csv, *.tsv, *.ndjson and *.jsonl, also with .gz"],
        ),
        (
            "inspect t.txt",
            ["t.txt: not a Parquet file: it does not end in PAR1", "*.csv, *.tsv, *.ndjson and *.jsonl, also with .gz"],
        ),
    ] {
        dir.fails(65, command).says(&says);
    }
    for command in ["fit folder -m new", "inspect folder", "transform folder o", "fit no*.parquet -m new"] {
        dir.fails(1, command).says(&["has no file to read", "_ or . are left out"]);
    }
    dir.fails(65, "fit - -m new").says(&[
        "-: cannot be read",
        "stdin has to be an Arrow IPC stream or NDJSON, unless --input-format names another",
    ]);
    for command in [
        "fit in.parquet -m -",
        "report in.parquet -o -",
        "fit-transform in.parquet o -m -",
        "fit in.parquet -m new --metrics -",
    ] {
        dir.fails(2, command).says(&["-: writing to stdout is not supported", "./- is one called -"]);
    }
    dir.ok("transform in.parquet ./-");
}

#[cfg(unix)]
#[test]
fn a_pipe_to_read_from_is_refused_and_not_waited_for() {
    let dir = with_model();
    assert!(std::process::Command::new("mkfifo").arg(dir.path("p")).status().unwrap().success());
    for command in ["fit p -m new", "inspect p", "transform p o"] {
        dir.fails(65, command).says(&["p: a pipe or device as input is not supported", "write it to a file first"]);
    }
}

#[test]
fn selections_that_leave_nothing_are_wrong_usage() {
    let dir = with_model();
    for (flags, says) in [
        ("--exclude *", ["exclude: leaves no column to learn", "--exclude takes names, globs"]),
        ("--columns q*", ["columns: leaves no column to learn", "--columns takes names, globs"]),
        ("--columns x0 --exclude x*", ["exclude: leaves no column to learn", "--exclude takes names, globs"]),
        ("--categorical x0", ["cannot be learned as a category", "--categorical takes strings and integers"]),
    ] {
        dir.fails(2, &format!("fit in.parquet -m new {flags}")).says(&says);
        dir.fails(2, &format!("inspect in.parquet {flags}")).says(&says);
    }
}

#[test]
fn typos_are_met_with_near_names() {
    let dir = with_model();
    write(&dir.path("names.parquet"), &named(&["width, m", "height"]), 1000);
    dir.fails(1, "fit in.prquet -m new").says(&["did you mean in.parquet?"]);
    dir.fails(1, "transform in.parquet o -m vae.safetensor").says(&["did you mean vae.safetensors?"]);
    dir.fails(2, "fit in.parquet -m new --exclude nmae").says(&[r#"did you mean "name"?"#, "--exclude named it"]);
    let mut run = dir.command("fit names.parquet -m new --epochs 1 --exclude");
    let said = String::from_utf8(run.arg("width, m").output().unwrap().stderr).unwrap();
    assert!(said.contains(r#"no column "width"; did you mean "width, m"?"#), "{said}");
    assert!(said.contains("--exclude parts its names at commas; write ? for one: 'width? m'"), "{said}");
    // What a model needs, a file has or has not.
    let missing = ["names.parquet: the model needs column \"x0\", which is missing", "`vaepipe inspect`"];
    dir.fails(65, "transform names.parquet o").says(&missing);
    dir.ok_with(&[("VAEPIPE_TRIMM", "1")], "inspect in.parquet").says(&["did you mean VAEPIPE_TRIM?"]);
    for command in ["completions bash", "man", "--help", "--version"] {
        dir.ok_with(&[("VAEPIPE_TRIMM", "1")], command);
    }
}

#[test]
fn names_in_a_file_do_not_write_to_the_terminal() {
    let (dir, long) = (Workdir::new(), "long".repeat(100));
    write(&dir.path("in.parquet"), &named(&["a\u{1b}[31m\n", &long, "z"]), 1000);
    let (fit, model) = (dir.ok("fit in.parquet --epochs 1"), dir.ok("inspect vae.safetensors"));
    let data = dir.ok("inspect in.parquet");
    for ran in [fit, model, data] {
        ran.prints(&["a\\u{1b}[31m\\n", "longlong…"]);
        assert!(!ran.stdout().contains('\u{1b}') && !ran.stderr().contains('\u{1b}'));
        assert!(ran.stdout().lines().all(|line| line.chars().count() < 160), "{}", ran.stdout());
    }
    write(&dir.path("other.parquet"), &named(&["z"]), 1000);
    let failed = dir.fails(65, "transform other.parquet out.parquet");
    assert!(failed.stderr().contains("a\\u{1b}[31m\\n") && !failed.stderr().contains('\u{1b}'));
}
