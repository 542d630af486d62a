//! The likelihoods in tensors: the negative log-likelihood of each element and its derivatives. The same distributions as in
//! `model/likelihood/`, which has them in slices.

mod bernoulli;
mod categorical;
mod gaussian;

use candle_core::{Result, Tensor};

use self::bernoulli::BernoulliTensors;
use self::categorical::CategoricalTensors;
use self::gaussian::GaussianTensors;
use super::placer::Placer;
use super::places::{ParameterRange, Places};
use crate::feature::{Likelihood, LikelihoodGroup};

/// Rows and the decoder's answer, of all groups.
pub(super) struct TensorCells<'a> {
    /// The row vectors, `[rows, inputs]`.
    pub(super) x: &'a Tensor,
    /// 1 where known, `[rows, inputs]`; `None` if all are.
    pub(super) known: Option<&'a Tensor>,
    /// The decoder's output, `[rows, outputs]`.
    pub(super) output: &'a Tensor,
    /// All parameters of the network.
    pub(super) parameters: &'a Tensor,
}

/// What a group's forward pass gives.
pub(super) struct HeadPass {
    /// Negative log-likelihood of each element, nats, 0 where missing: `[rows, elements]`, in any order of the elements.
    pub(super) nll: Tensor,
    /// What the derivatives need.
    kept: Vec<Tensor>,
}

/// The derivatives of the sum of a group's negative log-likelihoods.
pub(super) struct HeadGradient {
    /// By the group's outputs: `[rows, outputs]`.
    pub(super) by_output: Tensor,
    /// By the group's own parameter, what each row adds: `[rows, elements]`.
    pub(super) by_parameter: Option<Tensor>,
}

/// The distribution of a group of elements, given the decoder's output for it.
pub(super) trait TensorHead: Send + Sync {
    /// The likelihood of rows.
    fn forward(&self, cells: &TensorCells<'_>) -> Result<HeadPass>;

    /// Squared error on the model's scale, 0 where missing: `[rows, elements]`, in any order of the elements.
    fn squared_error(&self, cells: &TensorCells<'_>, pass: &HeadPass) -> Result<Tensor>;

    /// The derivatives.
    fn backward(&self, cells: &TensorCells<'_>, pass: &HeadPass) -> Result<HeadGradient>;

    /// The place of the head's own parameter, `[elements]`.
    fn parameter(&self) -> Option<&ParameterRange> {
        None
    }

    /// How far the values of that parameter are past their bounds, `[elements]`: above 0 past the upper one, below 0 past the
    /// lower one.
    fn excess(&self, _parameters: &Tensor, _pass: &HeadPass) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// The head of a group; `noise_floor` as in [`Network`](crate::model::Network).
pub(super) fn tensor_head(
    group: LikelihoodGroup,
    noise_floor: f64,
    places: &Places,
    placer: &Placer,
) -> Result<Box<dyn TensorHead>> {
    Ok(match group.likelihood {
        Likelihood::Gaussian => Box::new(GaussianTensors::new(group, noise_floor, places, placer)?),
        Likelihood::Bernoulli => Box::new(BernoulliTensors::new(group)),
        Likelihood::Categorical => Box::new(CategoricalTensors::new(&group, placer)?),
    })
}

impl TensorCells<'_> {
    fn known(&self, group: &LikelihoodGroup) -> Result<Option<Tensor>> {
        self.known.map(|known| part(known, &group.elements)).transpose()
    }
}

/// Some columns of rows.
fn part(all: &Tensor, columns: &std::ops::Range<usize>) -> Result<Tensor> {
    all.narrow(1, columns.start, columns.len())
}

/// Values, 0 where they are missing.
fn masked(values: Tensor, known: Option<&Tensor>) -> Result<Tensor> {
    known.map_or_else(|| Ok(values.clone()), |known| &values * known)
}
