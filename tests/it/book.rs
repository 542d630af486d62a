//! The README and the book, run as a reader runs them: each page from top to bottom, in a folder of its own beside the
//! sample data. What a page shows of a command's output is what the command prints, up to what differs between machines.
//!
//! `BOOK_UPDATE=1 cargo test --release --test it book::` writes the real outputs into the pages. With
//! `BOOK_PYTHON=/path/to/python`, of an environment with the wheel and its test packages, Python blocks run as well; a block
//! ```` ```text printed ```` below one is what it prints.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::readme::book;
use crate::workdir::{Workdir, repository};

/// Why a block of commands is not run here: what follows `no_run:` behind its language.
const REASONS: [&str; 8] = [
    "compiles for minutes",
    "needs a release",
    "needs Docker",
    "needs a GPU",
    "needs an object store",
    "needs a message queue",
    "needs a cluster",
    "writes to the home folder",
];

/// Languages of blocks. Those of the second line are checked elsewhere, or are no code of ours.
const LANGUAGES: [&str; 9] = [
    "sh", "text", "python", //
    "rust", "toml", "json", "ini", "sql", "html",
];

/// A fenced block of a page.
#[derive(Debug, PartialEq)]
struct Block<'a> {
    language: &'a str,
    note: &'a str,
    text: &'a str,
    /// The line of its fence, counted from 1.
    line: usize,
}

/// A command of a page, with what the page shows of its output.
#[derive(Debug, PartialEq)]
struct Shown<'a> {
    command: String,
    output: Vec<&'a str>,
}

/// The fenced blocks of a page, in their order.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut open, mut offset) = (Vec::new(), None, 0);
    for (n, line) in page.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if let Some(info) = line.strip_prefix("```").map(str::trim) {
            open = match open {
                None => Some((info, end, n + 1)),
                Some((info, start, line)) => {
                    let (language, note) = info.split_once([' ', ',']).unwrap_or((info, ""));
                    blocks.push(Block { language, note, text: &page[start..offset], line });
                    None
                }
            };
        }
        offset = end;
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The commands of a transcript, each behind `$ ` and continued by `\`, with the lines below it.
fn transcript(text: &str) -> Vec<Shown<'_>> {
    let mut shown: Vec<Shown> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), shown.last_mut()) {
            (Some(command), _) => shown.push(Shown { command: command.to_owned(), output: Vec::new() }),
            (None, Some(last)) if last.output.is_empty() && last.command.ends_with('\\') => {
                last.command.push('\n');
                last.command.push_str(line);
            }
            (None, Some(last)) => last.output.push(line),
            (None, None) => {}
        }
    }
    shown
}

/// A line without its numbers, hashes and widths: times and machines differ.
fn masked(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            words.push("#".to_owned());
            continue;
        }
        let (mut masked, mut chars) = (String::new(), word.chars().peekable());
        while let Some(c) = chars.next() {
            let number = c.is_ascii_digit() || matches!(c, '+' | '-') && chars.peek().is_some_and(char::is_ascii_digit);
            if number {
                while chars.next_if(|&c| c.is_ascii_digit() || matches!(c, '.' | ',' | 'e')).is_some() {}
            }
            masked.push(if number { '#' } else { c });
        }
        words.push(masked);
    }
    words.join(" ")
}

/// The lines of an output that are the same on any machine, up to numbers. Another processor rounds otherwise, so that what
/// a model learned may come in another order, and what stands indented below a line may differ.
fn stable(lines: &[&str]) -> Vec<String> {
    let details = |line: &str| line.is_empty() || line.starts_with(' ') || line.ends_with("drifts") || line == "…";
    let mut stable: Vec<String> = lines.iter().filter(|line| !details(line)).map(|line| masked(line)).collect();
    stable.sort();
    stable
}

/// Whether a page shows these lines: all of them, or some if it has a line `…`.
fn shows(shown: &[&str], printed: &[&str]) -> bool {
    let (cut, shown, printed) = (shown.contains(&"…"), stable(shown), stable(printed));
    if cut { shown.iter().all(|line| printed.contains(line)) } else { shown == printed }
}

/// What a reader sees of a command on a terminal: what it prints, then its warnings and errors, without their time.
fn printed(output: &Output) -> String {
    let mut lines = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.contains(" INFO ")) {
        lines += line.find("WARN ").map_or(line, |at| &line[at..]);
        lines.push('\n');
    }
    lines
}

/// These lines as a page is to show them. A time stays as it is there, since it is another each time.
fn with_old_time(shown: &[&str], printed: &[&str]) -> String {
    let is_time = |line: &&&str| line.starts_with("time ");
    let (old, new) = (shown.iter().find(is_time), printed.iter().find(is_time));
    let same = old.zip(new).is_some_and(|(old, new)| masked(old) == masked(new));
    let keep = |line: &&str| if same && is_time(&line) { *old.unwrap_or(line) } else { *line }.to_owned() + "\n";
    printed.iter().map(keep).collect()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let built = Path::new(env!("CARGO_BIN_EXE_vaepipe")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VAEPIPE_")) {
        command.env_remove(variable);
    }
    command.args(arguments).env("PATH", path).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// Runs the commands of a transcript and compares what they print, and gives it as it is to be.
fn run_transcript(folder: &Path, at: &str, text: &str) -> String {
    let mut renewed = String::new();
    for shown in transcript(text) {
        let ran = run(folder, "bash", &["-c", &shown.command]);
        let (printed, fails) = (printed(&ran), shown.output.iter().any(|line| line.starts_with("error: ")));
        let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
        writeln!(renewed, "$ {}", shown.command).unwrap();
        if std::env::var_os("BOOK_UPDATE").is_none() || shown.output.contains(&"…") {
            assert_eq!(ran.status.success(), !fails, "{at}: {}\n{printed}", shown.command);
            let hint = "BOOK_UPDATE=1 writes it into the page";
            assert!(shows(&shown.output, &lines), "{at}: {} prints\n{printed}{hint}", shown.command);
            shown.output.iter().for_each(|line| writeln!(renewed, "{line}").unwrap());
        } else {
            renewed += &with_old_time(&shown.output, &lines);
        }
    }
    renewed
}

/// Runs a page. Its blocks see the files that earlier ones wrote.
fn run_page(name: &str) {
    let (dir, page) = (Workdir::new(), std::fs::read_to_string(repository(name)).unwrap());
    for shared in ["sample_data", "examples"] {
        std::os::unix::fs::symlink(repository(shared), dir.path(shared)).unwrap();
    }
    let mut updated = page.clone();
    let mut said = None;
    for block in blocks(&page) {
        let at = format!("{name}:{}", block.line);
        let skipped = block.note.strip_prefix("no_run").map(|reason| reason.trim_start_matches(':').trim());
        match (block.language, skipped) {
            ("sh" | "python", Some(reason)) => assert!(REASONS.contains(&reason), "{at}: no reason {reason:?}"),
            ("sh", None) => {
                let ran = run(&dir.path(""), "bash", &["-ec", block.text]);
                assert!(ran.status.success(), "{at}: {}\n{}", ran.status, printed(&ran));
            }
            ("python", None) => {
                let Ok(python) = std::env::var("BOOK_PYTHON") else { continue };
                let ran = run(&dir.path(""), &python, &["-X", "utf8", "-c", block.text]);
                assert!(ran.status.success(), "{at}: {}\n{}", ran.status, printed(&ran));
                said = Some(printed(&ran));
            }
            ("text", _) if block.note == "printed" => {
                let Some(said) = said.take() else { continue };
                let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
                assert!(shows(&block.text.lines().collect::<Vec<_>>(), &lines), "{at}: Python prints\n{said}");
            }
            ("text", _) if block.text.contains("$ ") => {
                assert!(block.text.starts_with("$ "), "{at}: a transcript begins with a command");
                let text = run_transcript(&dir.path(""), &at, block.text);
                updated = updated.replacen(&format!("{}```", block.text), &format!("{text}```"), 1);
            }
            _ => {}
        }
    }
    if updated != page {
        std::fs::write(repository(name), updated).unwrap();
    }
}

/// A test for each page that has commands, so that they run beside each other.
macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $test() {
                run_page($page);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    index: "docs/index.md",
    install: "docs/install.md",
    choosing: "docs/choosing.md",
    columns: "docs/columns.md",
    sequences: "docs/sequences.md",
    missing_values: "docs/missing-values.md",
    scores: "docs/scores.md",
    latents: "docs/latents.md",
    report: "docs/report.md",
    pipelines: "docs/pipelines.md",
    onnx: "docs/onnx.md",
    operations: "docs/operations.md",
    cuda: "docs/cuda.md",
    formats: "docs/formats.md",
    output: "docs/output.md",
    model: "docs/model.md",
    python: "docs/python.md",
    library: "docs/library.md",
}

#[test]
fn every_page_is_run_and_listed() {
    let contents = std::fs::read_to_string(repository("mkdocs.yml")).unwrap();
    for page in book() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(PAGES.contains(&format!("docs/{name}").as_str()), "{name}: its commands are not run");
        assert!(contents.contains(&format!(": {name}\n")), "{name}: not in mkdocs.yml");
    }
    for page in PAGES {
        let text = std::fs::read_to_string(repository(page)).unwrap();
        assert!(
            !text.lines().any(|line| line.trim() != line && line.trim().starts_with("```")),
            "{page}: indented block"
        );
        for block in blocks(&text) {
            assert!(LANGUAGES.contains(&block.language), "{page}:{}: a block of {:?}", block.line, block.language);
        }
    }
}

