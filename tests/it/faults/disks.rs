//! A disk that is full at random offsets, by a limit to the size of a file.

use std::process::{Command, Stdio};

use super::{Job, ends_in_order};
use crate::tables::Uniform;

fn fill(count: usize, seed: u64) {
    let (jobs, mut random) = (Job::all(), Uniform::new(seed));
    let mut ends = [0; 2];
    for round in 0..count.div_ceil(jobs.len()) {
        for job in &jobs {
            let largest = job.outputs.iter().map(|output| output.whole.len()).max().unwrap();
            let limit = ((random.next() + 1.0) / 2.0 * 1.1 * largest as f64) as u64;
            let when = format!("seed {seed}, round {round}, {limit} of {largest} bytes");
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--fsize={limit}")).arg(env!("CARGO_BIN_EXE_vaepipe"));
            limited.args(job.arguments.split(' ')).current_dir(job.dir.path("."));
            let run = limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let status = ends_in_order(run, &format!("{}: {when}", job.arguments));
            ends[usize::from(!status.success())] += 1;
            let whole = job.is_sound(&when);
            assert!(!status.success() || whole == job.outputs.len(), "{}: {when}", job.arguments);
            let temporary = super::files(&job.dir.path(".")).into_iter().find(|name| name.ends_with(".tmp"));
            assert_eq!(temporary, None, "{}: {when}", job.arguments);
            job.is_finished_by_the_next(&when);
            job.clear();
        }
    }
    println!("a full disk: {} runs were done before it was, {} failed in order", ends[0], ends[1]);
    assert!(ends[1] > 0);
}

#[test]
fn a_disk_full_at_any_offset() {
    fill(20, 1);
}

#[test]
#[ignore = "takes minutes"]
fn a_disk_full_two_hundred_times_at_length() {
    fill(200, 2);
}
