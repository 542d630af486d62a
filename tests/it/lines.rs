//! Lines of JSON through a pipe: each is written as soon as it is read, with the numbers of a file.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use serde_json::{Map, Value, json};

use crate::formats::piped;
use crate::pipes::{self, ends, signal};
use crate::workdir::Workdir;

const ROWS: usize = 300;

/// A line with a number, an integer, a word, a time, a list, an object and a constant.
fn line(n: usize) -> String {
    let x = (n as f64 * 0.7).sin();
    let word = ["red", "blue", "a \\\"quoted\\\" ☃"][n % 3];
    format!(
        "{{\"x\": {x}, \"count\":{},\"word\": \"{word}\",\"at\":\"2024-01-{:02}T{:02}:00:00Z\", \"v\":[{x},{}],\"o\":{{\"y\":{}}},\"fixed\":7}}",
        n * 37 % 101,
        n % 28 + 1,
        n % 24,
        x * x,
        2.0 * x
    )
}

/// A model of such lines, in a file.
fn fitted() -> (Workdir, Vec<String>) {
    let (dir, lines) = (Workdir::new(), (0..ROWS).map(line).collect::<Vec<_>>());
    std::fs::write(dir.path("in.ndjson"), lines.join("\n") + "\n").unwrap();
    dir.ok("fit in.ndjson --epochs 2 --latent-dim 2 --hidden 8");
    (dir, lines)
}

/// The program with its stdin and stdout.
fn start(dir: &Workdir, arguments: &str) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut child = pipes::start(dir, arguments);
    let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    (child, stdin, stdout)
}

fn object(line: &str) -> Map<String, Value> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The new keys of lines, and their values.
fn new_keys(text: &str) -> Vec<Map<String, Value>> {
    let is_new = |key: &String| {
        ["z_", "recon_", "anomaly_", "p_value", "is_anomaly", "top_"].iter().any(|start| key.starts_with(start))
    };
    let new = |line: &str| object(line).into_iter().filter(|(key, _)| is_new(key)).collect::<Map<_, _>>();
    let all: Vec<_> = text.lines().map(new).collect();
    assert!(all.iter().all(|new| new.len() >= 6));
    all
}

