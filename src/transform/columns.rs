//! The columns of the output: which input columns are kept, and which are new.

use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema};

use super::explain;
use crate::config::{LatentShape, TransformConfig};
use crate::error::{Error, Result};
use crate::score::{ANOMALY_SCORE, SCORES, Score, Stored};
use crate::source::{Selection, Source};

/// The column of decisions.
pub(super) const IS_ANOMALY: &str = "is_anomaly";

/// The column that tells anomalies that do not count yet.
pub(super) const HELD_BACK: &str = "held_back";

/// What the new columns depend on beside the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width {
    pub(super) latent_dim: usize,
    /// Whether there are p-values.
    pub(super) p_values: bool,
    /// Whether there is a decision.
    pub(super) anomalies: bool,
    /// What the model stores of training rows.
    pub(super) stored: Stored,
    /// Whether there are clusters.
    pub(super) clusters: bool,
}

impl TransformConfig {
    /// Every input column kept, names without a prefix.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks, before the training of a model, that `source` can be written with its new columns. The model learns the
    /// columns `learned` in `latent_dim` latent dimensions, and finds `clusters` or not.
    ///
    /// # Errors
    /// [`Error::UnknownScore`], [`Error::UnknownColumn`], [`Error::BadPattern`] and [`Error::NameClash`].
    pub fn check_columns(&self, source: &Source, learned: &[String], latent_dim: usize, clusters: bool) -> Result<()> {
        self.check_groups(&source.schema())?;
        let width = Width { latent_dim, p_values: true, anomalies: true, stored: Stored::Marginals, clusters };
        kept(self, &source.schema(), source.path(), learned, &Schema::new(new_fields(self, width)?)).map(drop)
    }
}

/// The scores among the new columns, in their order; `None` stands for the anomaly score. All are those that a model
/// which stores so much can compute.
///
/// # Errors
/// [`Error::UnknownScore`].
pub(super) fn scores(config: &TransformConfig, stored: Stored) -> Result<Vec<Option<&'static Score>>> {
    let all = config.score.iter().any(|name| name == "all");
    let named = config.score.iter().filter(|name| !["all", ANOMALY_SCORE].contains(&name.as_str()));
    let computes = |score: &Score| score.needs() <= stored;
    let named: Vec<&str> = named.map(|name| Ok(Score::named("score", name, computes)?.name)).collect::<Result<_>>()?;
    // The first score of the table is always written.
    let (first, rest) = SCORES.split_at(1);
    let rest = rest.iter().filter(|score| (all && computes(score)) || named.contains(&score.name));
    Ok(first.iter().map(Some).chain([None]).chain(rest.map(Some)).collect())
}

/// The new columns, without what was expected of numbers.
///
/// # Errors
/// [`Error::UnknownScore`].
pub(super) fn new_fields(config: &TransformConfig, width: Width) -> Result<Vec<Field>> {
    let field = |name: &str, data_type, nullable| Field::new(format!("{}{name}", config.prefix), data_type, nullable);
    let float = |name: &str, nullable| field(name, DataType::Float32, nullable);
    let latents = |name: &str| match config.latents {
        LatentShape::Columns => (0..width.latent_dim).map(|i| float(&format!("{name}_{i}"), false)).collect(),
        LatentShape::List => vec![field(name, list_type(width.latent_dim), false)],
    };
    let stds = if config.std { latents("z_std") } else { Vec::new() };
    let clusters = width.clusters.then(|| vec![field("cluster", DataType::Int32, true), float("cluster_p", true)]);
    let name = |score: Option<&Score>| score.map_or(ANOMALY_SCORE, |score| score.name);
    let scores = scores(config, width.stored)?.into_iter().map(|score| float(name(score), true)).collect();
    let p_value = width.p_values.then(|| field("p_value", DataType::Float64, true));
    let is_anomaly = width.anomalies.then(|| field(IS_ANOMALY, DataType::Boolean, true));
    let held_back = (width.anomalies && config.counts_alerts()).then(|| field(HELD_BACK, DataType::Boolean, true));
    let top = (config.explain > 0).then(|| field("top_features", explain::data_type(), true));
    let decisions = [p_value, is_anomaly, held_back, top].into_iter().flatten().collect();
    Ok([latents("z"), stds, clusters.unwrap_or_default(), scores, decisions].concat())
}

/// The type of a list of latents.
pub(super) fn list_type(latent_dim: usize) -> DataType {
    DataType::new_fixed_size_list(DataType::Float32, latent_dim as i32, false)
}

/// The input columns to keep, by index.
///
/// # Errors
/// [`Error::UnknownColumn`], [`Error::BadPattern`], and [`Error::NameClash`] if one has the name of a `new` column.
pub(super) fn kept(
    config: &TransformConfig,
    schema: &Schema,
    path: &Path,
    learned: &[String],
    new: &Schema,
) -> Result<Vec<usize>> {
    let keep = Selection::parse("keep", &config.keep)?;
    keep.check(schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut kept = Vec::new();
    for (column, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if (!keep.is_empty() && !keep.matches(name)) || (config.drop_features && learned.contains(name)) {
            continue;
        }
        if new.field_with_name(name).is_ok() {
            return Err(Error::NameClash { path: path.to_owned(), column: name.clone() });
        }
        kept.push(column);
    }
    Ok(kept)
}
