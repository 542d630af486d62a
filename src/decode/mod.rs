//! From latents back to rows: generate, impute, reconstruct and traverse.

#![forbid(unsafe_code)]

mod decoder;
mod drawn_sequences;
mod fixed_given;
mod generate;
mod impute;
mod influence;
mod reconstruct;
mod replace;
mod row_reader;
mod transition;
mod traverse;

use arrow::error::ArrowError;

pub(crate) use self::decoder::{Decoder, Generator};
pub use self::impute::Imputed;
pub use self::influence::Influence;
pub use self::reconstruct::Reconstructed;
use crate::error::{Error, Place};

/// An arrow error in rows without a place.
fn failed(source: ArrowError) -> Error {
    Error::Read { place: Place::default(), source: Box::new(source) }
}
