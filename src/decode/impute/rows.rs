//! Filling a batch of rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::{FillBy, ImputeTarget};
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::ImputeConfig;
use crate::decode::impute::targets::fillable;
use crate::error::{Error, Place, Result};
use crate::feature::{Features, constant, fill, top_columns};
use crate::model::{Draws, Mixture, Row, Sampler, Vae};
use crate::numerics::RandomStream;
use crate::sink::NewColumns;

/// Fills batches.
pub(super) struct Imputer {
    features: Arc<Features>,
    vae: Arc<Vae>,
    sampler: Sampler,
    targets: Vec<ImputeTarget>,
    /// The top-level columns to read: the features', then further ones with a target; and in which each target is.
    columns: Vec<String>,
    places: Vec<usize>,
    /// The top-level columns that change, in the input's order.
    tops: Vec<String>,
    new: SchemaRef,
    config: ImputeConfig,
    noise: RandomStream,
}

/// Some rows' new columns, and how many values were filled in each target.
pub(super) struct ImputedBatch {
    pub(super) columns: NewColumns,
    pub(super) counts: Vec<u64>,
}

/// What the model says of missing values, on its scale: `[rows, inputs]` each, the known ones as they are.
struct Expectation {
    expected: Vec<f32>,
    bounds: Option<[Vec<f32>; 2]>,
    draws: Vec<Vec<f32>>,
}

impl Imputer {
    pub(super) fn new(model: &Model, schema: &Schema, targets: Vec<ImputeTarget>, config: &ImputeConfig) -> Self {
        let features = model.features().clone();
        let sampler = Sampler::new(model.vae().clone(), features.layout(), &model.metadata().network, model.weights());
        let mut columns = features.columns();
        let (of_targets, _) = top_columns(targets.iter().map(|target| &target.column));
        columns.extend(of_targets.iter().filter(|top| !features.columns().contains(top)).cloned());
        let place = |target: &ImputeTarget| columns.iter().position(|column| column == target.column.top());
        let places = targets.iter().filter_map(place).collect();
        let mut fields: Vec<Field> = schema
            .fields()
            .iter()
            .filter(|field| of_targets.contains(field.name()))
            .map(|f| f.as_ref().clone())
            .collect();
        let tops = fields.iter().map(|field| field.name().clone()).collect();
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
        Self {
            vae: model.vae().clone(),
            sampler,
            features,
            targets,
            columns,
            places,
            tops,
            new: Arc::new(Schema::new(fields)),
            config: config.clone(),
            noise: RandomStream::new(model.metadata().training.seed, "impute"),
        }
    }

    /// The columns it reads.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The top-level columns that change.
    pub(super) fn tops(&self) -> &[String] {
        &self.tops
    }

