//! What happens in a year of cron: kills, full disks, folders and inputs that go away. Whatever it is, the output is
//! absent or complete, the next run leaves no temporary file, and what was begun is finished to the same bytes.
//!
//! Here in short; `cargo test --release --test it -- --ignored --nocapture at_length` does it at length.

mod disks;
mod folders;
mod inputs;
mod kills;
mod many;

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::tables::{Uniform, curve, write};
use crate::workdir::Workdir;

/// A command, what it reads, what it writes, and what is to be found there in the end.
struct Job {
    dir: Workdir,
    arguments: &'static str,
    /// What completes it after a failure.
    again: &'static str,
    outputs: Vec<Output>,
    /// How long it takes when nothing disturbs it.
    takes: Duration,
}

/// A file that is absent or holds these bytes.
struct Output {
    name: String,
    whole: Vec<u8>,
}

/// Commands in all the ways they write.
const JOBS: [(&str, &str); 5] = [
    (
        FIT,
        "fit in.parquet --epochs 30 --patience 0 --hidden 32 --checkpoint-minutes 0.0002 -m new.safetensors --resume --force",
    ),
    ("transform in.parquet out.parquet", "transform in.parquet out.parquet --force"),
    ("transform in.parquet out.arrow", "transform in.parquet out.arrow --force"),
    ("transform lake scored/", "transform lake scored/ --skip-existing"),
    ("impute in.parquet out.parquet --samples 8", "impute in.parquet out.parquet --samples 8 --force"),
];
const FIT: &str = "fit in.parquet --epochs 30 --patience 0 --hidden 32 --checkpoint-minutes 0.0002 -m new.safetensors";

impl Job {
    /// Each of [`JOBS`] in a folder of its own, with what it writes when nothing disturbs it.
    fn all() -> Vec<Self> {
        JOBS.map(|(arguments, again)| Self::new(arguments, again)).into()
    }

    fn new(arguments: &'static str, again: &'static str) -> Self {
        let dir = Workdir::new();
        let rows = curve(10_000);
        write(&dir.path("in.parquet"), &rows, 2000);
        dir.ok("fit in.parquet --epochs 1");
        std::fs::create_dir(dir.path("lake")).unwrap();
        for part in 0..4 {
            write(&dir.path(&format!("lake/{part}.parquet")), &rows.slice(part * 2500, 2500), 1000);
        }
        let before = files(&dir.path("."));
        let start = Instant::now();
        dir.ok(arguments);
        let takes = start.elapsed();
        let new = files(&dir.path(".")).into_iter().filter(|name| !before.contains(name));
        let outputs: Vec<_> = new.map(|name| Output { whole: std::fs::read(dir.path(&name)).unwrap(), name }).collect();
        assert!(!outputs.is_empty());
        let job = Self { dir, arguments, again, outputs, takes };
        job.clear();
        job
    }

    /// Removes what it wrote.
    fn clear(&self) {
        for Output { name, .. } in &self.outputs {
            let _ = std::fs::remove_file(self.dir.path(name));
        }
        let _ = std::fs::remove_dir(self.dir.path("scored"));
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.dir.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Every output is absent or complete. Gives how many are there.
    #[track_caller]
    fn is_sound(&self, when: &str) -> usize {
        let there = self.outputs.iter().filter(|output| self.dir.path(&output.name).exists());
        there
            .inspect(|Output { name, whole }| {
                let found = std::fs::read(self.dir.path(name)).unwrap();
                assert!(found == *whole, "{}: {when}: {name} is neither absent nor complete", self.arguments);
            })
            .count()
    }

    /// The run after it finishes the work, with the same bytes, and nothing else is left.
    #[track_caller]
    fn is_finished_by_the_next(&self, when: &str) {
        self.dir.run(self.again).exits(0);
        assert_eq!(self.is_sound(when), self.outputs.len(), "{}: {when}", self.arguments);
        let hidden =
            files(&self.dir.path(".")).into_iter().filter(|name| name.split('/').any(|part| part.starts_with('.')));
        // A lock file holds nothing, and may outlive a holder that was killed until somebody takes it again.
        let left: Vec<_> = hidden.filter(|name| !name.ends_with(".lock")).collect();
        assert!(left.is_empty(), "{}: {when}: {left:?} is left", self.arguments);
    }
}

/// Every file below a folder, by its path there, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path()).into_iter().map(|file| format!("{name}/{file}"))),
            false => found.push(name),
        }
    }
    found.sort();
    found
}

/// A moment within `takes`, at random.
fn moment(random: &mut Uniform, takes: Duration) -> Duration {
    takes.mul_f64((random.next() + 1.0) / 2.0)
}

/// An ordinary end: done, failed, or bad data; no panic, no signal.
#[track_caller]
fn ends_in_order(mut run: Child, when: &str) -> ExitStatus {
    use std::io::Read;
    let mut said = String::new();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = run.wait().unwrap();
    let fine = matches!(status.code(), Some(0 | 1 | 65)) && !said.contains("panicked");
    assert!(fine, "{when}: {status}\n{said}");
    assert!(status.success() || said.contains("error: "), "{when}: {status} without a word\n{said}");
    status
}
