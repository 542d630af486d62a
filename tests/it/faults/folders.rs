//! Folders that take no files, or go away.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::{Job, ends_in_order, moment};
use crate::tables::Uniform;
use crate::workdir::Workdir;

/// The program as somebody whom permissions bind: root is bound by none.
struct Nobody {
    program: tempfile::TempDir,
    id: u32,
}

impl Nobody {
    fn new() -> Self {
        let program = tempfile::tempdir().unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vaepipe"), program.path().join("vaepipe")).unwrap();
        fs::set_permissions(program.path(), Permissions::from_mode(0o755)).unwrap();
        use std::os::unix::fs::MetadataExt;
        let mine = fs::metadata(program.path()).unwrap().uid();
        Self { program, id: if mine == 0 { 65_534 } else { mine } }
    }

    /// Makes a folder and all in it theirs.
    fn owns(&self, dir: &Workdir) {
        let mut paths = vec![dir.path(".")];
        while let Some(path) = paths.pop() {
            std::os::unix::fs::chown(&path, Some(self.id), None).unwrap();
            if path.is_dir() {
                paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    fn run(&self, job: &Job) -> std::process::Child {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(self.program.path().join("vaepipe"));
        command.args(job.arguments.split(' ')).current_dir(job.dir.path(".")).uid(self.id);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    }
}

fn set_mode(job: &Job, mode: u32) {
    fs::set_permissions(job.dir.path("."), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_takes_no_files_is_found_out_before_the_work() {
    let nobody = Nobody::new();
    for job in Job::all() {
        nobody.owns(&job.dir);
        set_mode(&job, 0o555);
        let status = ends_in_order(nobody.run(&job), job.arguments);
        assert_eq!((status.code(), job.is_sound("read-only")), (Some(1), 0), "{}", job.arguments);
        set_mode(&job, 0o755);
        job.is_finished_by_the_next("read-only");
    }
}

#[test]
fn a_folder_that_becomes_read_only_at_any_moment() {
    let (nobody, mut random) = (Nobody::new(), Uniform::new(3));
    for job in Job::all() {
        for _ in 0..3 {
            nobody.owns(&job.dir);
            let run = nobody.run(&job);
            std::thread::sleep(moment(&mut random, job.takes));
            set_mode(&job, 0o555);
            ends_in_order(run, job.arguments);
            set_mode(&job, 0o755);
            job.is_sound("read-only from then on");
            job.is_finished_by_the_next("read-only from then on");
            job.clear();
        }
    }
}

#[test]
fn a_folder_that_vanishes_at_any_moment() {
    let mut random = Uniform::new(4);
    for job in Job::all() {
        for _ in 0..3 {
            let (here, away) = (job.dir.path("."), job.dir.path("away"));
            let _ = fs::remove_dir_all(&away);
            fs::create_dir(&away).unwrap();
            // Inputs and model stay; the outputs' folder is one of its own.
            let arguments = job.arguments.replace(" out.", " away/out.").replace("scored/", "away/scored/");
            let arguments = arguments.replace("new.safetensors", "away/new.safetensors");
            let run = job.command(&arguments).spawn().unwrap();
            std::thread::sleep(moment(&mut random, job.takes));
            let _ = fs::remove_dir_all(&away);
            ends_in_order(run, &arguments);
            let hidden =
                fs::read_dir(&here).unwrap().any(|entry| entry.unwrap().file_name().as_encoded_bytes()[0] == b'.');
            assert!(!hidden, "{arguments}: something is left beside the inputs");
        }
    }
}
