//! The clusters of a model file: a mixture over the latents, whose components belong to clusters.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::container::PrefixedTensors;
use crate::config::ClusterCount;
use crate::error::ModelFault;
use crate::model::{Weight, Weights};
use crate::numerics::{GaussianMixture, MixtureClusters};

/// The prefix of the tensor names.
const PREFIX: &str = "clusters.";

/// The clusters of the latents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Clusters {
    /// How many were asked for.
    pub asked: ClusterCount,
    /// The rows in each cluster, the most first, of a sample of the training rows.
    pub rows: Vec<u64>,
    /// The cluster of each component of the mixture.
    pub components: Vec<usize>,
}

impl Clusters {
    /// Describes clusters with so many rows each.
    pub(crate) fn new(asked: ClusterCount, clusters: &MixtureClusters, rows: Vec<u64>) -> Self {
        Self { asked, rows, components: clusters.of_component.clone() }
    }

    /// The share of the sampled training rows in each cluster, the greatest first.
    pub fn shares(&self) -> impl Iterator<Item = f64> {
        let all: u64 = self.rows.iter().sum();
        self.rows.iter().map(move |rows| *rows as f64 / all as f64)
    }
}

/// Whether a tensor name belongs to the clusters.
pub(super) fn has_tensor(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The mixture as tensors, by name.
pub(super) fn tensors(MixtureClusters { mixture, .. }: &MixtureClusters) -> Weights {
    let GaussianMixture { weight, mean, factor, .. } = mixture;
    let (components, k) = (weight.len(), mean.len() / weight.len());
    let tensors = [
        ("weight", vec![components], weight),
        ("mean", vec![components, k], mean),
        ("factor", vec![components, k, k], factor),
    ];
    let tensor = |(name, shape, values): (&str, Vec<usize>, &Vec<f32>)| {
        (format!("{PREFIX}{name}"), Weight { shape, values: values.clone() })
    };
    tensors.into_iter().map(tensor).collect()
}

/// Reads the clusters from tensors, which may hold nothing else; `None` if there are none.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite or is unknown, or if they contradict what the
/// metadata says.
pub(super) fn take(
    tensors: Weights,
    stated: Option<&Clusters>,
    latent_dim: usize,
) -> Result<Option<MixtureClusters>, ModelFault> {
    let invalid = || ModelFault::Contradiction("the clusters are invalid".to_owned());
    let mut tensors = PrefixedTensors::new(PREFIX, tensors);
    let Some(Clusters { asked, rows, components }) = stated else { return tensors.finish().map(|()| None) };
    let (n, k) = (components.len(), latent_dim);
    let [weight, mean, factor] =
        [tensors.take("weight", &[n])?, tensors.take("mean", &[n, k])?, tensors.take("factor", &[n, k, k])?];
    tensors.finish()?;
    let mixture = GaussianMixture::new(k, weight, mean, factor).ok_or_else(invalid)?;
    let clusters = MixtureClusters::new(mixture, components.clone()).ok_or_else(invalid)?;
    let descend = rows.windows(2).all(|pair| pair[0] >= pair[1]) && rows.iter().all(|rows| *rows > 0);
    let sound = asked.is_valid() && rows.len() == clusters.number() && descend;
    if sound { Ok(Some(clusters)) } else { Err(invalid()) }
}
