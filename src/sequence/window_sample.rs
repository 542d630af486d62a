//! A sample of rows that go by, with their windows.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::error::ArrowError;

use super::Sequence;
use super::forecast::Forecast;
use crate::error::{Error, Place, Result};
use crate::source::ColumnStream;

/// Most rows, and about the most bytes of their numbers.
const LIMITS: (u64, u64) = (16_384, 64 << 20);

/// Rows of regular distance.
#[derive(Clone)]
pub(crate) struct WindowSample {
    every: u64,
    rows: Arc<Mutex<Vec<RecordBatch>>>,
}

impl WindowSample {
    /// Takes a sample of so many rows with windows of this sequence.
    pub(crate) fn new(sequence: &Sequence, rows: u64) -> Self {
        let (most, bytes) = LIMITS;
        let row_bytes = (sequence.columns.len() * (sequence.lags() + 1) * size_of::<f64>()) as u64;
        let most = most.min(bytes / row_bytes.max(1)).max(256);
        Self { every: rows.div_ceil(most).max(1), rows: Arc::default() }
    }

    /// One of so many rows is taken.
    pub(crate) fn every(&self) -> u64 {
        self.every
    }

    /// The same rows, of which some are taken when they go by.
    pub(crate) fn of(&self, sequence: &Sequence, rows: ColumnStream) -> ColumnStream {
        let ColumnStream { schema, batches } = rows;
        let tops = sequence.columns.iter().map(|column| column.top().to_owned());
        let is_needed: HashSet<String> = tops.chain(sequence.window_names()).collect();
        let needed: Vec<usize> =
            (0..schema.fields().len()).filter(|&place| is_needed.contains(schema.field(place).name())).collect();
        let (sample, mut next) = (self.clone(), 0);
        let batches = batches.map(move |batch| {
            let batch = batch?;
            let (first, end) = (next, next + batch.num_rows() as u64);
            next = end;
            let rows = (first.next_multiple_of(sample.every)..end).step_by(sample.every as usize);
            let rows: UInt32Array = rows.map(|row| (row - first) as u32).collect::<Vec<_>>().into();
            if !rows.is_empty() {
                let taken = batch.project(&needed).and_then(|batch| take_record_batch(&batch, &rows));
                sample.rows.lock().unwrap_or_else(PoisonError::into_inner).push(taken.map_err(unreadable)?);
            }
            Ok(batch)
        });
        ColumnStream { schema, batches: Box::new(batches) }
    }

    /// The forecasts that fit the rows best, of each number that the windows are of.
    pub(crate) fn forecasts(&self, sequence: &Sequence) -> Result<Vec<Forecast>> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let all = concat_batches(&first.schema(), rows.iter()).map_err(unreadable)?;
        let forecast = |column| Ok(Forecast::of(&sequence.history(column, &all).map_err(unreadable)?));
        sequence.columns.iter().map(forecast).collect()
    }
}

fn unreadable(source: ArrowError) -> Error {
    Error::Read { place: Place::file("rows"), source: source.into() }
}
