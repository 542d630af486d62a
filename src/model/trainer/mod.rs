//! Gradient steps: Adam on the negative ELBO of a batch and the loss of its pairs of neighbours, with trimming and clipping.

#![forbid(unsafe_code)]

mod feed;
mod neighbor_loss;

pub(crate) use self::feed::Feed;
use self::neighbor_loss::{NeighborLoss, neighbor_loss};
use super::adam::AdamMoments;
use super::kernels::Kernels;
use super::network::Network;
use super::parameters::{Weight, Weights, initial};
use super::tensors::{Placed, Placer, Tensors};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;
use crate::numerics::RandomStream;

/// Steps of which the losses may wait on a device.
const MOST_UNREAD: usize = 64;

/// The options of one gradient step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Learning rate.
    pub(crate) lr: f64,
    /// KL weight.
    pub(crate) beta: f64,
    /// Nats of KL that each latent dimension may have for free, averaged over the batch (Kingma et al. 2016,
    /// "Improved variational inference with inverse autoregressive flow", appendix C.8).
    pub(crate) free_bits: f64,
    /// Largest global gradient norm; 0 is off (Pascanu, Mikolov & Bengio 2013).
    pub(crate) clip_norm: f64,
    /// Share of the rows, those of the highest loss, that are left out of the ELBO; of [`Trainer::trim_by`], if it was called.
    pub(crate) trim: f64,
    /// Weight of the loss of pairs of neighbours.
    pub(crate) neighbor_weight: f64,
}

/// Rows and their noise, each row's from the child stream of its number. On the device if the network is there.
pub(crate) struct StepInput {
    /// The rows; of rows that stay on a device perhaps no more than their numbers.
    pub(super) batch: Batch,
    /// Pairs of neighbours at the end of the batch: first one row of every pair, then their neighbours in the same order.
    pub(super) pairs: usize,
    pub(super) noise: RandomStream,
    pub(super) placed: Option<Placed>,
}

/// The two parts of each row's negative ELBO, in nats. Vectors have one value per row unless said otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loss {
    /// Negative log-likelihood at one draw from the posterior.
    pub(crate) nll: Vec<f64>,
    /// KL divergence from the prior, over all dimensions.
    pub(crate) kl: Vec<f64>,
    /// KL divergence of each latent dimension, averaged over the rows.
    pub(super) dimensions: Vec<f64>,
}

impl Loss {
    /// Each row's loss at KL weight `beta`.
    pub(crate) fn rows(&self, beta: f64) -> impl Iterator<Item = f64> {
        self.nll.iter().zip(&self.kl).map(move |(nll, kl)| nll + beta * kl)
    }
}

/// The losses of the rows of some steps, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LossSums {
    pub(crate) rows: usize,
    /// Sum of the negative log-likelihoods.
    pub(crate) nll: f64,
    /// Sum of the KL divergences.
    pub(crate) kl: f64,
}

impl LossSums {
    fn of(loss: &Loss) -> Self {
        Self { rows: loss.nll.len(), nll: loss.nll.iter().sum(), kl: loss.kl.iter().sum() }
    }

