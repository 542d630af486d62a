//! The standard normal distribution: the rank of a place, and the place of a rank.

#![forbid(unsafe_code)]

/// The share of a normal distribution below `y`: (1 + erf(y / √2)) / 2, erf after Abramowitz & Stegun 1964, 7.1.26.
pub(crate) fn normal_rank(y: f64) -> f64 {
    let x = y.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let p = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = p.into_iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t) * (-x * x).exp() / 2.0;
    if y < 0.0 { tail } else { 1.0 - tail }
}

/// The place below which a share `p` of a normal distribution lies, at most 3.5 from 0.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_places_are_those_of_the_tables() {
        for (place, rank) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.959_964, 0.025), (3.0, 0.998_650_1)] {
            assert!((normal_rank(place) - rank).abs() < 2e-7, "{place}");
            assert!((normal_quantile(rank) - place).abs() < 1e-4, "{rank}");
        }
        assert!(normal_quantile(0.0) == -normal_quantile(1.0) && normal_quantile(1.0) > 3.4);
    }
}
