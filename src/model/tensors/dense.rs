//! A linear layer and the nonlinearity after it, forward and backward.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

use super::places::{Gradients, ParameterRange, Places};
use crate::config::Activation;

/// A layer: its parameters and its nonlinearity.
pub(super) struct TensorLayer {
    weight: ParameterRange,
    bias: ParameterRange,
    activation: Option<Activation>,
}

/// What a layer made of rows, and what its derivative needs.
pub(super) struct LayerPass {
    input: Tensor,
    pub(super) output: Tensor,
    /// The logistic function of the sums, if the nonlinearity is SiLU and the derivative is wanted.
    sigmoid: Option<Tensor>,
}

impl TensorLayer {
    /// The layer of this name.
    pub(super) fn new(places: &Places, name: &str, activation: Option<Activation>) -> Result<Self> {
        let place = |part: &str| places.place(&format!("{name}.{part}"));
        Ok(Self { weight: place("weight")?, bias: place("bias")?, activation })
    }

    /// The layers `0`, `1`, … of this name, as many as there are pairs of neighbouring `widths`.
    pub(super) fn stack(places: &Places, name: &str, widths: &[usize], activation: Activation) -> Result<Vec<Self>> {
        let layer = |n| Self::new(places, &format!("{name}.{n}"), Some(activation));
        (0..widths.len() - 1).map(layer).collect()
    }

    /// `[rows, inputs]` to `[rows, outputs]`; `parameters` are all of the network. A network that `trains` can go back.
    pub(super) fn forward(&self, parameters: &Tensor, input: &Tensor, trains: bool) -> Result<LayerPass> {
        let sums = input.matmul(&self.weight.of(parameters)?.t()?)?.broadcast_add(&self.bias.of(parameters)?)?;
        let (output, sigmoid) = match self.activation {
            None => (sums, None),
            Some(Activation::Relu) => (sums.relu()?, None),
            Some(Activation::Tanh) => (sums.tanh()?, None),
            Some(Activation::Silu) if !trains => (sums.silu()?, None),
            Some(Activation::Silu) => {
                let sigmoid = sigmoid(&sums)?;
                ((sums * &sigmoid)?, Some(sigmoid))
            }
        };
        Ok(LayerPass { input: input.clone(), output, sigmoid })
    }

    /// From the derivative by the output, `[rows, outputs]`, adds those by the parameters; `ones` is `[1, rows]`. Returns the
    /// derivative by the sums before the nonlinearity.
    pub(super) fn backward(
        &self,
        pass: &LayerPass,
        by_output: &Tensor,
        ones: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let by_sums = match (self.activation, &pass.sigmoid) {
            (Some(Activation::Relu), _) => (by_output * pass.output.sign()?)?,
            (Some(Activation::Tanh), _) => (by_output * pass.output.sqr()?.affine(-1.0, 1.0)?)?,
            // h = y s(y) has the slope s + h - h s.
            (_, Some(sigmoid)) => {
                let slope = ((&pass.output - (&pass.output * sigmoid)?)? + sigmoid)?;
                (by_output * slope)?
            }
            (_, None) => by_output.clone(),
        };
        gradients.add(&self.weight, &by_sums.t()?.matmul(&pass.input)?)?;
        gradients.add(&self.bias, &ones.matmul(&by_sums)?)?;
        Ok(by_sums)
    }

    /// The derivative by the input, `[rows, inputs]`, from that by the sums.
    pub(super) fn by_input(&self, parameters: &Tensor, by_sums: &Tensor) -> Result<Tensor> {
        by_sums.matmul(&self.weight.of(parameters)?)
    }
}
