//! The stored training rows of a model file: their places, and the space these are in.

#![forbid(unsafe_code)]

use super::container::PrefixedTensors;
use crate::error::ModelFault;
use crate::feature::Layout;
use crate::model::{Weight, Weights};
use crate::score::{Marginals, NeighborSpace, Neighbors};

/// The prefix of the tensor names.
const PREFIX: &str = "neighbors.";

/// The tensors of histograms, which models from before do not have.
const MARGINALS: [&str; 3] = ["marginals.per_unit", "marginals.zero", "marginals.nats"];

/// Whether a tensor name belongs to the stored rows.
pub(super) fn has_tensor(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The stored rows as tensors, by name.
pub(super) fn tensors(Neighbors { space, rows, restarted, marginals, .. }: &Neighbors) -> Weights {
    let (width, inputs) = (space.width(), space.residual.len());
    let whitening = if space.whitening.len() == width { vec![width] } else { vec![width, width] };
    let marginals = marginals.iter().flat_map(|Marginals { per_unit, zero, nats, .. }| {
        MARGINALS.into_iter().zip([per_unit, zero, nats]).map(|(name, values)| (name, vec![values.len()], values))
    });
    let tensors = [
        ("residual", vec![inputs], &space.residual),
        ("mean", vec![width], &space.mean),
        ("whitening", whitening, &space.whitening),
        ("rows", vec![rows.len(), width], &rows.places),
    ];
    let restarted = restarted.iter().map(|rows| ("restarted", vec![rows.len(), width], &rows.places));
    let tensor = |(name, shape, values): (&str, Vec<usize>, &Vec<f32>)| {
        (format!("{PREFIX}{name}"), Weight { shape, values: values.clone() })
    };
    tensors.into_iter().chain(restarted).chain(marginals).map(tensor).collect()
}

/// Reads the stored rows from tensors, which may hold nothing else; `None` if there are none.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite or is unknown.
pub(super) fn take(tensors: Weights, layout: &Layout, latent_dim: usize) -> Result<Option<Neighbors>, ModelFault> {
    if tensors.is_empty() {
        return Ok(None);
    }
    let invalid = || ModelFault::Contradiction("the stored training rows are invalid".to_owned());
    let (mut tensors, inputs) = (PrefixedTensors::new(PREFIX, tensors), layout.inputs());
    let width = latent_dim + inputs;
    let is_diagonal = tensors.get("whitening").is_some_and(|tensor| tensor.shape.len() == 1);
    let whitening = &[width; 2][..if is_diagonal { 1 } else { 2 }];
    let [stored, restarted] =
        ["rows", "restarted"].map(|name| tensors.get(name).map_or(0, |tensor| tensor.values.len() / width));
    let space = NeighborSpace {
        residual: tensors.take("residual", &[inputs])?,
        mean: tensors.take("mean", &[width])?,
        whitening: tensors.take("whitening", whitening)?,
    };
    let rows = tensors.take("rows", &[stored, width])?;
    let restarted = if restarted > 0 { tensors.take("restarted", &[restarted, width])? } else { Vec::new() };
    let marginals = match tensors.get(MARGINALS[0]).is_some() {
        true => {
            let [per_unit, zero, nats] = MARGINALS;
            let bins = Marginals::bins(layout);
            let parts = [(per_unit, inputs), (zero, inputs), (nats, bins)];
            let [per_unit, zero, nats] = parts.map(|(name, length)| tensors.take(name, &[length]));
            Some(Marginals::from_parts([per_unit?, zero?, nats?], layout).ok_or_else(invalid)?)
        }
        false => None,
    };
    tensors.finish()?;
    if rows.is_empty() || space.residual.iter().any(|size| *size <= 0.0) {
        return Err(invalid());
    }
    Ok(Some(Neighbors::new(space, [rows, restarted], marginals)))
}
