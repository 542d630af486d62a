//! The network in tensors, for any device: rows forward, gradients backward.
//!
//! Kingma & Welling 2014, "Auto-encoding variational Bayes", with a diagonal Gaussian posterior, a standard normal
//! prior, an MLP encoder and the mirrored decoder. A device waits for each operation to be asked for, so that the fewest
//! operations are best: sums over rows or columns are products with ones, and derivatives are written out. The kernels do
//! the same in slices, and tests compare both, and the derivatives with those that the tensor library finds.

use candle_core::{Device, Result, Tensor};

use super::constant::Constant;
use super::dense::{LayerPass, TensorLayer};
use super::heads::{HeadPass, TensorCells, TensorHead, tensor_head};
use super::placer::{Placed, Placer};
use super::places::{Gradients, Places};
use crate::feature::Layout;
use crate::model::network::{LOG_VARIANCE, Network};

/// The network without its parameters.
pub(super) struct TensorNetwork {
    pub(super) layout: Layout,
    pub(super) latent_dim: usize,
    pub(super) places: Places,
    pub(super) placer: Placer,
    /// Whether it goes back.
    trains: bool,
    encoder: Vec<TensorLayer>,
    mean: TensorLayer,
    log_variance: TensorLayer,
    /// Hidden layers and the output.
    decoder: Vec<TensorLayer>,
    heads: Vec<Box<dyn TensorHead>>,
    ones: Constant,
    zeros: Constant,
    /// The bounds of the posterior's log-variance.
    bounds: [Constant; 2],
}

/// What became of rows: what their losses and derivatives depend on. `[rows, latent_dim]` unless said otherwise.
pub(super) struct Pass {
    encoder: Vec<LayerPass>,
    pub(super) posterior: Posterior,
    /// exp(log-variance).
    variance: Tensor,
    /// noise · exp(log-variance / 2).
    spread: Tensor,
    decoder: Vec<LayerPass>,
    heads: Vec<HeadPass>,
    /// Negative log-likelihood, `[rows, 1]`.
    pub(super) nll: Tensor,
    pub(super) kl: Tensor,
}

/// The posterior of rows, `[rows, latent_dim]` each.
pub(super) struct Posterior {
    mean: LayerPass,
    /// Log-variance without its bounds.
    unbounded: LayerPass,
    pub(super) log_variance: Tensor,
}

impl Posterior {
    pub(super) fn mean(&self) -> &Tensor {
        &self.mean.output
    }
}

/// The weights of rows and terms in an objective.
pub(super) struct Weighting<'a> {
    /// Of each row, `[rows]`; all the same if `None`.
    pub(super) rows: Option<&'a [f32]>,
    /// Of the KL terms: of each dimension, or of all.
    pub(super) kl: KlWeight<'a>,
    /// The derivatives of a further loss by the posterior means, `[rows, latent_dim]`.
    pub(super) by_mean: Option<&'a [f32]>,
}

/// The weights of the KL terms.
pub(super) enum KlWeight<'a> {
    All(f64),
    Each(&'a [f32]),
}

impl TensorNetwork {
    /// The network on `device`. One that `trains` can go back.
    pub(super) fn new(layout: &Layout, network: &Network, device: &Device, trains: bool) -> Result<Self> {
        let (places, placer) = (Places::new(layout, network), Placer::new(layout, network.latent_dim, device));
        let stack = |name, widths: &[usize]| TensorLayer::stack(&places, name, widths, network.activation);
        let encoder = stack("encoder", &network.encoder(layout.encoder_inputs()))?;
        let mut decoder = stack("decoder", &network.decoder(layout.given().inputs()))?;
        decoder.push(TensorLayer::new(&places, "output", None)?);
        let [mean, log_variance] =
            ["mean", "log_variance"].map(|name| TensorLayer::new(&places, &format!("posterior.{name}"), None));
        let groups = layout.groups().into_iter();
        let heads = groups.map(|group| tensor_head(group, network.noise_floor, &places, &placer));
        let constant = |value| Constant::new(value, &placer);
        Ok(Self {
            layout: layout.clone(),
            latent_dim: network.latent_dim,
            trains,
            encoder,
            mean: mean?,
            log_variance: log_variance?,
            decoder,
            heads: heads.collect::<Result<_>>()?,
            ones: constant(1.0),
            zeros: constant(0.0),
            bounds: [constant(LOG_VARIANCE.0), constant(LOG_VARIANCE.1)],
            places,
            placer,
        })
    }