    fn and(self, more: Self) -> Self {
        Self { rows: self.rows + more.rows, nll: self.nll + more.nll, kl: self.kl + more.kl }
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

/// How many of `rows` rows are left after a share of `trim` is left out: at least one.
fn kept(rows: usize, trim: f64) -> usize {
    (rows - (rows as f64 * trim).floor() as usize).clamp(rows.min(1), rows)
}

/// The network, its parameters and their optimiser, on one device.
pub(super) trait Execution: Send {
    /// Copies rows to the device, if it is not the CPU.
    fn placer(&self) -> Option<Placer> {
        None
    }

    /// The loss of rows at a draw from their posterior.
    fn forward(&mut self, input: &StepInput) -> Result<Loss>;

    /// The posterior means of the last batch that went forward, `[rows, latent_dim]`.
    fn means(&self) -> Result<Vec<f32>>;

    /// The negative log-likelihood, in nats, of each row of the last batch that went forward, of numbers alone, each times its
    /// weight in `weights`, `[inputs]`, 0 for what is not a number.
    fn nll_of_numbers(&self, input: &StepInput, weights: &[f32]) -> Result<Vec<f64>>;

    /// Computes the gradients of Σ rows' weight · (NLL + Σ dimensions' paid · KL) of the last batch that went forward, and of
    /// a further loss whose derivatives by the posterior means are `by_mean`, `[rows, latent_dim]`, or none; returns their
    /// norm.
    fn backward(&mut self, input: &StepInput, weights: &[f32], paid: &[f32], by_mean: Option<&[f32]>) -> Result<f64>;

    /// Both at once, if the weights of rows and of KL terms do not depend on the losses.
    fn forward_and_backward(&mut self, input: &StepInput, weights: &[f32], paid: &[f32]) -> Result<(Loss, f64)> {
        let loss = self.forward(input)?;
        Ok((loss, self.backward(input, weights, paid, None)?))
    }

    /// Updates the parameters with the last gradients, each times `factor`, at the learning rate `lr`.
    fn update(&mut self, factor: f64, lr: f64) -> Result<()>;

    /// Takes a whole step in which all rows weigh the same, and leaves its losses on the device: no step waits for the one
    /// before. False, with nothing done, if there is no device.
    fn unread_step(&mut self, _input: &StepInput, _step: &Step) -> Result<bool> {
        Ok(false)
    }

    /// Number of such steps since the last reading.
    fn unread(&self) -> usize {
        0
    }

    /// Reads the losses of these steps. `None` if one of them, or a gradient, is not finite.
    fn read(&mut self) -> Result<Option<LossSums>> {
        Ok(Some(LossSums::default()))
    }

    /// The current parameters and optimiser.
    fn checkpoint(&self) -> Result<Checkpoint>;

    /// Restores a checkpoint.
    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()>;
}

/// The state of a training: everything that a step changes.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) weights: Weights,
    pub(crate) moments: AdamMoments<Weights>,
}

impl Checkpoint {
    /// These weights, with a new optimiser.
    pub(crate) fn start(weights: Weights) -> Self {
        let zero = |weight: &Weight| Weight { shape: weight.shape.clone(), values: vec![0.0; weight.values.len()] };
        let zeros = || weights.iter().map(|(name, weight)| (name.clone(), zero(weight))).collect();
        Self { moments: AdamMoments::new(zeros), weights }
    }
}

/// A network in training.
pub(crate) struct Trainer {
    execution: Box<dyn Execution>,
    latent_dim: usize,
    /// `[inputs]`: 1 for the numbers that say which rows are trimmed, else 0; `None` if all elements say it.
    trim_by: Option<Vec<f32>>,
    /// Of the steps since the last reading whose losses are known; `None` if one was not finite.
    losses: Option<LossSums>,
}

impl Trainer {
    /// A new network on `device`, with weights from `seed`: by kernels on the CPU, else in tensors.
    pub(crate) fn new(
        layout: &Layout,
        network: &Network,
        seed: u64,
        shard_rows: usize,
        threads: usize,
        device: &candle_core::Device,
    ) -> Result<Self> {
        let weights = initial(layout, network, seed);
        Ok(Self {
            latent_dim: network.latent_dim,
            trim_by: None,
            losses: Some(LossSums::default()),
            execution: if device.is_cpu() {
                Box::new(Kernels::new(layout, network, &weights, shard_rows, threads)?)
            } else {
                Box::new(Tensors::new(layout, network, &weights, device)?)
            },
        })
    }

    /// The same on the CPU as on a device.
    #[cfg(test)]
    pub(crate) fn in_tensors(layout: &Layout, network: &Network, seed: u64) -> Result<Self> {
        let execution = Tensors::new(layout, network, &initial(layout, network, seed), &candle_core::Device::Cpu)?;
        let (latent_dim, losses) = (network.latent_dim, Some(LossSums::default()));
        Ok(Self { execution: Box::new(execution), latent_dim, trim_by: None, losses })
    }

    /// Trims rows by their KL divergence and the likelihood of the numbers of weight 1 in `numbers`, `[inputs]`; of all elements
    /// if that is `None`.
    pub(crate) fn trim_by(&mut self, numbers: Option<Vec<f32>>) {
        self.trim_by = numbers;
    }

    /// Makes inputs of batches.
    pub(crate) fn feed(&self) -> Feed {
        Feed::new(self.execution.placer())
    }

