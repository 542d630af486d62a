//! Training in tensors, a batch at a time.

use candle_core::{Device, Tensor, Var};

use super::adam;
use super::graph::{Graph, RowLosses};
use crate::batch::Batch;
use crate::error::Result;
use crate::layout::Layout;
use crate::model::adam::Moments;
use crate::model::network::Network;
use crate::model::parameters::{Weight, Weights};
use crate::model::trainer::{Checkpoint, Execution, Loss};
use crate::random::Stream;

/// The network in training on any device.
pub(crate) struct Autograd {
    graph: Graph,
    latent_dim: usize,
    names: Vec<String>,
    vars: Vec<Var>,
    moments: Moments<Vec<Tensor>>,
    /// Of the batch that went forward last, and the gradients computed last.
    losses: Option<RowLosses>,
    gradients: Vec<Tensor>,
}

impl Autograd {
    /// Starts from `weights`.
    pub(crate) fn new(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let var =
            |weight: &Weight| Var::from_tensor(&Tensor::from_slice(&weight.values, weight.shape.as_slice(), device)?);
        let vars = weights.values().map(var).collect::<candle_core::Result<Vec<_>>>()?;
        let names: Vec<String> = weights.keys().cloned().collect();
        let tensors = names.iter().cloned().zip(vars.iter().map(|var| var.as_tensor().clone())).collect();
        let graph = Graph::new(layout, network, tensors, device)?;
        let zeros = vars.iter().map(|var| var.zeros_like()).collect::<candle_core::Result<Vec<_>>>()?;
        let moments = Moments::new(|| zeros.clone());
        Ok(Self { graph, latent_dim: network.latent_dim, names, vars, moments, losses: None, gradients: Vec::new() })
    }

    fn named(&self, tensors: &[Tensor]) -> Result<Weights> {
        let weight = |(name, tensor): (&String, &Tensor)| {
            Ok((name.clone(), Weight { shape: tensor.dims().to_vec(), values: tensor.flatten_all()?.to_vec1()? }))
        };
        self.names.iter().zip(tensors).map(weight).collect()
    }

    fn tensors(&self, weights: &Weights) -> Result<Vec<Tensor>> {
        let tensor =
            |(name, var): (&String, &Var)| Ok(Tensor::from_slice(&weights[name].values, var.shape(), var.device())?);
        self.names.iter().zip(&self.vars).map(tensor).collect()
    }
}

impl Execution for Autograd {
    fn forward(&mut self, batch: &Batch, noise: Stream) -> Result<Loss> {
        let mut drawn = vec![0.0; batch.rows() * self.latent_dim];
        let draws = drawn.chunks_mut(self.latent_dim);
        batch.ids.iter().zip(draws).for_each(|(&id, draw)| noise.child(id).normals(draw));
        let losses = self.graph.losses(batch, drawn)?;
        let nll = losses.nll.to_vec1::<f32>()?.into_iter().map(f64::from).collect();
        let mut loss = Loss { nll, kl: Vec::new(), dimensions: vec![0.0; self.latent_dim] };
        for row in losses.kl.to_vec2::<f32>()? {
            loss.kl.push(row.iter().copied().map(f64::from).sum());
            loss.dimensions.iter_mut().zip(row).for_each(|(sum, kl)| *sum += f64::from(kl));
        }
        loss.dimensions.iter_mut().for_each(|sum| *sum /= batch.rows().max(1) as f64);
        self.losses = Some(losses);
        Ok(loss)
    }

    fn backward(&mut self, _: &Batch, weights: &[f32], paid: &[f32]) -> Result<f64> {
        let Some(RowLosses { nll, kl }) = self.losses.take() else { return Ok(0.0) };
        let weights = Tensor::from_slice(weights, weights.len(), nll.device())?;
        let paid = Tensor::from_slice(paid, (1, paid.len()), nll.device())?;
        let objective = ((nll + kl.broadcast_mul(&paid)?.sum(1)?)? * weights)?.sum_all()?;
        let mut all = objective.backward()?;
        let gradient = |var: &Var| match all.remove(var) {
            Some(gradient) => Ok(gradient),
            None => var.zeros_like(),
        };
        self.gradients = self.vars.iter().map(gradient).collect::<candle_core::Result<_>>()?;
        let mut squares = 0.0;
        for gradient in &self.gradients {
            squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        Ok(squares.sqrt())
    }

    fn update(&mut self, factor: f64, lr: f64) -> Result<()> {
        Ok(adam::update(&self.vars, &mut self.moments, &self.gradients, factor, lr)?)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let values: Vec<Tensor> = self.vars.iter().map(|var| var.as_tensor().clone()).collect();
        let moments = self.moments.map(|tensors| self.named(tensors))?;
        Ok(Checkpoint { weights: self.named(&values)?, moments })
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        for (var, value) in self.vars.iter().zip(self.tensors(&checkpoint.weights)?) {
            var.set(&value)?;
        }
        self.moments = checkpoint.moments.map(|weights| self.tensors(weights))?;
        Ok(())
    }
}