    /// The columns that change, leaves of structs by themselves.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.targets.iter().map(|target| target.column.to_string())
    }

    /// What it writes: the top-level columns that change, then those beside them.
    pub(super) fn new_columns(&self) -> &SchemaRef {
        &self.new
    }

    /// Fills the rows of a batch.
    pub(super) fn fill(&self, rows: &NewColumns) -> Result<ImputedBatch> {
        let height = rows.batch.num_rows();
        let learned: Vec<usize> = (0..self.features.columns().len()).collect();
        let failed = |source: ArrowError| Error::Read { place: Place::default(), source: Box::new(source) };
        let mut x = vec![0.0; height * self.features.layout().inputs()];
        self.features.write(&rows.batch.project(&learned).map_err(failed)?, &mut x)?;
        // Nothing but the values of a row decides what is drawn for it.
        let batch = Batch::new(rows.seq, vec![0; height], x, self.features.layout());

        let (mut wanted, mut tops) = (Vec::new(), Vec::new());
        for (target, &place) in self.targets.iter().zip(&self.places) {
            let top = rows.batch.column(place);
            wanted.push(fillable(&target.column, top).map_err(failed_at(target))?);
        }
        for top in &self.tops {
            let place = self.columns.iter().position(|column| column == top).expect("a top is among those read");
            tops.push(rows.batch.column(place).clone());
        }
        let said = self.say(&batch, &wanted)?;
        let mut beside = Vec::new();
        for (target, wanted) in self.targets.iter().zip(&wanted) {
            let at = self.tops.iter().position(|top| top == target.column.top()).expect("a target is in a top");
            let extra = self.fill_target(target, wanted, &said, &mut tops[at], height).map_err(failed_at(target))?;
            beside.extend(extra);
        }
        tops.extend(beside);
        let options = RecordBatchOptions::new().with_row_count(Some(height));
        let batch = RecordBatch::try_new_with_options(self.new.clone(), tops, &options).map_err(failed)?;
        let counts = wanted.iter().map(|wanted| wanted.true_count() as u64).collect();
        Ok(ImputedBatch { columns: NewColumns { seq: rows.seq, row_group: rows.row_group, batch }, counts })
    }

    /// Fills one target within its top-level column, and makes the columns beside it.
    fn fill_target(
        &self,
        target: &ImputeTarget,
        wanted: &BooleanArray,
        said: &Expectation,
        top: &mut ArrayRef,
        rows: usize,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let ImputeTarget { column, data_type, by } = target;
        let known = column.bare(top)?;
        let mut beside: Vec<ArrayRef> = Vec::new();
        if self.config.flag {
            beside.push(Arc::new(wanted.clone()));
        }
        match by {
            FillBy::Constant(text) => {
                let filled = fill(&known, &constant(text, data_type, rows)?, wanted)?;
                beside.extend((0..self.config.draws).map(|_| filled.clone()));
                *top = column.replaced(top, filled)?;
            }
            FillBy::Feature(feature) => {
                let read = |cells: &[f32]| self.features.read(*feature, cells, data_type);
                if let Some(bounds) =
                    said.bounds.as_ref().filter(|_| bounded(&self.features, &self.sampler, target, &self.config))
                {
                    let known = arrow::compute::not(wanted)?;
                    for bound in bounds {
                        beside.push(nullif(&read(bound)?, &known)?);
                    }
                }
                for draw in &said.draws {
                    beside.push(fill(&known, &read(draw)?, wanted)?);
                }
                *top = column.replaced(top, fill(&known, &read(&said.expected)?, wanted)?)?;
            }
        }
        Ok(beside)
    }

    /// What the model says of the values that are `wanted` of each target.
    fn say(&self, batch: &Batch, wanted: &[BooleanArray]) -> Result<Expectation> {
        let (inputs, k) = (self.features.layout().inputs(), self.sampler.latent_dim());
        let unknown = batch.known.as_ref().map(|known| known.iter().zip(&batch.x));
        let x: Vec<f32> = match unknown {
            Some(cells) => cells.map(|(&known, &x)| if known > 0.0 { x } else { f32::NAN }).collect(),
            None => batch.x.clone(),
        };
        let mut said = Expectation {
            bounds: self.config.intervals.map(|_| [x.clone(), x.clone()]),
            draws: vec![x.clone(); self.config.draws],
            expected: x,
        };
        let Some(known) = &batch.known else { return Ok(said) };
        let encoded = self.vae.encode(batch)?;
        let row = |row: usize| {
            let (of_row, of_posterior) = (row * inputs..(row + 1) * inputs, row * k..(row + 1) * k);
            let (x, known) = (&batch.x[of_row.clone()], &known[of_row]);
            let (mean, log_variance) = (&encoded.mean[of_posterior.clone()], &encoded.log_variance[of_posterior]);
            Row { x, known, mean, log_variance }
        };
        let holes = (0..batch.rows()).map(|n| (n, self.missing(wanted, n, row(n).known)));
        let holes: Vec<_> = holes.filter(|(_, missing)| !missing.is_empty()).collect();
        let (mut draws, mut mixture) = (Draws::default(), Mixture::default());
        for some in holes.chunks(Sampler::rows(self.config.samples)) {
            let with_noise = |row: Row<'_>| self.noise.child(row.key());
            let rows: Vec<_> = some.iter().map(|(n, _)| row(*n)).map(|row| (row, with_noise(row))).collect();
            self.sampler.sample(&rows, self.config.samples, &mut draws)?;
            for (drawn, ((n, missing), (_, noise))) in some.iter().zip(&rows).enumerate() {
                for &element in missing {
                    self.sampler.answers(&draws, drawn, element, &mut mixture);
                    self.say_of(element, &mixture, *noise, n * inputs + element, &mut said);
                }
            }
        }
        Ok(said)
    }

    /// The elements of a row to say something of.
    fn missing(&self, wanted: &[BooleanArray], row: usize, known: &[f32]) -> Vec<usize> {
        let targets = self.targets.iter().zip(wanted).filter(|(_, wanted)| wanted.value(row));
        let features = targets.filter_map(|(target, _)| match target.by {
            FillBy::Feature(feature) => Some(self.features.elements(feature)),
            FillBy::Constant(_) => None,
        });
        features.flatten().filter(|&element| known[element] == 0.0).collect()
    }

    /// Writes what the mixture says of one element, at place `at`.
    fn say_of(&self, element: usize, mixture: &Mixture, noise: RandomStream, at: usize, said: &mut Expectation) {
        let kind = self.features.of_element(element);
        let reads = |class: usize| kind.reads(class);
        said.expected[at] = self.sampler.fill(mixture, element, &reads);
        if let (Some(bounds), Some(level), Some(deviation)) =
            (&mut said.bounds, self.config.intervals, self.sampler.deviation(element))
        {
            let tail = ((1.0 - level) / 2.0) as f32;
            for (bound, p) in bounds.iter_mut().zip([tail, 1.0 - tail]) {
                bound[at] = mixture.quantile(deviation, p);
            }
        }
        for (n, draw) in said.draws.iter_mut().enumerate() {
            let of_draw = noise.child(n as u64);
            let (uniform, noise) = (of_draw.uniform(0), of_draw.child(1 + element as u64));
            draw[at] = self.sampler.draw(mixture, element, uniform, &reads, noise);
        }
    }
}

/// Whether there are intervals for a target: for numbers of any kind.
fn bounded(features: &Features, sampler: &Sampler, target: &ImputeTarget, config: &ImputeConfig) -> bool {
    let is_a_number = |feature: usize| sampler.deviation(features.elements(feature).start).is_some();
    config.intervals.is_some() && matches!(target.by, FillBy::Feature(feature) if is_a_number(feature))
}

fn failed_at(target: &ImputeTarget) -> impl FnOnce(ArrowError) -> Error + use<> {
    let place = Place::column("", target.column.name());
    move |source| Error::Read { place, source: Box::new(source) }
}
