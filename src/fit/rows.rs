//! The encoded rows of a fit: training rows, in the order of each epoch, validation rows and calibration rows.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::encoded_rows::EncodedRows;
use super::memory_budget::MemoryBudget;
use super::neighbor_graph::{GraphInput, NeighborGraph};
use crate::batch::{Batch, RowGroupTransposer, RowSlice, Table, TransposeConfig};
use crate::config::Training;
use crate::error::Result;
use crate::feature::{FeatureIssues, Features, Layout};
use crate::fit::row_order::{CHUNK_ROWS, HoldOut, RowOrder, RowRole, step_rows};
use crate::pipeline::{self, Pool, Prefetch, Progress, Run, Stage, prefetch, prefetch_map};
use crate::source::ParquetSource;
use crate::storage::Scratch;

/// Bytes of encoded rows in one item of a queue.
const SLICE_BYTES: usize = 4 << 20;

/// The encoded rows of a fit.
pub(super) struct FitRows {
    order: RowOrder,
    /// Training rows.
    pub(super) training: Arc<EncodedRows>,
    /// Number of training rows before each chunk of rows.
    before: Arc<Vec<u64>>,
    /// Validation rows.
    pub(super) validation: Arc<EncodedRows>,
    /// Calibration rows.
    pub(super) calibration: Arc<EncodedRows>,
    /// Rows without a known feature.
    pub(super) empty: u64,
    /// Whether a training row misses a value.
    pub(super) missing: bool,
    /// Counts of unusable values by feature.
    pub(super) issues: FeatureIssues,
    /// The nearest neighbours of training rows, if they are kept together.
    graph: Option<Arc<NeighborGraph>>,
    /// The stage that makes batches.
    pub(super) shuffle: Stage,
}

/// The rows of a step.
pub(super) struct StepRows {
    /// Their numbers, and their values, unless they are read from a device.
    pub(super) batch: Batch,
    /// Their places among the training rows.
    pub(super) places: Vec<u32>,
    /// Pairs of neighbours at the end.
    pub(super) pairs: usize,
}

/// Loads the rows of a fit: from where, which of them, and into how much memory.
pub(super) struct RowLoader<'a> {
    pub(super) source: &'a ParquetSource,
    pub(super) features: &'a Arc<Features>,
    pub(super) hold_out: HoldOut,
    pub(super) order: RowOrder,
    pub(super) memory: MemoryBudget,
    /// Number of rows to keep.
    pub(super) rows: u64,
    /// Directory of scratch files.
    pub(super) folder: &'a Path,
}

impl RowLoader<'_> {
    /// Reads and encodes every row once, and keeps the rows of the split.
    ///
    /// # Errors
    /// The source's, [`Error::Io`](crate::Error::Io) if the scratch file cannot be written, and
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn load(&self, run: &mut Run<'_>) -> Result<FitRows> {
        let Self { source, features, hold_out, order, memory, folder, .. } = *self;
        let (inputs, width) = (features.layout().inputs(), features.layout().width());
        let slice_rows = (SLICE_BYTES / size_of::<f32>() / width).clamp(1, CHUNK_ROWS as usize);
        let (threads, stop) = (run.workers(), run.stopper().clone());
        let transpose = TransposeConfig { threads, bytes: memory.row_group, folder: folder.to_owned(), slice_rows };
        let [read, slice, encode] = ["read", "slice", "encode"].map(Stage::new);
        let scan = RowGroupTransposer::new(source, features, transpose, &read, &stop);
        let assemble = move |slice: RowSlice| {
            stop.check()?;
            let (x, issues) = slice.x()?;
            Ok((slice.first_row(), x, issues))
        };
        let depth = pipeline::queue_depth(slice_rows * width * size_of::<f32>(), memory.queues);

        let held_out = hold_out.held_out();
        let mut training = self.store(self.rows - held_out.all())?;
        let mut validation = self.store(held_out.validation)?;
        let mut calibration = self.store(held_out.calibration)?;
        let (mut before, mut empty, mut missing, mut issues) = (Vec::new(), 0, false, FeatureIssues::default());
        for encoded in prefetch_map(&slice, scan, &encode, depth, threads, assemble)? {
            let (first_row, x, of_slice) = encoded?;
            issues.add(&of_slice);
            let rows = x.len() / width;
            run.report(Progress::Encoded { rows: first_row + rows as u64, of: source.rows() });
            for (row, x) in (first_row..).zip(x.chunks_exact(width)) {
                if row % CHUNK_ROWS == 0 {
                    before.push(training.len() as u64);
                }
                if x[..inputs].iter().all(|x| x.is_nan()) {
                    empty += 1;
                    continue;
                }
                match hold_out.role(row) {
                    RowRole::Validation => validation.push(row, x)?,
                    RowRole::Calibration => calibration.push(row, x)?,
                    RowRole::Training => {
                        missing = missing || x[..inputs].iter().any(|x| x.is_nan());
                        training.push(row, x)?;
                    }
                    RowRole::Unused => {}
                }
            }
        }
        before.push(training.len() as u64);
        pipeline::report(&[&read, &slice, &encode]);
        let (training, validation, calibration) = (training.finish()?, validation.finish()?, calibration.finish()?);
        let (before, shuffle) = (before.into(), Stage::new("shuffle"));
        Ok(FitRows { order, training, before, validation, calibration, empty, missing, issues, graph: None, shuffle })
    }

    /// Makes a store for `rows` rows: in memory if all rows of the fit fit there.
    fn store(&self, rows: u64) -> Result<EncodedRows> {
        let width = self.features.layout().width();
        let scratch = if self.memory.holds(self.rows, width) { None } else { Some(Scratch::create(self.folder)?) };
        Ok(EncodedRows::new(scratch, rows as usize, width))
    }
}

