//! The rows of a call: files, or what Python objects hold.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use vaepipe::arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use vaepipe::arrow::datatypes::{Schema, SchemaRef};
use vaepipe::arrow::error::ArrowError;
use vaepipe::{Result, Source, SourceConfig, Stop};

use crate::capsule::{BoxedReader, import_batch, import_stream};
use crate::error::exception;
use crate::reader::Unlocked;
use crate::run::wait;

/// Rows to read: files, or batches that can be read once.
#[pyclass(frozen)]
pub(crate) struct NativeSource(Rows);

enum Rows {
    Files {
        paths: Vec<PathBuf>,
        config: SourceConfig,
    },
    /// In a scratch file, which is removed with them.
    Spooled(Source),
    Batches(Mutex<Option<BoxedReader>>),
}

#[pymethods]
impl NativeSource {
    /// Files, directories, globs and URLs, as one table; only rows for which `predicate` is true.
    #[staticmethod]
    #[pyo3(signature = (paths, predicate=None))]
    fn files(paths: Vec<PathBuf>, predicate: Option<String>) -> Self {
        let mut config = SourceConfig::new();
        config.predicate = predicate;
        Self(Rows::Files { paths, config })
    }

    /// What `__arrow_c_stream__` or `__arrow_c_array__` of `data` gives.
    #[staticmethod]
    fn arrow(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::of(Part::of(data)?.reader()))
    }

    /// The same rows, which can be opened any number of times: batches are copied to a scratch file.
    fn reread(&self, py: Python<'_>) -> PyResult<Self> {
        let rows = match &self.0 {
            Rows::Files { paths, config } => Rows::Files { paths: paths.clone(), config: config.clone() },
            _ => {
                let stop = Stop::new();
                let spool = || self.open(&stop)?.spooled(&std::env::temp_dir());
                Rows::Spooled(wait(py, &stop, spool)?.map_err(exception)?)
            }
        };
        Ok(Self(rows))
    }

    /// The batches of an iterator, or frames; `None` if it has none.
    #[staticmethod]
    fn iterator(items: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let mut items = items.try_iter()?;
        let Some(first) = items.next() else { return Ok(None) };
        let first = Part::of(&first?)?.reader();
        let schema = first.schema();
        Ok(Some(Self::of(Box::new(PythonBatches { items: items.unbind(), schema, part: Some(first) }))))
    }
}

impl NativeSource {
    fn of(reader: BoxedReader) -> Self {
        Self(Rows::Batches(Mutex::new(Some(Box::new(Unlocked::new(reader))))))
    }

    /// Opens the files, or takes the batches: a source of these is opened once.
    ///
    /// # Errors
    /// Those of [`Source::open`].
    pub(crate) fn open(&self, stop: &Stop) -> Result<Source> {
        match &self.0 {
            Rows::Files { paths, config } => Source::open(paths, config, stop),
            Rows::Spooled(source) => Ok(source.clone().stop(stop)),
            Rows::Batches(batches) => {
                let reader = batches.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(Source::from_batches(reader.unwrap_or_else(|| Box::new(no_rows()))).stop(stop))
            }
        }
    }
}

fn no_rows() -> impl RecordBatchReader + Send {
    RecordBatchIterator::new([], Arc::new(Schema::empty()))
}

/// One batch, or a stream of them.
enum Part {
    Batch(RecordBatch),
    Stream(BoxedReader),
}

impl Part {
    fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        if data.hasattr("__arrow_c_stream__")? {
            Ok(Self::Stream(Box::new(import_stream(data)?)))
        } else if data.hasattr("__arrow_c_array__")? {
            Ok(Self::Batch(import_batch(data)?))
        } else {
            let name = data.get_type().fully_qualified_name()?;
            Err(PyTypeError::new_err(format!(
                "{name} holds no rows: it has neither __arrow_c_stream__ nor __arrow_c_array__"
            )))
        }
    }

    fn reader(self) -> BoxedReader {
        match self {
            Self::Batch(batch) => {
                let schema = batch.schema();
                Box::new(RecordBatchIterator::new([Ok(batch)], schema))
            }
            Self::Stream(reader) => reader,
        }
    }
}

/// The batches of a Python iterator, whose columns are those of the first.
struct PythonBatches {
    items: Py<PyIterator>,
    schema: SchemaRef,
    /// What the last item has left.
    part: Option<BoxedReader>,
}

impl PythonBatches {
    /// A batch with the schema of the first, which may tell more or less about nulls.
    fn alike(&self, batch: RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
        if batch.schema_ref() == &self.schema {
            return Ok(batch);
        }
        let fields = |schema: &Schema| {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
        };
        if fields(batch.schema_ref()) == fields(&self.schema) {
            return RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec());
        }
        let [first, here] = [&self.schema, batch.schema_ref()].map(|schema| {
            let names = schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
            names.collect::<Vec<_>>().join(", ")
        });
        Err(ArrowError::SchemaError(format!("a batch has other columns than the first: {here}; first: {first}")))
    }
}

impl Iterator for PythonBatches {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(part) = &mut self.part {
                match part.next() {
                    Some(batch) => return Some(batch.and_then(|batch| self.alike(batch))),
                    None => self.part = None,
                }
            }
            let next = Python::attach(|py| {
                let item = self.items.bind(py).clone().next()?;
                Some(item.and_then(|item| Part::of(&item)))
            });
            match next? {
                Ok(part) => self.part = Some(part.reader()),
                Err(error) => return Some(Err(ArrowError::ExternalError(Box::new(error)))),
            }
        }
    }
}

impl RecordBatchReader for PythonBatches {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
