//! How good latents are: whether they keep the neighbours of rows, and tell a label apart.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, BinaryHeap};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;

use super::general::learned_route;
use super::read_columns::project;
use crate::artifact::Model;
use crate::batch::{Batch, BatchSlicer, batch_rows};
use crate::config::OrderConfig;
use crate::error::{Error, Place, Result};
use crate::numerics::{LabelSums, Points, RandomStream};
use crate::pipeline::{Pool, Run, Stop};
use crate::score::NeighborPreservation;
use crate::source::{Source, named_field};

/// Most rows of the sample, fewest of them however wide, and most products for the distances between them.
const MOST_ROWS: usize = 10_000;
const FEWEST_ROWS: usize = 1000;
const MOST_PRODUCTS: usize = 1 << 37;

/// Rows encoded at once.
const BATCH_ROWS: usize = 1024;

/// How good the latents of rows are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LatentQuality {
    /// Rows with a known value and, if a label is named, with a label.
    pub rows: u64,
    /// Rows compared with each other: all, or a random sample of them.
    pub sampled: u64,
    /// Rows without a label, which are left out; 0 if no label is named.
    pub unlabelled: u64,
    /// How well the latents keep the nearest neighbours that rows have among the learned columns; for 5, 15 and 50 neighbours,
    /// as far as more than twice as many rows are compared.
    pub neighbors: Vec<NeighborPreservation>,
    /// How well the label is told apart; `None` if no label is named.
    pub label: Option<LabelQuality>,
}

/// How well a label is told apart in the latents and, for comparison, in the learned columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelQuality {
    /// Different labels in the sample.
    pub classes: usize,
    /// By the posterior means.
    pub latents: LabelSeparation,
    /// By the learned columns on the model's scale.
    pub columns: LabelSeparation,
}

/// How well a label is told apart in a space.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelSeparation {
    /// How often the label of a row is that of most of its nearest neighbours, for each number of them.
    pub accuracy: Vec<NeighborAccuracy>,
    /// The mean silhouette (Rousseeuw 1987), -1 to 1; `None` of one label only, or if all labels differ.
    pub silhouette: Option<f64>,
}

/// The accuracy of a label told by nearest neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NeighborAccuracy {
    /// Number of nearest neighbours. The row itself is none; of labels with equally many the first counts, by number or
    /// alphabet.
    pub neighbors: usize,
    /// The share of rows whose label they tell.
    pub accuracy: f64,
}

impl Model {
    /// Measures how well the latents of rows keep their nearest neighbours among the learned columns and, if the column
    /// `label` is named, tell it apart. Rows are encoded by the first network. Of more than 10,000 rows (fewer if they have
    /// more than 1,374 elements) a random sample is compared, which depends on the model's seed and the number of rows alone.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] for a label that the source does not have, [`Error::WrongType`] for one of nested values;
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the source does not have the learned columns; those of the
    /// source.
    pub fn latent_quality(&self, source: &Source, label: Option<&str>, stop: &Stop) -> Result<LatentQuality> {
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        let sample = RowReservoir::read(model, source, label, stop)?;
        let (layout, k) = (model.features().layout(), model.metadata().network.latent_dim);
        let (pool, width) = (Pool::new(Run::new().workers())?, layout.width());
        let (mut places, mut latents) = (Vec::new(), Vec::new());
        let blocks: Vec<&[f32]> = sample.x.chunks(BATCH_ROWS * width).collect();
        let of_block = |block: usize| {
            stop.check()?;
            let batch = Batch::unnumbered(blocks[block].to_vec(), layout);
            let [mean, _] = model.vae().posterior(&batch)?;
            Ok((batch.places(layout), mean))
        };
        pool.each(blocks.len(), of_block, |(of_columns, of_latents)| {
            places.extend(of_columns);
            latents.extend(of_latents);
        })?;
        let [places, latents] = [(places, layout.outputs()), (latents, k)].map(|(rows, of)| Points::new(rows, of));
        let classes = label.map(|_| Classes::of(&sample.labels));
        let separation = |points: &Points, classes: &Classes| classes.separation(points, &pool, stop);
        Ok(LatentQuality {
            rows: sample.rows,
            sampled: latents.len() as u64,
            unlabelled: sample.unlabelled,
            neighbors: NeighborPreservation::measure(&places, &latents, &pool, stop)?,
            label: classes
                .map(|classes| -> Result<LabelQuality> {
                    Ok(LabelQuality {
                        classes: classes.counts.len(),
                        latents: separation(&latents, &classes)?,
                        columns: separation(&places, &classes)?,
                    })
                })
                .transpose()?,
        })
    }
}

/// A random sample of rows, in their order.
#[derive(Default)]
struct RowReservoir {
    rows: u64,
    unlabelled: u64,
    /// `[sampled, width]`, as features write them.
    x: Vec<f32>,
    /// `[sampled]`; empty without a label.
    labels: Vec<String>,
}

/// A row drawn: of all rows those of the smallest draws are kept.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct DrawnRow {
    draw: u64,
    number: u64,
    /// Its place in the sample.
    slot: usize,
}

