//! The training rows as the model sees them all together: where they lie in latent space, how they are spread about what
//! it expects of them, and what each dimension moves.

#![forbid(unsafe_code)]

use crate::error::ModelFault;
use crate::feature::Layout;
use crate::model::{Weight, Weights};
use crate::numerics::GaussianMixture;

/// Ranks at which the values of an element are kept: 0, 1/64, …, 1.
pub(crate) const RANKS: usize = 65;

/// What the names of its tensors begin with.
const PREFIX: &str = "aggregate.";

/// Measured at the end of a fit on some of the training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    /// Of the rows' latents; absent if the prior is as good.
    pub(crate) density: Option<GaussianMixture>,
    /// `[values]`, those of Gaussian elements: standard deviation about its mean given a draw from the row's posterior, on the model's
    /// scale.
    pub(crate) residual: Vec<f32>,
    /// `[factors, values]`: what these deviations share, as products of each value's part in a factor make their
    /// covariances.
    pub(crate) shared: Vec<f32>,
    /// `[values, RANKS]`: the values at even ranks, on the model's scale.
    pub(crate) quantiles: Vec<f32>,
    /// `[outputs]`: standard deviation of what each output stands for, in its unit.
    pub(crate) deviation: Vec<f32>,
    /// `[latent_dim, outputs]`: by how much what is expected of each output rises, in its unit, when the latent rises by 1
    /// about where rows are.
    pub(crate) effect: Vec<f32>,
    /// `[latent_dim, outputs]`: Spearman's rank correlation of the posterior mean with what each output stands for; 0 where
    /// one of them does not vary.
    pub(crate) rank_correlation: Vec<f32>,
}

impl Aggregate {
    /// Whether a tensor is part of one.
    pub(crate) fn has(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// Its tensors, by name.
    pub(crate) fn tensors(&self, latent_dim: usize) -> Weights {
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
        let tensor = |(name, shape, values): (&str, Vec<usize>, &Vec<f32>)| {
            (named(name), Weight { shape, values: values.clone() })
        };
        tensors.into_iter().map(tensor).collect()
    }

    /// The one in these tensors, which may hold nothing else.
    ///
    /// # Errors
    /// A [`ModelFault`] if a tensor is missing, of another shape, not finite or of no use.
    pub(crate) fn from_tensors(tensors: Weights, layout: &Layout, latent_dim: usize) -> Result<Self, ModelFault> {
        let mut tensors = Tensors(tensors);
        let (values, outputs, k) = (layout.gaussians(), layout.outputs(), latent_dim);
        let components = tensors.0.get(&named("density.weight")).map(|weight| weight.values.len());
        let factors = tensors.0.get(&named("residual.shared")).map_or(0, |it| it.values.len() / values.max(1));
        let density = components.map(|components| -> Result<GaussianMixture, ModelFault> {
            let weight = tensors.take("density.weight", &[components])?;
            let mean = tensors.take("density.mean", &[components, k])?;
            let factor = tensors.take("density.factor", &[components, k, k])?;
            let unsound = || ModelFault::Contradiction("the density of its latents is none".to_owned());
            GaussianMixture::new(k, weight, mean, factor).ok_or_else(unsound)
        });
        let aggregate = Self {
            density: density.transpose()?,
            residual: tensors.take("residual", &[values])?,
            shared: tensors.take("residual.shared", &[factors, values])?,
            quantiles: tensors.take("quantiles", &[values, RANKS])?,
            deviation: tensors.take("deviation", &[outputs])?,
            effect: tensors.take("effect", &[k, outputs])?,
            rank_correlation: tensors.take("rank_correlation", &[k, outputs])?,
        };
        if let Some(name) = tensors.0.into_keys().next() {
            return Err(ModelFault::UnknownTensor { name });
        }
        let ascend = |ranks: &[f32]| ranks.windows(2).all(|pair| pair[0] <= pair[1]);
        if !aggregate.quantiles.chunks_exact(RANKS).all(ascend) || aggregate.residual.iter().any(|std| *std < 0.0) {
            return Err(ModelFault::Contradiction("the spread of its values is none".to_owned()));
        }
        Ok(aggregate)
    }
}

fn named(name: &str) -> String {
    format!("{PREFIX}{name}")
}

struct Tensors(Weights);

impl Tensors {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelFault> {
        let name = named(name);
        let Some(tensor) = self.0.remove(&name) else { return Err(ModelFault::MissingTensor { name }) };
        tensor.check(&name, shape)?;
        Ok(tensor.values)
    }
}
