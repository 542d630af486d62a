//! Training in tensors, a batch at a time.

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};

use super::adam;
use super::graph::{Graph, Posterior, RowLosses};
use super::placer::{Placer, all_numbers, numbers};
use crate::error::Result;
use crate::feature::Layout;
use crate::model::adam::AdamMoments;
use crate::model::network::{LOG_VARIANCE, Network};
use crate::model::parameters::{Weight, Weights};
use crate::model::trainer::{Checkpoint, Execution, Loss, StepInput};

/// The network in training on any device.
pub(crate) struct Autograd {
    graph: Graph,
    names: Vec<String>,
    vars: Vec<Var>,
    moments: AdamMoments<Vec<Tensor>>,
    /// Of the batch that went forward last, and the gradients computed last.
    losses: Option<RowLosses>,
    gradients: Vec<Tensor>,
}

impl Autograd {
    /// Starts from `weights`.
    pub(crate) fn new(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let placer = Placer::new(layout, network.latent_dim, device);
        let var = |weight: &Weight| Var::from_tensor(&placer.parameter(weight)?);
        let vars = weights.values().map(var).collect::<candle_core::Result<Vec<_>>>()?;
        let names: Vec<String> = weights.keys().cloned().collect();
        let tensors = names.iter().cloned().zip(vars.iter().map(|var| var.as_tensor().clone())).collect();
        let graph = Graph::new(layout, network, tensors, device)?;
        let zeros = vars.iter().map(|var| var.zeros_like()).collect::<candle_core::Result<Vec<_>>>()?;
        let moments = AdamMoments::new(|| zeros.clone());
        Ok(Self { graph, names, vars, moments, losses: None, gradients: Vec::new() })
    }

    fn named(&self, tensors: &[&Tensor]) -> Result<Weights> {
        let all = all_numbers(tensors)?;
        let mut rest = all.as_slice();
        let weight = |(name, tensor): (&String, &&Tensor)| {
            let values;
            (values, rest) = rest.split_at(tensor.elem_count());
            (name.clone(), Weight { shape: tensor.dims().to_vec(), values: values.to_vec() })
        };
        Ok(self.names.iter().zip(tensors).map(weight).collect())
    }

    fn tensors(&self, weights: &Weights) -> Result<Vec<Tensor>> {
        let tensor = |name: &String| Ok(self.graph.placer().parameter(&weights[name])?);
        self.names.iter().map(tensor).collect()
    }

    fn row_losses(&self, input: &StepInput) -> candle_core::Result<RowLosses> {
        match &input.placed {
            Some(rows) => self.graph.losses(rows),
            None => self.graph.losses(&self.graph.placer().place(&input.batch, input.noise)?),
        }
    }

    /// Computes the gradients, those of a loss with `further` derivatives by the means added; the squared length of each
    /// parameter's, `[parameters]`.
    fn differentiate(
        &mut self,
        losses: &RowLosses,
        weights: &[f32],
        paid: &[f32],
        further: Option<&[f32]>,
    ) -> candle_core::Result<Tensor> {
        let placer = self.graph.placer();
        let weights = placer.tensor(weights, &[weights.len()])?;
        let paid = placer.tensor(paid, &[1, paid.len()])?;
        let objective = ((&losses.nll + losses.kl.broadcast_mul(&paid)?.sum(1)?)? * weights)?.sum_all()?;
        let mut behind = objective.backward()?;
        let Posterior { encoded: [mean, log_variance], taken: [by_mean, by_log_variance] } = &losses.posterior;
        let mut by = |taken: &Var| behind.remove(taken).map_or_else(|| taken.zeros_like(), |by| Ok(by.detach()));
        let (mut by_mean, by_log_variance) = (by(by_mean)?, by(by_log_variance)?);
        if let Some(further) = further {
            by_mean = (&by_mean + placer.tensor(further, by_mean.dims())?)?;
        }
        let by_log_variance = inward(&log_variance.detach(), &by_log_variance, LOG_VARIANCE)?;
        let rest = ((mean * by_mean)?.sum_all()? + (log_variance * by_log_variance)?.sum_all()?)?;
        let mut before = rest.backward()?;
        let bounds: HashMap<_, _> = self.graph.bounds().collect();
        let gradient = |(var, name): (&Var, &String)| {
            let gradient = behind.remove(var).or_else(|| before.remove(var)).map_or_else(|| var.zeros_like(), Ok)?;
            bounds.get(name).map_or(Ok(gradient.clone()), |&bounds| inward(var, &gradient, bounds))
        };
        self.gradients = self.vars.iter().zip(&self.names).map(gradient).collect::<candle_core::Result<_>>()?;
        let squares = |gradient: &Tensor| gradient.sqr()?.sum_all();
        Tensor::stack(&self.gradients.iter().map(squares).collect::<candle_core::Result<Vec<_>>>()?, 0)
    }
}

