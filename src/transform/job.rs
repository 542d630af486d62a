//! One transform under way: what it is given, and what it counts.

use std::path::Path;

#[cfg(feature = "delta")]
use arrow::datatypes::SchemaRef;

use super::Transformed;
use super::new_columns::{NewColumnMaker, RowCounts};
use super::totals::TransformTotals;
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::{SourceConfig, TransformConfig};
use crate::error::Result;
use crate::output::{FileCounts, WriteRows};
use crate::pipeline::{Route, Rows, Run};
use crate::sequence::Windower;
use crate::sink::{Destination, Medium};
use crate::source::Source;
use crate::storage::Target;

/// A transform under way.
pub(super) struct TransformJob<'a, 'r> {
    pub(super) model: &'a Model,
    pub(super) config: &'a TransformConfig,
    pub(super) run: &'a mut Run<'r>,
    pub(super) totals: TransformTotals,
    /// The windows that each input begins with, if rows are in order.
    pub(super) windows: Option<Windower>,
    /// Whether something decides which rows are anomalies.
    pub(super) decides: bool,
    /// The last file of anomalies that appeared beside an output.
    #[cfg(feature = "delta")]
    pub(super) quarantined: Option<Target>,
}

/// Rows, and what was counted of them.
pub(super) struct CountedRows<T> {
    pub(super) rows: T,
    pub(super) counts: RowCounts,
}

impl<T> Rows for CountedRows<T> {
    fn rows(&self) -> usize {
        self.counts.rows
    }
}

impl<'a, 'r> TransformJob<'a, 'r> {
    /// # Errors
    /// As [`Model::windower`].
    pub(super) fn new(
        model: &'a Model,
        config: &'a TransformConfig,
        rows: &SourceConfig,
        run: &'a mut Run<'r>,
    ) -> Result<Self> {
        let windows = model.windower(&config.order, rows, run.stopper())?;
        let decides = NewColumnMaker::new(model, model.features(), config)?.decides();
        let totals = TransformTotals::new(model.sketch().cloned());
        Ok(Self {
            model,
            config,
            run,
            totals,
            windows,
            decides,
            #[cfg(feature = "delta")]
            quarantined: None,
        })
    }

    /// Takes the decision that depends on all rows, if it is one: in a pass over them.
    pub(super) fn decide<T: Send + 'static, I>(
        &self,
        maker: &mut NewColumnMaker,
        route: &Route,
        items: impl FnOnce() -> Result<I>,
        batch: impl Fn(T) -> Result<Batch> + Clone + Send + 'static,
    ) -> Result<()>
    where
        I: Iterator<Item = Result<T>> + Send + 'static,
    {
        let Some(mut levels) = maker.levels() else { return Ok(()) };
        let ranking = maker.clone();
        for ranked in self.run.spread(route, items()?, move |item| ranking.ranked(&batch(item)?))? {
            ranked?.into_iter().for_each(|level| levels[level] += 1);
        }
        maker.discover(&levels);
        Ok(())
    }

    /// Carries rows into a sink, and counts them; `finish` sees them in their order before.
    pub(super) fn carry<T: Send + 'static, U: Send + 'static>(
        &mut self,
        route: &Route,
        items: impl Iterator<Item = Result<T>> + Send + 'static,
        work: impl Fn(T) -> Result<CountedRows<U>> + Clone + Send + 'static,
        mut finish: impl FnMut(&mut CountedRows<U>) -> Result<()>,
        sink: impl FnOnce(&mut dyn Iterator<Item = Result<U>>) -> Result<()>,
    ) -> Result<()> {
        let before = self.partial_windows();
        let totals = &mut self.totals;
        self.run.carry(route, items, work, |counted| {
            sink(&mut counted.map(|counted| {
                let mut counted = counted?;
                finish(&mut counted)?;
                let CountedRows { rows, counts } = counted;
                totals.add(&counts);
                Ok(rows)
            }))
        })?;
        self.totals.partial_windows += self.partial_windows() - before;
        Ok(())
    }

    /// The rows so far whose windows are not full, of every pass and of the history.
    pub(super) fn partial_windows(&self) -> u64 {
        self.windows.as_ref().map_or(0, |windows| windows.fill().partial())
    }

    /// What was done, with anomalies if something `decides` which rows are some.
    pub(super) fn finish(self, files: FileCounts, decides: bool) -> Transformed {
        let FileCounts { written: files, skipped, unreadable } = files;
        let partial_windows = self.windows.as_ref().map(|_| self.totals.partial_windows);
        let done = self.totals.finish(self.model, decides);
        let held_back = done.held_back.filter(|_| self.config.counts_alerts());
        let quarantined = self.config.quarantine.as_ref().and(done.anomalies);
        Transformed { files, skipped, unreadable, quarantined, held_back, partial_windows, ..done }
    }
}

impl WriteRows for TransformJob<'_, '_> {
    fn history(&self) -> Vec<&Path> {
        self.windows.iter().flat_map(Windower::files).collect()
    }

    fn check(&self, file: &Source) -> Result<()> {
        if let Some(path) = self.quarantine_path(file, true)? {
            Target::inspect(&path, self.config.output.replaces(), file.paths())?;
        }
        self.model.kept(file, &file.schema(), true, &self.config.with_reasons()).map(drop)
    }

    #[cfg(feature = "delta")]
    fn retract(&mut self) {
        if let Some(target) = self.quarantined.take() {
            target.retract();
        }
    }

    #[cfg(feature = "delta")]
    fn schema(&self, source: &Source) -> Result<SchemaRef> {
        Ok(self.model.output_plan(source, false, self.config, Medium::Parquet)?.schema)
    }

    fn write(&mut self, source: &Source, destination: Destination, in_directory: bool) -> Result<()> {
        let sorts = self.windows.as_mut().is_some_and(|windows| windows.sorts_beside(&destination));
        let is_copied = self.config.quarantine.is_none() && !self.config.counts_alerts() && !sorts;
        let file = source.copied_parquet_file(&self.config.output.encoding, in_directory).filter(|_| is_copied);
        let before = in_directory.then(|| self.totals.clone());
        let written = match (file, destination) {
            (Some(file), Destination::File(target)) if Medium::of(target.path()) == Medium::Parquet => {
                let kept = self.model.kept(source, &file.schema(), true, self.config)?;
                self.splice(&file, target, file.stored_columns(&kept))
            }
            (_, destination) => self.general(source, destination, in_directory),
        };
        // The next file may be written: the rows of this one are in no output.
        if let (Err(_), Some(before)) = (&written, before) {
            self.totals = before;
        }
        written
    }
}
