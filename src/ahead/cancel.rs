//! Cancellation: a thread learns that nobody takes its results any more.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

thread_local! {
    static OF_THREAD: RefCell<Cancel> = RefCell::default();
}

/// How soon a thread that waits learns of it.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Set when the consumer of a thread's results goes; clones are of the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Makes it the one of this thread.
    pub(super) fn watch(self) {
        OF_THREAD.set(self);
    }

    /// Tells the threads that watch it.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the results of this thread are not wanted any more. Never of a thread that no [`Cancel`] is for.
pub(super) fn is_cancelled() -> bool {
    OF_THREAD.with_borrow(|cancel| cancel.0.load(Ordering::Relaxed))
}
