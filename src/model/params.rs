//! Named parameters: initialised from (seed, name), taken out and put back as plain numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::error::Result;
use crate::random::Stream;

/// A parameter as plain numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// All parameters of a network, by name.
pub(crate) type Weights = BTreeMap<String, Weight>;

/// The trainable parameters of a network, by name.
///
/// Every parameter starts from its own random stream, named after it: a further layer changes no other one.
#[derive(Debug, Clone)]
pub(crate) struct Params {
    seed: u64,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Params {
    /// None yet; they come into being when a network asks for them.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, vars: Arc::default() }
    }

    /// What a network is built from.
    pub(crate) fn builder(&self, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, device.clone())
    }

    /// The parameters, ordered by name.
    pub(crate) fn vars(&self) -> Vec<Var> {
        self.lock().values().cloned().collect()
    }

    /// The values as they are now.
    pub(crate) fn weights(&self) -> Result<Weights> {
        let weight = |(name, var): (&String, &Var)| {
            let values = var.as_tensor().flatten_all()?.to_vec1()?;
            Ok((name.clone(), Weight { shape: var.dims().to_vec(), values }))
        };
        self.lock().iter().map(weight).collect()
    }

    /// Puts values back that [`weights`](Self::weights) took.
    pub(crate) fn restore(&self, weights: &Weights) -> Result<()> {
        for (name, var) in self.lock().iter() {
            if let Some(weight) = weights.get(name) {
                var.set(&Tensor::from_slice(&weight.values, var.shape(), var.device())?)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Var>> {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Params {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let mut values = vec![0.0_f32; shape.elem_count()];
        let stream = Stream::new(self.seed, &format!("weights/{name}"));
        match init {
            Init::Const(value) => values.fill(value as f32),
            Init::Uniform { lo, up } => {
                for (n, value) in values.iter_mut().enumerate() {
                    *value = (lo + (up - lo) * stream.uniform(n as u64)) as f32;
                }
            }
            init => candle_core::bail!("no layer here starts from {init:?}"),
        }
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        self.lock().insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        match self.lock().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => candle_core::bail!("no parameter {name}"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}

/// A builder over fixed values, which records no graph.
pub(crate) fn frozen(weights: &Weights, device: &Device) -> Result<VarBuilder<'static>> {
    let tensor = |(name, weight): (&String, &Weight)| {
        Ok((name.clone(), Tensor::from_slice(&weight.values, weight.shape.as_slice(), device)?))
    };
    let tensors = weights.iter().map(tensor).collect::<Result<_>>()?;
    Ok(VarBuilder::from_tensors(tensors, DType::F32, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_depends_on_seed_and_name_alone() {
        let get = |seed, names: &[&str]| {
            let params = Params::new(seed);
            for name in names {
                let init = Init::Uniform { lo: -0.5, up: 0.5 };
                params.builder(&Device::Cpu).get_with_hints((3, 2), name, init).unwrap();
            }
            params.weights().unwrap()
        };
        let (one, other) = (get(1, &["a", "b"]), get(1, &["c", "b"]));
        assert_eq!(one["b"], other["b"]);
        assert_ne!(one["a"], one["b"]);
        assert_ne!(get(2, &["b"])["b"], one["b"]);
        assert!(one["a"].values.iter().all(|value| (-0.5..0.5).contains(value)));
    }

    #[test]
    fn values_taken_out_go_back_in() {
        let params = Params::new(1);
        params.builder(&Device::Cpu).get_with_hints(4, "a", Init::Uniform { lo: 0.0, up: 1.0 }).unwrap();
        let before = params.weights().unwrap();
        params.vars()[0].set(&Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap()).unwrap();
        assert_ne!(params.weights().unwrap(), before);
        params.restore(&before).unwrap();
        assert_eq!(params.weights().unwrap(), before);
    }
}
