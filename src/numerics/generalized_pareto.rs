//! The generalised Pareto distribution, the limit of excesses over a high threshold (Pickands 1975).

#![forbid(unsafe_code)]

/// Fewest excesses for a fit.
const FEWEST: usize = 5;

/// The prior of the shape: this many observations of this shape (Vehtari, Simpson, Gelman, Yao & Gabry 2024, "Pareto
/// smoothed importance sampling", appendix C). With few excesses the tail is heavier, and its probabilities larger.
const PRIOR: (f64, f64) = (10.0, 0.5);

/// A generalised Pareto distribution of excesses above 0. Its shape is at least 0: an excess of any size can occur.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GeneralizedPareto {
    pub(crate) shape: f64,
    pub(crate) scale: f64,
}

impl GeneralizedPareto {
    /// Fits excesses in ascending order, by the posterior mean of Zhang & Stephens 2009, "A new and efficient estimation
    /// method for the generalized Pareto distribution", section 4. `None` if there are too few, or none above 0.
    pub(crate) fn fit(excesses: &[f64]) -> Option<Self> {
        if excesses.len() < FEWEST {
            return None;
        }
        let n = excesses.len() as f64;
        let (&greatest, &quartile) = (excesses.last()?, excesses.get((n / 4.0 + 0.5) as usize - 1)?);
        if quartile <= 0.0 || !greatest.is_finite() {
            return None;
        }
        let shape = |theta: f64| excesses.iter().map(|excess| (-theta * excess).ln_1p()).sum::<f64>() / n;
        let candidates = 30 + n.sqrt() as usize;
        let theta =
            |j: usize| 1.0 / greatest + (1.0 - (candidates as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile);
        let thetas: Vec<f64> = (1..=candidates).map(theta).collect();
        let log_likelihood = |&theta: &f64| {
            let shape = shape(theta);
            n * ((-theta / shape).ln() - shape - 1.0)
        };
        let logs: Vec<f64> = thetas.iter().map(log_likelihood).collect();
        let greatest_log = logs.iter().copied().filter(|log| log.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let weights = logs.iter().map(|log| if log.is_finite() { (log - greatest_log).exp() } else { 0.0 });
        let (sum, weighted) = weights
            .zip(&thetas)
            .fold((0.0, 0.0), |(sum, weighted), (weight, theta)| (sum + weight, weighted + weight * theta));
        let theta = weighted / sum;
        let shape = shape(theta);
        let scale = -shape / theta;
        let (observations, prior) = PRIOR;
        let shape = ((n * shape + observations * prior) / (n + observations)).max(0.0);
        (shape.is_finite() && scale.is_normal() && scale > 0.0).then_some(Self { shape, scale })
    }

    /// The distribution of excesses over `excess`, given that they are above it.
    pub(crate) fn above(self, excess: f64) -> Self {
        Self { scale: self.scale + self.shape * excess, ..self }
    }

    /// The probability of an excess of at least `excess`: above 0.
    pub(crate) fn survival(self, excess: f64) -> f64 {
        (-self.nats(excess)).exp().max(f64::MIN_POSITIVE)
    }

    /// -ln of that probability.
    pub(crate) fn nats(self, excess: f64) -> f64 {
        let scaled = excess / self.scale;
        if self.shape < 1e-9 { scaled } else { (self.shape * scaled).ln_1p() / self.shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of a generalised Pareto distribution at even ranks.
    fn quantiles(shape: f64, scale: f64, n: usize) -> Vec<f64> {
        let quantile = |rank: f64| match shape {
            0.0 => -scale * (-rank).ln_1p(),
            _ => scale / shape * ((1.0 - rank).powf(-shape) - 1.0),
        };
        (0..n).map(|i| quantile((i as f64 + 0.5) / n as f64)).collect()
    }

    #[test]
    fn a_fit_finds_shape_and_scale() {
        for (shape, scale) in [(0.0, 1.0), (0.3, 2.0), (0.8, 1e-3)] {
            let fitted = GeneralizedPareto::fit(&quantiles(shape, scale, 5000)).unwrap();
            let GeneralizedPareto { shape: found, scale: of } = fitted;
            assert!((found - shape).abs() < 0.02 && (of / scale - 1.0).abs() < 0.02, "{fitted:?}");
        }
        // A bounded tail counts as an exponential one.
        assert_eq!(GeneralizedPareto::fit(&quantiles(-0.5, 1.0, 5000)).unwrap().shape, 0.0);
    }

    #[test]
    fn survival_falls_from_one_and_never_reaches_zero() {
        let tail = GeneralizedPareto { shape: 0.5, scale: 2.0 };
        // (1 + 0.5 * 4 / 2)^-2
        assert_eq!((tail.survival(0.0), tail.survival(4.0)), (1.0, 0.25));
        assert_eq!(GeneralizedPareto { shape: 0.0, scale: 2.0 }.survival(2.0), (-1.0_f64).exp());
        assert!(GeneralizedPareto { shape: 0.0, scale: 1e-9 }.survival(1e30) > 0.0);
        let (whole, part) = (tail.survival(9.0), tail.survival(4.0) * tail.above(4.0).survival(5.0));
        assert!((whole - part).abs() < 1e-15, "{whole} {part}");
    }

    #[test]
    fn too_few_or_equal_excesses_have_no_tail() {
        assert_eq!(GeneralizedPareto::fit(&[]), None);
        assert_eq!(GeneralizedPareto::fit(&[1.0]), None);
        assert_eq!(GeneralizedPareto::fit(&[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(GeneralizedPareto::fit(&[0.0; 9]), None);
        assert!(GeneralizedPareto::fit(&[1.0; 9]).is_none_or(|tail| tail.survival(1.0) > 0.1));
    }
}
