//! Reconstruction: rows rebuilt from their latents, which are encoded now or were written by a transform.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::failed;
use super::replace::Replacement;
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::ReconstructConfig;
use crate::decode::Decoder;
use crate::error::{Error, Place, Result};
use crate::feature::{ColumnRebuilder, Features, Kind};
use crate::model::Vae;
use crate::output::{FileCounts, Output, UnreadableFile, check_unreadable};
use crate::pipeline::{Run, Stop};
use crate::source::{Source, batch_of, list_item};
use crate::transform::project;

/// Rows of a batch.
const BATCH_ROWS: usize = 1024;

/// The result of a reconstruction.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Reconstructed {
    /// Rows read and written.
    pub rows: u64,
    /// Outputs written.
    pub files: u64,
    /// Outputs that were skipped, since they existed.
    pub skipped: u64,
    /// Files of a directory that could not be read and were left out; see [`check_complete`](Self::check_complete).
    pub unreadable: Vec<UnreadableFile>,
    /// Bytes of a row's latents: 4 per dimension.
    pub latent_bytes: u64,
    /// Bytes of the learned columns of all rows in Arrow memory; absent if latents were read instead.
    pub column_bytes: Option<u64>,
    /// Mean squared error of the known values, on the model's scale; absent if latents were read instead, or if no value is
    /// known.
    pub error: Option<f64>,
}

/// Rebuilds the columns of batches.
struct Rebuilder {
    decoder: Decoder,
    features: Arc<Features>,
    vae: Arc<Vae>,
    from: LatentSource,
    latent_dim: usize,
    schema: SchemaRef,
}

/// Where latents come from.
enum LatentSource {
    /// The learned columns: those of all features by their indexes among the columns that are read, and each feature of the
    /// row itself with the index of its top-level column.
    Columns { learned: Vec<usize>, rebuilt: Vec<(usize, usize)> },
    /// So many columns of latents, or one of lists; and the given ones, which are read after them.
    Latents { rebuilder: ColumnRebuilder, columns: usize },
}

/// What is measured of some rows.
#[derive(Clone, Default)]
struct RebuiltSums {
    /// Bytes of the learned columns.
    bytes: u64,
    squared_error: f64,
    /// Known values.
    known: f64,
}

impl Reconstructed {
    /// Checks that no file was left out because it could not be read.
    ///
    /// # Errors
    /// [`Error::Unfinished`], which names those files.
    pub fn check_complete(&self) -> Result<()> {
        check_unreadable(&self.unreadable, self.files)
    }
}

impl Model {
    /// Writes `source` to `output`, a file whole or not at all, with the learned columns rebuilt from the row's posterior mean: a
    /// number as the decoder expects it, a category as its most likely word. All other columns stay unchanged.
    ///
    /// If a learned column is missing, the latents are read from the columns `z_0` … of a transformed file, and the missing
    /// columns are added: the inverse of a transform.
    ///
    /// # Errors
    /// As [`transform_to`](Self::transform_to); [`Error::MissingFeature`] if learned columns and latents are both missing.
    pub fn reconstruct(
        &self,
        source: &Source,
        output: impl Into<Output>,
        config: &ReconstructConfig,
        run: &mut Run<'_>,
    ) -> Result<Reconstructed> {
        config.output.check()?;
        run.check()?;
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        let (rebuilder, read) = Rebuilder::new(model, &source.schema(), source.path(), config)
            .map_err(|error| source.with_mismatch(error))?;
        let from_columns = matches!(rebuilder.from, LatentSource::Columns { .. });
        let replacement = model.reconstruction(&rebuilder, &read, config, (source, run.stopper()))?;
        let rebuilder = Arc::new(rebuilder);
        let written = replacement.write(
            source,
            output.into(),
            run,
            move |rows| rebuilder.rebuild(rows),
            RebuiltSums::default(),
            |sum, sums| {
                sum.bytes += sums.bytes;
                sum.squared_error += sums.squared_error;
                sum.known += sums.known;
            },
        );
        let (rows, sum, files) = written.map_err(|error| model.located(source, error))?;
        let FileCounts { written: files, skipped, unreadable } = files;
        Ok(Reconstructed {
            rows,
            files,
            skipped,
            unreadable,
            latent_bytes: (self.metadata().network.latent_dim * size_of::<f32>()) as u64,
            column_bytes: from_columns.then_some(sum.bytes),
            error: (sum.known > 0.0).then(|| sum.squared_error / sum.known),
        })
    }

