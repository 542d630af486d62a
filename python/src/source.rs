//! The rows of a call: files, or what Python objects hold.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use vaepipe::arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use vaepipe::arrow::datatypes::{Schema, SchemaRef};
use vaepipe::arrow::error::ArrowError;
use vaepipe::{Result, Source, SourceConfig, Stop, TypeOf};

use crate::capsule::{BoxedReader, import_batch, import_stream};
use crate::error::{exception, usage};
use crate::reader::Unlocked;
use crate::run::wait;

/// Rows to read: files, or batches that can be read once.
#[pyclass(frozen)]
pub(crate) struct NativeSource {
    rows: Rows,
    /// What the values of columns are.
    types: Vec<TypeOf>,
}

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
    #[pyo3(signature = (paths, predicate=None, types=Vec::new()))]
    fn files(paths: Vec<PathBuf>, predicate: Option<String>, types: Vec<String>) -> PyResult<Self> {
        let mut config = SourceConfig::new();
        config.predicate = predicate;
        Ok(Self { rows: Rows::Files { paths, config }, types: parse(types)? })
    }

    /// What `__arrow_c_stream__` or `__arrow_c_array__` of `data` gives.
    #[staticmethod]
    #[pyo3(signature = (data, types=Vec::new()))]
    fn arrow(data: &Bound<'_, PyAny>, types: Vec<String>) -> PyResult<Self> {
        Ok(Self::of(Part::of(data)?.reader(), parse(types)?))
    }

    /// The same rows, which can be opened any number of times: batches are copied to a scratch file.
    fn reread(&self, py: Python<'_>) -> PyResult<Self> {
        let rows = match &self.rows {
            Rows::Files { paths, config } => Rows::Files { paths: paths.clone(), config: config.clone() },
            _ => {
                let stop = Stop::new();
                let spool = || self.open(&stop)?.spooled(&std::env::temp_dir());
                Rows::Spooled(wait(py, &stop, spool)?.map_err(exception)?)
            }
        };
        Ok(Self { rows, types: self.types.clone() })
    }

    /// The batches of an iterator, or frames; `None` if it has none.
    #[staticmethod]
    #[pyo3(signature = (items, types=Vec::new()))]
    fn iterator(items: &Bound<'_, PyAny>, types: Vec<String>) -> PyResult<Option<Self>> {
        let types = parse(types)?;
        let mut items = items.try_iter()?;
        let Some(first) = items.next() else { return Ok(None) };
        let first = Part::of(&first?)?.reader();
        let schema = first.schema();
        let batches = PythonBatches { items: items.unbind(), schema, part: Some(first) };
        Ok(Some(Self::of(Box::new(batches), types)))
    }
}

impl NativeSource {
    fn of(reader: BoxedReader, types: Vec<TypeOf>) -> Self {
        Self { rows: Rows::Batches(Mutex::new(Some(Box::new(Unlocked::new(reader))))), types }
    }

    /// Opens the files, or takes the batches: a source of these is opened once.
    ///
    /// # Errors
    /// Those of [`Source::open`].
    pub(crate) fn open(&self, stop: &Stop) -> Result<Source> {
        let source = match &self.rows {
            Rows::Files { paths, config } => Source::open(paths, config, stop)?,
            // Its columns have their types already.
            Rows::Spooled(source) => return Ok(source.clone().stop(stop)),
            Rows::Batches(batches) => {
                let reader = batches.lock().unwrap_or_else(PoisonError::into_inner).take();
                Source::from_batches(reader.unwrap_or_else(|| Box::new(no_rows()))).stop(stop)
            }
        };
        source.with_logical_types(&self.types)
    }
}

/// Logical types, as the program takes them.
fn parse(types: Vec<String>) -> PyResult<Vec<TypeOf>> {
    let parse = |of: String| of.parse().map_err(|error| usage(format!("types: {error}")));
    types.into_iter().map(parse).collect()
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
