//! Drift alone: rows are encoded and counted, and nothing is written.

use super::Transformed;
use super::general::learned_route;
use super::job::TransformJob;
use super::new_columns::NewColumnMaker;
use crate::artifact::Model;
use crate::batch::{Batch, BatchSlice, BatchSlicer, batch_rows};
use crate::config::TransformConfig;
use crate::error::Result;
use crate::output::FileCounts;
use crate::pipeline::Run;
use crate::source::Source;

impl Model {
    /// Compares `source` with the training data: the result of a transform with these options, including its
    /// [`drift`](Transformed::drift), without an output.
    ///
    /// ```no_run
    /// # fn main() -> vaepipe::Result<()> {
    /// use vaepipe::{Device, Drift, Model, Run, Source, SourceConfig, Stop, TransformConfig};
    /// let model = Model::load("flights.safetensors", Device::Cpu)?;
    /// let today = Source::open(["today.parquet"], &SourceConfig::new(), &Stop::new())?;
    /// let drift = model.drift(&today, &TransformConfig::new(), &mut Run::new())?.drift.unwrap_or_default();
    /// for shift in drift.beyond(Drift::SHIFTED) {
    ///     println!("{}: PSI {:.2}", shift.name, shift.psi);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`transform_to`](Self::transform_to), except those about outputs.
    pub fn drift(&self, source: &Source, config: &TransformConfig, run: &mut Run<'_>) -> Result<Transformed> {
        config.check_unwritten()?;
        run.check()?;
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        model.drift_typed(source, config, run).map_err(|error| model.located(source, error))
    }

    /// [`drift`](Self::drift) of a source with the types of this model.
    fn drift_typed(&self, source: &Source, config: &TransformConfig, run: &mut Run<'_>) -> Result<Transformed> {
        let schema = source.schema();
        self.check_columns(source)?;
        let features = self.watching(&self.with_windows(&schema));
        let maker = NewColumnMaker::new(self, &features, config)?;
        // One pass cannot take a decision that depends on all rows.
        let decides = maker.decides() && maker.levels().is_none();
        let mut job = TransformJob::new(self, config, source.config(), run)?;
        let (route, slice_rows) = (learned_route(&features), batch_rows(features.layout()));
        let batches = self.stream_features(source, job.windows.as_ref(), &features, slice_rows)?;
        let count = move |slice: BatchSlice| {
            let (batch, issues) = Batch::encode(&features, &slice.rows)?;
            maker.count(&batch, slice.first_row, issues)
        };
        let before = job.partial_windows();
        for counts in job.run.spread(&route, BatchSlicer::new(batches, slice_rows, route.budget()), count)? {
            let counts = counts?;
            job.totals.add(&counts);
            job.run.count(counts.rows);
        }
        job.totals.partial_windows = job.partial_windows() - before;
        Ok(job.finish(FileCounts::default(), decides))
    }
}
