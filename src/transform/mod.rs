//! Transforming rows: source, encoder and sink behind bounded queues, and the schema of what comes out.

#![forbid(unsafe_code)]

mod batch;
mod columns;
mod directory;
mod drift;
mod explain;
mod log_likelihood;
mod new_columns;
mod output;
mod pass;
mod quantiles;
mod reader;
mod skipped;
mod totals;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use self::log_likelihood::LogLikelihood;
use self::new_columns::{NewColumnMaker, RowCounts};
pub use self::output::Output;
pub use self::quantiles::ScoreQuantiles;
use self::totals::TransformTotals;

use crate::artifact::Model;
use crate::batch::{Batch, RowGroupTransposer, RowSlice, TransposeConfig};
use crate::config::TransformConfig;
use crate::drift::Drift;
use crate::error::Result;
use crate::feature::{FeatureIssues, Features, ValueIssues};
use crate::pipeline::{self, Stage, Stop, machine_threads, prefetch_map};
use crate::score::ANOMALY_SCORE;
use crate::sink::{self, NewColumns, OutputColumn, Sink, Splice};
use crate::source::ParquetSource;
use crate::storage::Target;

/// Bytes of row vectors in a batch, within the bounds on rows below.
const BATCH_BYTES: usize = 4 << 20;

/// Rows of a batch: a multiple of the encoder's block, so that only a row group's last block is padded.
const BATCH_ROWS: (usize, usize) = (256, 8192);

/// Bytes of row vectors up to which a row group is turned in memory: a usual one of 64 Ki rows and 1,000 columns.
const GROUP_BYTES: u64 = 256 << 20;

/// What a transform did.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// Rows that are anomalies; `None` if nothing says which are.
    pub anomalies: Option<u64>,
    /// How the anomaly scores are spread; `None` if no row has one.
    pub scores: Option<ScoreQuantiles>,
    /// The learned columns with values that are not as those of the fit.
    pub found: Vec<(String, ValueIssues)>,
    /// How the rows are spread beside those of the fit; `None` of no rows, and of a model whose fit did not look.
    pub drift: Option<Drift>,
}

impl Transformed {
    /// The share of anomalies among the rows that have a score; `None` if nothing says which are, or there are none.
    pub fn anomaly_rate(&self) -> Option<f64> {
        let scored = self.rows - self.empty_rows;
        Some(self.anomalies? as f64 / scored as f64).filter(|_| scored > 0)
    }
}

/// What becomes of a batch: its new columns, what was counted of them, and what was found in it.
struct Scored {
    columns: NewColumns,
    tally: RowCounts,
    found: FeatureIssues,
}

/// Rows to be scored: their vectors, or the columns these are made of.
enum ScoreInput {
    Slice(RowSlice),
    Rows { seq: u64, first: u64, row_group: usize, rows: RecordBatch },
}

impl Model {
    /// The columns a transform adds: posterior means `z_i`, standard deviations `z_std_i` on request, scores, and what
    /// these mean as far as the model can tell.
    ///
    /// # Errors
    /// [`UnknownScore`](crate::Error::UnknownScore) for a score there is not, [`NotCalibrated`](crate::Error::NotCalibrated)
    /// for a decision by p-values which the model cannot give.
    pub fn new_columns(&self, config: &TransformConfig) -> Result<SchemaRef> {
        Ok(NewColumnMaker::new(self, config)?.schema().clone())
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
        total: &mut TransformTotals,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut added = NewColumnMaker::new(self, config)?;
        let new = added.schema().clone();
        let metadata = self.keys(Some(&format!("{}{ANOMALY_SCORE}", config.prefix)));
        let carried = keep.into_iter().map(OutputColumn::Carried);
        let columns = carried.chain((0..new.fields().len()).map(OutputColumn::New)).collect();
        let splice = Splice { columns, new: new.clone(), metadata: &metadata };
        let features = self.features().clone();
        let inputs = features.layout().inputs();
        let block = BATCH_ROWS.0;
        let batch_rows = (BATCH_BYTES / size_of::<f32>() / inputs / block * block).clamp(BATCH_ROWS.0, BATCH_ROWS.1);
        let threads = config.threads.unwrap_or_else(machine_threads);
        let turning =
            TransposeConfig { threads, bytes: GROUP_BYTES, folder: target.folder().to_owned(), slice_rows: batch_rows };
        let depth = pipeline::queue_depth(batch_rows * new.fields().len() * size_of::<f32>(), pipeline::QUEUE_BYTES);
        let slices = |read: &Stage| RowGroupTransposer::new(source, &features, turning.clone(), read, stop);
        if let Some(mut levels) = added.levels() {
            let [read, slice, model] = ["read", "slice", "model"].map(Stage::new);
            let (ranking, stopped, features) = (added.clone(), stop.clone(), features.clone());
            let rank = move |slice: RowSlice| {
                stopped.check()?;
                ranking.ranked(&batch(&features, slice.seq, slice.x()?))
            };
            for ranked in prefetch_map(&slice, slices(&read), &model, depth, threads, rank)? {
                ranked?.into_iter().for_each(|level| levels[level] += 1);
            }
            added.discover(&levels);
        }
        let sink = sink::open(source, &splice, target, batch_rows, stop.clone())?;
        let read = Stage::new("read");
        let scan: Box<dyn Iterator<Item = Result<ScoreInput>> + Send> = if added.explains() {
            let scan = source.with_views().scan(&features.columns(), batch_rows);
            let mut next = 0;
            Box::new((0..).zip(scan).map(move |(seq, rows)| {
                rows.map(|(row_group, rows)| {
                    let first = next;
                    next += rows.num_rows() as u64;
                    ScoreInput::Rows { seq, first, row_group, rows }
                })
            }))
        } else {
            Box::new(slices(&read).map(|slice| slice.map(ScoreInput::Slice)))
        };
        let (stopped, before) = (stop.clone(), total.rows());
        let score = move |given: ScoreInput| {
            stopped.check()?;
            score(&features, &added, given, before)
        };
        run(&read, scan, score, depth, threads, sink, total, on_rows)
    }
}

