//! The network over one flat slice of parameters: rows forward, gradients backward, in buffers that are kept.

use std::collections::BTreeMap;
use std::ops::Range;

use super::dense::{Activations, Dense};
use super::latents::Latents;
use crate::batch::Batch;
use crate::layout::{Group, Layout};
use crate::model::likelihood::{Cells, Head, Known, RowLoss, head};
use crate::model::network::Network;
use crate::model::parameters::{Parameter, Weight, Weights, parameters};

/// The network: which parameters are where, and what is done with them.
pub(super) struct Layers {
    pub(super) latent_dim: usize,
    pub(super) inputs: usize,
    pub(super) features: usize,
    outputs: usize,
    /// Hidden layers, and mean and log-variance as one layer.
    encoder: Vec<Dense>,
    /// Hidden layers and the output.
    decoder: Vec<Dense>,
    /// A group, its head, and where the head's own parameter is.
    heads: Vec<(Group, Box<dyn Head>, Range<usize>)>,
    parameters: Vec<(Parameter, Range<usize>)>,
}

/// Rows of a batch as the layers take them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// `[rows, inputs]`.
    pub(super) x: &'a [f32],
    /// `[rows, features]`, as in [`Batch`].
    pub(super) known: Option<&'a [f32]>,
    pub(super) rows: usize,
}

impl<'a> Rows<'a> {
    /// Rows `range` of a batch.
    pub(super) fn of(batch: &'a Batch, range: Range<usize>, layers: &Layers) -> Self {
        let part = |all: &'a [f32], width: usize| &all[range.start * width..range.end * width];
        Self {
            x: part(&batch.x, layers.inputs),
            known: batch.known.as_deref().map(|known| part(known, layers.features)),
            rows: range.len(),
        }
    }
}

/// What rows become on their way through, in buffers for a fixed number of rows.
pub(super) struct Workspace {
    encoder: Vec<Activations>,
    pub(super) latents: Latents,
    decoder: Vec<Activations>,
    /// A row's losses at its z.
    pub(super) losses: Vec<RowLoss>,
    /// Derivatives on their way back: by a layer's answer, and by its input.
    back: [Vec<f32>; 2],
    ones: Vec<f32>,
    scratch: Vec<f32>,
}

impl Layers {
    pub(super) fn new(layout: &Layout, network: &Network) -> Self {
        let mut end = 0;
        let place = |parameter: Parameter| {
            let start = end;
            end += parameter.len();
            (parameter, start..end)
        };
        let parameters: Vec<_> = parameters(layout, network).into_iter().map(place).collect();
        let places: BTreeMap<&str, Range<usize>> =
            parameters.iter().map(|(parameter, range)| (parameter.name.as_str(), range.clone())).collect();
        let dense = |name: &str, inputs, outputs, activation| Dense {
            inputs,
            outputs,
            weight: places[format!("{name}.weight").as_str()].clone(),
            bias: places[format!("{name}.bias").as_str()].clone(),
            activation,
        };
        let stack = |name: &str, widths: &[usize]| -> Vec<Dense> {
            let layer = |(n, pair): (usize, &[usize])| {
                dense(&format!("{name}.{n}"), pair[0], pair[1], Some(network.activation))
            };
            widths.windows(2).enumerate().map(layer).collect()
        };
        let (mut encoder, mut decoder) =
            (stack("encoder", &network.encoder(layout.inputs())), stack("decoder", &network.decoder()));
        let last = network.hidden.last().copied().unwrap_or(layout.inputs());
        let first = network.hidden.first().copied().unwrap_or(network.latent_dim);
        decoder.push(dense("output", first, layout.outputs(), None));
        let mut posterior = dense("posterior.mean", last, network.latent_dim, None);
        let log_variance = dense("posterior.log_variance", last, network.latent_dim, None);
        assert!(posterior.weight.end == log_variance.weight.start && posterior.bias.end == log_variance.bias.start);
        posterior.outputs *= 2;
        posterior.weight.end = log_variance.weight.end;
        posterior.bias.end = log_variance.bias.end;
        encoder.push(posterior);
        let with_head = |group: Group| {
            let head = head(group.likelihood, network.noise_floor);
            let parameter = head.parameter().map_or(0..0, |name| places[format!("likelihood.{name}").as_str()].clone());
            (group, head, parameter)
        };
        Self {
            latent_dim: network.latent_dim,
            inputs: layout.inputs(),
            features: layout.features(),
            outputs: layout.outputs(),
            encoder,
            decoder,
            heads: layout.groups().into_iter().map(with_head).collect(),
            parameters,
        }
    }

    /// Number of parameters.
    pub(super) fn len(&self) -> usize {
        self.parameters.last().map_or(0, |(_, range)| range.end)
    }

    /// All parameters as one slice.
    ///
    /// # Panics
    /// If one is missing or of another length.
    pub(super) fn flat(&self, weights: &Weights) -> Vec<f32> {
        let mut flat = vec![0.0; self.len()];
        for (parameter, range) in &self.parameters {
            flat[range.clone()].copy_from_slice(&weights[&parameter.name].values);
        }
        flat
    }

    /// The parameters by name.
    pub(super) fn named(&self, flat: &[f32]) -> Weights {
        let weight = |(parameter, range): &(Parameter, Range<usize>)| {
            let weight = Weight { shape: parameter.shape.clone(), values: flat[range.clone()].to_vec() };
            (parameter.name.clone(), weight)
        };
        self.parameters.iter().map(weight).collect()
    }