    /// Posterior mean and log-variance of rows that the encoder sees so, `[rows, encoder inputs]`, and its layers.
    pub(super) fn posterior(&self, parameters: &Tensor, seen: &Tensor) -> Result<(Vec<LayerPass>, Posterior)> {
        let encoder = self.layers(&self.encoder, parameters, seen)?;
        let last = encoder.last().map_or(seen, |pass| &pass.output);
        let (mean, unbounded) =
            (self.mean.forward(parameters, last, false)?, self.log_variance.forward(parameters, last, false)?);
        let bound = |constant: &Constant| constant.shaped(unbounded.output.dims());
        let log_variance = unbounded.output.maximum(&bound(&self.bounds[0])?)?.minimum(&bound(&self.bounds[1])?)?;
        Ok((encoder, Posterior { mean, unbounded, log_variance }))
    }

    /// The decoder's layers for latents, `[rows, latent_dim]`, and what the encoder saw of the rows. The last one is its
    /// output, `[rows, outputs]`.
    pub(super) fn decode(&self, parameters: &Tensor, z: &Tensor, seen: &Tensor) -> Result<Vec<LayerPass>> {
        let (from, given) = (self.layout.own_inputs(), self.layout.given().inputs());
        if given == 0 {
            return self.decode_beside(parameters, z);
        }
        self.decode_beside(parameters, &Tensor::cat(&[z, &seen.narrow(1, from, given)?], 1)?)
    }

    /// The same for latents with their given inputs, `[rows, latent_dim + given]`.
    pub(super) fn decode_beside(&self, parameters: &Tensor, z: &Tensor) -> Result<Vec<LayerPass>> {
        self.layers(&self.decoder, parameters, z)
    }

    /// Layers one after the other.
    fn layers(&self, layers: &[TensorLayer], parameters: &Tensor, input: &Tensor) -> Result<Vec<LayerPass>> {
        let mut passes = Vec::<LayerPass>::new();
        for layer in layers {
            let pass = layer.forward(parameters, passes.last().map_or(input, |pass| &pass.output), self.trains)?;
            passes.push(pass);
        }
        Ok(passes)
    }

    /// KL divergence from the standard normal prior, each dimension (Kingma & Welling 2014, appendix B), given
    /// exp(log-variance).
    pub(super) fn kl(posterior: &Posterior, variance: &Tensor) -> Result<Tensor> {
        let squares = (posterior.mean().sqr()? + variance)?;
        (squares - &posterior.log_variance)?.affine(0.5, -0.5)
    }

    /// What the heads say of an output, and the sum of each row, `[rows, 1]`.
    pub(super) fn likelihood(&self, cells: &TensorCells<'_>) -> Result<(Vec<HeadPass>, Tensor)> {
        let passes = self.heads.iter().map(|head| head.forward(cells)).collect::<Result<Vec<_>>>()?;
        let nll = self.sums(passes.iter().map(|pass| Ok(pass.nll.clone())))?;
        Ok((passes, nll))
    }

    /// The negative log-likelihood of each row, of the numbers alone, each times its weight in `weights`, `[inputs]`: `[rows, 1]`.
    pub(super) fn nll_of_numbers(&self, pass: &Pass, weights: &[f32]) -> Result<Tensor> {
        // Numbers are the first elements, in order.
        let Some(nll) = pass.heads.first().map(|head| &head.nll) else { candle_core::bail!("a network has a head") };
        let numbers = nll.dims()[1];
        nll.matmul(&self.placer.tensor(&weights[..numbers], &[numbers, 1])?)
    }

