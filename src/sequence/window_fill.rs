//! How full the windows of rows are: the first rows of a sequence, and those after a gap, have fewer rows before them than a
//! window holds.

use std::sync::{Arc, Mutex, PoisonError};

/// Counts the rows that go by, by how full their windows are. A clone counts into the same.
#[derive(Clone, Default)]
pub(crate) struct WindowFill(Arc<Mutex<Filled>>);

/// What was counted of rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filled {
    pub(crate) rows: u64,
    /// Rows whose window is not full.
    pub(crate) partial: u64,
    /// Windows that began with a sequence, and those that began after a gap.
    pub(crate) sequences: u64,
    pub(crate) gaps: u64,
    /// Rows at the place in the order of the row before.
    pub(crate) ties: u64,
    /// Of each row in order, whether the window is full, a bit a row, if that is kept.
    full: Option<Vec<u64>>,
}

/// How a row follows the one before it in its sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RowStep {
    /// There is none before.
    First,
    /// After a gap.
    Gap,
    /// At the same place in the order.
    Tie,
    Next,
}

impl WindowFill {
    /// Keeps of each row whether its window is full.
    pub(super) fn of_each_row() -> Self {
        Self(Arc::new(Mutex::new(Filled { full: Some(Vec::new()), ..Filled::default() })))
    }

    /// Takes the next row.
    pub(super) fn add(&self, step: RowStep, is_full: bool) {
        let mut filled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = filled.rows;
        if let Some(full) = &mut filled.full {
            if row.is_multiple_of(64) {
                full.push(0);
            }
            full.last_mut().into_iter().for_each(|bits| *bits |= u64::from(is_full) << (row % 64));
        }
        filled.rows += 1;
        filled.partial += u64::from(!is_full);
        filled.sequences += u64::from(step == RowStep::First);
        filled.gaps += u64::from(step == RowStep::Gap);
        filled.ties += u64::from(step == RowStep::Tie);
    }

    /// What was counted so far.
    pub(crate) fn so_far(&self) -> Filled {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rows so far whose window is not full.
    pub(crate) fn partial(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).partial
    }
}

impl Filled {
    /// Whether the window of a row is full; `true` if that was not kept.
    pub(crate) fn is_full(&self, row: u64) -> bool {
        let bits = self.full.as_ref().and_then(|full| full.get((row / 64) as usize));
        bits.is_none_or(|bits| bits >> (row % 64) & 1 == 1)
    }
}
