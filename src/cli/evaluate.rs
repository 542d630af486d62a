//! `vaepipe evaluate`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{
    AtThreshold, Best, Device, EvaluateConfig, Evaluation, LogLikelihood, Model, Ranked, Source, SourceConfig, evaluate,
};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, labelled, percent, shown};

/// Measure how well scores find labelled anomalies, or how well a model fits rows
///
/// Example: vaepipe evaluate scored.parquet --label is_fraud
///
/// Area under the ROC curve, average precision, precision and recall among the rows of highest score and at the best F1,
/// of every score in the file and of the squared norm of the standardised row, which needs no model; and what is_anomaly
/// found. Equal scores count as in scikit-learn.
///
/// With --likelihood instead: the mean log-likelihood of rows under a model, bounded by draws from each row's posterior, and
/// how many dimensions of the latent space are active. Fresh rows say the most.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Evaluate {
    /// Files, directories, or globs in quotes that a transform wrote; with --likelihood, with the columns the model learned;
    /// - is stdin
    #[arg(required = true, value_name = "SCORED")]
    scored: Vec<PathBuf>,
    /// The column of labels: 1 or true for an anomaly, 0 or false for none
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    label: Option<String>,
    /// Columns of scores, the main one first [default: the one the file says it is ranked by]
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    score: Vec<String>,
    /// Count as found what scores at least this [default: what is_anomaly says]
    #[arg(long, value_name = "SCORE", help_heading = "Anomalies")]
    threshold: Option<f64>,
    /// Rows of highest score to look at [default: as many as there are anomalies]
    #[arg(long, value_name = "N", help_heading = "Anomalies")]
    top: Option<u64>,
    /// Measure how likely the model makes rows, in nats a row; of numbers this is a density on the model's scale
    #[arg(long, help_heading = "Likelihood", conflicts_with_all = ["label", "score", "threshold", "top"])]
    likelihood: bool,
    /// The model of --likelihood
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Likelihood")]
    model: PathBuf,
    /// Draws a row from its posterior, of --likelihood
    #[arg(long, default_value_t = 5000, value_name = "N", help_heading = "Likelihood")]
    samples: usize,
    /// The result on stdout: tables, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
    #[command(flatten)]
    rows: SourceConfig,
}

impl Evaluate {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { scored, label, score, threshold, top, likelihood, model, samples, summary, rows } = self;
        if label.is_none() && !likelihood {
            let hint = Some("--label COL names known anomalies; --likelihood needs none".to_owned());
            return Err(Failure::Usage { fault: "evaluate what: --label or --likelihood is missing".to_owned(), hint });
        }
        let source = Source::open(&scored, &rows, &context.signals.stop)?;
        let Some(label) = label else {
            let found = Model::load(&model, Device::Cpu)?.log_likelihood(&source, samples, &context.signals.stop)?;
            return output::stdout(&match summary {
                OutputFormat::Json => format!("{}\n", json!(found)),
                OutputFormat::Text => likely(&found),
            });
        };
        let mut config = EvaluateConfig::new(label);
        config.score = score;
        config.threshold = threshold;
        config.top = top;
        let table = source.table(&std::env::temp_dir())?;
        let evaluation = evaluate(&table, &config, &context.signals.stop)?;
        output::stdout(&match summary {
            OutputFormat::Json => format!("{}\n", json!(evaluation)),
            OutputFormat::Text => text(&evaluation),
        })
    }
}

fn likely(found: &LogLikelihood) -> String {
    let LogLikelihood { rows, samples, importance_weighted, standard_error, elbo, dimensions, active, .. } = found;
    labelled(&[
        ("rows", HumanCount(*rows).to_string()),
        (
            "bound",
            format!(
                "{importance_weighted:.4} nats a row, importance-weighted by {} draws each, standard error {standard_error:.4}",
                HumanCount(*samples as u64)
            ),
        ),
        ("ELBO", format!("{elbo:.4} nats a row")),
        ("latents", format!("{active} of {dimensions} dimensions active")),
    ])
}

fn text(evaluation: &Evaluation) -> String {
    let Evaluation { rows, anomalies, unlabelled, at_threshold, scores, .. } = evaluation;
    let share = percent(*anomalies as f64 / *rows as f64);
    let mut lines = vec![(
        "rows",
        format!("{} with a label, {} of them anomalies, {share}", HumanCount(*rows), HumanCount(*anomalies)),
    )];
    if *unlabelled > 0 {
        lines.push(("", format!("{} without a label are left out", HumanCount(*unlabelled))));
    }
    lines.extend(scores.iter().filter(|ranked| ranked.missing > 0).map(|Ranked { score, missing, .. }| {
        ("", format!("{} without a {} are left out of it", HumanCount(*missing), shown(score)))
    }));
    let mut text = labelled(&lines);
    text.push('\n');
    text.push_str(&ranks(scores));
    if let Some(found) = at_threshold {
        text.push('\n');
        text.push_str(&confusion(found));
    }
    text
}

fn figure(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.4}"))
}

fn ranks(scores: &[Ranked]) -> String {
    let top = scores.first().map_or(0, |ranked| ranked.top.rows);
    let (precision, recall) = (format!("precision@{top}"), format!("recall@{top}"));
    let mut table = table_of(["score", "AUROC", "AP", &precision, &recall, "best F1", "at"]);
    for Ranked { score, auroc, average_precision, top, best, .. } in scores {
        table.add_row([
            shown(score),
            figure(*auroc),
            figure(*average_precision),
            figure(Some(top.precision)),
            figure(Some(top.recall)),
            figure(best.map(|best| best.f1)),
            best.map_or(String::new(), |Best { threshold, .. }| format!("{threshold:.4}")),
        ]);
    }
    to_the_right(&mut table, 1..=6);
    in_lines(&table)
}

fn confusion(found: &AtThreshold) -> String {
    let AtThreshold { true_positives, false_positives, false_negatives, true_negatives, .. } = *found;
    let mut table = table_of(["", "anomalies", "others"]);
    for (label, counts) in
        [("found", [true_positives, false_positives]), ("not found", [false_negatives, true_negatives])]
    {
        let [anomalies, others] = counts.map(|count| HumanCount(count).to_string());
        table.add_row([label.to_owned(), anomalies, others]);
    }
    to_the_right(&mut table, 1..=2);
    let by = found.threshold.map_or("is_anomaly".to_owned(), |least| format!("a score of at least {least}"));
    let figures = format!("precision {:.4}, recall {:.4}, F1 {:.4}", found.precision, found.recall, found.f1);
    format!("{}{}", in_lines(&table), labelled(&[("by", format!("{by}: {figures}"))]))
}
