//! The network in tensors, with the tensor library's own gradients. CUDA runs it, and tests compare the kernels with
//! it.

#![forbid(unsafe_code)]

mod adam;
mod execution;
mod graph;
mod mlp;
mod placer;

pub(super) use self::execution::Autograd;
pub(crate) use self::graph::Graph;
pub(super) use self::placer::{Placed, Placer};
