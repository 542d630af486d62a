//! Transposition of row groups into row vectors: threads decode blocks of columns, which are then joined row by row.
//!
//! A column's reader holds its dictionary and a page, so that readers of hundreds of columns would hold more memory
//! than the rows. So a thread reads a block of columns from the row group's first row to its last, then the next block.
//!
//! # Memory usage
//! Row vectors of row groups up to the given limit, and the blocks being read. A row group above the limit goes through
//! a scratch file.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Batch;
use crate::error::{Error, Result};
use crate::feature::{COLUMNS_PER_BLOCK, FeatureIssues, Features, Layout, Surprise, split_columns};
use crate::pipeline::{self, ByteBudget, Reservation, Stage, Stop};
use crate::source::{ParquetSource, RowGroup};
use crate::storage::Scratch;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Values of a row group below which one thread is faster.
const MIN_VALUES_PER_THREAD: u64 = 1 << 16;

/// Options of the transposition.
#[derive(Debug, Clone)]
pub(crate) struct TransposeConfig {
    /// Threads to read with.
    pub(crate) threads: usize,
    /// Largest size of a row group's row vectors in memory, in bytes.
    pub(crate) bytes: u64,
    /// Folder of the scratch file for larger row groups.
    pub(crate) folder: PathBuf,
    /// Largest number of rows in a slice.
    pub(crate) slice_rows: usize,
}

/// A range of rows of one row group.
pub(crate) struct RowSlice {
    transposed: Arc<TransposedRowGroup>,
    rows: Range<usize>,
}

/// The row vectors of a row group, in blocks of columns.
struct TransposedRowGroup {
    group: RowGroup,
    width: usize,
    parts: Vec<BlockVectors>,
    /// The surprise of each row; empty if nothing is watched.
    surprise: Vec<u64>,
    issues: FeatureIssues,
    _reservation: Reservation,
}

/// The encoded values of a block of columns.
struct BlockVectors {
    /// The block's first element in the row vector, and its number of elements.
    at: usize,
    width: usize,
    values: BlockValues,
    issues: FeatureIssues,
}

/// The values of a block, `[rows, width]`.
enum BlockValues {
    Memory(Vec<f32>),
    /// The file, and the index of the first value in it.
    File(Scratch, u64),
    /// The decoded columns of the block, which the fit kept from its first reading: encoded slice by slice.
    Columns(Box<Features>, Vec<RecordBatch>),
}

/// A block of adjacent features and their columns.
struct ColumnBlock {
    features: Features,
    columns: Vec<String>,
    at: usize,
}

/// An iterator over the rows of a source as row vectors.
pub(crate) struct RowGroupTransposer {
    source: ParquetSource,
    /// Blocks of a few features; and for short row groups, blocks that divide the features among the threads.
    narrow: Arc<Vec<ColumnBlock>>,
    wide: Arc<Vec<ColumnBlock>>,
    width: usize,
    is_watching: bool,
    config: TransposeConfig,
    budget: ByteBudget,
    stage: Stage,
    stop: Stop,
    groups: VecDeque<RowGroup>,
    current: Option<(Arc<TransposedRowGroup>, usize)>,
}

impl RowGroupTransposer {
    /// Encodes every row of `source` in order; reads count as `stage`.
    pub(crate) fn new(
        source: &ParquetSource,
        features: &Features,
        config: TransposeConfig,
        stage: &Stage,
        stop: &Stop,
    ) -> Self {
        let count = features.read_columns().len();
        let of = |most: usize| Arc::new(blocks(features, most));
        Self {
            source: source.with_string_views(),
            narrow: of(COLUMNS_PER_BLOCK),
            wide: of(count.div_ceil(config.threads).max(COLUMNS_PER_BLOCK)),
            width: features.layout().width(),
            is_watching: features.is_watching(),
            budget: ByteBudget::new(config.bytes),
            config,
            stage: stage.clone(),
            stop: stop.clone(),
            groups: source.row_groups().filter(|group| group.rows > 0).collect(),
            current: None,
        }
    }

