//! The rows of a fit, encoded once: those that train, in the order of each epoch, and those held out.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::encoded_rows::EncodedRows;
use super::memory::Memory;
use super::watch::FitWatch;
use crate::batch::{Batch, RowGroupTransposer, RowSlice, Table, TransposeConfig};
use crate::error::Result;
use crate::feature::{FeatureIssues, Features, Layout};
use crate::fit::row_order::{CHUNK_ROWS, HoldOut, RowOrder, RowRole, step_rows};
use crate::pipeline::{self, Prefetch, Progress, Stage, prefetch, prefetch_map};
use crate::source::ParquetSource;
use crate::storage::Scratch;

/// Bytes of encoded rows handed on together.
const SLICE_BYTES: usize = 4 << 20;

/// The rows of a fit.
pub(super) struct FitRows {
    order: RowOrder,
    /// Rows that train.
    pub(super) train: Arc<EncodedRows>,
    /// Rows that train, before each chunk of rows.
    before: Arc<Vec<u64>>,
    /// Rows that choose the weights.
    pub(super) select: Arc<EncodedRows>,
    /// Rows that choose nothing.
    pub(super) calibrate: Arc<EncodedRows>,
    /// Rows without a known feature.
    pub(super) empty: u64,
    /// Whether one of the rows that train misses a value.
    pub(super) holes: bool,
    /// Values that are not usable, a feature.
    pub(super) found: FeatureIssues,
    /// Makes batches.
    pub(super) shuffle: Stage,
}

/// Where rows are read from, and how much room there is for them.
pub(super) struct RowLoad<'a> {
    pub(super) source: &'a ParquetSource,
    pub(super) features: &'a Arc<Features>,
    pub(super) hold_out: HoldOut,
    pub(super) order: RowOrder,
    pub(super) memory: Memory,
    /// Rows to keep.
    pub(super) rows: u64,
    /// Folder of scratch files.
    pub(super) folder: &'a Path,
    pub(super) threads: usize,
}

impl FitRows {
    /// Reads every row once, encodes it, and keeps it if it is for something.
    ///
    /// # Errors
    /// The source's, [`Error::Io`](crate::Error::Io) for want of room on the disk, and
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn load(load: &RowLoad<'_>, watch: &mut FitWatch<'_>) -> Result<Self> {
        let RowLoad { source, features, hold_out, order, memory, threads, .. } = *load;
        let inputs = features.layout().inputs();
        let slice_rows = (SLICE_BYTES / size_of::<f32>() / inputs).clamp(1, CHUNK_ROWS as usize);
        let turning = TransposeConfig { threads, bytes: memory.row_group, folder: load.folder.to_owned(), slice_rows };
        let [read, slice, encode] = ["read", "slice", "encode"].map(Stage::new);
        let scan = RowGroupTransposer::new(source, features, turning, &read, watch.stop);
        let stop = watch.stop.clone();
        let put_together = move |slice: RowSlice| {
            stop.check()?;
            Ok((slice.first_row(), slice.x()?, slice.issues()))
        };
        let depth = pipeline::queue_depth(slice_rows * inputs * size_of::<f32>(), memory.queues);

        let store = |rows: u64| -> Result<EncodedRows> {
            let scratch = if memory.holds(load.rows, inputs) { None } else { Some(Scratch::create(load.folder)?) };
            Ok(EncodedRows::new(scratch, rows as usize, inputs))
        };
        let held_out = hold_out.held_out();
        let mut train = store(load.rows - held_out)?;
        let (mut select, mut calibrate) = (store(held_out.div_ceil(2))?, store(held_out / 2)?);
        let (mut before, mut empty, mut holes, mut found) = (Vec::new(), 0, false, FeatureIssues::default());
        for encoded in prefetch_map(&slice, scan, &encode, depth, threads, put_together)? {
            let (first_row, x, of_these) = encoded?;
            found.add(&of_these);
            let rows = x.len() / inputs;
            (watch.on_progress)(Progress::Encoded { rows: first_row + rows as u64, of: source.rows() });
            for (row, x) in (first_row..).zip(x.chunks_exact(inputs)) {
                if row % CHUNK_ROWS == 0 {
                    before.push(train.len() as u64);
                }
                if x.iter().all(|x| x.is_nan()) {
                    empty += 1;
                    continue;
                }
                match hold_out.part(row) {
                    RowRole::Select => select.push(row, x)?,
                    RowRole::Calibrate => calibrate.push(row, x)?,
                    RowRole::Train => {
                        holes = holes || x.iter().any(|x| x.is_nan());
                        train.push(row, x)?;
                    }
                    RowRole::Nothing => {}
                }
            }
        }
        before.push(train.len() as u64);
        crate::pipeline::report(&[&read, &slice, &encode]);
        let (train, select, calibrate) = (train.finish()?, select.finish()?, calibrate.finish()?);
        let shuffle = Stage::new("shuffle");
        Ok(Self { order, train, before: before.into(), select, calibrate, empty, holes, found, shuffle })
    }

    /// Number of rows that have a known value.
    pub(super) fn known(&self) -> usize {
        self.train.len() + self.select.len() + self.calibrate.len()
    }

    /// The training rows of an epoch in its order, cut evenly into batches of at most `batch_size` rows; what `input`
    /// makes of them, ahead.
    pub(super) fn epoch<T: Send + 'static>(
        &self,
        epoch: u64,
        batch_size: usize,
        layout: &Layout,
        input: impl Fn(Batch) -> Result<T> + Send + 'static,
    ) -> Result<Prefetch<T>> {
        let (order, before, train) = (self.order, self.before.clone(), self.train.clone());
        let layout = layout.clone();
        let windows = order.windows(epoch).into_iter().enumerate();
        // Each window's rows, in its order.
        let rows = windows.flat_map(move |(window, chunks)| {
            let ranges = chunks.into_iter().map(|range| trained(&before, range)).collect::<Vec<_>>();
            let rows = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            let rows = u32::try_from(rows).expect("no window is larger than MOST_SHUFFLED");
            let shuffled = order.within(epoch, window as u64, rows);
            let starts =
                ranges.iter().scan(0, |next, range| Some(std::mem::replace(next, *next + range.end - range.start)));
            let starts = starts.collect::<Vec<u64>>();
            shuffled.into_iter().map(move |place| {
                let place = u64::from(place);
                let range = starts.partition_point(|&start| start <= place) - 1;
                ranges[range].start + (place - starts[range])
            })
        });
        let mut rows = rows;
        let batch = move |(seq, wanted): (usize, usize)| {
            let mut table = Table::default();
            table.reserve(wanted, layout.inputs());
            train.gather(rows.by_ref().take(wanted), layout.inputs(), &mut table)?;
            input(Batch::new(seq as u64, table.ids, table.x, &layout))
        };
        prefetch(&self.shuffle, 2, step_rows(self.train.len(), batch_size).enumerate().map(batch))
    }
}

/// The rows that train among those numbered `range`, by their place among all that train.
fn trained(before: &[u64], range: Range<u64>) -> Range<u64> {
    let at = |row: u64| before[row.div_ceil(CHUNK_ROWS) as usize];
    at(range.start)..at(range.end)
}
