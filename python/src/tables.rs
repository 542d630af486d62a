//! Questions to whole tables.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use vaepipe::cli::embed;
use vaepipe::{EvaluateConfig, ParquetSource, Report, ReportConfig, Result, SeriesConfig, Stop};

use crate::count::Count;
use crate::error::exception;
use crate::model::NativeModel;
use crate::options;
use crate::run::Call;
use crate::source::NativeSource;

/// A source as a table that can be read in any order.
fn table(source: &NativeSource, stop: &Stop) -> Result<ParquetSource> {
    source.open(stop)?.table(&std::env::temp_dir())
}

/// What a fit would make of rows.
#[pyfunction]
#[pyo3(signature = (source, threads=None, options=None))]
pub(crate) fn plan<'py>(
    py: Python<'py>,
    source: &NativeSource,
    threads: Option<Count<usize>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config = options::read(options, embed::fit)?;
    let plan = Call { threads: threads.map(|count| count.0), ..Call::default() }.run(py, None, |stop, run| {
        let folder = config.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        config.plan(&config.table(&source.open(stop)?, &folder)?, run)
    })?;
    Ok(pythonize::pythonize(py, &plan)?)
}

/// How well scores find labelled anomalies.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each keyword of the call")]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    source: &NativeSource,
    label: String,
    score: Vec<String>,
    threshold: Option<f64>,
    top: Option<Count<u64>>,
    order_by: Option<String>,
    by: Vec<String>,
    window: Option<Count<usize>>,
    thresholds: Option<Count<usize>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut config = EvaluateConfig::new(label);
    (config.score, config.threshold, config.top) = (score, threshold, top.map(|count| count.0));
    config.series = order_by.map(|order_by| {
        let mut series = SeriesConfig::new(order_by);
        (series.by, series.window) = (by, window.map(|count| count.0));
        series.thresholds = thresholds.map(|count| count.0);
        series
    });
    let call = Call::default();
    let found = call.run(py, None, |stop, _| vaepipe::evaluate(&table(source, stop)?, &config, stop))?;
    Ok(pythonize::pythonize(py, &found)?)
}

/// A page about transformed rows.
#[pyclass(frozen)]
pub(crate) struct NativeReport(Report);

#[pymethods]
impl NativeReport {
    #[getter]
    fn html(&self) -> &str {
        self.0.html()
    }

    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<()> {
        py.detach(|| self.0.save(path, force)).map_err(exception)
    }
}

/// Makes a page about transformed rows.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each keyword of the call")]
pub(crate) fn report(
    py: Python<'_>,
    source: &NativeSource,
    model: Option<&NativeModel>,
    label: Option<String>,
    color: Option<String>,
    dimensions: Option<[usize; 2]>,
    image: Option<[usize; 2]>,
    top: Option<Count<usize>>,
    show: Vec<String>,
    time: Option<String>,
) -> PyResult<NativeReport> {
    let mut config = ReportConfig::new();
    (config.label, config.color, config.dimensions, config.image) = (label, color, dimensions, image);
    (config.show, config.time) = (show, time);
    config.top = top.map_or(config.top, |count| count.0);
    let model = model.map(|model| model.0.as_ref());
    let call = Call::default();
    let page = call.run(py, None, |stop, _| {
        config.check()?;
        vaepipe::report(&table(source, stop)?, model, &config, stop)
    })?;
    Ok(NativeReport(page))
}
