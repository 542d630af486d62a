//! Training in tensors, a batch at a time.

use candle_core::{Device, Tensor};

use super::adam;
use super::network::{KlWeight, Pass, TensorNetwork, Weighting};
use super::placer::{Placed, Placer, all_numbers, numbers};
use crate::error::Result;
use crate::feature::Layout;
use crate::model::adam::AdamMoments;
use crate::model::network::Network;
use crate::model::parameters::Weights;
use crate::model::trainer::{Checkpoint, Execution, Loss, LossSums, Step, StepInput};

/// The network in training on any device.
pub(crate) struct Tensors {
    network: TensorNetwork,
    /// All parameters, `[parameters]`.
    parameters: Tensor,
    moments: AdamMoments<Tensor>,
    /// Of the batch that went forward last.
    pass: Option<Pass>,
    /// The gradient computed last.
    gradient: Option<Tensor>,
    /// What the steps since the last reading leave on the device.
    unread: Vec<Unread>,
}

/// The sums of a step that the host has not seen: of the negative log-likelihoods, of the KL divergences, and of the squares
/// of the gradient.
struct Unread {
    rows: usize,
    sums: [Tensor; 3],
}

impl Tensors {
    /// Starts from `weights`.
    pub(crate) fn new(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let network = TensorNetwork::new(layout, network, device, true)?;
        let flat = network.places.flat(weights);
        let parameters = network.placer.tensor(&flat, &[flat.len()])?;
        let zeros = parameters.zeros_like()?;
        let moments = AdamMoments::new(|| zeros.clone());
        Ok(Self { network, parameters, moments, pass: None, gradient: None, unread: Vec::new() })
    }

    fn tensor(&self, weights: &Weights) -> Result<Tensor> {
        let flat = self.network.places.flat(weights);
        Ok(self.network.placer.tensor(&flat, &[flat.len()])?)
    }

    /// The rows of an input, on the device.
    fn with_rows<T>(&self, input: &StepInput, then: impl FnOnce(&Placed) -> candle_core::Result<T>) -> Result<T> {
        Ok(match &input.placed {
            Some(rows) => then(rows)?,
            None => then(&self.network.placer.place(&input.batch, input.noise)?)?,
        })
    }
}

/// Rows' losses from the numbers of a pass: `[rows]` and `[rows, latent_dim]`.
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

impl Execution for Tensors {
    fn placer(&self) -> Option<Placer> {
        Some(self.network.placer.clone())
    }

    fn forward(&mut self, input: &StepInput) -> Result<Loss> {
        let pass = self.with_rows(input, |rows| self.network.forward(&self.parameters, rows))?;
        let [nll, kl] = numbers([&pass.nll, &pass.kl])?;
        self.pass = Some(pass);
        Ok(loss(&nll, &kl))
    }

    fn nll_of_numbers(&self, _: &StepInput, weights: &[f32]) -> Result<Vec<f64>> {
        let Some(pass) = &self.pass else { return Ok(Vec::new()) };
        let [nll] = numbers([&self.network.nll_of_numbers(pass, weights)?])?;
        Ok(nll.into_iter().map(f64::from).collect())
    }

    fn means(&self) -> Result<Vec<f32>> {
        let means = self.pass.as_ref().map(|pass| all_numbers(&[pass.posterior.mean()]));
        Ok(means.transpose()?.unwrap_or_default())
    }

    fn backward(&mut self, input: &StepInput, weights: &[f32], paid: &[f32], by_mean: Option<&[f32]>) -> Result<f64> {
        let Some(pass) = self.pass.take() else { return Ok(0.0) };
        let weighting = Weighting { rows: Some(weights), kl: KlWeight::Each(paid), by_mean };
        let gradient =
            self.with_rows(input, |rows| self.network.backward(&self.parameters, rows, &pass, &weighting))?;
        let [square] = numbers([&TensorNetwork::square(&gradient)?])?;
        self.gradient = Some(gradient);
        Ok(square.iter().copied().map(f64::from).sum::<f64>().sqrt())
    }

    fn update(&mut self, factor: f64, lr: f64) -> Result<()> {
        if let Some(gradient) = &self.gradient {
            self.parameters = adam::update(&self.parameters, &mut self.moments, gradient, factor, lr)?;
        }
        Ok(())
    }

    /// All rows weigh the same: the gradient of their sum is computed, and the weight is a factor of the update.
    fn unread_step(&mut self, input: &StepInput, step: &Step) -> Result<bool> {
        let rows = input.batch.rows();
        let weighting = Weighting { rows: None, kl: KlWeight::All(step.beta), by_mean: None };
        let (network, parameters) = (&self.network, &self.parameters);
        let (pass, gradient) = self.with_rows(input, |rows| {
            let pass = network.forward(parameters, rows)?;
            let gradient = network.backward(parameters, rows, &pass, &weighting)?;
            Ok((pass, gradient))
        })?;
        let square = TensorNetwork::square(&gradient)?;
        let share = 1.0 / rows.max(1) as f64;
        let gradient = if step.clip_norm > 0.0 {
            // The norm of the mean is `share` times this one: the factor is 1, or less where that is longer than it may be.
            let shorter = square.sqrt()?.recip()?.affine(step.clip_norm / share, 0.0)?;
            let factor = shorter.minimum(&network.one()?)?;
            gradient.reshape((gradient.elem_count(), 1))?.matmul(&factor)?.flatten_all()?
        } else {
            gradient
        };
        let nll = network.sum_rows(&pass.nll)?;
        let kl = network.sum_columns(&network.sum_rows(&pass.kl)?)?;
        self.parameters = adam::update(parameters, &mut self.moments, &gradient, share, step.lr)?;
        self.unread.push(Unread { rows, sums: [nll, kl, square] });
        Ok(true)
    }

    fn unread(&self) -> usize {
        self.unread.len()
    }

    fn read(&mut self) -> Result<Option<LossSums>> {
        let unread = std::mem::take(&mut self.unread);
        let tensors: Vec<&Tensor> = unread.iter().flat_map(|step| &step.sums).collect();
        let numbers = if tensors.is_empty() { Vec::new() } else { all_numbers(&tensors)? };
        let mut sums = LossSums::default();
        for (step, numbers) in unread.iter().zip(numbers.chunks_exact(3)) {
            if numbers.iter().any(|number| !number.is_finite()) {
                return Ok(None);
            }
            sums.rows += step.rows;
            sums.nll += f64::from(numbers[0]);
            sums.kl += f64::from(numbers[1]);
        }
        Ok(Some(sums))
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let AdamMoments { first, second, .. } = &self.moments;
        let len = self.network.places.len();
        let all = all_numbers(&[&self.parameters, first, second])?;
        let named = |n: usize| self.network.places.named(&all[n * len..][..len]);
        let moments = AdamMoments { first: named(1), second: named(2), steps: self.moments.steps };
        Ok(Checkpoint { weights: named(0), moments })
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.parameters = self.tensor(&checkpoint.weights)?;
        self.moments = checkpoint.moments.map(|weights| self.tensor(weights))?;
        self.unread.clear();
        Ok(())
    }
}
