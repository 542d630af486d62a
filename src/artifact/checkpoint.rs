//! The checkpoint file: sets of weights, and the state of training as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use super::{MAX_BYTES, container};
use crate::error::{Error, ModelFault, Result};
use crate::model::{Parameter, Weights};
use crate::storage::{Target, commit_bytes};

/// Writes a checkpoint atomically. A set's tensors are named `set/tensor`.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn save_checkpoint(target: &Target, about: &impl Serialize, sets: &[(&str, &Weights)]) -> Result<()> {
    let json = serde_json::to_string(about).expect("plain data with string keys");
    let tensors = sets
        .iter()
        .flat_map(|(set, weights)| weights.iter().map(move |(name, weight)| (format!("{set}/{name}"), weight)));
    commit_bytes(target, &container::pack(tensors, json))
}

/// Reads a checkpoint. `compatible` checks its JSON first; every set must have exactly `parameters`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if the file is invalid; the error of `compatible`.
pub(crate) fn load_checkpoint<T: DeserializeOwned>(
    path: &Path,
    parameters: &[Parameter],
    compatible: impl Fn(&serde_json::Value) -> Result<()>,
) -> Result<(T, BTreeMap<String, Weights>)> {
    let fault = |fault| Error::Checkpoint { path: path.to_owned(), fault };
    let bytes = read(path)?;
    let json = container::read_json(&bytes).map_err(fault)?;
    compatible(&json)?;
    let about = serde_json::from_value(json).map_err(|error| fault(ModelFault::Metadata(error.into())))?;
    let mut sets = BTreeMap::<String, Weights>::new();
    for (name, weight) in container::read_tensors(&bytes).map_err(fault)? {
        let Some((set, tensor)) = name.split_once('/') else { return Err(fault(ModelFault::UnknownTensor { name })) };
        sets.entry(set.to_owned()).or_default().insert(tensor.to_owned(), weight);
    }
    for weights in sets.values() {
        container::check(weights, parameters).map_err(fault)?;
    }
    Ok((about, sets))
}

/// Reads the JSON of a checkpoint.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if the file has none.
pub(crate) fn checkpoint_json(path: &Path) -> Result<serde_json::Value> {
    container::read_json(&read(path)?).map_err(|fault| Error::Checkpoint { path: path.to_owned(), fault })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::metadata(path).map_err(Error::io("open", path))?.len();
    // A checkpoint has at most five sets of weights.
    let limit = 5 * MAX_BYTES;
    if bytes > limit {
        return Err(Error::Checkpoint { path: path.to_owned(), fault: ModelFault::Size { bytes, limit } });
    }
    std::fs::read(path).map_err(Error::io("read", path))
}
