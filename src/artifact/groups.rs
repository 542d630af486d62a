//! The levels and spreads of groups in a model file, of numbers and of the anomaly score, and how the highest scores of groups
//! compare: tensors for each given column that names groups.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::container::PrefixedTensors;
use crate::error::ModelFault;
use crate::feature::{Features, GroupNorms};
use crate::model::{Weight, Weights};
use crate::score::{GroupScores, GroupTail, GroupTails};

/// The prefix of the tensor names.
const PREFIX: &str = "groups.";

/// The names of level and spread of numbers, and of the anomaly score.
const NUMBERS: [&str; 2] = ["level", "spread"];
const SCORES: [&str; 2] = ["score_level", "score_spread"];

/// The name of what the highest scores are compared by, `[groups + 1, 3]`.
const TAILS: &str = "score_tail";

/// Whether a tensor name belongs to the groups.
pub(super) fn has_tensor(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What is known of groups as tensors, by name.
pub(super) fn tensors(numbers: &[Arc<GroupNorms>], scores: &[GroupScores]) -> Weights {
    let mut tensors = Weights::new();
    let mut add = |n: usize, name: &str, width: usize, values: Vec<f32>| {
        tensors.insert(format!("{PREFIX}{n}.{name}"), Weight { shape: vec![values.len() / width, width], values });
    };
    let of_numbers = numbers.iter().enumerate().map(|(n, norms)| (n, NUMBERS, &**norms));
    let of_scores = scores.iter().enumerate().map(|(n, scores)| (n, SCORES, &scores.norms));
    for (n, [level, spread], norms) in of_numbers.chain(of_scores) {
        add(n, level, norms.numbers(), norms.level.clone());
        add(n, spread, norms.numbers(), norms.spread.clone());
    }
    for (n, tails) in scores.iter().enumerate().filter_map(|(n, scores)| Some((n, scores.tails.as_ref()?))) {
        add(n, TAILS, 3, tails.groups.iter().flat_map(|tail| [tail.start, tail.below, tail.beyond]).collect());
    }
    tensors
}

/// Reads what is known of the groups of `features` from tensors, which may hold nothing else: of numbers, and of the anomaly score,
/// which is of so many `parts`.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite, is invalid or is unknown.
pub(super) fn take(
    tensors: Weights,
    features: &Features,
    parts: usize,
) -> Result<(Vec<Arc<GroupNorms>>, Vec<GroupScores>), ModelFault> {
    let mut tensors = PrefixedTensors::new(PREFIX, tensors);
    let (mut of_numbers, mut of_scores) = (Vec::new(), Vec::new());
    for (n, &(element, groups)) in features.layout().given().groups().iter().enumerate() {
        let numbers = features.numbers();
        if !numbers.is_empty() {
            of_numbers.push(Arc::new(norms(&mut tensors, (n, NUMBERS), (element, groups), numbers)?));
        }
        let norms = norms(&mut tensors, (n, SCORES), (element, groups), (0..parts).collect())?;
        let name = format!("{n}.{TAILS}");
        let tails = match tensors.get(&name) {
            None => None,
            Some(_) => Some(tails(element, &tensors.take(&name, &[groups + 1, 3])?)?),
        };
        of_scores.push(GroupScores { norms, tails });
    }
    tensors.finish()?;
    Ok((of_numbers, of_scores))
}

fn norms(
    tensors: &mut PrefixedTensors,
    (n, names): (usize, [&str; 2]),
    (element, groups): (usize, usize),
    numbers: Arc<[usize]>,
) -> Result<GroupNorms, ModelFault> {
    let [level, spread] = names.map(|name| format!("{n}.{name}"));
    let rows = tensors.get(&level).and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0);
    let mut take = |name: &str| tensors.take(name, &[rows.min(groups + 1), numbers.len()]);
    let (level, spread) = (take(&level)?, take(&spread)?);
    GroupNorms::from_parts(element, numbers, level, spread).ok_or_else(invalid)
}

fn tails(element: usize, values: &[f32]) -> Result<GroupTails, ModelFault> {
    let tail = |values: &[f32]| GroupTail { start: values[0], below: values[1], beyond: values[2] };
    let tails = GroupTails { element, groups: values.chunks_exact(3).map(tail).collect() };
    if tails.is_valid() { Ok(tails) } else { Err(invalid()) }
}

fn invalid() -> ModelFault {
    ModelFault::Contradiction("the levels and spreads of groups are invalid".to_owned())
}
