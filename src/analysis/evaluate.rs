//! How well scores find labelled anomalies, and how well the plainest score of all would.

use polars::prelude::DataFrame;
use serde::Serialize;

use super::ranking::Ranking;
use super::scored::{features, ranked_by};
use super::table::{are_numbers, columns, numbers};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::score::{ANOMALY_SCORE, SCORES};
use crate::source::{ParquetSource, near_names};

/// The name of the score that needs no model: the sum of squares of the row's numbers, each less its mean and divided by
/// its standard deviation over the table.
const BASELINE: &str = "squared_norm";

/// Columns read at once.
const STRIP: usize = 16;

/// What to evaluate.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EvaluateConfig {
    /// The column of labels: 1 or true is an anomaly, 0 or false is none; rows without a label are left out.
    pub label: String,
    /// Columns of scores, the main one first. Empty: what the file says it is ranked by, or `anomaly_score`. Other scores
    /// of a transform that are there are compared all the same.
    pub score: Vec<String>,
    /// Count as found what scores at least this, by the main score. `None`: what `is_anomaly` says, if it is there.
    pub threshold: Option<f64>,
    /// Rows of highest score to look at. `None`: as many as there are anomalies.
    pub top: Option<u64>,
}

impl EvaluateConfig {
    /// Everything as the file has it.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

/// How well scores tell anomalies from other rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Rows with a label.
    pub rows: u64,
    /// Anomalies among them.
    pub anomalies: u64,
    /// Rows without a label.
    pub unlabelled: u64,
    /// What was found at the threshold; `None` if there is none.
    pub at_threshold: Option<AtThreshold>,
    /// Every score, the main one first, and at the end the one that needs no model.
    pub scores: Vec<Ranked>,
}

/// What was found at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtThreshold {
    /// The least score that counts; `None` if `is_anomaly` says what does.
    pub threshold: Option<f64>,
    /// Anomalies that were found.
    pub true_positives: u64,
    /// Other rows that were found.
    pub false_positives: u64,
    /// Anomalies that were not found.
    pub false_negatives: u64,
    /// Other rows that were not found.
    pub true_negatives: u64,
    /// The share of anomalies among what was found; 0 if nothing was.
    pub precision: f64,
    /// The share of anomalies that were found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// How well a score ranks rows. Equal scores are treated as scikit-learn does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranked {
    /// The column, or `squared_norm`: the squared norm of the standardised row.
    pub score: String,
    /// Labelled rows with such a score.
    pub rows: u64,
    /// Labelled rows without one, which are left out.
    pub missing: u64,
    /// Area under the ROC curve; `None` unless anomalies and other rows have scores.
    pub auroc: Option<f64>,
    /// Average precision; `None` without an anomaly.
    pub average_precision: Option<f64>,
    /// Among the rows of highest score.
    pub top: Top,
    /// At the threshold of greatest F1.
    pub best: Option<Best>,
}

/// What is among the rows of highest score; of rows tied for the last places the share that is expected there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Top {
    /// How many rows.
    pub rows: u64,
    /// The share of anomalies among them.
    pub precision: f64,
    /// The share of the anomalies that is among them.
    pub recall: f64,
}

/// The threshold of greatest F1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Best {
    /// The least score that counts.
    pub threshold: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Share of anomalies among the rows that count.
    pub precision: f64,
    /// Share of the anomalies that count.
    pub recall: f64,
}

