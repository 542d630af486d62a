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

/// A cancellation flag, shared by its clones. It is set as well when that of the thread that made it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancel(Arc<CancelFlag>);

#[derive(Debug, Default)]
struct CancelFlag {
    set: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// A flag for threads that work for this one.
    pub(super) fn new() -> Self {
        let parent = OF_THREAD.with_borrow(Clone::clone);
        Self(Arc::new(CancelFlag { set: AtomicBool::new(false), parent: Some(parent) }))
    }

    /// Makes it the flag of this thread.
    pub(super) fn watch(self) {
        OF_THREAD.set(self);
    }

    /// Tells the threads that watch it.
    pub(super) fn set(&self) {
        self.0.set.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_set)
    }
}

/// Whether nobody takes the results of this thread any more.
pub(crate) fn is_cancelled() -> bool {
    OF_THREAD.with_borrow(Cancel::is_set)
}
