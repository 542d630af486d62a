//! A fitted model.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::json;
use vaepipe::cli::embed;
use vaepipe::cli::embed::latents;
use vaepipe::{
    CompareConfig, Device, Drift, Error, GenerateConfig, ImputeConfig, Model, ReconstructConfig, Result, Run, Stop,
    TransformConfig, TraverseConfig,
};

use crate::count::Count;
use crate::error::{exception, usage};
use crate::job::{Job, Task};
use crate::options;
use crate::reader::NativeReader;
use crate::run::{Call, wait};
use crate::source::NativeSource;

/// A fitted model.
#[pyclass(frozen)]
pub(crate) struct NativeModel(pub(crate) Arc<Model>);

/// Fits a model to rows.
#[pyfunction]
#[pyo3(signature = (source, device="auto", threads=None, progress=None, options=None))]
pub(crate) fn fit(
    py: Python<'_>,
    source: &NativeSource,
    device: &str,
    threads: Option<Count<usize>>,
    progress: Option<Py<PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<NativeModel> {
    let mut config = options::read(options, embed::fit)?;
    let device = device_named(device)?;
    let model =
        Call { threads: threads.map(|count| count.0), progress, ..Call::default() }.run(py, None, |stop, run| {
            config.check()?;
            let source = source.open(stop)?;
            if config.tags.time.is_some() {
                config.tags.data = source.paths().map(|path| path.display().to_string()).collect();
            }
            let folder = config.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
            Ok(config.fit(&config.table(&source, &folder)?, device, run)?.model)
        })?;
    Ok(NativeModel(Arc::new(model)))
}

/// A device by its name.
pub(crate) fn device_named(name: &str) -> PyResult<Device> {
    name.parse().map_err(|error| exception(Error::ParseChoice(error)))
}

#[pymethods]
impl NativeModel {
    #[staticmethod]
    #[pyo3(signature = (path, device="auto"))]
    fn load(py: Python<'_>, path: PathBuf, device: &str) -> PyResult<Self> {
        let device = device_named(device)?;
        let model = wait(py, &Stop::new(), || Model::load(path, device))?;
        Ok(Self(Arc::new(model.map_err(exception)?)))
    }

    #[staticmethod]
    #[pyo3(signature = (bytes, device="auto"))]
    fn from_bytes(py: Python<'_>, bytes: &[u8], device: &str) -> PyResult<Self> {
        let device = device_named(device)?;
        let model = wait(py, &Stop::new(), || Model::from_bytes(bytes, device))?;
        Ok(Self(Arc::new(model.map_err(exception)?)))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.0.to_bytes()))
    }

    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<()> {
        wait(py, &Stop::new(), || self.0.save_new(path, force))?.map_err(exception)
    }

    #[getter]
    fn hash(&self) -> &str {
        self.0.hash()
    }

    /// The least anomaly score of an anomaly, by the rule of the fit.
    fn threshold(&self) -> Option<f32> {
        self.0.metadata().scoring.threshold(None)
    }

    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize::pythonize(py, self.0.metadata())?)
    }

    #[pyo3(signature = (source, threads=None, options=None))]
    fn transform(
        &self,
        py: Python<'_>,
        source: &NativeSource,
        threads: Option<Count<usize>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<NativeReader> {
        let config = options::read(options, embed::transform)?;
        self.reader(py, threads.map(|count| count.0), |stop| {
            let source = source.open(stop)?;
            let schema = self.0.output_schema(&source, &config)?;
            Ok(Task::Transform { source, config, schema })
        })
    }

    #[pyo3(signature = (source, threads=None, options=None))]
    fn impute(
        &self,
        py: Python<'_>,
        source: &NativeSource,
        threads: Option<Count<usize>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<NativeReader> {
        let config: ImputeConfig = options::read(options, embed::parse)?;
        self.reader(py, threads.map(|count| count.0), |stop| {
            config.check().and_then(|()| Ok(Task::Impute { source: source.open(stop)?, config }))
        })
    }

    #[pyo3(signature = (source, threads=None, options=None))]
    fn reconstruct(
        &self,
        py: Python<'_>,
        source: &NativeSource,
        threads: Option<Count<usize>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<NativeReader> {
        let config: ReconstructConfig = options::read(options, embed::parse)?;
        self.reader(py, threads.map(|count| count.0), |stop| {
            Ok(Task::Reconstruct { source: source.open(stop)?, config })
        })
    }

    #[pyo3(signature = (rows, threads=None, options=None))]
    fn generate(
        &self,
        py: Python<'_>,
        rows: Count<u64>,
        threads: Option<Count<usize>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<NativeReader> {
        let config: GenerateConfig = options::read(options, embed::parse)?;
        self.reader(py, threads.map(|count| count.0), |_| {
            config.check().map(|()| Task::Generate { rows: rows.0, config })
        })
    }

    #[pyo3(signature = (options=None))]
    fn traverse(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<NativeReader> {
        let config: TraverseConfig = options::read(options, embed::parse)?;
        self.reader(py, None, |_| config.check().map(|()| Task::Traverse(config)))
    }

    /// The bytes of an ONNX file.
    #[pyo3(signature = (options=None))]
    fn to_onnx<'py>(&self, py: Python<'py>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Bound<'py, PyBytes>> {
        let config = options::read(options, embed::export)?;
        let file = self.0.to_onnx(&config).map_err(exception)?;
        Ok(PyBytes::new(py, file.bytes()))
    }

    /// The summary of a transform of the rows, drift included, without its output.
    #[pyo3(signature = (source, threads=None, progress=None, options=None))]
    fn drift<'py>(
        &self,
        py: Python<'py>,
        source: &NativeSource,
        threads: Option<Count<usize>>,
        progress: Option<Py<PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !self.0.knows_drift() {
            return Err(usage("this model stores no drift baseline; fit it anew".to_owned()));
        }
        let mut config = TransformConfig::new();
        config.order = options::read(options, embed::parse)?;
        let done = Call { threads: threads.map(|count| count.0), progress, ..Call::default() }.run(
            py,
            None,
            |stop, run| self.0.drift(&source.open(stop)?, &config, run),
        )?;
        let found = done.drift.map(|drift| {
            let shifted: Vec<&String> = drift.beyond(Drift::SHIFTED).iter().map(|shift| &shift.name).collect();
            let mut found = json!(drift);
            (found["worst"], found["shifted"]) = (json!(drift.worst()), json!(shifted));
            found
        });
        Ok(pythonize::pythonize(py, &found)?)
    }

    /// How this model and another one differ, and what they say of the same rows.
    #[pyo3(signature = (other, source, top, explain, threads=None, progress=None, options=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each keyword of the call")]
    fn compare<'py>(
        &self,
        py: Python<'py>,
        other: &Self,
        source: Option<&NativeSource>,
        top: Count<usize>,
        explain: Count<usize>,
        threads: Option<Count<usize>>,
        progress: Option<Py<PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut config = CompareConfig::new();
        (config.top, config.explain, config.order) = (top.0, explain.0, options::read(options, embed::parse)?);
        let found = Call { threads: threads.map(|count| count.0), progress, ..Call::default() }.run(
            py,
            None,
            |stop, run| {
                config.check()?;
                let on = |source: &NativeSource| self.0.compare_on(&other.0, &source.open(stop)?, &config, run);
                let rows = source.map(on).transpose()?;
                Ok(json!({ "models": self.0.compare(&other.0), "rows": rows }))
            },
        )?;
        Ok(pythonize::pythonize(py, &found)?)
    }

    /// What each dimension of the latent space moves and goes with.
    fn latents<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize::pythonize(py, &latents(&self.0))?)
    }

    /// How well the latents of rows keep their neighbours and tell a label apart.
    #[pyo3(signature = (source, label=None))]
    fn latent_quality<'py>(
        &self,
        py: Python<'py>,
        source: &NativeSource,
        label: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = Call::default();
        let found = call.run(py, None, |stop, _| self.0.latent_quality(&source.open(stop)?, label.as_deref(), stop))?;
        Ok(pythonize::pythonize(py, &found)?)
    }

    /// The model that has learned what people said of rows.
    fn with_feedback(&self, py: Python<'_>, source: &NativeSource, verdict: &str) -> PyResult<Self> {
        let call = Call::default();
        let model = call.run(py, None, |stop, _| self.0.with_feedback(&source.open(stop)?, verdict, stop))?;
        Ok(Self(Arc::new(model)))
    }

    /// The model without what people said of some rows, by their numbers from 1.
    fn without_feedback(&self, rows: Vec<usize>) -> PyResult<Self> {
        Ok(Self(Arc::new(self.0.without_feedback(&rows).map_err(exception)?)))
    }

    /// The anomaly scores of the reviewed rows with the feedback.
    fn reviewed_scores(&self) -> Vec<f32> {
        self.0.reviewed_scores()
    }

    #[pyo3(signature = (source, samples=Count(5000)))]
    fn log_likelihood<'py>(
        &self,
        py: Python<'py>,
        source: &NativeSource,
        samples: Count<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = Call::default();
        let found = call.run(py, None, |stop, _| self.0.log_likelihood(&source.open(stop)?, samples.0, stop))?;
        Ok(pythonize::pythonize(py, &found)?)
    }
}

impl NativeModel {
    /// The rows of a task, once it is clear that it can begin.
    fn reader(
        &self,
        py: Python<'_>,
        threads: Option<usize>,
        task: impl FnOnce(&Stop) -> Result<Task> + Send,
    ) -> PyResult<NativeReader> {
        Run::new().threads(threads).check().map_err(exception)?;
        let stop = Stop::new();
        let task = wait(py, &stop, || task(&stop))?.map_err(exception)?;
        Ok(NativeReader::new(Job { model: self.0.clone(), task }, threads, stop))
    }
}
