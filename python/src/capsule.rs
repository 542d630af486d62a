//! Rows between libraries without a copy: the Arrow PyCapsule interface
//! (<https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>), either way.
#![expect(unsafe_code, reason = "pointers of capsules are checked by the name that the interface gives them")]

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use vaepipe::arrow::array::{Array, RecordBatch, RecordBatchOptions, RecordBatchReader, StructArray};
use vaepipe::arrow::datatypes::{DataType, Schema};
use vaepipe::arrow::error::ArrowError;
use vaepipe::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use vaepipe::arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};

const STREAM: &CStr = c"arrow_array_stream";
const ARRAY: &CStr = c"arrow_array";
const SCHEMA: &CStr = c"arrow_schema";

/// A reader that another library can take over.
pub(crate) type BoxedReader = Box<dyn RecordBatchReader + Send>;

/// Hands a reader over.
pub(crate) fn export_stream(py: Python<'_>, reader: BoxedReader) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
}

/// Hands a schema over.
pub(crate) fn export_schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowSchema::try_from(schema).map_err(failed)?, SCHEMA)
}

/// Hands a batch over: its schema and its columns.
pub(crate) fn export_batch<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyTuple>> {
    let array = FFI_ArrowArray::new(&StructArray::from(batch.clone()).to_data());
    let array = PyCapsule::new_with_value(py, array, ARRAY)?;
    PyTuple::new(py, [export_schema(py, batch.schema_ref())?, array])
}

/// Takes over what `__arrow_c_stream__` of `data` gives.
pub(crate) fn import_stream(data: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let capsule = data.call_method0("__arrow_c_stream__")?;
    let stream = capsule.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name points to a stream, which is moved out and left empty.
    unsafe { RecordBatchStreamReader::from_raw(stream.cast().as_ptr()) }.map_err(failed)
}

/// Takes over what `__arrow_c_array__` of `data` gives: a batch.
pub(crate) fn import_batch(data: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let capsules = data.call_method0("__arrow_c_array__")?;
    let capsules = capsules.cast::<PyTuple>()?;
    let pointer = |n: usize, name| capsules.get_item(n)?.cast::<PyCapsule>()?.pointer_checked(Some(name));
    let (schema, array) = (pointer(0, SCHEMA)?, pointer(1, ARRAY)?);
    // SAFETY: capsules of these names point to a schema, which outlives this function in its capsule, and to an array of it,
    // which is moved out and left empty.
    let (fields, data) = unsafe {
        let schema = schema.cast::<FFI_ArrowSchema>();
        let array = FFI_ArrowArray::from_raw(array.cast().as_ptr());
        (Schema::try_from(schema.as_ref()), from_ffi(array, schema.as_ref()))
    };
    let data = data.map_err(failed)?;
    if !matches!(data.data_type(), DataType::Struct(_)) {
        return Err(PyTypeError::new_err(format!("an array of {} is no batch of columns", data.data_type())));
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(data.len()));
    let columns = StructArray::from(data).into_parts().1;
    RecordBatch::try_new_with_options(Arc::new(fields.map_err(failed)?), columns, &rows).map_err(failed)
}

fn failed(error: ArrowError) -> PyErr {
    PyTypeError::new_err(format!("the data does not follow Arrow's C data interface: {error}"))
}