impl RowReservoir {
    /// Reads the rows of a source.
    fn read(model: &Model, source: &Source, label: Option<&str>, stop: &Stop) -> Result<Self> {
        let (features, schema) = (model.features(), source.schema());
        label.map(|name| named_field(&schema, "label", name)).transpose()?;
        model.check_columns(source)?;
        let mut read = model.read_columns(features);
        read.extend(label.filter(|label| !read.iter().any(|name| name == label)).map(str::to_owned));
        let (places, label_place) =
            (model.places(features, &read), label.and_then(|label| read.iter().position(|name| name == label)));
        let (layout, rows_at_once) = (features.layout(), batch_rows(features.layout()));
        let most = (MOST_PRODUCTS / layout.outputs()).isqrt().clamp(FEWEST_ROWS, MOST_ROWS);
        let windows = model.windower(&OrderConfig::default(), source.config(), stop)?;
        let batches = model.stream(source, windows.as_ref(), &read, rows_at_once)?;
        let noise = RandomStream::new(model.metadata().training.seed, "latent quality");
        let (mut sample, mut drawn, mut number, width) = (Self::default(), BinaryHeap::new(), 0, layout.width());
        for slice in BatchSlicer::new(batches, rows_at_once, learned_route(features).budget()) {
            stop.check()?;
            let batch = slice?.rows;
            let labels = label_place.map(|place| texts(source, &read[place], batch.column(place))).transpose()?;
            let mut x = vec![0.0; batch.num_rows() * width];
            features.write(&project(&batch, &places)?, &mut x, &mut [])?;
            for (row, x) in x.chunks_exact(width).enumerate() {
                number += 1;
                let label = labels.as_ref().map(|labels| labels[row].as_deref());
                if x[..layout.inputs()].iter().all(|x| x.is_nan()) {
                    continue;
                }
                if label == Some(None) {
                    sample.unlabelled += 1;
                    continue;
                }
                sample.rows += 1;
                let draw = noise.bits(number);
                let slot = match drawn.len() < most {
                    true => drawn.len(),
                    false if drawn.peek().is_some_and(|last: &DrawnRow| draw < last.draw) => {
                        drawn.pop().map_or(0, |last| last.slot)
                    }
                    false => continue,
                };
                drawn.push(DrawnRow { draw, number, slot });
                sample.put(slot, x, label.flatten());
            }
        }
        Ok(sample.in_order(drawn.into_vec(), width))
    }

    /// Keeps a row in a slot, which may be that of another one.
    fn put(&mut self, slot: usize, x: &[f32], label: Option<&str>) {
        let from = slot * x.len();
        if from < self.x.len() {
            self.x[from..from + x.len()].copy_from_slice(x);
        } else {
            self.x.extend_from_slice(x);
        }
        match (self.labels.get_mut(slot), label) {
            (Some(place), Some(label)) => label.clone_into(place),
            (None, Some(label)) => self.labels.push(label.to_owned()),
            (_, None) => {}
        }
    }

    /// The rows in the order of the source.
    fn in_order(self, mut drawn: Vec<DrawnRow>, width: usize) -> Self {
        drawn.sort_unstable_by_key(|row| row.number);
        let slots = || drawn.iter().map(|row| row.slot);
        let x = slots().flat_map(|slot| self.x[slot * width..][..width].iter().copied()).collect();
        let labels = slots().filter_map(|slot| self.labels.get(slot).cloned()).collect();
        Self { x, labels, ..self }
    }
}

/// The values of a column as text; `None` where null.
fn texts(source: &Source, name: &str, column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let place = || Place::column(source.path(), name);
    if column.data_type().is_nested() {
        let found = column.data_type().to_string().into();
        return Err(Error::WrongType {
            place: place(),
            found,
            expected: "numbers, words or times, for a label".into(),
        });
    }
    let failed = |source: ArrowError| Error::Read { place: place(), source: source.into() };
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
    let is_known = |row: usize| column.is_valid(row) && column.data_type() != &DataType::Null;
    let text = |row: usize| is_known(row).then(|| formatter.value(row).try_to_string()).transpose();
    (0..column.len()).map(|row| text(row).map_err(failed)).collect()
}

/// The labels of rows as numbers of classes.
struct Classes {
    of_row: Vec<u32>,
    /// The rows of each class.
    counts: Vec<usize>,
}

impl Classes {
    /// Numbers the labels, in the order of numbers or else of words.
    fn of(labels: &[String]) -> Self {
        let mut names: Vec<&String> = labels.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let number = |name: &str| name.parse::<f64>().unwrap_or(f64::INFINITY);
        names.sort_by(|a, b| number(a).total_cmp(&number(b)));
        let numbers: std::collections::BTreeMap<&String, u32> = names.iter().copied().zip(0..).collect();
        let of_row: Vec<u32> = labels.iter().map(|label| numbers[label]).collect();
        let mut counts = vec![0; names.len()];
        of_row.iter().for_each(|&class| counts[class as usize] += 1);
        Self { of_row, counts }
    }

    /// How well they are told apart among points.
    fn separation(&self, points: &Points, pool: &Pool, stop: &Stop) -> Result<LabelSeparation> {
        let mut sums = LabelSums::default();
        let of_block = |block| {
            stop.check()?;
            Ok(LabelSums::of_block(points, &self.of_row, &self.counts, block))
        };
        pool.each(points.blocks(), of_block, |of_block| sums.add(&of_block))?;
        let rows = points.len();
        let accuracy = sums.accuracy(rows).map(|(neighbors, accuracy)| NeighborAccuracy { neighbors, accuracy });
        let differ = (2..rows).contains(&self.counts.len());
        Ok(LabelSeparation { accuracy: accuracy.collect(), silhouette: differ.then(|| sums.silhouette(rows)) })
    }
}
