//! The network with fixed parameters, in tensors: rows are encoded, scored and decoded where they are, a block at a time.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};

use super::network::{TensorNetwork, cells};
use super::placer::{all_numbers, numbers};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::beside;
use crate::model::encoded::Encoded;
use crate::model::network::Network;
use crate::model::parameters::Weights;

/// The network, ready to encode.
pub(crate) struct TensorEncoder {
    network: TensorNetwork,
    /// All parameters.
    parameters: Tensor,
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

impl TensorEncoder {
    /// The network with these weights.
    pub(crate) fn new(layout: &Layout, network: &Network, weights: &Weights, device: &Device) -> Result<Self> {
        let (inputs, outputs) = (layout.encoder_inputs(), layout.outputs());
        let widest = [inputs, outputs].into_iter().chain(network.hidden.iter().copied()).max().unwrap_or(1).max(1);
        let block = BLOCK_BYTES / size_of::<f32>() / widest / BLOCK_ROWS.0 * BLOCK_ROWS.0;
        let network = TensorNetwork::new(layout, network, device, false)?;
        let flat = network.places.flat(weights);
        let parameters = network.placer.tensor(&flat, &[flat.len()])?;
        Ok(Self { network, parameters, block: block.clamp(BLOCK_ROWS.0, BLOCK_ROWS.1), turn: Mutex::default() })
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Nothing is random: the same row gives the
    /// same bits in any batch. Appends the decoder's outputs, `[rows, outputs]`, to `outputs`, if they are asked for: else
    /// they stay on the device.
    pub(crate) fn encode(&self, batch: &Batch, mut outputs: Option<&mut Vec<f32>>) -> Result<Encoded> {
        let mut encoded = Encoded {
            latent_dim: self.network.latent_dim,
            features: self.network.layout.inputs(),
            ..Encoded::default()
        };
        for rows in self.blocks(batch) {
            self.encode_block(batch, rows, &mut encoded, outputs.as_deref_mut())?;
        }
        Ok(encoded)
    }

    /// The posterior mean and log-variance alone, `[rows, latent_dim]` each: the decoder does nothing.
    pub(crate) fn posterior(&self, batch: &Batch) -> Result<[Vec<f32>; 2]> {
        let mut all = [Vec::new(), Vec::new()];
        for range in self.blocks(batch) {
            let rows = self.network.placer.place_rows(batch, range.clone(), self.block, None)?;
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let (_, posterior) = self.network.posterior(&self.parameters, &rows.seen)?;
            let real = |tensor: &Tensor| tensor.narrow(0, 0, range.len());
            let block = numbers([&real(posterior.mean())?, &real(&posterior.log_variance)?])?;
            all.iter_mut().zip(block).for_each(|(all, block)| all.extend(block));
        }
        Ok(all)
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, and their given inputs, to `into`: `[rows, outputs]`.
    pub(crate) fn decode(&self, z: &[f32], given: &[f32], into: &mut Vec<f32>) -> Result<()> {
        let (latent_dim, given_inputs) = (self.network.latent_dim, self.network.layout.given().inputs());
        let width = latent_dim + given_inputs;
        for z in beside((z, latent_dim), (given, given_inputs)).chunks(self.block * width) {
            let rows = z.len() / width;
            let mut block = z.to_vec();
            block.resize(self.block * width, 0.0);
            let block = self.network.placer.tensor(&block, &[self.block, width])?;
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let decoder = self.network.decode_beside(&self.parameters, &block)?;
            let output = decoder.last().map_or(&block, |pass| &pass.output);
            into.extend(all_numbers(&[&output.narrow(0, 0, rows)?])?);
        }
        Ok(())
    }

    /// The blocks of a batch.
    fn blocks(&self, batch: &Batch) -> impl Iterator<Item = Range<usize>> + use<> {
        let (block, rows) = (self.block, batch.rows());
        (0..rows).step_by(block).map(move |from| from..rows.min(from + block))
    }

    fn encode_block(
        &self,
        batch: &Batch,
        range: Range<usize>,
        encoded: &mut Encoded,
        outputs: Option<&mut Vec<f32>>,
    ) -> Result<()> {
        let network = &self.network;
        let rows = network.placer.place_rows(batch, range.clone(), self.block, None)?;
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, posterior) = network.posterior(&self.parameters, &rows.seen)?;
        let decoder = network.decode(&self.parameters, posterior.mean(), &rows.seen)?;
        let cells = cells(&rows, &decoder, &self.parameters);
        let (heads, nll) = network.likelihood(&cells)?;
        let squared_error = network.squared_error(&cells, &heads)?;
        let kl = network.sum_columns(&TensorNetwork::kl(&posterior, &posterior.log_variance.exp()?)?)?;
        let real = |tensor: &Tensor| tensor.narrow(0, 0, range.len());
        let of_rows = [posterior.mean(), &posterior.log_variance, &squared_error, &nll, &kl].map(real);
        let [mean, log_variance, squared_error, nll, kl] = of_rows;
        let [mean, log_variance, squared_error, nll, kl] =
            numbers([&mean?, &log_variance?, &squared_error?, &nll?, &kl?])?;
        if let Some(outputs) = outputs {
            outputs.extend(all_numbers(&[&real(cells.output)?])?);
        }
        drop(turn);
        encoded.mean.extend(mean);
        encoded.log_variance.extend(log_variance);
        encoded.squared_error.extend(squared_error);
        encoded.nll.extend(nll);
        encoded.kl.extend(kl);
        let features = encoded.features;
        match &batch.known {
            Some(known) => encoded.known.extend(
                known.chunks_exact(features).skip(range.start).take(range.len()).map(|row| row.iter().sum::<f32>()),
            ),
            None => encoded.known.extend(std::iter::repeat_n(features as f32, range.len())),
        }
        Ok(())
    }
}
