//! The rows of a fit, encoded: those that train, in memory or window by window, and those held out.

use std::ops::Range;
use std::sync::Arc;

use super::progress::{Progress, Watch};
use crate::ahead::{self, Ahead, ahead, ahead_map};
use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::feature::{Features, Masked};
use crate::shuffle::{CHUNK_ROWS, HoldOut, Order, Part, step_rows};
use crate::source::ParquetSource;
use crate::stage::Stage;

/// Encoded training rows up to this many bytes stay in memory. A constant and no share of the machine's memory, since
/// the order of training depends on it.
const CACHE_BYTES: u64 = 2 << 30;

/// Bytes of a shuffle window when they do not: one is trained, one waits, one is read, within the cache's bytes.
const WINDOW_BYTES: u64 = CACHE_BYTES / 4;

/// How many rows are shuffled together: all of them while they fit the cache, otherwise a window's.
pub(super) fn shuffle_rows(rows: u64, row_bytes: u64) -> u64 {
    if rows.saturating_mul(row_bytes) <= CACHE_BYTES {
        rows
    } else {
        (WINDOW_BYTES / row_bytes.max(1)).max(CHUNK_ROWS).div_ceil(CHUNK_ROWS) * CHUNK_ROWS
    }
}

/// Where the training rows are.
enum Store {
    /// All of them, here.
    Memory(Arc<Table>),
    /// In the source, to be read again each epoch.
    Source,
}

/// The rows of a window, and the order to take them in.
type Window = (Arc<Table>, Vec<u32>);

/// The rows of a fit.
pub(super) struct FitRows {
    source: ParquetSource,
    features: Arc<Features>,
    hold_out: HoldOut,
    order: Order,
    store: Store,
    threads: usize,
    /// Rows that train.
    pub(super) train: usize,
    /// Rows that choose the weights.
    pub(super) select: Table,
    /// Rows that choose nothing.
    pub(super) calibrate: Table,
    /// Rows without a known feature.
    pub(super) empty: u64,
    /// Values present but not usable, a feature.
    pub(super) masked: Masked,
}

/// A run of encoded rows: number of the first, `[rows, inputs]`, values not usable.
type Encoded = (u64, Vec<f32>, Masked);

