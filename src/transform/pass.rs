//! Rows on their way through the model, whatever they come from and go to: read on one thread, encoded on several, handed
//! on in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::new_columns::{NewColumnMaker, RowCounts};
use super::{batch_rows, vectors};
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::error::{Error, Place, Result};
use crate::feature::FeatureIssues;
use crate::pipeline::{self, ByteBudget, Prefetch, Reservation, Stage, Stop, machine_threads, prefetch_map};
use crate::score::ANOMALY_SCORE;
use crate::sink::{Medium, cast_to_schema, output_schema};
use crate::source::{Batches, Source};

/// What a pass writes: carried columns, then new ones.
pub(super) struct PassOutput {
    /// The columns that are carried, then those that are only learned from, by name.
    pub(super) needed: Vec<String>,
    carried: usize,
    pub(super) schema: SchemaRef,
    /// Where the rows come from, for messages.
    path: PathBuf,
}

/// Rows with their new columns.
pub(super) struct TransformedBatch {
    pub(super) batch: RecordBatch,
    pub(super) tally: RowCounts,
    pub(super) found: FeatureIssues,
    _room: Arc<Reservation>,
}

/// Rows to encode.
struct BatchSlice {
    seq: u64,
    /// Number of the first row.
    first: u64,
    rows: RecordBatch,
    room: Arc<Reservation>,
}

impl PassOutput {
    /// The columns of rows of `input`, of which those numbered `kept` are carried, as a medium has them.
    pub(super) fn new(
        model: &Model,
        (input, path): (&Schema, &Path),
        kept: &[usize],
        config: &TransformConfig,
        medium: Medium,
    ) -> Result<Self> {
        let carried: Vec<FieldRef> = kept.iter().map(|&place| input.fields()[place].clone()).collect();
        let mut needed: Vec<String> = carried.iter().map(|field| field.name().clone()).collect();
        needed.extend(
            model.features().columns().into_iter().filter(|column| !needed.contains(column)).collect::<Vec<_>>(),
        );
        let new = model.new_columns(config)?;
        let metadata = model.keys(Some(&format!("{}{ANOMALY_SCORE}", config.prefix)));
        let fields: Vec<FieldRef> = carried.iter().chain(new.fields()).cloned().collect();
        let schema = output_schema(input, &fields, &new, &metadata, medium);
        Ok(Self { needed, carried: carried.len(), schema, path: path.to_owned() })
    }

    /// The columns that are carried, by name.
    pub(super) fn carried(&self) -> &[String] {
        &self.needed[..self.carried]
    }
}

/// Runs batches of the columns `output.needed`, whose rows count from `first` on if their drift is wanted, through the
/// model.
///
/// # Errors
/// If no threads can be started; those of the batches come in their place.
pub(super) fn pass(
    model: &Model,
    output: &PassOutput,
    added: NewColumnMaker,
    (batches, first): (Batches, Option<u64>),
    config: &TransformConfig,
    stop: &Stop,
    [read, encode]: [&Stage; 2],
) -> Result<Prefetch<TransformedBatch>> {
    let features = model.features().clone();
    let (rows, threads) = (batch_rows(&features), config.threads.unwrap_or_else(machine_threads));
    let places: Vec<usize> = {
        let place = |column: &String| output.needed.iter().position(|needed| needed == column);
        features.columns().iter().filter_map(place).collect()
    };
    let (carried, schema, stopped) = (output.carried, output.schema.clone(), stop.clone());
    let path = output.path.clone();
    let width = schema.fields().len();
    let score = move |piece: BatchSlice| -> Result<TransformedBatch> {
        stopped.check()?;
        let BatchSlice { seq, first: row, rows, room } = piece;
        let learned = rows.project(&places).map_err(failed)?;
        let (batch, found) = vectors(&features, seq, &learned)?;
        let (new, tally) = added.columns(&batch, Some(&learned), first.map(|first| first + row))?;
        let arrays = rows.columns()[..carried].iter().chain(new.columns()).cloned();
        let batch = cast_to_schema(&schema, arrays, rows.num_rows(), &path)?;
        Ok(TransformedBatch { batch, tally, found, _room: room })
    };
    // Their bytes bound what waits, and their number the small ones.
    let depth = pipeline::queue_depth(rows * width * size_of::<f32>(), pipeline::QUEUE_BYTES);
    prefetch_map(read, BatchSlicer::new(batches, rows), encode, depth, threads, score)
}

