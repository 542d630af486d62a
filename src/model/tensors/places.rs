//! All parameters of a network in one tensor: one copy to the device, and one update for all.

use std::ops::Range;

use candle_core::{Result, Tensor};

use crate::feature::Layout;
use crate::model::network::Network;
use crate::model::parameters::{Parameter, Weight, Weights, parameters};

/// Where each parameter is among all.
pub(super) struct Places {
    all: Vec<(Parameter, Range<usize>)>,
}

/// The place of one parameter.
#[derive(Debug, Clone)]
pub(super) struct ParameterRange {
    range: Range<usize>,
    shape: Vec<usize>,
}

impl ParameterRange {
    /// The parameter, a view of all parameters, `[parameters]`.
    pub(super) fn of(&self, all: &Tensor) -> Result<Tensor> {
        all.narrow(0, self.range.start, self.range.len())?.reshape(self.shape.as_slice())
    }
}

impl Places {
    /// The parameters in the order of [`parameters`].
    pub(super) fn new(layout: &Layout, network: &Network) -> Self {
        let place = |end: &mut usize, parameter: Parameter| {
            let start = std::mem::replace(end, *end + parameter.len());
            Some((parameter, start..*end))
        };
        Self { all: parameters(layout, network).into_iter().scan(0, place).collect() }
    }

    /// The place of a parameter.
    pub(super) fn place(&self, name: &str) -> Result<ParameterRange> {
        match self.all.iter().find(|(parameter, _)| parameter.name == name) {
            Some((parameter, range)) => Ok(ParameterRange { range: range.clone(), shape: parameter.shape.clone() }),
            None => candle_core::bail!("no parameter {name}"),
        }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.all.last().map_or(0, |(_, range)| range.end)
    }

    /// All values of named weights.
    pub(super) fn flat(&self, weights: &Weights) -> Vec<f32> {
        self.all.iter().flat_map(|(parameter, _)| &weights[&parameter.name].values).copied().collect()
    }

    /// The weights with these values.
    pub(super) fn named(&self, flat: &[f32]) -> Weights {
        let weight = |(parameter, range): &(Parameter, Range<usize>)| {
            let weight = Weight { shape: parameter.shape.clone(), values: flat[range.clone()].to_vec() };
            (parameter.name.clone(), weight)
        };
        self.all.iter().map(weight).collect()
    }
}

/// The derivatives by parameters, in any order.
#[derive(Default)]
pub(super) struct Gradients {
    parts: Vec<(usize, Tensor)>,
}

impl Gradients {
    /// Adds that by one parameter.
    pub(super) fn add(&mut self, place: &ParameterRange, gradient: &Tensor) -> Result<()> {
        self.parts.push((place.range.start, gradient.flatten_all()?));
        Ok(())
    }

    /// All of them, `[parameters]`.
    pub(super) fn flat(mut self) -> Result<Tensor> {
        self.parts.sort_by_key(|(start, _)| *start);
        let parts: Vec<Tensor> = self.parts.into_iter().map(|(_, part)| part).collect();
        Tensor::cat(&parts, 0)
    }
}
