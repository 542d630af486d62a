//! The checkpoint file: sets of weights, and JSON of what trained them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use super::{MOST_BYTES, container};
use crate::error::{Error, ModelFault, Result};
use crate::model::{Parameter, Weights};
use crate::storage::{Target, commit_bytes};

/// Writes a checkpoint, whole or not at all: each set's tensors are called `set/tensor`.
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

/// Reads a checkpoint: `compatible` looks at its JSON before more is believed; every set must have just `parameters`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if it is not a sound one; that of `compatible`.
pub(crate) fn load_checkpoint<T: DeserializeOwned>(
    path: &Path,
    parameters: &[Parameter],
    compatible: impl Fn(&serde_json::Value) -> Result<()>,
) -> Result<(T, BTreeMap<String, Weights>)> {
    let fault = |fault| Error::Checkpoint { path: path.to_owned(), fault };
    let bytes = read(path)?;
    let json = container::about(&bytes).map_err(fault)?;
    compatible(&json)?;
    let about = serde_json::from_value(json).map_err(|error| fault(ModelFault::Metadata(error.into())))?;
    let mut sets = BTreeMap::<String, Weights>::new();
    for (name, weight) in container::tensors(&bytes).map_err(fault)? {
        let Some((set, tensor)) = name.split_once('/') else { return Err(fault(ModelFault::UnknownTensor { name })) };
        sets.entry(set.to_owned()).or_default().insert(tensor.to_owned(), weight);
    }
    for weights in sets.values() {
        container::check(weights, parameters).map_err(fault)?;
    }
    Ok((about, sets))
}

/// The JSON of a checkpoint.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if there is none in it.
pub(crate) fn checkpoint_json(path: &Path) -> Result<serde_json::Value> {
    container::about(&read(path)?).map_err(|fault| Error::Checkpoint { path: path.to_owned(), fault })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::metadata(path).map_err(Error::io("open", path))?.len();
    // Five sets at most.
    let limit = 5 * MOST_BYTES;
    if bytes > limit {
        return Err(Error::Checkpoint { path: path.to_owned(), fault: ModelFault::Size { bytes, limit } });
    }
    std::fs::read(path).map_err(Error::io("read", path))
}
