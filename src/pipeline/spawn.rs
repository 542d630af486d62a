//! Threads are started here.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// Starts a thread of this name.
///
/// # Errors
/// [`Error::Threads`] if the system has no more.
pub(super) fn spawn_named<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let thread = Builder::new().name(name).stack_size(STACK).spawn(work);
    thread.map_err(|source| Error::Threads { source: Box::new(source) })
}

/// Starts a thread of this name that may borrow.
///
/// # Errors
/// As [`spawn_named`].
pub(super) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let thread = Builder::new().name(name).stack_size(STACK).spawn_scoped(scope, work);
    thread.map_err(|source| Error::Threads { source: Box::new(source) })
}

/// The stack of a thread, as large as that of the main thread: a condition is looked at as deeply as it is nested.
const STACK: usize = 8 << 20;
