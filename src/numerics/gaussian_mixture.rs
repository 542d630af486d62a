//! A mixture of normal distributions with full covariances: the density of rows in latent space.

#![forbid(unsafe_code)]

use super::cholesky::{cholesky, invert_lower};
use super::log_sum_exp::log_sum_exp;
use super::product::{times_transposed, transposed_times};
use super::random::pick;
use super::vector::{sums, vectorized};
use crate::numerics::RandomStream;

/// Added to every variance, so that no component collapses onto a few points.
const FLOOR: f64 = 1e-4;

/// Smallest pivot of a Cholesky factor; only rounding can make one smaller.
const SMALLEST_PIVOT: f64 = FLOOR * 1e-2;

/// Most steps of the fit, and the gain in log-likelihood per point below which it has converged.
const STEPS: usize = 60;
const SETTLED: f64 = 1e-3;

/// A point that belongs to a component by less than this share is not counted for it.
const LEAST_SHARE: f64 = 1e-6;

/// Points that a component needs for each dimension, on average.
const PLACES_A_DIMENSION: usize = 5;

/// A density over points, `[latent_dim]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GaussianMixture {
    latent_dim: usize,
    /// `[components]`; they sum to 1.
    pub(crate) weight: Vec<f32>,
    /// `[components, latent_dim]`.
    pub(crate) mean: Vec<f32>,
    /// `[components, latent_dim, latent_dim]`: L, lower triangular, where the covariance is L Lᵀ.
    pub(crate) factor: Vec<f32>,
}

impl GaussianMixture {
    /// A density of these parts; `None` if they are not valid.
    pub(crate) fn new(latent_dim: usize, weight: Vec<f32>, mean: Vec<f32>, factor: Vec<f32>) -> Option<Self> {
        let sizes = mean.len() == weight.len() * latent_dim && factor.len() == mean.len() * latent_dim;
        let sum: f32 = weight.iter().sum();
        let density = Self { latent_dim, weight, mean, factor };
        let diagonal = |factor: &[f32]| (0..latent_dim).all(|i| factor[i * latent_dim + i] > 0.0);
        let sound = sizes
            && (sum - 1.0).abs() < 1e-3
            && density.weight.iter().all(|weight| *weight >= 0.0)
            && density.factor.chunks_exact(latent_dim * latent_dim).all(diagonal);
        sound.then_some(density)
    }

    /// The prior, a standard normal distribution.
    pub(crate) fn prior(latent_dim: usize) -> Self {
        let unit = |i: usize| f32::from(i.is_multiple_of(latent_dim + 1));
        let factor = (0..latent_dim * latent_dim).map(unit).collect();
        Self { latent_dim, weight: vec![1.0], mean: vec![0.0; latent_dim], factor }
    }

    /// The mixture fitted to `places`, `[n, latent_dim]`, that makes `held_out` most likely. It has 1, 2, 4, … components, at
    /// most `most`: twice as many as long as the gain is above its standard error. `None` if the prior is as good.
    pub(crate) fn choose(
        places: &[f32],
        held_out: &[f32],
        latent_dim: usize,
        most: usize,
        noise: RandomStream,
    ) -> Option<Self> {
        let n = places.len() / latent_dim;
        let logs = |density: &Self| density.log_densities(held_out);
        let mut best = (logs(&Self::prior(latent_dim)), None);
        let mut components = 1;
        while components <= most && components * latent_dim * PLACES_A_DIMENSION <= n {
            let fitted = Self::fit(places, latent_dim, components, noise.child(components as u64));
            let reached = logs(&fitted);
            if gains(&best.0, &reached) {
                best = (reached, Some(fitted));
            } else if components > 1 {
                // Two may gain where one does not.
                break;
            }
            components *= 2;
        }
        best.1
    }

