//! The network in tensors. CUDA runs it, and tests compare the kernels with it.

#![forbid(unsafe_code)]

mod adam;
mod constant;
mod dense;
mod encoder;
mod execution;
mod heads;
mod network;
mod placer;
mod places;
mod resident;

pub(super) use self::encoder::TensorEncoder;
pub(super) use self::execution::Tensors;
pub(super) use self::placer::{Placed, Placer};
pub(crate) use self::resident::ResidentRows;

#[cfg(test)]
mod tests;
