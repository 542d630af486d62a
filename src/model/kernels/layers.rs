//! The network over one flat slice of parameters: rows forward, gradients backward, in buffers for reuse.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ops::Range;

use super::dense::{Activations, Dense};
use super::first::First;
use super::latents::LatentBuffers;
use super::rows::KernelRows;
use crate::feature::{Layout, Likelihood, LikelihoodGroup};
use crate::model::likelihood::{GroupCells, Head, Known, RowLoss, head};
use crate::model::network::Network;
use crate::model::parameters::{Parameter, Weight, Weights, parameters};

/// The network: the places of its parameters, and its layers.
pub(super) struct Layers {
    pub(super) latent_dim: usize,
    pub(super) inputs: usize,
    /// Given inputs of a row.
    pub(super) given: usize,
    pub(super) outputs: usize,
    first: First,
    /// Its further layers: hidden ones, and mean and log-variance as one layer.
    encoder: Vec<Dense>,
    /// Hidden layers and the output.
    decoder: Vec<Dense>,
    /// A group, its head, and where the head's own parameter is.
    heads: Vec<(LikelihoodGroup, Box<dyn Head>, Range<usize>)>,
    parameters: Vec<(Parameter, ParameterPlace)>,
}

/// Where the elements of a parameter are: that at row `i` and column `j` at `start` + `i`, `j` times the strides.
#[derive(Debug, Clone, Copy)]
struct ParameterPlace {
    start: usize,
    strides: [usize; 2],
}

