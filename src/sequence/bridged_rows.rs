//! Batches of rows with their windows, and what their missing numbers are expected to be from the rows on both sides. A batch waits
//! until its gaps are bridged, or are known not to be.

use std::collections::VecDeque;

use arrow::array::{ArrayRef, RecordBatch};

use super::Windower;
use super::gaps::ClosedCell;
use super::window::column;
use crate::error::Result;
use crate::source::{Batches, ColumnStream};

/// Batches of rows with something of each.
type TaggedBatches<T> = Box<dyn Iterator<Item = Result<(T, RecordBatch)>> + Send>;

impl Windower {
    /// The rows of the file that was begun, with their windows.
    ///
    /// # Errors
    /// Those of [`add`](Self::add) and of the rows; [`Error::Io`] if the disk is full.
    pub(crate) fn add_all(self, rows: ColumnStream) -> Result<Batches> {
        let rows = self.in_order(rows)?;
        let batches = self.add_each(rows.map(|batch| Ok(((), batch?))));
        Ok(Box::new(batches.map(|batch| batch.map(|((), batch)| batch))))
    }

    /// The same of batches that are in order, each with a tag that it keeps.
    pub(crate) fn add_each<T: Send + 'static>(
        mut self,
        mut batches: impl Iterator<Item = Result<(T, RecordBatch)>> + Send + 'static,
    ) -> TaggedBatches<T> {
        if self.bridged() > 0 {
            return Box::new(BridgedRows::new(self, batches));
        }
        Box::new(std::iter::from_fn(move || {
            let with_windows = |next: Result<(T, RecordBatch)>| {
                let (tag, batch) = next?;
                Ok((tag, self.add(&batch)?))
            };
            batches.next().map(with_windows)
        }))
    }
}

/// Batches, each with a tag that it keeps.
pub(super) struct BridgedRows<T, I> {
    windower: Windower,
    batches: I,
    waiting: VecDeque<WaitingBatch<T>>,
    /// Rows so far.
    rows: u64,
    ended: bool,
}

struct WaitingBatch<T> {
    tag: T,
    batch: RecordBatch,
    first_row: u64,
    /// Missing numbers of which it is not known yet what becomes.
    open: usize,
    /// Of each column that is bridged the values, and the standard deviations; NaN where there is none.
    bridged: Vec<Vec<f64>>,
}

impl<T, I: Iterator<Item = Result<(T, RecordBatch)>>> BridgedRows<T, I> {
    pub(super) fn new(windower: Windower, batches: I) -> Self {
        Self { windower, batches, waiting: VecDeque::new(), rows: 0, ended: false }
    }

    fn advance(&mut self) -> Result<Option<(T, RecordBatch)>> {
        loop {
            if let Some(ready) = self.waiting.pop_front_if(|batch| batch.open == 0) {
                return Ok(Some(self.finished(ready)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.batches.next() {
                Some(next) => {
                    let (tag, batch) = next?;
                    let batch = self.windower.add(&batch)?;
                    let (rows, first_row) = (batch.num_rows(), self.rows);
                    let bridged = vec![vec![f64::NAN; rows]; 2 * self.windower.bridged()];
                    self.rows += rows as u64;
                    let (open, closed) = self.windower.take_gaps();
                    self.waiting.push_back(WaitingBatch { tag, batch, first_row, open, bridged });
                    self.close(closed);
                }
                None => {
                    self.ended = true;
                    self.windower.end_gaps();
                    let (_, closed) = self.windower.take_gaps();
                    self.close(closed);
                }
            }
        }
    }

    fn close(&mut self, cells: Vec<ClosedCell>) {
        for ClosedCell { number, row_of_file, bridged } in cells {
            let place = self.waiting.partition_point(|batch| batch.first_row <= row_of_file);
            let batch = &mut self.waiting[place - 1];
            batch.open -= 1;
            if let Some(bridged) = bridged {
                let row = (row_of_file - batch.first_row) as usize;
                batch.bridged[2 * number][row] = bridged.value;
                batch.bridged[2 * number + 1][row] = bridged.deviation;
            }
        }
    }

    fn finished(&self, WaitingBatch { tag, batch, bridged, .. }: WaitingBatch<T>) -> (T, RecordBatch) {
        let columns: Vec<ArrayRef> = batch.columns().iter().cloned().chain(bridged.into_iter().map(column)).collect();
        let schema = self.windower.with_bridged(batch.schema_ref());
        (tag, RecordBatch::try_new(schema, columns).expect("columns made for this very schema"))
    }
}

impl<T, I: Iterator<Item = Result<(T, RecordBatch)>>> Iterator for BridgedRows<T, I> {
    type Item = Result<(T, RecordBatch)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
