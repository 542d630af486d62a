//! The normal distribution with a learned variance.

use super::{GroupCells, Head, RowLoss};
use crate::numerics::{RandomStream, exp, sums, vectorized};

/// Upper bound of the learned log-variance; the lower one is the network's noise floor.
pub(in crate::model) const MOST_LOG_VARIANCE: f32 = 6.0;

pub(in crate::model) const LN_TAU: f64 = 1.837_877_066_409_345_5;

/// x ~ N(output, exp(log-variance)), with one log-variance a feature.
pub(super) struct Gaussian {
    noise_floor: f32,
}

impl Gaussian {
    pub(super) fn new(noise_floor: f64) -> Self {
        Self { noise_floor: noise_floor as f32 }
    }

    /// Into `scratch`, for each feature, e^-s and ln 2π + s, where s is the log-variance.
    fn prepare(&self, log_variance: &[f32], scratch: &mut Vec<f32>) {
        let s = |&s: &f32| s.clamp(self.noise_floor, MOST_LOG_VARIANCE);
        scratch.clear();
        scratch.extend(log_variance.iter().map(|value| exp(-s(value))));
        scratch.extend(log_variance.iter().map(|value| s(value) + LN_TAU as f32));
    }
}

impl Head for Gaussian {
    fn parameter(&self) -> Option<&'static str> {
        Some("gaussian.log_variance")
    }

    fn bounds(&self) -> (f32, f32) {
        (self.noise_floor, MOST_LOG_VARIANCE)
    }

    /// (ln 2π + s + (x - output)² e^-s) / 2.
    fn add_losses(&self, cells: &GroupCells<'_>, log_variance: &[f32], scratch: &mut Vec<f32>, losses: &mut [RowLoss]) {
        self.prepare(log_variance, scratch);
        let (precision, constant) = scratch.split_at(log_variance.len());
        vectorized(
            #[inline(always)]
            || {
                for (row, loss) in losses.iter_mut().enumerate() {
                    let (x, output, known) = cells.row(row);
                    let [nll, squared_error] =
                        sums([x, output, known, precision, constant], |[x, output, known, precision, constant]| {
                            let squared = (x - output) * (x - output);
                            [(squared * precision + constant) * known, squared * known]
                        });
                    loss.nll += 0.5 * nll;
                    loss.squared_error += squared_error;
                }
            },
        );
    }

    fn gradient(
        &self,
        cells: &GroupCells<'_>,
        weights: &[f32],
        log_variance: &[f32],
        scratch: &mut Vec<f32>,
        by_output: &mut [f32],
        by_log_variance: &mut [f32],
    ) {
        self.prepare(log_variance, scratch);
        let precision = &scratch[..log_variance.len()];
        by_log_variance.fill(0.0);
        vectorized(
            #[inline(always)]
            || {
                for (row, gradient, weight) in cells.gradient_rows(by_output, weights) {
                    let (x, output, known) = cells.row(row);
                    let by_s = by_log_variance.iter_mut().zip(precision);
                    for ((((g, x), output), known), (by_s, precision)) in
                        gradient.iter_mut().zip(x).zip(output).zip(known).zip(by_s)
                    {
                        let (off, weight) = (output - x, weight * known);
                        *g = off * precision * weight;
                        *by_s += 0.5 * (1.0 - off * off * precision) * weight;
                    }
                }
            },
        );
    }

    fn expected(&self, outputs: &[f32], into: &mut [f32]) {
        into.copy_from_slice(outputs);
    }

    fn residuals(&self, x: &[f32], outputs: &[f32], into: &mut [f32]) {
        into.iter_mut().zip(x.iter().zip(outputs)).for_each(|(residual, (x, output))| *residual = x - output);
    }

    /// (x - output)² e^-s / 2.
    fn excess(&self, x: f32, outputs: &[f32], log_variance: f32) -> f32 {
        let off = x - outputs[0];
        0.5 * off * off * exp(-log_variance.clamp(self.noise_floor, MOST_LOG_VARIANCE))
    }

    fn draw(&self, expected: &[f32], log_variance: f32, _: &dyn Fn(usize) -> bool, noise: RandomStream) -> f32 {
        let mut normal = [0.0];
        noise.normals(&mut normal);
        expected[0] + normal[0] * self.deviation(log_variance).unwrap_or_default()
    }

    fn deviation(&self, log_variance: f32) -> Option<f32> {
        Some(exp(0.5 * log_variance.clamp(self.noise_floor, MOST_LOG_VARIANCE)))
    }
}

#[cfg(test)]
mod tests {
    use crate::feature::{Likelihood, Shape};
    use crate::model::likelihood::loss_of_row;

    #[test]
    fn it_integrates_to_one() {
        let density = |x: f64| {
            let loss = loss_of_row(&[Shape::of(Likelihood::Gaussian, 1)], &[x as f32], &[0.3], &[0.7]);
            f64::from(-loss.nll).exp()
        };
        let area: f64 = (-1000..1000).map(|i| density(f64::from(i) * 0.02) * 0.02).sum();
        assert!((area - 1.0).abs() < 1e-4, "{area}");
    }
}
