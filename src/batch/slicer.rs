//! Batches cut into slices that the model takes at once.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};

use crate::error::Result;
use crate::pipeline::{ByteBudget, Reservation};
use crate::source::Batches;

/// Neighbouring rows of a batch.
pub(crate) struct BatchSlice {
    /// Number of the first row, counted over all batches.
    pub(crate) first_row: u64,
    pub(crate) rows: RecordBatch,
    /// Keeps the bytes of the whole batch reserved.
    pub(crate) reservation: Arc<Reservation>,
}

/// Cuts batches into slices of at most so many rows, each batch once the budget has room for its bytes.
pub(crate) struct BatchSlicer {
    batches: Batches,
    slice_rows: usize,
    budget: ByteBudget,
    current: Option<(RecordBatch, Arc<Reservation>)>,
    next_row: u64,
}

impl BatchSlicer {
    pub(crate) fn new(batches: Batches, slice_rows: usize, budget: ByteBudget) -> Self {
        Self { batches, slice_rows, budget, current: None, next_row: 0 }
    }
}

impl Iterator for BatchSlicer {
    type Item = Result<BatchSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        let (batch, reservation) = match self.current.take() {
            Some(current) => current,
            None => match self.batches.next()? {
                Ok(batch) => {
                    let reservation = self.budget.take(batch_bytes(&batch))?;
                    (batch, Arc::new(reservation))
                }
                Err(error) => return Some(Err(error)),
            },
        };
        let rows = batch.slice(0, self.slice_rows.min(batch.num_rows()));
        if rows.num_rows() < batch.num_rows() {
            let rest = batch.slice(rows.num_rows(), batch.num_rows() - rows.num_rows());
            self.current = Some((rest, reservation.clone()));
        }
        let first_row = self.next_row;
        self.next_row += rows.num_rows() as u64;
        Some(Ok(BatchSlice { first_row, rows, reservation }))
    }
}

/// Bytes of a batch's own rows.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    let of =
        |array: &dyn Array| array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size());
    batch.columns().iter().map(|array| of(array) as u64).sum()
}
