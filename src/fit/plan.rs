//! The plan of a fit: its columns and sizes, found without training.

use std::path::Path;

use serde::Serialize;

use super::column_choice::{ColumnChoice, choose_columns};
use super::defaults;
use super::sizes::{Sizes, row_bytes};
use super::windows::{WindowedRows, chosen_order};
use crate::config::{FitConfig, LatentDim, LogicalType, Training};
use crate::error::Result;
use crate::feature::{Candidates, Column, Kind, Values, candidates, directions};
use crate::model::{Network, Parameter, parameters};
use crate::pipeline::Run;
use crate::source::{ParquetSource, Source};

/// The plan of a fit, made from its first pass over the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Number of rows.
    pub rows: u64,
    /// All columns, in the order of the data.
    pub columns: Vec<PlannedColumn>,
    /// The model to train; absent if no column can be learned.
    pub model: Option<PlannedModel>,
}

/// The plan for one column: learn it, or only carry it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedColumn {
    /// Its name.
    pub column: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The feature to learn; absent if the column is not learned.
    pub learned: Option<Kind>,
    /// The feature to give to the model; absent if the column is not given.
    pub given: Option<Kind>,
    /// Why it is only carried: a phrase with the column as its subject; absent if it is learned or given.
    pub reason: Option<String>,
    /// The type that all its strings are of, if they are no plain words: with it they would be learned as what they are.
    pub suggested_type: Option<LogicalType>,
    /// Statistics of its values, if the plan depends on them.
    pub values: Option<Values>,
}

/// The plan for the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedModel {
    /// Elements of the row vector.
    pub inputs: usize,
    /// Weights and biases between the row vector and its reconstruction, and the likelihoods' own parameters.
    pub parameters: usize,
    /// The network.
    pub network: Network,
    /// Whether the fit searches for the latent dimensions; those of `network` are then the most it tries.
    pub latent_dim_at_most: bool,
    /// The training. Rows without a known value make `steps_per_epoch` smaller than here; missing values in held-out rows
    /// alone make `mask_rate` 0.
    pub training: Training,
    /// Training rows.
    #[serde(rename = "train_rows")]
    pub training_rows: u64,
    /// Validation and calibration rows.
    pub held_out_rows: u64,
    /// Bytes of the encoded training rows.
    pub encoded_bytes: u64,
    /// Whether they are kept in memory; else in a scratch file.
    pub in_memory: bool,
}

impl FitConfig {
    /// Plans a fit to `source`: reads the data once and trains nothing.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), but data without a column to learn is no error.
    pub fn plan(&self, source: &ParquetSource, run: &mut Run<'_>) -> Result<Plan> {
        self.check()?;
        run.check()?;
        let source = &source.with_max_page_bytes(self.memory);
        let folder = self.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        let windowed = WindowedRows::of(chosen_order(self, source)?, self, source, &folder)?;
        let chosen = choose_columns(self, source, windowed.as_ref(), run)?;
        let schema = source.schema();
        directions(&chosen.features, &schema, self, std::iter::empty())?;
        let leaves = Column::leaves(&schema);
        let columns = leaves.iter().map(|(column, field)| chosen.plan(column.name(), field.data_type().to_string()));
        let columns = columns.collect();
        let can_learn = !chosen.features.kinds().is_empty();
        let model = can_learn.then(|| self.plan_model(&chosen, source.rows())).transpose()?;
        Ok(Plan { rows: source.rows(), columns, model })
    }

    fn plan_model(&self, columns: &ColumnChoice, rows: u64) -> Result<PlannedModel> {
        let sizes = Sizes::decide(&defaults::with_given(self.clone(), &columns.features), columns, rows, None)?;
        sizes.check_memory(columns)?;
        let Sizes { inputs, rows, network, training } = sizes;
        Ok(PlannedModel {
            inputs,
            parameters: parameters(columns.features.layout(), &network).iter().map(Parameter::len).sum(),
            network,
            latent_dim_at_most: self.latent_dim == Some(LatentDim::Auto),
            training,
            training_rows: rows.training(),
            held_out_rows: rows.held_out.all(),
            encoded_bytes: rows.training().saturating_mul(row_bytes(columns.features.layout().width())),
            in_memory: rows.in_memory,
        })
    }

    /// Opens `source` as a table to fit to. If a scratch file in `folder` is needed, it keeps only the columns that these
    /// options allow to be learned.
    ///
    /// # Errors
    /// Those of [`Source::table`], and those of [`fit`](Self::fit) about columns.
    pub fn table(&self, source: &Source, folder: &Path) -> Result<ParquetSource> {
        if self.init.is_some() {
            // The base model decides the columns.
            return source.table(folder);
        }
        let Candidates { fields, .. } = candidates(
            &source.schema(),
            &source.partition_columns(),
            source.types(),
            self,
            defaults::scale(self),
            source.rows().unwrap_or_default(),
        )?;
        let orders = |name: &str| {
            let is_in =
                |column: &String| column.strip_prefix(name).is_some_and(|it| it.is_empty() || it.starts_with('.'));
            self.order_by.iter().chain(&self.by).any(is_in)
        };
        source.table_of_columns(folder, &|name| orders(name) || fields.iter().any(|field| field.name() == name))
    }
}

impl ColumnChoice {
    /// The plan for one column.
    fn plan(&self, name: &str, data_type: String) -> PlannedColumn {
        let carried = self.carried.iter().find(|carried| carried.column == name);
        PlannedColumn {
            column: name.to_owned(),
            data_type,
            learned: self.features.kinds().iter().find(|kind| kind.column().name() == name).cloned(),
            given: self.features.given().iter().find(|kind| kind.column().name() == name).cloned(),
            reason: carried.map(|carried| carried.reason.clone()),
            suggested_type: self.suggested_types.iter().find(|(column, _)| column == name).map(|(_, of)| *of),
            values: self.values.get(name).cloned(),
        }
    }
}
