//! Statistics of all rows of a scored file: scores, latents and labels.

use super::periods::PeriodCounts;
use super::sampled_rows::{labels, numbers};
use super::{ReportConfig, ScoredColumns};
use crate::analysis::figure::Histogram;
use crate::analysis::thresholds::P_VALUES;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Rows read at once.
pub(super) const BATCH_ROWS: usize = 65_536;

/// Largest number of anomalies whose reasons are counted.
pub(super) const MOST_ODD: usize = 20_000;

/// Number of bins of the histogram of scores.
const BINS: usize = 60;

/// Streaming mean, variance and range of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnMoments {
    pub(super) count: u64,
    pub(super) mean: f64,
    squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl ColumnMoments {
    const NONE: Self = Self { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Adds a number (Welford 1962).
    fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }

    pub(super) fn variance(&self) -> f64 {
        self.squares / self.count.max(1) as f64
    }
}

/// Statistics of all rows.
pub(super) struct TableSurvey {
    pub(super) rows: u64,
    /// Rows without a score.
    pub(super) missing: u64,
    pub(super) anomalies: Option<u64>,
    /// Rows labelled as anomalies.
    pub(super) labelled: Option<u64>,
    pub(super) score: ColumnMoments,
    /// The smallest score of an anomaly.
    pub(super) threshold: Option<f64>,
    pub(super) latents: Vec<ColumnMoments>,
    /// The rows of highest score in descending order: (score, row).
    pub(super) top: Vec<(f64, u64)>,
    /// The anomalies of highest score; of a file without a decision, the rows listed.
    pub(super) odd: Vec<(f64, u64)>,
    pub(super) history: PeriodCounts,
    pub(super) scores: Histogram,
    /// Rows with a score above the histogram's range.
    pub(super) above_range: u64,
    /// Rows of at most each p-value.
    pub(super) by_p_value: Option<[u64; P_VALUES.len()]>,
}

/// Reads scores and latents twice: for their ranges, then for the histogram.
pub(super) fn survey(
    source: &ParquetSource,
    columns: &ScoredColumns,
    config: &ReportConfig,
    stop: &Stop,
) -> Result<TableSurvey> {
    let mut survey = TableSurvey {
        rows: 0,
        missing: 0,
        anomalies: columns.is_anomaly.as_ref().map(|_| 0),
        labelled: None,
        score: ColumnMoments::NONE,
        threshold: None,
        latents: vec![ColumnMoments::NONE; columns.latents.len()],
        top: Vec::new(),
        odd: Vec::new(),
        history: PeriodCounts::new(source, columns),
        scores: Histogram::new(0.0..1.0, BINS),
        above_range: 0,
        by_p_value: columns.p_value.as_ref().map(|_| [0; P_VALUES.len()]),
    };
    let path = source.path();
    let names: Vec<String> = columns
        .latents
        .iter()
        .chain([&columns.score])
        .chain(&columns.is_anomaly)
        .chain(&columns.time)
        .chain(&columns.p_value)
        .cloned()
        .collect();
    let mut quantiles = Vec::new();
    for batch in source.scan(&names, BATCH_ROWS) {
        stop.check()?;
        let (_, batch) = batch?;
        let of = |name: &String| match batch.column_by_name(name) {
            Some(column) => numbers(path, name, column),
            None => Err(Error::MissingFeature { path: path.to_owned(), column: name.clone(), near: Vec::new() }),
        };
        for (moments, name) in survey.latents.iter_mut().zip(&columns.latents) {
            of(name)?.into_iter().flatten().filter(|value| value.is_finite()).for_each(|value| moments.add(value));
        }
        let anomalies = columns.is_anomaly.as_ref().map(of).transpose()?;
        let scores = of(&columns.score)?;
        if let Some((name, counts)) = columns.p_value.as_ref().zip(survey.by_p_value.as_mut()) {
            let p_values = of(name)?;
            let up_to = |most: f64| p_values.iter().flatten().filter(|p| **p <= most).count() as u64;
            counts.iter_mut().zip(P_VALUES).for_each(|(count, most)| *count += up_to(most));
        }
        let is_anomaly = |row: usize| anomalies.as_ref().is_some_and(|anomalies| anomalies[row] == Some(1.0));
        let odd: Vec<bool> = (0..scores.len()).map(is_anomaly).collect();
        survey.history.add(path, &batch, survey.rows, &odd)?;
        for (n, &score) in scores.iter().enumerate() {
            let row = survey.rows + n as u64;
            let Some(score) = score else {
                survey.missing += 1;
                continue;
            };
            survey.top.push((score, row));
            if score.is_finite() {
                survey.score.add(score);
            }
            if odd[n] {
                survey.odd.push((score, row));
                survey.anomalies = survey.anomalies.map(|count| count + 1);
                survey.threshold = Some(survey.threshold.map_or(score, |least| least.min(score)));
            }
        }
        survey.rows += batch.num_rows() as u64;
        keep_highest(&mut survey.top, config.top);
        keep_highest(&mut survey.odd, MOST_ODD);
        // The median and the 99.5 % quantile of every batch bound the histogram.
        let mut scores: Vec<f64> = scores.into_iter().flatten().filter(|score| score.is_finite()).collect();
        scores.sort_by(f64::total_cmp);
        if let Some(last) = scores.len().checked_sub(1) {
            quantiles.push([scores[last / 2], scores[last - last / 200]]);
        }
    }
    if columns.is_anomaly.is_none() {
        survey.odd = survey.top.clone();
    }
    survey.count_scores(source, columns, &quantiles, stop)?;
    Ok(survey)
}

