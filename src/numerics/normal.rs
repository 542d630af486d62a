//! The standard normal distribution: cumulative distribution function, density and quantiles.
//!
//! Each approximation has the precision and the speed that its callers need, and stored models hold the bits of each.

#![forbid(unsafe_code)]

use super::vector::exp;

/// The share of a normal distribution below `y`: (1 + erf(y / √2)) / 2, erf after Abramowitz & Stegun 1964, 7.1.26.
pub(crate) fn normal_rank(y: f64) -> f64 {
    let x = y.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let p = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = p.into_iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t) * (-x * x).exp() / 2.0;
    if y < 0.0 { tail } else { 1.0 - tail }
}

/// The same in single precision, and the density, for loops over vectors.
#[inline(always)]
pub(crate) fn normal_rank_and_density(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let mut tail = 0.0;
    for coefficient in [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        tail = (tail + coefficient) * t;
    }
    tail *= 0.5 * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, 0.398_942_3 * bell)
}

/// The inverse of [`normal_rank`]: the number below which a share `p` lies, at most 3.5 from 0.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const MOST: f64 = 3.5;
    let p = p.clamp(normal_rank(-MOST), normal_rank(MOST));
    // Bisection: short, exact to the approximation of the rank, and therefore its inverse.
    let (mut low, mut high) = (-MOST, MOST);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if normal_rank(middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The number above which a small share `p` lies, to within 4.5e-4 however small `p` is (Abramowitz & Stegun 1964,
/// 26.2.23).
pub(crate) fn normal_upper_quantile(p: f64) -> f64 {
    let t = (-2.0 * p.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - above / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_quantiles_are_those_of_the_tables() {
        for (y, rank) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.959_964, 0.025), (3.0, 0.998_650_1)] {
            assert!((normal_rank(y) - rank).abs() < 2e-7, "{y}");
            assert!((normal_quantile(rank) - y).abs() < 1e-4, "{rank}");
        }
        assert!(normal_quantile(0.0) == -normal_quantile(1.0) && normal_quantile(1.0) > 3.4);
        assert!((normal_upper_quantile(0.025) - 1.959_964).abs() < 4.5e-4);
        assert!((normal_upper_quantile(1e-9) - 5.997_807).abs() < 4.5e-4);
    }

    #[test]
    fn single_precision_ranks_and_densities_are_those_of_a_normal() {
        for n in -600..600 {
            let x = n as f32 / 100.0;
            let (rank, density) = normal_rank_and_density(x);
            assert!((f64::from(rank) - normal_rank(x.into())).abs() < 3e-7, "{x}");
            let exact = (-0.5 * f64::from(x).powi(2)).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(density) - exact).abs() < 1e-6 * exact, "{x}");
        }
    }
}
