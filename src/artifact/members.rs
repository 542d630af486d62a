//! A model's networks in its file: the first one's tensors by their names, those of the others behind `members.N.`.

use std::sync::Arc;

use super::{Metadata, container};
use crate::config::Training;
use crate::error::{ModelFault, Result};
use crate::feature::Layout;
use crate::model::{Vae, Weight, Weights, parameters};
use crate::score::{AggregatePosterior, Member};

/// The tensors that say where training rows lie in a network's latent space.
const LATENTS: [&str; 2] = ["latents.mean", "latents.whitening"];

/// What the names of a further network's tensors begin with.
fn prefix(n: usize) -> String {
    if n == 0 { String::new() } else { format!("members.{n}.") }
}

/// Tensors of network `n` under their names in the file.
pub(super) fn named<T>(n: usize, tensors: impl IntoIterator<Item = (String, T)>) -> impl Iterator<Item = (String, T)> {
    let prefix = prefix(n);
    tensors.into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
}

/// Where training rows lie, as tensors.
pub(super) fn latents(AggregatePosterior { mean, whitening }: &AggregatePosterior) -> [(String, Weight); 2] {
    let k = mean.len();
    let tensors = [(vec![k], mean), (vec![k, k], whitening)];
    let mut tensors = tensors.map(|(shape, values)| Weight { shape, values: values.clone() }).into_iter();
    LATENTS.map(|name| (name.to_owned(), tensors.next().expect("as many as names")))
}

/// Takes the networks out of a file's tensors; of each its weights, and how it scores. `vae` makes one of weights.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, of another shape or not finite, or if one is left.
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
    // Before building networks of the size the metadata claims.
    let (of_latents, of_network) = (
        network.latent_dim.saturating_mul(network.latent_dim + 1),
        network.parameters(layout.encoder_inputs(), layout.outputs()),
    );
    let claimed = of_network.saturating_add(of_latents).saturating_mul(training.members);
    let held: usize = tensors.values().map(|weight| weight.values.len()).sum();
    if claimed > held {
        return Err(contradiction(format!("the networks have {claimed} parameters, the file {held}")));
    }
    let (parameters, k) = (parameters(layout, network), network.latent_dim);
    // The first one last: what belongs to no other is taken for its own, and found out.
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

/// A fault with the tensor's name as it is in the file.
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