    /// Takes one gradient step, of which [`read`](Self::read) tells the losses. If the loss or the gradient is not finite, nothing
    /// is changed; where the losses wait on a device, parameters are no longer finite then.
    pub(crate) fn step(&mut self, input: &StepInput, step: &Step) -> Result<()> {
        let rows = input.batch.rows();
        let paired = input.pairs > 0 && step.neighbor_weight > 0.0;
        let (loss, norm) = if step.trim == 0.0 && step.free_bits == 0.0 && !paired {
            if self.execution.unread_step(input, step)? {
                return Ok(());
            }
            let (weights, paid) = (vec![1.0 / rows as f32; rows], vec![step.beta as f32; self.latent_dim]);
            self.execution.forward_and_backward(input, &weights, &paid)?
        } else {
            let loss = self.execution.forward(input)?;
            let weights = row_weights(&self.oddness(input, &loss, step)?, step.trim);
            let paid = paid(&loss.dimensions, step.beta, step.free_bits);
            let by_mean = paired.then(|| self.by_mean(input, step.neighbor_weight)).transpose()?;
            let norm = self.execution.backward(input, &weights, &paid, by_mean.as_deref())?;
            (loss, norm)
        };
        // A row that is left out must be finite, too: it would not be next time.
        if !norm.is_finite() || loss.rows(step.beta).any(|loss| !loss.is_finite()) {
            self.losses = None;
            return Ok(());
        }
        self.execution.update(clip(norm, step.clip_norm), step.lr)?;
        self.losses = self.losses.map(|sums| sums.and(LossSums::of(&loss)));
        Ok(())
    }

    /// Whether the losses of the steps so far should be read: always, except that those on a device wait for each other.
    pub(crate) fn should_read(&self) -> bool {
        !(1..MOST_UNREAD).contains(&self.execution.unread())
    }

    /// The losses of the steps since the last reading. `None` if one of them, or a gradient, was not finite: then the
    /// parameters are to be restored.
    pub(crate) fn read(&mut self) -> Result<Option<LossSums>> {
        let known = self.losses.replace(LossSums::default());
        Ok(self.execution.read()?.zip(known).map(|(read, known)| known.and(read)))
    }

    /// What rows are trimmed by, each row's.
    fn oddness(&self, input: &StepInput, loss: &Loss, step: &Step) -> Result<Vec<f64>> {
        let numbers = self.trim_by.as_ref().filter(|_| step.trim > 0.0);
        let Some(numbers) = numbers else { return Ok(loss.rows(step.beta).collect()) };
        let nll = self.execution.nll_of_numbers(input, numbers)?;
        Ok(nll.iter().zip(&loss.kl).map(|(nll, kl)| nll + step.beta * kl).collect())
    }

    /// The derivatives of the loss of the pairs by the posterior means, `[rows, latent_dim]`; NaN if it is not finite.
    fn by_mean(&self, input: &StepInput, weight: f64) -> Result<Vec<f32>> {
        let mean = self.execution.means()?;
        let before = (input.batch.rows() - 2 * input.pairs) * self.latent_dim;
        let NeighborLoss { value, by_mean: of_pairs } = neighbor_loss(&mean[before..], self.latent_dim, weight);
        let mut by_mean = vec![if value.is_finite() { 0.0 } else { f32::NAN }; before];
        by_mean.extend(of_pairs);
        Ok(by_mean)
    }

    /// The loss of rows without a step.
    pub(crate) fn evaluate(&mut self, input: &StepInput) -> Result<Loss> {
        self.execution.forward(input)
    }

    /// The current parameters and optimiser.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        self.execution.checkpoint()
    }

    /// Restores a checkpoint.
    pub(crate) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.losses = Some(LossSums::default());
        self.execution.restore(checkpoint)
    }
}

/// The factor that brings a gradient of length `norm` down to `clip_norm`; 1 if that is 0 or the gradient is shorter.
fn clip(norm: f64, clip_norm: f64) -> f64 {
    if clip_norm > 0.0 && norm > clip_norm { clip_norm / norm } else { 1.0 }
}

/// The weight of each latent dimension's KL: 0 while its mean over the batch is within the free bits.
fn paid(dimensions: &[f64], beta: f64, free_bits: f64) -> Vec<f32> {
    let weight = |&kl: &f64| if free_bits > 0.0 && kl <= free_bits { 0.0 } else { beta as f32 };
    dimensions.iter().map(weight).collect()
}

/// The weight of each row: one over the number of rows kept, or 0 for those of the highest loss.
fn row_weights(losses: &[f64], trim: f64) -> Vec<f32> {
    let keep = kept(losses.len(), trim);
    if keep == losses.len() {
        return vec![1.0 / keep as f32; keep];
    }
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