    /// A mixture of some of its components, in this order.
    pub(super) fn of_components(&self, taken: &[usize]) -> Self {
        let some = |values: &[f32], width: usize| -> Vec<f32> {
            taken.iter().flat_map(|&component| &values[component * width..][..width]).copied().collect()
        };
        let k = self.latent_dim;
        let mut weight = some(&self.weight, 1);
        let sum: f32 = weight.iter().sum();
        weight.iter_mut().for_each(|weight| *weight /= sum);
        Self { latent_dim: k, weight, mean: some(&self.mean, k), factor: some(&self.factor, k * k) }
    }

    /// Dimensions of a point.
    pub(super) fn width(&self) -> usize {
        self.latent_dim
    }

    /// Fits `components` components by expectation maximisation (Dempster, Laird & Rubin 1977). The first centres are
    /// those of k-means++ (Arthur & Vassilvitskii 2007).
    pub(super) fn fit(places: &[f32], latent_dim: usize, components: usize, noise: RandomStream) -> Self {
        let k = latent_dim;
        let n = places.len() / k;
        let mut shares = nearest(places, k, &centres(places, k, components, noise));
        let (mut density, mut last) = (maximize(places, k, components, &shares), f64::NEG_INFINITY);
        let mut white = Vec::new();
        for _ in 0..STEPS {
            density.weighted_logs(places, &mut white, &mut shares);
            let reached = shares.chunks_exact_mut(components).map(share_out).sum::<f64>() / n as f64;
            density = maximize(places, k, components, &shares);
            if reached - last < SETTLED {
                break;
            }
            last = reached;
        }
        density
    }

    /// The logarithm of the density at each point, `[n, latent_dim]`.
    pub(super) fn log_densities(&self, places: &[f32]) -> Vec<f64> {
        let components = self.weight.len();
        let mut logs = vec![0.0; places.len() / self.latent_dim * components];
        self.weighted_logs(places, &mut Vec::new(), &mut logs);
        logs.chunks_exact(components).map(log_sum_exp).collect()
    }

    /// The logarithm of weight times density of each component at each point: `[n, components]`. `white` is room.
    pub(super) fn weighted_logs(&self, places: &[f32], white: &mut Vec<f32>, into: &mut [f64]) {
        let (k, components) = (self.latent_dim, self.weight.len());
        let n = places.len() / k;
        let (mut constants, mut whitening, mut centres) = (Vec::new(), Vec::new(), Vec::new());
        let factors = self.mean.chunks_exact(k).zip(self.factor.chunks_exact(k * k));
        for (weight, (mean, factor)) in self.weight.iter().zip(factors) {
            let factor: Vec<f64> = factor.iter().map(|&l| f64::from(l)).collect();
            let determinant: f64 = (0..k).map(|i| factor[i * k + i].ln()).sum();
            constants.push(f64::from(*weight).ln() - determinant - 0.5 * k as f64 * std::f64::consts::TAU.ln());
            let inverse = invert_lower(&factor, k);
            let along = |row: &[f64]| row.iter().zip(mean).map(|(l, mean)| l * f64::from(*mean)).sum::<f64>() as f32;
            centres.extend(inverse.chunks_exact(k).map(along));
            whitening.extend(inverse.into_iter().map(|l| l as f32));
        }
        // One product whitens every point for every component; the components' centres, whitened, are taken off after it.
        white.resize(n * components * k, 0.0);
        times_transposed(places, &whitening, white, [n, components * k, k]);
        let squares = |white: &[f32], centre: &[f32]| {
            let [square] = sums([white, centre], |[y, centre]| [(y - centre) * (y - centre)]);
            square
        };
        vectorized(
            #[inline(always)]
            || {
                for (white, logs) in white.chunks_exact(components * k).zip(into.chunks_exact_mut(components)) {
                    let each = white.chunks_exact(k).zip(centres.chunks_exact(k)).zip(&constants);
                    for (log, ((white, centre), constant)) in logs.iter_mut().zip(each) {
                        *log = constant - 0.5 * f64::from(squares(white, centre));
                    }
                }
            },
        );
    }

