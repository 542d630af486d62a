//! How a caller follows a fit, and stops it.

use crate::pipeline::{Progress, Stop};

/// How a caller follows a fit, and stops it.
pub(super) struct FitWatch<'a> {
    pub(super) stop: &'a Stop,
    /// Asked to stop, a fit ends with the best weights so far, if it has any.
    pub(super) keep_partial: bool,
    pub(super) on_progress: &'a mut dyn FnMut(Progress<'_>),
}

impl FitWatch<'_> {
    /// Does work whose epochs are not those of the fit's history, and of which a part is not kept.
    pub(super) fn steps_only<T>(&mut self, work: impl FnOnce(&mut FitWatch<'_>) -> T) -> T {
        let on_progress = &mut self.on_progress;
        let mut steps_only = |progress: Progress<'_>| {
            if !matches!(progress, Progress::Epoch { .. }) {
                on_progress(progress);
            }
        };
        work(&mut FitWatch { stop: self.stop, keep_partial: false, on_progress: &mut steps_only })
    }
}
