//! The columns of the output: those kept of the input, and the new ones.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::config::TransformConfig;
use crate::error::{Error, Result};
use crate::score::{SCORES, Score};
use crate::source::{Selection, Source};

impl TransformConfig {
    /// Every input column kept, names without a prefix.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks that `source` can be written with the new columns of a model that learns the columns `learned` in
    /// `latent_dim` latent dimensions: before there is the model, since training it takes long.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], [`Error::BadPattern`] and [`Error::NameClash`].
    pub fn check_columns(&self, source: &Source, learned: &[String], latent_dim: usize) -> Result<()> {
        kept(self, &*source.schema()?, source.path(), learned, &new(self, latent_dim)).map(drop)
    }
}

/// The columns a transform adds.
pub(super) fn new(config: &TransformConfig, latent_dim: usize) -> SchemaRef {
    let field = |name: &str, nullable| Field::new(format!("{}{name}", config.prefix), DataType::Float32, nullable);
    let latents = |name: &str| (0..latent_dim).map(|i| field(&format!("{name}_{i}"), false)).collect::<Vec<_>>();
    let stds = if config.std { latents("z_std") } else { Vec::new() };
    let scores = SCORES.iter().map(|Score { name, .. }| field(name, true)).collect();
    Arc::new(Schema::new([latents("z"), stds, scores].concat()))
}

/// The input columns to keep, by index.
///
/// # Errors
/// [`Error::UnknownColumn`], [`Error::BadPattern`], and [`Error::NameClash`] if one is called like one of `new`.
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
