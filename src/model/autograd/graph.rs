//! The network in tensors, for any device; its gradients are the tensor library's.
//!
//! Kingma & Welling 2014, "Auto-encoding variational Bayes", with a diagonal Gaussian posterior, a standard normal
//! prior, an MLP encoder and the mirrored decoder. The kernels do the same by hand and are checked against this.

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};

use super::mlp::Mlp;
use crate::batch::Batch;
use crate::error::Result;
use crate::layout::{Group, Layout};
use crate::model::likelihood::{Head, head};
use crate::model::network::{LOG_VARIANCE, Network};
use crate::model::parameters::{Weight, Weights};
use crate::model::vae::Encoded;

/// The network over tensors that record what is done with them, or do not.
pub(crate) struct Graph {
    layout: Layout,
    /// A group, its head, and the head's own parameter.
    groups: Vec<(Group, Box<dyn Head>, Option<Tensor>)>,
    latent_dim: usize,
    encoder: Mlp,
    mean: Linear,
    log_variance: Linear,
    decoder: Mlp,
    output: Linear,
    device: Device,
}

/// Rows encoded at once; the last block is padded, so that no row's bits depend on its neighbours.
const ENCODE_ROWS: usize = 256;

/// Rows as tensors: what the encoder sees, `[rows, encoder inputs]`; the row vector, `[rows, inputs]`; and the same of 1
/// where known.
struct Rows {
    seen: Tensor,
    x: Tensor,
    known: Option<Tensor>,
}

/// The loss of rows before weighing: `[rows]` and `[rows, latent_dim]`.
pub(crate) struct RowLosses {
    pub(crate) nll: Tensor,
    pub(crate) kl: Tensor,
}

impl Graph {
    /// The network with these parameters, by name.
    pub(super) fn new(
        layout: &Layout,
        network: &Network,
        parameters: HashMap<String, Tensor>,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let (inputs, outputs, latent_dim) = (layout.encoder_inputs(), layout.outputs(), network.latent_dim);
        let builder = VarBuilder::from_tensors(parameters, DType::F32, device);
        let last = network.hidden.last().copied().unwrap_or(inputs);
        let first = network.hidden.first().copied().unwrap_or(latent_dim);
        let with_head = |group: Group| {
            let head = head(&group, network.noise_floor);
            let parameter = head.parameter().map(|name| builder.pp("likelihood").get(group.elements.len(), name));
            Ok((group, head, parameter.transpose()?))
        };
        Ok(Self {
            groups: layout.groups().into_iter().map(with_head).collect::<candle_core::Result<_>>()?,
            layout: layout.clone(),
            latent_dim,
            encoder: Mlp::new(&builder.pp("encoder"), &network.encoder(inputs), network.activation)?,
            mean: linear(last, latent_dim, builder.pp("posterior.mean"))?,
            log_variance: linear(last, latent_dim, builder.pp("posterior.log_variance"))?,
            decoder: Mlp::new(&builder.pp("decoder"), &network.decoder(), network.activation)?,
            output: linear(first, outputs, builder.pp("output"))?,
            device: device.clone(),
        })
    }

    /// The network with fixed weights, which record nothing.
    pub(crate) fn frozen(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let tensor = |(name, weight): (&String, &Weight)| {
            Ok((name.clone(), Tensor::from_slice(&weight.values, weight.shape.as_slice(), device)?))
        };
        let tensors = weights.iter().map(tensor).collect::<candle_core::Result<_>>()?;
        Ok(Self::new(layout, network, tensors, device)?)
    }

