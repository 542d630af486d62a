//! The new columns of rows: latents, scores, and what they mean.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::columns::{self, Width};
use super::explain::Explainer;
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::TransformConfig;
use crate::drift::Sketch;
use crate::error::Result;
use crate::feature::FeatureIssues;
use crate::score::{AnomalyRule, EncodedBatch, Score, Scorer};

/// Makes the new columns.
#[derive(Clone)]
pub(super) struct NewColumnMaker {
    scorer: Arc<Scorer>,
    stds: bool,
    /// As [`columns::scores`] has them.
    scores: Vec<Option<&'static Score>>,
    /// The score to rank rows by.
    ranks: &'static Score,
    judge: AnomalyRule,
    explainer: Option<Arc<Explainer>>,
    sketch: Option<Arc<Sketch>>,
    new: SchemaRef,
}

/// What is counted of some rows.
#[derive(Debug, Default)]
pub(super) struct RowCounts {
    pub(super) rows: usize,
    /// Rows without a known feature.
    pub(super) empty: u64,
    pub(super) anomalies: u64,
    /// The anomaly scores of all others, in order.
    pub(super) scores: Vec<f32>,
    /// The bins of the sketch that some of the rows fall into, and the number of the first of all.
    pub(super) bins: Vec<u16>,
    pub(super) first: u64,
    /// Values that are not as those of the fit.
    pub(super) issues: FeatureIssues,
}

impl NewColumnMaker {
    /// # Errors
    /// [`Error::UnknownScore`](crate::Error::UnknownScore) and [`Error::NotCalibrated`](crate::Error::NotCalibrated).
    pub(super) fn new(model: &Model, config: &TransformConfig) -> Result<Self> {
        let (metadata, features) = (model.metadata(), model.features());
        let judge = AnomalyRule::new(&metadata.scoring, config.decision)?;
        let latent_dim = metadata.network.latent_dim;
        let width = Width { latent_dim, p_values: judge.has_p_values(), anomalies: judge.decides() };
        let explainer = (config.explain > 0).then(|| Arc::new(Explainer::new(features.clone(), config.explain)));
        Ok(Self {
            scorer: model.scorer().clone(),
            stds: config.std,
            scores: columns::scores(config)?,
            ranks: Score::named("anomaly_score", &metadata.scoring.anomaly_score)?,
            judge,
            explainer,
            sketch: model.sketch().cloned(),
            new: columns::new(config, width)?,
        })
    }

    /// The new columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.new
    }

    /// Whether it says of rows if they are anomalies.
    pub(super) fn decides(&self) -> bool {
        self.judge.decides()
    }

    /// Whether it needs the rows as they are, beside their vectors.
    pub(super) fn explains(&self) -> bool {
        self.explainer.is_some()
    }

    /// Room to count the rows of each level of the calibration, if the decision depends on all rows.
    pub(super) fn levels(&self) -> Option<Vec<u64>> {
        Some(vec![0; 1 + self.judge.ranks_all()?.levels()])
    }

    /// The level of each row's score; none of a row without a known feature.
    pub(super) fn ranked(&self, batch: &Batch) -> Result<Vec<usize>> {
        let scores = self.scorer.rows(batch)?.score(self.ranks)?;
        let calibration = self.judge.ranks_all();
        Ok(calibration.iter().flat_map(|tail| scores.iter().flatten().map(|&score| tail.level(score))).collect())
    }

    /// Takes the decision that depends on all rows.
    pub(super) fn discover(&mut self, levels: &[u64]) {
        self.judge.discover(levels);
    }

    /// The new columns of rows, given also as they are if it [explains](Self::explains), of which the `first` has this
    /// number, if it matters.
    pub(super) fn columns(
        &self,
        batch: &Batch,
        given: Option<&RecordBatch>,
        first: Option<u64>,
    ) -> Result<(RecordBatch, RowCounts)> {
        let rows = self.scorer.rows(batch)?;
        let encoded = &rows.first().encoded;
        let latent = |values: &[f32], i: usize, f: fn(f32) -> f32| -> ArrayRef {
            let of_rows = values.iter().skip(i).step_by(encoded.latent_dim);
            Arc::new(Float32Array::from_iter_values(of_rows.map(|&value| f(value))))
        };
        let latents = 0..encoded.latent_dim;
        let means = latents.clone().map(|i| latent(&encoded.mean, i, |mean| mean));
        let stds = latents.filter(|_| self.stds).map(|i| latent(&encoded.log_variance, i, |s| (s / 2.0).exp()));
        let mut arrays: Vec<ArrayRef> = means.chain(stds).collect();

        let ranking = rows.score(self.ranks)?;
        for score in &self.scores {
            arrays.push(match score {
                Some(score) if score.name != self.ranks.name => Arc::new(Float32Array::from(rows.score(score)?)),
                _ => Arc::new(Float32Array::from(ranking.clone())),
            });
        }
        let p_values = ranking.iter().map(|score| self.judge.p_value((*score)?));
        if self.judge.has_p_values() {
            arrays.push(Arc::new(p_values.collect::<Float64Array>()));
        }
        let anomalies: BooleanArray = ranking.iter().map(|score| self.judge.is_anomaly((*score)?)).collect();
        let counts = self.counts(&rows, &ranking, anomalies.true_count(), first);
        if self.judge.decides() {
            arrays.push(Arc::new(anomalies));
        }
        if let (Some(explainer), Some(given)) = (&self.explainer, given) {
            arrays.push(explainer.top_features(&rows, given)?);
        }
        let columns = RecordBatch::try_new(self.new.clone(), arrays).expect("columns made for this very schema");
        Ok((columns, counts))
    }

    /// Counts rows without making their new columns.
    pub(super) fn count(&self, batch: &Batch, first: u64, issues: FeatureIssues) -> Result<RowCounts> {
        let rows = self.scorer.rows(batch)?;
        let scores = rows.score(self.ranks)?;
        let anomalies = scores.iter().flatten().filter(|&&score| self.judge.is_anomaly(score) == Some(true)).count();
        Ok(RowCounts { issues, ..self.counts(&rows, &scores, anomalies, Some(first)) })
    }

    fn counts(
        &self,
        rows: &EncodedBatch<'_>,
        scores: &[Option<f32>],
        anomalies: usize,
        first: Option<u64>,
    ) -> RowCounts {
        let bins = self.sketch.as_ref().zip(first).map(|(sketch, first)| sketch.bins(rows, scores, first));
        RowCounts {
            rows: scores.len(),
            empty: scores.iter().filter(|score| score.is_none()).count() as u64,
            anomalies: anomalies as u64,
            scores: scores.iter().flatten().copied().collect(),
            bins: bins.unwrap_or_default(),
            first: first.unwrap_or_default(),
            issues: FeatureIssues::default(),
        }
    }
}