impl FitRows {
    /// All rows that have a known value, by number.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if they cannot be read.
    pub(super) fn all(&self, width: usize) -> Result<Table> {
        let mut rows = Table::default();
        for store in [&self.training, &self.validation, &self.calibration] {
            store.gather(0..store.len() as u64, width, &mut rows)?;
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows.ids[row]);
        let mut sorted = Table::default();
        order.into_iter().for_each(|row| sorted.push_row(&rows, row, width));
        Ok(sorted)
    }

    /// Another split of the same rows, each part by number: without validation rows.
    pub(super) fn with_split(&self, training: Table, calibration: Table) -> Self {
        let chunks = 0..self.before.len() as u64;
        let before = chunks.map(|chunk| training.ids.partition_point(|&id| id < chunk * CHUNK_ROWS) as u64);
        Self {
            order: self.order,
            before: Arc::new(before.collect()),
            empty: self.empty,
            missing: training.x.iter().any(|x| x.is_nan()),
            issues: self.issues.clone(),
            graph: None,
            shuffle: Stage::new("shuffle"),
            training: EncodedRows::of(training),
            validation: EncodedRows::of(Table::default()),
            calibration: EncodedRows::of(calibration),
        }
    }

    /// Number of rows that have a known value.
    pub(super) fn known(&self) -> usize {
        self.training.len() + self.validation.len() + self.calibration.len()
    }

    /// Finds the nearest neighbours of training rows, if the training keeps them together.
    ///
    /// # Errors
    /// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn find_neighbors(&mut self, layout: &Layout, training: &Training, run: &Run<'_>) -> Result<()> {
        if training.neighbors == 0 {
            return Ok(());
        }
        let (stage, pool) = (Stage::new("neighbors"), Pool::new(run.workers())?);
        let input = GraphInput { training: &self.training, layout, pool: &pool, stop: run.stopper() };
        let graph = stage.run(|| NeighborGraph::new(&input, training.neighbors, training.seed))?;
        self.graph = Some(Arc::new(graph));
        pipeline::report(&[&stage]);
        Ok(())
    }

    /// Starts a thread that cuts the training rows, in the order of the epoch, into even batches of at most `batch_size`
    /// rows, adds pairs of neighbours, if there is a graph, and makes an `input` of each batch. Without `values`, a batch
    /// has the numbers of its rows alone.
    pub(super) fn epoch<T: Send + 'static>(
        &self,
        epoch: u64,
        batch_size: usize,
        layout: &Layout,
        values: bool,
        input: impl Fn(StepRows) -> Result<T> + Send + 'static,
    ) -> Result<Prefetch<T>> {
        let (order, before, training) = (self.order, self.before.clone(), self.training.clone());
        let layout = layout.clone();
        let windows = order.windows(epoch).into_iter().enumerate();
        let mut rows = windows.flat_map(move |(window, chunks)| {
            let ranges = chunks.into_iter().map(|range| training_range(&before, range)).collect::<Vec<_>>();
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
        let graph = self.graph.clone();
        let batch = move |(step, wanted): (u64, usize)| {
            let mut places: Vec<u64> = rows.by_ref().take(wanted).collect();
            let (beside, pairs) = graph.as_ref().map(|graph| graph.beside(&places, epoch, step)).unwrap_or_default();
            places.extend(beside);
            let batch = if values {
                let mut table = Table::default();
                table.reserve(places.len(), layout.width());
                training.gather(places.iter().copied(), layout.width(), &mut table)?;
                Batch::new(table.ids, table.x, &layout)
            } else {
                Batch::of_numbers(training.ids(places.iter().copied())?)
            };
            // No more rows are shuffled together, or stay on a device, than there are numbers of 32 bits.
            let places = places.into_iter().map(|place| place as u32).collect();
            input(StepRows { batch, places, pairs })
        };
        prefetch(&self.shuffle, 2, (0..).zip(step_rows(self.training.len(), batch_size)).map(batch))
    }
}

/// The places, among all training rows, of the training rows with numbers in `range`.
fn training_range(before: &[u64], range: Range<u64>) -> Range<u64> {
    let at = |row: u64| before[row.div_ceil(CHUNK_ROWS) as usize];
    at(range.start)..at(range.end)
}
