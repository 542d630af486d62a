//! The new columns of rows: latents, scores, p-values and decisions.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::columns::{self, IS_ANOMALY, Width};
use super::expected::Expectations;
use super::explain::Explainer;
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::{ExplainRows, LatentShape, TransformConfig};
use crate::drift::Sketch;
use crate::error::Result;
use crate::feature::{FeatureIssues, Features};
use crate::numerics::MixtureClusters;
use crate::score::{AnomalyRule, EncodedBatch, Score, Scorer};

/// Makes the new columns.
#[derive(Clone)]
pub(super) struct NewColumnMaker {
    scorer: Arc<Scorer>,
    with_stds: bool,
    clusters: Option<Arc<MixtureClusters>>,
    latent_shape: LatentShape,
    /// See [`columns::scores`].
    scores: Vec<Option<&'static Score>>,
    /// The anomaly score.
    anomaly_score: &'static Score,
    rule: AnomalyRule,
    explainer: Option<Arc<Explainer>>,
    explain_rows: ExplainRows,
    counts_alerts: bool,
    prefix: String,
    expectations: Option<Expectations>,
    sketch: Option<Arc<Sketch>>,
    schema: SchemaRef,
}

/// Counts of some rows.
#[derive(Debug, Default)]
pub(super) struct RowCounts {
    pub(super) rows: usize,
    /// Rows without a known value in a learned column.
    pub(super) empty: u64,
    pub(super) anomalies: u64,
    /// Alerts that do not count, since too few of their group came before.
    pub(super) held_back: u64,
    /// The anomaly scores of all other rows, in order.
    pub(super) scores: Vec<f32>,
    /// The bins of the drift baseline that sampled rows fall into.
    pub(super) bins: Vec<u16>,
    /// Number of the first row.
    pub(super) first_row: u64,
    /// Missing, unseen, out-of-range and unusable values.
    pub(super) issues: FeatureIssues,
}

