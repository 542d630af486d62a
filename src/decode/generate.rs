//! Drawing rows from a model: latents from their density, and values from the likelihoods, with the distribution that
//! each number had at fit.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::failed;
use super::fixed_given::FixedGiven;
use crate::artifact::Model;
use crate::config::{GenerateConfig, OutputConfig};
use crate::decode::Generator;
use crate::error::Result;
use crate::feature::{ColumnRebuilder, Features, OrderedValues};
use crate::numerics::RandomStream;
use crate::output::Output;
use crate::pipeline::{Route, Rows, Run, Stage, Stop};
use crate::sink::{RowWriter, cast_to_schema, output_schema};
use crate::source::batch_of;

/// Most rows drawn at once.
const BATCH_ROWS: u64 = 4096;
/// Most values drawn at once.
const BATCH_CELLS: u64 = 1 << 20;

/// Draws batches of rows.
struct DrawnBatches {
    generator: Generator,
    features: Arc<Features>,
    rebuilder: ColumnRebuilder,
    ordered: OrderedValues,
    noise: RandomStream,
    /// The share of each feature's values to leave out.
    missing: Option<Vec<f64>>,
}

/// Columns of drawn rows.
struct DrawnRows {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Model {
    /// The columns that can be rebuilt: the learned and given ones, and those that were constant at fit, in the order and with the
    /// types of the fit. Other fields of structs are null.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) for a type whose stored name cannot be read.
    pub fn rebuilt_columns(&self) -> Result<SchemaRef> {
        Ok(self.column_rebuilder()?.schema().clone())
    }

    /// Rebuilds these columns from row vectors.
    pub(crate) fn column_rebuilder(&self) -> Result<ColumnRebuilder> {
        ColumnRebuilder::new(self.features(), &self.metadata().carried, &self.metadata().columns).map_err(failed)
    }

    /// A writer of rows that have no input; `None` if the output exists and is kept.
    pub(crate) fn row_writer(
        &self,
        output: Output,
        config: &OutputConfig,
        schema: &Schema,
        stop: &Stop,
    ) -> Result<Option<RowWriter>> {
        let Some(destination) = output.of_new_rows(config, self.hash(), stop)? else { return Ok(None) };
        let none = Schema::empty();
        let schema =
            output_schema(&none, schema.fields(), &none, &self.keys(None), destination.medium(&config.encoding));
        RowWriter::create(destination, schema, &[], &config.encoding).map(Some)
    }

    /// Draws `rows` rows of [`rebuilt_columns`](Self::rebuilt_columns), in batches, on this thread. Row n depends only on
    /// the model, the configuration and n.
    ///
    /// ```no_run
    /// # fn main() -> vaepipe::Result<()> {
    /// use vaepipe::{Device, GenerateConfig, Model};
    /// let model = Model::load("flights.safetensors", Device::Cpu)?;
    /// for batch in model.generate_batches(1000, &GenerateConfig::new())? {
    ///     println!("{} rows", batch?.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange), and those of [`rebuilt_columns`](Self::rebuilt_columns); each
    /// batch may fail.
    pub fn generate_batches(
        &self,
        rows: u64,
        config: &GenerateConfig,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let batches = DrawnBatches::new(self, config)?;
        Ok(batches.ranges(rows).map(move |range| {
            let DrawnRows { columns, rows } = batches.draw(range)?;
            batch_of(batches.rebuilder.schema().clone(), columns, rows).map_err(failed)
        }))
    }

    /// Draws `rows` rows and writes them to `output`, a file or a stream, whole or not at all. Tells whether it did: an
    /// output that exists may be kept.
    ///
    /// # Memory usage
    /// One batch per thread, the queues, and for Parquet the encoded columns of one row group.
    ///
    /// # Errors
    /// As [`generate_batches`](Self::generate_batches), [`TargetExists`](crate::Error::TargetExists) and other errors of the output,
    /// [`Error::Write`](crate::Error::Write) and [`Error::Interrupted`](crate::Error::Interrupted).
    pub fn generate(
        &self,
        rows: u64,
        output: impl Into<Output>,
        config: &GenerateConfig,
        run: &mut Run<'_>,
    ) -> Result<bool> {
        run.check()?;
        let batches = Arc::new(DrawnBatches::new(self, config)?);
        let (schema, stop) = (batches.rebuilder.schema().clone(), run.stopper().clone());
        let writer = self.row_writer(output.into(), &config.output, &schema, &stop)?;
        let Some(mut writer) = writer else { return Ok(false) };
        let route = Route { work: Stage::new("draw"), ..Route::new(BATCH_CELLS as usize * size_of::<f64>()) };
        let ranges = batches.ranges(rows).map(Ok);
        run.carry(
            &route,
            ranges,
            move |range| batches.draw(range),
            |drawn| {
                for columns in drawn {
                    let DrawnRows { columns, rows } = columns?;
                    writer.write(&cast_to_schema(writer.schema(), columns, rows, Path::new("drawn rows"))?)?;
                }
                writer.finish()
            },
        )?;
        Ok(true)
    }
}

impl Rows for DrawnRows {
    fn rows(&self) -> usize {
        self.rows
    }
}

impl DrawnBatches {
    fn new(model: &Model, config: &GenerateConfig) -> Result<Self> {
        config.check()?;
        let all = model.metadata().provenance.rows.max(1) as f64;
        let share = |kind: &crate::feature::Kind| kind.missing() as f64 / all;
        Ok(Self {
            generator: Generator::new(model, config.prior, config.temperature, &FixedGiven::new(model, &config.at)?)?,
            features: model.features().clone(),
            rebuilder: model.column_rebuilder()?,
            ordered: model.ordered_values(|column| config.at.iter().any(|fixed| fixed.column == column.name())),
            noise: RandomStream::new(config.seed, "generate"),
            missing: config.nulls.then(|| model.features().kinds().iter().map(share).collect()),
        })
    }

    /// The numbers of the rows of each batch.
    fn ranges(&self, rows: u64) -> impl Iterator<Item = std::ops::Range<u64>> + Send + use<> {
        let step = (BATCH_CELLS / self.features.layout().width() as u64).clamp(1, BATCH_ROWS);
        (0..rows.div_ceil(step)).map(move |batch| batch * step..rows.min((batch + 1) * step))
    }

    /// The columns of these rows.
    fn draw(&self, range: std::ops::Range<u64>) -> Result<DrawnRows> {
        let mut cells = self.generator.draw(range.clone(), self.noise)?;
        let rows = (range.end - range.start) as usize;
        if let Some(missing) = &self.missing {
            let width = self.features.layout().width();
            for (row, cells) in range.zip(cells.chunks_exact_mut(width)) {
                let noise = self.noise.child(row).child(2);
                for (feature, _) in missing.iter().enumerate().filter(|(n, share)| noise.uniform(*n as u64) < **share) {
                    cells[self.features.elements(feature)].fill(f32::NAN);
                }
            }
        }
        let ordered = self.ordered.of(&cells);
        let read = |feature: usize, data_type: &DataType| match ordered.get(&feature) {
            Some(values) => self.features.array(feature, values, data_type),
            None => self.features.read(feature, &cells, data_type),
        };
        let columns = self.rebuilder.read_by(&read, rows).map_err(failed)?;
        Ok(DrawnRows { columns, rows })
    }
}
