//! The distribution of a flag, in tensors.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

use super::{HeadGradient, HeadPass, TensorCells, TensorHead, masked, part};
use crate::feature::LikelihoodGroup;

/// x ~ Bernoulli(sigmoid(output)).
pub(super) struct BernoulliTensors {
    group: LikelihoodGroup,
}

impl BernoulliTensors {
    pub(super) fn new(group: LikelihoodGroup) -> Self {
        Self { group }
    }

    /// The probability of a 1 less x, 0 where missing.
    fn off(&self, cells: &TensorCells<'_>) -> Result<Tensor> {
        let output = part(cells.output, &self.group.output)?.contiguous()?;
        let off = (sigmoid(&output)? - part(cells.x, &self.group.elements)?)?;
        masked(off, cells.known(&self.group)?.as_ref())
    }
}

impl TensorHead for BernoulliTensors {
    /// max(o, 0) - o x + ln(1 + e^-|o|), which neither overflows nor cancels.
    fn forward(&self, cells: &TensorCells<'_>) -> Result<HeadPass> {
        let output = part(cells.output, &self.group.output)?.contiguous()?;
        let softplus = output.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
        let nll = ((output.relu()? - (&output * part(cells.x, &self.group.elements)?)?)? + softplus)?;
        Ok(HeadPass { nll: masked(nll, cells.known(&self.group)?.as_ref())?, kept: Vec::new() })
    }

    fn squared_error(&self, cells: &TensorCells<'_>, _: &HeadPass) -> Result<Tensor> {
        self.off(cells)?.sqr()
    }

    fn backward(&self, cells: &TensorCells<'_>, _: &HeadPass) -> Result<HeadGradient> {
        Ok(HeadGradient { by_output: self.off(cells)?, by_parameter: None })
    }
}
