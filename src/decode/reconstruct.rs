//! Rows rebuilt from their latents: those the model gives them, or those a transform wrote.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::ReconstructConfig;
use crate::decode::Decoder;
use crate::error::{Error, Place, Result};
use crate::feature::{ColumnRebuilder, Features, top_columns};
use crate::model::Vae;
use crate::pipeline::{self, Stage, Stop, machine_threads, prefetch_map};
use crate::sink::{self, NewColumns, OutputColumn, Splice};
use crate::source::ParquetSource;
use crate::storage::Target;

/// Rows rebuilt at once.
const BATCH_ROWS: usize = 1024;

/// What a reconstruction did.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Reconstructed {
    /// Rows in, and rows out.
    pub rows: u64,
    /// Bytes of a row's latents: 4 a dimension.
    pub latent_bytes: u64,
    /// Bytes of the learned columns, as arrow holds them, of all rows; absent if the latents were read instead.
    pub column_bytes: Option<u64>,
    /// Mean over the known values of the squared error of their reconstruction, on the model's scale; absent if the latents
    /// were read instead, or no value is known.
    pub error: Option<f64>,
}

/// Rebuilds batches.
struct Rebuilder {
    decoder: Decoder,
    features: Arc<Features>,
    vae: Arc<Vae>,
    from: LatentSource,
    schema: SchemaRef,
}

/// Where latents come from.
enum LatentSource {
    /// The learned columns, by their places among those read.
    Columns(Vec<usize>),
    /// The columns that hold them, which are all that is read.
    Latents(ColumnRebuilder),
}

/// Some rows' columns, and what was measured of them.
struct Rebuilt {
    columns: NewColumns,
    bytes: u64,
    squared_error: f64,
    known: f64,
}

impl Model {
    /// Writes `source` to `output`, whole or not at all, with the learned columns rebuilt from the row's posterior mean: of
    /// a value what the decoder expects there, of a category its most likely word. All other columns stay as they are.
    ///
    /// Where the learned columns are not all there, the latents are read from the columns `z_0` … of a transformed file, and
    /// the columns that are missing are added: the inverse of a transform.
    ///
    /// # Errors
    /// As [`transform`](Self::transform); [`Error::MissingFeature`] if neither the learned columns nor the latents are there.
    pub fn reconstruct(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &ReconstructConfig,
        stop: &Stop,
    ) -> Result<Reconstructed> {
        self.reconstruct_watched(source, output, config, stop, &mut |_| {})
    }

    /// The same, with a call after each batch that gets the number of rows written so far.
    ///
    /// # Errors
    /// As [`reconstruct`](Self::reconstruct).
    pub fn reconstruct_watched(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &ReconstructConfig,
        stop: &Stop,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Reconstructed> {
        config.check()?;
        let target = Target::check(output.as_ref(), config.force, source.paths())?;
        let schema = source.schema();
        let (rebuilder, read) = Rebuilder::new(self, &schema, source.path(), config)?;
        let new = rebuilder.schema.clone();
        let place = |root: usize| match new.index_of(schema.field(root).name()) {
            Ok(new) => OutputColumn::New(new),
            Err(_) => OutputColumn::Carried(root),
        };
        let added = (0..new.fields().len()).filter(|&n| schema.field_with_name(new.field(n).name()).is_err());
        let columns: Vec<OutputColumn> =
            (0..source.own_columns()).map(place).chain(added.map(OutputColumn::New)).collect();
        // A sink takes the new columns in the order in which the output has them.
        let order = columns.iter().filter_map(|column| match *column {
            OutputColumn::New(n) => Some(n),
            OutputColumn::Carried(_) => None,
        });
        let order: Vec<usize> = order.collect();
        let sorted = |column: OutputColumn| match column {
            OutputColumn::New(n) => OutputColumn::New(order.iter().position(|&m| m == n).unwrap_or(n)),
            carried => carried,
        };
        let columns = columns.into_iter().map(sorted).collect();
        let failed = |source: ArrowError| Error::Read { place: Place::default(), source: Box::new(source) };
        let in_order: SchemaRef = Arc::new(new.project(&order).map_err(failed)?);
        let metadata = self.keys(None);
        let splice = Splice { columns, new: in_order, metadata: &metadata };
        let sink = sink::open(source, &splice, target, BATCH_ROWS, stop.clone())?;

        let with_latents = matches!(rebuilder.from, LatentSource::Latents(_));
        let rows = (0..).zip(source.scan(&read, BATCH_ROWS));
        let rows = rows.map(|(seq, rows)| rows.map(|(row_group, batch)| NewColumns { seq, row_group, batch }));
        let stopped = stop.clone();
        let (rebuilder, order) = (Arc::new(rebuilder), Arc::new(order));
        let rebuild = move |rows: NewColumns| {
            stopped.check()?;
            let mut rebuilt = rebuilder.rebuild(&rows)?;
            rebuilt.columns.batch = rebuilt.columns.batch.project(&order).map_err(failed)?;
            Ok(rebuilt)
        };
        let threads = config.threads.unwrap_or_else(machine_threads);
        let depth = pipeline::queue_depth(
            BATCH_ROWS * size_of::<f64>() * self.features().layout().inputs(),
            pipeline::QUEUE_BYTES,
        );
        let (mut rows_done, mut bytes, mut squared_error, mut known) = (0, 0, 0.0, 0.0);
        let [read, model, write] = ["read", "model", "write"].map(Stage::new);
        let mut columns = prefetch_map(&read, rows, &model, depth, threads, rebuild)?.map(|rebuilt| {
            let Rebuilt { columns, bytes: of_columns, squared_error: error, known: values } = rebuilt?;
            rows_done += columns.batch.num_rows() as u64;
            (bytes, squared_error, known) = (bytes + of_columns, squared_error + error, known + values);
            on_rows(rows_done);
            Ok(columns)
        });
        write.run(|| sink.write(&mut columns))?;
        drop(columns);
        pipeline::report(&[&read, &model, &write]);
        Ok(Reconstructed {
            rows: rows_done,
            latent_bytes: (self.metadata().network.latent_dim * size_of::<f32>()) as u64,
            column_bytes: (!with_latents).then_some(bytes),
            error: (known > 0.0).then(|| squared_error / known),
        })
    }
}

impl Rebuilder {
    /// A rebuilder of rows of `schema`, and the columns it reads.
    fn new(model: &Model, schema: &SchemaRef, path: &Path, config: &ReconstructConfig) -> Result<(Self, Vec<String>)> {
        let features = model.features().clone();
        let of_features = features.check(schema, path);
        let names = (0..model.metadata().network.latent_dim).map(|i| format!("{}z_{i}", config.prefix));
        let names: Vec<String> = names.collect();
        let missing = names.iter().find(|name| schema.field_with_name(name).is_err());
        let (from, read, new) = match (of_features, missing, config.latents) {
            (Ok(()), _, false) => {
                let (columns, places) = top_columns(features.kinds().iter().map(|kind| kind.column()));
                let fields = columns.iter().filter_map(|name| schema.field_with_name(name).ok());
                let fields: Vec<Field> = fields.map(|field| field.clone().with_nullable(true)).collect();
                (LatentSource::Columns(places), columns, Arc::new(Schema::new(fields)))
            }
            (Err(error), Some(_), false) => return Err(error),
            (_, Some(name), _) => {
                return Err(Error::MissingFeature { path: path.to_owned(), column: name.clone(), near: Vec::new() });
            }
            _ => {
                for name in &names {
                    let found = schema.field_with_name(name).map(Field::data_type).cloned().unwrap_or(DataType::Null);
                    if !found.is_floating() {
                        return Err(Error::WrongType {
                            place: Place::column(path, name),
                            found: found.to_string().into(),
                            expected: "a float".into(),
                        });
                    }
                }
                let learned = |name: &str| features.kinds().iter().any(|kind| kind.column().top() == name);
                let anew = model.anew()?.retain(learned);
                let new = anew.schema().clone();
                (LatentSource::Latents(anew), names, new)
            }
        };
        let decoder = Decoder::new(model);
        Ok((Self { decoder, features, vae: model.vae().clone(), from, schema: new }, read))
    }

