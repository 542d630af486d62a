//! Two models on the same rows: both read them, in step.

use arrow::array::RecordBatch;

use super::agreement::{AtPValue, BothCounts, ComparedRow, RowComparison, RowUnderModel};
use super::ranked_sample::RankedSample;
use crate::artifact::Model;
use crate::config::{CompareConfig, OrderConfig};
use crate::error::{Error, Result};
use crate::pipeline::{Prefetch, Run};
use crate::source::Source;
use crate::transform::{FileRows, RowReason, RowScore, RowScorer, ScoreSketch, ScoredBatch};

/// P-values whose rows are counted.
const P_VALUES: [f64; 6] = [0.0001, 0.001, 0.01, 0.05, 0.1, 0.5];

impl Model {
    /// Compares what this model and `other` say of the rows of `source`, which is read by both at once. Each reads its own
    /// columns, so that one may have learned columns that the other does not know.
    ///
    /// ```no_run
    /// # fn main() -> vaepipe::Result<()> {
    /// use vaepipe::{CompareConfig, Device, Model, Run, Source, SourceConfig, Stop};
    /// let [old, new] = ["january.safetensors", "february.safetensors"].map(|path| Model::load(path, Device::Cpu));
    /// let rows = Source::open(["march.parquet"], &SourceConfig::new(), &Stop::new())?;
    /// let found = old?.compare_on(&new?, &rows, &CompareConfig::new(), &mut Run::new())?;
    /// println!("{:?}", found.rank_correlation);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Memory usage
    /// As two transforms at once, the rows that are listed, and 16 MB of scores.
    ///
    /// # Errors
    /// [`OptionRange`](crate::Error::OptionRange), also for an order that the models do not know;
    /// [`MissingFeature`](crate::Error::MissingFeature) and [`WrongType`](crate::Error::WrongType) if the source does not have the
    /// columns of both models; [`Unsupported`](crate::Error::Unsupported) for a source that is read only once, and its other errors.
    pub fn compare_on(
        &self,
        other: &Self,
        source: &Source,
        config: &CompareConfig,
        run: &mut Run<'_>,
    ) -> Result<RowComparison> {
        config.check()?;
        run.check()?;
        let source = source.rereadable()?;
        let [of_self, of_other] = orders([self, other], &config.order)?;
        let scorers = [RowScorer::new(self, source, of_self)?, RowScorer::new(other, source, of_other)?];
        let mut agreement = Agreement::new(config.top);
        let [one, two] = &scorers;
        let mut sides = [Side::new(one, run)?, Side::new(two, run)?];
        loop {
            let rows = sides[0].ready()?.min(sides[1].ready()?);
            if rows == 0 {
                break;
            }
            for _ in 0..rows {
                agreement.add(&sides)?;
                sides.iter_mut().for_each(|side| side.at += 1);
            }
            run.stopper().check()?;
            run.count(rows);
        }
        // What ends while it is stopped may have ended early.
        run.stopper().check()?;
        drop(sides);
        agreement.finish(&scorers, config.explain)
    }
}

/// How each model reads rows in order: a history is for those that learned such rows, and both have to sort alike.
fn orders(models: [&Model; 2], order: &OrderConfig) -> Result<[OrderConfig; 2]> {
    let [a, b] = models.map(|model| model.metadata().sequence.as_ref());
    if order.sort && a.map(|it| &it.order_by) != b.map(|it| &it.order_by) {
        let range = "left out, since the models do not order rows by the same column";
        return Err(Error::OptionRange { option: "sort", value: "true".to_owned(), range });
    }
    let of = |knows: bool| if knows { order.clone() } else { OrderConfig::default() };
    Ok(if a.or(b).is_none() { [of(true), of(true)] } else { [of(a.is_some()), of(b.is_some())] })
}

/// The rows as one model scores them.
struct Side<'a> {
    scorer: &'a RowScorer,
    scored: Prefetch<ScoredBatch>,
    /// Those that were scored last.
    rows: Option<ScoredBatch>,
    /// The next row among them.
    at: usize,
}

impl<'a> Side<'a> {
    fn new(scorer: &'a RowScorer, run: &Run<'_>) -> Result<Self> {
        Ok(Self { scorer, scored: scorer.score(run)?, rows: None, at: 0 })
    }

    /// Rows that are scored and not yet compared; none at the end.
    fn ready(&mut self) -> Result<usize> {
        loop {
            match &self.rows {
                Some(rows) if self.at < rows.len() => return Ok(rows.len() - self.at),
                _ => self.at = 0,
            }
            self.rows = self.scored.next().transpose().map_err(|error| self.scorer.located(error))?;
            if self.rows.is_none() {
                return Ok(0);
            }
        }
    }

    /// What the model says of the next row.
    fn row(&self) -> Option<RowScore> {
        self.rows.as_ref()?.get(self.at)
    }
}

