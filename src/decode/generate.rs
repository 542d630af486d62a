//! Drawing rows from a model: latents from their density, and values from the likelihoods, with the distribution that
//! each number had at fit.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::drawn_sequences::{SequenceGenerator, sequence_columns};
use super::failed;
use super::fixed_given::FixedGiven;
use super::row_reader::RowReader;
use crate::artifact::Model;
use crate::config::{GenerateConfig, OutputConfig};
use crate::decode::Generator;
use crate::error::Result;
use crate::feature::ColumnRebuilder;
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
    rows: DrawnBy,
    rebuilder: ColumnRebuilder,
    reader: RowReader,
    schema: SchemaRef,
}

/// What draws rows.
enum DrawnBy {
    /// Each row by itself.
    Row(Generator),
    /// Rows in order.
    Sequence(Box<SequenceGenerator>),
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

    /// The columns of rows that are drawn: [`rebuilt_columns`](Self::rebuilt_columns), in sequences also the order of the rows and
    /// the number of the sequence.
    ///
    /// # Errors
    /// As [`generate_batches`](Self::generate_batches).
    pub fn drawn_columns(&self, config: &GenerateConfig) -> Result<SchemaRef> {
        let rebuilder = self.column_rebuilder()?;
        config.steps.map_or(Ok(rebuilder.schema().clone()), |steps| sequence_columns(self, steps, &rebuilder))
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
    /// the model, the configuration and n. With [`steps`](GenerateConfig::steps) they are sequences, the last one maybe shorter,
    /// with the order of the rows and the number of the sequence.
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
            batch_of(batches.schema.clone(), columns, rows).map_err(failed)
        }))
    }

    /// Draws `rows` rows and writes them to `output`, a file or a stream, whole or not at all. Tells whether it did: an
    /// output that exists may be kept.
    ///
    /// # Memory usage
    /// One batch per thread, the queues, and for Parquet the encoded columns of one row group. A batch has whole sequences.
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
        let (schema, stop) = (batches.schema.clone(), run.stopper().clone());
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
        let (rebuilder, fixed) = (model.column_rebuilder()?, FixedGiven::new(model, &config.at)?);
        let rows = match config.steps {
            Some(steps) => {
                let generator = SequenceGenerator::new(model, steps, config.temperature, &fixed, &rebuilder)?;
                DrawnBy::Sequence(Box::new(generator))
            }
            None => DrawnBy::Row(Generator::new(model, config.prior, config.temperature, &fixed)?),
        };
        let schema = match &rows {
            DrawnBy::Row(_) => rebuilder.schema().clone(),
            DrawnBy::Sequence(generator) => generator.schema().clone(),
        };
        let reader = RowReader {
            features: model.features().clone(),
            ordered: model.ordered_values(|column| fixed.fixes(column)),
            noise: RandomStream::new(config.seed, "generate"),
            missing: config.nulls.then(|| model.features().kinds().iter().map(share).collect()),
        };
        Ok(Self { rows, rebuilder, reader, schema })
    }

    /// The numbers of the rows of each batch.
    fn ranges(&self, rows: u64) -> impl Iterator<Item = std::ops::Range<u64>> + Send + use<> {
        let step = match &self.rows {
            DrawnBy::Row(_) => (BATCH_CELLS / self.reader.features.layout().width() as u64).clamp(1, BATCH_ROWS),
            DrawnBy::Sequence(generator) => generator.batch_rows(BATCH_CELLS),
        };
        (0..rows.div_ceil(step)).map(move |batch| batch * step..rows.min((batch + 1) * step))
    }

    /// The columns of these rows.
    fn draw(&self, range: std::ops::Range<u64>) -> Result<DrawnRows> {
        let rows = (range.end - range.start) as usize;
        let columns = match &self.rows {
            DrawnBy::Row(generator) => {
                let mut cells = generator.draw(range.clone(), self.reader.noise)?;
                let width = self.reader.features.layout().width();
                range.zip(cells.chunks_exact_mut(width)).for_each(|(row, cells)| self.reader.leave_out(row, cells));
                self.read(&cells, rows)?
            }
            DrawnBy::Sequence(generator) => {
                let drawn = generator.draw(range, &self.reader)?;
                generator.columns(&drawn, &self.read(&drawn.cells, rows)?)?
            }
        };
        Ok(DrawnRows { columns, rows })
    }

    /// The columns that are rebuilt of rows, `[rows, width]`.
    fn read(&self, cells: &[f32], rows: usize) -> Result<Vec<ArrayRef>> {
        let ordered = self.reader.ordered.of(cells);
        let read = |feature: usize, data_type: &DataType| self.reader.read(feature, cells, &ordered, data_type);
        self.rebuilder.read_by(&read, rows).map_err(failed)
    }
}
