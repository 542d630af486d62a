//! A budget of bytes: a bound on the memory of data on its way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::cancel::{LOOK, is_cancelled};
use super::stage::{WaitFor, waiting};

/// A budget of bytes, shared by its clones.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget(Arc<BudgetState>);

#[derive(Debug)]
struct BudgetState {
    bytes: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// Bytes taken from a budget, given back by a drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    /// A budget of `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(BudgetState { bytes, taken: Mutex::new(0), given_back: Condvar::new() }))
    }

    /// Waits until `bytes` are left, and reserves them; more than the whole budget waits for the whole. `None` once the
    /// consumer of this thread's results is gone, since those results may hold the budget.
    pub(crate) fn take(&self, bytes: u64) -> Option<Reservation> {
        let BudgetState { bytes: all, taken, given_back } = &*self.0;
        let bytes = bytes.min(*all);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        waiting(WaitFor::Room, || {
            while !is_cancelled() {
                if bytes <= all - *taken {
                    *taken += bytes;
                    return Some(Reservation { budget: self.clone(), bytes });
                }
                let waited = given_back.wait_timeout(taken, LOOK);
                (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
            None
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let BudgetState { taken, given_back, .. } = &*self.budget.0;
        *taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::{Prefetch, Stage, prefetch, prefetch_map};

    #[test]
    fn reservations_never_exceed_the_budget() {
        let (budget, now) = (ByteBudget::new(10), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (budget, now) = (&budget, &now);
                scope.spawn(move || {
                    for n in 0..200 {
                        let bytes = 1 + (thread + n) % 7;
                        let _taken = budget.take(bytes).unwrap();
                        assert!(now.fetch_add(bytes, Ordering::SeqCst) + bytes <= 10);
                        now.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        drop(budget.take(10));
    }

    #[test]
    fn more_than_the_whole_budget_takes_the_whole() {
        let budget = ByteBudget::new(3);
        drop(budget.take(u64::MAX));
        let _one = budget.take(1);
        let _rest = budget.take(2);
    }

    /// Whether some work ends in time; if not, its thread is abandoned.
    fn ends(work: impl FnOnce() + Send + 'static) -> bool {
        let (done, over) = channel();
        std::thread::spawn(move || {
            work();
            done.send(())
        });
        over.recv_timeout(Duration::from_secs(20)).is_ok()
    }

    /// Endless reservations of so many bytes each, made on one thread and mapped on as many as there are workers.
    fn taking(budget: &ByteBudget, bytes: u64, depth: usize, workers: usize) -> Prefetch<Reservation> {
        let (budget, stage) = (budget.clone(), Stage::new("t"));
        let items = std::iter::from_fn(move || budget.take(bytes).map(Ok));
        let items = match workers {
            0 => prefetch(&stage, depth, items),
            _ => prefetch_map(&stage, items, &stage, depth, workers, Ok),
        };
        items.unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn a_wait_for_bytes_that_queued_results_hold_ends_with_its_consumer(
            bytes in 1_u64..12, depth in 1_usize..9, workers in 0_usize..3, taken in 0_usize..5
        ) {
            let budget = ByteBudget::new(10);
            let mut items = taking(&budget, bytes, depth, workers);
            // The last reservation is held, even if it is the whole budget.
            let mut held = None;
            for _ in 0..taken {
                drop(held.take());
                held = items.next();
            }
            std::thread::sleep(Duration::from_millis(10));
            prop_assert!(ends(move || drop(items)), "a producer waits for bytes that nobody gives back");
            drop(held);
            prop_assert!(ends(move || drop(budget.take(10).unwrap())), "the bytes were not given back");
        }
    }

    #[test]
    fn a_thread_whose_consumer_is_gone_gets_none() {
        let (budget, (told, hears)) = (ByteBudget::new(10), channel());
        let (all, taking) = (budget.take(10).unwrap(), budget.clone());
        let items = std::iter::once_with(move || {
            told.send(taking.take(1).is_none()).unwrap();
            Ok(())
        });
        let items = prefetch(&Stage::new("t"), 1, items).unwrap();
        assert!(hears.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
        assert!(ends(move || drop(items)));
        assert!(hears.recv().unwrap());
        drop(all);
        assert!(budget.take(10).is_some());
    }
}
