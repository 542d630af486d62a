//! A weighted mixture of answers to one question.

#![forbid(unsafe_code)]

use super::normal::normal_rank_and_density;
use super::random::pick;
use super::vector::{sums, vectorized};

/// A mixture of distributions with a weight each: all normal with one deviation, or all categorical.
#[derive(Debug, Default)]
pub(crate) struct Mixture {
    /// `[components]`; they sum to 1.
    pub(crate) weights: Vec<f32>,
    /// `[components, width]`: what describes each component, a normal distribution by its mean.
    pub(crate) answers: Vec<f32>,
}

impl Mixture {
    /// The quantile of `p`: the number below which a share `p` of the mixture lies, if every answer is the mean of a
    /// normal distribution with this deviation.
    pub(crate) fn quantile(&self, deviation: f32, p: f32) -> f32 {
        /// Enough for bisection alone.
        const STEPS: usize = 40;
        let near = 1e-3 * p.min(1.0 - p);
        let (low, high) = self.answers.iter().fold((f32::MAX, f32::MIN), |(low, high), c| (low.min(*c), high.max(*c)));
        let (mut low, mut high) = (low - 6.0 * deviation, high + 6.0 * deviation);
        let mut place = (low + high) / 2.0;
        for _ in 0..STEPS {
            let [below, density] = vectorized(
                #[inline(always)]
                || {
                    sums([&self.answers, &self.weights], |[center, weight]| {
                        let (rank, density) = normal_rank_and_density((place - center) / deviation);
                        [weight * rank, weight * density]
                    })
                },
            );
            if (below - p).abs() < near {
                break;
            }
            if below < p {
                low = place
            } else {
                high = place
            }
            // Newton's step, if it stays between the bounds.
            let newton = place + (p - below) / density * deviation;
            place = if low < newton && newton < high { newton } else { (low + high) / 2.0 };
        }
        place
    }

    /// The component on which a number that is uniform in [0, 1) falls.
    pub(crate) fn pick(&self, uniform: f64) -> usize {
        let weights = || self.weights.iter().map(|&weight| f64::from(weight));
        pick(weights(), uniform * weights().sum::<f64>()).unwrap_or(self.weights.len().saturating_sub(1))
    }
}
