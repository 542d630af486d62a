//! Transforming rows: latents and scores beside the columns of the input, from any source to any output.

#![forbid(unsafe_code)]

mod batch;
mod columns;
mod directory;
mod drift;
mod explain;
mod general;
mod job;
mod log_likelihood;
mod new_columns;
mod output;
mod quantiles;
mod skipped;
mod splice;
mod stream;
mod totals;

use arrow::datatypes::{Schema, SchemaRef};

use self::general::OutputPlan;
use self::job::TransformJob;
pub use self::log_likelihood::LogLikelihood;
use self::new_columns::NewColumnMaker;
pub use self::output::Output;
pub use self::quantiles::ScoreQuantiles;
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::drift::Drift;
use crate::error::{Error, Result};
use crate::feature::ValueIssues;
use crate::pipeline::{Run, StreamWriter};
use crate::sink::{Destination, Medium};
use crate::source::Source;
use crate::storage::{Target, check_outside};

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

    /// Writes the rows of `source` with the new columns to `output`; a file whole or not at all. From one Parquet file to
    /// another the carried columns are copied byte for byte.
    ///
    /// # Memory usage
    /// From Parquet to Parquet, the row vectors of one row group, up to 256 MiB (those of a larger one are in a scratch file
    /// beside the output), and the new columns of one row group; else about 64 MiB of rows, or one batch, if that is larger.
    ///
    /// # Errors
    /// [`MissingFeature`](crate::Error::MissingFeature) and [`WrongType`](crate::Error::WrongType) if the source is not
    /// what the model learned from; [`OptionRange`](crate::Error::OptionRange),
    /// [`UnknownColumn`](crate::Error::UnknownColumn) and [`NameClash`](crate::Error::NameClash) for options that do not fit
    /// it; the errors of [`check_target`](crate::check_target); [`TargetInInput`](crate::Error::TargetInInput);
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
        let decides = NewColumnMaker::new(self, config)?.decides();
        let (source, mut job) = (&self.typed(source), TransformJob::new(self, config, run));
        match output.into() {
            Output::Folder(folder) => job.directory(source, &folder)?,
            Output::Stream(to) => {
                let stop = job.run.stopper().clone();
                let to = Destination::Stream(Box::new(StreamWriter::new(to, &stop)?));
                let written = job.general(source, to, false);
                if let Err(Error::Io { .. } | Error::Write { .. }) = written {
                    // A stop ends a stream whose target takes nothing by an error of the write.
                    stop.check()?;
                }
                written?;
                job.totals.files = 1;
            }
            Output::File(path) if config.leaves(&path, source.paths())? => job.totals.skipped = 1,
            Output::File(path) => {
                check_outside(&path, source.roots())?;
                let target = Target::check(&path, config.replaces(), source.paths())?;
                job.file(source, target, false)?;
                job.totals.files = 1;
            }
        }
        Ok(job.finish(decides))
    }

    /// The columns of an Arrow IPC stream of `source` with the new ones, which a transform with these options writes.
    ///
    /// # Errors
    /// Those of [`transform_to`](Self::transform_to) about columns.
    pub fn output_schema(&self, source: &Source, config: &TransformConfig) -> Result<SchemaRef> {
        config.check()?;
        let source = &self.typed(source);
        Ok(self.output_plan(source, false, config, Medium::Ipc)?.schema)
    }

    /// The columns that are carried and needed.
    fn output_plan(
        &self,
        source: &Source,
        in_directory: bool,
        config: &TransformConfig,
        medium: Medium,
    ) -> Result<OutputPlan> {
        let input = source.schema()?;
        let kept = self.kept(source, &input, in_directory, config)?;
        OutputPlan::new(self, (&input, source.name()), &kept, config, medium)
    }

    /// The columns of `input` that are carried, by index: in a directory of outputs the keys of a path stay in it.
    fn kept(
        &self,
        source: &Source,
        input: &Schema,
        in_directory: bool,
        config: &TransformConfig,
    ) -> Result<Vec<usize>> {
        self.features().check(input, source.path()).map_err(|error| source.explained(error))?;
        let new = self.new_columns(config)?;
        let mut kept = columns::kept(config, input, source.path(), &self.features().columns(), &new)?;
        if in_directory {
            let keys = source.keys();
            kept.retain(|&place| !keys.contains(input.field(place).name()));
        }
        Ok(kept)
    }

    /// The source with text columns of the types the model learned.
    fn typed(&self, source: &Source) -> Source {
        source.with_types(|name| self.features().type_of(name))
    }
}
