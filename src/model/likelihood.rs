//! The distributions the decoder gives a row's features: one `impl` a likelihood.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::layout::{Group, Likelihood};

/// Upper bound of the Gaussian's learned log-variance; the lower one is the network's noise floor.
const MOST_LOG_VARIANCE: f64 = 6.0;

/// The distribution of a group of features, given the decoder's output for it.
///
/// `x` is `[rows, group's inputs]`, `output` is `[rows, group's outputs]`, and both answers are `[rows, features]`.
pub(crate) trait Head: Send + Sync {
    /// Negative log-likelihood of each feature, in nats.
    fn nll(&self, x: &Tensor, output: &Tensor) -> Result<Tensor>;

    /// Squared error of each feature on the model's scale.
    fn squared_error(&self, x: &Tensor, output: &Tensor) -> Result<Tensor>;
}

/// The head of a group, with its parameters from `builder`; `noise_floor` as in [`Network`](super::Network).
pub(crate) fn head(group: &Group, noise_floor: f64, builder: &VarBuilder<'_>) -> Result<Box<dyn Head>> {
    Ok(match group.likelihood {
        Likelihood::Gaussian => Box::new(Gaussian::new(group, noise_floor, builder)?),
        Likelihood::Bernoulli => Box::new(Bernoulli),
    })
}

/// x ~ N(output, exp(log-variance)), with one log-variance a feature, learned.
struct Gaussian {
    /// `[features]`.
    log_variance: Tensor,
    noise_floor: f64,
}

impl Gaussian {
    fn new(group: &Group, noise_floor: f64, builder: &VarBuilder<'_>) -> Result<Self> {
        let builder = builder.pp("gaussian");
        let log_variance = builder.get_with_hints(group.features.len(), "log_variance", Init::Const(0.0))?;
        Ok(Self { log_variance, noise_floor })
    }
}

impl Head for Gaussian {
    /// (ln 2π + s + (x - output)² e^-s) / 2, where s is the log-variance.
    fn nll(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        let log_variance = self.log_variance.clamp(self.noise_floor, MOST_LOG_VARIANCE)?;
        let weighted = self.squared_error(x, output)?.broadcast_mul(&log_variance.neg()?.exp()?)?;
        weighted.broadcast_add(&(log_variance + std::f64::consts::TAU.ln())?)? * 0.5
    }

    fn squared_error(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        (x - output)?.sqr()
    }
}

/// x ~ Bernoulli(sigmoid(output)).
struct Bernoulli;

impl Head for Bernoulli {
    /// max(o, 0) - o x + ln(1 + e^-|o|), which neither overflows nor cancels.
    fn nll(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        let softplus = output.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
        (output.relu()? - (output * x)?)? + softplus
    }

    fn squared_error(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        (x - candle_nn::ops::sigmoid(output)?)?.sqr()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn row(values: &[f32]) -> Tensor {
        Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    fn first(tensor: &Tensor) -> f64 {
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].into()
    }

    #[test]
    fn the_gaussian_integrates_to_one() {
        let head = Gaussian { log_variance: Tensor::new(&[0.7_f32], &Device::Cpu).unwrap(), noise_floor: -6.0 };
        let density = |x: f64| (-first(&head.nll(&row(&[x as f32]), &row(&[0.3])).unwrap())).exp();
        let area: f64 = (-1000..1000).map(|i| density(f64::from(i) * 0.02) * 0.02).sum();
        assert!((area - 1.0).abs() < 1e-4, "{area}");
    }

    #[test]
    fn the_bernoulli_sums_to_one_and_stays_finite_at_large_logits() {
        for logit in [-120.0, -3.0, 0.0, 0.5, 120.0] {
            let nll = |x: f32| first(&Bernoulli.nll(&row(&[x]), &row(&[logit])).unwrap());
            assert!((((-nll(0.0)).exp() + (-nll(1.0)).exp()) - 1.0).abs() < 1e-6);
            assert!(nll(0.0).is_finite() && nll(1.0).is_finite());
        }
        let error = |logit: f32| first(&Bernoulli.squared_error(&row(&[1.0]), &row(&[logit])).unwrap());
        assert!((error(0.0) - 0.25).abs() < 1e-7 && error(120.0) == 0.0);
    }
}
