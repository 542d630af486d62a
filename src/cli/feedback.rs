//! `vaepipe feedback`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{Device, Error, FitConfig, Model, Source, SourceConfig, Stop, Verdict};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::run::WritingFlags;
use crate::cli::output::log;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, shell, shown};

/// The column of verdicts, unless a flag names another.
const VERDICT: &str = "verdict";

/// Teach a model what people said of rows
///
/// Example: vaepipe feedback flights.safetensors reviewed.parquet
///
/// The rows have the model's columns, as in the output of a transform, and one more that says of some of them what they are.
/// Rows like a false alarm score lower from then on, rows like an anomaly higher, and p-values stay valid. The model is
/// replaced; `vaepipe inspect` lists what it learned, and --forget takes it back.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct FeedbackCommand {
    /// The model file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Reviewed rows: files, directories, or globs in quotes, read as one table; - is stdin
    #[arg(value_name = "REVIEWED")]
    reviewed: Vec<PathBuf>,
    /// The column of verdicts: normal or anomaly, or a Boolean that is true for an anomaly; nothing where nobody looked
    #[arg(long, default_value = VERDICT, value_name = "COL", help_heading = "Feedback")]
    verdict: String,
    /// Take back what was said of these rows, by their numbers as inspect lists them, or of all
    #[arg(long, value_delimiter = ',', value_name = "N,...|all", conflicts_with = "reviewed")]
    forget: Vec<String>,
    /// Write the model to this file, and leave the old one [default: replace the old one]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    rows: SourceConfig,
    /// Where the model runs: auto, cpu, cuda or cuda:N; auto uses CUDA if this build has it and a device answers
    #[arg(long, default_value_t, value_name = "DEVICE", help_heading = "Run")]
    device: Device,
    #[command(flatten)]
    writing: WritingFlags,
}

/// What a fit is told by people.
#[derive(Debug, Args)]
pub(crate) struct FeedbackFlags {
    /// Teach the new model what people said of the rows of this file; several flags name several [default: none]
    #[arg(long, value_name = "REVIEWED", help_heading = "Feedback")]
    feedback: Vec<PathBuf>,
    /// The column of verdicts: normal or anomaly, or a Boolean that is true for an anomaly; nothing where nobody looked
    /// [default: verdict]
    #[arg(long, value_name = "COL", requires = "feedback", help_heading = "Feedback")]
    verdict: Option<String>,
}

/// Reviewed rows that a model is to learn from.
pub(crate) struct ReviewedFiles {
    sources: Vec<Source>,
    verdict: String,
}

impl FeedbackFlags {
    /// Opens the files as the rows of the fit are read, so that one that cannot be used costs no training.
    ///
    /// # Errors
    /// Those of the files, and [`Error::NoFeedback`](vaepipe::Error::NoFeedback).
    pub(crate) fn open(self, config: &FitConfig, rows: &SourceConfig, stop: &Stop) -> Result<ReviewedFiles, Failure> {
        let verdict = self.verdict.unwrap_or_else(|| VERDICT.to_owned());
        // A condition is on the rows of the fit.
        let rows = SourceConfig { predicate: None, ..rows.clone() };
        let open = |path: &PathBuf| {
            let source = Source::open([path], &rows, stop)?;
            Model::check_verdict(&source, &verdict).map(|()| source)
        };
        if !self.feedback.is_empty() {
            config.check_feedback()?;
        }
        let sources = self.feedback.iter().map(open).collect::<Result<_, _>>()?;
        Ok(ReviewedFiles { sources, verdict })
    }
}

impl ReviewedFiles {
    /// Teaches a model, which stays as it is if that fails, and is said to.
    ///
    /// # Errors
    /// As [`Model::with_feedback`].
    pub(crate) fn teach(&self, model: &mut Model, stop: &Stop) -> Result<(), Error> {
        let teach = |model: Model, source| model.with_feedback(source, &self.verdict, stop);
        let taught = self.sources.iter().try_fold(model.clone(), teach);
        if taught.is_err() {
            tracing::warn!("the model is without feedback; once that is mended, `vaepipe feedback` adds it");
        }
        *model = taught?;
        Ok(())
    }
}