    fn advance(&mut self) -> Result<Option<RowSlice>> {
        let (transposed, from) = match self.current.take() {
            Some(current) => current,
            None => match self.groups.pop_front() {
                Some(group) => match self.transpose_group(group)? {
                    Some(transposed) => (Arc::new(transposed), 0),
                    None => return Ok(None),
                },
                None => return Ok(None),
            },
        };
        let rows = transposed.group.rows as usize;
        let slice = RowSlice { transposed, rows: from..rows.min(from + self.config.slice_rows) };
        if slice.rows.end < rows {
            self.current = Some((slice.transposed.clone(), slice.rows.end));
        }
        Ok(Some(slice))
    }

    /// Transposes a row group; `None` if the pipeline has ended.
    fn transpose_group(&self, group: RowGroup) -> Result<Option<TransposedRowGroup>> {
        let blocks = if group.rows <= BATCH_ROWS as u64 { &self.wide } else { &self.narrow };
        let values = group.rows.saturating_mul(self.width as u64);
        let bytes = values.saturating_mul(size_of::<f32>() as u64);
        let scratch = if bytes > self.config.bytes { Some(Scratch::create(&self.config.folder)?) } else { None };
        // Row groups that are still in use keep their reservations.
        let Some(reservation) = self.budget.take(if scratch.is_some() { 0 } else { bytes }) else { return Ok(None) };
        let threads = if values < MIN_VALUES_PER_THREAD { 1 } else { self.config.threads.min(blocks.len()) };
        let read_blocks = |thread| {
            let (source, blocks, scratch, stop) =
                (self.source.clone(), blocks.clone(), scratch.clone(), self.stop.clone());
            let mut surprise = vec![0; if self.is_watching { group.rows as usize } else { 0 }];
            move || {
                let mine = blocks.iter().skip(thread).step_by(threads);
                let parts = mine.map(|block| block.read(&source, group, scratch.as_ref(), &mut surprise, &stop));
                Ok((parts.collect::<Result<Vec<BlockVectors>>>()?, surprise))
            }
        };
        let read = if threads == 1 {
            vec![self.stage.run(read_blocks(0))?]
        } else {
            pipeline::run_all(&self.stage, (0..threads).map(read_blocks).collect())?
        };
        let (parts, surprises): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let surprise = surprises.into_iter().reduce(|mut sums, surprise: Vec<u64>| {
            sums.iter_mut().zip(surprise).for_each(|(sum, units)| *sum += units);
            sums
        });
        let mut parts: Vec<BlockVectors> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|part: &BlockVectors| part.at);
        let mut issues = FeatureIssues::default();
        parts.iter().for_each(|part| issues.append(&part.issues));
        let (width, surprise) = (self.width, surprise.unwrap_or_default());
        Ok(Some(TransposedRowGroup { group, width, parts, surprise, issues, _reservation: reservation }))
    }
}