/// The gradient, zero where a step against it would move a value further past its bound.
fn inward(values: &Tensor, gradient: &Tensor, (least, most): (f32, f32)) -> candle_core::Result<Tensor> {
    let below = (values.lt(least)? * gradient.gt(0.0_f32)?)?;
    let above = (values.gt(most)? * gradient.lt(0.0_f32)?)?;
    (below + above)?.where_cond(&gradient.zeros_like()?, gradient)
}

/// Rows' losses from the numbers of [`RowLosses`].
fn loss(nll: &[f32], kl: &[f32]) -> Loss {
    let latent_dim = kl.len() / nll.len().max(1);
    let nll: Vec<f64> = nll.iter().copied().map(f64::from).collect();
    let mut loss = Loss { nll, kl: Vec::new(), dimensions: vec![0.0; latent_dim] };
    for row in kl.chunks_exact(latent_dim.max(1)) {
        loss.kl.push(row.iter().copied().map(f64::from).sum());
        loss.dimensions.iter_mut().zip(row).for_each(|(sum, kl)| *sum += f64::from(*kl));
    }
    loss.dimensions.iter_mut().for_each(|sum| *sum /= loss.nll.len().max(1) as f64);
    loss
}

fn norm(squares: &[f32]) -> f64 {
    squares.iter().copied().map(f64::from).sum::<f64>().sqrt()
}

impl Execution for Autograd {
    fn placer(&self) -> Option<Placer> {
        Some(self.graph.placer().clone())
    }

    fn forward(&mut self, input: &StepInput) -> Result<Loss> {
        let losses = self.row_losses(input)?;
        let [nll, kl] = numbers([&losses.nll, &losses.kl])?;
        self.losses = Some(losses);
        Ok(loss(&nll, &kl))
    }

    fn means(&self) -> Result<Vec<f32>> {
        let means = self.losses.as_ref().map(|losses| all_numbers(&[&losses.posterior.encoded[0]]));
        Ok(means.transpose()?.unwrap_or_default())
    }

    fn backward(&mut self, _: &StepInput, weights: &[f32], paid: &[f32], by_mean: Option<&[f32]>) -> Result<f64> {
        let Some(losses) = self.losses.take() else { return Ok(0.0) };
        let [squares] = numbers([&self.differentiate(&losses, weights, paid, by_mean)?])?;
        Ok(norm(&squares))
    }

    /// The host waits for the device once.
    fn forward_and_backward(&mut self, input: &StepInput, weights: &[f32], paid: &[f32]) -> Result<(Loss, f64)> {
        let losses = self.row_losses(input)?;
        let squares = self.differentiate(&losses, weights, paid, None)?;
        let [nll, kl, squares] = numbers([&losses.nll, &losses.kl, &squares])?;
        Ok((loss(&nll, &kl), norm(&squares)))
    }

    fn update(&mut self, factor: f64, lr: f64) -> Result<()> {
        Ok(adam::update(&self.vars, &mut self.moments, &self.gradients, factor, lr)?)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let values: Vec<&Tensor> = self.vars.iter().map(|var| var.as_tensor()).collect();
        let moments = self.moments.map(|tensors| self.named(&tensors.iter().collect::<Vec<_>>()))?;
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
