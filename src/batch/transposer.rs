//! Row groups turned into row vectors: columns are decoded in strips, side by side, and put together row by row.
//!
//! A reader of a column holds its dictionary and a page, so that readers of hundreds of columns at once hold more than
//! the rows. Here a thread reads a few columns from the row group's first row to its last, then the next few.
//!
//! # Memory usage
//! Row groups of row vectors up to the bound given, and the strips being read. A row group over the bound goes through a
//! scratch file.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::feature::{FeatureIssues, Features, STRIP, runs};
use crate::pipeline::{self, ByteBudget, Reservation, Stage, Stop};
use crate::source::{ParquetSource, RowGroup};
use crate::storage::Scratch;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Values of a row group below which it is not worth a thread.
const WORTH_A_THREAD: u64 = 1 << 16;

/// How row groups are turned.
#[derive(Debug, Clone)]
pub(crate) struct TransposeConfig {
    /// Threads to read with.
    pub(crate) threads: usize,
    /// Bytes of row vectors up to which a row group is turned in memory.
    pub(crate) bytes: u64,
    /// Folder of the scratch file for those above.
    pub(crate) folder: PathBuf,
    /// Rows handed on together, at most.
    pub(crate) slice_rows: usize,
}

/// Neighbouring rows of one row group.
pub(crate) struct RowSlice {
    turned: Arc<TransposedRowGroup>,
    rows: Range<usize>,
}

/// A row group, turned.
struct TransposedRowGroup {
    group: RowGroup,
    inputs: usize,
    parts: Vec<StripVectors>,
    found: FeatureIssues,
    _room: Reservation,
}

/// What a strip's columns gave.
struct StripVectors {
    /// Its first element in the row vector, and its number of elements.
    at: usize,
    width: usize,
    cells: StripCells,
    found: FeatureIssues,
}

/// `[rows, width]`.
enum StripCells {
    Memory(Vec<f32>),
    /// From this value of the file on.
    File(Scratch, u64),
}

/// A few features of a model.
struct ColumnStrip {
    features: Features,
    columns: Vec<String>,
    at: usize,
}

/// Iterates over the rows of a source, encoded.
pub(crate) struct RowGroupTransposer {
    source: ParquetSource,
    /// A few features each; and all of them, divided among the threads, for row groups of a few rows.
    narrow: Arc<Vec<ColumnStrip>>,
    wide: Arc<Vec<ColumnStrip>>,
    inputs: usize,
    turning: TransposeConfig,
    room: ByteBudget,
    stage: Stage,
    stop: Stop,
    groups: VecDeque<RowGroup>,
    current: Option<(Arc<TransposedRowGroup>, usize)>,
}

impl RowGroupTransposer {
    /// Encodes every row of `source`, in order; reads as `stage`.
    pub(crate) fn new(
        source: &ParquetSource,
        features: &Features,
        turning: TransposeConfig,
        stage: &Stage,
        stop: &Stop,
    ) -> Self {
        let count = features.kinds().len();
        let of = |most: usize| Arc::new(strips(features, most));
        Self {
            source: source.with_string_views(),
            narrow: of(STRIP),
            wide: of(count.div_ceil(turning.threads).max(STRIP)),
            inputs: features.layout().inputs(),
            room: ByteBudget::new(turning.bytes),
            turning,
            stage: stage.clone(),
            stop: stop.clone(),
            groups: source.row_groups().filter(|group| group.rows > 0).collect(),
            current: None,
        }
    }

    fn advance(&mut self) -> Result<Option<RowSlice>> {
        let (turned, from) = match self.current.take() {
            Some(current) => current,
            None => match self.groups.pop_front() {
                Some(group) => match self.turn(group)? {
                    Some(turned) => (Arc::new(turned), 0),
                    None => return Ok(None),
                },
                None => return Ok(None),
            },
        };
        let rows = turned.group.rows as usize;
        let slice = RowSlice { turned, rows: from..rows.min(from + self.turning.slice_rows) };
        if slice.rows.end < rows {
            self.current = Some((slice.turned.clone(), slice.rows.end));
        }
        Ok(Some(slice))
    }

