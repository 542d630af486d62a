//! Drift by itself: rows go through the model and are counted, and nothing is written.

use super::Transformed;
use super::new_columns::NewColumnMaker;
use super::pass::tally;
use super::totals::TransformTotals;
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::Source;

impl Model {
    /// What a transform of `source` with these options would say of its rows, [`drift`](Transformed::drift) included,
    /// without an output.
    ///
    /// ```no_run
    /// # fn main() -> vaepipe::Result<()> {
    /// use vaepipe::{Device, Drift, Model, Source, SourceConfig, Stop, TransformConfig};
    /// let (model, stop) = (Model::load("flights.safetensors", Device::Cpu)?, Stop::new());
    /// let today = Source::open(["today.parquet"], &SourceConfig::new(), &stop)?;
    /// let drift = model.drift(&today, &TransformConfig::new(), &stop, &mut |_| {})?.drift.unwrap_or_default();
    /// for shift in drift.beyond(Drift::SHIFTED) {
    ///     println!("{}: PSI {:.2}", shift.name, shift.psi);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`transform_to`](Self::transform_to), but for those about outputs.
    pub fn drift(
        &self,
        source: &Source,
        config: &TransformConfig,
        stop: &Stop,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Transformed> {
        config.check()?;
        let (source, added) = (&self.typed(source), NewColumnMaker::new(self, config)?);
        // Of a decision that depends on all rows, nothing is known after one pass.
        let (decides, mut total) =
            (added.decides() && added.levels().is_none(), TransformTotals::new(self.sketch().cloned()));
        self.features().check(&*source.schema()?, source.path()).map_err(|error| source.with_mismatch(error))?;
        tally(self, added, source, config, stop, &mut |rows, tally, found| on_rows(total.add(rows, tally, found)))?;
        Ok(total.finish(self.features().kinds(), self.metadata().provenance.rows, decides))
    }
}
