//! The aggregate posterior of the training rows, and distances from it.

use crate::numerics::{cholesky, invert_lower};

/// Mean and covariance of the aggregate posterior, the mixture of the training rows' posteriors: `m = E[mean]` and `S =
/// Cov[mean] + E[diag(variance)]` (law of total variance).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AggregatePosterior {
    /// `[latent_dim]`: m.
    pub(crate) mean: Vec<f32>,
    /// `[latent_dim, latent_dim]`: L⁻¹, lower triangular, where S = L Lᵀ.
    pub(crate) whitening: Vec<f32>,
}

/// Running sums for the aggregate posterior, in row order.
#[derive(Debug)]
pub(crate) struct LatentSums {
    latent_dim: usize,
    rows: f64,
    sum: Vec<f64>,
    /// `[latent_dim, latent_dim]`, lower triangle with the diagonal.
    products: Vec<f64>,
    variances: Vec<f64>,
}

impl LatentSums {
    pub(crate) fn new(latent_dim: usize) -> Self {
        let zeros = |n| vec![0.0; n];
        let products = zeros(latent_dim * latent_dim);
        Self { latent_dim, rows: 0.0, sum: zeros(latent_dim), products, variances: zeros(latent_dim) }
    }

    /// Adds a row's posterior, `[latent_dim]` each.
    pub(crate) fn add(&mut self, mean: &[f32], log_variance: &[f32]) {
        self.rows += 1.0;
        for (i, (&a, &s)) in mean.iter().zip(log_variance).enumerate() {
            self.sum[i] += f64::from(a);
            self.variances[i] += f64::from(s).exp();
            let products = self.products[i * self.latent_dim..].iter_mut();
            products.zip(&mean[..=i]).for_each(|(sum, &b)| *sum += f64::from(a) * f64::from(b));
        }
    }

    /// The aggregate posterior of the rows added; the prior if there are none.
    pub(crate) fn finish(self) -> AggregatePosterior {
        let (k, rows) = (self.latent_dim, self.rows.max(1.0));
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / rows).collect();
        let covariance = |i: usize, j: usize| {
            let variance = if i == j { if self.rows > 0.0 { self.variances[i] / rows } else { 1.0 } } else { 0.0 };
            self.products[i * k + j] / rows - mean[i] * mean[j] + variance
        };
        let places = (0..k * k).map(|at| (at / k, at % k));
        let covariance = places.map(|(i, j)| if j <= i { covariance(i, j) } else { 0.0 }).collect();
        // The variances keep it positive but for rounding.
        let inverse = invert_lower(&cholesky(covariance, k, 1e-12), k);
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        AggregatePosterior { mean: narrow(mean), whitening: narrow(inverse) }
    }
}

impl AggregatePosterior {
    /// The Mahalanobis distance of a latent vector, `[latent_dim]`: √((z - m)ᵀ S⁻¹ (z - m)).
    pub(crate) fn distance(&self, z: &[f32]) -> f32 {
        let difference: Vec<f32> = z.iter().zip(&self.mean).map(|(z, mean)| z - mean).collect();
        let rows = self.whitening.chunks_exact(difference.len()).enumerate();
        let squares = rows.map(|(i, row)| {
            let component: f32 = row[..=i].iter().zip(&difference).map(|(w, difference)| w * difference).sum();
            component * component
        });
        squares.sum::<f32>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_use_the_inverse_covariance() {
        // Two rows at ±(1, 1), of variance 1 and e: S = [[2, 1], [1, 1 + e]], m = 0.
        let mut moments = LatentSums::new(2);
        moments.add(&[1.0, 1.0], &[0.0, 1.0]);
        moments.add(&[-1.0, -1.0], &[0.0, 1.0]);
        let latents = moments.finish();
        let e = 1_f64.exp();
        let expected = |x: f64, y: f64| {
            let determinant = 2.0 * (1.0 + e) - 1.0;
            (((1.0 + e) * x * x - 2.0 * x * y + 2.0 * y * y) / determinant).sqrt()
        };
        for (x, y) in [(1.0, 0.0), (0.0, 1.0), (3.0, -2.0), (0.0, 0.0)] {
            let found = f64::from(latents.distance(&[x as f32, y as f32]));
            assert!((found - expected(x, y)).abs() < 1e-6, "{found} {}", expected(x, y));
        }
        assert_eq!(LatentSums::new(2).finish().distance(&[3.0, 4.0]), 5.0);
    }
}
