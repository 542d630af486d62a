//! Transforming rows: source, encoder and sink behind bounded queues, and the schema of what comes out.

mod batch;
mod columns;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::datatypes::SchemaRef;

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

    /// Writes `source` with the new columns to `output`, whole or not at all.
    ///
    /// # Memory usage
    /// The row vectors of one row group, up to 256 MiB (those of a larger one are in a scratch file beside the output),
    /// one batch a thread, the queues, and the new columns of one row group.
    ///
    /// # Errors
    /// [`MissingFeature`](crate::Error::MissingFeature) and [`WrongType`](crate::Error::WrongType) if the source is not
    /// what the model learned from; [`OptionRange`](crate::Error::OptionRange), [`UnknownColumn`](crate::Error::UnknownColumn) and
    /// [`NameClash`](crate::Error::NameClash) for options that do not fit it; the errors of
    /// [`check_target`](crate::check_target); [`Read`](crate::Error::Read), [`Damaged`](crate::Error::Damaged),
    /// [`Write`](crate::Error::Write).
    pub fn transform(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &TransformConfig,
        stop: &Stop,
    ) -> Result<Transformed> {
        self.transform_watched(source, output, config, stop, &mut |_| {})
    }

    /// The same, with a call after each batch that gets the number of rows written so far.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn transform_watched(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &TransformConfig,
        stop: &Stop,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Transformed> {
        config.check()?;
        let target = Target::check(output.as_ref(), config.force, source.paths())?;
        self.features().check(&source.schema(), source.path())?;
        let new = self.new_columns(config);
        let keep = columns::kept(config, source, &self.features().columns(), &new)?;
        let metadata = self.keys(Some("anomaly_score"));
        let carried = keep.into_iter().map(Column::Carried);
        let columns = carried.chain((0..new.fields().len()).map(Column::New)).collect();
        let splice = Splice { columns, new: new.clone(), metadata: &metadata };
        let features = self.features().clone();
        let inputs = features.layout().inputs();
        let block = BATCH_ROWS.0;
        let batch_rows = (BATCH_BYTES / size_of::<f32>() / inputs / block * block).clamp(BATCH_ROWS.0, BATCH_ROWS.1);
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
        let (mut transformed, found) = run(&read, scan, score, depth, threads, sink, on_rows)?;
        found.warn(self.features().kinds());
        transformed.found = found.of(self.features().kinds());
        if transformed.empty_rows > 0 {
            tracing::warn!(
                "{} rows have no known value in any learned column; their scores are null",
                transformed.empty_rows
            );
        }
        Ok(transformed)
    }
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

/// Encodes rows and lays their new columns out as `new` has them.
fn score(features: &Features, vae: &Vae, stds: bool, new: &SchemaRef, slice: &Slice) -> Result<Scored> {
    let ids = (slice.first_row()..).take(slice.rows()).collect();
    let encoded = vae.encode(&Batch::new(slice.seq, ids, slice.x()?, features.layout()))?;
    let empty = encoded.known.iter().filter(|&&known| known == 0.0).count() as u64;
    let columns = NewColumns { seq: slice.seq, row_group: slice.row_group(), batch: laid_out(new, &encoded, stds) };
    Ok(Scored { columns, empty, found: slice.found() })
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
