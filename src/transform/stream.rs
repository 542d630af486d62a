//! A transform of a record-batch reader, for programs that hold rows in memory.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::columns;
use super::general::{OutputBatch, OutputPlan};
use super::job::{CountedRows, TransformJob};
use super::new_columns::NewColumnMaker;
use crate::artifact::Model;
use crate::batch::{BatchSlicer, batch_rows};
use crate::config::{SourceConfig, TransformConfig};
use crate::error::{Error, Place, Result, Unsupported};
use crate::pipeline::{Prefetch, Run};
use crate::sink::Medium;
use crate::source::{Batches, ColumnStream, Source};

/// What is done with rows in their order.
type Finish = Box<dyn FnMut(&mut CountedRows<OutputBatch>) -> Result<()> + Send>;

/// Rows with their new columns.
struct TransformReader {
    schema: SchemaRef,
    rows: Prefetch<CountedRows<OutputBatch>>,
    /// What is done with rows in their order.
    finish: Finish,
}

impl Model {
    /// The rows of `reader` in their order, with the columns that [`transform_to`](Self::transform_to) writes. Rows are
    /// read and encoded ahead on threads, with at most 64 MiB of them on their way; an error is the last item. The result
    /// may be dropped at any time; the drop waits for the batches that are being read and encoded.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchIterator, RecordBatchReader};
    /// use vaepipe::{Device, FitConfig, Run, Source, SourceConfig, Stop};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("points.csv");
    /// # let points = (0..200).map(|n| format!("{},{}\n", n as f64 / 7.0, (n as f64).sin()));
    /// # std::fs::write(&path, format!("x,y\n{}", points.collect::<String>()))?;
    /// let table = Source::open([path], &SourceConfig::new(), &Stop::new())?.table(folder.path())?;
    /// let model = FitConfig::new().latent_dim(1).epochs(2).fit(&table, Device::Cpu, &mut Run::new())?.model;
    ///
    /// let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    /// let y: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 0.2]));
    /// let rows = RecordBatch::try_from_iter([("x", x), ("y", y)])?;
    /// let reader = RecordBatchIterator::new([Ok(rows.clone())], rows.schema());
    ///
    /// let scored = model.transform(reader)?;
    /// let names: Vec<String> = scored.schema().fields().iter().map(|field| field.name().clone()).collect();
    /// assert_eq!(names, ["x", "y", "z_0", "recon_error", "anomaly_score", "p_value", "is_anomaly"]);
    /// for batch in scored {
    ///     assert_eq!(batch?.num_rows(), 2);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the reader does not have the learned columns,
    /// [`Error::NameClash`].
    pub fn transform<R: RecordBatchReader + Send + 'static>(
        &self,
        reader: R,
    ) -> Result<impl RecordBatchReader + Send + use<R>> {
        self.transform_with(reader, &TransformConfig::new(), &Run::new())
    }

    /// The same with options, and with the stop and the threads of a run. Options about files have no effect.
    ///
    /// # Errors
    /// As [`transform`](Self::transform), and those of options that do not fit the columns.
    pub fn transform_with<R: RecordBatchReader + Send + 'static>(
        &self,
        reader: R,
        config: &TransformConfig,
        run: &Run<'_>,
    ) -> Result<impl RecordBatchReader + Send + use<R>> {
        config.check_unwritten()?;
        run.check()?;
        let (path, input) = (Path::new("record batches"), reader.schema());
        self.check_order(&input, path)?;
        let windowed = self.with_windows(&input);
        self.features().check(&windowed, path)?;
        let maker = NewColumnMaker::new(self, &self.watching(&windowed), config)?;
        if maker.levels().is_some() {
            return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::FalseDiscoveryRate });
        }
        let kept = columns::kept(config, &input, path, &self.features().learned_columns(), maker.schema())?;
        let plan = OutputPlan::new(self, (&input, path), &kept, config, Medium::Memory)?;
        let needed = plan.needed.iter().map(|column| input.index_of(column)).collect::<Result<Vec<_>, _>>();
        let failed = |source: ArrowError| Error::Read { place: Place::file("record batches"), source: source.into() };
        let needed = needed.map_err(failed)?;
        let windower = self.windower(&config.order, &SourceConfig::new(), run.stopper())?;
        let windower = windower.map(|windower| windower.for_file(path));
        let schema = Arc::new(input.project(&needed).map_err(failed)?);
        let batches = reader.map(move |batch| batch.and_then(|batch| batch.project(&needed)).map_err(failed));
        let rows = ColumnStream { schema, batches: Box::new(batches) };
        let batches = match windower {
            Some(windower) => windower.add_all(rows)?,
            None => rows.batches,
        };
        self.transformed(plan, batches, maker, config, run)
    }

    /// The same for the rows of a source, read when the result is: a false discovery rate reads them before, too.
    ///
    /// # Errors
    /// Those of [`transform_to`](Self::transform_to), except those about outputs.
    pub fn transform_source(
        &self,
        source: &Source,
        config: &TransformConfig,
        run: &mut Run<'_>,
    ) -> Result<impl RecordBatchReader + Send + use<>> {
        config.check_unwritten()?;
        run.check()?;
        let source = &self.typed(source);
        let plan = self.output_plan(source, false, config, Medium::Memory)?;
        let job = TransformJob::new(self, config, source.config(), run)?;
        let maker = job.maker(source, &plan.features)?;
        let batches = self.stream(source, job.windows.as_ref(), &plan.needed, batch_rows(self.features().layout()))?;
        self.transformed(plan, batches, maker, config, run)
    }

    /// Adds the new columns to batches of the columns that the plan needs.
    fn transformed(
        &self,
        plan: OutputPlan,
        batches: Batches,
        maker: NewColumnMaker,
        config: &TransformConfig,
        run: &Run<'_>,
    ) -> Result<TransformReader> {
        let route = plan.route();
        let slices = BatchSlicer::new(batches, batch_rows(self.features().layout()), route.budget());
        let finish = Box::new(plan.alert_stage(config, &maker.decision_column(), None));
        let rows = run.spread(&route, slices, plan.worker(maker, None, None))?;
        Ok(TransformReader { schema: plan.schema, rows, finish })
    }
}

impl Iterator for TransformReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next()?;
        let finished = next.and_then(|mut done| (self.finish)(&mut done).map(|()| done.rows.batch));
        Some(finished.map_err(|error| ArrowError::ExternalError(Box::new(error))))
    }
}

impl RecordBatchReader for TransformReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
