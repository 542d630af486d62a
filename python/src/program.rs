//! The program, for the command `vaepipe` of a wheel.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

/// Runs the program with its arguments, the first of which is its name, and gives the exit code.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    // A panic is a bug, which was said on stderr.
    py.detach(|| catch_unwind(AssertUnwindSafe(|| vaepipe::cli::main(arguments))).unwrap_or(101))
}