/// Rows encoded together.
fn batch_rows(features: &Features) -> usize {
    let (inputs, block) = (features.layout().inputs(), BATCH_ROWS.0);
    (BATCH_BYTES / size_of::<f32>() / inputs / block * block).clamp(BATCH_ROWS.0, BATCH_ROWS.1)
}

/// Runs rows from `scan`, which decodes as `read`, through `score` into `sink`, at most `depth` batches ahead of it, in
/// order.
#[expect(clippy::too_many_arguments, reason = "what a transform is given, taken apart")]
fn run<T: Send + 'static>(
    read: &Stage,
    scan: impl Iterator<Item = Result<T>> + Send + 'static,
    score: impl Fn(T) -> Result<Scored> + Clone + Send + 'static,
    depth: usize,
    threads: usize,
    sink: Box<dyn Sink>,
    total: &mut TransformTotals,
    on_rows: &mut dyn FnMut(u64),
) -> Result<()> {
    let [slice, model, write] = ["slice", "model", "write"].map(Stage::new);
    let mut columns = prefetch_map(&slice, scan, &model, depth, threads, score)?.map(|scored| {
        let Scored { columns, tally, found } = scored?;
        on_rows(total.add(columns.batch.num_rows(), tally, &found));
        Ok(columns)
    });
    write.run(|| sink.write(&mut columns))?;
    drop(columns);
    pipeline::report(&[read, &slice, &model, &write]);
    Ok(())
}

/// Scores rows, which come after so many others.
fn score(features: &Features, added: &NewColumnMaker, given: ScoreInput, before: u64) -> Result<Scored> {
    let (seq, row_group, (batch, tally), found) = match given {
        ScoreInput::Slice(slice) => {
            let scored =
                added.columns(&batch(features, slice.seq, slice.x()?), None, Some(before + slice.first_row()))?;
            (slice.seq, slice.row_group(), scored, slice.issues())
        }
        ScoreInput::Rows { seq, first, row_group, rows } => {
            let (batch, found) = vectors(features, seq, &rows)?;
            (seq, row_group, added.columns(&batch, Some(&rows), Some(before + first))?, found)
        }
    };
    Ok(Scored { columns: NewColumns { seq, row_group, batch }, tally, found })
}

/// The row vectors of the learned columns, and what was found in these.
fn vectors(features: &Features, seq: u64, learned: &RecordBatch) -> Result<(Batch, FeatureIssues)> {
    let mut x = vec![0.0; learned.num_rows() * features.layout().inputs()];
    let found = features.write(learned, &mut x)?;
    Ok((batch(features, seq, x), found))
}

/// Row vectors to be scored: nothing but the values of a row decides its numbers.
fn batch(features: &Features, seq: u64, x: Vec<f32>) -> Batch {
    let rows = x.len() / features.layout().inputs();
    Batch::new(seq, vec![0; rows], x, features.layout())
}

#[cfg(test)]
mod tests;