    /// The squared error of each row, `[rows, 1]`.
    pub(super) fn squared_error(&self, cells: &TensorCells<'_>, passes: &[HeadPass]) -> Result<Tensor> {
        self.sums(self.heads.iter().zip(passes).map(|(head, pass)| head.squared_error(cells, pass)))
    }

    /// The sum of each row over the values of all groups: `[rows, 1]`.
    fn sums(&self, values: impl Iterator<Item = Result<Tensor>>) -> Result<Tensor> {
        let sum = values.map(|values| self.sum_columns(&values?)).reduce(|sum, more| sum? + more?);
        sum.unwrap_or_else(|| candle_core::bail!("a network needs at least one feature"))
    }

    /// The sum of each row of a matrix: `[rows, 1]`.
    pub(super) fn sum_columns(&self, values: &Tensor) -> Result<Tensor> {
        values.matmul(&self.ones.shaped(&[values.dims()[1], 1])?)
    }

    /// The sum of each column of a matrix: `[1, columns]`.
    pub(super) fn sum_rows(&self, values: &Tensor) -> Result<Tensor> {
        self.ones.shaped(&[1, values.dims()[0]])?.matmul(values)
    }

    /// Rows with one draw each from the posterior: z = mean + noise · exp(log-variance / 2).
    pub(super) fn forward(&self, parameters: &Tensor, rows: &Placed) -> Result<Pass> {
        let Some(noise) = &rows.noise else { candle_core::bail!("a draw needs noise") };
        let (encoder, posterior) = self.posterior(parameters, &rows.seen)?;
        let deviation = (&posterior.log_variance * 0.5)?.exp()?;
        let (spread, variance) = ((noise * &deviation)?, deviation.sqr()?);
        let decoder = self.decode(parameters, &(posterior.mean() + &spread)?, &rows.seen)?;
        let (heads, nll) = self.likelihood(&cells(rows, &decoder, parameters))?;
        let kl = Self::kl(&posterior, &variance)?;
        Ok(Pass { encoder, posterior, variance, spread, decoder, heads, nll, kl })
    }