/// Counts the rows of each level of the calibration, for a decision that depends on all of them; batches are of the learned
/// columns.
///
/// # Errors
/// Those of the batches, and if no threads can be started.
pub(super) fn rank(
    model: &Model,
    added: &NewColumnMaker,
    batches: Batches,
    config: &TransformConfig,
    stop: &Stop,
    levels: &mut [u64],
) -> Result<()> {
    let features = model.features().clone();
    let (rows, threads) = (batch_rows(&features), config.threads.unwrap_or_else(machine_threads));
    let depth = pipeline::queue_depth(rows * features.layout().inputs() * size_of::<f32>(), pipeline::QUEUE_BYTES);
    let (added, stopped) = (added.clone(), stop.clone());
    let score = move |piece: BatchSlice| -> Result<Vec<usize>> {
        stopped.check()?;
        added.ranked(&vectors(&features, piece.seq, &piece.rows)?.0)
    };
    let [read, encode] = ["read", "model"].map(Stage::new);
    for ranked in prefetch_map(&read, BatchSlicer::new(batches, rows), &encode, depth, threads, score)? {
        ranked?.into_iter().for_each(|level| levels[level] += 1);
    }
    Ok(())
}

/// Counts rows, of which nothing is written.
///
/// # Errors
/// The source's, and if no threads can be started.
pub(super) fn tally(
    model: &Model,
    added: NewColumnMaker,
    source: &Source,
    config: &TransformConfig,
    stop: &Stop,
    take: &mut dyn FnMut(usize, RowCounts, &FeatureIssues),
) -> Result<()> {
    let features = model.features().clone();
    let (rows, threads) = (batch_rows(&features), config.threads.unwrap_or_else(machine_threads));
    let depth = pipeline::queue_depth(rows * features.layout().inputs() * size_of::<f32>(), pipeline::QUEUE_BYTES);
    let (stopped, batches) = (stop.clone(), source.stream(&features.columns(), rows)?.batches);
    let count = move |piece: BatchSlice| -> Result<(usize, RowCounts, FeatureIssues)> {
        stopped.check()?;
        let (batch, found) = vectors(&features, piece.seq, &piece.rows)?;
        Ok((batch.rows(), added.tally(&batch, piece.first)?, found))
    };
    let [read, encode] = ["read", "model"].map(Stage::new);
    for counted in prefetch_map(&read, BatchSlicer::new(batches, rows), &encode, depth, threads, count)? {
        let (rows, tally, found) = counted?;
        take(rows, tally, &found);
    }
    Ok(())
}

fn failed(source: ArrowError) -> Error {
    Error::Read { place: Place::file("rows"), source: source.into() }
}

/// Cuts batches into pieces of at most so many rows, as long as there is room for the batches they are of.
struct BatchSlicer {
    batches: Batches,
    rows: usize,
    room: ByteBudget,
    current: Option<(RecordBatch, Arc<Reservation>)>,
    seq: u64,
    row: u64,
}

impl BatchSlicer {
    fn new(batches: Batches, rows: usize) -> Self {
        Self { batches, rows, room: ByteBudget::new(pipeline::QUEUE_BYTES as u64), current: None, seq: 0, row: 0 }
    }
}

impl Iterator for BatchSlicer {
    type Item = Result<BatchSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        let (batch, room) = match self.current.take() {
            Some(current) => current,
            None => match self.batches.next()? {
                Ok(batch) => {
                    let room = self.room.take(bytes(&batch))?;
                    (batch, Arc::new(room))
                }
                Err(error) => return Some(Err(error)),
            },
        };
        let rows = batch.slice(0, self.rows.min(batch.num_rows()));
        if rows.num_rows() < batch.num_rows() {
            self.current = Some((batch.slice(rows.num_rows(), batch.num_rows() - rows.num_rows()), room.clone()));
        }
        let piece = BatchSlice { seq: self.seq, first: self.row, rows, room };
        self.seq += 1;
        self.row += piece.rows.num_rows() as u64;
        Some(Ok(piece))
    }
}

/// Bytes of a batch's own rows.
fn bytes(batch: &RecordBatch) -> u64 {
    let of =
        |array: &dyn Array| array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size());
    batch.columns().iter().map(|array| of(array) as u64).sum()
}