impl NewColumnMaker {
    /// For rows encoded by these features of the model.
    ///
    /// # Errors
    /// [`Error::UnknownScore`](crate::Error::UnknownScore) and [`Error::NotCalibrated`](crate::Error::NotCalibrated).
    pub(super) fn new(model: &Model, features: &Arc<Features>, config: &TransformConfig) -> Result<Self> {
        let metadata = model.metadata();
        let rule = AnomalyRule::new(&metadata.scoring, config.decision, config.ignore_above_p)?;
        let latent_dim = metadata.network.latent_dim;
        let stored = model.scorer().stored();
        let clusters = model.clusters().cloned();
        let width = Width {
            latent_dim,
            p_values: rule.has_p_values(),
            anomalies: rule.decides(),
            stored,
            clusters: clusters.is_some(),
        };
        let anomaly_score = Score::named("anomaly_score", &metadata.scoring.anomaly_score, |_| true)?;
        let explainer =
            || Arc::new(Explainer::new(features.clone(), anomaly_score, config.explain, &metadata.scoring.directions));
        let expectations = Expectations::new(model, config)?;
        let mut fields = columns::new_fields(config, width)?;
        fields.extend(expectations.iter().flat_map(|expectations| expectations.fields(&config.prefix)));
        Ok(Self {
            scorer: model.scorer().clone(),
            with_stds: config.std,
            clusters,
            latent_shape: config.latents,
            scores: columns::scores(config, stored)?,
            anomaly_score,
            rule,
            explainer: (config.explain > 0).then(explainer),
            explain_rows: config.explain_rows,
            counts_alerts: config.counts_alerts(),
            prefix: config.prefix.clone(),
            sketch: model.sketch().cloned(),
            expectations,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// The schema of the new columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether it decides which rows are anomalies.
    pub(super) fn decides(&self) -> bool {
        self.rule.decides()
    }

    /// The name of the column of its decisions.
    pub(super) fn decision_column(&self) -> String {
        format!("{}{IS_ANOMALY}", self.prefix)
    }

    /// Whether it needs the learned columns themselves, beside their row vectors.
    pub(super) fn explains(&self) -> bool {
        self.explainer.is_some()
    }

    /// A counter for each level of the calibration, if the decision depends on all rows.
    pub(super) fn levels(&self) -> Option<Vec<u64>> {
        Some(vec![0; self.rule.ranks_all()?.levels()])
    }

    /// The level of each row's score; rows without a known value have none.
    pub(super) fn ranked(&self, batch: &Batch) -> Result<Vec<usize>> {
        let scores =
            self.scorer.rows(&*self.scorer.one_sided(batch, self.anomaly_score)?)?.anomaly_score(self.anomaly_score)?;
        let calibration = self.rule.ranks_all();
        Ok(calibration.iter().flat_map(|tail| scores.iter().flatten().map(|&score| tail.level(score))).collect())
    }

    /// Takes the decision that depends on all rows, from the counts of the levels.
    pub(super) fn discover(&mut self, levels: &[u64]) {
        self.rule.discover(levels);
    }

    /// The new columns and the counts of a batch. `learned` are its learned columns, if it [explains](Self::explains);
    /// with a `first_row` the batch counts for the drift.
    pub(super) fn columns(
        &self,
        batch: &Batch,
        learned: Option<&RecordBatch>,
        first_row: Option<u64>,
    ) -> Result<(RecordBatch, RowCounts)> {
        let scored = self.scorer.one_sided(batch, self.anomaly_score)?;
        let rows = self.scorer.rows(&scored)?;
        let (encoded, own) = (&rows.first().encoded, self.own_posterior(batch, &rows)?);
        let [mean, log_variance] = own.as_ref().map_or([&encoded.mean, &encoded.log_variance], |own| own.each_ref());
        let mut arrays = self.latents(mean, encoded.latent_dim);
        if self.with_stds {
            let stds: Vec<f32> = log_variance.iter().map(|s| (s / 2.0).exp()).collect();
            arrays.extend(self.latents(&stds, encoded.latent_dim));
        }

        if let Some(clusters) = &self.clusters {
            let told = clusters.assign(mean).into_iter().zip(&encoded.known);
            // Nothing is known of the cluster of a row without a known value.
            let told: Vec<Option<(usize, f32)>> = told.map(|(told, known)| (*known > 0.0).then_some(told)).collect();
            arrays.push(Arc::new(told.iter().map(|told| Some((*told)?.0 as i32)).collect::<Int32Array>()));
            arrays.push(Arc::new(told.iter().map(|told| Some((*told)?.1)).collect::<Float32Array>()));
        }
        let anomaly_scores = rows.anomaly_score(self.anomaly_score)?;
        for score in &self.scores {
            arrays.push(match score {
                // Groups standardise what rows are ranked by, not the column of the score itself.
                Some(score) if score.name != self.anomaly_score.name || self.scorer.standardises(score) => {
                    Arc::new(Float32Array::from(rows.score(score)?))
                }
                Some(score) if self.scorer.adjusts() => Arc::new(Float32Array::from(rows.unadjusted_score(score)?)),
                _ => Arc::new(Float32Array::from(anomaly_scores.clone())),
            });
        }
        let p_values = anomaly_scores.iter().map(|score| self.rule.p_value((*score)?));
        if self.rule.has_p_values() {
            arrays.push(Arc::new(p_values.collect::<Float64Array>()));
        }
        let anomalies: BooleanArray = anomaly_scores.iter().map(|score| self.rule.is_anomaly((*score)?)).collect();
        let counts = self.counts(&rows, (batch, mean), &anomaly_scores, anomalies.true_count(), first_row);
        let explains_all = self.explain_rows == ExplainRows::All || !self.rule.decides();
        let explain = |(explainer, learned): (&Arc<Explainer>, &RecordBatch)| {
            if explains_all {
                return explainer.top_features(&rows, learned);
            }
            let found = (0..).zip(&anomalies).filter(|(_, anomaly)| *anomaly == Some(true));
            let found: Vec<u32> = found.map(|(row, _)| row).collect();
            explainer.top_features_of(&found, &self.scorer, &scored, learned)
        };
        let explained = self.explainer.as_ref().zip(learned).map(explain).transpose()?;
        if self.rule.decides() {
            // Which anomalies do not count is known once the rows are in their order.
            let held_back = self.counts_alerts.then(|| anomalies.iter().map(|it| it.map(|_| false)).collect());
            arrays.push(Arc::new(anomalies));
            arrays.extend(held_back.map(|held_back: BooleanArray| -> ArrayRef { Arc::new(held_back) }));
        }
        arrays.extend(explained);
        if let Some((expectations, learned)) = self.expectations.as_ref().zip(learned) {
            arrays.extend(expectations.columns(learned)?);
        }
        let columns = RecordBatch::try_new(self.schema.clone(), arrays).expect("columns made for this very schema");
        Ok((columns, counts))
    }

    /// The columns of latents, `[rows, latent_dim]`.
    fn latents(&self, values: &[f32], latent_dim: usize) -> Vec<ArrayRef> {
        match self.latent_shape {
            LatentShape::Columns => {
                let of = |i| Float32Array::from_iter_values(values.iter().skip(i).step_by(latent_dim).copied());
                (0..latent_dim).map(|i| -> ArrayRef { Arc::new(of(i)) }).collect()
            }
            LatentShape::List => {
                let item = Arc::new(Field::new_list_field(DataType::Float32, false));
                let values = Arc::new(Float32Array::from(values.to_vec()));
                vec![Arc::new(FixedSizeListArray::new(item, latent_dim as i32, values, None))]
            }
        }
    }

    /// Counts rows without making their new columns.
    pub(super) fn count(&self, batch: &Batch, first_row: u64, issues: FeatureIssues) -> Result<RowCounts> {
        let scored = self.scorer.one_sided(batch, self.anomaly_score)?;
        let rows = self.scorer.rows(&scored)?;
        let (encoded, own) = (&rows.first().encoded, self.own_posterior(batch, &rows)?);
        let mean = own.as_ref().map_or(&encoded.mean, |[mean, _]| mean);
        let scores = rows.anomaly_score(self.anomaly_score)?;
        let anomalies = scores.iter().flatten().filter(|&&score| self.rule.is_anomaly(score) == Some(true)).count();
        Ok(RowCounts { issues, ..self.counts(&rows, (batch, mean), &scores, anomalies, Some(first_row)) })
    }

    /// The posterior of the rows as they are, where other values are scored in their place.
    fn own_posterior(&self, batch: &Batch, scored: &EncodedBatch<'_>) -> Result<Option<[Vec<f32>; 2]>> {
        let is_own = scored.first().batch.replaced.is_none();
        if is_own { Ok(None) } else { self.scorer.first().vae.posterior(batch).map(Some) }
    }

    fn counts(
        &self,
        rows: &EncodedBatch<'_>,
        own: (&Batch, &[f32]),
        scores: &[Option<f32>],
        anomalies: usize,
        first_row: Option<u64>,
    ) -> RowCounts {
        let bins = self.sketch.as_ref().zip(first_row).map(|(sketch, first)| sketch.bins(rows, own, scores, first));
        RowCounts {
            rows: scores.len(),
            empty: scores.iter().filter(|score| score.is_none()).count() as u64,
            anomalies: anomalies as u64,
            held_back: 0,
            scores: scores.iter().flatten().copied().collect(),
            bins: bins.unwrap_or_default(),
            first_row: first_row.unwrap_or_default(),
            issues: FeatureIssues::default(),
        }
    }
}
