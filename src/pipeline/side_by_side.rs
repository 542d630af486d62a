//! Pieces of work of a run at the same time, each of which may start threads of its own.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::run::Run;
use super::spawn::spawn_scoped;
use crate::error::Result;

impl Run<'_> {
    /// The answers of `work` for each number below `count`, in order, at most `at_once` at the same time. Each has a run with its
    /// share of the threads; that on the calling thread reports its progress.
    ///
    /// # Errors
    /// The first one in order of those that occurred; no further work is begun after it.
    pub(crate) fn side_by_side<T: Send>(
        &mut self,
        count: usize,
        at_once: usize,
        work: impl Fn(usize, &mut Run<'_>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let at_once = at_once.min(count).min(self.workers()).max(1);
        let (stop, threads, next) = (self.stopper().clone(), self.workers() / at_once, AtomicUsize::new(0));
        let some = |run: &mut Run<'_>| {
            let mut answers = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return answers;
                }
                let answer = work(n, run);
                if answer.is_err() {
                    next.store(count, Ordering::Relaxed);
                }
                answers.push((n, answer));
            }
        };
        let beside = || some(&mut Run::new().stop(&stop).threads(threads));
        let mut answers = thread::scope(|scope| {
            // Where the system has no more threads, fewer do all the work.
            let others: Vec<_> =
                (1..at_once).map_while(|n| spawn_scoped(scope, format!("beside-{n}"), beside).ok()).collect();
            let progress = |progress: super::Progress<'_>| self.report(progress);
            let mut answers = some(&mut Run::new().stop(&stop).threads(threads).on_progress(progress));
            for other in others {
                answers.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            answers
        });
        answers.sort_by_key(|(n, _)| *n);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::pipeline::Progress;

    #[test]
    fn answers_are_in_order_for_any_number_of_threads_and_one_thread_reports() {
        for threads in [1, 2, 5, 100] {
            let mut told = 0;
            let mut run = Run::new().threads(threads).on_progress(|_| told += 1);
            let work = |n: usize, run: &mut Run<'_>| {
                run.report(Progress::Rows { rows: 1 });
                Ok((n, run.workers()))
            };
            let answers = run.side_by_side(7, 4, work).unwrap();
            drop(run);
            let each = if threads == 100 { 25 } else { 1 };
            assert_eq!(answers, (0..7).map(|n| (n, each)).collect::<Vec<_>>());
            assert!(if threads == 1 { told == 7 } else { told <= 7 }, "{told}");
        }
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let begun = AtomicUsize::new(0);
        let outcome = Run::new().threads(1).side_by_side(9, 1, |n, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            if n == 3 { Err(Error::Interrupted) } else { Ok(()) }
        });
        assert!(matches!(outcome, Err(Error::Interrupted)));
        assert_eq!(begun.into_inner(), 4);
    }
}
