//! Imputation of a batch of rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::around::RowsAround;
use super::{FillBy, ImputeTarget};
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::ImputeConfig;
use crate::decode::failed;
use crate::decode::impute::targets::fillable;
use crate::error::{Error, Place, Result};
use crate::feature::{Features, constant, fill, top_columns};
use crate::model::{Draws, Row, Sampler, Vae};
use crate::numerics::{Mixture, RandomStream};
use crate::sequence::Sequence;
use crate::source::batch_of;
use crate::transform::project;

/// Fills batches.
pub(super) struct Imputer {
    features: Arc<Features>,
    vae: Arc<Vae>,
    sampler: Sampler,
    targets: Vec<ImputeTarget>,
    /// The top-level columns to read: those of the features, then others with a target.
    columns: Vec<String>,
    /// The columns of the features, by their indexes in `columns` and the windows after it.
    learned: Vec<usize>,
    /// The index of each target's top-level column in `columns`.
    top_level_of: Vec<usize>,
    /// The top-level columns that change, in the input's order.
    top_levels: Vec<String>,
    new: SchemaRef,
    config: ImputeConfig,
    noise: RandomStream,
    /// The windows of rows in order.
    sequence: Option<Sequence>,
    /// The numbers of the sequence whose gaps are bridged.
    bridged: Vec<usize>,
}

/// The model's answers for missing values, on its scale: `[rows, inputs]` each, with known values unchanged; at last
/// `[rows, width]`, as features write them.
struct Expectation {
    expected: Vec<f32>,
    bounds: Option<[Vec<f32>; 2]>,
    draws: Vec<Vec<f32>>,
}

impl Expectation {
    fn in_stored_rows(self, features: &Features, batch: &Batch) -> Self {
        let stored = |x: Vec<f32>| features.layout().stored_rows(x, &batch.given.elements);
        Self {
            expected: stored(self.expected),
            bounds: self.bounds.map(|bounds| bounds.map(stored)),
            draws: self.draws.into_iter().map(stored).collect(),
        }
    }
}

impl Imputer {
    pub(super) fn new(model: &Model, schema: &Schema, targets: Vec<ImputeTarget>, config: &ImputeConfig) -> Self {
        let features = model.features().clone();
        let sampler = Sampler::new(model.vae().clone(), features.layout(), &model.metadata().network, model.weights());
        let mut columns = model.read_columns(&features);
        let (of_targets, _) = top_columns(targets.iter().map(|target| &target.column));
        let known: HashSet<String> = columns.iter().cloned().collect();
        columns.extend(of_targets.iter().filter(|top| !known.contains(*top)).cloned());
        let index = |target: &ImputeTarget| columns.iter().position(|column| column == target.column.top());
        let top_level_of = targets.iter().filter_map(index).collect();
        let mut fields: Vec<Field> = schema
            .fields()
            .iter()
            .filter(|field| of_targets.contains(field.name()))
            .map(|f| f.as_ref().clone())
            .collect();
        let top_levels = fields.iter().map(|field| field.name().clone()).collect();
        for target in &targets {
            let name = |what: &str| format!("{}{}_{what}", config.prefix, target.column);
            if config.flag {
                fields.push(Field::new(name("imputed"), DataType::Boolean, false));
            }
            if bounded(&features, &sampler, target, config) {
                fields.extend(["low", "high"].map(|what| Field::new(name(what), target.data_type.clone(), true)));
            }
            let draw = |n| Field::new(name(&format!("draw_{n}")), target.data_type.clone(), true);
            fields.extend((0..config.draws).map(draw));
        }
        let sequence = model.metadata().sequence.clone();
        let place = |target: &ImputeTarget| sequence.as_ref()?.bridged(&target.column);
        let bridged = targets.iter().filter_map(place).collect();
        Self {
            vae: model.vae().clone(),
            sampler,
            features,
            targets,
            bridged,
            learned: model.places(model.features(), &columns),
            columns,
            top_level_of,
            top_levels,
            new: Arc::new(Schema::new(fields)),
            config: config.clone(),
            noise: RandomStream::new(model.metadata().training.seed, "impute"),
            sequence,
        }
    }

    /// The top-level columns to read.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The numbers of the sequence whose gaps are bridged, in columns after those of the windows.
    pub(super) fn bridged(&self) -> &[usize] {
        &self.bridged
    }

    /// The top-level columns that change.
    pub(super) fn top_levels(&self) -> &[String] {
        &self.top_levels
    }

