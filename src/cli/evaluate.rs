//! `vaepipe evaluate`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{
    AtThreshold, Best, Device, EvaluateConfig, Evaluation, EventDetection, LabelQuality, LatentQuality, LogLikelihood,
    Model, Ranked, SeriesConfig, SeriesSummary, Source, SourceConfig, evaluate,
};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::fit::health::neighbor_table;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, labelled, percent, shown};

/// Measure how well scores find labelled anomalies, or how good a model's latents or likelihood are
///
/// Example: vaepipe evaluate scored.parquet --label is_fraud
///
/// Area under the ROC curve, average precision, precision and recall among the rows of highest score and at the best F1,
/// of every score in the file and of the squared norm of the standardised row, which needs no model; and what is_anomaly
/// found. Equal scores count as in scikit-learn. With --order-by also what series are judged by.
///
/// With --latents instead: how well the latents of rows keep the nearest neighbours that rows have among the learned columns,
/// and how well neighbours tell a --label of any kind. The rows are those of a fit's input, not of a transform's output.
///
/// With --likelihood instead: the mean log-likelihood of rows under a model, bounded by draws from each row's posterior, and
/// how many dimensions of the latent space are active. Fresh rows say the most.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Evaluate {
    /// Files, directories, or globs in quotes that a transform wrote; with --latents or --likelihood, with the columns the
    /// model learned; - is stdin
    #[arg(required = true, value_name = "SCORED")]
    scored: Vec<PathBuf>,
    /// The column of labels: 1, true, yes or anomaly for an anomaly, 0, false, no or normal for none; or COL=VALUE, where rows of
    /// this value are anomalies; with --latents numbers or words of any kind
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
    #[command(flatten)]
    series: SeriesFlags,
    /// Measure whether rows have the same nearest neighbours in the latents as among the learned columns: trustworthiness,
    /// continuity and overlap of the 5, 15 and 50 nearest, in a random sample of at most 10,000 rows. With --label also how
    /// well neighbours tell it, and its silhouette
    #[arg(long, help_heading = "Model", conflicts_with_all = ["likelihood", "score", "threshold", "top", "order_by"])]
    latents: bool,
    /// Measure how likely the model makes rows, in nats a row; of numbers this is a density on the model's scale
    #[arg(long, help_heading = "Model", conflicts_with_all = ["label", "score", "threshold", "top", "order_by"])]
    likelihood: bool,
    /// The model of --latents and --likelihood
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Model")]
    model: PathBuf,
    /// Draws a row from its posterior, of --likelihood
    #[arg(long, default_value_t = 5000, value_name = "N", conflicts_with_all = ["latents", "label"], help_heading = "Model")]
    samples: usize,
    /// The result on stdout: tables, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
    #[command(flatten)]
    rows: SourceConfig,
}

/// How rows are put in order.
#[derive(Debug, Args)]
struct SeriesFlags {
    /// Judge rows as series, in the order of this column of numbers or times: adds VUS-PR, VUS-ROC, found events and their delay
    ///
    /// An event is a run of anomalous rows. It is found if any of its rows is predicted; the delay is the number of rows from
    /// its first row to the first predicted one. VUS is the area under the precision-recall and the ROC curve, tolerant of
    /// predictions near an event, averaged over widths of the tolerance from 0 to the window.
    #[arg(long, value_name = "COL", help_heading = "Series")]
    order_by: Option<String>,
    /// Rows of the same values in these columns are one series; VUS is the mean over series [default: all rows are one]
    #[arg(long, value_delimiter = ',', value_name = "COL,...", requires = "order_by", help_heading = "Series")]
    by: Vec<String>,
    /// The largest tolerance of VUS around events, in rows [default: of each series the period of its first learned number,
    /// estimated as in TSB-AD; 125 if it has none]
    #[arg(long, value_name = "N", requires = "order_by", help_heading = "Series")]
    window: Option<usize>,
    /// Scores of a series that VUS tries as thresholds, evenly spaced by rank [default: 250, as in TSB-AD]
    #[arg(long, value_name = "N", requires = "order_by", help_heading = "Series")]
    thresholds: Option<usize>,
}

impl SeriesFlags {
    fn config(self) -> Option<SeriesConfig> {
        let mut config = SeriesConfig::new(self.order_by?);
        (config.by, config.window, config.thresholds) = (self.by, self.window, self.thresholds);
        Some(config)
    }
}

