//! Where a run's time goes: how long each stage works, and how long it waits for the stages around it.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The stage before.
    Input,
    /// Room in the queue to the stage after.
    Room,
}

thread_local! {
    /// How long this thread has waited, by what for.
    static WAITED: Cell<[Duration; 2]> = const { Cell::new([Duration::ZERO; 2]) };
}

/// Counts the time `wait` takes as waiting of this thread.
pub(crate) fn waiting<T>(what: WaitFor, wait: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = wait();
    let mut waited = WAITED.get();
    waited[what as usize] += start.elapsed();
    WAITED.set(waited);
    answer
}

/// One stage of a run; clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    name: &'static str,
    times: Arc<Times>,
}

/// Nanoseconds, summed over the stage's threads.
#[derive(Debug, Default)]
struct Times {
    threads: AtomicUsize,
    all: AtomicU64,
    waited: [AtomicU64; 2],
}

impl Stage {
    /// A stage that has done nothing yet.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, times: Arc::default() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Runs `work`, on this thread, as a part of the stage.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let (start, before) = (Instant::now(), WAITED.get());
        let answer = work();
        let add = |sum: &AtomicU64, time: Duration| {
            sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        let after = WAITED.get();
        self.times.threads.fetch_add(1, Ordering::Relaxed);
        add(&self.times.all, start.elapsed());
        for (what, sum) in self.times.waited.iter().enumerate() {
            add(sum, after[what] - before[what]);
        }
        answer
    }

    /// Seconds of work, of waiting for input, and of waiting for room, of all its threads that have ended.
    pub(crate) fn seconds(&self) -> [f64; 3] {
        let seconds = |sum: &AtomicU64| Duration::from_nanos(sum.load(Ordering::Relaxed)).as_secs_f64();
        let [input, room] = [WaitFor::Input, WaitFor::Room].map(|what| seconds(&self.times.waited[what as usize]));
        [(seconds(&self.times.all) - input - room).max(0.0), input, room]
    }
}

/// Says of every stage, one a line, what its time went into: the one that hardly waits limits the run.
pub(crate) fn report(stages: &[&Stage]) {
    for stage in stages {
        let [busy, input, room] = stage.seconds();
        let threads = stage.times.threads.load(Ordering::Relaxed);
        if threads > 0 {
            tracing::debug!(
                "stage {}: {busy:.2} s busy, {input:.2} s waiting for input, {room:.2} s for room (in {threads} threads)",
                stage.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_not_work_and_belongs_to_the_innermost_stage_that_ran() {
        let pause = || std::thread::sleep(Duration::from_millis(20));
        let stage = Stage::new("t");
        waiting(WaitFor::Input, pause);
        stage.run(|| {
            pause();
            waiting(WaitFor::Input, pause);
            waiting(WaitFor::Room, || {
                pause();
                pause();
            });
        });
        let [busy, input, room] = stage.seconds();
        assert!(busy >= 0.02 && input >= 0.02 && room >= 0.04, "{busy} {input} {room}");
        assert!(busy < input + room, "{busy} {input} {room}");
    }
}
