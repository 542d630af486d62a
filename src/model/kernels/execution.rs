//! Training on worker threads: each takes shards of a batch, and the gradients are summed in order.

#![forbid(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::adam;
use super::layers::{Layers, Workspace};
use super::rows::KernelRows;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::adam::AdamMoments;
use crate::model::network::Network;
use crate::model::parameters::Weights;
use crate::model::trainer::{Checkpoint, Execution, Loss, StepInput};

/// The network in training on the CPU.
pub(crate) struct Kernels {
    layers: Layers,
    parameters: Vec<f32>,
    moments: AdamMoments<Vec<f32>>,
    shard_rows: usize,
    /// One for each shard of the largest batch so far, for reuse.
    spaces: Vec<Workspace>,
    gradients: Vec<Vec<f32>>,
    /// Rows of the batch that went forward last.
    forward_rows: usize,
    pool: rayon::ThreadPool,
}

impl Kernels {
    /// Starts from `weights`. A shard has a fixed number of rows, so that the number of threads changes no result.
    pub(crate) fn new(
        layout: &Layout,
        network: &Network,
        weights: &Weights,
        shard_rows: usize,
        threads: usize,
    ) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("gradient-{n}"))
            .build()
            .map_err(|source| Error::Threads { source: Box::new(source) })?;
        let layers = Layers::new(layout, network);
        let parameters = layers.flat(weights);
        let moments = AdamMoments::new(|| vec![0.0; parameters.len()]);
        Ok(Self {
            layers,
            parameters,
            moments,
            shard_rows,
            spaces: Vec::new(),
            gradients: Vec::new(),
            forward_rows: 0,
            pool,
        })
    }

    fn shard(&self, n: usize, rows: usize) -> Range<usize> {
        n * self.shard_rows..rows.min((n + 1) * self.shard_rows)
    }

    /// Makes buffers for the shards of a batch. Returns their number.
    fn make_room(&mut self, batch: &Batch) -> usize {
        let shards = batch.rows().div_ceil(self.shard_rows);
        while self.spaces.len() < shards {
            self.spaces.push(self.layers.workspace(self.shard_rows, true));
        }
        shards
    }

    /// Runs `pass` on every shard, then sums the gradients. Returns their norm.
    fn gradients(&mut self, batch: &Batch, pass: impl Fn(&Self, usize, (&mut Workspace, &mut Vec<f32>)) + Sync) -> f64 {
        let shards = self.make_room(batch);
        while self.gradients.len() < shards {
            self.gradients.push(vec![0.0; self.layers.len()]);
        }
        let (mut spaces, mut gradients) = (std::mem::take(&mut self.spaces), std::mem::take(&mut self.gradients));
        let norm = self.pool.install(|| {
            let each = spaces[..shards].par_iter_mut().zip(&mut gradients[..shards]);
            each.enumerate().for_each(|(n, shard)| pass(self, n, shard));
            self.layers.keep_in_bounds(&self.parameters, &mut gradients[..shards]);
            adam::sum_and_norm(&mut gradients[..shards])
        });
        (self.spaces, self.gradients) = (spaces, gradients);
        norm
    }

    fn shard_forward(&self, n: usize, StepInput { batch, noise, .. }: &StepInput, space: &mut Workspace) {
        let range = self.shard(n, batch.rows());
        let draws = space.latents.noise.chunks_exact_mut(self.layers.latent_dim);
        batch.ids[range.clone()].iter().zip(draws).for_each(|(&id, draw)| noise.child(id).normals(draw));
        self.layers.forward(&self.parameters, KernelRows::of(batch, range, self.layers.inputs), space);
    }

    fn shard_backward(
        &self,
        n: usize,
        batch: &Batch,
        weights: &[f32],
        paid: &[f32],
        by_mean: Option<&[f32]>,
        (space, gradients): (&mut Workspace, &mut [f32]),
    ) {
        let (range, latent_dim) = (self.shard(n, batch.rows()), self.layers.latent_dim);
        let rows = KernelRows::of(batch, range.clone(), self.layers.inputs);
        let by_mean = by_mean.map(|by_mean| &by_mean[range.start * latent_dim..range.end * latent_dim]);
        self.layers.backward(&self.parameters, rows, (&weights[range], paid, by_mean), space, gradients);
    }

    /// Each row's loss, and each latent dimension's KL averaged over the rows.
    fn losses(&self, rows: usize) -> Loss {
        let latent_dim = self.layers.latent_dim;
        let mut loss = Loss { dimensions: vec![0.0; latent_dim], ..Loss::default() };
        for (n, space) in self.spaces.iter().take(rows.div_ceil(self.shard_rows)).enumerate() {
            let rows = self.shard(n, rows).len();
            loss.nll.extend(space.losses[..rows].iter().map(|loss| f64::from(loss.nll)));
            for row in space.latents.kl.chunks_exact(latent_dim).take(rows) {
                loss.kl.push(row.iter().copied().map(f64::from).sum());
                for (sum, &kl) in loss.dimensions.iter_mut().zip(row) {
                    *sum += f64::from(kl);
                }
            }
        }
        loss.dimensions.iter_mut().for_each(|sum| *sum /= rows.max(1) as f64);
        loss
    }
}

