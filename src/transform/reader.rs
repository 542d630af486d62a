//! A transform between two record-batch readers, for programs that have rows already.

use std::path::Path;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::columns;
use super::new_columns::NewColumnMaker;
use super::pass::{PassOutput, TransformedBatch, pass};
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::{Prefetch, Stage, Stop};
use crate::sink::Medium;

/// Rows with their new columns.
struct TransformReader {
    schema: SchemaRef,
    rows: Prefetch<TransformedBatch>,
}

impl Model {
    /// The rows of `reader` in their order, each with its latents and scores: what
    /// [`transform_to`](Self::transform_to) writes. Rows are read and encoded ahead, on threads of their own, with at most
    /// 64 MiB of them on their way; an error is the last item. It may be dropped at any time; the drop waits for the
    /// batches that are being read and encoded.
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
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the columns are not what the model learned from,
    /// [`Error::NameClash`].
    pub fn transform<R: RecordBatchReader + Send + 'static>(
        &self,
        reader: R,
    ) -> Result<impl RecordBatchReader + Send + use<R>> {
        self.transform_with(reader, &TransformConfig::new(), &Stop::new())
    }

    /// The same with options, of which those about files mean nothing here, and a way to stop it.
    ///
    /// # Errors
    /// As [`transform`](Self::transform), and those of options that do not fit the columns.
    pub fn transform_with<R: RecordBatchReader + Send + 'static>(
        &self,
        reader: R,
        config: &TransformConfig,
        stop: &Stop,
    ) -> Result<impl RecordBatchReader + Send + use<R>> {
        config.check()?;
        let (path, input) = (Path::new("record batches"), reader.schema());
        self.features().check(&input, path)?;
        let added = NewColumnMaker::new(self, config)?;
        if added.levels().is_some() {
            let what = "a false discovery rate, which takes two passes,";
            return Err(Error::Unsupported { place: Place::file(path), what });
        }
        let kept = columns::kept(config, &input, path, &self.features().columns(), added.schema())?;
        let output = PassOutput::new(self, (&input, path), &kept, config, Medium::Memory)?;
        let places = output.needed.iter().map(|column| input.index_of(column)).collect::<Result<Vec<_>, _>>();
        let failed = |source: ArrowError| Error::Read { place: Place::file("record batches"), source: source.into() };
        let places = places.map_err(failed)?;
        let batches = reader.map(move |batch| batch.and_then(|batch| batch.project(&places)).map_err(failed));
        let stages = ["read", "model"].map(Stage::new);
        let rows = pass(self, &output, added, (Box::new(batches), None), config, stop, stages.each_ref())?;
        Ok(TransformReader { schema: output.schema, rows })
    }
}

impl Iterator for TransformReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next()?;
        Some(next.map(|done| done.batch).map_err(|error| ArrowError::ExternalError(Box::new(error))))
    }
}

impl RecordBatchReader for TransformReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
