//! Adam in tensors, all parameters at once.

use candle_core::{Result, Tensor};

use crate::model::adam::{AdamMoments, BETA1, BETA2, EPSILON};

/// One update of `parameters` with a gradient times `factor`, at the rate `lr`: the new parameters.
pub(super) fn update(
    parameters: &Tensor,
    moments: &mut AdamMoments<Tensor>,
    gradient: &Tensor,
    factor: f64,
    lr: f64,
) -> Result<Tensor> {
    let (step, spread) = moments.advance(lr);
    let AdamMoments { first, second, .. } = moments;
    *first = ((&*first * BETA1)? + gradient.affine((1.0 - BETA1) * factor, 0.0)?)?;
    *second = ((&*second * BETA2)? + gradient.sqr()?.affine((1.0 - BETA2) * factor * factor, 0.0)?)?;
    // m step / (√(v spread) + ε), with √spread taken out of the fraction.
    let root = spread.sqrt();
    let direction = (&*first / second.sqrt()?.affine(1.0, EPSILON / root)?)?;
    parameters - (direction * (step / root))?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// ```python
    /// import torch
    /// p = torch.nn.Parameter(torch.tensor([1.0, -2.0])); o = torch.optim.Adam([p], lr=0.1)
    /// for g in ([0.5, -1.0], [-0.25, 3.0], [0.1, 0.0]):
    ///     p.grad = torch.tensor(g); o.step(); print(p.tolist())
    /// ```
    #[test]
    fn three_steps_match_pytorch() {
        let mut parameters = Tensor::new(&[1.0_f32, -2.0], &Device::Cpu).unwrap();
        let mut moments = AdamMoments::new(|| parameters.zeros_like().unwrap());
        let expected = [[0.9, -1.9], [0.873_366_36, -1.949_418_9], [0.841_842, -1.987_62]];
        for (gradient, expected) in [[0.5_f32, -1.0], [-0.25, 3.0], [0.1, 0.0]].iter().zip(expected) {
            let gradient = Tensor::new(gradient, &Device::Cpu).unwrap();
            parameters = update(&parameters, &mut moments, &gradient, 1.0, 0.1).unwrap();
            for (value, expected) in parameters.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{value} {expected}");
            }
        }
    }
}
