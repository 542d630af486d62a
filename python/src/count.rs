//! Numbers of rows, threads and draws in a call.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::error::usage;

/// A number of something. One that is negative or too large is a wrong call, not an overflow.
pub(crate) struct Count<T>(pub(crate) T);

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Count<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).map_err(|error| {
            let error: PyErr = error.into();
            match error.is_instance_of::<PyOverflowError>(object.py()) {
                true => usage(format!("{} is no number of rows, threads or draws", *object)),
                false => error,
            }
        })
    }
}
