//! Transforming rows: latents and scores beside the columns of the input, from any source to any output.

#![forbid(unsafe_code)]

mod batch;
mod columns;
mod drift;
mod expected;
mod explain;
mod feedback;
mod file_rows;
mod general;
mod group_alerts;
mod job;
mod latent_quality;
mod line_worker;
mod lines;
mod located;
mod log_likelihood;
mod new_columns;
mod quantiles;
mod quarantine;
mod read_columns;
mod row_scorer;
mod splice;
mod stream;
mod totals;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

pub(crate) use self::file_rows::FileRows;
use self::general::OutputPlan;
use self::job::TransformJob;
pub use self::latent_quality::{LabelQuality, LabelSeparation, LatentQuality, NeighborAccuracy};
pub use self::log_likelihood::LogLikelihood;
use self::new_columns::NewColumnMaker;
pub use self::quantiles::ScoreQuantiles;
pub(crate) use self::quantiles::ScoreSketch;
pub(crate) use self::read_columns::project;
pub use self::row_scorer::RowReason;
pub(crate) use self::row_scorer::{RowScore, RowScorer, ScoredBatch};
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::drift::Drift;
use crate::error::{Error, Place, Result};
use crate::feature::{Features, InputColumn, ValueIssues};
use crate::output::{Output, UnreadableFile, check_unreadable};
use crate::pipeline::Run;
use crate::sequence::Sequence;
use crate::sink::Medium;
use crate::source::Source;

/// The result of a transform.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Transformed {
    /// Rows read and written.
    pub rows: u64,
    /// Outputs written.
    pub files: u64,
    /// Outputs that were skipped, since they existed.
    pub skipped: u64,
    /// Files of a directory that could not be read and were left out; see [`check_complete`](Self::check_complete).
    pub unreadable: Vec<UnreadableFile>,
    /// Rows without a known value in a learned column: their scores are null.
    pub empty_rows: u64,
    /// Rows with fewer rows before them than a window holds: the first of a sequence, and those after a gap; `None` unless rows
    /// are in order.
    pub partial_windows: Option<u64>,
    /// Rows that are anomalies; `None` without a decision.
    pub anomalies: Option<u64>,
    /// Rows that would be anomalies if more of their group had come before; `None` unless alerts are counted by group.
    pub held_back: Option<u64>,
    /// Of the anomalies, those that were written to a quarantine; `None` without one.
    pub quarantined: Option<u64>,
    /// Quantiles of the anomaly scores; `None` if no row has one.
    pub scores: Option<ScoreQuantiles>,
    /// The learned columns with missing, unseen, out-of-range or unusable values, and those that were constant at fit with
    /// other values.
    pub issues: Vec<(String, ValueIssues)>,
    /// Drift of the rows from the training data; `None` without rows, and for a model without a drift baseline.
    pub drift: Option<Drift>,
}

impl Transformed {
    /// Checks that no file was left out because it could not be read.
    ///
    /// # Errors
    /// [`Unfinished`](crate::Error::Unfinished), which names those files.
    pub fn check_complete(&self) -> Result<()> {
        check_unreadable(&self.unreadable, self.files)
    }

    /// The share of anomalies among the rows that have a score; `None` without a decision or without such rows.
    pub fn anomaly_rate(&self) -> Option<f64> {
        let scored = self.rows - self.empty_rows;
        Some(self.anomalies? as f64 / scored as f64).filter(|_| scored > 0)
    }
}

impl Model {
    /// The columns a transform adds: posterior means `z_i`, standard deviations `z_std_i` on request, scores, p-values and
    /// the decision.
    ///
    /// # Errors
    /// [`UnknownScore`](crate::Error::UnknownScore) for an unknown score, [`NotCalibrated`](crate::Error::NotCalibrated)
    /// for a decision by p-values if the model has none.
    pub fn new_columns(&self, config: &TransformConfig) -> Result<SchemaRef> {
        Ok(NewColumnMaker::new(self, self.features(), config)?.schema().clone())
    }

