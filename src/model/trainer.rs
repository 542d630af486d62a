//! Gradient steps: the negative ELBO of a batch, by shards on worker threads, clipped and handed to Adam.
//!
//! A shard has a fixed number of rows and the shards' gradients are summed in order, so that the thread count decides
//! nothing but the time.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::adam::Adam;
use super::params::{Params, Weights};
use super::vae::{Network, RowLosses, Vae};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::random::Stream;

/// What one gradient step needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Learning rate.
    pub(crate) lr: f64,
    /// KL weight.
    pub(crate) beta: f64,
    /// Nats a latent dimension may carry, averaged over the batch, before it is paid for (Kingma et al. 2016,
    /// "Improved variational inference with inverse autoregressive flow", appendix C.8).
    pub(crate) free_bits: f64,
    /// Largest global gradient norm; 0 is off (Pascanu, Mikolov & Bengio 2013).
    pub(crate) clip_norm: f64,
    /// Share of the rows, those of highest loss, that are left out.
    pub(crate) trim: f64,
    /// Noise; a row draws from the child of its number.
    pub(crate) noise: Stream,
}

/// The two parts of each row's negative ELBO, in nats.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loss {
    /// Negative log-likelihood at one draw from the posterior.
    pub(crate) nll: Vec<f64>,
    /// KL divergence from the prior, over all dimensions.
    pub(crate) kl: Vec<f64>,
}

impl Loss {
    /// Each row's loss at KL weight `beta`.
    pub(crate) fn rows(&self, beta: f64) -> impl Iterator<Item = f64> {
        self.nll.iter().zip(&self.kl).map(move |(nll, kl)| nll + beta * kl)
    }
}

/// The mean of `losses` without the share `trim` that is highest; NaN if any is NaN or there are none.
pub(crate) fn mean_of_best(mut losses: Vec<f64>, trim: f64) -> f64 {
    let keep = kept(losses.len(), trim);
    // Positive NaN sorts last, where trimming would hide it.
    if losses.iter().any(|loss| loss.is_nan()) {
        return f64::NAN;
    }
    losses.sort_by(f64::total_cmp);
    losses[..keep].iter().sum::<f64>() / keep as f64
}

/// How many of `rows` rows a share of `trim` leaves: at least one.
fn kept(rows: usize, trim: f64) -> usize {
    (rows - (rows as f64 * trim).floor() as usize).clamp(rows.min(1), rows)
}

/// A network in training.
pub(crate) struct Trainer {
    vae: Vae,
    params: Params,
    adam: Adam,
    latent_dim: usize,
    shard_rows: usize,
    pool: rayon::ThreadPool,
}

/// Everything a step changes, to return to.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) weights: Weights,
    adam: Adam,
}