    /// Rebuilds the rows of a batch.
    fn rebuild(&self, rows: &NewColumns) -> Result<Rebuilt> {
        let NewColumns { seq, row_group, batch } = rows;
        let height = batch.num_rows();
        let failed = |source: ArrowError| Error::Read { place: Place::default(), source: Box::new(source) };
        let (mut bytes, mut squared_error, mut known) = (0, 0.0, 0.0);
        let arrays: Vec<ArrayRef> = match &self.from {
            LatentSource::Columns(places) => {
                let mut x = vec![0.0; height * self.features.layout().inputs()];
                self.features.write(batch, &mut x)?;
                let encoded = self.vae.encode(&Batch::new(*seq, vec![0; height], x, self.features.layout()))?;
                squared_error = encoded.squared_error.iter().copied().map(f64::from).sum();
                known = encoded.known.iter().copied().map(f64::from).sum();
                let cells = self.decoder.expected(&encoded.mean)?;
                let mut tops = batch.columns().to_vec();
                for (feature, (kind, &place)) in self.features.kinds().iter().zip(places).enumerate() {
                    let column = kind.column();
                    let data_type = column.data_type(batch.schema_ref()).cloned().unwrap_or(DataType::Null);
                    let leaf = column.bare(&batch.columns()[place]).map_err(failed)?;
                    bytes += leaf.to_data().get_slice_memory_size().map_err(failed)? as u64;
                    let values = self.features.read(feature, &cells, &data_type).map_err(failed)?;
                    tops[place] = column.replaced(&tops[place], values).map_err(failed)?;
                }
                tops
            }
            LatentSource::Latents(anew) => {
                let k = batch.num_columns();
                let mut z = vec![0.0; height * k];
                let mut unknown = vec![false; height];
                for (i, column) in batch.columns().iter().enumerate() {
                    let column = cast(column, &DataType::Float32).map_err(failed)?;
                    for (row, value) in column.as_primitive::<Float32Type>().iter().enumerate() {
                        let value = value.filter(|value| value.is_finite());
                        unknown[row] |= value.is_none();
                        z[row * k + i] = value.unwrap_or_default();
                    }
                }
                let mut cells = self.decoder.expected(&z)?;
                let rows = cells.chunks_exact_mut(self.features.layout().inputs()).zip(unknown);
                rows.filter(|(_, unknown)| *unknown).for_each(|(cells, _)| cells.fill(f32::NAN));
                anew.read(&self.features, &cells, height).map_err(failed)?
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(height));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(failed)?;
        Ok(Rebuilt { columns: NewColumns { seq: *seq, row_group: *row_group, batch }, bytes, squared_error, known })
    }
}