impl Evaluate {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { scored, label, score, threshold, top, series, latents, likelihood, model, samples, summary, rows } =
            self;
        if label.is_none() && !latents && !likelihood {
            let hint = Some("--label COL names known anomalies; --latents and --likelihood need none".to_owned());
            let fault = "evaluate what: --label, --latents or --likelihood is missing".to_owned();
            return Err(Failure::Usage { fault, hint });
        }
        let source = Source::open(&scored, &rows, &context.signals.stop)?;
        if latents {
            let model = Model::load(&model, Device::Cpu)?;
            let found = model.latent_quality(&source, label.as_deref(), &context.signals.stop)?;
            return output::stdout(&match summary {
                OutputFormat::Json => format!("{}\n", json!(found)),
                OutputFormat::Text => preserved(&found),
            });
        }
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
        config.series = series.config();
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

fn preserved(found: &LatentQuality) -> String {
    let LatentQuality { rows, sampled, unlabelled, neighbors, label, .. } = found;
    let sample = match sampled < rows {
        true => format!("{} drawn at random of {}", HumanCount(*sampled), HumanCount(*rows)),
        false => HumanCount(*rows).to_string(),
    };
    let mut lines = vec![("rows", sample)];
    if *unlabelled > 0 {
        lines.push(("", format!("{} without a label are left out", HumanCount(*unlabelled))));
    }
    if neighbors.is_empty() {
        lines.push(("", "too few to compare neighbours: 11 are the least".to_owned()));
    }
    let mut text = labelled(&lines);
    if !neighbors.is_empty() {
        text.push_str(&format!("\n{}", neighbor_table(neighbors)));
    }
    text.push_str(&label.as_ref().map_or(String::new(), |label| format!("\n{}", separated(label))));
    text
}

fn separated(LabelQuality { classes, latents, columns, .. }: &LabelQuality) -> String {
    let header = format!("label of {} classes", HumanCount(*classes as u64));
    let mut table = table_of([header.as_str(), "by latents", "by columns"]);
    for (of_latents, of_columns) in latents.accuracy.iter().zip(&columns.accuracy) {
        let accuracy = [of_latents, of_columns].map(|it| figure(Some(it.accuracy)));
        let [first, second] = accuracy;
        table.add_row([format!("accuracy of {} neighbours", of_latents.neighbors), first, second]);
    }
    let [first, second] = [latents, columns].map(|it| figure(it.silhouette));
    table.add_row(["silhouette".to_owned(), first, second]);
    to_the_right(&mut table, 1..=2);
    in_lines(&table)
}

fn text(evaluation: &Evaluation) -> String {
    let Evaluation { rows, anomalies, unlabelled, series, at_threshold, scores, .. } = evaluation;
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
    lines.extend(series.iter().flat_map(series_lines));
    let mut text = labelled(&lines);
    text.push('\n');
    text.push_str(&ranks(scores));
    if series.is_some() {
        text.push('\n');
        text.push_str(&volumes(scores));
    }
    if let Some(found) = at_threshold {
        text.push('\n');
        text.push_str(&confusion(found));
    }
    text
}

fn series_lines(series: &SeriesSummary) -> Vec<(&'static str, String)> {
    let SeriesSummary { series: all, with_events, events, unordered, period_of, .. } = series;
    let mut lines = vec![(
        "series",
        format!("{}, {} of them with events and other rows", HumanCount(*all), HumanCount(*with_events)),
    )];
    if *unordered > 0 {
        lines.push(("", format!("{} rows without a place in the order are left out of them", HumanCount(*unordered))));
    }
    lines.push(("events", HumanCount(*events).to_string()));
    if let (Some(smallest), Some(largest)) = (series.smallest_window, series.largest_window) {
        let rows =
            if smallest == largest { format!("{largest} rows") } else { format!("{smallest} to {largest} rows") };
        let why = period_of.as_ref().map_or(String::new(), |of| format!(", the period of {}", shown(of)));
        lines.push(("window", format!("{rows}{why}")));
    }
    lines
}

fn volumes(scores: &[Ranked]) -> String {
    let mut table = table_of(["score", "VUS-PR", "VUS-ROC"]);
    for Ranked { score, vus, .. } in scores {
        table.add_row([shown(score), figure(vus.map(|vus| vus.pr)), figure(vus.map(|vus| vus.roc))]);
    }
    to_the_right(&mut table, 1..=2);
    in_lines(&table)
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
    let mut lines = vec![("by", format!("{by}: {figures}"))];
    if let Some(EventDetection { events, found, recall, mean_delay, median_delay, .. }) = found.events {
        let delay = mean_delay
            .zip(median_delay)
            .map_or(String::new(), |(mean, median)| format!("; mean delay {mean:.1} rows, median {median:.1}"));
        let [found, events] = [found, events].map(HumanCount);
        lines.push(("events", format!("{found} of {events} found, recall {recall:.4}{delay}")));
    }
    format!("{}{}", in_lines(&table), labelled(&lines))
}
