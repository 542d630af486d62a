//! The health of a model: measured once, on the calibration rows, and stored in the model.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// The variance of its posterior mean above which a dimension is active (Burda, Grosse & Salakhutdinov 2016,
/// "Importance weighted autoencoders", section 5.2).
const ACTIVE: f64 = 0.01;

/// What held-out rows say of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Health {
    /// Number of calibration rows.
    pub rows: u64,
    /// Mean log-likelihood of a row at one draw from its posterior, in nats.
    pub log_likelihood: f64,
    /// Mean KL divergence of a row's posterior from the prior, in nats.
    pub kl: f64,
    /// Each dimension of the latent space.
    pub dimensions: Vec<Dimension>,
    /// Mean over the rows' known values of the squared error of their reconstruction, on the model's scale.
    pub error: f64,
    /// The same of a reconstruction from as many principal components of the training rows, where a category stands as a
    /// 0 or 1 a class, and a missing value as the mean. Absent if the rows are too wide for them.
    pub principal_error: Option<f64>,
    /// How well each learned column is rebuilt from the latents, in row-vector order.
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

/// How well a column is rebuilt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnHealth {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// What is measured.
    pub measure: Measure,
    /// How much of it, at most 1; absent if the rows' values do not vary, or are all missing.
    pub value: Option<f64>,
    /// How much of it one and the same answer for every row has: 0 of R², or the share of the most frequent value.
    pub baseline: Option<f64>,
}

/// What is measured of a column's reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// 1 - squared error / squared deviation from the mean, on the model's scale.
    R2,
    /// Share of the values that are rebuilt as they are.
    Accuracy,
}

impl Dimension {
    /// Whether it carries anything: whether its posterior mean varies by more than 0.01.
    pub fn is_active(&self) -> bool {
        self.variance > ACTIVE
    }
}

impl Health {
    /// The evidence lower bound of a row, in nats: log-likelihood minus KL divergence.
    pub fn elbo(&self) -> f64 {
        self.log_likelihood - self.kl
    }

    /// How many dimensions are active.
    pub fn active(&self) -> usize {
        self.dimensions.iter().filter(|dimension| dimension.is_active()).count()
    }

    /// Whether the numbers are ones that a model of this many dimensions and these columns may have.
    pub(crate) fn is_sound<'a>(&self, latent_dim: usize, columns: impl Iterator<Item = &'a str>) -> bool {
        let Self { rows, log_likelihood, kl, dimensions, error, principal_error, columns: measured } = self;
        let dimension = |it: &Dimension| it.kl.is_finite() && it.variance >= 0.0;
        let column = |it: &ColumnHealth| it.value.is_none_or(|value| value <= 1.0);
        *rows > 0
            && log_likelihood.is_finite()
            && kl.is_finite()
            && *error >= 0.0
            && principal_error.is_none_or(|error| error >= 0.0)
            && dimensions.len() == latent_dim
            && dimensions.iter().all(dimension)
            && measured.iter().map(|it| it.column.as_str()).eq(columns)
            && measured.iter().all(column)
    }
}
