//! Colours of rows: by a column, a label, a cluster, a score, or whether they are anomalies.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::ArrayRef;

use super::ScoredColumns;
use super::sampled_rows::{SampledRows, are_numbers, labels, numbers, texts};
use crate::analysis::figure::{CATEGORIES, Legend, Paint, RAMP, short};
use crate::error::{Error, Place, Result};

/// The colours of rows, and what they mean.
pub(super) struct RowColors {
    /// Of each sampled row.
    pub(super) paints: Vec<Paint>,
    pub(super) legend: Legend,
    /// What rows are coloured by.
    pub(super) by: String,
    /// The cluster of each sampled row, if rows are coloured by it.
    pub(super) clusters: Vec<Option<usize>>,
}

impl RowColors {
    fn new(paints: Vec<Paint>, legend: Legend, by: &str) -> Self {
        Self { paints, legend, by: by.to_owned(), clusters: Vec::new() }
    }

    fn single(rows: usize) -> Self {
        Self::new(vec![Paint::Main; rows], Legend::Names(Vec::new()), "nothing")
    }
}

/// Ordinary rows in one colour, anomalies in another.
pub(super) fn oddness_colors(rows: usize) -> RowColors {
    let names = [(Paint::Main, "ordinary rows".to_owned()), (Paint::Alarm, "anomalies".to_owned())];
    RowColors::new(vec![Paint::Main; rows], Legend::Names(names.to_vec()), "whether they are anomalies")
}

/// Colours by the column that the options name, or else by the label, the cluster or the score.
pub(super) fn colors(path: &Path, columns: &ScoredColumns, sample: &SampledRows) -> Result<RowColors> {
    let all = sample.rows.len();
    match (&columns.color, &columns.label) {
        (None, Some(label)) => {
            let Some(column) = sample.column(&label.name) else { return Ok(RowColors::single(all)) };
            let labels = labels(path, label, column)?;
            let paint = |label: &Option<bool>| match label {
                Some(true) => Paint::Alarm,
                Some(false) => Paint::Main,
                None => Paint::Muted,
            };
            let names = [(Paint::Main, "no anomaly"), (Paint::Alarm, "anomaly"), (Paint::Muted, "unknown")];
            let unknown = labels.contains(&None);
            let names =
                names.into_iter().take(if unknown { 3 } else { 2 }).map(|(paint, name)| (paint, name.to_owned()));
            Ok(RowColors::new(labels.iter().map(paint).collect(), Legend::Names(names.collect()), &label.name))
        }
        (color, _) => {
            let name = color.as_ref().or(columns.cluster.as_ref()).unwrap_or(&columns.score);
            let Some(column) = sample.column(name) else { return Ok(RowColors::single(all)) };
            match are_numbers(column.data_type()) {
                true if Some(name) == columns.cluster.as_ref() => color_by_cluster(path, name, column),
                true => color_by_number(path, name, column),
                false => color_by_word(path, name, column),
            }
        }
    }
}

/// Colours by clusters, whose numbers stand on the plot: so more of them than there are colours are told apart.
fn color_by_cluster(path: &Path, name: &str, column: &ArrayRef) -> Result<RowColors> {
    let cluster = |value: Option<f64>| value.filter(|it| *it >= 0.0).map(|it| it as usize);
    let clusters: Vec<Option<usize>> = numbers(path, name, column)?.into_iter().map(cluster).collect();
    let paint = |cluster: &Option<usize>| cluster.map_or(Paint::Muted, |n| Paint::Category(n % CATEGORIES));
    let paints = clusters.iter().map(paint).collect();
    Ok(RowColors { clusters, ..RowColors::new(paints, Legend::Names(Vec::new()), name) })
}

/// Colours by numbers on a ramp; a few distinct integers are coloured as categories.
fn color_by_number(path: &Path, name: &str, column: &ArrayRef) -> Result<RowColors> {
    let values = numbers(path, name, column)?;
    let mut sorted: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= CATEGORIES && distinct.iter().all(|value| value.fract() == 0.0) {
        return color_by_word(path, name, column);
    }
    let Some(last) = sorted.len().checked_sub(1) else { return Ok(RowColors::single(values.len())) };
    let (low, high) = (sorted[last / 50], sorted[last - last / 50]);
    let paint = |value: &Option<f64>| match value {
        Some(value) => {
            let step = (value - low) / (high - low).max(f64::MIN_POSITIVE) * RAMP as f64;
            Paint::Ramp(step.max(0.0) as usize)
        }
        None => Paint::Muted,
    };
    let ends = [short(low), short(high)];
    Ok(RowColors::new(values.iter().map(paint).collect(), Legend::Ramp(name.to_owned(), ends), name))
}

/// Colours the most frequent words as categories; all others share a paint.
fn color_by_word(path: &Path, name: &str, column: &ArrayRef) -> Result<RowColors> {
    if column.data_type().is_nested() {
        return Err(Error::WrongType {
            place: Place::column(path, name),
            found: column.data_type().to_string().into(),
            expected: "numbers, words or times, to colour rows by".into(),
        });
    }
    let words = texts(path, name, column)?;
    let mut counts = BTreeMap::<&str, u64>::new();
    words.iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut order: Vec<(&str, u64)> = counts.into_iter().collect();
    // The sort is stable: ties stay in alphabetical order.
    order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut shown: Vec<&str> = order.iter().take(CATEGORIES).map(|(word, _)| *word).collect();
    let number = |word: &str| word.parse::<f64>().unwrap_or(f64::INFINITY);
    shown.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    let place = |word: &Option<String>| shown.iter().position(|shown| Some(*shown) == word.as_deref());
    let paints = words.iter().map(|word| place(word).map_or(Paint::Muted, Paint::Category)).collect();
    let mut names: Vec<_> =
        shown.iter().enumerate().map(|(n, word)| (Paint::Category(n), (*word).to_owned())).collect();
    if order.len() > shown.len() || words.contains(&None) {
        names.push((Paint::Muted, "other".to_owned()));
    }
    Ok(RowColors::new(paints, Legend::Names(names), name))
}