/// What is counted of the rows.
struct Agreement {
    rows: u64,
    scored: BothCounts,
    anomalies: BothCounts,
    sample: RankedSample,
    scores: [ScoreSketch; 2],
    at_p_values: [[u64; P_VALUES.len()]; 2],
    /// Most rows to list.
    top: usize,
    /// The rows that differ most, the first one most.
    listed: Vec<ListedRow>,
}

/// A row that is listed.
struct ListedRow {
    /// Whether the verdicts differ.
    other_verdict: bool,
    /// How far the p-values differ, or the scores.
    distance: f64,
    /// Its number among all rows.
    row: u64,
    scores: [RowScore; 2],
    /// The learned columns of each model.
    learned: [RecordBatch; 2],
}

impl Agreement {
    fn new(top: usize) -> Self {
        Self {
            rows: 0,
            scored: BothCounts::default(),
            anomalies: BothCounts::default(),
            sample: RankedSample::new(),
            scores: [ScoreSketch::new(), ScoreSketch::new()],
            at_p_values: [[0; P_VALUES.len()]; 2],
            top,
            listed: Vec::new(),
        }
    }

    /// Adds the next row of both.
    fn add(&mut self, sides: &[Side<'_>; 2]) -> Result<()> {
        let (row, said) = (self.rows, sides.each_ref().map(Side::row));
        self.rows += 1;
        self.scored.add(said[0].is_some(), said[1].is_some());
        for (sketch, said) in self.scores.iter_mut().zip(&said) {
            said.iter().for_each(|said| sketch.push(said.score));
        }
        let [Some(a), Some(b)] = said else { return Ok(()) };
        self.sample.add(row, [a.score, b.score]);
        self.anomalies.add(a.is_anomaly == Some(true), b.is_anomaly == Some(true));
        for (counts, said) in self.at_p_values.iter_mut().zip([a, b]) {
            for (count, most) in counts.iter_mut().zip(P_VALUES) {
                *count += u64::from(said.p_value.is_some_and(|p| p <= most));
            }
        }
        let other_verdict = a.is_anomaly.zip(b.is_anomaly).is_some_and(|(a, b)| a != b);
        let distance = match a.p_value.zip(b.p_value) {
            Some((a, b)) => (a.max(f64::MIN_POSITIVE) / b.max(f64::MIN_POSITIVE)).ln().abs(),
            None => f64::from(a.score - b.score).abs(),
        };
        // Of infinite scores there may be none.
        let distance = distance.max(0.0);
        if !other_verdict && distance == 0.0 {
            return Ok(());
        }
        let differs_more = |it: &ListedRow| (it.other_verdict, it.distance) >= (other_verdict, distance);
        let place = self.listed.partition_point(differs_more);
        if place < self.top {
            let learned = |side: &Side<'_>| side.rows.as_ref().map(|rows| rows.learned(side.at)).transpose();
            if let (Some(of_a), Some(of_b)) = (learned(&sides[0])?, learned(&sides[1])?) {
                let (scores, learned) = ([a, b], [of_a, of_b]);
                self.listed.insert(place, ListedRow { other_verdict, distance, row, scores, learned });
                self.listed.truncate(self.top);
            }
        }
        Ok(())
    }

    fn finish(self, scorers: &[RowScorer; 2], explain: usize) -> Result<RowComparison> {
        let files = if self.listed.is_empty() { FileRows::default() } else { scorers[0].files()? };
        let reasons = |n: usize| -> Result<Vec<Vec<RowReason>>> {
            let rows: Vec<RecordBatch> = self.listed.iter().map(|row| row.learned[n].clone()).collect();
            scorers[n].reasons(&rows, explain)
        };
        let reasons = reasons(0)?.into_iter().zip(reasons(1)?);
        let under = |said: RowScore, reasons| {
            let RowScore { score, p_value, is_anomaly } = said;
            RowUnderModel { score, p_value, is_anomaly, reasons }
        };
        let compared = |(row, (of_a, of_b)): (&ListedRow, _)| {
            let (file, number) = files.locate(row.row);
            let [a, b] = row.scores;
            ComparedRow { file: file.to_owned(), row: number, a: under(a, of_a), b: under(b, of_b) }
        };
        let top = self.listed.iter().zip(reasons).map(compared).collect();
        let at = |(n, p_value)| AtPValue { p_value, rows_a: self.at_p_values[0][n], rows_b: self.at_p_values[1][n] };
        let p_values = match scorers.iter().all(RowScorer::has_p_values) {
            true => P_VALUES.into_iter().enumerate().map(at).collect(),
            false => Vec::new(),
        };
        let (ranked, rank_correlation) = self.sample.finish();
        let [scores_a, scores_b] = self.scores.map(ScoreSketch::finish);
        Ok(RowComparison {
            rows: self.rows,
            scored: self.scored,
            anomalies: scorers.iter().all(RowScorer::decides).then_some(self.anomalies),
            rank_correlation,
            ranked,
            scores_a,
            scores_b,
            p_values,
            top,
        })
    }
}
