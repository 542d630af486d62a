//! What the program says of itself.

use std::process::Command;

use crate::workdir::{Workdir, repository};

const COMMANDS: [&str; 18] = [
    "fit",
    "transform",
    "fit-transform",
    "inspect",
    "impute",
    "reconstruct",
    "generate",
    "traverse",
    "drift",
    "feedback",
    "compare",
    "thresholds",
    "evaluate",
    "report",
    "export",
    "schema",
    "completions",
    "man",
];

#[test]
fn every_help_starts_with_a_line_and_an_example() {
    let dir = Workdir::new();
    for command in COMMANDS.iter().chain(&[""]) {
        let help = dir.ok(&format!("{command} --help"));
        let lines: Vec<&str> = help.stdout().lines().collect();
        assert!(!lines[0].is_empty() && lines[0].len() <= 125 && lines[1].is_empty(), "{command}: {}", lines[0]);
        let example = format!("Example: {}", if *command == "completions" { "source <(vaepipe" } else { "vaepipe " });
        assert!(lines[2].starts_with(&example) && lines[2].contains(command), "{command}: {}", lines[2]);
        let short = dir.ok(&format!("{command} -h"));
        assert!(short.stdout().lines().count() < lines.len(), "{command} -h is the short one");
    }
    assert!(dir.ok("--help").stdout().contains("Exit codes: 0 done;"));
}

#[test]
fn every_flag_with_a_value_states_its_default() {
    let dir = Workdir::new();
    let flags = dir.ok("fit -h").stdout().replace("\n          ", " ");
    // Those without which nothing is named, limited or written.
    let free = ["--columns", "--exclude", "--categorical", "--map", "--metrics", "--config", "--where"];
    for line in flags.lines().map(str::trim).filter(|line| line.contains(" <") && line.starts_with('-')) {
        assert!(line.contains("[default: ") || free.iter().any(|flag| line.starts_with(flag)), "{line}");
    }
}

#[test]
fn the_presets_defaults_are_the_stated_ones() {
    let dir = Workdir::new();
    let help = dir.ok("fit --help").stdout().split_whitespace().collect::<Vec<_>>().join(" ");
    for preset in ["reduce", "anomaly"] {
        let printed = dir.ok(&format!("fit --print-config --preset {preset}"));
        let chosen: Vec<&str> = printed.stdout().lines().filter(|line| line.ends_with("# preset")).collect();
        assert!(chosen.len() >= 8);
        for line in chosen {
            let (key, value) = line.split_once(" = ").unwrap();
            let flag = help.split(&format!("--{} <", key.replace('_', "-"))).nth(1).unwrap();
            let default = flag.split("[default: ").nth(1).unwrap().split(']').next().unwrap();
            let value = value.split("  # ").next().unwrap().trim().trim_matches('"').trim_end_matches(".0");
            let stated = default.split("; with --preset anomaly ").collect::<Vec<_>>();
            let stated = if preset == "anomaly" { stated.last() } else { stated.first() };
            assert_eq!(stated, Some(&value), "{key} of {preset}: {default}");
        }
    }
}

#[test]
fn flags_stand_under_headings() {
    let help = Workdir::new().ok("fit --help").stdout().to_owned();
    let at = |heading: &str| help.find(&format!("\n{heading}:\n")).unwrap_or_else(|| panic!("no {heading}"));
    let headings = ["Columns", "Model", "Training", "Run", "Log and configuration"];
    for (flag, heading) in [("--exclude", 0), ("--hidden", 1), ("--lr", 2), ("--threads", 3), ("--config", 4)] {
        let flag = help.find(&format!("{flag} <")).unwrap();
        let under = headings.iter().filter(|heading| at(heading) < flag).max_by_key(|heading| at(heading));
        assert_eq!(under, Some(&headings[heading]));
    }
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let dir = Workdir::new();
    for (shell, says) in
        [("bash", "complete -F _vaepipe"), ("zsh", "#compdef vaepipe"), ("fish", "complete -c vaepipe")]
    {
        let script = dir.ok(&format!("completions {shell}"));
        script.prints(&[says, "fit-transform", "latent-dim"]);
        std::fs::write(dir.path(shell), script.stdout()).unwrap();
        // Where the shell is at hand, it must be able to read it.
        if let Ok(read) = Command::new(shell).arg("-n").arg(dir.path(shell)).output() {
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    dir.fails(2, "completions cmd").says(&["bash"]);
}

#[test]
fn manual_pages_hold_every_flag() {
    let dir = Workdir::new();
    dir.ok("man").prints(&[".TH vaepipe 1", "Exit codes"]);
    for command in COMMANDS {
        let (page, help) = (dir.ok(&format!("man {command}")), dir.ok(&format!("{command} --help")));
        page.prints(&[&format!(".TH vaepipe-{command} 1")]);
        let page = page.stdout().replace("\\-", "-");
        for flag in help.stdout().split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2) {
            let flag = flag.trim_end_matches(|c: char| !c.is_alphanumeric()).split('[').next().unwrap();
            assert!(page.contains(flag), "man {command} lacks {flag}");
        }
    }
    dir.fails(2, "man fitt").says(&[r#"no command "fitt""#]);
}

#[test]
fn typos_of_commands_and_flags_are_met_with_near_names() {
    let dir = Workdir::new();
    dir.fails(2, "transfrom a b").says(&["transform"]);
    dir.fails(2, "fit a --latent-dims 3").says(&["--latent-dim"]);
    dir.fails(2, "fit a --scale robst").says(&["robust"]);
}

#[test]
fn the_readme_lists_every_command_and_the_book_every_exit_code() {
    let (dir, readme) = (Workdir::new(), std::fs::read_to_string(repository("README.md")).unwrap());
    for command in COMMANDS {
        assert!(readme.contains(&format!("| `vaepipe {command}")), "{command}");
    }
    let operations = std::fs::read_to_string(repository("docs/operations.md")).unwrap();
    let help = dir.ok("--help").stdout().replace('\n', " ");
    let codes = help.split("Exit codes: ").nth(1).unwrap();
    for code in codes.split(|c: char| !c.is_numeric()).filter(|code| !code.is_empty()) {
        assert!(operations.contains(&format!("| {code} |")), "exit code {code}");
    }
}