    /// Draws a point, `[latent_dim]`, with standard deviations times `temperature`.
    pub(crate) fn draw(&self, temperature: f32, noise: RandomStream, into: &mut Vec<f32>) {
        let k = self.latent_dim;
        let weights = self.weight.iter().map(|&weight| f64::from(weight));
        let component = pick(weights, noise.child(0).uniform(0)).unwrap_or(self.weight.len() - 1);
        let mut normals = vec![0.0; k];
        noise.child(1).normals(&mut normals);
        let factor = &self.factor[component * k * k..][..k * k];
        let spread = |i: usize| factor[i * k..=i * k + i].iter().zip(&normals).map(|(l, e)| l * e).sum::<f32>();
        let mean = &self.mean[component * k..][..k];
        into.extend(mean.iter().enumerate().map(|(i, mean)| mean + temperature * spread(i)));
    }
}

/// Whether log-likelihoods rose by more than the standard error of the mean difference.
fn gains(before: &[f64], after: &[f64]) -> bool {
    let n = before.len() as f64;
    let (sum, squares) = before.iter().zip(after).fold((0.0, 0.0), |(sum, squares), (before, after)| {
        let gain = after - before;
        (sum + gain, squares + gain * gain)
    });
    let mean = sum / n;
    mean > ((squares / n - mean * mean).max(0.0) / n).sqrt()
}