impl Iterator for RowGroupTransposer {
    type Item = Result<RowSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Splits features into blocks of about `length`.
fn blocks(features: &Features, length: usize) -> Vec<ColumnBlock> {
    let mut at = 0;
    let block = |range: Range<usize>| {
        let features = features.subset(range);
        let block = ColumnBlock { columns: features.columns(), at, features };
        at += block.features.layout().width();
        block
    };
    split_columns(features.read_columns(), length).into_iter().map(block).collect()
}

impl ColumnBlock {
    /// Reads the block's columns of a row group, into memory or to their offset in the scratch file; adds their surprise to
    /// that of each row.
    fn read(
        &self,
        source: &ParquetSource,
        group: RowGroup,
        scratch: Option<&Scratch>,
        surprise: &mut [u64],
        stop: &Stop,
    ) -> Result<BlockVectors> {
        let width = self.features.layout().width();
        if let Some(batches) = source.take_kept(&self.columns, group).filter(|_| surprise.is_empty()) {
            let features = Box::new(self.features.clone());
            let (issues, values) = (features.no_issues(), BlockValues::Columns(features, batches));
            return Ok(BlockVectors { at: self.at, width, values, issues });
        }
        let rows = group.rows as usize;
        let mut values = vec![0.0; width * if scratch.is_some() { rows.min(BATCH_ROWS) } else { rows }];
        let first = self.at as u64 * group.rows;
        let (mut row, mut issues) = (0, FeatureIssues::default());
        for batch in source.read(&self.columns, group, BATCH_ROWS)? {
            stop.check()?;
            if pipeline::is_cancelled() {
                return Err(Error::Interrupted);
            }
            let batch = batch?;
            let (from, length) = (if scratch.is_some() { 0 } else { row }, batch.num_rows());
            let values = &mut values[from * width..(from + length) * width];
            let of_rows = surprise.get_mut(row..row + length).unwrap_or_default();
            issues.add(&self.features.write(&batch, values, of_rows)?);
            if let Some(scratch) = scratch.filter(|_| width > 0) {
                scratch.write_at(values, first + (row * width) as u64)?;
            }
            row += length;
        }
        let values = scratch.map_or(BlockValues::Memory(values), |scratch| BlockValues::File(scratch.clone(), first));
        Ok(BlockVectors { at: self.at, width, values, issues })
    }
}

/// Encodes some of the rows of these batches into `values`, `[rows, width]`.
fn encode(
    features: &Features,
    batches: &[RecordBatch],
    rows: Range<usize>,
    values: &mut [f32],
) -> Result<FeatureIssues> {
    let (width, mut issues, mut first) = (features.layout().width(), features.no_issues(), 0);
    for batch in batches {
        let all = first..first + batch.num_rows();
        let wanted = rows.start.max(all.start)..rows.end.min(all.end);
        if !wanted.is_empty() {
            let values = &mut values[(wanted.start - rows.start) * width..(wanted.end - rows.start) * width];
            issues.add(&features.write(&batch.slice(wanted.start - first, wanted.len()), values, &mut [])?);
        }
        first = all.end;
    }
    Ok(issues)
}

impl RowSlice {
    /// Number of the first row, counted over all files.
    pub(crate) fn first_row(&self) -> u64 {
        self.transposed.group.first_row + self.rows.start as u64
    }

    /// The row group within its file.
    pub(crate) fn row_group(&self) -> usize {
        self.transposed.group.number
    }

    /// The rows, `[rows, width]`; NaN where a value is missing. With their issues: those of the whole row group come with its
    /// first slice, so that they count once.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if they cannot be read from the scratch file.
    pub(crate) fn x(&self) -> Result<(Vec<f32>, FeatureIssues)> {
        let TransposedRowGroup { width: all, parts, issues: of_group, .. } = &*self.transposed;
        let mut x = vec![0.0; self.rows.len() * all];
        let mut issues = if self.rows.start == 0 { of_group.clone() } else { FeatureIssues::default() };
        let (mut read, mut of_slice) = (Vec::new(), FeatureIssues::default());
        for BlockVectors { at, width, values, issues: of_block } in parts {
            let mut encoded = None;
            let values = match values {
                BlockValues::Columns(features, batches) => {
                    read.resize(self.rows.len() * width, 0.0);
                    encoded = Some(encode(features, batches, self.rows.clone(), &mut read)?);
                    &read
                }
                BlockValues::Memory(values) => &values[self.rows.start * width..self.rows.end * width],
                BlockValues::File(scratch, first) => {
                    read.resize(self.rows.len() * width, 0.0);
                    scratch.read_at(&mut read, first + (self.rows.start * width) as u64)?;
                    &read
                }
            };
            for (row, values) in x.chunks_exact_mut(*all).zip(values.chunks_exact((*width).max(1))) {
                row[*at..at + width].copy_from_slice(values);
            }
            of_slice.append(&encoded.unwrap_or_else(|| of_block.none()));
        }
        issues.add(&of_slice);
        Ok((x, issues))
    }

    /// The rows as a batch.
    ///
    /// # Errors
    /// As [`x`](Self::x).
    pub(crate) fn batch(&self, layout: &Layout) -> Result<(Batch, FeatureIssues)> {
        let surprise = self.transposed.surprise.get(self.rows.clone()).unwrap_or_default();
        let (x, issues) = self.x()?;
        Ok((Batch { surprise: Surprise::new(surprise.to_vec()), ..Batch::unnumbered(x, layout) }, issues))
    }
}
