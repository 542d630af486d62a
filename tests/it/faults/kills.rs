//! SIGKILL at random moments.

use super::{Job, moment};
use crate::tables::Uniform;

fn kill(count: usize, seed: u64) {
    let (jobs, mut random) = (Job::all(), Uniform::new(seed));
    // Of each job: runs that were killed, outputs that were complete then, kills of a run that went on after a kill.
    let mut counts = vec![[0; 3]; jobs.len()];
    while counts.iter().map(|[killed, ..]| killed).sum::<usize>() < count {
        for (job, [killed, complete, again]) in jobs.iter().zip(&mut counts) {
            // The first run, and sometimes those that go on from where it was.
            let mut arguments = job.arguments;
            loop {
                let when = format!("seed {seed}, kill {killed}");
                let mut run = job.command(arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
                std::thread::sleep(moment(&mut random, job.takes));
                run.kill().unwrap();
                if !run.wait().unwrap().success() {
                    *killed += 1;
                    *again += usize::from(arguments == job.again);
                }
                *complete += job.is_sound(&when);
                arguments = job.again;
                if random.next() > 0.0 {
                    job.is_finished_by_the_next(&when);
                    job.clear();
                    break;
                }
            }
        }
    }
    for (job, [killed, complete, again]) in jobs.iter().zip(&counts) {
        println!(
            "{}\n  {killed} killed, of them {again} while going on after a kill; {complete} outputs whole",
            job.arguments
        );
        assert!(*killed > 0, "{} was never killed", job.arguments);
    }
}

#[test]
fn killed_at_any_moment() {
    kill(30, 1);
}

#[test]
#[ignore = "takes minutes"]
fn killed_five_hundred_times_at_length() {
    kill(500, 2);
}
