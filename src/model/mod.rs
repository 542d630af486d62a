//! The variational autoencoder. Tensors stay in this folder: rows come in as [`Batch`](crate::batch::Batch), and plain
//! vectors go out.
//!
//! **Invariant:** this folder uses the tensor library and never Arrow.

#![forbid(unsafe_code)]

mod adam;
mod device;
mod encoded;
mod heads;
mod kernels;
mod likelihood;
mod network;
mod parameters;
mod sampler;
mod tensors;
mod trainer;
mod vae;

pub(crate) use self::adam::AdamMoments;
pub use self::device::Device;
pub(crate) use self::device::TensorDevice;
pub(crate) use self::encoded::Encoded;
pub(crate) use self::heads::{Heads, Losses};
pub(crate) use self::network::LOG_VARIANCE;
pub use self::network::Network;
pub use self::parameters::Weight;
pub(crate) use self::parameters::{Parameter, Weights, parameters};
pub(crate) use self::sampler::{Draws, Row, Sampler};
pub(crate) use self::tensors::ResidentRows;
#[cfg(feature = "bench")]
pub(crate) use self::trainer::StepInput;
pub(crate) use self::trainer::{Checkpoint, Feed, Step, Trainer, mean_of_best};
pub(crate) use self::vae::Vae;

use std::borrow::Cow;

/// Latents with their given inputs beside them, `[rows, latent_dim + given]`; each operand with its width.
fn beside<'a>((z, latent_dim): (&'a [f32], usize), (given, width): (&[f32], usize)) -> Cow<'a, [f32]> {
    if width == 0 {
        return Cow::Borrowed(z);
    }
    let rows = z.chunks_exact(latent_dim).zip(given.chunks_exact(width));
    Cow::Owned(rows.flat_map(|(z, given)| z.iter().chain(given)).copied().collect())
}
