//! A bound on how much there is of something at a time, wherever it is on its way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::cancel::{LOOK, is_cancelled};
use crate::stage::{For, waiting};

/// Room for a number of bytes; clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<State>);

#[derive(Debug)]
struct State {
    bytes: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    bytes: u64,
}

impl Room {
    /// Room for `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(State { bytes, taken: Mutex::new(0), given_back: Condvar::new() }))
    }

    /// Waits until there is room for `bytes`; what is larger than all of it waits to have it alone. `None` once the
    /// consumer of this thread's results is gone: what holds the room may be among them.
    pub(crate) fn take(&self, bytes: u64) -> Option<Taken> {
        let State { bytes: all, taken, given_back } = &*self.0;
        let bytes = bytes.min(*all);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        waiting(For::Room, || {
            while !is_cancelled() {
                if bytes <= all - *taken {
                    *taken += bytes;
                    return Some(Taken { room: self.clone(), bytes });
                }
                let waited = given_back.wait_timeout(taken, LOOK);
                (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
            None
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let State { taken, given_back, .. } = &*self.room.0;
        *taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn there_is_never_more_than_there_is_room_for() {
        let (room, now) = (Room::new(10), AtomicU64::new(0));
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
        let room = Room::new(3);
        drop(room.take(u64::MAX));
        let _one = room.take(1);
        let _rest = room.take(2);
    }
}
