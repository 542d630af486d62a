//! A stack of linear layers with a nonlinearity after each.

use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder, linear};

use crate::config::Activation;

/// `widths.len() - 1` layers; none of them for a single width, which passes rows through.
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    layers: Vec<Linear>,
    activation: Activation,
}

impl Mlp {
    /// Layers `0`, `1`, ... of `builder`, from `widths[0]` inputs to the last width.
    pub(crate) fn new(builder: &VarBuilder<'_>, widths: &[usize], activation: Activation) -> candle_core::Result<Self> {
        let layer = |(n, pair): (usize, &[usize])| linear(pair[0], pair[1], builder.pp(n));
        Ok(Self { layers: widths.windows(2).enumerate().map(layer).collect::<candle_core::Result<_>>()?, activation })
    }
}

impl Module for Mlp {
    /// `[rows, widths[0]]` to `[rows, last width]`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, layer| {
            let x = layer.forward(&x)?;
            match self.activation {
                Activation::Relu => x.relu(),
                Activation::Silu => x.silu(),
                Activation::Tanh => x.tanh(),
            }
        })
    }
}