/// The activations of rows, in buffers for a fixed number of rows.
pub(super) struct Workspace {
    encoder: Vec<Activations>,
    pub(super) latents: LatentBuffers,
    decoder: Vec<Activations>,
    /// A row's losses at its z.
    pub(super) losses: Vec<RowLoss>,
    /// Derivatives of the backward pass: by a layer's output, and by its input.
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
        let given = layout.given().inputs();
        let (mut encoder, mut decoder) =
            (stack("encoder", &network.encoder(layout.encoder_inputs())), stack("decoder", &network.decoder(given)));
        let last = network.hidden.last().copied().unwrap_or(layout.encoder_inputs());
        let first = network.hidden.first().copied().unwrap_or(network.latent_dim + given);
        decoder.push(dense("output", first, layout.outputs(), None));
        let mut posterior = dense("posterior.mean", last, network.latent_dim, None);
        let log_variance = dense("posterior.log_variance", last, network.latent_dim, None);
        assert!(posterior.weight.end == log_variance.weight.start && posterior.bias.end == log_variance.bias.start);
        posterior.outputs *= 2;
        posterior.weight.end = log_variance.weight.end;
        posterior.bias.end = log_variance.bias.end;
        encoder.push(posterior);
        let with_head = |group: LikelihoodGroup| {
            let head = head(&group, network.noise_floor);
            let parameter = head.parameter().map_or(0..0, |name| places[format!("likelihood.{name}").as_str()].clone());
            (group, head, parameter)
        };
        let heads = layout.groups().into_iter().map(with_head).collect();
        let first = encoder.remove(0);
        let parameters = parameters
            .iter()
            .map(|(parameter, range)| {
                let start = range.start;
                let place = match parameter.shape.as_slice() {
                    // Of the first layer, transposed; two weights side by side if they are mean and log-variance.
                    [outputs, inputs] if first.weight.contains(&start) => {
                        let before = (start - first.weight.start) / (outputs * inputs) * outputs;
                        ParameterPlace { start: first.weight.start + before, strides: [1, first.outputs] }
                    }
                    [_, columns] => ParameterPlace { start, strides: [*columns, 1] },
                    _ => ParameterPlace { start, strides: [1, 0] },
                };
                (parameter.clone(), place)
            })
            .collect();
        Self {
            latent_dim: network.latent_dim,
            inputs: layout.inputs(),
            given,
            outputs: layout.outputs(),
            first: First::new(first, layout),
            encoder,
            decoder,
            heads,
            parameters,
        }
    }

    /// Number of parameters.
    pub(super) fn len(&self) -> usize {
        self.parameters.iter().map(|(parameter, _)| parameter.len()).sum()
    }

    /// All parameters as one slice.
    ///
    /// # Panics
    /// If one is missing or of another length.
    pub(super) fn flat(&self, weights: &Weights) -> Vec<f32> {
        let mut flat = vec![0.0; self.len()];
        for (parameter, place) in &self.parameters {
            let values = &weights[&parameter.name].values;
            assert_eq!(values.len(), parameter.len(), "{}", parameter.name);
            match place.together(parameter) {
                Some(range) => flat[range].copy_from_slice(values),
                None => place.of(parameter).zip(values).for_each(|(at, &value)| flat[at] = value),
            }
        }
        flat
    }

    /// The parameters by name.
    pub(super) fn named(&self, flat: &[f32]) -> Weights {
        let weight = |(parameter, place): &(Parameter, ParameterPlace)| {
            let values = match place.together(parameter) {
                Some(range) => flat[range].to_vec(),
                None => place.of(parameter).map(|at| flat[at]).collect(),
            };
            (parameter.name.clone(), Weight { shape: parameter.shape.clone(), values })
        };
        self.parameters.iter().map(weight).collect()
    }

    /// Buffers for up to `rows` rows; `learns` if gradients are needed.
    pub(super) fn workspace(&self, rows: usize, learns: bool) -> Workspace {
        let activations =
            |layers: &[Dense]| layers.iter().map(|layer| Activations::new(layer, rows, learns)).collect::<Vec<_>>();
        let behind = self.encoder.iter().chain(&self.decoder).map(|layer| layer.inputs.max(layer.outputs));
        let widest = behind.max().unwrap_or(0).max(self.first.dense.outputs);
        let back = if learns { rows * widest } else { 0 };
        let mut encoder = activations(std::slice::from_ref(&self.first.dense));
        encoder.extend(activations(&self.encoder));
        Workspace {
            encoder,
            latents: LatentBuffers::new(rows, self.latent_dim, self.given),
            decoder: activations(&self.decoder),
            losses: vec![RowLoss::default(); rows],
            back: [vec![0.0; back], vec![0.0; back]],
            ones: vec![1.0; self.inputs],
            scratch: Vec::new(),
        }
    }

    /// Posterior and draw, with the workspace's noise, of rows.
    pub(super) fn posterior(&self, parameters: &[f32], rows: KernelRows<'_>, space: &mut Workspace) {
        self.first.forward(parameters, rows, &mut space.encoder[0]);
        let (first, further) = space.encoder.split_at_mut(1);
        through(&self.encoder, parameters, &first[0].y, rows.rows, further);
        let posterior = &mut last_mut(&mut space.encoder).y[..rows.rows * 2 * self.latent_dim];
        space.latents.draw(posterior, rows.given, self.latent_dim);
    }

    /// The same, and the decoder's output and the losses.
    pub(super) fn forward(&self, parameters: &[f32], rows: KernelRows<'_>, space: &mut Workspace) {
        let n = rows.rows;
        self.posterior(parameters, rows, space);
        through(&self.decoder, parameters, &space.latents.z, n, &mut space.decoder);
        let output = &last(&space.decoder).y[..n * self.outputs];
        let losses = &mut space.losses[..n];
        losses.fill(RowLoss::default());
        for (group, head, parameter) in &self.heads {
            let cells = self.cells(group, rows, output, &space.ones);
            head.add_losses(&cells, &parameters[parameter.clone()], &mut space.scratch, losses);
        }
    }

    /// The negative log-likelihood, in nats, of rows that went forward, of the numbers alone, each times its weight in `weights`,
    /// `[inputs]`.
    pub(super) fn nll_of_numbers(
        &self,
        parameters: &[f32],
        rows: KernelRows<'_>,
        space: &Workspace,
        weights: &[f32],
    ) -> Vec<f32> {
        let weighted =
            |known: &[f32]| known.iter().zip(weights.iter().cycle()).map(|(known, weight)| known * weight).collect();
        let known: Option<Vec<f32>> = rows.known.map(weighted);
        let rows = KernelRows { known: known.as_deref(), ..rows };
        let output = &last(&space.decoder).y[..rows.rows * self.outputs];
        let mut losses = vec![RowLoss::default(); rows.rows];
        for (group, head, parameter) in self.heads.iter().filter(|(group, ..)| group.likelihood == Likelihood::Gaussian)
        {
            let cells = self.cells(group, rows, output, weights);
            head.add_losses(&cells, &parameters[parameter.clone()], &mut Vec::new(), &mut losses);
        }
        losses.into_iter().map(|loss| loss.nll).collect()
    }

    /// The decoder's output for `n` rows' latents and given inputs, `[n, latent_dim + given]`.
    pub(super) fn decode<'a>(&self, parameters: &[f32], z: &[f32], n: usize, space: &'a mut Workspace) -> &'a [f32] {
        through(&self.decoder, parameters, z, n, &mut space.decoder);
        &last(&space.decoder).y[..n * self.outputs]
    }

    /// Into `gradients`, in the order of `parameters`: those of Σ rows' weight · (NLL + Σ dimensions' paid · KL), for
    /// the rows that went [`forward`](Self::forward) last, and of a further loss with these derivatives by their means.
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        rows: KernelRows<'_>,
        (weights, paid, by_mean): (&[f32], &[f32], Option<&[f32]>),
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
        let mut pass = BackwardPass { parameters, gradients, rows: n, g, back };
        pass.back_through(&self.decoder, &space.latents.z, &space.decoder);
        let (by_z, by_posterior) =
            (&pass.g[..n * (self.latent_dim + self.given)], &mut pass.back[..n * 2 * self.latent_dim]);
        space.latents.backward(&last(&space.encoder).y, by_z, weights, paid, by_posterior);
        let latent_dim = self.latent_dim;
        for (row, by_mean) in by_posterior
            .chunks_exact_mut(2 * latent_dim)
            .zip(by_mean.iter().flat_map(|all| all.chunks_exact(latent_dim)))
        {
            row.iter_mut().zip(by_mean).for_each(|(by, further)| *by += further);
        }
        std::mem::swap(&mut pass.g, &mut pass.back);
        let (first, further) = space.encoder.split_at(1);
        pass.back_through(&self.encoder, &first[0].y, further);
        self.first.backward(rows, &first[0], &mut pass.g[..n * self.first.dense.outputs], pass.gradients);
    }

    /// Takes from the gradients of shards by the heads' own parameters, summed into the first, what would move a value
    /// further beyond its bound: a step goes against the gradient.
    pub(super) fn keep_in_bounds(&self, parameters: &[f32], shards: &mut [Vec<f32>]) {
        let Some((sum, others)) = shards.split_first_mut() else { return };
        for (_, head, range) in &self.heads {
            let (least, most) = head.bounds();
            for at in range.clone() {
                for other in &mut *others {
                    sum[at] += std::mem::take(&mut other[at]);
                }
                let (s, by) = (parameters[at], sum[at]);
                if (s < least && by > 0.0) || (s > most && by < 0.0) {
                    sum[at] = 0.0;
                }
            }
        }
    }

    fn cells<'a>(
        &self,
        group: &'a LikelihoodGroup,
        rows: KernelRows<'a>,
        output: &'a [f32],
        ones: &'a [f32],
    ) -> GroupCells<'a> {
        let known = rows.known.map_or(Known::All(ones), Known::Some);
        GroupCells { group, x: (rows.x, self.inputs), output: (output, self.outputs), known }
    }
}