    /// Writes the rows of `source` with the new columns to `output`; a file whole or not at all. From one Parquet file to
    /// another, carried columns are copied byte for byte.
    ///
    /// # Memory usage
    /// From Parquet to Parquet, the row vectors of one row group, up to 256 MiB (those of a larger one are in a scratch file
    /// beside the output), and the new columns of one row group; else about 64 MiB of rows, or one batch, if that is larger.
    ///
    /// # Errors
    /// [`MissingFeature`](crate::Error::MissingFeature) and [`WrongType`](crate::Error::WrongType) if the source does not
    /// have the learned columns; [`OptionRange`](crate::Error::OptionRange),
    /// [`UnknownColumn`](crate::Error::UnknownColumn) and [`NameClash`](crate::Error::NameClash) for options that do not fit
    /// the source; [`TargetExists`](crate::Error::TargetExists) and other errors of the output; [`TargetInInput`](crate::Error::TargetInInput);
    /// [`Read`](crate::Error::Read), [`Damaged`](crate::Error::Damaged), [`Write`](crate::Error::Write);
    /// [`Unfinished`](crate::Error::Unfinished) if some files of a directory are written and another failed.
    pub fn transform_to(
        &self,
        source: &Source,
        output: impl Into<Output>,
        config: &TransformConfig,
        run: &mut Run<'_>,
    ) -> Result<Transformed> {
        config.check()?;
        run.check()?;
        let model = self.reading(source.types());
        let source = model.typed(source);
        model.transform_typed(&source, output.into(), config, run).map_err(|error| model.located(&source, error))
    }

    /// [`transform_to`](Self::transform_to) for a source with the types of this model.
    fn transform_typed(
        &self,
        source: &Source,
        output: Output,
        config: &TransformConfig,
        run: &mut Run<'_>,
    ) -> Result<Transformed> {
        let decides = NewColumnMaker::new(self, self.features(), config)?.decides();
        let mut job = TransformJob::new(self, config, source.config(), run)?;
        let stop = job.run.stopper().clone();
        let files = output.write(source, &config.output, self.hash(), &stop, &mut job)?;
        Ok(job.finish(files, decides))
    }

    /// The schema of the Arrow IPC stream that a transform of `source` with these options writes.
    ///
    /// # Errors
    /// Those of [`transform_to`](Self::transform_to) about columns.
    pub fn output_schema(&self, source: &Source, config: &TransformConfig) -> Result<SchemaRef> {
        config.check()?;
        let model = self.reading(source.types());
        let source = &model.typed(source);
        Ok(model.output_plan(source, false, config, Medium::Ipc)?.schema)
    }

    /// The columns to read and to write.
    fn output_plan(
        &self,
        source: &Source,
        in_directory: bool,
        config: &TransformConfig,
        medium: Medium,
    ) -> Result<OutputPlan> {
        let input = source.schema();
        let kept = self.kept(source, &input, in_directory, config)?;
        OutputPlan::new(self, (&input, source.display_name()), &kept, config, medium)
    }

    /// The columns of `input` that are carried, by index. In a directory of outputs, the keys of a path are not repeated in its file.
    fn kept(
        &self,
        source: &Source,
        input: &Schema,
        in_directory: bool,
        config: &TransformConfig,
    ) -> Result<Vec<usize>> {
        self.check_columns(source)?;
        let new = self.new_columns(config)?;
        let mut kept = columns::kept(config, input, source.path(), &self.features().learned_columns(), &new)?;
        if in_directory {
            let stored = source.stored_in_file();
            kept.retain(|&column| stored.contains(input.field(column).name()));
        }
        Ok(kept)
    }

    /// Checks that the source has the model's columns, with types that can be read. Text files are read whole before, so that
    /// their first value that cannot be read is known.
    fn check_columns(&self, source: &Source) -> Result<()> {
        let schema = source.schema();
        self.check_order(&schema, source.path())?;
        let schema = self.with_windows(&schema);
        self.features().check(&schema, source.path()).map_err(|error| source.with_mismatch(error))?;
        self.features().converted(&schema).try_for_each(|(column, stored, logical_type)| {
            let (found, expected) = (stored.to_string().into(), logical_type.expects().into());
            let error = Error::WrongType { place: Place::column(source.path(), column.name()), found, expected };
            source.mismatch(error, |value| logical_type.reads(value))
        })
    }

    /// The features that encode rows with this schema, and watch what was constant at fit.
    fn watching(&self, schema: &Schema) -> Arc<Features> {
        let metadata = self.metadata();
        let windows = metadata.sequence.iter().flat_map(Sequence::window_names).collect();
        Arc::new(self.features().watching(&self.watched(), &windows, metadata.provenance.rows, schema))
    }

    /// The source with text columns of the types the model learned, and columns without values of the types that they had.
    pub(crate) fn typed(&self, source: &Source) -> Source {
        source
            .with_types(|name| self.features().type_of(name))
            .with_wanted(|name| InputColumn::top_type_of(&self.metadata().columns, name))
    }
}
