//! A bound on how much there is of something at a time, wherever it is on its way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::cancel::{LOOK, is_cancelled};
use crate::pipeline::{WaitFor, waiting};

/// Room for a number of bytes; clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget(Arc<BudgetState>);

#[derive(Debug)]
struct BudgetState {
    bytes: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    room: ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    /// Room for `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(BudgetState { bytes, taken: Mutex::new(0), given_back: Condvar::new() }))
    }

    /// Waits until there is room for `bytes`; what is larger than all of it waits to have it alone. `None` once the
    /// consumer of this thread's results is gone: what holds the room may be among them.
    pub(crate) fn take(&self, bytes: u64) -> Option<Reservation> {
        let BudgetState { bytes: all, taken, given_back } = &*self.0;
        let bytes = bytes.min(*all);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        waiting(WaitFor::Room, || {
            while !is_cancelled() {
                if bytes <= all - *taken {
                    *taken += bytes;
                    return Some(Reservation { room: self.clone(), bytes });
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
        let BudgetState { taken, given_back, .. } = &*self.room.0;
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
    fn there_is_never_more_than_there_is_room_for() {
        let (room, now) = (ByteBudget::new(10), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (room, now) = (&room, &now);
                scope.spawn(move || {
                    for n in 0..200 {
                        let bytes = 1 + (thread + n) % 7;
                        let _taken = room.take(bytes).unwrap();
                        assert!(now.fetch_add(bytes, Ordering::SeqCst) + bytes <= 10);
                        now.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        drop(room.take(10));
    }

    #[test]
    fn what_is_larger_than_the_room_has_it_alone() {
        let room = ByteBudget::new(3);
        drop(room.take(u64::MAX));
        let _one = room.take(1);
        let _rest = room.take(2);
    }

    /// Whether some work ends; if not, its thread is left where it is.
    fn ends(work: impl FnOnce() + Send + 'static) -> bool {
        let (done, over) = channel();
        std::thread::spawn(move || {
            work();
            done.send(())
        });
        over.recv_timeout(Duration::from_secs(20)).is_ok()
    }

    /// Rooms of so many bytes each, for ever, on a thread of their own, or on as many more as there are workers.
    fn taking(room: &ByteBudget, bytes: u64, depth: usize, workers: usize) -> Prefetch<Reservation> {
        let (room, stage) = (room.clone(), Stage::new("t"));
        let items = std::iter::from_fn(move || room.take(bytes).map(Ok));
        let items = match workers {
            0 => prefetch(&stage, depth, items),
            _ => prefetch_map(&stage, items, &stage, depth, workers, Ok),
        };
        items.unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn whoever_waits_for_room_that_results_in_a_queue_hold_ends_with_its_consumer(
            bytes in 1_u64..12, depth in 1_usize..9, workers in 0_usize..3, taken in 0_usize..5
        ) {
            let room = ByteBudget::new(10);
            let mut items = taking(&room, bytes, depth, workers);
            // The last one taken is held, also when all there is to take is in it.
            let mut held = None;
            for _ in 0..taken {
                drop(held.take());
                held = items.next();
            }
            std::thread::sleep(Duration::from_millis(10));
            prop_assert!(ends(move || drop(items)), "a producer waits for room that nobody gives back");
            drop(held);
            prop_assert!(ends(move || drop(room.take(10).unwrap())), "room was not given back");
        }
    }

    #[test]
    fn room_is_none_for_a_thread_whose_consumer_is_gone() {
        let (room, (told, hears)) = (ByteBudget::new(10), channel());
        let (all, taking) = (room.take(10).unwrap(), room.clone());
        let items = std::iter::once_with(move || {
            told.send(taking.take(1).is_none()).unwrap();
            Ok(())
        });
        let items = prefetch(&Stage::new("t"), 1, items).unwrap();
        assert!(hears.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
        assert!(ends(move || drop(items)));
        assert!(hears.recv().unwrap());
        drop(all);
        assert!(room.take(10).is_some());
    }
}
