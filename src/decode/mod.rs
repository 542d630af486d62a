//! From latents back to rows: the commands that decode.

#![forbid(unsafe_code)]

mod decoder;
mod generate;
mod impute;
mod influence;
mod reconstruct;
mod traverse;

pub(crate) use self::decoder::{Decoder, Generator};
pub use self::impute::Imputed;
pub use self::influence::Influence;
pub use self::reconstruct::Reconstructed;
