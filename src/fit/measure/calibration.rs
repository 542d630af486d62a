//! Calibration: the aggregate posterior of the training rows, and the scores of training and calibration rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sampled_batches::{BATCH_ROWS, each_batch};
use crate::batch::{Batch, Table};
use crate::config::{Decision, Direction, Training};
use crate::error::Result;
use crate::feature::{Features, Layout};
use crate::fit::encoded_rows::{EncodedRows, RowsWithScores};
use crate::fit::out_of_fold::OutOfFold;
use crate::fit::rows::FitRows;
use crate::model::{Network, Vae, Weights};
use crate::pipeline::{self, Pool, Run, Stage};
use crate::score::{
    AggregatePosterior, GroupScores, LatentSums, Member, Neighbors, Reference, Score, Scorer, Scoring, Tail,
};
use crate::sequence::Filled;

/// Most products of latents for the covariance, so that wide latent spaces take fewer rows.
const MOST_PRODUCTS: usize = 1 << 30;

/// Parts of the rows of windows that have begun again, of which every other is stored, and the others calibrate.
const BLOCKS: usize = 16;

/// Scores of rows, `None` without a known value.
pub(in crate::fit) type Scores = Vec<Option<f32>>;

/// The fitted networks, and the score to calibrate.
pub(in crate::fit) struct Calibration<'a> {
    pub(in crate::fit) members: Vec<(Arc<Vae>, &'a Weights)>,
    pub(in crate::fit) layout: &'a Layout,
    pub(in crate::fit) network: &'a Network,
    pub(in crate::fit) training: &'a Training,
    pub(in crate::fit) score: &'static Score,
    pub(in crate::fit) decision: Option<Decision>,
    pub(in crate::fit) ignore_above_p: Option<f64>,
    /// The columns of which only one side of what is expected is odd.
    pub(in crate::fit) directions: &'a BTreeMap<String, Direction>,
    pub(in crate::fit) features: &'a Features,
    /// Whether the rows are in order, with their windows.
    pub(in crate::fit) in_order: bool,
    /// How full these are.
    pub(in crate::fit) filled: &'a Filled,
    /// Most training rows to measure.
    pub(in crate::fit) most_rows: usize,
}

/// A scorer, and what was measured to make it.
pub(in crate::fit) struct MeasuredScorer {
    pub(in crate::fit) scorer: Arc<Scorer>,
    /// The aggregate posterior of the training rows in each network.
    latents: Vec<AggregatePosterior>,
    /// Scores of training rows, in their order, if the scorer took them.
    pub(super) training_scores: Option<Scores>,
}

/// What calibration measures.
pub(in crate::fit) struct Calibrated {
    pub(in crate::fit) scoring: Scoring,
    /// The aggregate posterior of the training rows in each network.
    pub(in crate::fit) latents: Vec<AggregatePosterior>,
    /// The training rows to store, if the score takes some.
    pub(in crate::fit) neighbors: Option<Neighbors>,
    /// The calibration rows to store, if the score is one that feedback can change.
    pub(in crate::fit) reference: Option<Reference>,
    /// What is known of the score in groups.
    pub(in crate::fit) group_scores: Arc<[GroupScores]>,
    /// Scores of training rows, in their order.
    pub(in crate::fit) training_scores: Vec<Option<f32>>,
}

