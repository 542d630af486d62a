//! The file format of models and checkpoints: f32 tensors as safetensors, and one metadata key that holds JSON.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::ModelFault;
use crate::model::{Parameter, Weight, Weights};

/// The metadata key. Only one, since safetensors keeps keys in a hash map, whose order differs from run to run.
const KEY: &str = "vaepipe";

/// Encodes tensors and JSON as the bytes of a file.
pub(super) fn pack<'a>(tensors: impl IntoIterator<Item = (String, &'a Weight)>, json: String) -> Vec<u8> {
    let bytes = |weight: &Weight| weight.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let data: Vec<(String, &Weight, Vec<u8>)> =
        tensors.into_iter().map(|(name, weight)| (name, weight, bytes(weight))).collect();
    let views = data.iter().map(|(name, weight, bytes)| {
        let view = TensorView::new(Dtype::F32, weight.shape.clone(), bytes).expect("the bytes have this shape");
        (name.as_str(), view)
    });
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)]))).expect("names are distinct")
}

/// Reads the JSON of a file, not its tensors.
pub(super) fn read_json(bytes: &[u8]) -> Result<serde_json::Value, ModelFault> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| ModelFault::Format(error.into()))?;
    let json = header.metadata().as_ref().and_then(|keys| keys.get(KEY)).ok_or(ModelFault::NotOurs)?;
    serde_json::from_str(json).map_err(|error| ModelFault::Metadata(error.into()))
}

/// Reads the tensors of a file.
pub(super) fn read_tensors(bytes: &[u8]) -> Result<Weights, ModelFault> {
    let mut weights = Weights::new();
    let file = SafeTensors::deserialize(bytes).map_err(|error| ModelFault::Format(error.into()))?;
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(ModelFault::Tensor { name, found, expected: "F32".to_owned() });
        }
        // Every chunk has exactly four bytes.
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        weights.insert(name, Weight { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// Checks that `weights` are finite and have exactly the names and shapes of `parameters`.
pub(super) fn check(weights: &Weights, parameters: &[Parameter]) -> Result<(), ModelFault> {
    for Parameter { name, shape, .. } in parameters {
        check_tensor(name, weights.get(name), shape)?;
    }
    match weights.keys().find(|&name| !parameters.iter().any(|known| known.name == *name)) {
        Some(name) => Err(ModelFault::UnknownTensor { name: name.clone() }),
        None => Ok(()),
    }
}

/// The values of a tensor, checked to exist, have this shape and be finite.
pub(super) fn check_tensor<'a>(
    name: &str,
    tensor: Option<&'a Weight>,
    shape: &[usize],
) -> Result<&'a [f32], ModelFault> {
    let name = || name.to_owned();
    let Some(Weight { shape: found, values }) = tensor else { return Err(ModelFault::MissingTensor { name: name() }) };
    if found != shape {
        let [found, expected] = [found, shape].map(|shape| format!("F32 {shape:?}"));
        return Err(ModelFault::Tensor { name: name(), found, expected });
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(ModelFault::NotFinite { name: name() });
    }
    Ok(values)
}

/// Tensors whose names start alike, to be taken one by one.
pub(super) struct PrefixedTensors {
    prefix: &'static str,
    tensors: Weights,
}

impl PrefixedTensors {
    pub(super) fn new(prefix: &'static str, tensors: Weights) -> Self {
        Self { prefix, tensors }
    }

    /// The tensor of this name behind the prefix.
    pub(super) fn get(&self, name: &str) -> Option<&Weight> {
        self.tensors.get(&self.full(name))
    }

    /// Takes the values of a tensor.
    ///
    /// # Errors
    /// A [`ModelFault`] if it is missing, has another shape or is not finite.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelFault> {
        let name = self.full(name);
        let Some(tensor) = self.tensors.remove(&name) else { return Err(ModelFault::MissingTensor { name }) };
        tensor.check(&name, shape)?;
        Ok(tensor.values)
    }

    /// Checks that all are taken.
    ///
    /// # Errors
    /// [`ModelFault::UnknownTensor`].
    pub(super) fn finish(self) -> Result<(), ModelFault> {
        let left = self.tensors.into_keys().next();
        left.map_or(Ok(()), |name| Err(ModelFault::UnknownTensor { name }))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