impl Workspace {
    /// `[rows, 2 latent_dim]`: mean and bounded log-variance.
    pub(super) fn posterior(&self) -> &[f32] {
        &last(&self.encoder).y
    }

    /// `[rows, outputs]`: the decoder's output.
    pub(super) fn output(&self) -> &[f32] {
        &last(&self.decoder).y
    }
}

fn last(kept: &[Activations]) -> &Activations {
    kept.last().expect("encoder and decoder have a layer at least: posterior and output")
}

fn last_mut(kept: &mut [Activations]) -> &mut Activations {
    kept.last_mut().expect("encoder and decoder have a layer at least: posterior and output")
}

/// Passes `n` rows through layers.
fn through(layers: &[Dense], parameters: &[f32], x: &[f32], n: usize, kept: &mut [Activations]) {
    for (i, layer) in layers.iter().enumerate() {
        let (before, here) = kept.split_at_mut(i);
        let x = before.last().map_or(x, |before| &before.y);
        layer.forward(parameters, &x[..n * layer.inputs], n, &mut here[0]);
    }
}

impl ParameterPlace {
    /// Where all elements of a parameter are, row by row, unless they are transposed: most are copied as they are.
    fn together(self, parameter: &Parameter) -> Option<Range<usize>> {
        let together = parameter.shape.get(1).is_none_or(|&columns| self.strides == [columns, 1]);
        together.then(|| self.start..self.start + parameter.len())
    }

    /// Where each element of a parameter is, row by row.
    fn of(self, parameter: &Parameter) -> impl Iterator<Item = usize> {
        let columns = parameter.shape.get(1).copied().unwrap_or(1);
        let Self { start, strides } = self;
        (0..parameter.len()).map(move |n| start + n / columns * strides[0] + n % columns * strides[1])
    }
}

/// The backward pass: parameters, their gradients, and the derivative by the output of the next layer.
struct BackwardPass<'a> {
    parameters: &'a [f32],
    gradients: &'a mut [f32],
    rows: usize,
    g: &'a mut [f32],
    back: &'a mut [f32],
}

impl BackwardPass<'_> {
    /// Goes back through layers that computed `kept` from `x`, to the derivative by `x`.
    fn back_through(&mut self, layers: &[Dense], x: &[f32], kept: &[Activations]) {
        let n = self.rows;
        for (i, layer) in layers.iter().enumerate().rev() {
            let x = if i == 0 { x } else { &kept[i - 1].y };
            let (g, back) = (&mut self.g[..n * layer.outputs], &mut self.back[..n * layer.inputs]);
            layer.backward(self.parameters, (&x[..n * layer.inputs], &kept[i]), n, g, self.gradients, back);
            std::mem::swap(&mut self.g, &mut self.back);
        }
    }
}
