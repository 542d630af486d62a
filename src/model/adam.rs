//! Adam (Kingma & Ba 2015, algorithm 1), without weight decay, over parameters in a fixed order.

use candle_core::{Tensor, Var};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// First and second moments of every parameter's gradient.
#[derive(Debug, Clone)]
pub(crate) struct Adam {
    moments: Vec<(Tensor, Tensor)>,
    steps: i32,
}

impl Adam {
    /// Starts with zero moments.
    pub(crate) fn new(vars: &[Var]) -> candle_core::Result<Self> {
        let zeros = |var: &Var| Ok((var.zeros_like()?, var.zeros_like()?));
        Ok(Self { moments: vars.iter().map(zeros).collect::<candle_core::Result<_>>()?, steps: 0 })
    }

    /// One update, with `gradients` in the order of `vars` and each multiplied by `factor`.
    pub(crate) fn step(&mut self, vars: &[Var], gradients: &[Tensor], factor: f64, lr: f64) -> candle_core::Result<()> {
        self.steps += 1;
        let correction1 = 1.0 - BETA1.powi(self.steps);
        let correction2 = 1.0 - BETA2.powi(self.steps);
        for ((var, gradient), (first, second)) in vars.iter().zip(gradients).zip(&mut self.moments) {
            *first = ((&*first * BETA1)? + gradient.affine((1.0 - BETA1) * factor, 0.0)?)?;
            *second = ((&*second * BETA2)? + gradient.sqr()?.affine((1.0 - BETA2) * factor * factor, 0.0)?)?;
            let spread = (&*second / correction2)?.sqrt()?.affine(1.0, EPSILON)?;
            let update = (&*first * (lr / correction1))?.div(&spread)?;
            var.set(&var.sub(&update)?)?;
        }
        Ok(())
    }
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
        let var = Var::new(&[1.0_f32, -2.0], &Device::Cpu).unwrap();
        let mut adam = Adam::new(std::slice::from_ref(&var)).unwrap();
        let expected = [[0.9, -1.9], [0.873_366_36, -1.949_418_9], [0.841_842, -1.987_62]];
        for (gradient, expected) in [[0.5_f32, -1.0], [-0.25, 3.0], [0.1, 0.0]].iter().zip(expected) {
            let gradient = Tensor::new(gradient, &Device::Cpu).unwrap();
            adam.step(std::slice::from_ref(&var), &[gradient], 1.0, 0.1).unwrap();
            for (value, expected) in var.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{value} {expected}");
            }
        }
    }
}