    /// The derivatives by all parameters, `[parameters]`, of Σ rows' weight · (NLL + Σ dimensions' weight · KL), and of a
    /// further loss.
    pub(super) fn backward(
        &self,
        parameters: &Tensor,
        rows: &Placed,
        pass: &Pass,
        weighting: &Weighting<'_>,
    ) -> Result<Tensor> {
        let len = pass.kl.dims()[0];
        let row_weights = weighting.rows.map(|weights| self.placer.tensor(weights, &[1, len])).transpose()?;
        let weighted = |values: Tensor| match &row_weights {
            Some(weights) => values.broadcast_mul(&weights.t()?),
            None => Ok(values),
        };
        let (ones, mut gradients) = (self.ones.shaped(&[1, len])?, Gradients::default());
        let across = row_weights.as_ref().unwrap_or(&ones);

        let cells = cells(rows, &pass.decoder, parameters);
        let mut by_output = Vec::new();
        for (head, pass) in self.heads.iter().zip(&pass.heads) {
            let gradient = head.backward(&cells, pass)?;
            by_output.push(gradient.by_output);
            if let (Some(place), Some(by), Some(excess)) =
                (head.parameter(), gradient.by_parameter, head.excess(parameters, pass)?)
            {
                let by = across.matmul(&by)?.flatten_all()?;
                gradients.add(place, &self.inward(&by, &excess)?)?;
            }
        }
        let by_output = weighted(Tensor::cat(&by_output, 1)?)?;
        let mut by_z = self.back(&self.decoder, (parameters, &pass.decoder), by_output, &ones, &mut gradients)?;
        if self.layout.given().inputs() > 0 {
            by_z = by_z.narrow(1, 0, self.latent_dim)?.contiguous()?;
        }

        // That by a dimension's KL is its weight times (a · values + b).
        let of_kl = |values: &Tensor, (a, b): (f64, f64)| match weighting.kl {
            KlWeight::All(weight) => weighted(values.affine(weight * a, weight * b)?),
            KlWeight::Each(weights) => {
                let weights = self.placer.tensor(weights, &[1, weights.len()])?;
                weighted(values.affine(a, b)?.broadcast_mul(&weights)?)
            }
        };
        let mut by_mean = (&by_z + of_kl(pass.posterior.mean(), (1.0, 0.0))?)?;
        if let Some(further) = weighting.by_mean {
            by_mean = (by_mean + self.placer.tensor(further, pass.kl.dims())?)?;
        }
        let by_spread = (by_z * &pass.spread)?.affine(0.5, 0.0)?;
        let by_log_variance = (by_spread + of_kl(&pass.variance, (0.5, -0.5))?)?;
        let excess = (&pass.posterior.unbounded.output - &pass.posterior.log_variance)?;
        let by_log_variance = self.inward(&by_log_variance, &excess)?;

        let Posterior { mean, unbounded, .. } = &pass.posterior;
        let by_mean = self.mean.backward(mean, &by_mean, &ones, &mut gradients)?;
        let by_log_variance = self.log_variance.backward(unbounded, &by_log_variance, &ones, &mut gradients)?;
        if !self.encoder.is_empty() {
            let by_last = (self.mean.by_input(parameters, &by_mean)?
                + self.log_variance.by_input(parameters, &by_log_variance)?)?;
            self.back_to_first(&self.encoder, (parameters, &pass.encoder), by_last, &ones, &mut gradients)?;
        }
        gradients.flat()
    }

    /// Goes back through layers: the derivative by their input.
    fn back(
        &self,
        layers: &[TensorLayer],
        (parameters, passes): (&Tensor, &[LayerPass]),
        by_output: Tensor,
        ones: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let by_sums = self.back_to_first(layers, (parameters, passes), by_output, ones, gradients)?;
        layers[0].by_input(parameters, &by_sums)
    }

    /// The same, to the sums of the first layer, whose input has no derivative.
    fn back_to_first(
        &self,
        layers: &[TensorLayer],
        (parameters, passes): (&Tensor, &[LayerPass]),
        by_output: Tensor,
        ones: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let mut by = by_output;
        for (n, (layer, pass)) in layers.iter().zip(passes).enumerate().rev() {
            by = layer.backward(pass, &by, ones, gradients)?;
            if n > 0 {
                by = layer.by_input(parameters, &by)?;
            }
        }
        Ok(by)
    }

    /// The gradient, zero where a step against it would move a value further past the bound that it is past by `excess`.
    fn inward(&self, gradient: &Tensor, excess: &Tensor) -> Result<Tensor> {
        let back = (excess * gradient)?.ge(&self.zeros.shaped(gradient.dims())?)?;
        gradient * back.to_dtype(gradient.dtype())?
    }

    /// The number 1, `[1, 1]`.
    pub(super) fn one(&self) -> Result<Tensor> {
        self.ones.shaped(&[1, 1])
    }

    /// The length of a gradient, squared: `[1, 1]`.
    pub(super) fn square(gradient: &Tensor) -> Result<Tensor> {
        let len = gradient.elem_count();
        gradient.reshape((1, len))?.matmul(&gradient.reshape((len, 1))?)
    }
}

/// Rows and their decoder's output.
pub(super) fn cells<'a>(rows: &'a Placed, decoder: &'a [LayerPass], parameters: &'a Tensor) -> TensorCells<'a> {
    let output = decoder.last().map_or(&rows.seen, |pass| &pass.output);
    TensorCells { x: &rows.x, known: rows.known.as_ref(), output, parameters }
}
