//! Rows of a result: read batch by batch, handed over to another library, or written to a file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyTuple};
use vaepipe::arrow::array::{AsArray, RecordBatch, RecordBatchIterator, RecordBatchReader};
use vaepipe::arrow::compute::cast;
use vaepipe::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use vaepipe::arrow::error::ArrowError;
use vaepipe::{Error, Stop};

use crate::capsule::{BoxedReader, export_batch, export_schema, export_stream};
use crate::error::{exception, usage};
use crate::gil::{Released, held};
use crate::job::Job;
use crate::run::{Call, wait, wait_anywhere};

/// Some rows.
#[pyclass(frozen)]
pub(crate) struct NativeBatch(pub(crate) RecordBatch);

#[pymethods]
impl NativeBatch {
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        names(self.0.schema_ref())
    }

    /// The values of a column as packed floats of 64 bits, NaN for null.
    fn floats<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
        let column = self.0.column_by_name(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        let column = cast(column, &DataType::Float64).map_err(raised)?;
        let values =
            column.as_primitive::<Float64Type>().iter().flat_map(|value| value.unwrap_or(f64::NAN).to_ne_bytes());
        Ok(PyBytes::new(py, &values.collect::<Vec<u8>>()))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let _ = requested_schema; // A wish; whoever has one casts.
        export_batch(py, &self.0)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema; // As above.
        export_stream(py, Box::new(RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema())))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        export_schema(py, self.0.schema_ref())
    }
}

/// Rows that are made when they are read.
#[pyclass(frozen)]
pub(crate) struct NativeReader {
    state: Mutex<State>,
    threads: Option<usize>,
    stop: Stop,
    /// What ended the rows, for whoever gets it as a text from another library.
    failure: Failure,
}

/// An exception, until it is raised.
type Failure = Arc<Mutex<Option<PyErr>>>;

enum State {
    /// Nothing is read.
    Ready(Box<Job>),
    Reading(Unlocked),
    /// Another has the rows, or they were written.
    Gone,
}

impl NativeReader {
    pub(crate) fn new(job: Job, threads: Option<usize>, stop: Stop) -> Self {
        Self { state: Mutex::new(State::Ready(Box::new(job))), threads, stop, failure: Failure::default() }
    }

    /// The state, which only a thread with the interpreter's lock takes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the rows, begun if they were not.
    fn take(&self, py: Python<'_>) -> PyResult<Unlocked> {
        let state = std::mem::replace(&mut *self.state(), State::Gone);
        match state {
            State::Ready(job) => {
                let (stop, threads) = (&self.stop, self.threads);
                let reader = wait(py, stop, move || job.read(stop, threads))?.map_err(exception)?;
                Ok(Unlocked::new(reader))
            }
            State::Reading(reader) => Ok(reader),
            State::Gone => Err(usage("these rows were read; make them again to read them twice".to_owned())),
        }
    }

    fn schema(&self, py: Python<'_>) -> PyResult<SchemaRef> {
        let known = match &*self.state() {
            State::Ready(job) => job.schema(),
            State::Reading(reader) => Some(reader.schema()),
            State::Gone => None,
        };
        if let Some(schema) = known {
            return Ok(schema);
        }
        let reader = self.take(py)?;
        let schema = reader.schema();
        *self.state() = State::Reading(reader);
        Ok(schema)
    }
}

#[pymethods]
impl NativeReader {
    #[getter]
    fn column_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(names(&self.schema(py)?))
    }

    /// The next rows; `None` after the last.
    fn next(&self, py: Python<'_>) -> PyResult<Option<NativeBatch>> {
        let mut reader = self.take(py)?;
        let next = wait(py, &self.stop, || reader.next())?;
        // An error is the last item.
        if !matches!(next, Some(Err(_))) {
            *self.state() = State::Reading(reader);
        }
        next.transpose().map(|batch| batch.map(NativeBatch)).map_err(raised)
    }

    /// Writes the rows to a file, whole or not at all, and gives the summary.
    #[pyo3(signature = (path, force=false, progress=None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        force: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let state = std::mem::replace(&mut *self.state(), State::Gone);
        let State::Ready(job) = state else {
            return Err(usage("some of these rows were read; make them again to write them all".to_owned()));
        };
        let call = Call { stop: self.stop.clone(), threads: self.threads, progress };
        let rows = job.rows();
        let summary = call.run(py, rows, |_, run| job.write(&path, force, run))?;
        Ok(pythonize::pythonize(py, &summary)?)
    }

    /// The exception that ended the rows, once.
    fn failure(&self) -> Option<PyErr> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema; // A wish; whoever has one casts.
        let mut reader = self.take(py)?;
        reader.watched = Some((self.stop.clone(), self.failure.clone()));
        export_stream(py, Box::new(reader))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        export_schema(py, self.schema(py)?.as_ref())
    }
}

fn names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// The exception for an error of the rows.
fn raised(error: ArrowError) -> PyErr {
    match error {
        ArrowError::ExternalError(cause) => match cause.downcast::<Error>() {
            Ok(error) => exception(*error),
            Err(cause) => match cause.downcast::<PyErr>() {
                Ok(raised) => *raised,
                Err(cause) => usage(cause.to_string()),
            },
        },
        error => usage(error.to_string()),
    }
}

/// A reader that reads, and ends, without the interpreter's lock, which its threads may wait for.
pub(crate) struct Unlocked {
    /// There until the drop.
    reader: Option<BoxedReader>,
    /// What a signal stops, and where it is kept: for a reader that another library reads.
    watched: Option<(Stop, Failure)>,
}

impl Unlocked {
    pub(crate) fn new(reader: BoxedReader) -> Self {
        Self { reader: Some(reader), watched: None }
    }
}

impl Iterator for Unlocked {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let Some((stop, failure)) = &self.watched else { return reader.next() };
        let keep = |error: PyErr| {
            let text = ArrowError::CDataInterface(error.to_string());
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Some(Err(text))
        };
        match wait_anywhere(stop, || reader.next()) {
            Ok(Some(Err(error))) => held(|_| keep(raised(error))),
            Ok(next) => next,
            Err(error) => held(|_| keep(error)),
        }
    }
}

impl RecordBatchReader for Unlocked {
    fn schema(&self) -> SchemaRef {
        self.reader.as_ref().map_or_else(|| Arc::new(vaepipe::arrow::datatypes::Schema::empty()), |it| it.schema())
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        // After the interpreter there is nobody to wait for.
        if Python::try_attach(|_| ()).is_some() {
            let _released = Released::new();
            thread::scope(|scope| drop(scope.spawn(move || drop(reader))));
        }
    }
}
