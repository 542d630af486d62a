//! `--openlineage`: what a run reads and writes, as events of OpenLineage, one a line.
//!
//! An event of its start, and one of how it ended, also if it failed: COMPLETE if its output is, ABORT if it was stopped, else
//! FAIL. The names are those of <https://openlineage.io/docs/spec/naming>.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use uuid::{Builder, Uuid};
use vaepipe::{ColumnTree, Fitted, Transformed};

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::epoch_metrics::holds_json_lines;
use crate::cli::output::log;

/// The specification of events, and of their facets.
const SPECIFICATION: &str = "https://openlineage.io/spec";

/// The events of a run, once a command has said where.
#[derive(Default)]
pub(crate) struct Lineage(RefCell<Option<LineageRun>>);

struct LineageRun {
    path: PathBuf,
    id: Uuid,
    namespace: String,
    name: String,
    /// The run that started this one.
    parent: Option<(String, String, Uuid)>,
    /// Tables, and the model last, if one is read; `None` for a standard stream, which has no name.
    inputs: Vec<Option<Value>>,
    outputs: Vec<Option<Value>>,
    /// How many of the inputs are tables.
    tables: usize,
    /// Facets of the run, known at its end.
    facets: Map<String, Value>,
}

/// A facet that the specification has.
fn facet(name: &str, version: &str, mut content: Value) -> Value {
    content["_producer"] = json!(producer());
    content["_schemaURL"] = json!(format!("{SPECIFICATION}/facets/{version}/{name}.json#/$defs/{name}"));
    content
}

/// A facet of this program.
fn own_facet(name: &str, mut content: Value) -> Value {
    content["_producer"] = json!(producer());
    content["_schemaURL"] = json!(format!("{}:{name}", producer()));
    content
}

fn producer() -> String {
    format!("urn:vaepipe:{}", env!("CARGO_PKG_VERSION"))
}

/// A time-ordered identifier (RFC 9562, version 7).
fn new_id() -> Uuid {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let (a, b) = (RandomState::new().hash_one(std::process::id()), RandomState::new().hash_one(millis));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&a.to_ne_bytes());
    random[8..].copy_from_slice(&b.to_ne_bytes()[..2]);
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// The data set that a path names; `None` for a standard stream.
fn dataset(path: &Path) -> Option<Value> {
    if path.as_os_str() == "-" || path.as_os_str().is_empty() {
        return None;
    }
    let text = path.display().to_string();
    Some(match text.split_once("://") {
        Some((scheme, rest)) => {
            let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
            json!({"namespace": format!("{scheme}://{host}"), "name": name})
        }
        None => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            json!({"namespace": "file", "name": path.display().to_string()})
        }
    })
}

/// The facet of columns.
fn schema_facet(columns: &[ColumnTree]) -> Value {
    facet("SchemaDatasetFacet", "1-2-0", json!({"fields": columns}))
}

