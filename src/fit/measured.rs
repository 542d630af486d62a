//! Phase 4 of a fit: the model is measured, and its scores are calibrated.

use std::sync::Arc;

use super::base_model::BaseModel;
use super::fitted::Fitted;
use super::losses::row_losses;
use super::measure::{Calibrated, Calibration, FittedNetwork, aggregate, clusters, health, most_rows, ordered, sketch};
use super::trained::Trained;
use super::windows::encoded;
use crate::artifact::{Aggregate, Clusters, FORMAT_VERSION, Health, Init, Metadata, Model, Provenance};
use crate::config::Training;
use crate::drift::Sketch;
use crate::error::{Error, Result};
use crate::feature::{InputColumn, Layout, OrderedPair};
use crate::model::{Checkpoint, Trainer, Vae, Weights};
use crate::numerics::MixtureClusters;
use crate::pipeline::{self, Run, Stage};
use crate::score::{AggregatePosterior, GroupScores, Neighbors, Reference, Scoring};

/// A fit whose model is measured.
pub(super) struct Measured {
    trained: Trained,
    /// The training of the networks that are there.
    training: Training,
    init: Option<Init>,
    scoring: Scoring,
    latents: Vec<AggregatePosterior>,
    neighbors: Option<Neighbors>,
    reference: Option<Reference>,
    group_scores: Arc<[GroupScores]>,
    health: Option<Health>,
    aggregate: Aggregate,
    clusters: Option<(MixtureClusters, Clusters)>,
    ordered: Vec<OrderedPair>,
    sketch: Sketch,
}

impl Trained {
    /// Measures the model and calibrates its scores.
    ///
    /// # Errors
    /// [`Error::Worse`], the store's and the device's, and [`Error::Interrupted`].
    pub(super) fn measure(self, run: &mut Run<'_>) -> Result<Measured> {
        let prepared = &self.loaded.prepared;
        // A partial model is measured as well, which takes a moment.
        let mut unstoppable = Run::new().threads(run.workers());
        let run = if prepared.config.keep_partial { &mut unstoppable } else { run };
        let (weights, network) = (&self.members.weights, &self.network);
        let training = Training { members: weights.len(), ..self.loaded.training.clone() };
        let (layout, rows, seed) = (self.loaded.features.layout(), &self.loaded.rows, prepared.config.seed);
        let init = self.compare_with_base(&training, run)?;
        let restarted = encoded(&prepared.restarted, &self.loaded.features)?;
        let out_of_fold = self.score_out_of_fold(&restarted, run)?;
        let calibration = self.calibration(weights, layout)?;
        let Calibrated { scoring, latents, neighbors, reference, group_scores, training_scores } =
            calibration.run(rows, (out_of_fold, restarted), run)?;
        let vae = calibration.members[0].0.clone();
        let fitted = FittedNetwork::new(layout, network, &weights[0], vae, self.measured_rows(), run)?;
        let features = &self.loaded.features;
        let stages = ["health", "aggregate", "ordered", "sketch", "clusters"].map(Stage::new);
        // Each has parts that one thread does.
        let in_order = prepared.columns.sequence.is_some();
        let (health, aggregate) = fitted.pool.join(
            || stages[0].run(|| health::measure(&fitted, features, rows, seed)),
            || stages[1].run(|| aggregate::measure(&fitted, features, rows, (seed, in_order))),
        );
        let (health, aggregate) = (health?, aggregate?);
        let pairs = prepared.columns.ordered.clone();
        let ordered = stages[2].run(|| ordered::measure(features, rows, pairs, run.stopper()))?;
        let sketch = stages[3]
            .run(|| sketch::measure(&fitted, features, rows, &training_scores, scoring.calibration.as_ref()))?;
        let asked = prepared.config.clusters;
        let clusters =
            stages[4].run(|| asked.map(|asked| clusters::measure(&fitted, rows, asked, seed)).transpose())?;
        pipeline::report(&stages.each_ref());
        Ok(Measured {
            training,
            init,
            scoring,
            latents,
            neighbors,
            reference,
            group_scores,
            health,
            aggregate,
            clusters,
            ordered,
            sketch,
            trained: self,
        })
    }

    /// Most training rows to measure.
    fn measured_rows(&self) -> usize {
        most_rows(self.members.trained_rows / self.members.weights.len() as u64)
    }

