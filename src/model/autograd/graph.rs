//! The network in tensors, for any device; its gradients are the tensor library's.
//!
//! Kingma & Welling 2014, "Auto-encoding variational Bayes", with a diagonal Gaussian posterior, a standard normal
//! prior, an MLP encoder and the mirrored decoder. The kernels do the same by hand and are checked against this.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{Linear, Module, VarBuilder, linear};

use super::mlp::Mlp;
use super::placer::{Placed, Placer, all_numbers, numbers};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{Layout, LikelihoodGroup};
use crate::model::beside;
use crate::model::encoded::Encoded;
use crate::model::likelihood::{Head, head};
use crate::model::network::{LOG_VARIANCE, Network};
use crate::model::parameters::{Weight, Weights};

/// The network over tensors, which record operations for gradients or not.
pub(crate) struct Graph {
    layout: Layout,
    /// A group, its head, and the head's own parameter.
    groups: Vec<(LikelihoodGroup, Box<dyn Head>, Option<Tensor>)>,
    latent_dim: usize,
    encoder: Mlp,
    mean: Linear,
    log_variance: Linear,
    decoder: Mlp,
    output: Linear,
    placer: Placer,
    /// Rows encoded at once.
    block: usize,
    /// Held while a block is computed: blocks in parallel would only take more memory.
    turn: Mutex<()>,
}

/// Bytes of the widest layer of a block, within the bounds on rows below. A function of the network alone, and the last
/// block is padded, so that no row's bits depend on its neighbours. A device wants far larger blocks than a CPU.
const BLOCK_BYTES: usize = 4 << 20;

/// Rows of a block.
const BLOCK_ROWS: (usize, usize) = (256, 8192);

/// The loss of rows before weighing: `[rows]` and `[rows, latent_dim]`.
#[derive(Clone)]
pub(crate) struct RowLosses {
    pub(crate) nll: Tensor,
    pub(crate) kl: Tensor,
    pub(super) posterior: Posterior,
}