    /// The columns to fill; leaves of structs each by its own name.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.targets.iter().map(|target| target.column.to_string())
    }

    /// The columns to write: the top-level columns that change, then the added ones.
    pub(super) fn new_columns(&self) -> &SchemaRef {
        &self.new
    }

    /// The new columns of some rows, and how many values were filled in each target.
    pub(super) fn fill(&self, rows: &RecordBatch) -> Result<(RecordBatch, Vec<u64>)> {
        let height = rows.num_rows();
        let (batch, _) = Batch::encode(&self.features, &project(rows, &self.learned)?)?;

        let (mut wanted, mut columns) = (Vec::new(), Vec::new());
        for (target, &index) in self.targets.iter().zip(&self.top_level_of) {
            wanted.push(fillable(&target.column, rows.column(index)).map_err(failed_at(target))?);
        }
        for name in &self.top_levels {
            let index = self.columns.iter().position(|column| column == name).expect("every top-level column is read");
            columns.push(rows.column(index).clone());
        }
        let around = self.targets.iter().map(|target| self.around(target, rows).map_err(failed_at(target)));
        let around = around.collect::<Result<Vec<_>>>()?;
        let unknown: Vec<BooleanArray> = wanted
            .iter()
            .zip(&around)
            .map(|(wanted, around)| around.as_ref().map_or_else(|| wanted.clone(), |around| around.unknown(wanted)))
            .collect();
        let expectation = self.expect(&batch, &unknown)?;
        let mut added = Vec::new();
        for ((target, wanted), around) in self.targets.iter().zip(&wanted).zip(&around) {
            let index = self.top_levels.iter().position(|name| name == target.column.top());
            let column = &mut columns[index.expect("a target is in a top-level column")];
            let filled = self.fill_target(target, (wanted, around.as_ref()), &expectation, column, height);
            added.extend(filled.map_err(failed_at(target))?);
        }
        columns.extend(added);
        let batch = batch_of(self.new.clone(), columns, height).map_err(failed)?;
        let counts = wanted.iter().map(|wanted| wanted.true_count() as u64).collect();
        Ok((batch, counts))
    }

    /// What the rows around lead to expect of a target, if it has windows.
    fn around(&self, target: &ImputeTarget, rows: &RecordBatch) -> Result<Option<RowsAround<'_>>, ArrowError> {
        let Some(sequence) = &self.sequence else { return Ok(None) };
        let Some(forecast) = sequence.forecast(&target.column) else { return Ok(None) };
        let place = sequence.bridged(&target.column);
        let place = place.and_then(|column| self.bridged.iter().position(|bridged| *bridged == column));
        // The last columns are those of the bridged numbers, two each.
        let first = rows.num_columns().saturating_sub(2 * self.bridged.len());
        let between = place.map(|place| [0, 1].map(|n| rows.column(first + 2 * place + n)));
        Ok(Some(RowsAround::new(forecast, &sequence.history(&target.column, rows)?, between)))
    }

    /// Fills one target within its top-level column by what the rows around lead to expect, if it has windows, or else by the
    /// model; and returns its added columns.
    fn fill_target(
        &self,
        target: &ImputeTarget,
        (wanted, around): (&BooleanArray, Option<&RowsAround<'_>>),
        expectation: &Expectation,
        top_level: &mut ArrayRef,
        rows: usize,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let ImputeTarget { column, data_type, by } = target;
        let known = column.bare(top_level)?;
        let mut added: Vec<ArrayRef> = Vec::new();
        if self.config.flag {
            added.push(Arc::new(wanted.clone()));
        }
        match by {
            FillBy::Constant(text) => {
                let filled = fill(&known, &constant(text, data_type, rows)?, wanted)?;
                added.extend((0..self.config.draws).map(|_| filled.clone()));
                *top_level = column.replaced(top_level, filled)?;
            }
            FillBy::Feature(feature) => {
                let read = |cells: &[f32], values: &dyn Fn(&RowsAround<'_>) -> Vec<f64>| {
                    let by_model = self.features.read(*feature, cells, data_type)?;
                    let Some(around) = around else { return Ok(by_model) };
                    fill(&self.features.array(*feature, &values(around), data_type)?, &by_model, wanted)
                };
                if let Some(bounds) =
                    expectation.bounds.as_ref().filter(|_| bounded(&self.features, &self.sampler, target, &self.config))
                {
                    let known = arrow::compute::not(wanted)?;
                    let tail = (1.0 - self.config.intervals.unwrap_or_default()) / 2.0;
                    for (bound, rank) in bounds.iter().zip([tail, 1.0 - tail]) {
                        added.push(nullif(&read(bound, &|around| around.quantiles(rank))?, &known)?);
                    }
                }
                for (n, draw) in (0..).zip(&expectation.draws) {
                    let noise = self.noise.child(n).child(*feature as u64);
                    added.push(fill(&known, &read(draw, &|around| around.draws(noise))?, wanted)?);
                }
                let expected = read(&expectation.expected, &|around| around.values())?;
                *top_level = column.replaced(top_level, fill(&known, &expected, wanted)?)?;
            }
        }
        Ok(added)
    }

    /// The model's answers for the values that are `wanted` of each target.
    fn expect(&self, batch: &Batch, wanted: &[BooleanArray]) -> Result<Expectation> {
        let (inputs, k) = (self.features.layout().inputs(), self.sampler.latent_dim());
        let unknown = batch.known.as_ref().map(|known| known.iter().zip(&batch.x));
        let x: Vec<f32> = match unknown {
            Some(cells) => cells.map(|(&known, &x)| if known > 0.0 { x } else { f32::NAN }).collect(),
            None => batch.x.clone(),
        };
        let mut expectation = Expectation {
            bounds: self.config.intervals.map(|_| [x.clone(), x.clone()]),
            draws: vec![x.clone(); self.config.draws],
            expected: x,
        };
        let Some(known) = &batch.known else { return Ok(expectation.in_stored_rows(&self.features, batch)) };
        let encoded = self.vae.encode(batch)?;
        let row = |row: usize| {
            let (of_row, of_posterior) = (row * inputs..(row + 1) * inputs, row * k..(row + 1) * k);
            let (x, known) = (&batch.x[of_row.clone()], &known[of_row]);
            let (mean, log_variance) = (&encoded.mean[of_posterior.clone()], &encoded.log_variance[of_posterior]);
            let given = batch.given.inputs.len() / batch.rows();
            let given = &batch.given.inputs[row * given..(row + 1) * given];
            Row { x, known, mean, log_variance, given }
        };
        let incomplete = (0..batch.rows()).map(|n| (n, self.missing(wanted, n, row(n).known)));
        let incomplete: Vec<_> = incomplete.filter(|(_, missing)| !missing.is_empty()).collect();
        let (mut draws, mut mixture) = (Draws::default(), Mixture::default());
        for some in incomplete.chunks(Sampler::rows(self.config.samples)) {
            let with_noise = |row: Row<'_>| self.noise.child(row.key());
            let rows: Vec<_> = some.iter().map(|(n, _)| row(*n)).map(|row| (row, with_noise(row))).collect();
            self.sampler.sample(&rows, self.config.samples, &mut draws)?;
            for (drawn, ((n, missing), (_, noise))) in some.iter().zip(&rows).enumerate() {
                for &element in missing {
                    self.sampler.answers(&draws, drawn, element, &mut mixture);
                    self.expect_element(element, &mixture, *noise, n * inputs + element, &mut expectation);
                }
            }
        }
        Ok(expectation.in_stored_rows(&self.features, batch))
    }

    /// The elements of a row that are missing and wanted.
    fn missing(&self, wanted: &[BooleanArray], row: usize, known: &[f32]) -> Vec<usize> {
        let targets = self.targets.iter().zip(wanted).filter(|(_, wanted)| wanted.value(row));
        let features = targets.filter_map(|(target, _)| match target.by {
            FillBy::Feature(feature) => Some(self.features.elements(feature)),
            FillBy::Constant(_) => None,
        });
        features.flatten().filter(|&element| known[element] == 0.0).collect()
    }

    /// Writes the mixture's answers for one element, at the index `at`.
    fn expect_element(&self, element: usize, mixture: &Mixture, noise: RandomStream, at: usize, to: &mut Expectation) {
        let kind = self.features.of_element(element);
        let reads = |class: usize| kind.feature().reads(class);
        to.expected[at] = self.sampler.fill(mixture, element, &reads);
        if let (Some(bounds), Some(level), Some(deviation)) =
            (&mut to.bounds, self.config.intervals, self.sampler.deviation(element))
        {
            let tail = ((1.0 - level) / 2.0) as f32;
            for (bound, p) in bounds.iter_mut().zip([tail, 1.0 - tail]) {
                bound[at] = mixture.quantile(deviation, p);
            }
        }
        for (n, draw) in to.draws.iter_mut().enumerate() {
            let of_draw = noise.child(n as u64);
            let (uniform, noise) = (of_draw.uniform(0), of_draw.child(1 + element as u64));
            draw[at] = self.sampler.draw(mixture, element, uniform, &reads, noise);
        }
    }
}

/// Whether a target gets intervals: every number does.
fn bounded(features: &Features, sampler: &Sampler, target: &ImputeTarget, config: &ImputeConfig) -> bool {
    let is_a_number = |feature: usize| sampler.deviation(features.elements(feature).start).is_some();
    config.intervals.is_some() && matches!(target.by, FillBy::Feature(feature) if is_a_number(feature))
}

fn failed_at(target: &ImputeTarget) -> impl FnOnce(ArrowError) -> Error + use<> {
    let place = Place::column("", target.column.name());
    move |source| Error::Read { place, source: Box::new(source) }
}
