//! Full or closed stdout and stderr: a lost log changes nothing, a result that cannot be written is an error.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::{Command, Stdio};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(600), 100);
    dir.ok("fit in.parquet --epochs 1");
    dir
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// The program by way of a shell that closes what is redirected so.
fn closed(dir: &Workdir, arguments: &str, redirected: &str) -> Command {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_vaepipe");
    command.args(["-c", &format!("exec {program} {arguments} {redirected}")]).current_dir(dir.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Commands and their exit codes.
const COMMANDS: [(&str, i32); 24] = [
    ("fit in.parquet --epochs 2 --force -m new", 0),
    ("fit in.parquet --epochs 2 --force -m new -v --log-format json", 0),
    ("fit-transform in.parquet out.parquet --epochs 1 --force", 0),
    ("transform in.parquet out.parquet --force", 0),
    ("transform in.parquet out.parquet --force --log-format json", 0),
    ("transform in.parquet - --summary json", 0),
    ("transform in.parquet - -v", 0),
    ("fit-transform in.parquet - --epochs 1 --summary json", 0),
    ("transform missing.parquet out.parquet", 1),
    ("transform missing.parquet out.parquet --log-format json", 1),
    ("transform in.parquet in.parquet", 2),
    ("inspect in.parquet", 0),
    ("inspect vae.safetensors", 0),
    ("drift in.parquet", 0),
    ("impute in.parquet out.parquet --force", 0),
    ("reconstruct in.parquet out.parquet --force", 0),
    ("generate -n 10 out.parquet --force", 0),
    ("schema in.parquet", 0),
    ("completions bash", 0),
    ("--help", 0),
    ("--version", 0),
    ("transform --help", 0),
    ("transform --no-such", 2),
    ("fit in.parquet --print-config", 0),
];

#[test]
fn a_log_that_nobody_reads_changes_nothing() {
    let dir = fitted();
    for (arguments, code) in COMMANDS {
        let mut read = dir.command(arguments);
        let status = read.stdout(Stdio::null()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments} 2>/dev/full");
        let ended = closed(&dir, arguments, ">/dev/null 2>&-").status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments} 2>&-");
    }
    let scored = |stderr: Stdio| dir.command("transform in.parquet -").stderr(stderr).output().unwrap().stdout;
    assert!(scored(full()) == scored(Stdio::null()));
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let dir = fitted();
    let fits = |arguments: &str| arguments.starts_with("fit in") && !arguments.contains("print-config");
    for (arguments, code) in COMMANDS {
        let expected = if code == 0 { 1 } else { code };
        let output = dir.command(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{arguments} >/dev/full\n{said}");
        assert!(code != 0 || said.contains("No space left"), "{arguments}: {said}");
        // What was made is there all the same.
        assert!(!fits(arguments) || dir.path("new").exists());
        // Both at once.
        let status = dir.command(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(expected), "{arguments} >/dev/full 2>/dev/full");
    }
}

#[test]
fn a_reader_of_results_that_went_away_ends_them_quietly() {
    let dir = fitted();
    for arguments in ["inspect in.parquet", "drift in.parquet", "--help", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = dir.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(141), "{arguments}: {said}");
        assert!(!said.contains("error") && !said.contains("panicked"), "{arguments}: {said}");
    }
}