    /// Turns a row group; `None` once nobody takes it.
    fn turn(&self, group: RowGroup) -> Result<Option<TransposedRowGroup>> {
        let strips = if group.rows <= BATCH_ROWS as u64 { &self.wide } else { &self.narrow };
        let values = group.rows.saturating_mul(self.inputs as u64);
        let bytes = values.saturating_mul(size_of::<f32>() as u64);
        let scratch = if bytes > self.turning.bytes { Some(Scratch::create(&self.turning.folder)?) } else { None };
        // Row groups that are still being worked on keep theirs.
        let Some(room) = self.room.take(if scratch.is_some() { 0 } else { bytes }) else { return Ok(None) };
        let lanes = if values < WORTH_A_THREAD { 1 } else { self.turning.threads.min(strips.len()) };
        let lane = |lane| {
            let (source, strips, scratch, stop) =
                (self.source.clone(), strips.clone(), scratch.clone(), self.stop.clone());
            move || {
                let mine = strips.iter().skip(lane).step_by(lanes);
                mine.map(|strip| strip.read(&source, group, scratch.as_ref(), &stop))
                    .collect::<Result<Vec<StripVectors>>>()
            }
        };
        let mut parts = if lanes == 1 {
            self.stage.run(lane(0))?
        } else {
            pipeline::run_all(&self.stage, (0..lanes).map(lane).collect())?.into_iter().flatten().collect()
        };
        parts.sort_unstable_by_key(|part: &StripVectors| part.at);
        let found = FeatureIssues(parts.iter().flat_map(|part| part.found.0.iter().copied()).collect());
        Ok(Some(TransposedRowGroup { group, inputs: self.inputs, parts, found, _room: room }))
    }
}

impl Iterator for RowGroupTransposer {
    type Item = Result<RowSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Cuts features into strips of about `length`.
fn strips(features: &Features, length: usize) -> Vec<ColumnStrip> {
    let mut at = 0;
    let strip = |run: Range<usize>| {
        let features = features.some(run);
        let strip = ColumnStrip { columns: features.columns(), at, features };
        at += strip.features.layout().inputs();
        strip
    };
    runs(features.kinds().iter().map(|kind| kind.column()), length).into_iter().map(strip).collect()
}

impl ColumnStrip {
    /// Reads the strip's columns of a row group, into memory or into its place in the scratch file.
    fn read(
        &self,
        source: &ParquetSource,
        group: RowGroup,
        scratch: Option<&Scratch>,
        stop: &Stop,
    ) -> Result<StripVectors> {
        let width = self.features.layout().inputs();
        let rows = group.rows as usize;
        let mut cells = vec![0.0; width * if scratch.is_some() { rows.min(BATCH_ROWS) } else { rows }];
        let first = self.at as u64 * group.rows;
        let (mut row, mut found) = (0, FeatureIssues::default());
        for batch in source.read(&self.columns, group, BATCH_ROWS)? {
            stop.check()?;
            if pipeline::is_cancelled() {
                return Err(Error::Interrupted);
            }
            let batch = batch?;
            let (from, length) = (if scratch.is_some() { 0 } else { row }, batch.num_rows());
            let cells = &mut cells[from * width..(from + length) * width];
            found.add(&self.features.write(&batch, cells)?);
            if let Some(scratch) = scratch {
                scratch.write_at(cells, first + (row * width) as u64)?;
            }
            row += length;
        }
        let cells = scratch.map_or(StripCells::Memory(cells), |scratch| StripCells::File(scratch.clone(), first));
        Ok(StripVectors { at: self.at, width, cells, found })
    }
}

impl RowSlice {
    /// Number of the first row, counted over all files.
    pub(crate) fn first_row(&self) -> u64 {
        self.turned.group.first_row + self.rows.start as u64
    }

    /// The row group within its file.
    pub(crate) fn row_group(&self) -> usize {
        self.turned.group.number
    }

    /// What was found in the row group; with its first rows only, so that it counts once.
    pub(crate) fn found(&self) -> FeatureIssues {
        if self.rows.start == 0 { self.turned.found.clone() } else { FeatureIssues::default() }
    }

    /// The row vectors, `[rows, inputs]`; NaN where a value is missing.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if they cannot be read from the scratch file.
    pub(crate) fn x(&self) -> Result<Vec<f32>> {
        let TransposedRowGroup { inputs, parts, .. } = &*self.turned;
        let mut x = vec![0.0; self.rows.len() * inputs];
        let mut read = Vec::new();
        for StripVectors { at, width, cells, .. } in parts {
            let cells = match cells {
                StripCells::Memory(cells) => &cells[self.rows.start * width..self.rows.end * width],
                StripCells::File(scratch, first) => {
                    read.resize(self.rows.len() * width, 0.0);
                    scratch.read_at(&mut read, first + (self.rows.start * width) as u64)?;
                    &read
                }
            };
            for (row, cells) in x.chunks_exact_mut(*inputs).zip(cells.chunks_exact(*width)) {
                row[*at..at + width].copy_from_slice(cells);
            }
        }
        Ok(x)
    }
}