impl Trainer {
    /// A new network on `device`, with weights from `seed`.
    pub(crate) fn new(
        layout: &Layout,
        network: &Network,
        seed: u64,
        shard_rows: usize,
        threads: usize,
        device: &Device,
    ) -> Result<Self> {
        let params = Params::new(seed);
        let vae = Vae::new(layout, network, &params.builder(device))?;
        let adam = Adam::new(&params.vars())?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("gradient-{n}"))
            .build()
            .map_err(|source| Error::Threads { source: Box::new(source) })?;
        Ok(Self { vae, params, adam, latent_dim: network.latent_dim, shard_rows, pool })
    }

    /// One gradient step. `None`, with nothing changed, if the loss or the gradient is not finite.
    pub(crate) fn step(&mut self, batch: &Batch, step: &Step) -> Result<Option<Loss>> {
        let shards = self.forward(batch, step.noise)?;
        let (loss, dimensions) = self.read(&shards)?;
        let rows: Vec<f64> = loss.rows(step.beta).collect();
        if rows.iter().any(|loss| !loss.is_finite()) {
            return Ok(None);
        }
        let weights = row_weights(&rows, step.trim);
        let gradients = self.gradients(&shards, &weights, &paid(&dimensions, step.beta, step.free_bits))?;
        let mut squares = 0.0;
        for gradient in &gradients {
            squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        let norm = squares.sqrt();
        if !norm.is_finite() {
            return Ok(None);
        }
        self.adam.step(&self.params.vars(), &gradients, clip(norm, step.clip_norm), step.lr)?;
        Ok(Some(loss))
    }

    /// The loss of rows without a step; `noise` as in [`Step`].
    pub(crate) fn evaluate(&self, batch: &Batch, noise: Stream) -> Result<Loss> {
        Ok(self.read(&self.forward(batch, noise)?)?.0)
    }

    /// The weights and the optimiser's state as they are now.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint { weights: self.params.weights()?, adam: self.adam.clone() })
    }

    /// Goes back to a checkpoint.
    pub(crate) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.adam = checkpoint.adam.clone();
        self.params.restore(&checkpoint.weights)
    }

    fn shards(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let shard_rows = self.shard_rows;
        (0..rows).step_by(shard_rows).map(move |from| from..rows.min(from + shard_rows))
    }

    fn forward(&self, batch: &Batch, noise: Stream) -> Result<Vec<RowLosses>> {
        let shards: Vec<_> = self.shards(batch.rows()).collect();
        self.pool.install(|| {
            let forward = |rows: Range<usize>| {
                let mut drawn = vec![0.0; rows.len() * self.latent_dim];
                for (&id, drawn) in batch.ids[rows.clone()].iter().zip(drawn.chunks_mut(self.latent_dim)) {
                    noise.child(id).normals(drawn);
                }
                self.vae.losses(batch, rows, drawn)
            };
            shards.into_par_iter().map(forward).collect()
        })
    }

    /// Each row's loss, and each latent dimension's KL averaged over the rows.
    fn read(&self, shards: &[RowLosses]) -> Result<(Loss, Vec<f64>)> {
        let (mut loss, mut dimensions) = (Loss::default(), vec![0.0; self.latent_dim]);
        for shard in shards {
            loss.nll.extend(shard.nll.to_vec1::<f32>()?.into_iter().map(f64::from));
            for row in shard.kl.to_vec2::<f32>()? {
                loss.kl.push(row.iter().copied().map(f64::from).sum());
                for (sum, kl) in dimensions.iter_mut().zip(row) {
                    *sum += f64::from(kl);
                }
            }
        }
        let rows = loss.nll.len().max(1) as f64;
        dimensions.iter_mut().for_each(|sum| *sum /= rows);
        Ok((loss, dimensions))
    }

    /// Gradients of Σ rows' weight · (NLL + Σ dimensions' weight · KL), in the order of the parameters.
    fn gradients(&self, shards: &[RowLosses], weights: &[f32], paid: &[f32]) -> Result<Vec<Tensor>> {
        let vars = self.params.vars();
        let ranges: Vec<_> = self.shards(weights.len()).collect();
        let of_shards: Vec<Vec<Tensor>> = self.pool.install(|| {
            let backward = |(shard, rows): (&RowLosses, &Range<usize>)| -> Result<_> {
                let device = shard.nll.device();
                let weights = Tensor::from_slice(&weights[rows.clone()], rows.len(), device)?;
                let paid = Tensor::from_slice(paid, (1, paid.len()), device)?;
                let kl = shard.kl.broadcast_mul(&paid)?.sum(1)?;
                let loss = ((&shard.nll + kl)? * weights)?.sum_all()?;
                let mut gradients = loss.backward()?;
                let gradient = |var: &candle_core::Var| match gradients.remove(var) {
                    Some(gradient) => Ok(gradient),
                    None => var.zeros_like(),
                };
                Ok(vars.iter().map(gradient).collect::<candle_core::Result<Vec<_>>>()?)
            };
            shards.par_iter().zip(&ranges).map(backward).collect::<Result<_>>()
        })?;
        let mut shards = of_shards.into_iter();
        let mut sums = shards.next().unwrap_or_default();
        for shard in shards {
            for (sum, gradient) in sums.iter_mut().zip(shard) {
                *sum = (&*sum + gradient)?;
            }
        }
        Ok(sums)
    }
}

/// What a gradient of length `norm` is multiplied by so that it is no longer than `clip_norm`, if that is not 0.
fn clip(norm: f64, clip_norm: f64) -> f64 {
    if clip_norm > 0.0 && norm > clip_norm { clip_norm / norm } else { 1.0 }
}

/// The weight of each latent dimension's KL: none while its mean over the batch is within the free bits.
fn paid(dimensions: &[f64], beta: f64, free_bits: f64) -> Vec<f32> {
    let weight = |&kl: &f64| if free_bits > 0.0 && kl <= free_bits { 0.0 } else { beta as f32 };
    dimensions.iter().map(weight).collect()
}

/// One over the number of rows kept for those, 0 for the rows of highest loss.
fn row_weights(losses: &[f64], trim: f64) -> Vec<f32> {
    let keep = kept(losses.len(), trim);
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    let mut weights = vec![0.0; losses.len()];
    for &row in &order[..keep] {
        weights[row] = 1.0 / keep as f32;
    }
    weights
}

#[cfg(test)]
mod tests;