impl FitRows {
    /// Reads every row once: encodes it, and keeps it as far as it is held out or the training rows fit in memory.
    ///
    /// # Errors
    /// The source's, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn load(
        source: &ParquetSource,
        features: Arc<Features>,
        hold_out: HoldOut,
        order: Order,
        in_memory: bool,
        threads: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let inputs = features.layout().inputs();
        let scan = source.scan(&features.columns(), CHUNK_ROWS as usize)?;
        let depth = ahead::depth(CHUNK_ROWS as usize * inputs * size_of::<f32>(), 1);
        let encode = {
            let (features, stop) = (features.clone(), watch.stop.clone());
            move |rows: crate::source::Rows| -> Result<Encoded> {
                stop.check()?;
                let mut x = vec![0.0; rows.batch.num_rows() * inputs];
                let masked = features.write(&rows.batch, &mut x)?;
                Ok((rows.first_row, x, masked))
            }
        };
        let mut train = Table::default();
        if in_memory {
            train.reserve(source.rows() as usize, inputs);
        }
        let (mut select, mut calibrate) = (Table::default(), Table::default());
        let (mut train_rows, mut empty, mut masked) = (0, 0, Masked::default());
        for encoded in ahead_map(&Stage::new("read"), scan, &Stage::new("encode"), depth, threads, encode)? {
            let (first_row, x, not_usable) = encoded?;
            masked.add(&not_usable);
            let read = first_row + (x.len() / inputs) as u64;
            (watch.on_progress)(Progress::Encoded { rows: read, of: source.rows() });
            for (row, x) in (first_row..).zip(x.chunks_exact(inputs)) {
                if x.iter().all(|x| x.is_nan()) {
                    empty += 1;
                    continue;
                }
                match hold_out.part(row) {
                    Part::Select => select.push(row, x),
                    Part::Calibrate => calibrate.push(row, x),
                    Part::Train => {
                        train_rows += 1;
                        if in_memory {
                            train.push(row, x);
                        }
                    }
                }
            }
        }
        let store = if in_memory { Store::Memory(Arc::new(train)) } else { Store::Source };
        // Windows begin in the middle of row groups.
        let source = if in_memory { source.clone() } else { source.with_page_indexes() };
        Ok(Self {
            source,
            features,
            hold_out,
            order,
            store,
            threads,
            train: train_rows,
            select,
            calibrate,
            empty,
            masked,
        })
    }

    /// The training rows of an epoch in its order, cut evenly into batches of at most `batch_size` rows, made ahead.
    pub(super) fn epoch(&self, epoch: u64, batch_size: usize) -> Result<Ahead<Batch>> {
        let layout = self.features.layout().clone();
        let mut windows = self.windows(epoch)?;
        let (mut window, mut order, mut next) = (Arc::new(Table::default()), Vec::new(), 0);
        let batch = move |(seq, rows): (usize, usize)| {
            let mut gathered = Table::default();
            gathered.reserve(rows, layout.inputs());
            while gathered.len() < rows {
                if next == order.len() {
                    match windows.next() {
                        Some(loaded) => (window, order) = loaded?,
                        None => break,
                    }
                    next = 0;
                }
                let take = (rows - gathered.len()).min(order.len() - next);
                window.gather(&order[next..next + take], layout.inputs(), &mut gathered);
                next += take;
            }
            Ok(Batch::new(seq as u64, gathered.ids, gathered.x, &layout))
        };
        ahead(&Stage::new("shuffle"), 2, step_rows(self.train, batch_size).enumerate().map(batch))
    }

    /// The windows of an epoch.
    fn windows(&self, epoch: u64) -> Result<Box<dyn Iterator<Item = Result<Window>> + Send>> {
        let order = self.order;
        let shuffled = move |window: usize, table: Arc<Table>| {
            let rows = order.within(epoch, window as u64, u32::try_from(table.len()).unwrap_or(u32::MAX));
            (table, rows)
        };
        if let Store::Memory(table) = &self.store {
            return Ok(Box::new(std::iter::once(Ok(shuffled(0, table.clone())))));
        }
        let plan = order.windows(epoch);
        let sizes: Vec<usize> = plan.iter().map(Vec::len).collect();
        let (source, features, hold_out) = (self.source.clone(), self.features.clone(), self.hold_out);
        let read = move |range: Range<u64>| read_chunk(&source, &features, hold_out, range);
        let mut chunks = ahead_map(
            &Stage::new("chunks"),
            plan.into_iter().flatten().map(Ok),
            &Stage::new("chunk"),
            2,
            self.threads,
            read,
        )?;
        let window = move |(window, chunks_of_window): (usize, usize)| {
            let mut table = Table::default();
            for chunk in chunks.by_ref().take(chunks_of_window) {
                table.append(chunk?);
            }
            Ok(shuffled(window, Arc::new(table)))
        };
        Ok(Box::new(ahead(&Stage::new("window"), 1, sizes.into_iter().enumerate().map(window))?))
    }
}

/// The training rows among the rows numbered `range`.
fn read_chunk(source: &ParquetSource, features: &Features, hold_out: HoldOut, range: Range<u64>) -> Result<Table> {
    let inputs = features.layout().inputs();
    let (mut table, mut row) = (Table::default(), range.start);
    for batch in source.rows_at(&features.columns(), range)? {
        let mut x = vec![0.0; batch.num_rows() * inputs];
        features.write(&batch, &mut x)?;
        for x in x.chunks_exact(inputs) {
            if hold_out.part(row) == Part::Train && !x.iter().all(|x| x.is_nan()) {
                table.push(row, x);
            }
            row += 1;
        }
    }
    Ok(table)
}
