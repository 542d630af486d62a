//! Adam (Kingma & Ba 2015, algorithm 1), without weight decay: the part that slices and tensors share.

#![forbid(unsafe_code)]

use crate::error::Result;

/// Decay of the first moment.
pub(super) const BETA1: f64 = 0.9;
/// Decay of the second moment.
pub(super) const BETA2: f64 = 0.999;
/// Added to the root of the second moment, so that the division is finite.
pub(super) const EPSILON: f64 = 1e-8;

/// First and second moments of every parameter's gradient.
#[derive(Debug, Clone)]
pub(crate) struct AdamMoments<T> {
    pub(crate) first: T,
    pub(crate) second: T,
    /// Number of updates so far.
    pub(crate) steps: i32,
}

impl<T> AdamMoments<T> {
    /// Starts with moments of zero.
    pub(super) fn new(zeros: impl Fn() -> T) -> Self {
        Self { first: zeros(), second: zeros(), steps: 0 }
    }

    /// The same moments in another form.
    pub(super) fn map<U>(&self, form: impl Fn(&T) -> Result<U>) -> Result<AdamMoments<U>> {
        Ok(AdamMoments { first: form(&self.first)?, second: form(&self.second)?, steps: self.steps })
    }

    /// Counts a step. Returns the factors of the first moment, and of the second moment under the root.
    pub(super) fn advance(&mut self, lr: f64) -> (f64, f64) {
        self.steps += 1;
        (lr / (1.0 - BETA1.powi(self.steps)), 1.0 / (1.0 - BETA2.powi(self.steps)))
    }
}
