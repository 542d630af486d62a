//! A folder of its own for each test, and the real executable run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A temporary folder.
pub struct Workdir(tempfile::TempDir);

/// A command that has ended.
pub struct Ran {
    said: String,
    pub output: Output,
}

impl Workdir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of the files in the folder, hidden ones included, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, to be run in the folder with these words as arguments.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(program());
        command.args(arguments.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        // Settings of whoever runs the tests are not the tests'.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("VAEPIPE_") {
                command.env_remove(variable);
            }
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &str) -> Ran {
        self.run_with(&[], arguments)
    }

    /// The same, with these variables in its environment.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &str) -> Ran {
        let output = self.command(arguments).envs(variables.iter().copied()).output().unwrap();
        let said = format!(
            "vaepipe {arguments}\nin {}: {:?}\n{}\nstatus {}\nstdout:\n{}\nstderr:\n{}",
            self.0.path().display(),
            self.names(),
            "-".repeat(40),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ran { said, output }
    }

    /// Runs the program, which must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &str) -> Ran {
        self.fails(0, arguments)
    }

    /// The same, with these variables in its environment.
    #[track_caller]
    pub fn ok_with(&self, variables: &[(&str, &str)], arguments: &str) -> Ran {
        self.run_with(variables, arguments).exits(0)
    }

    /// Runs the program, which must end with this code and leave no temporary file.
    #[track_caller]
    pub fn fails(&self, code: i32, arguments: &str) -> Ran {
        let ran = self.run(arguments).exits(code);
        assert!(!self.names().iter().any(|name| name.contains("vaepipe")), "{}", ran.said);
        ran
    }
}

impl Ran {
    /// A command that was run in some other way.
    pub fn of(arguments: &str, output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Self { said: format!("vaepipe {arguments}\nstatus {}\nstderr:\n{stderr}", output.status), output }
    }

    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.output.stdout).unwrap()
    }

    pub fn stderr(&self) -> &str {
        std::str::from_utf8(&self.output.stderr).unwrap()
    }

    /// Asserts how it ended.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.said);
        self
    }

    /// Asserts that stderr says all of this.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr().contains(part), "no {part:?} in\n{}", self.said);
        }
        self
    }

    /// Asserts that stdout prints all of this.
    #[track_caller]
    pub fn prints(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stdout().contains(part), "no {part:?} in\n{}", self.said);
        }
        self
    }

    /// The last line of stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.stdout().lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}\n{}", self.said))
    }
}

/// The program: the one beside the tests, where both were carried to a machine without cargo, or the one that cargo built.
fn program() -> PathBuf {
    carried("vaepipe").unwrap_or_else(|| env!("CARGO_BIN_EXE_vaepipe").into())
}

/// A file of the repository.
pub fn repository(name: &str) -> PathBuf {
    carried(name).unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

/// A file beside the executable of the tests, if it is there.
fn carried(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name(name);
    beside.exists().then_some(beside)
}