impl FeedbackCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { model: path, reviewed, verdict, forget, output, force, rows, device, writing } = self;
        if reviewed.is_empty() && forget.is_empty() {
            return Err(Failure::Usage {
                fault: "no reviewed rows are named".to_owned(),
                hint: Some(
                    "name a file with a column of verdicts after the model; `vaepipe inspect` lists what it learned"
                        .to_owned(),
                ),
            });
        }
        let stop = &context.signals.stop;
        let target = output.as_deref().unwrap_or(&path);
        let force = force || output.is_none();
        let source = forget.is_empty().then(|| Source::open(&reviewed, &rows, stop)).transpose()?;
        let _lock = writing.claim(target, force, source.iter().flat_map(Source::paths), context)?;
        // Once no other run can teach it meanwhile.
        let model = Model::load(&path, device)?;
        log::model(&path, &model);
        let learned = match &source {
            Some(source) => model.with_feedback(source, &verdict, stop)?,
            None => model.without_feedback(&numbers(&forget, &model)?)?,
        };
        learned.save_new(target, force)?;
        let (before, after) = (counts(&model), counts(&learned));
        let mut lines = vec![("reviewed", told(after)), ("before", told(before))];
        let used = learned.metadata().scoring.calibration.as_ref().map_or(0, |calibration| calibration.rows());
        lines.push(("p-values", format!("of {} calibration rows", HumanCount(used))));
        lines.push(("model", format!("{}, sha256 {}", target.display(), learned.hash())));
        lines.push(("next", format!("vaepipe inspect {}", shell(target))));
        let mut json = json(&learned);
        json["model"] = json!(target.display().to_string());
        json["sha256"] = json!(learned.hash());
        output::print(writing.summary, context.quiet, &lines, &json)?;
        Ok(())
    }
}

/// The numbers of the rows to forget.
fn numbers(forget: &[String], model: &Model) -> Result<Vec<usize>, Failure> {
    if forget == ["all"] {
        let rows = model.metadata().feedback.as_ref().map_or(0, |reviewed| reviewed.rows.len());
        return Ok((1..=rows).collect());
    }
    let number = |text: &String| {
        let all = forget.join(",");
        text.parse()
            .map_err(|_| Failure::usage(format!("--forget takes either all, or numbers of reviewed rows, not {all}")))
    };
    forget.iter().map(number).collect()
}

/// The reviewed rows that are normal, and those that are anomalies.
fn counts(model: &Model) -> [usize; 2] {
    let of = |verdict: Verdict| {
        let rows = model.metadata().feedback.iter().flat_map(|reviewed| &reviewed.rows);
        rows.filter(|row| row.verdict == verdict).count()
    };
    [of(Verdict::Normal), of(Verdict::Anomaly)]
}

/// What a model learned, for a program.
fn json(model: &Model) -> Value {
    let [normal, anomalies] = counts(model);
    json!({ "normal": normal, "anomalies": anomalies, "reviewed_scores": model.reviewed_scores() })
}

/// What a model learned in one line; `None` if nothing.
pub(crate) fn line(model: &Model) -> Option<String> {
    let counts = counts(model);
    (counts != [0, 0]).then(|| told(counts))
}

/// The counts in words.
fn told([normal, anomalies]: [usize; 2]) -> String {
    let of = |rows: usize, [one, more]: [&'static str; 2]| if rows == 1 { one } else { more };
    let (row, anomaly) = (of(normal, ["row", "rows"]), of(anomalies, ["anomaly", "anomalies"]));
    format!("{} normal {row}, {} {anomaly}", HumanCount(normal as u64), HumanCount(anomalies as u64))
}

/// The reviewed rows as a table; empty without any.
pub(crate) fn table(model: &Model) -> String {
    let Some(reviewed) = &model.metadata().feedback else { return String::new() };
    let mut table = table_of(["", "reviewed", "verdict", "score", "with feedback", "most by"]);
    for (n, (row, score)) in reviewed.rows.iter().zip(model.reviewed_scores()).enumerate() {
        let verdict = match row.verdict {
            Verdict::Normal => "normal",
            Verdict::Anomaly => "anomaly",
        };
        let by = row.feature.as_deref().map_or_else(String::new, |feature| {
            row.value.as_deref().map_or_else(|| shown(feature), |value| format!("{} {}", shown(feature), shown(value)))
        });
        table.add_row([
            (n + 1).to_string(),
            format!("{}, row {}", shown(&row.file), HumanCount(row.row)),
            verdict.to_owned(),
            format!("{:.2}", row.score),
            format!("{score:.2}"),
            by,
        ]);
    }
    to_the_right(&mut table, 0..=0);
    to_the_right(&mut table, 3..=4);
    in_lines(&table)
}
