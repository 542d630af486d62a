//! The sequences that rows belong to, and the window of each.

use std::collections::HashMap;

use super::gaps::OpenCell;
use super::order_key::OrderKey;
use super::recent::RecentRows;
use super::window::Window;

/// The state of a sequence.
#[derive(Clone)]
pub(super) struct SequenceState {
    pub(super) window: Window,
    /// One that has begun again since, if some do.
    pub(super) restarted: Option<Window>,
    /// The order of its last row.
    pub(super) last: OrderKey,
    /// The number of its last row, of all rows.
    pub(super) last_row: u64,
    /// The same in its file, and the number of that.
    pub(super) place: (u64, usize),
    /// Its last rows, if they are kept, and its missing numbers that wait for rows after them.
    pub(super) recent: RecentRows,
    pub(super) open: Vec<OpenCell>,
}

/// The sequences whose windows are kept, by name: at most so many, those with the latest rows.
pub(super) struct Sequences {
    states: HashMap<String, SequenceState>,
    most: usize,
    /// Sequences that were dropped.
    dropped: u64,
}

impl Sequences {
    pub(super) fn new(most: usize) -> Self {
        Self { states: HashMap::new(), most, dropped: 0 }
    }

    /// The state of a sequence; `None` if it has none.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut SequenceState> {
        self.states.get_mut(name)
    }

    /// The names of all, in any order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// The states of all, in any order.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut SequenceState> {
        self.states.values_mut()
    }

    /// Adds a sequence, in place of the quarter of them without a row for longest if there are too many, which it gives to
    /// `drop`.
    pub(super) fn add(&mut self, name: &str, state: SequenceState, mut drop: impl FnMut(&mut SequenceState)) {
        if self.states.len() >= self.most {
            let mut rows: Vec<u64> = self.states.values().map(|state| state.last_row).collect();
            // No two sequences have one row.
            let (_, &mut last, _) = rows.select_nth_unstable((self.most / 4).max(1) - 1);
            let before = self.states.len();
            self.states.retain(|_, state| {
                let stays = state.last_row > last;
                if !stays {
                    drop(state);
                }
                stays
            });
            self.dropped += (before - self.states.len()) as u64;
        }
        self.states.insert(name.to_owned(), state);
    }

    /// The same sequences, as rows after this go on with them.
    pub(super) fn continued(&self) -> Self {
        Self { states: self.states.clone(), most: self.most, dropped: 0 }
    }
}

impl Drop for Sequences {
    fn drop(&mut self) {
        if self.dropped > 0 {
            tracing::warn!(
                "more than {} sequences alternate: {} windows were dropped, and began again with the next row; a fit with \
                 a larger max_groups keeps more",
                self.most,
                self.dropped
            );
        }
    }
}
