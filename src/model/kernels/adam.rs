//! Adam (Kingma & Ba 2015, algorithm 1) in place, without weight decay, by blocks on several threads.

#![forbid(unsafe_code)]

use rayon::prelude::*;

use crate::model::adam::{AdamMoments, BETA1, BETA2, EPSILON};
use crate::numerics::{sums, vectorized};

/// Values of a block: enough work for a thread, few enough for its cache.
const BLOCK: usize = 1 << 14;

/// Sums the gradients of shards, in their order, into the first, and returns the norm of the sum.
pub(super) fn sum_and_norm(shards: &mut [Vec<f32>]) -> f64 {
    let Some((sum, others)) = shards.split_first_mut() else { return 0.0 };
    let block = |(n, sum): (usize, &mut [f32])| {
        let range = n * BLOCK..n * BLOCK + sum.len();
        vectorized(
            #[inline(always)]
            || {
                for other in &*others {
                    sum.iter_mut().zip(&other[range.clone()]).for_each(|(sum, other)| *sum += other);
                }
                f64::from(sums([sum], |[g]| [g * g])[0])
            },
        )
    };
    // Collected, so that the blocks' norms are added in one order.
    let squares: Vec<f64> = sum.par_chunks_mut(BLOCK).enumerate().map(block).collect();
    squares.iter().sum::<f64>().sqrt()
}

/// One update of `parameters` with `gradients`, each multiplied by `factor`, at the rate `lr`.
pub(super) fn update(
    parameters: &mut [f32],
    moments: &mut AdamMoments<Vec<f32>>,
    gradients: &[f32],
    factor: f64,
    lr: f64,
) {
    let (step, spread) = moments.advance(lr);
    let [factor, step, spread, epsilon] = [factor, step, spread, EPSILON].map(|value| value as f32);
    let [old1, new1, old2, new2] = [BETA1, 1.0 - BETA1, BETA2, 1.0 - BETA2].map(|value| value as f32);
    let blocks = parameters.par_chunks_mut(BLOCK).zip(gradients.par_chunks(BLOCK));
    let moments = moments.first.par_chunks_mut(BLOCK).zip(moments.second.par_chunks_mut(BLOCK));
    blocks.zip(moments).for_each(|((parameters, gradients), (first, second))| {
        vectorized(
            #[inline(always)]
            || {
                for ((p, g), (m, v)) in parameters.iter_mut().zip(gradients).zip(first.iter_mut().zip(second)) {
                    let g = g * factor;
                    *m = old1 * *m + new1 * g;
                    *v = old2 * *v + new2 * (g * g);
                    *p -= step * *m / ((*v * spread).sqrt() + epsilon);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the form in tensors, which are PyTorch's.
    #[test]
    fn three_steps_match_pytorch() {
        let mut parameters = [1.0, -2.0];
        let mut moments = AdamMoments::new(|| vec![0.0; 2]);
        let expected = [[0.9, -1.9], [0.873_366_36, -1.949_418_9], [0.841_842, -1.987_62]];
        for (gradient, expected) in [[0.5_f32, -1.0], [-0.25, 3.0], [0.1, 0.0]].iter().zip(expected) {
            // Half of what a factor of two makes whole.
            let half = gradient.map(|gradient| gradient / 2.0);
            update(&mut parameters, &mut moments, &half, 2.0, 0.1);
            for (value, expected) in parameters.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{value} {expected}");
            }
        }
    }

    #[test]
    fn shards_are_summed_and_measured() {
        let values = 3 * BLOCK + 5;
        let shard = |factor: f32| (0..values).map(|i| factor * (i % 7) as f32).collect::<Vec<_>>();
        let mut shards = [shard(1.0), shard(2.0), shard(-0.5)];
        let norm = sum_and_norm(&mut shards);
        assert_eq!(shards[0], shard(2.5));
        let expected: f64 = shard(2.5).iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((norm - expected).abs() < 1e-4 * expected, "{norm} {expected}");
        shards[0][7] = f32::NAN;
        assert!(sum_and_norm(&mut shards[..1]).is_nan());
    }
}