    /// What calibrates the scores of networks with these weights.
    pub(super) fn calibration<'a>(&'a self, weights: &'a [Weights], layout: &'a Layout) -> Result<Calibration<'a>> {
        let (prepared, network) = (&self.loaded.prepared, &self.network);
        let vae = |weights| Ok((Arc::new(Vae::new(layout, network, weights, &prepared.device)?), weights));
        Ok(Calibration {
            members: weights.iter().map(vae).collect::<Result<_>>()?,
            layout,
            network,
            training: &self.loaded.training,
            score: prepared.score,
            in_order: prepared.config.order_by.is_some(),
            filled: &prepared.filled,
            decision: prepared.config.decision,
            ignore_above_p: prepared.config.ignore_above_p,
            directions: &prepared.directions,
            features: &self.loaded.features,
            most_rows: self.measured_rows(),
        })
    }

    /// Compares the model with the base model on the calibration rows; returns the record of the base model.
    fn compare_with_base(&self, training: &Training, run: &Run<'_>) -> Result<Option<Init>> {
        let (config, rows) = (&self.loaded.prepared.config, &self.loaded.rows.calibration);
        let Some(base) = &self.loaded.prepared.base else { return Ok(None) };
        let mut init = BaseModel::init(base);
        if rows.len() == 0 {
            return Ok(Some(init));
        }
        let layout = self.loaded.features.layout();
        let losses = |trainer: &mut Trainer| row_losses(trainer, rows, layout, training, run.stopper());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (n, weights) in self.members.weights.iter().enumerate() {
            let mut trainer = self.loaded.trainer(&self.network, n, run.workers())?;
            before.push(losses(&mut trainer)?);
            trainer.restore(&Checkpoint::start(weights.clone()))?;
            after.push(losses(&mut trainer)?);
        }
        init.held_out_loss = Some(base.compare(&before, &after, training.trim, config.accept_worse)?);
        Ok(Some(init))
    }
}

impl Measured {
    /// Puts the model together.
    ///
    /// # Errors
    /// [`Error::Model`] if its parts contradict each other.
    pub(super) fn into_fitted(self) -> Result<Fitted> {
        let Self { trained, training, init, scoring, latents, neighbors, group_scores, health, aggregate, .. } = self;
        let Trained { loaded, network, members, checkpoint, seconds } = trained;
        let (prepared, rows) = (&loaded.prepared, &loaded.rows);
        let provenance = Provenance {
            vaepipe_version: env!("CARGO_PKG_VERSION").to_owned(),
            rows: prepared.source.rows(),
            training_rows: rows.training.len() as u64,
            validation_rows: rows.validation.len() as u64,
            calibration_rows: rows.calibration.len() as u64,
            empty_rows: rows.empty,
            init,
            tags: prepared.config.tags.clone(),
        };
        let ((found, clusters), reference) = (self.clusters.unzip(), self.reference);
        let metadata = Metadata {
            format_version: FORMAT_VERSION,
            features: loaded.features.kinds().to_vec(),
            given: loaded.features.given().to_vec(),
            columns: InputColumn::all(&prepared.input.schema()),
            carried: prepared.columns.carried.clone(),
            ordered: self.ordered,
            sequence: prepared.columns.sequence.clone(),
            network,
            training,
            history: members.history,
            health,
            clusters,
            scoring,
            feedback: None,
            provenance,
        };
        let groups = (loaded.features.layout().given().norms(), &*group_scores);
        let networks = members.weights.into_iter().zip(latents).collect();
        let model = Model::new(
            metadata,
            networks,
            (neighbors.as_ref(), reference.as_ref(), found.as_ref()),
            groups,
            (&aggregate, loaded.features.layout()),
            &self.sketch,
            &prepared.device,
        )
        .map_err(|fault| Error::Model { path: "the model just fitted".into(), fault })?;
        let cells = rows.training.len() as u64 * prepared.sizes.inputs as u64;
        Ok(Fitted {
            model,
            suggested_types: prepared.columns.suggested_types.clone(),
            statistics_seconds: loaded.seconds,
            trained_rows: members.trained_rows,
            train_seconds: seconds,
            rows_bytes: cells.saturating_mul(size_of::<f32>() as u64),
            in_memory: prepared.sizes.rows.in_memory,
            interrupted: members.interrupted,
            checkpoint,
        })
    }
}
