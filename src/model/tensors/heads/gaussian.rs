//! The normal distribution with a learned variance, in tensors.

use candle_core::{Result, Tensor};

use super::{HeadGradient, HeadPass, TensorCells, TensorHead, masked, part};
use crate::feature::LikelihoodGroup;
use crate::model::likelihood::{LN_TAU, MOST_LOG_VARIANCE};
use crate::model::tensors::placer::Placer;
use crate::model::tensors::places::{ParameterRange, Places};

/// x ~ N(output, exp(s)), with one log-variance s a feature.
pub(super) struct GaussianTensors {
    group: LikelihoodGroup,
    log_variance: ParameterRange,
    /// The bounds of the log-variances, `[elements]` each.
    bounds: [Tensor; 2],
}

impl GaussianTensors {
    pub(super) fn new(group: LikelihoodGroup, noise_floor: f64, places: &Places, placer: &Placer) -> Result<Self> {
        let len = group.elements.len();
        let [least, most] =
            [noise_floor as f32, MOST_LOG_VARIANCE].map(|bound| placer.tensor(&vec![bound; len], &[len]));
        Ok(Self { group, log_variance: places.place("likelihood.gaussian.log_variance")?, bounds: [least?, most?] })
    }
}

impl TensorHead for GaussianTensors {
    /// (ln 2π + s + (x - output)² e^-s) / 2. Kept are output - x, that times e^-s, the product of both, and s.
    fn forward(&self, cells: &TensorCells<'_>) -> Result<HeadPass> {
        let s = self.log_variance.of(cells.parameters)?.maximum(&self.bounds[0])?.minimum(&self.bounds[1])?;
        let known = cells.known(&self.group)?;
        let off = (part(cells.output, &self.group.output)? - part(cells.x, &self.group.elements)?)?;
        let off = masked(off, known.as_ref())?;
        let weighted = off.broadcast_mul(&s.neg()?.exp()?)?;
        let squared = (&off * &weighted)?;
        let nll = (squared.broadcast_add(&(&s + LN_TAU)?)? * 0.5)?;
        Ok(HeadPass { nll: masked(nll, known.as_ref())?, kept: vec![off, weighted, squared, s] })
    }

    fn squared_error(&self, _: &TensorCells<'_>, pass: &HeadPass) -> Result<Tensor> {
        pass.kept[0].sqr()
    }

    fn backward(&self, cells: &TensorCells<'_>, pass: &HeadPass) -> Result<HeadGradient> {
        let by_parameter = masked(pass.kept[2].affine(-0.5, 0.5)?, cells.known(&self.group)?.as_ref())?;
        Ok(HeadGradient { by_output: pass.kept[1].clone(), by_parameter: Some(by_parameter) })
    }

    fn parameter(&self) -> Option<&ParameterRange> {
        Some(&self.log_variance)
    }

    fn excess(&self, parameters: &Tensor, pass: &HeadPass) -> Result<Option<Tensor>> {
        (self.log_variance.of(parameters)? - &pass.kept[3]).map(Some)
    }
}
