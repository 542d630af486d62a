//! The network and its two uses: the loss of training rows, and the scores of encoded ones.
//!
//! Kingma & Welling 2014, "Auto-encoding variational Bayes", with a diagonal Gaussian posterior, a standard normal
//! prior, an MLP encoder and the mirrored decoder.

use candle_core::{D, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

use super::likelihood::{Head, head};
use super::mlp::{Mlp, linear};
use super::params::{Weights, frozen};
use crate::batch::Batch;
use crate::config::Activation;
use crate::error::Result;
use crate::layout::{Group, Layout};

/// Bounds of the posterior's log-variance: below, a latent carries no more than the row is known to; above, it is far
/// wider than the prior already.
const LOG_VARIANCE: (f64, f64) = (-8.0, 4.0);

/// Rows encoded at once. Fixed, and the last block padded, so that no row's bits depend on its neighbours: matrix
/// products of other sizes may take other code paths.
const ENCODE_ROWS: usize = 256;

/// The shape of the network between the row vector and the latents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Widths of the encoder's hidden layers; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Width of the latent space.
    pub latent_dim: usize,
    /// Nonlinearity after every hidden layer.
    pub activation: Activation,
    /// Lower bound of the learned log-variance of numbers, on the model's scale: a number that hardly varies must not
    /// earn so much likelihood that the rest is not learned.
    pub noise_floor: f64,
}

impl Network {
    /// Number of weights and biases between `inputs` and `outputs`, saturating.
    pub fn parameters(&self, inputs: usize, outputs: usize) -> usize {
        let layer = |inputs: usize, outputs: usize| inputs.saturating_add(1).saturating_mul(outputs);
        let stack =
            |widths: &[usize]| widths.windows(2).map(|pair| layer(pair[0], pair[1])).fold(0, usize::saturating_add);
        let last = self.hidden.last().copied().unwrap_or(inputs);
        let first = self.hidden.first().copied().unwrap_or(self.latent_dim);
        [
            stack(&self.encoder(inputs)),
            layer(last, self.latent_dim),
            layer(last, self.latent_dim),
            stack(&self.decoder()),
            layer(first, outputs),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    fn encoder(&self, inputs: usize) -> Vec<usize> {
        std::iter::once(inputs).chain(self.hidden.iter().copied()).collect()
    }

    fn decoder(&self) -> Vec<usize> {
        std::iter::once(self.latent_dim).chain(self.hidden.iter().rev().copied()).collect()
    }
}

/// What the model says of encoded rows. Vectors are a value a row unless a shape is given.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Encoded {
    /// Width of the latent space.
    pub latent_dim: usize,
    /// Number of features.
    pub features: usize,
    /// Posterior mean, `[rows, latent_dim]`.
    pub mean: Vec<f32>,
    /// Posterior log-variance, `[rows, latent_dim]`.
    pub log_variance: Vec<f32>,
    /// Squared error of the reconstruction at the posterior mean, summed over known features, on the model's scale.
    pub squared_error: Vec<f32>,
    /// Negative log-likelihood of the row at the posterior mean, summed over known features, in nats.
    pub nll: Vec<f32>,
    /// KL divergence of the posterior from the prior, in nats.
    pub kl: Vec<f32>,
    /// Number of known features.
    pub known: Vec<f32>,
}

/// The network with its weights, trainable or frozen.
pub(crate) struct Vae {
    layout: Layout,
    groups: Vec<(Group, Box<dyn Head>)>,
    latent_dim: usize,
    encoder: Mlp,
    mean: Linear,
    log_variance: Linear,
    decoder: Mlp,
    output: Linear,
    device: Device,
}

/// Rows as tensors: `[rows, inputs]`, and `[rows, features]` of 1 where known.
struct Rows {
    x: Tensor,
    known: Option<Tensor>,
}

/// The loss of rows before weighing: `[rows]` and `[rows, latent_dim]`.
pub(super) struct RowLosses {
    pub(super) nll: Tensor,
    pub(super) kl: Tensor,
}

impl Vae {
    /// Builds the network with the parameters of `builder`.
    pub(super) fn new(layout: &Layout, network: &Network, builder: &VarBuilder<'_>) -> Result<Self> {
        let (inputs, outputs, latent_dim) = (layout.inputs(), layout.outputs(), network.latent_dim);
        let last = network.hidden.last().copied().unwrap_or(inputs);
        let first = network.hidden.first().copied().unwrap_or(latent_dim);
        let heads = builder.pp("likelihood");
        let group = |group: Group| head(&group, network.noise_floor, &heads).map(|head| (group, head));
        Ok(Self {
            groups: layout.groups().into_iter().map(group).collect::<candle_core::Result<_>>()?,
            layout: layout.clone(),
            latent_dim,
            encoder: Mlp::new(&builder.pp("encoder"), &network.encoder(inputs), network.activation)?,
            mean: linear(&builder.pp("posterior.mean"), last, latent_dim)?,
            log_variance: linear(&builder.pp("posterior.log_variance"), last, latent_dim)?,
            decoder: Mlp::new(&builder.pp("decoder"), &network.decoder(), network.activation)?,
            output: linear(&builder.pp("output"), first, outputs)?,
            device: builder.device().clone(),
        })
    }