    /// Buffers for up to `rows` rows; `learns` if gradients will be asked for.
    pub(super) fn workspace(&self, rows: usize, learns: bool) -> Workspace {
        let activations =
            |layers: &[Dense]| layers.iter().map(|layer| Activations::new(layer, rows, learns)).collect::<Vec<_>>();
        let widest =
            self.encoder.iter().chain(&self.decoder).map(|layer| layer.inputs.max(layer.outputs)).max().unwrap_or(0);
        let back = if learns { rows * widest } else { 0 };
        Workspace {
            encoder: activations(&self.encoder),
            latents: Latents::new(rows, self.latent_dim),
            decoder: activations(&self.decoder),
            losses: vec![RowLoss::default(); rows],
            back: [vec![0.0; back], vec![0.0; back]],
            ones: vec![1.0; self.features],
            scratch: Vec::new(),
        }
    }

    /// Posterior, draw with the workspace's noise, decoder's output and losses of rows.
    pub(super) fn forward(&self, parameters: &[f32], rows: Rows<'_>, space: &mut Workspace) {
        let n = rows.rows;
        let posterior = through(&self.encoder, parameters, rows.x, n, &mut space.encoder);
        space.latents.draw(posterior, self.latent_dim);
        let output = through(&self.decoder, parameters, &space.latents.z, n, &mut space.decoder);
        let losses = &mut space.losses[..n];
        losses.fill(RowLoss::default());
        for (group, head, parameter) in &self.heads {
            let cells = self.cells(group, rows, output, &space.ones);
            head.add_losses(&cells, &parameters[parameter.clone()], &mut space.scratch, losses);
        }
    }

    /// Into `gradients`, in the order of `parameters`: those of Σ rows' weight · (NLL + Σ dimensions' paid · KL), for
    /// the rows that went [`forward`](Self::forward) last.
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        rows: Rows<'_>,
        weights: &[f32],
        paid: &[f32],
        space: &mut Workspace,
        gradients: &mut [f32],
    ) {
        let n = rows.rows;
        let [g, back] = &mut space.back;
        let output = &last(&space.decoder).y;
        for (group, head, parameter) in &self.heads {
            head.gradient(
                &self.cells(group, rows, output, &space.ones),
                weights,
                &parameters[parameter.clone()],
                &mut space.scratch,
                &mut g[..n * self.outputs],
                &mut gradients[parameter.clone()],
            );
        }
        let mut pass = Pass { parameters, gradients, rows: n, g, back };
        pass.back_through(&self.decoder, &space.latents.z, &space.decoder, true);
        let (by_z, by_posterior) = (&pass.g[..n * self.latent_dim], &mut pass.back[..n * 2 * self.latent_dim]);
        space.latents.backward(&last(&space.encoder).y, by_z, weights, paid, by_posterior);
        std::mem::swap(&mut pass.g, &mut pass.back);
        pass.back_through(&self.encoder, rows.x, &space.encoder, false);
    }

    fn cells<'a>(&self, group: &'a Group, rows: Rows<'a>, output: &'a [f32], ones: &'a [f32]) -> Cells<'a> {
        let known = rows.known.map_or(Known::All(ones), |known| Known::Some(known, self.features));
        Cells { group, x: (rows.x, self.inputs), output: (output, self.outputs), known }
    }
}

impl Workspace {
    /// `[rows, 2 latent_dim]`: mean and bounded log-variance.
    pub(super) fn posterior(&self) -> &[f32] {
        &last(&self.encoder).y
    }
}

fn last(kept: &[Activations]) -> &Activations {
    kept.last().expect("encoder and decoder have a layer at least: posterior and output")
}

/// Passes `n` rows through layers; the last one's answer.
fn through<'a>(
    layers: &[Dense],
    parameters: &[f32],
    x: &[f32],
    n: usize,
    kept: &'a mut [Activations],
) -> &'a mut [f32] {
    for (i, layer) in layers.iter().enumerate() {
        let (before, here) = kept.split_at_mut(i);
        let x = before.last().map_or(x, |before| &before.y);
        layer.forward(parameters, &x[..n * layer.inputs], n, &mut here[0]);
    }
    let (layer, answer) = layers.iter().zip(kept).next_back().expect("posterior or output");
    &mut answer.y[..n * layer.outputs]
}

/// The way back: parameters and their gradients, and the derivative by the answer of the layer that is next.
struct Pass<'a> {
    parameters: &'a [f32],
    gradients: &'a mut [f32],
    rows: usize,
    g: &'a mut [f32],
    back: &'a mut [f32],
}

impl Pass<'_> {
    /// Through layers that made `kept` of `x`; down to the derivative by `x` itself if that is wanted.
    fn back_through(&mut self, layers: &[Dense], x: &[f32], kept: &[Activations], by_x: bool) {
        let n = self.rows;
        for (i, layer) in layers.iter().enumerate().rev() {
            let x = if i == 0 { x } else { &kept[i - 1].y };
            let into = (i > 0 || by_x).then_some(&mut self.back[..n * layer.inputs]);
            let g = &mut self.g[..n * layer.outputs];
            layer.backward(self.parameters, (&x[..n * layer.inputs], &kept[i]), n, g, self.gradients, into);
            std::mem::swap(&mut self.g, &mut self.back);
        }
    }
}
