//! What a fit makes of some data before it trains: which columns it learns and why not the others, and every size
//! that follows from that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::defaults::MissingRates;
use super::memory::Memory;
use super::watch::FitWatch;
use super::{defaults, memory_check, statistics};
use crate::config::{FitConfig, LatentDim, Training};
use crate::error::{Error, Result};
use crate::feature::{Candidate, Candidates, Carried, Column, Features, Kind, Values, candidates, fit_features};
use crate::fit::row_order::{HoldOut, MOST_SHUFFLED};
use crate::model::{Network, Parameter, parameters};
use crate::pipeline::{Progress, Stop, machine_threads};
use crate::source::{ParquetSource, Source};

/// What a fit would do, found by its first pass over the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Rows of the data.
    pub rows: u64,
    /// Every column, in the order of the data.
    pub columns: Vec<PlannedColumn>,
    /// The model; absent if no column can be learned.
    pub model: Option<PlannedModel>,
}

/// What a fit would make of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedColumn {
    /// Its name.
    pub column: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The feature it becomes; absent if it is only carried.
    pub learned: Option<Kind>,
    /// Why it is only carried: a phrase with the column as its subject; absent if it is learned.
    pub reason: Option<String>,
    /// Its values, if they had to be looked at.
    pub values: Option<Values>,
}

/// The model a fit would train.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedModel {
    /// Elements of the row vector.
    pub inputs: usize,
    /// Weights and biases between the row vector and its reconstruction, and the likelihoods' own parameters.
    pub parameters: usize,
    /// The network.
    pub network: Network,
    /// Whether its latent space is the widest of those to try, of which the fit takes one.
    pub latent_dim_at_most: bool,
    /// How it would be trained. Rows that turn out to have no known value would make `steps_per_epoch` smaller, and
    /// missing values in held-out rows alone `mask_rate` 0.
    pub training: Training,
    /// Rows to train on.
    pub train_rows: u64,
    /// Rows held out.
    pub held_out_rows: u64,
    /// Bytes of the encoded rows that training reads in each epoch.
    pub encoded_bytes: u64,
    /// Whether they are kept in memory, or in a scratch file.
    pub in_memory: bool,
}

/// The columns of some data, sorted.
pub(super) struct Chosen {
    pub(super) features: Arc<Features>,
    pub(super) carried: Vec<Carried>,
    /// By column, of those that had to be looked at.
    pub(super) values: BTreeMap<String, Values>,
    /// How much the learned columns miss.
    pub(super) holes: MissingRates,
}

/// How many rows take part, how many of them are held out, and how many are shuffled together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division {
    pub(super) rows: u64,
    pub(super) held_out: u64,
    pub(super) shuffle_rows: u64,
    pub(super) memory: Memory,
    pub(super) in_memory: bool,
}

impl Chosen {
    fn column(&self, name: &str, data_type: String) -> PlannedColumn {
        let carried = self.carried.iter().find(|carried| carried.column == name);
        PlannedColumn {
            column: name.to_owned(),
            data_type,
            learned: self.features.kinds().iter().find(|kind| kind.column().name() == name).cloned(),
            reason: carried.map(|carried| carried.reason.clone()),
            values: self.values.get(name).cloned(),
        }
    }
}

impl FitConfig {
    /// What [`fit`](Self::fit) would do with `source`; reads it once and trains nothing.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), but data without a column to learn from is none.
    pub fn plan(&self, source: &ParquetSource, stop: &Stop) -> Result<Plan> {
        self.plan_watched(source, stop, &mut |_| {})
    }

    /// The same, with a call at each sign of life.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn plan_watched(
        &self,
        source: &ParquetSource,
        stop: &Stop,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Plan> {
        self.check()?;
        let rows = source.rows();
        let mut watch = FitWatch { stop, keep_partial: false, on_progress };
        let source = &source.with_most_page_bytes(self.memory);
        let chosen = self.choose(source, self.threads.unwrap_or_else(machine_threads), &mut watch)?;
        let schema = source.schema();
        let leaves = Column::leaves(&schema);
        let columns = leaves.iter().map(|(column, field)| chosen.column(column.name(), field.data_type().to_string()));
        let columns = columns.collect();
        let layout = chosen.features.layout();
        let inputs = layout.inputs();
        let model = (inputs > 0).then(|| -> Result<_> {
            let division = self.division(rows, inputs)?;
            let train_rows = division.rows - division.held_out;
            let network = defaults::network(self, inputs, train_rows as usize, chosen.holes);
            let training =
                defaults::training(self, inputs, train_rows as usize, division.shuffle_rows, chosen.holes.any);
            let ends = (layout.encoder_inputs(), layout.outputs());
            memory_check::check(&network, ends, &training, train_rows as usize)?;
            Ok(PlannedModel {
                inputs,
                parameters: parameters(layout, &network).iter().map(Parameter::len).sum(),
                training,
                network,
                latent_dim_at_most: self.latent_dim == Some(LatentDim::Auto),
                train_rows,
                held_out_rows: division.held_out,
                encoded_bytes: train_rows.saturating_mul(row_bytes(inputs)),
                in_memory: division.in_memory,
            })
        });
        let model = model.transpose()?;
        Ok(Plan { rows, columns, model })
    }

