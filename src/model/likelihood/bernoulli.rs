//! The distribution of a flag.

use super::{GroupCells, Head, RowLoss};
use crate::numerics::{RandomStream, ln_1p_exp_neg, sigmoid, sums, vectorized};

/// x ~ Bernoulli(sigmoid(output)).
pub(super) struct Bernoulli;

impl Head for Bernoulli {
    fn parameter(&self) -> Option<&'static str> {
        None
    }

    /// max(o, 0) - o x + ln(1 + e^-|o|), which neither overflows nor cancels.
    fn add_losses(&self, cells: &GroupCells<'_>, _: &[f32], _: &mut Vec<f32>, losses: &mut [RowLoss]) {
        vectorized(
            #[inline(always)]
            || {
                for (row, loss) in losses.iter_mut().enumerate() {
                    let (x, output, known) = cells.row(row);
                    let [nll, squared_error] = sums([x, output, known], |[x, o, known]| {
                        let positive = if o < 0.0 { 0.0 } else { o };
                        let off = x - sigmoid(o);
                        [(positive - o * x + ln_1p_exp_neg(o.abs())) * known, off * off * known]
                    });
                    loss.nll += nll;
                    loss.squared_error += squared_error;
                }
            },
        );
    }

    fn gradient(
        &self,
        cells: &GroupCells<'_>,
        weights: &[f32],
        _: &[f32],
        _: &mut Vec<f32>,
        by_output: &mut [f32],
        _: &mut [f32],
    ) {
        vectorized(
            #[inline(always)]
            || {
                for (row, gradient, weight) in cells.gradient_rows(by_output, weights) {
                    let (x, output, known) = cells.row(row);
                    for (((g, x), output), known) in gradient.iter_mut().zip(x).zip(output).zip(known) {
                        *g = (sigmoid(*output) - x) * weight * known;
                    }
                }
            },
        );
    }

    fn expected(&self, outputs: &[f32], into: &mut [f32]) {
        into.iter_mut().zip(outputs).for_each(|(p, o)| *p = sigmoid(*o));
    }

    fn residuals(&self, x: &[f32], outputs: &[f32], into: &mut [f32]) {
        into.iter_mut().zip(x.iter().zip(outputs)).for_each(|(residual, (x, output))| *residual = x - sigmoid(*output));
    }

    /// The log-odds of the other value, if that is the likelier one.
    fn excess(&self, x: f32, outputs: &[f32], _: f32) -> f32 {
        (if x >= 0.5 { -outputs[0] } else { outputs[0] }).max(0.0)
    }

    fn draw(&self, expected: &[f32], _: f32, _: &dyn Fn(usize) -> bool, noise: RandomStream) -> f32 {
        f32::from(noise.uniform(0) < f64::from(expected[0]))
    }
}

#[cfg(test)]
mod tests {
    use crate::feature::{Likelihood, Shape};
    use crate::model::likelihood::loss_of_row;

    #[test]
    fn it_sums_to_one_and_stays_finite_at_large_logits() {
        let loss = |x: f32, logit: f32| loss_of_row(&[Shape::of(Likelihood::Bernoulli, 1)], &[x], &[logit], &[]);
        for logit in [-120.0, -3.0, 0.0, 0.5, 120.0] {
            let nll = |x: f32| f64::from(loss(x, logit).nll);
            assert!((((-nll(0.0)).exp() + (-nll(1.0)).exp()) - 1.0).abs() < 1e-6);
            assert!(nll(0.0).is_finite() && nll(1.0).is_finite());
        }
        let error = |logit: f32| loss(1.0, logit).squared_error;
        assert!((error(0.0) - 0.25).abs() < 1e-7 && error(120.0) == 0.0);
    }
}