#[test]
fn blocks_have_a_language_a_note_and_a_place() {
    let page = "a\n```sh\nls\n```\n```sh no_run: needs a GPU\nx\n\ny\n```\n```rust,no_run\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], Block { language: "sh", note: "", text: "ls\n", line: 2 });
    assert_eq!(found[1], Block { language: "sh", note: "no_run: needs a GPU", text: "x\n\ny\n", line: 5 });
    assert_eq!(found[2], Block { language: "rust", note: "no_run", text: "", line: 10 });
}

#[test]
fn transcripts_are_commands_with_their_outputs() {
    let shown = transcript("before\n$ a \\\n  b\none\n\ntwo\n$ c\n");
    assert_eq!(shown[0], Shown { command: "a \\\n  b".to_owned(), output: vec!["one", "", "two"] });
    assert_eq!(shown[1], Shown { command: "c".to_owned(), output: vec![] });
}

#[test]
fn outputs_are_compared_up_to_their_numbers() {
    assert_eq!(masked("loss   -12.5 nats, 1,234 rows/s"), masked("loss 3 nats, 99 rows/s"));
    assert_eq!(masked("mean 1.36e9"), masked("mean 4"));
    assert_ne!(masked("3 rows"), masked("3 columns"));
    let printed = ["wrote 5 rows", "      2 more", "dest R² 0.2", "air_time R² 0.4"];
    assert!(shows(&["wrote 7 rows", "air_time R² 0.1", "dest R² 0.3"], &printed), "order and details may differ");
    assert!(shows(&["wrote 7 rows", "…"], &printed) && shows(&["…"], &printed));
    assert!(!shows(&["wrote 7 rows"], &printed), "what is left out is marked");
    assert!(!shows(&["wrote 7 columns", "…"], &printed) && !shows(&["error: x"], &["error: y"]));
}
