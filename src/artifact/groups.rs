//! The levels and spreads of groups in a model file, of numbers and of the anomaly score: four tensors for each given column
//! that names groups.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::container::PrefixedTensors;
use crate::error::ModelFault;
use crate::feature::{Features, GroupNorms};
use crate::model::{Weight, Weights};

/// The prefix of the tensor names.
const PREFIX: &str = "groups.";

/// Levels and spreads of numbers, and those of the anomaly score.
pub(super) type Norms = [Vec<Arc<GroupNorms>>; 2];

/// The tensors of both, level and spread.
const NAMES: [[&str; 2]; 2] = [["level", "spread"], ["score_level", "score_spread"]];

/// Whether a tensor name belongs to the groups.
pub(super) fn has_tensor(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The levels and spreads as tensors, by name.
pub(super) fn tensors(norms: [&[Arc<GroupNorms>]; 2]) -> Weights {
    let mut tensors = Weights::new();
    for (names, norms) in NAMES.into_iter().zip(norms) {
        for (n, norms) in norms.iter().enumerate() {
            let width = norms.numbers();
            for (name, values) in names.into_iter().zip([&norms.level, &norms.spread]) {
                let tensor = Weight { shape: vec![values.len() / width, width], values: values.clone() };
                tensors.insert(format!("{PREFIX}{n}.{name}"), tensor);
            }
        }
    }
    tensors
}

/// Reads the levels and spreads of the groups of `features` from tensors, which may hold nothing else; the anomaly score is
/// of so many `parts`.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite, is invalid or is unknown.
pub(super) fn take(tensors: Weights, features: &Features, parts: usize) -> Result<Norms, ModelFault> {
    let mut tensors = PrefixedTensors::new(PREFIX, tensors);
    let numbers = [features.numbers(), (0..parts).collect()];
    let groups = features.layout().given().groups();
    let mut all = Norms::default();
    for ((names, numbers), all) in NAMES.into_iter().zip(&numbers).zip(&mut all) {
        for (n, (element, groups)) in groups.iter().enumerate().filter(|_| !numbers.is_empty()) {
            let [level, spread] = names.map(|name| format!("{n}.{name}"));
            let rows = tensors.get(&level).and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0);
            let mut take = |name: &str| tensors.take(name, &[rows.min(groups + 1), numbers.len()]);
            let (level, spread) = (take(&level)?, take(&spread)?);
            let invalid = || ModelFault::Contradiction("the levels and spreads of groups are invalid".to_owned());
            let norms = GroupNorms::from_parts(*element, numbers.clone(), level, spread).ok_or_else(invalid)?;
            all.push(Arc::new(norms));
        }
    }
    tensors.finish()?;
    Ok(all)
}
