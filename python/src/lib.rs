//! The Python module of vaepipe: the library's functions and the program, for the package `vaepipe` beside it.
//!
//! It has no logic of its own. Python objects become sources and options, results become readers and dicts; the work runs on
//! threads that never wait for the interpreter's lock.
#![warn(missing_docs)]

mod capsule;
mod columns;
mod count;
mod error;
mod gil;
mod job;
mod log;
mod model;
mod options;
mod program;
mod reader;
mod run;
mod source;
mod tables;

use pyo3::prelude::*;

/// Keeps the memory of one batch for the next, as the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the package `vaepipe` is built on. It may change in any release.
#[pymodule]
mod _vaepipe {
    use super::*;

    #[pymodule_export]
    use super::columns::from_columns;
    #[pymodule_export]
    use super::model::{NativeModel, fit};
    #[pymodule_export]
    use super::options::options;
    #[pymodule_export]
    use super::program::main;
    #[pymodule_export]
    use super::reader::{NativeBatch, NativeReader};
    #[pymodule_export]
    use super::source::NativeSource;
    #[pymodule_export]
    use super::tables::{NativeReport, evaluate, plan, report};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        vaepipe::silence_decoder_panics();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
