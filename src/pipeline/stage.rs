//! Stages of a run, and their times: how long each works, and how long it waits for the stages around it.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// Items of the stage before.
    Input,
    /// Room in the queue to the stage after.
    Room,
}

thread_local! {
    /// How long this thread has waited, by [`WaitFor`].
    static WAITED: Cell<[Duration; 2]> = const { Cell::new([Duration::ZERO; 2]) };
}

/// Counts the time of `wait` as waiting time of this thread.
pub(crate) fn waiting<T>(what: WaitFor, wait: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = wait();
    let mut waited = WAITED.get();
    waited[what as usize] += start.elapsed();
    WAITED.set(waited);
    answer
}

/// A stage of a run, shared by its clones.
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
    /// A stage of this name in the log.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, times: Arc::default() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Runs `work` on this thread, and counts its time for the stage.
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

    /// Seconds of work, of waiting for input, and of waiting for room, summed over its threads that have ended.
    pub(crate) fn seconds(&self) -> [f64; 3] {
        let seconds = |sum: &AtomicU64| Duration::from_nanos(sum.load(Ordering::Relaxed)).as_secs_f64();
        let [input, room] = [WaitFor::Input, WaitFor::Room].map(|what| seconds(&self.times.waited[what as usize]));
        [(seconds(&self.times.all) - input - room).max(0.0), input, room]
    }
}

/// Logs the times of every stage, one per line. A stage that hardly waits limits the run.
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
    fn waiting_is_not_work() {
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
