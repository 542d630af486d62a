//! Transforming rows: source, encoder and sink behind bounded queues, and the schema of what comes out.

mod batch;
mod columns;
mod mirror;
mod output;
mod pass;
mod reader;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::datatypes::SchemaRef;

pub use self::output::Output;
use crate::ahead::{self, ahead_map, machine_threads};
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::TransformConfig;
use crate::error::Result;
use crate::feature::{Features, Found, FoundAll};
use crate::model::{Encoded, Vae};
use crate::score::SCORES;
use crate::sink::{self, Column, NewColumns, Sink, Splice, Target};
use crate::source::ParquetSource;
use crate::stage::{self, Stage};
use crate::stop::Stop;
use crate::strips::{Slice, Strips, Turning};

/// Bytes of row vectors in a batch, within the bounds on rows below.
const BATCH_BYTES: usize = 4 << 20;

/// Rows of a batch: a multiple of the encoder's block, so that only a row group's last block is padded.
const BATCH_ROWS: (usize, usize) = (256, 8192);

/// Bytes of row vectors up to which a row group is turned in memory: a usual one of 64 Ki rows and 1,000 columns.
const GROUP_BYTES: u64 = 256 << 20;

/// What a transform did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transformed {
    /// Rows in, and rows out.
    pub rows: u64,
    /// Outputs written.
    pub files: u64,
    /// Outputs left as they are, since they were there.
    pub skipped: u64,
    /// Rows without a known feature: their scores are null.
    pub empty_rows: u64,
    /// The learned columns with values that are not as those of the fit.
    pub found: Vec<(String, Found)>,
}

/// What becomes of a batch: its new columns, and what was found in it.
struct Scored {
    columns: NewColumns,
    empty: u64,
    found: FoundAll,
}

impl Model {
    /// The columns a transform adds: posterior means `z_i`, standard deviations `z_std_i` on request, and scores.
    pub fn new_columns(&self, config: &TransformConfig) -> SchemaRef {
        columns::new(config, self.metadata().network.latent_dim)
    }

    /// Writes a Parquet file, of which the columns numbered `keep` are copied, with the new columns.
    #[expect(clippy::too_many_arguments, reason = "what a transform is given, taken apart")]
    fn splice(
        &self,
        source: &ParquetSource,
        target: Target,
        keep: Vec<usize>,
        config: &TransformConfig,
        stop: &Stop,
        found: &mut FoundAll,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Transformed> {
        let new = self.new_columns(config);
        let metadata = self.keys(Some("anomaly_score"));
        let carried = keep.into_iter().map(Column::Carried);
        let columns = carried.chain((0..new.fields().len()).map(Column::New)).collect();
        let splice = Splice { columns, new: new.clone(), metadata: &metadata };
        let features = self.features().clone();
        let batch_rows = batch_rows(&features);
        let threads = config.threads.unwrap_or_else(machine_threads);
        let turning =
            Turning { threads, bytes: GROUP_BYTES, folder: target.folder().to_owned(), slice_rows: batch_rows };
        let read = Stage::new("read");
        let scan = Strips::new(source, &features, turning, &read, stop);
        let sink = sink::open(source, &splice, target, batch_rows, stop.clone())?;
        let columns = new.fields().len();
        let (vae, stds, stopped) = (self.vae().clone(), config.std, stop.clone());
        let score = move |slice: Slice| {
            stopped.check()?;
            score(&features, &vae, stds, &new, &slice)
        };
        let depth = ahead::depth(batch_rows * columns * size_of::<f32>(), ahead::QUEUE_BYTES);
        let (transformed, of_these) = run(&read, scan, score, depth, threads, sink, on_rows)?;
        found.add(&of_these);
        Ok(transformed)
    }
}

/// Rows encoded together.
fn batch_rows(features: &Features) -> usize {
    let (inputs, block) = (features.layout().inputs(), BATCH_ROWS.0);
    (BATCH_BYTES / size_of::<f32>() / inputs / block * block).clamp(BATCH_ROWS.0, BATCH_ROWS.1)
}

/// Runs rows from `scan`, which decodes as `read`, through `score` into `sink`, at most `depth` batches ahead of it, in
/// order.
fn run<T: Send + 'static>(
    read: &Stage,
    scan: impl Iterator<Item = Result<T>> + Send + 'static,
    score: impl Fn(T) -> Result<Scored> + Clone + Send + 'static,
    depth: usize,
    threads: usize,
    sink: Box<dyn Sink>,
    on_rows: &mut dyn FnMut(u64),
) -> Result<(Transformed, FoundAll)> {
    let (mut transformed, mut found) = (Transformed::default(), FoundAll::default());
    let [slice, model, write] = ["slice", "model", "write"].map(Stage::new);
    let mut columns = ahead_map(&slice, scan, &model, depth, threads, score)?.map(|scored| {
        let Scored { columns, empty, found: of_these } = scored?;
        transformed.rows += columns.batch.num_rows() as u64;
        transformed.empty_rows += empty;
        found.add(&of_these);
        on_rows(transformed.rows);
        Ok(columns)
    });
    write.run(|| sink.write(&mut columns))?;
    drop(columns);
    stage::report(&[read, &slice, &model, &write]);
    Ok((transformed, found))
}

/// Encodes rows of a row group.
fn score(features: &Features, vae: &Vae, stds: bool, new: &SchemaRef, slice: &Slice) -> Result<Scored> {
    let (batch, empty) = encoded(features, vae, stds, new, slice.seq, slice.first_row(), slice.x()?)?;
    let columns = NewColumns { seq: slice.seq, row_group: slice.row_group(), batch };
    Ok(Scored { columns, empty, found: slice.found() })
}

/// Encodes row vectors and lays their new columns out as `new` has them; also how many rows have no known value.
fn encoded(
    features: &Features,
    vae: &Vae,
    stds: bool,
    new: &SchemaRef,
    seq: u64,
    first_row: u64,
    x: Vec<f32>,
) -> Result<(RecordBatch, u64)> {
    let rows = x.len() / features.layout().inputs();
    let ids = (first_row..).take(rows).collect();
    let encoded = vae.encode(&Batch::new(seq, ids, x, features.layout()))?;
    let empty = encoded.known.iter().filter(|&&known| known == 0.0).count() as u64;
    Ok((laid_out(new, &encoded, stds), empty))
}

/// The new columns of encoded rows, as `new` has them.
fn laid_out(new: &SchemaRef, encoded: &Encoded, stds: bool) -> RecordBatch {
    let latent = |values: &[f32], i: usize, f: fn(f32) -> f32| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(
            values.iter().skip(i).step_by(encoded.latent_dim).map(|&value| f(value)),
        ))
    };
    let means = (0..encoded.latent_dim).map(|i| latent(&encoded.mean, i, |mean| mean));
    let stds = (0..encoded.latent_dim).filter(|_| stds).map(|i| latent(&encoded.log_variance, i, |s| (s / 2.0).exp()));
    let scores = SCORES.iter().map(|score| Arc::new(score.of(encoded).collect::<Float32Array>()) as ArrayRef);
    let arrays = means.chain(stds).chain(scores).collect();
    RecordBatch::try_new(new.clone(), arrays).expect("columns made for this very schema")
}

#[cfg(test)]
mod tests;