    /// The features to learn, and the columns only carried.
    pub(super) fn choose(&self, source: &ParquetSource, threads: usize, watch: &mut FitWatch<'_>) -> Result<Chosen> {
        let scale = defaults::scale(self);
        let Candidates { columns, fields, carried } = candidates(&source.schema(), self, scale)?;
        source.agree(fields.iter())?;
        let columns = statistics::survey(source, columns, threads, watch)?;
        let values = |candidate: &Candidate| (candidate.column().to_string(), candidate.values());
        let values = columns.iter().map(values).collect();
        let (features, carried) = fit_features(&columns, carried, scale, defaults::missing_indicator(self));
        let holes = MissingRates::of(features.kinds(), source.rows());
        Ok(Chosen { features: Arc::new(features), carried, values, holes })
    }

    /// The rows of `source` as a table to fit to. A scratch file in `folder`, if one is needed, keeps only the columns that
    /// these options allow to be learned.
    ///
    /// # Errors
    /// Those of [`Source::table`], and those of [`fit`](Self::fit) about columns.
    pub fn table(&self, source: &Source, folder: &Path) -> Result<ParquetSource> {
        if self.init.is_some() {
            // Its columns are those of a model.
            return source.table(folder);
        }
        let Candidates { fields, .. } = candidates(&source.first_schema(), self, defaults::scale(self))?;
        source.table_of(folder, &|name| fields.iter().any(|field| field.name() == name))
    }

    /// Divides `rows` rows of `inputs` elements.
    ///
    /// # Errors
    /// [`Error::OptionRange`] if more rows were shuffled together than can be.
    pub(super) fn division(&self, rows: u64, inputs: usize) -> Result<Division> {
        let row_bytes = row_bytes(inputs);
        let taken = defaults::sample(self, rows);
        // Windows are cut from all rows, of which the sample is then taken.
        let shuffle_rows = self.shuffle_rows.unwrap_or_else(|| defaults::shuffle_rows(rows, taken, row_bytes));
        if shuffle_rows.min(taken) > MOST_SHUFFLED {
            let range = "at most 4294959104, unless the fit uses fewer rows";
            return Err(Error::OptionRange { option: "shuffle_rows", value: shuffle_rows.to_string(), range });
        }
        let held_out = HoldOut::count(taken, defaults::val_fraction(self), row_bytes);
        let memory = Memory::new(self.memory);
        Ok(Division { rows: taken, held_out, shuffle_rows, memory, in_memory: memory.holds(taken, inputs) })
    }
}

fn row_bytes(inputs: usize) -> u64 {
    (inputs * size_of::<f32>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_window_of_more_rows_than_can_be_is_refused() {
        assert_eq!(MOST_SHUFFLED, 4_294_959_104);
        let divided = |window: u64, rows| FitConfig::new().epochs(1).shuffle_rows(window).division(rows, 1);
        for (window, rows) in [(MOST_SHUFFLED + 1, 5_000_000_000), (u64::MAX, MOST_SHUFFLED + 1)] {
            let error = divided(window, rows).unwrap_err();
            assert!(matches!(error, Error::OptionRange { option: "shuffle_rows", .. }), "{error}");
        }
        // All of them, and a window of more.
        assert_eq!(divided(u64::MAX, MOST_SHUFFLED).unwrap().rows, MOST_SHUFFLED);
        assert_eq!(divided(MOST_SHUFFLED, 5_000_000_000).unwrap().shuffle_rows, MOST_SHUFFLED);
        let few = FitConfig::new().epochs(1).shuffle_rows(u64::MAX).sample(1000).division(5_000_000_000, 1);
        assert_eq!(few.unwrap().rows, 1000);
    }

    #[test]
    fn a_default_window_is_never_too_large() {
        for rows in [1 << 29, (1 << 29) + 1, 1 << 32, 1 << 40] {
            FitConfig::new().division(rows, 1).unwrap();
            FitConfig::new().epochs(1).division(rows, 1).unwrap();
            FitConfig::new().epochs(1).sample(1 << 29).division(rows, 1).unwrap();
        }
    }
}