/// The posterior of rows, all `[rows, latent_dim]`. Backpropagation stops here and restarts with the gradient at the
/// bounds.
#[derive(Clone)]
pub(super) struct Posterior {
    /// Mean and log-variance, the latter without its bounds.
    pub(super) encoded: [Tensor; 2],
    /// The same, within bounds, as what the losses depend on.
    pub(super) taken: [Var; 2],
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
        let widest = [inputs, outputs].into_iter().chain(network.hidden.iter().copied()).max().unwrap_or(1).max(1);
        let block = BLOCK_BYTES / size_of::<f32>() / widest / BLOCK_ROWS.0 * BLOCK_ROWS.0;
        let last = network.hidden.last().copied().unwrap_or(inputs);
        let given = layout.given().inputs();
        let first = network.hidden.first().copied().unwrap_or(latent_dim + given);
        let with_head = |group: LikelihoodGroup| {
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
            decoder: Mlp::new(&builder.pp("decoder"), &network.decoder(given), network.activation)?,
            output: linear(first, outputs, builder.pp("output"))?,
            placer: Placer::new(layout, latent_dim, device),
            block: block.clamp(BLOCK_ROWS.0, BLOCK_ROWS.1),
            turn: Mutex::default(),
        })
    }

    /// The network with fixed weights, which record nothing.
    pub(crate) fn frozen(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let placer = Placer::new(layout, network.latent_dim, device);
        let tensor = |(name, weight): (&String, &Weight)| Ok((name.clone(), placer.parameter(weight)?));
        let tensors = weights.iter().map(tensor).collect::<candle_core::Result<_>>()?;
        Ok(Self::new(layout, network, tensors, device)?)
    }

    /// Posterior mean and log-variance, which has no bounds yet, both `[rows, latent_dim]`.
    fn encoded(&self, x: &Tensor) -> candle_core::Result<[Tensor; 2]> {
        let hidden = self.encoder.forward(x)?;
        Ok([self.mean.forward(&hidden)?, self.log_variance.forward(&hidden)?])
    }

    /// The heads' own parameters, by name, and their bounds.
    pub(super) fn bounds(&self) -> impl Iterator<Item = (String, (f32, f32))> {
        let bounds = |head: &dyn Head| Some((format!("likelihood.{}", head.parameter()?), head.bounds()));
        self.groups.iter().filter_map(move |(_, head, _)| bounds(head.as_ref()))
    }

    /// The decoder's output for latents, `[rows, latent_dim]`, and what the encoder saw of the rows: `[rows, outputs]`.
    fn decode(&self, z: &Tensor, seen: &Tensor) -> candle_core::Result<Tensor> {
        let (from, given) = (self.layout.own_inputs(), self.layout.given().inputs());
        if given == 0 {
            return self.decode_beside(z);
        }
        self.decode_beside(&Tensor::cat(&[z, &seen.narrow(1, from, given)?], 1)?)
    }

    /// The decoder's output for latents with their given inputs, `[rows, latent_dim + given]`.
    fn decode_beside(&self, z: &Tensor) -> candle_core::Result<Tensor> {
        self.output.forward(&self.decoder.forward(z)?)
    }

    /// Sums the values of a head over the known elements of every group: `[rows]`.
    fn sum_known(
        &self,
        rows: &Placed,
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

    /// The two parts of the negative ELBO of rows placed with noise, with one draw a row from the posterior:
    /// z = mean + noise · exp(log-variance / 2).
    pub(crate) fn losses(&self, rows: &Placed) -> candle_core::Result<RowLosses> {
        let Some(noise) = &rows.noise else { candle_core::bail!("a draw needs noise") };
        let [mean, log_variance] = self.encoded(&rows.seen)?;
        let bounded = log_variance.detach().clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)?;
        let taken = [Var::from_tensor(&mean.detach())?, Var::from_tensor(&bounded)?];
        let posterior = Posterior { encoded: [mean, log_variance], taken };
        let [mean, log_variance] = posterior.taken.each_ref().map(|taken| taken.as_tensor());
        let z = (mean + (noise * (log_variance * 0.5)?.exp()?)?)?;
        let output = self.decode(&z, &rows.seen)?;
        let nll = self.sum_known(rows, &output, |head, x, output, parameter| head.nll(x, output, parameter))?;
        Ok(RowLosses { nll, kl: Self::kl(mean, log_variance)?, posterior })
    }

    /// Copies rows to the device of this network.
    pub(crate) fn placer(&self) -> &Placer {
        &self.placer
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Nothing is random: the same row gives the
    /// same bits in any batch.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<Encoded> {
        let mut encoded = Encoded { latent_dim: self.latent_dim, features: self.layout.inputs(), ..Encoded::default() };
        for from in (0..batch.rows()).step_by(self.block) {
            let rows = self.block.min(batch.rows() - from);
            self.encode_block(batch, from..from + rows, &mut encoded)?;
        }
        Ok(encoded)
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, and their given inputs, to `into`: `[rows, outputs]`.
    pub(crate) fn decode_rows(&self, z: &[f32], given: &[f32], into: &mut Vec<f32>) -> Result<()> {
        let width = self.latent_dim + self.layout.given().inputs();
        for z in beside((z, self.latent_dim), (given, width - self.latent_dim)).chunks(self.block * width) {
            let rows = z.len() / width;
            let mut block = z.to_vec();
            block.resize(self.block * width, 0.0);
            let block = self.placer.tensor(&block, &[self.block, width])?;
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend(all_numbers(&[&self.decode_beside(&block)?.narrow(0, 0, rows)?])?);
        }
        Ok(())
    }

    fn encode_block(&self, batch: &Batch, range: std::ops::Range<usize>, encoded: &mut Encoded) -> Result<()> {
        let features = self.layout.inputs();
        let rows = self.placer.place_rows(batch, range.clone(), self.block, None)?;
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let [mean, log_variance] = self.encoded(&rows.seen)?;
        let log_variance = log_variance.clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)?;
        let output = self.decode(&mean, &rows.seen)?;
        let squared_error = self.sum_known(&rows, &output, |head, x, output, _| head.squared_error(x, output))?;
        let nll = self.sum_known(&rows, &output, |head, x, output, parameter| head.nll(x, output, parameter))?;
        let kl = Self::kl(&mean, &log_variance)?.sum(D::Minus1)?;
        let real = |tensor: Tensor| tensor.narrow(0, 0, range.len());
        let (mean, log_variance) = (real(mean)?, real(log_variance)?);
        let (squared_error, nll, kl) = (real(squared_error)?, real(nll)?, real(kl)?);
        let [mean, log_variance, squared_error, nll, kl] = numbers([&mean, &log_variance, &squared_error, &nll, &kl])?;
        drop(turn);
        encoded.mean.extend(mean);
        encoded.log_variance.extend(log_variance);
        encoded.squared_error.extend(squared_error);
        encoded.nll.extend(nll);
        encoded.kl.extend(kl);
        match &batch.known {
            Some(known) => encoded.known.extend(
                known.chunks_exact(features).skip(range.start).take(range.len()).map(|row| row.iter().sum::<f32>()),
            ),
            None => encoded.known.extend(std::iter::repeat_n(features as f32, range.len())),
        }
        Ok(())
    }
}