impl Calibration<'_> {
    /// Calibrates the score on training and calibration rows, and on those of windows that have begun `restarted`. `out_of_fold` are
    /// the scores to calibrate with in place of these.
    ///
    /// # Errors
    /// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(in crate::fit) fn run(
        &self,
        rows: &FitRows,
        (out_of_fold, restarted): (Option<OutOfFold>, Table),
        run: &Run<'_>,
    ) -> Result<Calibrated> {
        let [stored, scored] = match &out_of_fold {
            Some(_) => [restarted, Table::default()],
            None => restarted.alternate(BLOCKS, self.layout.width()),
        };
        let MeasuredScorer { scorer, latents, training_scores } = self.scorer(rows, &stored, run)?;
        let scores = |store, most| self.scores(&scorer, store, most, run);
        let decision = self.decision.unwrap_or(Decision::DEFAULT);
        let all = matches!(decision, Decision::Contamination(_) | Decision::AutoContamination);
        let training_scores = match training_scores.filter(|_| !all) {
            Some(scores) => scores,
            None => scores(&rows.training, if all { usize::MAX } else { self.most_rows })?,
        };
        let (calibration, restarted) = match out_of_fold {
            Some(OutOfFold { all, restarted }) => (all, restarted),
            None => {
                let of_calibration = scores(&rows.calibration, usize::MAX)?.into_iter().flatten().collect();
                let calibration = RowsWithScores { scores: of_calibration, rows: rows.calibration.clone() };
                (calibration, self.restarted_scores(&scorer, scored, run)?)
            }
        };
        let (calibration, partial_windows) = self.with_full_windows(calibration, restarted)?;
        let training_scores = self.compared(training_scores, &rows.training, partial_windows.as_ref())?;
        let training = Tail::of(training_scores.iter().flatten().copied().collect());
        let reference = self.reference(&scorer, &calibration, run)?;
        let calibration = Some(Tail::of(calibration.scores)).filter(|calibration| calibration.rows() > 0);
        let (neighbors, components) = scorer.neighbors().cloned().unzip();
        let anomaly_score = self.score.name.to_owned();
        let mut scoring = Scoring {
            anomaly_score,
            components,
            calibration,
            training,
            decision,
            ignore_above_p: self.ignore_above_p,
            directions: self.directions.clone(),
            partial_windows,
        };
        scoring.decision = scoring.decide(None);
        let group_scores = scorer.group_scores().clone();
        Ok(Calibrated { scoring, latents, neighbors, reference, group_scores, training_scores })
    }

    /// Makes a scorer, with stored rows if the score takes some: those of `restarted` windows for rows without a full one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(in crate::fit) fn scorer(&self, rows: &FitRows, restarted: &Table, run: &Run<'_>) -> Result<MeasuredScorer> {
        let Self { layout, network, training, .. } = *self;
        let (mut members, mut latents) = (Vec::new(), Vec::new());
        for (n, (vae, weights)) in self.members.iter().enumerate() {
            let of_member = self.latents(vae, rows, run)?;
            let seed = training.member_seed(n);
            members.push(Member::new(vae.clone(), layout, network, weights, of_member.clone(), seed));
            latents.push(of_member);
        }
        let elements = self.features.directed(self.directions).unwrap_or_default();
        let scorer = Arc::new(Scorer::new(members).with_directions(&elements));
        let (scorer, training_scores) = match self.score.needs_neighbors() {
            true => self.with_neighbors(scorer, (rows, restarted), run)?,
            false => (self.with_group_norms(scorer, rows, run)?, None),
        };
        let (scorer, training_scores) = self.with_group_tails(scorer, training_scores, rows, run)?;
        Ok(MeasuredScorer { scorer, latents, training_scores })
    }

    /// Computes the score of at most `most` rows of a store; of a row without a known value `None`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(in crate::fit) fn scores(
        &self,
        scorer: &Arc<Scorer>,
        store: &EncodedRows,
        most: usize,
        run: &Run<'_>,
    ) -> Result<Scores> {
        let mut scores = Vec::new();
        let work = |batch| self.scores_of_batch(scorer, &batch);
        self.each(store, most, run, work, |of_batch| scores.extend(of_batch))?;
        Ok(scores)
    }

    /// The scores of rows, `None` without a known value.
    pub(super) fn scores_of_batch(&self, scorer: &Scorer, batch: &Batch) -> Result<Scores> {
        scorer.rows(&*scorer.one_sided(batch, self.score)?)?.anomaly_score(self.score)
    }

    /// The aggregate posterior of the training rows in one network.
    fn latents(&self, vae: &Arc<Vae>, rows: &FitRows, run: &Run<'_>) -> Result<AggregatePosterior> {
        let latent_dim = self.network.latent_dim;
        let some = self.most_rows.min((MOST_PRODUCTS / (latent_dim * latent_dim)).max(BATCH_ROWS));
        let mut moments = LatentSums::new(latent_dim);
        self.each(
            &rows.training,
            some,
            run,
            |batch| vae.posterior(&batch),
            |[mean, log_variance]| {
                let posteriors = mean.chunks_exact(latent_dim).zip(log_variance.chunks_exact(latent_dim));
                posteriors.for_each(|(mean, log_variance)| moments.add(mean, log_variance));
            },
        )?;
        Ok(moments.finish())
    }

    /// Runs `work` on batches of at most `most` rows of a store, evenly spread, and gives the results, in order, to `take`.
    pub(super) fn each<T: Send>(
        &self,
        store: &EncodedRows,
        most: usize,
        run: &Run<'_>,
        work: impl Fn(Batch) -> Result<T> + Send + Sync,
        take: impl FnMut(T),
    ) -> Result<()> {
        let stage = Stage::new("score");
        let done = stage.run(|| {
            let pool = Pool::new(run.workers())?;
            let work = |batch| work(self.with_partial_windows(batch));
            each_batch(store, self.layout, most, (&pool, run.stopper()), work, take)
        });
        pipeline::report(&[&stage]);
        done
    }
}