#[test]
fn a_line_comes_out_before_the_next_goes_in() {
    let (dir, lines) = fitted();
    dir.ok("transform in.ndjson expected.ndjson");
    let expected = new_keys(&std::fs::read_to_string(dir.path("expected.ndjson")).unwrap());
    let (child, mut stdin, mut stdout) = start(&dir, "transform --lines - -");
    for (sent, expected) in lines.iter().zip(&expected).take(40) {
        stdin.write_all(format!("{sent}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut got = String::new();
        stdout.read_line(&mut got).unwrap();
        // As it was written, up to the new keys.
        assert!(got.starts_with(&format!("{},\"z_0\":", sent.strip_suffix('}').unwrap())), "{got}");
        assert_eq!(&new_keys(&got)[0], expected);
    }
    drop(stdin);
    assert!(stdout.lines().next().is_none());
    assert_eq!(ends(child).0, Some(0));
}

#[test]
fn lines_have_the_numbers_of_the_file_however_they_arrive() {
    let (dir, lines) = fitted();
    for flags in ["", "--std --score all --explain 2 --explain-rows all", "--contamination 0.1"] {
        dir.ok(&format!("transform in.ndjson expected.ndjson --force {flags}"));
        let expected = new_keys(&std::fs::read_to_string(dir.path("expected.ndjson")).unwrap());
        let ran = piped(&dir, &format!("transform --lines - - {flags}"), (lines.join("\n") + "\n").as_bytes()).exits(0);
        assert_eq!(new_keys(ran.stdout()), expected, "{flags}");
        // A last line without its end is a line.
        let ran = piped(&dir, &format!("transform --lines - - --threads 1 {flags}"), lines.join("\n").as_bytes());
        assert_eq!(new_keys(ran.exits(0).stdout()), expected, "{flags}");
        dir.ok(&format!("transform --lines in.ndjson out.ndjson --force {flags}"));
        assert_eq!(new_keys(&std::fs::read_to_string(dir.path("out.ndjson")).unwrap()), expected, "{flags}");
    }
    // A Parquet file of the same values has them as well.
    let ran = dir.ok("drift in.ndjson --summary json").json();
    let by_line = dir.ok("transform --lines in.ndjson out.ndjson --force --summary json").json();
    assert_eq!(by_line["drift"]["rows"], ran["drift"]["rows"]);
    assert_eq!((&by_line["rows"], &by_line["files"]), (&json!(ROWS), &json!(1)));
}

#[test]
fn keys_stay_as_they_are_and_a_missing_one_is_null() {
    let (dir, _) = fitted();
    let sent = [
        r#"{ "extra" : [1, {"b":2e0}], "x":0.25,"count":4,"word":"red" }"#,
        r#"{}"#,
        r#"{"x":null,"other":12345678901234567890123, "word":"blue"}"#,
        "",
        r#"  {"o":{"y":1,"more":[]},"x":1.50}  "#,
    ];
    let ran = piped(&dir, "transform --lines - -", sent.join("\r\n").as_bytes()).exits(0);
    let got: Vec<&str> = ran.stdout().lines().collect();
    assert_eq!(got.len(), 4, "a blank line is none");
    assert!(got[0].starts_with(r#"{ "extra" : [1, {"b":2e0}], "x":0.25,"count":4,"word":"red","z_0":"#), "{}", got[0]);
    assert!(got[1].starts_with(r#"{"z_0":"#), "{}", got[1]);
    assert!(got[2].starts_with(r#"{"x":null,"other":12345678901234567890123, "word":"blue","z_0":"#));
    assert!(got[3].starts_with(r#"{"o":{"y":1,"more":[]},"x":1.50,"z_0":"#));
    assert!(object(got[1])["anomaly_score"].is_null() && object(got[0])["anomaly_score"].is_number());
    let ran = piped(&dir, "transform --lines - - --keep x,word --prefix new_", sent[0].as_bytes()).exits(0);
    assert!(ran.stdout().starts_with(r#"{"x":0.25,"word":"red","new_z_0":"#), "{}", ran.stdout());
    let ran = piped(&dir, "transform --lines - - --drop-features", sent[0].as_bytes()).exits(0);
    assert!(ran.stdout().starts_with(r#"{"extra":[1, {"b":2e0}],"z_0":"#), "{}", ran.stdout());
}

#[test]
fn a_value_of_another_type_is_read_as_what_it_is_and_changes_no_other_line() {
    let (dir, mut lines) = fitted();
    lines.truncate(50);
    let plain = piped(&dir, "transform --lines - -", lines.join("\n").as_bytes()).exits(0);
    let before = new_keys(plain.stdout());
    // An integer with decimals, and a time with decimals and another offset.
    lines[20] = lines[20].replace("\"count\":33", "\"count\":33.5");
    lines[30] = lines[30].replace("06:00:00Z", "08:00:00.000+02:00");
    let ran = piped(&dir, "transform --lines - -", lines.join("\n").as_bytes()).exits(0);
    let after = new_keys(ran.stdout());
    for (n, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before == after, n != 20, "{n}");
    }
    // The same number in another spelling is the same number.
    lines[20] = lines[20].replace("33.5", "33.0");
    let ran = piped(&dir, "transform --lines - -", lines.join("\n").as_bytes()).exits(0);
    assert_eq!(new_keys(ran.stdout()), before);
}

#[test]
fn a_constant_that_changes_is_as_surprising_as_in_a_file() {
    let (dir, mut lines) = fitted();
    for value in ["8", "\"seven\"", "[7]", "null", "7.0"] {
        lines[5] = line(5).replace("\"fixed\":7", &format!("\"fixed\":{value}"));
        if value == "[7]" {
            // In a file it would change the type of all values.
            piped(&dir, "transform --lines - -", lines.join("\n").as_bytes()).exits(0);
            continue;
        }
        std::fs::write(dir.path("next.ndjson"), lines.join("\n")).unwrap();
        dir.ok("transform next.ndjson expected.ndjson --force");
        let ran = piped(&dir, "transform --lines - -", lines.join("\n").as_bytes()).exits(0);
        let expected = new_keys(&std::fs::read_to_string(dir.path("expected.ndjson")).unwrap());
        assert_eq!(new_keys(ran.stdout()), expected, "{value}");
    }
}

#[test]
fn a_bad_line_is_an_error_with_its_number_after_the_lines_before_it() {
    let (dir, lines) = fitted();
    for (bad, says) in [
        ("{\"x\": 1", "-, line 4: not valid JSON at column 7"),
        ("[1]", "-, line 4: not a JSON object"),
        ("{\"z_0\": 1}", "-, line 4: it has the key \"z_0\" of a new column"),
        ("{\"x\": \"much\"}", "-, column \"x\", line 4: has \"much\", which is not a number"),
        ("{\"x\": 1} {\"x\": 2}", "-, line 4: not valid JSON"),
    ] {
        let text = [&lines[..2].join("\n"), "", bad, &lines[2..5].join("\n")].join("\n");
        let ran = piped(&dir, "transform --lines - -", text.as_bytes()).exits(65);
        ran.says(&[says]);
        assert_eq!(ran.stdout().lines().count(), 2, "{bad}");
        let ran = piped(&dir, "transform --lines - - --csv-bad-lines skip", text.as_bytes()).exits(0);
        ran.says(&[&format!("lines skipped: 1; the first is {}", says)]);
        assert_eq!(ran.stdout().lines().count(), 5, "{bad}");
        std::fs::write(dir.path("bad.ndjson"), &text).unwrap();
        dir.fails(65, "transform --lines bad.ndjson out.ndjson");
        assert!(!dir.path("out.ndjson").exists());
    }
    let text = [lines[0].as_bytes(), b"\n{\"word\": \"\xff\"}\n"].concat();
    piped(&dir, "transform --lines - -", &text).exits(65).says(&["-, line 2: it is not UTF-8"]);
    piped(&dir, "transform --lines - -", b"{\"z_0\": 1}").exits(65).says(&["--prefix NAME puts NAME before"]);
    piped(&dir, "transform --lines - - --prefix new_", b"{\"z_0\": 1}").exits(0);
}

#[test]
fn many_files_are_read_in_order_and_one_is_written() {
    let (dir, lines) = fitted();
    std::fs::create_dir(dir.path("parts")).unwrap();
    std::fs::write(dir.path("parts/a.ndjson"), lines[..100].join("\n")).unwrap();
    std::fs::write(dir.path("parts/b.ndjson"), lines[100..].join("\n")).unwrap();
    assert!(std::process::Command::new("gzip").arg(dir.path("parts/b.ndjson")).status().unwrap().success());
    dir.ok("transform --lines parts out.jsonl.gz");
    dir.ok("transform --lines in.ndjson whole.ndjson");
    assert!(std::process::Command::new("gunzip").arg(dir.path("out.jsonl.gz")).status().unwrap().success());
    assert!(std::fs::read(dir.path("out.jsonl")).unwrap() == std::fs::read(dir.path("whole.ndjson")).unwrap());
    dir.fails(2, "transform --lines in.ndjson out.parquet").says(&["call it *.ndjson or *.jsonl"]);
    dir.fails(2, "transform --lines in.ndjson parts/").says(&["a directory as output of lines"]);
    dir.fails(2, "transform --lines in.ndjson - --fdr 0.1").says(&["a false discovery rate, which takes two passes"]);
    for flags in ["--where x>0", "--output-format csv", "--compression gzip", "--input-format csv"] {
        dir.fails(2, &format!("transform --lines in.ndjson - {flags}")).says(&["cannot be used with"]);
    }
    assert_eq!(dir.ok("transform --lines in.ndjson whole.ndjson --skip-existing --summary json").json()["skipped"], 1);
    piped(&dir, "transform --lines - -", b"").exits(0);
}

#[test]
fn it_ends_at_a_signal_and_with_its_reader() {
    let (dir, lines) = fitted();
    let (child, mut stdin, mut stdout) = start(&dir, "transform --lines - -");
    stdin.write_all(format!("{}\n", lines[0]).as_bytes()).unwrap();
    let mut got = String::new();
    stdout.read_line(&mut got).unwrap();
    signal(&child, "TERM");
    assert_eq!(stdout.lines().count(), 0);
    let (code, said) = ends(child);
    assert_eq!(code, Some(143), "{said}");
    drop(stdin);

    let (child, mut stdin, mut stdout) = start(&dir, "transform --lines - -");
    stdin.write_all(format!("{}\n", lines[0]).as_bytes()).unwrap();
    stdout.read_line(&mut got).unwrap();
    drop(stdout);
    let feeding = std::thread::spawn(move || while stdin.write_all(format!("{}\n", lines[1]).as_bytes()).is_ok() {});
    let (code, said) = ends(child);
    feeding.join().unwrap();
    assert_eq!(code, Some(141), "{said}");
    assert!(!said.contains("error") && !said.contains("panicked"), "{said}");
}