impl Lineage {
    /// Writes the start of a run of `command` down, which reads `inputs`, of which the first are `tables`, and writes `outputs`.
    ///
    /// # Errors
    /// If the file holds something else, is one of them, or cannot be written.
    pub(crate) fn begin(
        &self,
        path: PathBuf,
        (job, command): (&str, &str),
        (inputs, tables): (&[&Path], usize),
        outputs: &[&Path],
    ) -> Result<(), Failure> {
        output::check_is_file(&path)?;
        crate::storage::check_distinct(&outputs.iter().copied().chain([path.as_path()]).collect::<Vec<_>>())?;
        crate::storage::check_target(&path, true, inputs.iter().copied().filter(|input| input.as_os_str() != "-"))?;
        crate::storage::check_outside(&path, inputs.iter().copied().filter(|input| input.is_dir()))?;
        let failed = |action, source| vaepipe::Error::Io { path: path.clone(), action, source };
        if !holds_json_lines(&path).map_err(|source| failed("read", source))? {
            return Err(Failure::Usage {
                fault: format!("{}: holds something else than JSON lines", path.display()),
                hint: Some("--openlineage appends events to a file; choose another".to_owned()),
            });
        }
        // The variables of OpenLineage's own clients.
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let namespace = variable("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "default".to_owned());
        let parent = variable("OPENLINEAGE_PARENT_ID").and_then(|id| {
            let mut parts = id.rsplitn(3, '/');
            let (run, name, namespace) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
            Some((namespace.to_owned(), name.to_owned(), run))
        });
        let datasets = |paths: &[&Path]| paths.iter().map(|path| dataset(path)).collect();
        let id = log::run_id().parse().unwrap_or_else(|_| new_id());
        let (inputs, outputs, facets) = (datasets(inputs), datasets(outputs), Map::new());
        let name = format!("{job}.{command}");
        let run = LineageRun { path: path.clone(), id, namespace, name, parent, inputs, outputs, tables, facets };
        run.append("START").map_err(|source| failed("write", source))?;
        *self.0.borrow_mut() = Some(run);
        Ok(())
    }

    fn with(&self, note: impl FnOnce(&mut LineageRun)) {
        if let Some(run) = self.0.borrow_mut().as_mut() {
            note(run);
        }
    }

    /// Notes the columns of all inputs that are tables.
    pub(crate) fn read(&self, columns: &[ColumnTree]) {
        self.with(|run| {
            let tables = run.inputs.iter_mut().take(run.tables).flatten();
            tables.for_each(|input| input["facets"]["schema"] = schema_facet(columns));
        });
    }

    /// Notes the columns of the first output.
    pub(crate) fn wrote(&self, columns: &[ColumnTree]) {
        self.with(|run| {
            run.outputs
                .iter_mut()
                .take(1)
                .flatten()
                .for_each(|output| output["facets"]["schema"] = schema_facet(columns));
        });
    }

    /// Notes what a transform did, which `writes` rows to its first output or none.
    pub(crate) fn transformed(&self, done: &Transformed, writes: bool) {
        self.with(|run| {
            let written = done.rows - done.quarantined.unwrap_or_default();
            let counts = [Some(written), done.quarantined].into_iter().flatten().filter(|_| writes);
            for (output, rows) in run.outputs.iter_mut().zip(counts) {
                let Some(output) = output else { continue };
                let statistics = json!({"rowCount": rows, "fileCount": done.files});
                output["outputFacets"]["outputStatistics"] =
                    facet("OutputStatisticsOutputDatasetFacet", "1-0-2", statistics);
            }
            if let Some(Some(input)) = run.inputs.first_mut().filter(|_| run.tables == 1) {
                let metrics = json!({"rowCount": done.rows, "columnMetrics": {}});
                input["inputFacets"]["dataQualityMetrics"] =
                    facet("DataQualityMetricsInputDatasetFacet", "1-0-3", metrics);
            }
            let anomalies = json!({
                "rows": done.rows,
                "emptyRows": done.empty_rows,
                "anomalies": done.anomalies,
                "anomalyRate": done.anomaly_rate(),
            });
            run.facets.insert("vaepipe_anomalies".to_owned(), own_facet("anomalies", anomalies));
            if let Some(drift) = &done.drift {
                let columns: Map<String, Value> =
                    drift.columns.iter().map(|shift| (shift.name.clone(), json!(shift.psi))).collect();
                let drift = json!({"worst": drift.worst(), "columns": columns});
                run.facets.insert("vaepipe_drift".to_owned(), own_facet("drift", drift));
            }
        });
    }

    /// Notes what a fit did.
    pub(crate) fn fitted(&self, fitted: &Fitted) {
        let metadata = fitted.model.metadata();
        let of_fit = json!({
            "rows": metadata.provenance.rows,
            "trainingRows": metadata.provenance.training_rows,
            "epochs": metadata.history.epochs.len(),
            "validationLoss": metadata.history.validation_loss(),
            "model": fitted.model.hash(),
        });
        self.with(|run| drop(run.facets.insert("vaepipe_fit".to_owned(), own_facet("fit", of_fit))));
    }

    /// Writes down how the run ended: whether its output is there, with this code and with what was wrong. What becomes of it is in the log, since the run has
    /// its result.
    pub(crate) fn end(&self, is_written: bool, code: u8, fault: Option<String>) {
        let Some(mut run) = self.0.borrow_mut().take() else { return };
        let event = match code {
            _ if is_written => "COMPLETE",
            130 | 141 | 143 => "ABORT",
            _ => "FAIL",
        };
        if let Some(message) = fault {
            let message = json!({"message": message, "programmingLanguage": "RUST"});
            run.facets.insert("errorMessage".to_owned(), facet("ErrorMessageRunFacet", "1-0-1", message));
        }
        if event != "COMPLETE" {
            // There is no output, or none that is whole.
            run.outputs
                .iter_mut()
                .flatten()
                .filter_map(Value::as_object_mut)
                .for_each(|it| drop(it.remove("outputFacets")));
        }
        if let Err(error) = run.append(event) {
            tracing::warn!("{}: no event of the end of this run: {error}", run.path.display());
        }
    }
}

impl LineageRun {
    /// Appends an event, a whole line in one write.
    fn append(&self, event: &str) -> std::io::Result<()> {
        let mut facets = self.facets.clone();
        let version = env!("CARGO_PKG_VERSION");
        let engine = json!({"version": version, "name": "vaepipe", "openlineageAdapterVersion": version});
        facets.insert("processing_engine".to_owned(), facet("ProcessingEngineRunFacet", "1-1-1", engine));
        if let Some((namespace, name, id)) = &self.parent {
            let parent = json!({"run": {"runId": id}, "job": {"namespace": namespace, "name": name}});
            facets.insert("parent".to_owned(), facet("ParentRunFacet", "1-2-0", parent));
        }
        let of_job = json!({"processingType": "BATCH", "integration": "VAEPIPE", "jobType": "COMMAND"});
        let line = json!({
            "eventType": event,
            "eventTime": log::now(),
            "run": {"runId": self.id, "facets": facets},
            "job": {
                "namespace": self.namespace,
                "name": self.name,
                "facets": {"jobType": facet("JobTypeJobFacet", "2-0-4", of_job)},
            },
            "inputs": self.inputs.iter().flatten().collect::<Vec<_>>(),
            "outputs": self.outputs.iter().flatten().collect::<Vec<_>>(),
            "producer": producer(),
            "schemaURL": format!("{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent"),
        });
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }
}
