//! Evaluation of scores against labelled anomalies, with a baseline that needs no model.

use polars::prelude::{Column, DataFrame};
use serde::Serialize;

use super::events::EventDetection;
use super::label::LabelColumn;
use super::ranking::Ranking;
use super::scored_columns::{features, ranked_by};
use super::series::{AllSeries, SeriesConfig, SeriesSummary, Vus};
use super::table::{are_numbers, columns, label_values, missing, numbers};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::score::{ANOMALY_SCORE, SCORES};
use crate::source::{ParquetSource, near_names};

/// The baseline score: the sum of squares of the row's numbers after standardisation over the table.
const BASELINE: &str = "squared_norm";

/// Columns read at once.
const COLUMNS_PER_READ: usize = 16;

/// Options of an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EvaluateConfig {
    /// The column of labels: 1, true, yes or anomaly for an anomaly, 0, false, no or normal otherwise; or `COL=VALUE`, where rows
    /// with this value are anomalies. Rows without a label are left out.
    pub label: String,
    /// Columns of scores, the main one first. Empty: the score that the file is ranked by, or `anomaly_score`. Other
    /// scores of a transform in the file are always compared.
    pub score: Vec<String>,
    /// Rows with at least this main score are predicted anomalies. `None`: the column `is_anomaly` decides, if present.
    pub threshold: Option<f64>,
    /// Number of rows of highest score for precision and recall. `None`: the number of anomalies.
    pub top: Option<u64>,
    /// How rows are put in order, for metrics of events. `None`: their order means nothing.
    pub series: Option<SeriesConfig>,
}

impl EvaluateConfig {
    /// Evaluates with the defaults.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Rows with a label.
    pub rows: u64,
    /// Anomalies among them.
    pub anomalies: u64,
    /// Rows without a label.
    pub unlabelled: u64,
    /// The series that the rows form; `None` without an order.
    pub series: Option<SeriesSummary>,
    /// Metrics at the threshold; `None` without one.
    pub at_threshold: Option<AtThreshold>,
    /// Metrics of every score: the main one first, the baseline last.
    pub scores: Vec<Ranked>,
}

/// Classification metrics at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtThreshold {
    /// The smallest score of a predicted anomaly; `None` if the column `is_anomaly` decides.
    pub threshold: Option<f64>,
    /// Anomalies that were predicted.
    pub true_positives: u64,
    /// Other rows that were predicted.
    pub false_positives: u64,
    /// Anomalies that were not predicted.
    pub false_negatives: u64,
    /// Other rows that were not predicted.
    pub true_negatives: u64,
    /// Share of anomalies among the predicted rows; 0 if there are none.
    pub precision: f64,
    /// Share of the anomalies that were predicted.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// How events were found; `None` without an order.
    pub events: Option<EventDetection>,
}

/// Ranking metrics of a score. Ties are treated as in scikit-learn.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranked {
    /// The column, or `squared_norm`: the squared norm of the standardised row.
    pub score: String,
    /// Labelled rows with this score.
    pub rows: u64,
    /// Labelled rows without this score, which are left out.
    pub missing: u64,
    /// Area under the ROC curve; `None` unless both anomalies and other rows have scores.
    pub auroc: Option<f64>,
    /// Average precision; `None` without an anomaly.
    pub average_precision: Option<f64>,
    /// Volume under the surface; `None` without an order, or if no series has scores of both anomalies and other rows.
    pub vus: Option<Vus>,
    /// Metrics of the rows of highest score.
    pub top: Top,
    /// Metrics at the threshold of the largest F1.
    pub best: Option<Best>,
}

/// Metrics of the rows of highest score. Rows tied for the last places count by their expected share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Top {
    /// Number of rows.
    pub rows: u64,
    /// Share of anomalies among them.
    pub precision: f64,
    /// Share of all anomalies that are among them.
    pub recall: f64,
}

/// The threshold of the largest F1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Best {
    /// The smallest score of a predicted anomaly.
    pub threshold: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Share of anomalies among the predicted rows.
    pub precision: f64,
    /// Share of the anomalies that were predicted.
    pub recall: f64,
}

