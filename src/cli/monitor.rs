//! `--metrics-textfile`: what a run says to a monitoring system, in Prometheus's text format.
//!
//! The file is what node_exporter's textfile collector reads: written whole at the end of every run, also one that
//! fails, so that silence is a sign, too.

use std::cell::RefCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use vaepipe::{Drift, Fitted, Shift, Transformed};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::lineage::Lineage;
use crate::cli::output;

/// Columns, and latents, that a file tells of, those that moved most: each is a time series.
const MOST: usize = 20;

/// How such a file begins.
const FIRST: &str = "# HELP vaepipe_";

/// The metric that a failed run keeps from the run before.
const LAST_SUCCESS: &str = "vaepipe_last_success_timestamp_seconds";

/// Every metric there is: its name behind `vaepipe_`, and what it is.
const METRICS: &[(&str, &str)] = &[
    ("exit_code", "Exit code of the last run."),
    ("last_run_timestamp_seconds", "When the last run ended, in seconds since 1970."),
    ("last_success_timestamp_seconds", "When the last run ended whose output is complete."),
    ("run_seconds", "How long the last run took."),
    ("rows", "Rows read."),
    ("empty_rows", "Rows without a known learned value."),
    ("anomalies", "Rows that are anomalies."),
    ("anomaly_rate", "Share of anomalies among the rows that have a score."),
    ("score", "Quantiles of the anomaly scores."),
    ("drift_psi_max", "Greatest population stability index that is more than chance."),
    ("drift_psi", "Population stability index against the fit, of those that moved most."),
    ("drift_psi_by_chance", "What chance makes of the index."),
    ("drift_ks", "Kolmogorov-Smirnov distance from the fit."),
    ("missing_rate", "Share of missing values of a column."),
    ("beyond_rate", "Share of values of a column outside the range of the fit."),
    (
        "unseen_rate",
        "Share of values of a column that the fit did not see: new categories, or other than its constant.",
    ),
    ("train_rows", "Training rows."),
    ("epochs", "Epochs trained."),
    ("validation_loss", "Loss on the validation rows, nats a row."),
    ("held_out_loss", "Loss on the calibration rows, nats a row."),
];

/// Flags of every command that is watched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub(crate) struct MonitorFlags {
    /// Write the run's metrics to this file in Prometheus text format when it ends, also if it fails; one file per job
    #[arg(long, value_name = "FILE.prom")]
    metrics_textfile: Option<PathBuf>,
    /// The label `job` of the metrics, and the first part of the job's name in OpenLineage
    #[arg(long, value_name = "NAME", default_value = "vaepipe")]
    job: String,
    /// Append OpenLineage events to this file, a JSON line each: the run's start and its end, also if it fails [default: none]
    #[arg(long, value_name = "FILE.jsonl")]
    openlineage: Option<PathBuf>,
}

/// What will be written, once a command has said where.
#[derive(Default)]
pub(crate) struct Monitor {
    metrics: RefCell<Option<MonitoredRun>>,
    /// The events of the run.
    pub(crate) lineage: Lineage,
}

/// A suffix of the name, labels, and the value.
type Sample = (&'static str, Vec<(&'static str, String)>, f64);

