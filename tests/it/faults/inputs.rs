//! Inputs that nobody may read, or that become shorter while they are read.

use std::fs::{self, File};

use super::{Job, ends_in_order, moment};
use crate::tables::Uniform;

fn shrink(count: usize, seed: u64) {
    let (jobs, mut random) = (Job::all(), Uniform::new(seed));
    let mut ends = [0; 2];
    for round in 0..count.div_ceil(jobs.len()) {
        for job in &jobs {
            let input = job.dir.path(if job.arguments.contains("lake") { "lake/3.parquet" } else { "in.parquet" });
            let whole = fs::read(&input).unwrap();
            let length = ((random.next() + 1.0) / 2.0 * whole.len() as f64) as u64;
            let when = format!("seed {seed}, round {round}, cut to {length} bytes");
            let run = job.command(job.arguments).spawn().unwrap();
            std::thread::sleep(moment(&mut random, job.takes));
            File::options().write(true).open(&input).unwrap().set_len(length).unwrap();
            let status = ends_in_order(run, &format!("{}: {when}", job.arguments));
            ends[usize::from(!status.success())] += 1;
            let there = job.is_sound(&when);
            assert!(!status.success() || there == job.outputs.len(), "{}: {when}", job.arguments);
            fs::write(&input, whole).unwrap();
            job.is_finished_by_the_next(&when);
            job.clear();
        }
    }
    println!("a shrinking input: {} runs were done before it was short, {} failed in order", ends[0], ends[1]);
    assert!(ends[1] > 0);
}

#[test]
fn an_input_that_shrinks_at_any_moment() {
    shrink(20, 1);
}

#[test]
#[ignore = "takes minutes"]
fn an_input_that_shrinks_two_hundred_times_at_length() {
    shrink(200, 2);
}