/// Evaluates the scores of a labelled file.
///
/// # Memory usage
/// The label, the scores, the columns that order and group rows, and sixteen more columns.
///
/// # Errors
/// [`Error::UnknownColumn`] for a label, score, order or group that the file does not have, [`Error::WrongType`] for a label or
/// score that is not a number or Boolean, an order that is not a number or time and a group of nested values,
/// [`Error::OptionRange`], and the errors of the source.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{EvaluateConfig, ParquetSource, Stop, evaluate};
/// let source = ParquetSource::open(["scored.parquet"])?;
/// let evaluation = evaluate(&source, &EvaluateConfig::new("label"), &Stop::new())?;
/// println!("AUROC {:?}", evaluation.scores[0].auroc);
/// # Ok(())
/// # }
/// ```
pub fn evaluate(source: &ParquetSource, config: &EvaluateConfig, stop: &Stop) -> Result<Evaluation> {
    config.series.iter().try_for_each(SeriesConfig::check)?;
    let schema = source.schema();
    let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let require = |selection, name: &String| match all.contains(&name.as_str()) {
        true => Ok(name.clone()),
        false => {
            let near = near_names(name, all.iter().copied());
            Err(Error::UnknownColumn { selection, name: name.clone(), near })
        }
    };
    let label_column = LabelColumn::find(&config.label, &all)?;
    let label = label_column.name.clone();
    if let Some(SeriesConfig { order_by, by, .. }) = &config.series {
        require("order_by", order_by)?;
        by.iter().try_for_each(|name| require("by", name).map(drop))?;
    }
    let (ranks, prefix) = ranked_by(source);
    let requested = if config.score.is_empty() { std::slice::from_ref(&ranks) } else { &config.score };
    let mut scores = requested.iter().map(|name| require("score", name)).collect::<Result<Vec<_>>>()?;
    let known = SCORES.iter().map(|score| score.name).chain([ANOMALY_SCORE]).map(|name| format!("{prefix}{name}"));
    let others: Vec<String> = known.filter(|name| all.contains(&name.as_str()) && !scores.contains(name)).collect();
    scores.extend(others);
    let decision_column = Some(format!("{prefix}is_anomaly"))
        .filter(|name| config.threshold.is_none() && scores[0] == ranks && all.contains(&name.as_str()));

    // The label may be one of the others: how well does a score find what is_anomaly says?
    let mut names = vec![label.clone()];
    names.extend(scores.iter().chain(&decision_column).filter(|name| **name != label).cloned());
    let table = columns(source, &names, stop)?;
    let column = |name: &str| table.column(name).map_err(|_| missing(source, name)).and_then(|it| numbers(source, it));
    let labels = table.column(&label).map_err(|_| missing(source, &label))?;
    let labels = both_labels(source, &label_column, labels)?;
    let (rows, anomalies) =
        (labels.iter().flatten().count(), labels.iter().filter(|label| **label == Some(true)).count());
    let top = config.top.unwrap_or(anomalies as u64);
    let own = |name: &str| names.iter().any(|own| own == name);
    let features = features(source, &prefix).into_iter().filter(|name| !own(name)).collect::<Vec<_>>();
    let series = config.series.as_ref().map(|it| AllSeries::read(source, it, &features, stop)).transpose()?;

    let decided = match (config.threshold, &decision_column) {
        (Some(threshold), _) => Some((Some(threshold), threshold, &scores[0])),
        (None, Some(decision_column)) => Some((None, 1.0, decision_column)),
        (None, None) => None,
    };
    let at = |(threshold, least, name): (Option<f64>, f64, &String)| -> Result<AtThreshold> {
        let values = column(name)?;
        let ranking = ranking(&values, &labels);
        let events = series.as_ref().map(|series| series.detection(&values, &labels, least));
        let metrics = metrics_at(threshold, ranking.reach(least), (ranking.rows, ranking.anomalies));
        Ok(AtThreshold { events, ..metrics })
    };
    let at_threshold = decided.map(at).transpose()?;
    let evaluated = |name: &str, values: &[Option<f64>]| -> Result<Ranked> {
        let vus = series.as_ref().map(|series| series.vus(values, &labels, stop)).transpose()?.flatten();
        Ok(Ranked { vus, ..evaluate_score(name, values, &labels, top) })
    };
    let mut ranked = scores.iter().map(|score| evaluated(score, &column(score)?)).collect::<Result<Vec<_>>>()?;
    if let Some(norms) = squared_norms(source, &features, labels.len(), stop)? {
        ranked.push(evaluated(BASELINE, &norms)?);
    }
    Ok(Evaluation {
        rows: rows as u64,
        anomalies: anomalies as u64,
        unlabelled: (labels.len() - rows) as u64,
        series: series.map(|series| series.summary(&labels)),
        at_threshold,
        scores: ranked,
    })
}