/// Turns the logarithms of weights times densities of one point into shares; returns the logarithm of their sum. A share
/// too small to count is 0.
fn share_out(logs: &mut [f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = LEAST_SHARE.ln();
    logs.iter_mut().for_each(|log| *log = if *log - most < least { 0.0 } else { (*log - most).exp() });
    let sum = logs.iter().sum::<f64>();
    logs.iter_mut().for_each(|share| *share /= sum);
    most + sum.ln()
}

/// Squared distance.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Centres far from each other, `[components, latent_dim]`: each is a point, drawn in proportion to its squared
/// distance from the centres before it.
fn centres(places: &[f32], k: usize, components: usize, noise: RandomStream) -> Vec<f32> {
    let mut near = vec![f64::INFINITY; places.len() / k];
    let mut centres = Vec::new();
    let mut next = ((noise.uniform(0) * near.len() as f64) as usize).min(near.len() - 1);
    for component in 1..=components {
        let centre = places[next * k..][..k].to_vec();
        near.iter_mut().zip(places.chunks_exact(k)).for_each(|(near, z)| *near = near.min(distance(z, &centre)));
        centres.extend(centre);
        let drawn = noise.uniform(component as u64) * near.iter().sum::<f64>();
        next = pick(near.iter().copied(), drawn).unwrap_or(0);
    }
    centres
}

/// 1 for the nearest centre of each point, else 0: `[n, components]`.
fn nearest(places: &[f32], k: usize, centres: &[f32]) -> Vec<f64> {
    let components = centres.len() / k;
    let mut shares = vec![0.0; places.len() / k * components];
    for (z, shares) in places.chunks_exact(k).zip(shares.chunks_exact_mut(components)) {
        let far = centres.chunks_exact(k).map(|centre| distance(z, centre)).enumerate();
        let (best, _) = far.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
        shares[best] = 1.0;
    }
    shares
}

/// The mixture of highest likelihood if each point belongs to the components by these shares, `[n, components]`.
fn maximize(places: &[f32], k: usize, components: usize, shares: &[f64]) -> GaussianMixture {
    let n = places.len() / k;
    let mut density = GaussianMixture { latent_dim: k, weight: Vec::new(), mean: Vec::new(), factor: Vec::new() };
    let mut members = vec![Vec::new(); components];
    for (z, shares) in places.chunks_exact(k).zip(shares.chunks_exact(components)) {
        let own = members.iter_mut().zip(shares).filter(|(_, share)| **share > LEAST_SHARE);
        own.for_each(|(members, share)| members.push((z, *share)));
    }
    let (mut off, mut products) = (Vec::with_capacity(n * k), vec![0.0; k * k]);
    for own in members {
        // A component without points must not divide by zero.
        let total = own.iter().map(|(_, share)| share).sum::<f64>().max(1e-6);
        let mut mean = vec![0.0; k];
        for (z, share) in &own {
            let share = share / total;
            mean.iter_mut().zip(*z).for_each(|(mean, z)| *mean += share * f64::from(*z));
        }
        off.clear();
        for (z, share) in &own {
            let root = (share / total).sqrt();
            off.extend(z.iter().zip(&mean).map(|(z, mean)| (root * (f64::from(*z) - mean)) as f32));
        }
        transposed_times(&off, &off, &mut products, [k, k, off.len() / k]);
        let mut covariance: Vec<f64> = products.iter().map(|&product| f64::from(product)).collect();
        (0..k).for_each(|i| covariance[i * k + i] += FLOOR);
        density.weight.push((total / n as f64) as f32);
        density.mean.extend(mean.into_iter().map(|mean| mean as f32));
        density.factor.extend(cholesky(covariance, k, SMALLEST_PIVOT).into_iter().map(|l| l as f32));
    }
    let sum: f32 = density.weight.iter().sum();
    density.weight.iter_mut().for_each(|weight| *weight /= sum);
    density
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` places each about (-3, 0), long and thin, and (3, 1), round.
    fn two(n: usize, seed: u64) -> Vec<f32> {
        let mut places = vec![0.0; 4 * n];
        RandomStream::new(seed, "places").normals(&mut places);
        for (at, z) in places.chunks_exact_mut(2).enumerate() {
            let (a, b) = (z[0], z[1]);
            (z[0], z[1]) = if at % 2 == 0 { (-3.0 + a, 0.9 * a + 0.2 * b) } else { (3.0 + 0.5 * a, 1.0 + 0.5 * b) };
        }
        places
    }

    #[test]
    fn it_finds_what_it_was_drawn_from() {
        let density =
            GaussianMixture::choose(&two(2000, 1), &two(500, 2), 2, 16, RandomStream::new(3, "density")).unwrap();
        let reached: f64 = density.log_densities(&two(500, 4)).iter().sum::<f64>() / 1000.0;
        // The entropy of the mixture: ln 2 for which, and ln 2πe + ln |L| of each.
        let entropy = 2_f64.ln() + std::f64::consts::TAU.ln() + 1.0 + (0.2_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((reached + entropy).abs() < 0.1, "{reached} for {}", -entropy);
        let mut drawn = Vec::new();
        (0..20_000).for_each(|n| density.draw(1.0, RandomStream::new(5, "draw").child(n), &mut drawn));
        let right: Vec<&[f32]> = drawn.chunks_exact(2).filter(|z| z[0] > 0.0).collect();
        assert!((right.len() as f64 / 20_000.0 - 0.5).abs() < 0.03);
        let mean = right.iter().map(|z| f64::from(z[1])).sum::<f64>() / right.len() as f64;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }

    #[test]
    fn the_prior_stays_where_nothing_is_better() {
        let mut places = vec![0.0; 600];
        RandomStream::new(1, "places").normals(&mut places);
        let mut other = vec![0.0; 60_000];
        RandomStream::new(2, "places").normals(&mut other);
        assert_eq!(GaussianMixture::choose(&places, &other, 3, 16, RandomStream::new(3, "density")), None);
        let standard = -1.5 * std::f64::consts::TAU.ln() - 0.5 * (0.25 + 1.0 + 4.0);
        assert!((GaussianMixture::prior(3).log_densities(&[0.5, -1.0, 2.0])[0] - standard).abs() < 1e-6);
    }

    #[test]
    fn places_all_in_one_are_a_density_all_the_same() {
        let density = GaussianMixture::fit(&[0.5; 400], 2, 4, RandomStream::new(1, "density"));
        assert!(density.log_densities(&[0.5, 0.5])[0].is_finite());
        let GaussianMixture { latent_dim, weight, mean, factor } = density;
        assert!(GaussianMixture::new(latent_dim, weight.clone(), mean.clone(), factor.clone()).is_some());
        assert!(GaussianMixture::new(latent_dim, weight, mean, factor.iter().map(|l| -l).collect()).is_none());
    }
}