struct MonitoredRun {
    path: PathBuf,
    /// Of every metric.
    labels: Vec<(&'static str, String)>,
    start: Instant,
    /// By name behind `vaepipe_`, with labels of its own.
    samples: Vec<Sample>,
    last_success: Option<String>,
}

impl MonitorFlags {
    /// From now on the run's end is written down.
    ///
    /// # Errors
    /// If there is something else in the file, or it is one of `outputs`, or has no place.
    pub(crate) fn begin(
        self,
        command: &str,
        inputs: &[PathBuf],
        model: &Path,
        outputs: &[&Path],
        context: &Context,
    ) -> Result<(), Failure> {
        if let Some(path) = self.openlineage {
            let others: Vec<&Path> = self.metrics_textfile.iter().map(PathBuf::as_path).collect();
            crate::storage::check_distinct(&others.into_iter().chain([path.as_path()]).collect::<Vec<_>>())?;
            let reads_model = !outputs.contains(&model) || command == "drift";
            let read = inputs.iter().map(PathBuf::as_path).chain(Some(model).filter(|_| reads_model));
            let written = outputs.iter().copied().filter(|_| command != "drift");
            let (read, written): (Vec<&Path>, Vec<&Path>) = (read.collect(), written.collect());
            context.monitor.lineage.begin(path, (&self.job, command), (&read, inputs.len()), &written)?;
        }
        let Some(path) = self.metrics_textfile else { return Ok(()) };
        output::check_is_file(&path)?;
        crate::storage::check_distinct(&outputs.iter().copied().chain([path.as_path()]).collect::<Vec<_>>())?;
        let before = match std::fs::metadata(&path) {
            Ok(about) if about.is_file() => std::fs::read_to_string(&path).unwrap_or_else(|_| "?".to_owned()),
            _ => String::new(),
        };
        if !before.is_empty() && !before.starts_with(FIRST) {
            return Err(Failure::Usage {
                fault: format!("{}: holds something else than metrics of vaepipe", path.display()),
                hint: Some("--metrics-textfile replaces its file; choose another".to_owned()),
            });
        }
        crate::storage::check_target(&path, true, [])?;
        let model = model.display().to_string();
        let labels = vec![("job", self.job), ("command", command.to_owned()), ("model", model)];
        let of_success = format!("{LAST_SUCCESS}{} ", in_braces(labels.iter()));
        let last_success = before.lines().find_map(|line| line.strip_prefix(&of_success)).map(str::to_owned);
        let run = MonitoredRun { path, labels, start: Instant::now(), samples: Vec::new(), last_success };
        *context.monitor.metrics.borrow_mut() = Some(run);
        Ok(())
    }
}

impl Monitor {
    fn add(&self, name: &'static str, labels: &[(&'static str, &str)], value: impl Into<Option<f64>>) {
        if let (Some(run), Some(value)) = (self.metrics.borrow_mut().as_mut(), value.into()) {
            let labels = labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect();
            run.samples.push((name, labels, value));
        }
    }

    /// Notes what a transform did, which `writes` its rows.
    pub(crate) fn transformed(&self, done: &Transformed, writes: bool) {
        self.lineage.transformed(done, writes);
        self.add("rows", &[], done.rows as f64);
        self.add("empty_rows", &[], done.empty_rows as f64);
        self.add("anomalies", &[], done.anomalies.map(|anomalies| anomalies as f64));
        self.add("anomaly_rate", &[], done.anomaly_rate());
        if let Some(scores) = &done.scores {
            let quantiles = [("0", scores.min), ("0.5", scores.median), ("0.9", scores.q90), ("0.99", scores.q99)];
            for (quantile, score) in quantiles.into_iter().chain([("1", scores.max)]) {
                self.add("score", &[("quantile", quantile)], score);
            }
        }
        let Some(drift) = &done.drift else { return };
        self.add("drift_psi_max", &[], drift.worst());
        for shift in most(&drift.columns) {
            self.shift("column", shift);
            let column = [("column", shift.name.as_str())];
            self.add("missing_rate", &column, shift.missing);
            self.add("beyond_rate", &column, shift.beyond);
            self.add("unseen_rate", &column, shift.unseen);
        }
        let Drift { latents, score, .. } = drift;
        most(latents).into_iter().for_each(|shift| self.shift("latent", shift));
        score.iter().for_each(|shift| self.shift("score", shift));
    }

    fn shift(&self, kind: &'static str, shift: &Shift) {
        let labels = [(kind, shift.name.as_str())];
        self.add("drift_psi", &labels, shift.psi);
        self.add("drift_psi_by_chance", &labels, shift.chance);
        self.add("drift_ks", &labels, shift.ks);
    }

    /// Notes what a fit did.
    pub(crate) fn fitted(&self, fitted: &Fitted, with_rows: bool) {
        self.lineage.fitted(fitted);
        let metadata = fitted.model.metadata();
        let (rows, history) = (&metadata.provenance, &metadata.history);
        if with_rows {
            self.add("rows", &[], rows.rows as f64);
            self.add("empty_rows", &[], rows.empty_rows as f64);
        }
        self.add("train_rows", &[], rows.training_rows as f64);
        self.add("epochs", &[], history.epochs.len() as f64);
        self.add("validation_loss", &[], history.validation_loss());
        self.add("held_out_loss", &[], history.held_out_loss);
    }

    /// Writes the files that were asked for of a run that ends with this code, and with this fault, its output written or not; what became of it is in the log, since
    /// the run has its result.
    pub(crate) fn end(&self, is_written: bool, code: u8, fault: Option<String>) {
        self.lineage.end(is_written, code, fault);
        let Some(run) = self.metrics.borrow_mut().take() else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        let mut samples = vec![
            ("exit_code", Vec::new(), code.to_string()),
            ("last_run_timestamp_seconds", Vec::new(), format!("{now:.3}")),
            ("run_seconds", Vec::new(), format!("{:.3}", run.start.elapsed().as_secs_f64())),
        ];
        let success = if is_written { Some(format!("{now:.3}")) } else { run.last_success };
        samples.extend(success.map(|at| ("last_success_timestamp_seconds", Vec::new(), at)));
        samples.extend(run.samples.into_iter().map(|(name, labels, value)| (name, labels, value.to_string())));
        let mut text = String::new();
        for (name, about) in METRICS {
            let mut of_it = samples.iter().filter(|(of, ..)| of == name).peekable();
            if of_it.peek().is_some() {
                // What has quantiles is a summary.
                let kind = if *name == "score" { "summary" } else { "gauge" };
                // A string takes everything.
                let _ = writeln!(text, "# HELP vaepipe_{name} {about}\n# TYPE vaepipe_{name} {kind}");
            }
            for (_, labels, value) in of_it {
                let labels = in_braces(run.labels.iter().chain(labels));
                let _ = writeln!(text, "vaepipe_{name}{labels} {value}");
            }
        }
        if let Err(error) = crate::storage::replace_file(&run.path, text.as_bytes()) {
            tracing::warn!("no metrics of this run: {error}");
        }
    }
}

/// Those that moved most.
fn most(shifts: &[Shift]) -> Vec<&Shift> {
    let mut shifts: Vec<&Shift> = shifts.iter().collect();
    shifts.sort_by(|a, b| b.psi.total_cmp(&a.psi));
    shifts.truncate(MOST);
    shifts
}

/// Labels as the format has them.
fn in_braces<'a>(labels: impl Iterator<Item = &'a (&'static str, String)>) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}
