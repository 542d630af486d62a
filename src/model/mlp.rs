//! A stack of linear layers with a nonlinearity after each.

use candle_core::Tensor;
use candle_nn::{Init, Linear, Module, VarBuilder};

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
        let layer = |(n, pair): (usize, &[usize])| linear(&builder.pp(n), pair[0], pair[1]);
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

/// A linear layer, weight `[outputs, inputs]` and bias `[outputs]`, both uniform within 1/sqrt(inputs) (LeCun et al.
/// 1998, section 4.6, as PyTorch has it).
pub(crate) fn linear(builder: &VarBuilder<'_>, inputs: usize, outputs: usize) -> candle_core::Result<Linear> {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    let init = Init::Uniform { lo: -bound, up: bound };
    let weight = builder.get_with_hints((outputs, inputs), "weight", init)?;
    Ok(Linear::new(weight, Some(builder.get_with_hints(outputs, "bias", init)?)))
}
