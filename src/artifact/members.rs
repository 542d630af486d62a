//! The networks of a model file: the first one's tensors by their plain names, the others' with the prefix
//! `members.N.`.

use std::sync::Arc;

use super::{Metadata, container};
use crate::config::Training;
use crate::error::{ModelFault, Result};
use crate::feature::Layout;
use crate::model::{Vae, Weight, Weights, parameters};
use crate::score::{AggregatePosterior, Member};

/// The tensors of a network's aggregate posterior.
const LATENTS: [&str; 2] = ["latents.mean", "latents.whitening"];

/// The prefix of the tensor names of network `n`.
fn prefix(n: usize) -> String {
    if n == 0 { String::new() } else { format!("members.{n}.") }
}

/// The tensors of network `n` by their names in the file.
pub(super) fn named<T>(n: usize, tensors: impl IntoIterator<Item = (String, T)>) -> impl Iterator<Item = (String, T)> {
    let prefix = prefix(n);
    tensors.into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
}

/// The aggregate posterior as tensors.
pub(super) fn latents(AggregatePosterior { mean, whitening }: &AggregatePosterior) -> [(String, Weight); 2] {
    let k = mean.len();
    let tensors = [(vec![k], mean), (vec![k, k], whitening)];
    let mut tensors = tensors.map(|(shape, values)| Weight { shape, values: values.clone() }).into_iter();
    LATENTS.map(|name| (name.to_owned(), tensors.next().expect("two tensors for two names")))
}

/// Builds the networks from a file's tensors: the weights and the scoring member of each. `vae` builds one from
/// weights.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite, or is unknown.
pub(super) fn take(
    metadata: &Metadata,
    layout: &Layout,
    mut tensors: Weights,
    vae: impl Fn(&Weights) -> Result<Vae>,
) -> Result<Vec<(Weights, Member)>, ModelFault> {
    let Metadata { network, training, .. } = metadata;
    let contradiction = ModelFault::Contradiction;
    if !(1..=Training::MOST_MEMBERS).contains(&training.members) {
        return Err(contradiction("the number of networks is out of its range".to_owned()));
    }
    // Check the size that the metadata claims before building networks of it.
    let (of_latents, of_network) =
        (network.latent_dim.saturating_mul(network.latent_dim + 1), network.parameters(layout));
    let claimed = of_network.saturating_add(of_latents).saturating_mul(training.members);
    let held: usize = tensors.values().map(|weight| weight.values.len()).sum();
    if claimed > held {
        return Err(contradiction(format!("the metadata claims {claimed} parameters, the file has {held}")));
    }
    let (parameters, k) = (parameters(layout, network), network.latent_dim);
    // The first network has no prefix: it comes last and takes all remaining tensors, so that unknown ones are
    // reported.
    let mut members = Vec::with_capacity(training.members);
    for n in (0..training.members).rev() {
        let prefix = prefix(n);
        let own = tensors.keys().filter(|name| name.starts_with(&prefix)).cloned().collect::<Vec<_>>();
        let take = |name: String| Some((name[prefix.len()..].to_owned(), tensors.remove(&name)?));
        let mut weights: Weights = own.into_iter().filter_map(take).collect();
        let [mean, whitening] = LATENTS.map(|name| (name, weights.remove(name)));
        let of_file = |fault| in_file(fault, &prefix);
        container::check(&weights, &parameters).map_err(of_file)?;
        let mean = container::check_tensor(mean.0, mean.1.as_ref(), &[k]).map_err(of_file)?.to_vec();
        let whitening = container::check_tensor(whitening.0, whitening.1.as_ref(), &[k, k]).map_err(of_file)?.to_vec();
        let vae = vae(&weights).map_err(|error| contradiction(error.to_string()))?;
        let latents = AggregatePosterior { mean, whitening };
        let member = Member::new(Arc::new(vae), layout, network, &weights, latents, training.member_seed(n));
        members.push((weights, member));
    }
    members.reverse();
    Ok(members)
}

/// A fault with the tensor's full name in the file.
fn in_file(fault: ModelFault, prefix: &str) -> ModelFault {
    let full = |name: String| format!("{prefix}{name}");
    match fault {
        ModelFault::Tensor { name, found, expected } => ModelFault::Tensor { name: full(name), found, expected },
        ModelFault::MissingTensor { name } => ModelFault::MissingTensor { name: full(name) },
        ModelFault::UnknownTensor { name } => ModelFault::UnknownTensor { name: full(name) },
        ModelFault::NotFinite { name } => ModelFault::NotFinite { name: full(name) },
        other => other,
    }
}