    /// The same rows, made while they are read.
    ///
    /// # Errors
    /// As [`reconstruct`](Self::reconstruct), except those about outputs.
    pub fn reconstruct_source(
        &self,
        source: &Source,
        config: &ReconstructConfig,
        run: &Run<'_>,
    ) -> Result<impl RecordBatchReader + Send + use<>> {
        run.check()?;
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        let (rebuilder, read) = Rebuilder::new(model, &source.schema(), source.path(), config)
            .map_err(|error| source.with_mismatch(error))?;
        let replacement = model.reconstruction(&rebuilder, &read, config, (source, run.stopper()))?;
        let rebuilder = Arc::new(rebuilder);
        replacement.read(source, run, move |rows| rebuilder.rebuild(rows))
    }

    /// What a rebuilder reads and replaces.
    fn reconstruction<'a>(
        &'a self,
        rebuilder: &Rebuilder,
        read: &'a [String],
        config: &'a ReconstructConfig,
        (source, stop): (&Source, &Stop),
    ) -> Result<Replacement<'a>> {
        let windows = match rebuilder.from {
            LatentSource::Columns { .. } => self.windower(&config.order, source.config(), stop)?,
            LatentSource::Latents { .. } => None,
        };
        Ok(Replacement {
            model: self,
            config: &config.output,
            read,
            new: rebuilder.schema.clone(),
            batch_rows: BATCH_ROWS,
            batch_bytes: BATCH_ROWS * size_of::<f64>() * self.features().layout().width(),
            windows,
        })
    }
}

impl Rebuilder {
    /// A rebuilder of rows of this `schema`, and the columns it reads.
    fn new(model: &Model, schema: &SchemaRef, path: &Path, config: &ReconstructConfig) -> Result<(Self, Vec<String>)> {
        let features = model.features().clone();
        let of_features = model.check_order(schema, path);
        let of_features = of_features.and_then(|()| features.check(&model.with_windows(schema), path));
        let latent_dim = model.metadata().network.latent_dim;
        let list = format!("{}z", config.prefix);
        let is_list = schema.field_with_name(&list).is_ok_and(|field| field.data_type().is_list());
        let names = (0..latent_dim).map(|i| format!("{}z_{i}", config.prefix));
        let names: Vec<String> = if is_list { vec![list] } else { names.collect() };
        let missing = names.iter().find(|name| schema.field_with_name(name).is_err());
        let (from, read, new) = match (of_features, missing, config.latents) {
            (Ok(()), _, false) => {
                let columns = model.read_columns(&features);
                let places: HashMap<&str, usize> = columns.iter().map(String::as_str).zip(0..).collect();
                let place = |(feature, kind): (usize, &Kind)| Some((feature, *places.get(kind.column().top())?));
                let rebuilt = features.kinds().iter().enumerate().filter_map(place).collect();
                let learned = |name: &&String| features.kinds().iter().any(|kind| kind.column().top() == **name);
                let fields = columns.iter().filter(learned).filter_map(|name| schema.field_with_name(name).ok());
                let fields: Vec<Field> = fields.map(|field| field.clone().with_nullable(true)).collect();
                let learned = model.places(&features, &columns);
                (LatentSource::Columns { learned, rebuilt }, columns, Arc::new(Schema::new(fields)))
            }
            (Err(error), Some(_), false) => return Err(error),
            (_, Some(name), _) => {
                return Err(Error::MissingFeature { path: path.to_owned(), column: name.clone(), near: Vec::new() });
            }
            _ => {
                for name in &names {
                    let found = schema.field_with_name(name).map(Field::data_type).cloned().unwrap_or(DataType::Null);
                    let is_float = |item: &FieldRef| item.data_type().is_floating();
                    if !found.is_floating() && !list_item(&found).is_some_and(is_float) {
                        return Err(Error::WrongType {
                            place: Place::column(path, name),
                            found: found.to_string().into(),
                            expected: "a float".into(),
                        });
                    }
                }
                let learned = |name: &str| features.kinds().iter().any(|kind| kind.column().top() == name);
                let rebuilder = model.column_rebuilder()?.retain(learned);
                let new = rebuilder.schema().clone();
                let given = features.given_part();
                given.check(schema, path)?;
                let columns = names.len();
                let read = names.into_iter().chain(given.columns()).collect();
                (LatentSource::Latents { rebuilder, columns }, read, new)
            }
        };
        let decoder = Decoder::new(model);
        Ok((Self { decoder, features, vae: model.vae().clone(), from, latent_dim, schema: new }, read))
    }