    /// Builds the network around fixed weights.
    ///
    /// # Errors
    /// If a weight is missing or of another shape than the network's.
    pub(crate) fn with_weights(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        Self::new(layout, network, &frozen(weights, device)?)
    }

    /// The names and shapes of the parameters a network has.
    pub(crate) fn parameters(layout: &Layout, network: &Network) -> Result<Vec<(String, Vec<usize>)>> {
        let params = super::params::Params::new(0);
        Self::new(layout, network, &params.builder(&Device::Cpu))?;
        Ok(params.weights()?.into_iter().map(|(name, weight)| (name, weight.shape)).collect())
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

    /// Sums a head's answer over the known features of every group: `[rows]`.
    fn sum_known(
        &self,
        rows: &Rows,
        output: &Tensor,
        answer: impl Fn(&dyn Head, &Tensor, &Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let mut total: Option<Tensor> = None;
        for (group, head) in &self.groups {
            let part = |all: &Tensor, range: &std::ops::Range<usize>| all.narrow(1, range.start, range.len());
            let mut each = answer(head.as_ref(), &part(&rows.x, &group.input)?, &part(output, &group.output)?)?;
            if let Some(known) = &rows.known {
                each = (each * part(known, &group.features)?)?;
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

    /// The two parts of the negative ELBO of rows `range` of a batch, with one draw a row from the posterior:
    /// z = mean + noise · exp(log-variance / 2), noise `[rows, latent_dim]`.
    pub(super) fn losses(&self, batch: &Batch, range: std::ops::Range<usize>, noise: Vec<f32>) -> Result<RowLosses> {
        let rows = self.rows(batch, range.clone(), range.len())?;
        let noise = Tensor::from_vec(noise, (range.len(), self.latent_dim), &self.device)?;
        let (mean, log_variance) = self.posterior(&rows.x)?;
        let z = (&mean + (noise * (&log_variance * 0.5)?.exp()?)?)?;
        let output = self.decode(&z)?;
        let nll = self.sum_known(&rows, &output, |head, x, output| head.nll(x, output))?;
        Ok(RowLosses { nll, kl: Self::kl(&mean, &log_variance)? })
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Draws nothing: the same row gives the same
    /// bits in any batch.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<Encoded> {
        let mut encoded =
            Encoded { latent_dim: self.latent_dim, features: self.layout.features(), ..Encoded::default() };
        for from in (0..batch.rows()).step_by(ENCODE_ROWS) {
            let rows = ENCODE_ROWS.min(batch.rows() - from);
            self.encode_block(batch, from..from + rows, &mut encoded)?;
        }
        Ok(encoded)
    }

    fn encode_block(&self, batch: &Batch, range: std::ops::Range<usize>, encoded: &mut Encoded) -> Result<()> {
        let features = self.layout.features();
        let rows = self.rows(batch, range.clone(), ENCODE_ROWS)?;
        let (mean, log_variance) = self.posterior(&rows.x)?;
        let output = self.decode(&mean)?;
        let take = |tensor: &Tensor, into: &mut Vec<f32>| -> candle_core::Result<()> {
            into.extend(tensor.narrow(0, 0, range.len())?.flatten_all()?.to_vec1::<f32>()?);
            Ok(())
        };
        take(
            &self.sum_known(&rows, &output, |head, x, output| head.squared_error(x, output))?,
            &mut encoded.squared_error,
        )?;
        take(&self.sum_known(&rows, &output, |head, x, output| head.nll(x, output))?, &mut encoded.nll)?;
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
        let tensor = |values: &[f32], width: usize| {
            let values = &values[range.start * width..range.end * width];
            if range.len() == height {
                return Tensor::from_slice(values, (height, width), &self.device);
            }
            let mut padded = values.to_vec();
            padded.resize(height * width, 0.0);
            Tensor::from_vec(padded, (height, width), &self.device)
        };
        let known = batch.known.as_deref().map(|known| tensor(known, self.layout.features())).transpose()?;
        Ok(Rows { x: tensor(&batch.x, self.layout.inputs())?, known })
    }
}