impl Execution for Kernels {
    fn forward(&mut self, input: &StepInput) -> Result<Loss> {
        let shards = self.make_room(&input.batch);
        let mut spaces = std::mem::take(&mut self.spaces);
        let pass = |(n, space): (usize, &mut Workspace)| self.shard_forward(n, input, space);
        self.pool.install(|| spaces[..shards].par_iter_mut().enumerate().for_each(pass));
        self.spaces = spaces;
        self.forward_rows = input.batch.rows();
        Ok(self.losses(self.forward_rows))
    }

    fn nll_of_numbers(&self, StepInput { batch, .. }: &StepInput, weights: &[f32]) -> Result<Vec<f64>> {
        let of_shard = |(n, space): (usize, &Workspace)| {
            let rows = KernelRows::of(batch, self.shard(n, batch.rows()), self.layers.inputs);
            self.layers.nll_of_numbers(&self.parameters, rows, space, weights)
        };
        let shards = self.spaces.par_iter().take(batch.rows().div_ceil(self.shard_rows)).enumerate();
        let nll: Vec<Vec<f32>> = self.pool.install(|| shards.map(of_shard).collect());
        Ok(nll.into_iter().flatten().map(f64::from).collect())
    }

    fn means(&self) -> Result<Vec<f32>> {
        let latent_dim = self.layers.latent_dim;
        let mut means = Vec::with_capacity(self.forward_rows * latent_dim);
        for (n, space) in self.spaces.iter().take(self.forward_rows.div_ceil(self.shard_rows)).enumerate() {
            let rows = space.posterior().chunks_exact(2 * latent_dim).take(self.shard(n, self.forward_rows).len());
            rows.for_each(|row| means.extend_from_slice(&row[..latent_dim]));
        }
        Ok(means)
    }

    fn backward(
        &mut self,
        StepInput { batch, .. }: &StepInput,
        weights: &[f32],
        paid: &[f32],
        by_mean: Option<&[f32]>,
    ) -> Result<f64> {
        Ok(self.gradients(batch, |kernels, n, (space, gradients)| {
            kernels.shard_backward(n, batch, weights, paid, by_mean, (space, gradients));
        }))
    }

    /// A shard goes forward and backward while it is in its thread's cache.
    fn forward_and_backward(&mut self, input: &StepInput, weights: &[f32], paid: &[f32]) -> Result<(Loss, f64)> {
        let batch = &input.batch;
        let norm = self.gradients(batch, |kernels, n, (space, gradients)| {
            kernels.shard_forward(n, input, space);
            kernels.shard_backward(n, batch, weights, paid, None, (space, gradients));
        });
        Ok((self.losses(batch.rows()), norm))
    }

    fn update(&mut self, factor: f64, lr: f64) -> Result<()> {
        let Self { parameters, moments, gradients, pool, .. } = self;
        if let Some(sum) = gradients.first() {
            pool.install(|| adam::update(parameters, moments, sum, factor, lr));
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let moments = self.moments.map(|flat| Ok(self.layers.named(flat)))?;
        Ok(Checkpoint { weights: self.layers.named(&self.parameters), moments })
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.parameters = self.layers.flat(&checkpoint.weights);
        self.moments = checkpoint.moments.map(|weights| Ok(self.layers.flat(weights)))?;
        Ok(())
    }
}
