//! A number as a tensor of any shape, made once: an operation on whole tensors asks less of a device than one on a number.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor};

use super::placer::Placer;

/// A number as a tensor.
pub(super) struct Constant {
    value: f32,
    placer: Placer,
    /// As long as the longest so far.
    longest: Mutex<Option<Tensor>>,
}

impl Constant {
    pub(super) fn new(value: f32, placer: &Placer) -> Self {
        Self { value, placer: placer.clone(), longest: Mutex::default() }
    }

    /// The number in this shape.
    pub(super) fn shaped(&self, shape: &[usize]) -> Result<Tensor> {
        let len = shape.iter().product();
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match longest.take().filter(|all| all.elem_count() >= len) {
            Some(all) => all,
            None => self.placer.tensor(&vec![self.value; len], &[len])?,
        };
        longest.insert(all).narrow(0, 0, len)?.reshape(shape)
    }
}
