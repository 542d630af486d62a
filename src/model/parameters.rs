//! The parameters of a network: names, shapes and initial values.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::likelihood::head;
use super::network::Network;
use crate::error::ModelFault;
use crate::feature::Layout;
use crate::numerics::RandomStream;

/// A parameter of a network: a tensor as plain numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Weight {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

impl Weight {
    /// Checks that it has this shape and is finite.
    ///
    /// # Errors
    /// A [`ModelFault`] that names it.
    pub(crate) fn check(&self, name: &str, shape: &[usize]) -> Result<(), ModelFault> {
        if self.shape != shape {
            let [found, expected] = [&self.shape[..], shape].map(|shape| format!("F32 {shape:?}"));
            return Err(ModelFault::Tensor { name: name.to_owned(), found, expected });
        }
        if self.values.iter().any(|value| !value.is_finite()) {
            return Err(ModelFault::NotFinite { name: name.to_owned() });
        }
        Ok(())
    }
}

/// All parameters of a network, by name.
pub(crate) type Weights = BTreeMap<String, Weight>;

/// A parameter before training.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Initial values are uniform between minus and plus this.
    bound: f64,
}

impl Parameter {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The initial values. They depend on seed and name alone: another layer does not change them.
    fn initial(&self, seed: u64) -> Weight {
        let stream = RandomStream::new(seed, &format!("weights/{}", self.name));
        let value = |n| (-self.bound + 2.0 * self.bound * stream.uniform(n)) as f32;
        Weight { shape: self.shape.clone(), values: (0..self.len() as u64).map(value).collect() }
    }
}

/// The parameters of a network in the order rows meet them; the posterior's mean and log-variance are neighbours, so
/// that one product gives both.
pub(crate) fn parameters(layout: &Layout, network: &Network) -> Vec<Parameter> {
    let (inputs, outputs, latent_dim) = (layout.encoder_inputs(), layout.outputs(), network.latent_dim);
    let last = network.hidden.last().copied().unwrap_or(inputs);
    let given = layout.given().inputs();
    let first = network.hidden.first().copied().unwrap_or(latent_dim + given);
    let mut all = stack("encoder", &network.encoder(inputs));
    all.extend(["posterior.mean", "posterior.log_variance"].map(|name| weight(name, last, latent_dim)));
    all.extend(["posterior.mean", "posterior.log_variance"].map(|name| bias(name, last, latent_dim)));
    all.extend(stack("decoder", &network.decoder(given)));
    all.extend([weight("output", first, outputs), bias("output", first, outputs)]);
    for group in layout.groups() {
        if let Some(name) = head(&group, network.noise_floor).parameter() {
            all.push(Parameter { name: format!("likelihood.{name}"), shape: vec![group.elements.len()], bound: 0.0 });
        }
    }
    all
}

fn stack(name: &str, widths: &[usize]) -> Vec<Parameter> {
    let layer = |(n, pair): (usize, &[usize])| {
        let name = format!("{name}.{n}");
        [weight(&name, pair[0], pair[1]), bias(&name, pair[0], pair[1])]
    };
    widths.windows(2).enumerate().flat_map(layer).collect()
}

/// Both are uniform within 1/sqrt(inputs) (LeCun et al. 1998, section 4.6, as PyTorch has it).
fn weight(layer: &str, inputs: usize, outputs: usize) -> Parameter {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    Parameter { name: format!("{layer}.weight"), shape: vec![outputs, inputs], bound }
}

fn bias(layer: &str, inputs: usize, outputs: usize) -> Parameter {
    Parameter { name: format!("{layer}.bias"), shape: vec![outputs], ..weight(layer, inputs, outputs) }
}

/// The initial values of all parameters.
pub(crate) fn initial(layout: &Layout, network: &Network, seed: u64) -> Weights {
    parameters(layout, network).into_iter().map(|parameter| (parameter.name.clone(), parameter.initial(seed))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Activation;
    use crate::feature::Likelihood::{Bernoulli, Gaussian};
    use crate::feature::Shape;

    fn network(hidden: &[usize]) -> Network {
        Network { hidden: hidden.to_vec(), latent_dim: 2, activation: Activation::Relu, noise_floor: -1.0 }
    }

    #[test]
    fn a_first_value_depends_on_seed_and_name_alone() {
        let layout = Layout::new([(Shape::of(Gaussian, 2), false), (Shape::of(Bernoulli, 1), false)]).unwrap();
        let first = |hidden: &[usize], seed| initial(&layout, &network(hidden), seed);
        let (one, other) = (first(&[4], 1), first(&[4, 5], 1));
        assert_eq!(one["encoder.0.weight"], other["encoder.0.weight"]);
        assert_ne!(one["encoder.0.weight"], first(&[4], 2)["encoder.0.weight"]);
        assert_ne!(one["posterior.mean.bias"].values, one["posterior.log_variance.bias"].values);
        assert!(one["encoder.0.weight"].values.iter().all(|value| value.abs() <= 1.0 / 3.0_f32.sqrt()));
        assert_eq!(one["likelihood.gaussian.log_variance"].values, [0.0, 0.0]);
    }

    #[test]
    fn the_network_counts_what_it_has() {
        let layout = Layout::new([(Shape::of(Bernoulli, 1), true), (Shape::category(3), false)]).unwrap();
        for hidden in [&[][..], &[7], &[7, 3]] {
            let network = network(hidden);
            let count: usize = parameters(&layout, &network).iter().map(Parameter::len).sum();
            assert_eq!(count, network.parameters(&layout));
        }
    }
}