    /// Posterior mean and bounded log-variance, both `[rows, latent_dim]`.
    fn posterior(&self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let hidden = self.encoder.forward(x)?;
        let log_variance = self.log_variance.forward(&hidden)?.clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)?;
        Ok((self.mean.forward(&hidden)?, log_variance))
    }

    /// The decoder's output for latents `[rows, latent_dim]`: `[rows, outputs]`.
    fn decode(&self, z: &Tensor) -> candle_core::Result<Tensor> {
        self.output.forward(&self.decoder.forward(z)?)
    }

    /// Sums a head's answer over the known elements of every group: `[rows]`.
    fn sum_known(
        &self,
        rows: &Rows,
        output: &Tensor,
        answer: impl Fn(&dyn Head, &Tensor, &Tensor, Option<&Tensor>) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let mut total: Option<Tensor> = None;
        for (group, head, parameter) in &self.groups {
            let part = |all: &Tensor, range: &std::ops::Range<usize>| all.narrow(1, range.start, range.len());
            let (x, output) = (part(&rows.x, &group.elements)?, part(output, &group.output)?);
            let mut each = answer(head.as_ref(), &x, &output, parameter.as_ref())?;
            if let Some(known) = &rows.known {
                each = (each * part(known, &group.elements)?)?;
            }
            let sum = each.sum(D::Minus1)?;
            total = Some(match total {
                Some(total) => (total + sum)?,
                None => sum,
            });
        }
        match total {
            Some(total) => Ok(total),
            None => candle_core::bail!("a network needs at least one feature"),
        }
    }

    /// KL divergence from the standard normal prior, each dimension (Kingma & Welling 2014, appendix B).
    fn kl(mean: &Tensor, log_variance: &Tensor) -> candle_core::Result<Tensor> {
        ((mean.sqr()? + log_variance.exp()?)? - log_variance)?.affine(0.5, -0.5)
    }

    /// The two parts of the negative ELBO of rows, with one draw a row from the posterior:
    /// z = mean + noise · exp(log-variance / 2), noise `[rows, latent_dim]`.
    pub(crate) fn losses(&self, batch: &Batch, noise: Vec<f32>) -> candle_core::Result<RowLosses> {
        let rows = self.rows(batch, 0..batch.rows(), batch.rows())?;
        let noise = Tensor::from_vec(noise, (batch.rows(), self.latent_dim), &self.device)?;
        let (mean, log_variance) = self.posterior(&rows.seen)?;
        let z = (&mean + (noise * (&log_variance * 0.5)?.exp()?)?)?;
        let output = self.decode(&z)?;
        let nll = self.sum_known(&rows, &output, |head, x, output, parameter| head.nll(x, output, parameter))?;
        Ok(RowLosses { nll, kl: Self::kl(&mean, &log_variance)? })
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Draws nothing: the same row gives the same
    /// bits in any batch.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<Encoded> {
        let mut encoded = Encoded { latent_dim: self.latent_dim, features: self.layout.inputs(), ..Encoded::default() };
        for from in (0..batch.rows()).step_by(ENCODE_ROWS) {
            let rows = ENCODE_ROWS.min(batch.rows() - from);
            self.encode_block(batch, from..from + rows, &mut encoded)?;
        }
        Ok(encoded)
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, to `into`: `[rows, outputs]`.
    pub(crate) fn decode_rows(&self, z: &[f32], into: &mut Vec<f32>) -> Result<()> {
        for z in z.chunks(ENCODE_ROWS * self.latent_dim) {
            let rows = z.len() / self.latent_dim;
            let mut block = z.to_vec();
            block.resize(ENCODE_ROWS * self.latent_dim, 0.0);
            let output = self.decode(&Tensor::from_vec(block, (ENCODE_ROWS, self.latent_dim), &self.device)?)?;
            into.extend(output.narrow(0, 0, rows)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }

    fn encode_block(&self, batch: &Batch, range: std::ops::Range<usize>, encoded: &mut Encoded) -> Result<()> {
        let features = self.layout.inputs();
        let rows = self.rows(batch, range.clone(), ENCODE_ROWS)?;
        let (mean, log_variance) = self.posterior(&rows.seen)?;
        let output = self.decode(&mean)?;
        let take = |tensor: &Tensor, into: &mut Vec<f32>| -> candle_core::Result<()> {
            into.extend(tensor.narrow(0, 0, range.len())?.flatten_all()?.to_vec1::<f32>()?);
            Ok(())
        };
        take(
            &self.sum_known(&rows, &output, |head, x, output, _| head.squared_error(x, output))?,
            &mut encoded.squared_error,
        )?;
        take(
            &self.sum_known(&rows, &output, |head, x, output, parameter| head.nll(x, output, parameter))?,
            &mut encoded.nll,
        )?;
        take(&Self::kl(&mean, &log_variance)?.sum(D::Minus1)?, &mut encoded.kl)?;
        take(&mean, &mut encoded.mean)?;
        take(&log_variance, &mut encoded.log_variance)?;
        match &batch.known {
            Some(known) => encoded.known.extend(
                known.chunks_exact(features).skip(range.start).take(range.len()).map(|row| row.iter().sum::<f32>()),
            ),
            None => encoded.known.extend(std::iter::repeat_n(features as f32, range.len())),
        }
        Ok(())
    }

    /// Rows `range` of a batch as tensors, filled up with zeros to `height` rows.
    fn rows(&self, batch: &Batch, range: std::ops::Range<usize>, height: usize) -> candle_core::Result<Rows> {
        let inputs = self.layout.inputs();
        let tensor = |values: &[f32]| {
            let mut padded = values[range.start * inputs..range.end * inputs].to_vec();
            padded.resize(height * inputs, 0.0);
            Tensor::from_vec(padded, (height, inputs), &self.device)
        };
        let known = batch.known.as_deref().map(tensor).transpose()?;
        Ok(Rows { seen: self.seen(batch, range.clone(), height)?, x: tensor(&batch.x)?, known })
    }

    /// What the encoder sees of rows: values, and a one a class and indicator.
    fn seen(&self, batch: &Batch, range: std::ops::Range<usize>, height: usize) -> candle_core::Result<Tensor> {
        let (inputs, values, width) = (self.layout.inputs(), self.layout.values(), self.layout.encoder_inputs());
        let (x, known) = match &batch.shown {
            Some(shown) => (&shown.x, Some(&shown.known)),
            None => (&batch.x, batch.known.as_ref()),
        };
        let mut seen = vec![0.0; height * width];
        for (row, seen) in range.zip(seen.chunks_exact_mut(width)) {
            let x = &x[row * inputs..][..inputs];
            seen[..values].copy_from_slice(&x[..values]);
            self.layout.ones(x, known.map(|known| &known[row * inputs..][..inputs])).for_each(|one| seen[one] = 1.0);
        }
        Tensor::from_vec(seen, (height, width), &self.device)
    }
}
