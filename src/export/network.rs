//! The network: posterior, latents and decoder.

#![forbid(unsafe_code)]

use super::graph::{Attribute, GraphBuilder, Tensor};
use crate::artifact::Model;
use crate::config::Activation;
use crate::model::{LOG_VARIANCE, Network, Weights};

/// A network whose weights are in the graph.
pub(super) struct NetworkGraph<'a> {
    network: &'a Network,
    weights: &'a Weights,
    /// The prefix of its names.
    pub(super) prefix: String,
}

/// The posterior of rows, `[rows, latent_dim]` each.
pub(super) struct PosteriorGraph {
    pub(super) mean: Tensor,
    pub(super) log_variance: Tensor,
}

impl<'a> NetworkGraph<'a> {
    /// Member `n` of a model.
    pub(super) fn of(model: &'a Model, n: usize, weights: &'a Weights) -> Self {
        let prefix = if n == 0 { String::new() } else { format!("members.{n}.") };
        Self { network: &model.metadata().network, weights, prefix }
    }

    /// `x Wᵀ + b`.
    fn linear(&self, graph: &mut GraphBuilder, layer: &str, x: &Tensor) -> Tensor {
        graph.section(format!("{}{layer}", self.prefix));
        let parameters = ["weight", "bias"].map(|part| {
            let weight = &self.weights[&format!("{layer}.{part}")];
            graph.weight(&format!("{}{layer}.{part}", self.prefix), &weight.values, &weight.shape)
        });
        graph.op_with("Gemm", &[x, &parameters[0], &parameters[1]], vec![("transB", Attribute::Int(1))])
    }

    fn hidden(&self, graph: &mut GraphBuilder, stack: &str, x: &Tensor) -> Tensor {
        (0..self.network.hidden.len()).fold(x.clone(), |x, n| {
            let y = self.linear(graph, &format!("{stack}.{n}"), &x);
            match self.network.activation {
                Activation::Relu => graph.op("Relu", &[&y]),
                Activation::Tanh => graph.op("Tanh", &[&y]),
                Activation::Silu => {
                    // Rather than `Sigmoid`, of which some runtimes have an approximation.
                    let (negative, one) = (graph.op("Neg", &[&y]), graph.floats(&[1.0]));
                    let power = graph.op("Exp", &[&negative]);
                    let sum = graph.op("Add", &[&power, &one]);
                    graph.op("Div", &[&y, &sum])
                }
            }
        })
    }

    /// The posterior of rows as the encoder sees them.
    pub(super) fn posterior(&self, graph: &mut GraphBuilder, rows: &Tensor) -> PosteriorGraph {
        let hidden = self.hidden(graph, "encoder", rows);
        let mean = self.linear(graph, "posterior.mean", &hidden);
        let log_variance = self.linear(graph, "posterior.log_variance", &hidden);
        let [least, most] = [LOG_VARIANCE.0, LOG_VARIANCE.1].map(|bound| graph.floats(&[bound]));
        let log_variance = graph.op("Max", &[&log_variance, &least]);
        let log_variance = graph.op("Min", &[&log_variance, &most]);
        PosteriorGraph { mean, log_variance }
    }

    /// The decoder's output for latents and given inputs.
    pub(super) fn decode(&self, graph: &mut GraphBuilder, z: &Tensor, given: Option<&Tensor>) -> Tensor {
        let parts: Vec<Tensor> = [z].into_iter().chain(given).cloned().collect();
        graph.section(format!("{}decoder", self.prefix));
        let z = graph.beside(&parts);
        let hidden = self.hidden(graph, "decoder", &z);
        self.linear(graph, "output", &hidden)
    }
}

impl PosteriorGraph {
    /// The KL divergence from the prior, nats, `[rows, 1]`.
    pub(super) fn kl(&self, graph: &mut GraphBuilder) -> Tensor {
        let [half, one] = [0.5, 1.0].map(|n| graph.floats(&[n]));
        let square = graph.op("Mul", &[&self.mean, &self.mean]);
        let variance = graph.op("Exp", &[&self.log_variance]);
        let sum = graph.op("Add", &[&square, &variance]);
        let sum = graph.op("Sub", &[&sum, &self.log_variance]);
        let sum = graph.op("Sub", &[&sum, &one]);
        let kl = graph.op("Mul", &[&sum, &half]);
        graph.sum(&kl, true)
    }

    /// The posterior standard deviations, `[rows, latent_dim]`.
    pub(super) fn std(&self, graph: &mut GraphBuilder) -> Tensor {
        let half = graph.floats(&[0.5]);
        let half = graph.op("Mul", &[&self.log_variance, &half]);
        graph.op("Exp", &[&half])
    }
}
