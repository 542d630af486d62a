//! The interpreter's lock in calls from other libraries. A library that reads or releases one of our streams may hold the lock
//! or not. pyo3 cannot tell: it counts only its own calls on the thread.
#![expect(unsafe_code, reason = "only the interpreter's own functions know whether a thread holds the lock")]

use pyo3::ffi;
use pyo3::prelude::*;

/// Runs `work` while this thread holds the lock, whether or not it held it before.
pub(crate) fn held<T>(work: impl FnOnce(Python<'_>) -> T) -> T {
    // SAFETY: `PyGILState_Ensure` may be called in any state of the lock, and is undone on the same thread.
    let state = unsafe { ffi::PyGILState_Ensure() };
    let done = Python::attach(work);
    // SAFETY: as above.
    unsafe { ffi::PyGILState_Release(state) };
    done
}

/// While it lives, this thread does not hold the lock, whether or not it held it before.
pub(crate) struct Released {
    state: ffi::PyGILState_STATE,
    thread: *mut ffi::PyThreadState,
}

impl Released {
    pub(crate) fn new() -> Self {
        // SAFETY: the lock is held after the first call, and is then given up until `drop`, on the same thread: the type holds
        // a pointer, so that it stays there.
        unsafe {
            let state = ffi::PyGILState_Ensure();
            Self { state, thread: ffi::PyEval_SaveThread() }
        }
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        // SAFETY: undoes `new`, in reverse.
        unsafe {
            ffi::PyEval_RestoreThread(self.thread);
            ffi::PyGILState_Release(self.state);
        }
    }
}
