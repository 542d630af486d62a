//! The network on the CPU with gradients written by hand: no graph, no allocation while it runs, rows divided among
//! threads.
//!
//! The tests of the folder above compare it with the same network in tensors.

mod adam;
mod dense;
mod execution;
mod first;
mod latents;
mod layers;
mod rows;

use std::sync::{Mutex, PoisonError};

pub(super) use self::execution::Kernels;
use self::layers::{Layers, Workspace};
use self::rows::KernelRows;
use super::beside;
use super::encoded::Encoded;
use super::network::Network;
use super::parameters::Weights;
use crate::batch::Batch;
use crate::feature::Layout;

/// Rows encoded at once. The number is fixed and the last block padded, so that no row's bits depend on its neighbours:
/// matrix products of other sizes may take other code paths.
const ENCODE_ROWS: usize = 256;

/// The network with fixed weights.
pub(crate) struct Encoder {
    layers: Layers,
    parameters: Vec<f32>,
    /// Workspaces that are free, one for each thread that has encoded.
    at_rest: Mutex<Vec<Workspace>>,
}

impl Encoder {
    /// # Panics
    /// If a weight is missing or of another length than the network's.
    pub(super) fn new(layout: &Layout, network: &Network, weights: &Weights) -> Self {
        let layers = Layers::new(layout, network);
        Self { parameters: layers.flat(weights), layers, at_rest: Mutex::default() }
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Nothing is random: the same row gives the
    /// same bits in any batch. Appends the decoder's output, `[rows, outputs]`, to `outputs`, if given.
    pub(super) fn encode(&self, batch: &Batch, mut outputs: Option<&mut Vec<f32>>) -> Encoded {
        let Layers { latent_dim, inputs: features, .. } = self.layers;
        let mut encoded = Encoded { latent_dim, features, ..Encoded::default() };
        let mut space = self.space();
        let mut padded = Default::default();
        for from in (0..batch.rows()).step_by(ENCODE_ROWS) {
            let range = from..batch.rows().min(from + ENCODE_ROWS);
            let rows = KernelRows::of(batch, range, self.layers.inputs);
            self.layers.forward(&self.parameters, self.filled_up(rows, &mut padded), &mut space);
            self.take(rows, &space, &mut encoded);
            if let Some(outputs) = &mut outputs {
                outputs.extend_from_slice(&space.output()[..rows.rows * self.layers.outputs]);
            }
        }
        self.rest(space);
        encoded
    }

    /// The posterior mean and log-variance of rows, `[rows, latent_dim]` each, as [`encode`](Self::encode) finds them.
    pub(super) fn posterior(&self, batch: &Batch) -> [Vec<f32>; 2] {
        let latent_dim = self.layers.latent_dim;
        let (mut space, mut padded, mut parts) = (self.space(), Default::default(), [Vec::new(), Vec::new()]);
        for from in (0..batch.rows()).step_by(ENCODE_ROWS) {
            let range = from..batch.rows().min(from + ENCODE_ROWS);
            let rows = KernelRows::of(batch, range, self.layers.inputs);
            self.layers.posterior(&self.parameters, self.filled_up(rows, &mut padded), &mut space);
            for row in space.posterior()[..rows.rows * 2 * latent_dim].chunks_exact(2 * latent_dim) {
                let (mean, log_variance) = row.split_at(latent_dim);
                parts.iter_mut().zip([mean, log_variance]).for_each(|(all, row)| all.extend_from_slice(row));
            }
        }
        self.rest(space);
        parts
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, and their given inputs, to `into`: `[rows, outputs]`.
    pub(super) fn decode(&self, z: &[f32], given: &[f32], into: &mut Vec<f32>) {
        let (latent_dim, mut space) = (self.layers.latent_dim, self.space());
        let all = beside((z, latent_dim), (given, self.layers.given));
        let width = latent_dim + self.layers.given;
        for z in all.chunks(ENCODE_ROWS * width) {
            let mut block = z.to_vec();
            block.resize(ENCODE_ROWS * width, 0.0);
            let output = self.layers.decode(&self.parameters, &block, ENCODE_ROWS, &mut space);
            into.extend_from_slice(&output[..z.len() / width * output.len() / ENCODE_ROWS]);
        }
        self.rest(space);
    }

    fn space(&self) -> Workspace {
        let rested = self.at_rest.lock().unwrap_or_else(PoisonError::into_inner).pop();
        rested.unwrap_or_else(|| self.layers.workspace(ENCODE_ROWS, false))
    }

    fn rest(&self, space: Workspace) {
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }

    /// The rows, with zeros after them up to a whole block.
    fn filled_up<'a>(&self, rows: KernelRows<'a>, padded: &'a mut [Vec<f32>; 3]) -> KernelRows<'a> {
        if rows.rows == ENCODE_ROWS {
            return rows;
        }
        let [x, known, given] = padded;
        let room = ENCODE_ROWS * self.layers.inputs;
        x.extend_from_slice(rows.x);
        x.resize(room, 0.0);
        known.extend_from_slice(rows.known.unwrap_or_default());
        known.resize(room, 0.0);
        let known = rows.known.map(|_| known.as_slice());
        given.extend_from_slice(rows.given);
        given.resize(ENCODE_ROWS * self.layers.given, 0.0);
        // Nothing is hidden from an encoder that no longer learns.
        KernelRows { x, known, shown_x: x, shown_known: known, given, rows: ENCODE_ROWS }
    }

    fn take(&self, rows: KernelRows<'_>, space: &Workspace, encoded: &mut Encoded) {
        let Layers { latent_dim, inputs: features, .. } = self.layers;
        let n = rows.rows;
        for row in space.posterior()[..n * 2 * latent_dim].chunks_exact(2 * latent_dim) {
            encoded.mean.extend_from_slice(&row[..latent_dim]);
            encoded.log_variance.extend_from_slice(&row[latent_dim..]);
        }
        encoded.nll.extend(space.losses[..n].iter().map(|loss| loss.nll));
        encoded.squared_error.extend(space.losses[..n].iter().map(|loss| loss.squared_error));
        encoded.kl.extend(space.latents.kl.chunks_exact(latent_dim).take(n).map(|row| row.iter().sum::<f32>()));
        match rows.known {
            Some(known) => encoded.known.extend(known.chunks_exact(features).map(|row| row.iter().sum::<f32>())),
            None => encoded.known.extend(std::iter::repeat_n(features as f32, n)),
        }
    }
}
