//! Statistics of the training rows under the model: their density in latent space, the residuals of their values, and
//! the effect of each latent dimension.

#![forbid(unsafe_code)]

use super::container::PrefixedTensors;
use crate::error::ModelFault;
use crate::feature::Layout;
use crate::model::{Weight, Weights};
use crate::numerics::GaussianMixture;

/// The number of stored quantiles per element, at ranks 0, 1/64, …, 1.
pub(crate) const RANKS: usize = 65;

/// A missing given element in the file, whose tensors are finite.
const MISSING: f32 = f32::MIN;

/// Prefix of the tensor names.
const PREFIX: &str = "aggregate.";

/// Statistics of a sample of the training rows, measured at the end of a fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    /// The density of the rows' latents; absent if the prior fits as well.
    pub(crate) density: Option<GaussianMixture>,
    /// `[values]`: residual standard deviation of each Gaussian element about its mean given a draw from the row's
    /// posterior, on the model's scale.
    pub(crate) residual: Vec<f32>,
    /// `[factors, values]`: factor loadings F of the residuals; Fᵀ F gives their covariances.
    pub(crate) shared: Vec<f32>,
    /// `[values, RANKS]`: the quantiles at evenly spaced ranks, on the model's scale.
    pub(crate) quantiles: Vec<f32>,
    /// `[outputs]`: standard deviation of the value of each output, in its unit.
    pub(crate) deviation: Vec<f32>,
    /// `[latent_dim, outputs]`: the mean increase of each output's expectation, in its unit, per unit of the latent, at
    /// the rows' latents.
    pub(crate) effect: Vec<f32>,
    /// `[latent_dim, outputs]`: Spearman's rank correlation of the posterior mean with the value of each output; 0
    /// where one of them is constant.
    pub(crate) rank_correlation: Vec<f32>,
    /// `[rows, given elements]`: those of some training rows, from which `generate` draws; NaN where missing.
    pub(crate) given: Vec<f32>,
    /// `[rows, inputs + given elements]`: some training rows with their windows, standardised by group, from which sequences
    /// are drawn; NaN where missing. Empty unless rows are in order.
    pub(crate) windows: Vec<f32>,
}

impl Aggregate {
    /// Whether a tensor name belongs to these statistics.
    pub(crate) fn has_tensor(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// The statistics as tensors, by name.
    pub(crate) fn tensors(&self, latent_dim: usize, layout: &Layout) -> Weights {
        let given_elements = layout.given().elements();
        let (values, outputs, k) = (self.residual.len(), self.deviation.len(), latent_dim);
        let mut tensors = vec![
            ("residual", vec![values], &self.residual),
            ("residual.shared", vec![self.shared.len() / values.max(1), values], &self.shared),
            ("quantiles", vec![values, RANKS], &self.quantiles),
            ("deviation", vec![outputs], &self.deviation),
            ("effect", vec![k, outputs], &self.effect),
            ("rank_correlation", vec![k, outputs], &self.rank_correlation),
        ];
        if let Some(GaussianMixture { weight, mean, factor, .. }) = &self.density {
            let components = weight.len();
            tensors.push(("density.weight", vec![components], weight));
            tensors.push(("density.mean", vec![components, k], mean));
            tensors.push(("density.factor", vec![components, k, k], factor));
        }
        let stored = |rows: &[f32]| rows.iter().map(|x| if x.is_nan() { MISSING } else { *x }).collect::<Vec<f32>>();
        let [given, windows] = [&self.given, &self.windows].map(|rows| stored(rows));
        if let Some(rows) = given.len().checked_div(given_elements) {
            tensors.push(("given", vec![rows, given_elements], &given));
        }
        if !windows.is_empty() {
            tensors.push(("windows", vec![windows.len() / layout.width(), layout.width()], &windows));
        }
        let tensor = |(name, shape, values): (&str, Vec<usize>, &Vec<f32>)| {
            (prefixed(name), Weight { shape, values: values.clone() })
        };
        tensors.into_iter().map(tensor).collect()
    }

    /// Reads the statistics from tensors, which may hold nothing else.
    ///
    /// # Errors
    /// A [`ModelFault`] if a tensor is missing, has another shape, is not finite or is invalid.
    pub(crate) fn from_tensors(tensors: Weights, layout: &Layout, latent_dim: usize) -> Result<Self, ModelFault> {
        let mut tensors = PrefixedTensors::new(PREFIX, tensors);
        let (values, outputs, k) = (layout.gaussians(), layout.outputs(), latent_dim);
        let components = tensors.get("density.weight").map(|weight| weight.values.len());
        let factors = tensors.get("residual.shared").map_or(0, |it| it.values.len() / values.max(1));
        let density = components.map(|components| -> Result<GaussianMixture, ModelFault> {
            let weight = tensors.take("density.weight", &[components])?;
            let mean = tensors.take("density.mean", &[components, k])?;
            let factor = tensors.take("density.factor", &[components, k, k])?;
            let invalid = || ModelFault::Contradiction("the density of the latents is invalid".to_owned());
            GaussianMixture::new(k, weight, mean, factor).ok_or_else(invalid)
        });
        let mut given = Vec::new();
        if layout.given().elements() > 0 {
            let width = layout.given().elements();
            let rows = tensors.get("given").map_or(0, |tensor| tensor.values.len() / width);
            let invalid = || ModelFault::Contradiction("the given rows are invalid".to_owned());
            given = tensors.take("given", &[rows, width])?;
            given.iter_mut().filter(|x| **x == MISSING).for_each(|x| *x = f32::NAN);
            (rows > 0 && layout.given().is_valid(&given)).then_some(()).ok_or_else(invalid)?;
        }
        let mut windows = Vec::new();
        if let Some(rows) = tensors.get("windows").map(|tensor| tensor.values.len() / layout.width()) {
            let invalid = || ModelFault::Contradiction("the windows of training rows are invalid".to_owned());
            windows = tensors.take("windows", &[rows, layout.width()])?;
            windows.iter_mut().filter(|x| **x == MISSING).for_each(|x| *x = f32::NAN);
            (rows > 0 && layout.is_valid(&windows)).then_some(()).ok_or_else(invalid)?;
        }
        let aggregate = Self {
            given,
            windows,
            density: density.transpose()?,
            residual: tensors.take("residual", &[values])?,
            shared: tensors.take("residual.shared", &[factors, values])?,
            quantiles: tensors.take("quantiles", &[values, RANKS])?,
            deviation: tensors.take("deviation", &[outputs])?,
            effect: tensors.take("effect", &[k, outputs])?,
            rank_correlation: tensors.take("rank_correlation", &[k, outputs])?,
        };
        tensors.finish()?;
        let ascending = |ranks: &[f32]| ranks.windows(2).all(|pair| pair[0] <= pair[1]);
        if !aggregate.quantiles.chunks_exact(RANKS).all(ascending) || aggregate.residual.iter().any(|std| *std < 0.0) {
            return Err(ModelFault::Contradiction("the quantiles or residuals of the values are invalid".to_owned()));
        }
        Ok(aggregate)
    }
}

fn prefixed(name: &str) -> String {
    format!("{PREFIX}{name}")
}
