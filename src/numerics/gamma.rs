//! Derivatives of the logarithm of the gamma function.

#![forbid(unsafe_code)]

/// The argument from which the asymptotic series have the precision of f64.
const ASYMPTOTIC: f64 = 12.0;

/// The digamma function, for x > 0 (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18).
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < ASYMPTOTIC {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))))
}

/// The trigamma function, for x > 0 (Abramowitz & Stegun 1964, 6.4.6 and 6.4.12).
pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < ASYMPTOTIC {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + 1.0 / x
        + 0.5 * y
        + y / x * (1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y * (1.0 / 30.0 - y * 5.0 / 66.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_scipy() {
        // scipy.special.digamma and polygamma(1, ·) at these points.
        let known = [
            (0.5, -1.963_510_026_021_423_5, 4.934_802_200_544_679),
            (1.0, -0.577_215_664_901_532_9, 1.644_934_066_848_226_4),
            (14.5, 2.6392697253490, 0.071398256151647),
        ];
        for (x, of_digamma, of_trigamma) in known {
            assert!((digamma(x) - of_digamma).abs() < 1e-12, "{x}: {}", digamma(x));
            assert!((trigamma(x) - of_trigamma).abs() < 1e-12, "{x}: {}", trigamma(x));
        }
    }
}