/// Keeps the `most` highest scores.
fn keep_highest(scores: &mut Vec<(f64, u64)>, most: usize) {
    scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scores.truncate(most);
}

impl TableSurvey {
    /// Fills the histogram of scores. A few outliers would squeeze all other bars together: the last bar counts them.
    fn count_scores(
        &mut self,
        source: &ParquetSource,
        columns: &ScoredColumns,
        quantiles: &[[f64; 2]],
        stop: &Stop,
    ) -> Result<()> {
        let (mut high, mut middle) = (f64::NEG_INFINITY, f64::INFINITY);
        quantiles.iter().for_each(|[m, h]| (middle, high) = (middle.min(*m), high.max(*h)));
        let far = high + 2.0 * (high - middle).max(0.0);
        let end = if far > middle && self.score.max > far { far } else { self.score.max };
        // A single score has a bar, too.
        let least = (self.score.min.abs() * 1e-3).max(0.5);
        let range = match self.score.count {
            0 => 0.0..1.0,
            _ if end > self.score.min => self.score.min..end,
            _ => self.score.min - least..self.score.min + least,
        };
        let scores = Histogram::new(range, BINS);
        self.scores = match self.threshold {
            Some(threshold) => scores.with_edge(threshold),
            None => scores,
        };
        let end = self.scores.range.end;
        let path = source.path();
        let names: Vec<String> = [&columns.score].into_iter().chain(columns.label()).cloned().collect();
        for batch in source.scan(&names, BATCH_ROWS) {
            stop.check()?;
            let (_, batch) = batch?;
            let labels = match &columns.label {
                Some(label) => batch.column_by_name(&label.name).map(|it| labels(path, label, it)).transpose()?,
                None => None,
            };
            let Some(scores) = batch.column_by_name(&columns.score) else { continue };
            for (n, score) in numbers(path, &columns.score, scores)?.into_iter().enumerate() {
                let labelled = labels.as_ref().is_some_and(|labels| labels[n] == Some(true));
                if let Some(score) = score {
                    self.scores.add(score, labelled);
                    self.above_range += u64::from(score > end);
                }
                self.labelled = labels.as_ref().map(|_| self.labelled.unwrap_or(0) + u64::from(labelled));
            }
        }
        Ok(())
    }
}
