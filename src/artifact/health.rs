//! The health of a model: measured once, on the calibration rows, and stored in the model.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::score::NeighborPreservation;

/// Variance of the posterior mean above which a dimension is active (Burda, Grosse & Salakhutdinov 2016,
/// "Importance weighted autoencoders", section 5.2).
const ACTIVE: f64 = 0.01;

/// Quality measures of a model on its calibration rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Health {
    /// Number of calibration rows.
    pub rows: u64,
    /// Mean log-likelihood of a row given one draw from its posterior, in nats.
    pub log_likelihood: f64,
    /// Mean KL divergence of a row's posterior from the prior, in nats.
    pub kl: f64,
    /// Each dimension of the latent space.
    pub dimensions: Vec<Dimension>,
    /// Mean squared reconstruction error of the known values, on the model's scale.
    pub error: f64,
    /// The error of a PCA of the training rows with as many components, with categories one-hot and missing values
    /// replaced by the mean. Absent if the rows are too wide for a PCA.
    pub principal_error: Option<f64>,
    /// How well the latents keep the neighbours of rows; empty of too few rows, and of models fitted before this was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbors: Vec<NeighborPreservation>,
    /// Reconstruction quality of each learned column, in row-vector order.
    pub columns: Vec<ColumnHealth>,
}

/// One dimension of the latent space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dimension {
    /// Mean KL divergence of the posterior from the prior, in nats.
    pub kl: f64,
    /// Variance of the posterior mean over the rows.
    pub variance: f64,
}

/// Reconstruction quality of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnHealth {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// The measure.
    pub measure: Measure,
    /// Its value, at most 1; absent if the rows' values are constant or all missing.
    pub value: Option<f64>,
    /// Its value for a constant prediction: 0 for R², or the share of the most frequent value.
    pub baseline: Option<f64>,
}

/// A measure of a column's reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// 1 - squared error / squared deviation from the mean, on the model's scale.
    R2,
    /// Share of the values that are reconstructed exactly.
    Accuracy,
}

impl Dimension {
    /// Whether it is active: the variance of its posterior mean is above 0.01.
    pub fn is_active(&self) -> bool {
        self.variance > ACTIVE
    }
}

impl ColumnHealth {
    /// The share of the way from a constant to a perfect reconstruction; negative if it is worse than a constant.
    pub fn gain(&self) -> Option<f64> {
        let (value, baseline) = (self.value?, self.baseline?);
        (baseline < 1.0).then(|| (value - baseline) / (1.0 - baseline))
    }
}

impl Health {
    /// The evidence lower bound of a row, in nats: log-likelihood minus KL divergence.
    pub fn elbo(&self) -> f64 {
        self.log_likelihood - self.kl
    }

    /// The number of active dimensions.
    pub fn active(&self) -> usize {
        self.dimensions.iter().filter(|dimension| dimension.is_active()).count()
    }

    /// By how much the reconstruction error is below that of PCA, as a share of it: 0.5 is half of PCA's error, and negative
    /// values are more than it. `None` if there is no PCA, or it is [exact](Self::is_exact_for_pca).
    pub fn gain_over_pca(&self) -> Option<f64> {
        self.principal_error.filter(|_| !self.is_exact_for_pca()).map(|error| 1.0 - self.error / error)
    }

    /// Whether a PCA of as many components as latents leaves no error but that of its arithmetic.
    pub fn is_exact_for_pca(&self) -> bool {
        self.principal_error.is_some_and(|error| error < 1e-6)
    }

    /// Columns that are reconstructed little better than by a constant.
    pub fn hardly_learned(&self) -> Vec<&str> {
        /// A smaller gain counts as little.
        const LITTLE: f64 = 0.1;
        let is_hardly = |it: &&ColumnHealth| it.gain().is_some_and(|gain| gain < LITTLE);
        self.columns.iter().filter(is_hardly).map(|it| it.column.as_str()).collect()
    }

    /// Whether the numbers are valid for a model with this many dimensions and these columns.
    pub(crate) fn is_valid<'a>(&self, latent_dim: usize, columns: impl Iterator<Item = &'a str>) -> bool {
        let Self { rows, log_likelihood, kl, dimensions, error, principal_error, neighbors, columns: measured } = self;
        let dimension = |it: &Dimension| it.kl.is_finite() && it.variance >= 0.0;
        let column = |it: &ColumnHealth| it.value.is_none_or(|value| value <= 1.0);
        *rows > 0
            && log_likelihood.is_finite()
            && kl.is_finite()
            && *error >= 0.0
            && principal_error.is_none_or(|error| error >= 0.0)
            && dimensions.len() == latent_dim
            && dimensions.iter().all(dimension)
            && neighbors.iter().all(NeighborPreservation::is_valid)
            && measured.iter().map(|it| it.column.as_str()).eq(columns)
            && measured.iter().all(column)
    }
}
