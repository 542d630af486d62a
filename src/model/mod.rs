//! The variational autoencoder. Tensors never leave this folder: rows come in as [`Batch`](crate::batch::Batch),
//! numbers go out as plain vectors.
//!
//! **Invariant:** this floor knows the tensor library and never Arrow.

mod adam;
mod likelihood;
mod mlp;
mod params;
mod trainer;
mod vae;

pub use self::params::Weight;
pub(crate) use self::params::Weights;
pub(crate) use self::trainer::{Step, Trainer, mean_of_best};
pub(crate) use self::vae::Vae;
pub use self::vae::{Encoded, Network};

use crate::error::Error;

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // The tensor library puts its backtrace into the text; nobody asked for it.
        let source = match error {
            candle_core::Error::WithBacktrace { inner, .. } => inner,
            error => Box::new(error),
        };
        Self::Tensor { source }
    }
}
