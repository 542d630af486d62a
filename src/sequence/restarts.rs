//! Rows of a fit as they are without the rows before: some windows begin again, as those of a file without a history do.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::take_arrays;

use super::Sequence;
use super::sequences::SequenceState;
use super::window::{LagSums, Window, column};
use crate::numerics::RandomStream;

/// Chooses windows that begin again, and keeps the rows of these. A clone keeps them in the same place.
#[derive(Clone)]
pub(crate) struct Restarts {
    /// One row in so many is of them, about.
    every: u64,
    noise: RandomStream,
    kept: Arc<Mutex<Vec<RestartedRows>>>,
}

/// Rows with windows that have begun again, which are not full.
pub(crate) struct RestartedRows {
    /// The number of each row in the table.
    pub(crate) ids: Vec<u64>,
    pub(crate) rows: RecordBatch,
}

/// The same of a batch, so far.
pub(super) struct RestartedBatch {
    restarts: Restarts,
    first_row: u64,
    lags: usize,
    rows: Vec<u32>,
    /// `[lags × columns]`, each with the means of these rows.
    windows: Vec<Vec<f64>>,
    means: Vec<f64>,
    sums: LagSums,
}

impl Restarts {
    /// One row in so many is of a window that has begun again.
    pub(crate) fn new(every: u64, seed: u64) -> Self {
        Self { every, noise: RandomStream::new(seed, "restarts"), kept: Arc::default() }
    }

    /// The rows so far, which are given away.
    pub(crate) fn take(&self) -> Vec<RestartedRows> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For a batch whose first row has this number.
    pub(super) fn batch(&self, first_row: u64, sequence: &Sequence) -> RestartedBatch {
        let (lags, means) = (sequence.lags(), sequence.lags() * sequence.columns.len());
        let (restarts, rows, sums) = (self.clone(), Vec::new(), LagSums::default());
        RestartedBatch {
            restarts,
            first_row,
            lags,
            rows,
            windows: vec![Vec::new(); means],
            means: vec![0.0; means],
            sums,
        }
    }
}

impl RestartedBatch {
    /// Takes the next row of a sequence, which is not in its window yet.
    pub(super) fn add(&mut self, row: usize, state: &mut SequenceState, value: &[f64]) {
        let (lags, Restarts { every, noise, .. }) = (self.lags, &self.restarts);
        let begins =
            |share: f64| (noise.uniform(self.first_row + row as u64) < share).then(|| Window::begin(value.len(), lags));
        if state.window.rows() == 0 {
            state.restarted = begins(1.0 / *every as f64);
        } else if state.restarted.as_ref().is_none_or(|window| window.is_full(lags)) {
            // At any row after a pause, a quarter of a window at least in the mean: what is seen must not follow a season.
            let window = f64::from(1_u32 << lags);
            state.restarted = begins(1.0 / (window * (*every as f64 - 0.75)));
        }
        let Some(window) = state.restarted.as_mut().filter(|window| !window.is_full(self.lags)) else { return };
        window.step(value, &mut self.sums, &mut self.means);
        self.rows.push(row as u32);
        self.windows.iter_mut().zip(&self.means).for_each(|(window, mean)| window.push(*mean));
    }

    /// Keeps the rows, which are of this batch.
    pub(super) fn finish(self, sequence: &Sequence, batch: &RecordBatch) {
        let Self { restarts, first_row, rows, windows, .. } = self;
        if rows.is_empty() {
            return;
        }
        let ids = rows.iter().map(|&row| first_row + u64::from(row)).collect();
        let partial: ArrayRef = Arc::new(BooleanArray::from(vec![true; rows.len()]));
        let own = take_arrays(batch.columns(), &UInt32Array::from(rows), None).expect("rows of the batch");
        let columns = own.into_iter().chain(windows.into_iter().map(column)).chain([partial]).collect();
        let rows = RecordBatch::try_new(sequence.with_windows(&batch.schema()), columns)
            .expect("columns made for this very schema");
        restarts.kept.lock().unwrap_or_else(PoisonError::into_inner).push(RestartedRows { ids, rows });
    }
}