/// Evaluates the scores of a labelled file.
///
/// # Memory usage
/// The label, the scores, and sixteen columns more.
///
/// # Errors
/// [`Error::UnknownColumn`] for a label or score that is not there, [`Error::WrongType`] for one that is none, and the
/// source's.
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
    let schema = source.schema();
    let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let require = |selection, name: &String| match all.contains(&name.as_str()) {
        true => Ok(name.clone()),
        false => {
            let near = near_names(name, all.iter().copied());
            Err(Error::UnknownColumn { selection, name: name.clone(), near })
        }
    };
    let label = require("label", &config.label)?;
    let (ranks, prefix) = ranked_by(source);
    let asked = if config.score.is_empty() { std::slice::from_ref(&ranks) } else { &config.score };
    let mut scores = asked.iter().map(|name| require("score", name)).collect::<Result<Vec<_>>>()?;
    let known = SCORES.iter().map(|score| score.name).chain([ANOMALY_SCORE]).map(|name| format!("{prefix}{name}"));
    let there: Vec<String> = known.filter(|name| all.contains(&name.as_str()) && !scores.contains(name)).collect();
    scores.extend(there);
    let verdict = Some(format!("{prefix}is_anomaly"))
        .filter(|name| config.threshold.is_none() && scores[0] == ranks && all.contains(&name.as_str()));

    let names: Vec<String> = [label.clone()].into_iter().chain(scores.iter().cloned()).chain(verdict.clone()).collect();
    let table = columns(source, &names, stop)?;
    let column = |name: &str| table.column(name).map_err(|_| missing(source, name)).and_then(|it| numbers(source, it));
    let labels = labels(source, &label, &column(&label)?)?;
    let (rows, anomalies) =
        (labels.iter().flatten().count(), labels.iter().filter(|label| **label == Some(true)).count());
    let top = config.top.unwrap_or(anomalies as u64);
    let at_threshold = match (config.threshold, &verdict) {
        (Some(threshold), _) => {
            let ranking = ranking(&column(&scores[0])?, &labels);
            Some(at(Some(threshold), ranking.reach(threshold), (ranking.rows, ranking.anomalies)))
        }
        (None, Some(verdict)) => {
            let found = ranking(&column(verdict)?, &labels);
            Some(at(None, found.reach(1.0), (found.rows, found.anomalies)))
        }
        (None, None) => None,
    };
    let mut ranked = Vec::new();
    for score in &scores {
        ranked.push(judged(score, &column(score)?, &labels, top));
    }
    let own = |name: &str| names.iter().any(|own| own == name);
    let features = features(source, &prefix).into_iter().filter(|name| !own(name)).collect::<Vec<_>>();
    if let Some(norms) = squared_norms(source, &features, labels.len(), stop)? {
        ranked.push(judged(BASELINE, &norms, &labels, top));
    }
    Ok(Evaluation {
        rows: rows as u64,
        anomalies: anomalies as u64,
        unlabelled: (labels.len() - rows) as u64,
        at_threshold,
        scores: ranked,
    })
}

/// What is said if a column that was asked for was not read.
fn missing(source: &ParquetSource, name: &str) -> Error {
    Error::MissingFeature { path: source.path().to_owned(), column: name.to_owned(), near: Vec::new() }
}

/// Whether each row is an anomaly; `None` if nobody knows.
fn labels(source: &ParquetSource, name: &str, values: &[Option<f64>]) -> Result<Vec<Option<bool>>> {
    let wrong = |found: String, expected: &str| Error::WrongType {
        place: Place::column(source.path(), name),
        found: found.into(),
        expected: expected.into(),
    };
    if let Some(other) = values.iter().flatten().find(|value| ![0.0, 1.0].contains(*value)) {
        return Err(wrong(format!("{other} somewhere"), "0 or 1, for an anomaly"));
    }
    let labels: Vec<Option<bool>> = values.iter().map(|value| value.map(|value| value == 1.0)).collect();
    for (kind, expected) in [(true, "1 in some row, an anomaly"), (false, "0 in some row that is no anomaly")] {
        if !labels.contains(&Some(kind)) {
            return Err(wrong(format!("{} in no row", u8::from(kind)), expected));
        }
    }
    Ok(labels)
}

fn ranking(scores: &[Option<f64>], labels: &[Option<bool>]) -> Ranking {
    Ranking::new(scores.iter().zip(labels).filter_map(|(score, label)| Some(((*score)?, (*label)?))).collect())
}

fn judged(name: &str, scores: &[Option<f64>], labels: &[Option<bool>], top: u64) -> Ranked {
    let ranking = ranking(scores, labels);
    let (rows, anomalies) = (top.min(ranking.rows), ranking.anomalies as f64);
    let found = ranking.anomalies_in_top(rows);
    let best = ranking.best_f1().map(|(threshold, reached, found)| {
        let AtThreshold { f1, precision, recall, .. } =
            at(Some(threshold), (reached, found), (ranking.rows, ranking.anomalies));
        Best { threshold, f1, precision, recall }
    });
    Ranked {
        score: name.to_owned(),
        rows: ranking.rows,
        missing: labels.iter().flatten().count() as u64 - ranking.rows,
        auroc: ranking.auroc(),
        average_precision: ranking.average_precision(),
        top: Top { rows, precision: share(found, rows as f64), recall: share(found, anomalies) },
        best,
    }
}

/// What it means that so many rows, and anomalies among them, of so many were found.
fn at(threshold: Option<f64>, (reached, found): (u64, u64), (rows, anomalies): (u64, u64)) -> AtThreshold {
    AtThreshold {
        threshold,
        true_positives: found,
        false_positives: reached - found,
        false_negatives: anomalies - found,
        true_negatives: rows - anomalies - (reached - found),
        precision: share(found as f64, reached as f64),
        recall: share(found as f64, anomalies as f64),
        f1: share(2.0 * found as f64, (reached + anomalies) as f64),
    }
}

/// A share of something; 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The squared norm of each standardised row over the numbers among `features`, nulls left out; `None` if there are none.
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
    for strip in features.chunks(STRIP) {
        let table: DataFrame = columns(source, strip, stop)?;
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
