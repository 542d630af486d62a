//! The logarithm of a sum of exponentials. All functions subtract the greatest exponent first, so that none overflows.
//!
//! Single and double precision are two functions: the first one sums in lanes and takes [`exp`](super::exp), the second
//! one sums in order and takes the standard library's. Stored models and golden outputs hold the bits of each.

#![forbid(unsafe_code)]

use super::vector::{exp, greatest, sums};

/// ln Σ e^x in single precision.
#[inline(always)]
pub(crate) fn log_sum_exp_f32(logs: &[f32]) -> f32 {
    let most = greatest(logs);
    let [sum] = sums([logs], |[x]| [exp(x - most)]);
    most + sum.ln()
}

/// ln Σ e^x; minus infinity if every x is.
pub(crate) fn log_sum_exp(logs: &[f64]) -> f64 {
    let most = maximum(logs);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + exponentials(logs, most).sum::<f64>().ln()
}

/// The logarithm of the mean of e^x.
pub(crate) fn log_mean_exp(logs: &[f64]) -> f64 {
    let most = maximum(logs);
    most + (exponentials(logs, most).sum::<f64>() / logs.len() as f64).ln()
}

/// e^x of each x, divided by their sum.
pub(crate) fn softmax(logs: &[f64]) -> Vec<f64> {
    let mut weights: Vec<f64> = exponentials(logs, maximum(logs)).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

fn maximum(logs: &[f64]) -> f64 {
    logs.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn exponentials(logs: &[f64], most: f64) -> impl Iterator<Item = f64> {
    logs.iter().map(move |log| (log - most).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_exponents_do_not_overflow() {
        let logs = [1000.0, 1000.0 + 3_f64.ln()];
        assert!((log_sum_exp(&logs) - 1000.0 - 4_f64.ln()).abs() < 1e-12);
        assert!((log_mean_exp(&logs) - 1000.0 - 2_f64.ln()).abs() < 1e-12);
        assert!((f64::from(log_sum_exp_f32(&logs.map(|x| x as f32))) - 1000.0 - 4_f64.ln()).abs() < 1e-3);
        assert!(softmax(&logs).iter().zip([0.25, 0.75]).all(|(found, expected)| (found - expected).abs() < 1e-12));
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
    }
}
