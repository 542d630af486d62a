//! Cancellation: tells a thread that the consumer of its results is gone.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

thread_local! {
    static OF_THREAD: RefCell<Cancel> = RefCell::default();
}

/// How often a waiting thread checks its flag.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// A cancellation flag, shared by its clones. It counts as set when the flag of the thread that made it is set.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancel(Arc<CancelFlag>);

#[derive(Debug, Default)]
struct CancelFlag {
    set: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// A flag for threads that work for this thread.
    pub(super) fn new() -> Self {
        let parent = OF_THREAD.with_borrow(Clone::clone);
        Self(Arc::new(CancelFlag { set: AtomicBool::new(false), parent: Some(parent) }))
    }

    /// Makes it this thread's flag.
    pub(super) fn watch(self) {
        OF_THREAD.set(self);
    }

    /// Cancels the threads that watch it.
    pub(super) fn set(&self) {
        self.0.set.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_set)
    }
}

/// Whether the consumer of this thread's results is gone.
pub(crate) fn is_cancelled() -> bool {
    OF_THREAD.with_borrow(Cancel::is_set)
}