    /// The rebuilt columns of some rows.
    fn rebuild(&self, batch: &RecordBatch) -> Result<(RecordBatch, RebuiltSums)> {
        let (height, mut sums) = (batch.num_rows(), RebuiltSums::default());
        let arrays: Vec<ArrayRef> = match &self.from {
            LatentSource::Columns { learned, rebuilt } => {
                let rows = Batch::encode(&self.features, &project(batch, learned)?)?.0;
                let encoded = self.vae.encode(&rows)?;
                sums.squared_error = encoded.squared_error.iter().copied().map(f64::from).sum();
                sums.known = encoded.known.iter().copied().map(f64::from).sum();
                let cells = self.decoder.expected(&encoded.mean, &rows.given)?;
                let mut columns = batch.columns().to_vec();
                for &(feature, top_level) in rebuilt {
                    let column = self.features.kinds()[feature].column();
                    let data_type = column.data_type(batch.schema_ref()).cloned().unwrap_or(DataType::Null);
                    let leaf = column.bare(&batch.columns()[top_level]).map_err(failed)?;
                    sums.bytes += leaf.to_data().get_slice_memory_size().map_err(failed)? as u64;
                    let values = self.features.read(feature, &cells, &data_type).map_err(failed)?;
                    columns[top_level] = column.replaced(&columns[top_level], values).map_err(failed)?;
                }
                columns.truncate(self.schema.fields().len());
                columns
            }
            LatentSource::Latents { rebuilder, columns } => {
                let columns = latent_columns(&batch.columns()[..*columns], self.latent_dim).map_err(failed)?;
                let k = self.latent_dim;
                let mut z = vec![0.0; height * k];
                let mut unknown = vec![false; height];
                for (i, column) in columns.iter().enumerate() {
                    let column = cast(column, &DataType::Float32).map_err(failed)?;
                    for (row, value) in column.as_primitive::<Float32Type>().iter().enumerate() {
                        let value = value.filter(|value| value.is_finite());
                        unknown[row] |= value.is_none();
                        z[row * k + i] = value.unwrap_or_default();
                    }
                }
                let mut cells = self.decoder.expected(&z, &self.decoder.given(batch)?)?;
                let rows = cells.chunks_exact_mut(self.features.layout().width()).zip(unknown);
                rows.filter(|(_, unknown)| *unknown).for_each(|(cells, _)| cells.fill(f32::NAN));
                rebuilder.read(&self.features, &cells, height).map_err(failed)?
            }
        };
        let batch = batch_of(self.schema.clone(), arrays, height).map_err(failed)?;
        Ok((batch, sums))
    }
}

/// The columns of latents, of which one of lists makes `latent_dim`.
fn latent_columns(columns: &[ArrayRef], latent_dim: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    let [lists] = columns else { return Ok(columns.to_vec()) };
    if !lists.data_type().is_list() {
        return Ok(columns.to_vec());
    }
    let lists = cast(lists, &DataType::new_fixed_size_list(DataType::Float32, latent_dim as i32, true))?;
    let lists = lists.as_fixed_size_list();
    let rows: Vec<u64> = (0..lists.len() as u64).collect();
    let dimension = |i: usize| {
        // A list that is null has no latents.
        let place = |&row: &u64| lists.is_valid(row as usize).then_some(row * latent_dim as u64 + i as u64);
        take(lists.values(), &rows.iter().map(place).collect::<UInt64Array>(), None)
    };
    (0..latent_dim).map(dimension).collect()
}