/// The label of each row, of which both kinds must occur; `None` where it is missing.
fn both_labels(source: &ParquetSource, label: &LabelColumn, column: &Column) -> Result<Vec<Option<bool>>> {
    let labels = label.of(source.path(), &label_values(source, column)?)?;
    for (kind, whose) in [(true, "in some row, an anomaly"), (false, "in some row that is no anomaly")] {
        if !labels.contains(&Some(kind)) {
            return Err(Error::WrongType {
                place: Place::column(source.path(), &label.name),
                found: format!("{} in no row", label.value(kind)).into(),
                expected: format!("{} {whose}", label.value(kind)).into(),
            });
        }
    }
    Ok(labels)
}

fn ranking(scores: &[Option<f64>], labels: &[Option<bool>]) -> Ranking {
    Ranking::new(scores.iter().zip(labels).filter_map(|(score, label)| Some(((*score)?, (*label)?))).collect())
}

/// The ranking metrics of a score.
fn evaluate_score(name: &str, scores: &[Option<f64>], labels: &[Option<bool>], top: u64) -> Ranked {
    let ranking = ranking(scores, labels);
    let (rows, anomalies) = (top.min(ranking.rows), ranking.anomalies as f64);
    let found = ranking.anomalies_in_top(rows);
    let best = ranking.best_f1().map(|(threshold, reached, found)| {
        let AtThreshold { f1, precision, recall, .. } =
            metrics_at(Some(threshold), (reached, found), (ranking.rows, ranking.anomalies));
        Best { threshold, f1, precision, recall }
    });
    Ranked {
        score: name.to_owned(),
        rows: ranking.rows,
        missing: labels.iter().flatten().count() as u64 - ranking.rows,
        auroc: ranking.auroc(),
        average_precision: ranking.average_precision(),
        vus: None,
        top: Top { rows, precision: share(found, rows as f64), recall: share(found, anomalies) },
        best,
    }
}

/// Metrics from the counts of predicted rows and the anomalies among them, and of all rows and all anomalies.
fn metrics_at(threshold: Option<f64>, (reached, found): (u64, u64), (rows, anomalies): (u64, u64)) -> AtThreshold {
    AtThreshold {
        threshold,
        true_positives: found,
        false_positives: reached - found,
        false_negatives: anomalies - found,
        true_negatives: rows - anomalies - (reached - found),
        precision: share(found as f64, reached as f64),
        recall: share(found as f64, anomalies as f64),
        f1: share(2.0 * found as f64, (reached + anomalies) as f64),
        events: None,
    }
}

/// `part / whole`, or 0 if `whole` is 0.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The squared norm of each standardised row over the numeric `features`, without nulls; `None` if no feature varies.
fn squared_norms(
    source: &ParquetSource,
    features: &[String],
    rows: usize,
    stop: &Stop,
) -> Result<Option<Vec<Option<f64>>>> {
    let schema = source.schema();
    let are_simple = |name: &&String| {
        let data_type = schema.field_with_name(name).map(|field| field.data_type().clone());
        data_type.is_ok_and(|it| !it.is_nested() && !it.is_temporal())
    };
    let features: Vec<String> = features.iter().filter(are_simple).cloned().collect();
    let (mut norms, mut any) = (vec![Some(0.0); rows], false);
    for names in features.chunks(COLUMNS_PER_READ) {
        let table: DataFrame = columns(source, names, stop)?;
        for column in table.columns().iter().filter(|column| are_numbers(column)) {
            let values = numbers(source, column)?;
            let known = values.iter().flatten().count() as f64;
            let mean = values.iter().flatten().sum::<f64>() / known;
            let variance = values.iter().flatten().map(|value| (value - mean).powi(2)).sum::<f64>() / known;
            if !variance.is_normal() {
                continue;
            }
            any = true;
            for (norm, value) in norms.iter_mut().zip(values) {
                *norm = norm.zip(value).map(|(norm, value)| norm + (value - mean).powi(2) / variance).or(*norm);
            }
        }
    }
    Ok(any.then_some(norms))
}
