//! Adam in tensors.

use candle_core::{Result, Tensor, Var};

use crate::model::adam::{AdamMoments, BETA1, BETA2, EPSILON};

/// One update of `vars` with `gradients`, each multiplied by `factor`, at the rate `lr`.
pub(super) fn update(
    vars: &[Var],
    moments: &mut AdamMoments<Vec<Tensor>>,
    gradients: &[Tensor],
    factor: f64,
    lr: f64,
) -> Result<()> {
    let (step, spread) = moments.advance(lr);
    let both = moments.first.iter_mut().zip(&mut moments.second);
    for ((var, gradient), (first, second)) in vars.iter().zip(gradients).zip(both) {
        *first = ((&*first * BETA1)? + gradient.affine((1.0 - BETA1) * factor, 0.0)?)?;
        *second = ((&*second * BETA2)? + gradient.sqr()?.affine((1.0 - BETA2) * factor * factor, 0.0)?)?;
        let spread = (&*second * spread)?.sqrt()?.affine(1.0, EPSILON)?;
        var.set(&var.sub(&(&*first * step)?.div(&spread)?)?)?;
    }
    Ok(())
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
        let vars = [Var::new(&[1.0_f32, -2.0], &Device::Cpu).unwrap()];
        let mut moments = AdamMoments::new(|| vec![vars[0].zeros_like().unwrap()]);
        let expected = [[0.9, -1.9], [0.873_366_36, -1.949_418_9], [0.841_842, -1.987_62]];
        for (gradient, expected) in [[0.5_f32, -1.0], [-0.25, 3.0], [0.1, 0.0]].iter().zip(expected) {
            let gradient = Tensor::new(gradient, &Device::Cpu).unwrap();
            update(&vars, &mut moments, &[gradient], 1.0, 0.1).unwrap();
            for (value, expected) in vars[0].to_vec1::<f32>().unwrap().into_iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{value} {expected}");
            }
        }
    }
}
