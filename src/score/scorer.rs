//! Scoring of rows by the networks of a model.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use super::{
    AggregatePosterior, COMBINED, Feedback, Formula, Ground, GroupScores, Marginals, Neighbors, RowPlaces, SCORES,
    Score, ScoreComponents, ScoreEquivalents, Stored,
};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::{Encoded, Heads, Network, Row, Vae, Weights};
use crate::numerics::RandomStream;

/// Elements of the row vector, ascending, each with the sign of the differences from the expected value that are odd.
pub(crate) type Directions = [(usize, f32)];

/// The networks of a model, and the training rows it stores. Scores by networks are means over all; latents,
/// reconstructions and distances from stored rows come from the first.
#[derive(Clone)]
pub(crate) struct Scorer {
    members: Arc<[Member]>,
    neighbors: Option<(Neighbors, ScoreComponents)>,
    /// How anomaly scores are compared with those of the row's own groups, for each given column that names some, in order.
    group_scores: Arc<[GroupScores]>,
    /// What people said of rows, if the anomaly score is `combined`.
    feedback: Option<Arc<Feedback>>,
    directions: Arc<Directions>,
    /// What the anomaly scores of rows without a full window stand for.
    partial_windows: Option<Arc<ScoreEquivalents>>,
}

/// One network of a model, with its aggregate posterior and random stream for scores.
pub(crate) struct Member {
    pub(crate) vae: Arc<Vae>,
    pub(crate) heads: Heads,
    pub(crate) latents: AggregatePosterior,
    pub(super) noise: RandomStream,
}

/// A batch of rows, encoded by every member.
pub(crate) struct EncodedBatch<'a> {
    pub(super) views: Vec<MemberView<'a>>,
    pub(super) scorer: &'a Scorer,
    /// The distance of each row from its neighbors, once it is measured.
    distances: OnceCell<Vec<f32>>,
}

/// A batch of rows, encoded by one member.
pub(crate) struct MemberView<'a> {
    pub(crate) member: &'a Member,
    pub(crate) batch: &'a Batch,
    pub(crate) encoded: Encoded,
    /// The decoder's output at the posterior means, `[rows, outputs]`, if it is sure to be needed.
    decoded: Option<Vec<f32>>,
}

impl Member {
    /// # Panics
    /// If a parameter of a likelihood is missing; a model always has them.
    pub(crate) fn new(
        vae: Arc<Vae>,
        layout: &Layout,
        network: &Network,
        weights: &Weights,
        latents: AggregatePosterior,
        seed: u64,
    ) -> Self {
        Self { vae, heads: Heads::new(layout, network, weights), latents, noise: RandomStream::new(seed, "elbo_iw") }
    }
}

impl Scorer {
    /// # Panics
    /// If there is no member.
    pub(crate) fn new(members: Vec<Member>) -> Self {
        assert!(!members.is_empty(), "a model has a network");
        let (neighbors, group_scores, feedback, partial_windows) = (None, Arc::new([]), None, None);
        let (members, directions) = (members.into(), Arc::new([]));
        Self { members, neighbors, group_scores, feedback, directions, partial_windows }
    }

    /// A scorer by the same networks, with stored training rows, and what they scored themselves.
    pub(crate) fn with_neighbors(&self, neighbors: Option<(Neighbors, ScoreComponents)>) -> Self {
        Self { neighbors, ..self.clone() }
    }

    /// A scorer that compares anomaly scores with those of the row's own group.
    pub(crate) fn with_group_scores(&self, group_scores: Vec<GroupScores>) -> Self {
        Self { group_scores: group_scores.into(), ..self.clone() }
    }

    /// A scorer whose anomaly scores, which are `combined`, follow what people said of rows.
    pub(crate) fn with_feedback(&self, feedback: Option<Feedback>) -> Self {
        Self { feedback: feedback.map(Arc::new), ..self.clone() }
    }

    /// A scorer that compares the anomaly scores of rows without a full window with those of others.
    pub(crate) fn with_partial_windows(&self, partial_windows: Option<ScoreEquivalents>) -> Self {
        Self { partial_windows: partial_windows.map(Arc::new), ..self.clone() }
    }

    /// What people said of rows.
    pub(crate) fn feedback(&self) -> Option<&Feedback> {
        self.feedback.as_deref()
    }

    /// A scorer to which only one side of what is expected of these elements is odd.
    pub(crate) fn with_directions(&self, directions: &Directions) -> Self {
        Self { directions: directions.into(), ..self.clone() }
    }

    /// The elements of which only one side of what is expected is odd.
    pub(crate) fn directions(&self) -> &Directions {
        &self.directions
    }

    /// Whether the anomaly score differs from this score, which it is of, by groups; `combined` is of standardised parts itself.
    pub(crate) fn standardises(&self, score: &Score) -> bool {
        !self.group_scores.is_empty() && !COMBINED.is(score)
    }

    /// Whether it differs from the row's own score beside: by feedback, by tails of groups, or in rows without a full window.
    pub(crate) fn adjusts(&self) -> bool {
        self.feedback.is_some() || !self.group_scores.is_empty() || self.partial_windows.is_some()
    }

    /// How anomaly scores are compared with those of the row's own groups.
    pub(crate) fn group_scores(&self) -> &Arc<[GroupScores]> {
        &self.group_scores
    }

    /// The stored training rows, and scores of training rows.
    pub(crate) fn neighbors(&self) -> Option<&(Neighbors, ScoreComponents)> {
        self.neighbors.as_ref()
    }

    /// What it stores of training rows.
    pub(crate) fn stored(&self) -> Stored {
        Stored::of(self.neighbors.as_ref().map(|(neighbors, _)| neighbors))
    }

    /// The first network, whose latents are the model's.
    pub(crate) fn first(&self) -> &Member {
        &self.members[0]
    }

    /// All networks.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Encodes a batch by every member.
    pub(crate) fn rows<'a>(&'a self, batch: &'a Batch) -> Result<EncodedBatch<'a>> {
        let decodes = |n| n == 0 && self.neighbors.is_some();
        let views = self.members.iter().enumerate().map(|(n, member)| MemberView::new(member, batch, decodes(n)));
        let views = views.collect::<Result<_>>()?;
        Ok(EncodedBatch { views, scorer: self, distances: OnceCell::new() })
    }
}

impl<'a> EncodedBatch<'a> {
    /// The view of the first member.
    pub(crate) fn first(&self) -> &MemberView<'a> {
        &self.views[0]
    }

    /// Computes a score for every row; `None` where no feature is known.
    ///
    /// # Errors
    /// [`Error::UnknownScore`] if the model stores no rows and the score needs some.
    pub(crate) fn score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        self.combine(score, self.parts(score)?)
    }

    /// The score by which rows are ranked: compared with the row's groups, if some are given, that of a row without a full window as it
    /// compares with others, and as feedback changes it.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn anomaly_score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        let scores = self.score_without_feedback(score)?;
        let Some(feedback) = &self.scorer.feedback else { return Ok(scores) };
        let places = self.places()?;
        let of_row = |(row, score): (usize, Option<f32>)| Some(feedback.score(score?, &places, row));
        Ok(scores.into_iter().enumerate().map(of_row).collect())
    }

    /// The score by which rows are ranked without feedback.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn score_without_feedback(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        let mut scores = self.unadjusted_score(score)?;
        for tails in self.scorer.group_scores.iter().filter_map(|of_column| of_column.tails.as_ref()) {
            let rows = scores.iter_mut().zip(self.given()).filter_map(|(score, given)| score.as_mut().zip(Some(given)));
            rows.for_each(|(score, given)| *score = tails.compared(*score, given));
        }
        if let Some(equivalents) = &self.scorer.partial_windows {
            let partial = scores.iter_mut().zip(&self.first().batch.partial_windows).filter(|(_, partial)| **partial);
            partial.flat_map(|(score, _)| score).for_each(|score| *score = equivalents.equivalent(*score));
        }
        Ok(scores)
    }

    /// The same before it is compared with the tails of groups, and of other windows.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn unadjusted_score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        self.combine(score, self.parts_in_groups(score)?)
    }

    /// The places of the rows, to compare them with others.
    ///
    /// # Errors
    /// [`Error::UnknownScore`] if the model stores no rows.
    pub(crate) fn places(&self) -> Result<RowPlaces> {
        let distances = self.distances(&COMBINED)?;
        Ok(self.neighbors(&COMBINED)?.0.row_places(&self.first().residuals()?, distances))
    }

    /// The score of each row, and zeros; or the scores that it combines.
    fn parts(&self, score: &Score) -> Result<Vec<[f32; 3]>> {
        let alone = |score: f32| [score, 0.0, 0.0];
        Ok(match score.of {
            Formula::Network(of, is_likelihood) => self.mean(of, is_likelihood)?.into_iter().map(alone).collect(),
            Formula::Distance => self.distances(score)?.iter().copied().map(alone).collect(),
            Formula::Marginals => {
                let marginals = self.marginals(score)?.ok_or_else(|| self.unknown(score))?;
                marginals.scores(self.first().batch).into_iter().map(alone).collect()
            }
            Formula::Combined => {
                let both = self.elbos()?.into_iter().zip(self.distances(score)?).map(|(a, &b)| [a, b, 0.0]);
                let mut parts: Vec<[f32; 3]> = both.collect();
                let marginals = self.marginals(score)?.map(|marginals| marginals.scores(self.first().batch));
                parts.iter_mut().zip(marginals.into_iter().flatten()).for_each(|(parts, marginal)| parts[2] = marginal);
                parts
            }
        })
    }

    /// The same, standardised by the row's groups.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn parts_in_groups(&self, score: &Score) -> Result<Vec<[f32; 3]>> {
        let mut parts = self.parts(score)?;
        for GroupScores { norms, .. } in self.scorer.group_scores.iter() {
            parts.iter_mut().zip(self.given()).for_each(|(parts, given)| norms.standardise(parts, given));
        }
        Ok(parts)
    }

    /// The given elements of each row; nothing if none are given.
    fn given(&self) -> impl Iterator<Item = &[f32]> {
        let given = &self.first().batch.given.elements;
        given.chunks_exact((given.len() / self.first().batch.rows().max(1)).max(1))
    }

    /// The score of each row from its parts; `None` where no feature is known.
    fn combine(&self, score: &Score, parts: Vec<[f32; 3]>) -> Result<Vec<Option<f32>>> {
        let components = if let Formula::Combined = score.of { Some(&self.neighbors(score)?.1) } else { None };
        let of_row = |(row, (parts, known)): (usize, ([f32; 3], &f32))| {
            let parts = if self.has_expected(row) { [parts[0], f32::MIN, f32::MIN] } else { parts };
            let surprise = self.first().batch.surprise.nats(row) - (self.first().encoded.features as f64).ln();
            let score = || components.map_or(parts[0], |components| components.combine(parts, surprise) as f32);
            (*known > 0.0).then(score)
        };
        Ok(parts.into_iter().zip(&self.first().encoded.known).enumerate().map(of_row).collect())
    }

    /// What decides a score, row by row.
    pub(super) fn grounds(&self, score: &Score) -> Result<Vec<Ground>> {
        let rows = self.first().batch.rows();
        match score.of {
            Formula::Network(..) => Ok(vec![Ground::Networks; rows]),
            Formula::Distance => Ok(vec![Ground::Distance; rows]),
            Formula::Marginals => Ok(vec![Ground::Marginals; rows]),
            Formula::Combined => {
                let (_, components) = self.neighbors(score)?;
                let rows = self.parts_in_groups(score)?.into_iter().zip(&self.first().encoded.known);
                // Only the networks' score knows of a surprise.
                let has_surprise = |row| self.first().batch.surprise.nats(row) > 0.0;
                let ground = |(row, (parts, known)): (usize, ([f32; 3], &f32))| match *known > 0.0 {
                    true if !self.has_expected(row) && !has_surprise(row) => components.ground(parts),
                    _ => Ground::Networks,
                };
                Ok(rows.enumerate().map(ground).collect())
            }
        }
    }

    /// The mean of a score over the networks, and the surprise of the row if it is a likelihood.
    fn mean(&self, of: fn(&MemberView<'_>) -> Result<Vec<f32>>, is_likelihood: bool) -> Result<Vec<f32>> {
        let mut sums = vec![0.0; self.first().batch.rows()];
        for view in &self.views {
            sums.iter_mut().zip(of(view)?).for_each(|(sum, score)| *sum += f64::from(score));
        }
        let members = self.views.len() as f64;
        let surprise = |row| if is_likelihood { self.first().batch.surprise.nats(row) } else { 0.0 };
        Ok(sums.into_iter().enumerate().map(|(row, sum)| (sum / members + surprise(row)) as f32).collect())
    }

    fn elbos(&self) -> Result<Vec<f32>> {
        self.mean(super::negative_elbo, true)
    }

    /// The mean distance of each row from the stored rows nearest to it.
    fn distances(&self, score: &Score) -> Result<&[f32]> {
        if let Some(distances) = self.distances.get() {
            return Ok(distances);
        }
        let distances = self.neighbors(score)?.0.distances(&self.first().residuals()?);
        Ok(self.distances.get_or_init(|| distances))
    }

    /// The stored rows, which a score takes.
    pub(super) fn neighbors(&self, score: &Score) -> Result<&(Neighbors, ScoreComponents)> {
        self.scorer.neighbors.as_ref().ok_or_else(|| self.unknown(score))
    }

    /// How common values of training rows are, if the model knows it.
    pub(super) fn marginals(&self, score: &Score) -> Result<Option<&Marginals>> {
        Ok(self.neighbors(score)?.0.marginals.as_ref())
    }

    /// The error of a score that the model does not compute.
    fn unknown(&self, score: &Score) -> Error {
        let known = SCORES.iter().filter(|score| score.needs() <= self.scorer.stored());
        Error::UnknownScore {
            option: "score",
            name: score.name.to_owned(),
            known: known.map(|score| score.name).collect(),
        }
    }
}

impl<'a> MemberView<'a> {
    /// Encodes the rows, and keeps what the decoder makes of them if `decodes`.
    pub(super) fn new(member: &'a Member, batch: &'a Batch, decodes: bool) -> Result<Self> {
        let (encoded, decoded) = match decodes {
            true => member.vae.encode_and_decode(batch).map(|(encoded, decoded)| (encoded, Some(decoded)))?,
            false => (member.vae.encode(batch)?, None),
        };
        Ok(Self { member, batch, encoded, decoded })
    }

    /// The decoder's output at the posterior means, `[rows, outputs]`.
    pub(super) fn decoded(&self) -> Result<Cow<'_, [f32]>> {
        if let Some(decoded) = &self.decoded {
            return Ok(decoded.into());
        }
        let mut decoded = Vec::new();
        self.member.vae.decode(&self.encoded.mean, &self.batch.given.inputs, &mut decoded)?;
        Ok(decoded.into())
    }

    /// Computes a number for every row.
    pub(super) fn each(&self, of: impl Fn(&Encoded, usize) -> f32) -> Result<Vec<f32>> {
        Ok((0..self.batch.rows()).map(|row| of(&self.encoded, row)).collect())
    }

    /// The Mahalanobis distance of every row's posterior mean.
    pub(super) fn latent_distances(&self) -> Vec<f32> {
        let means = self.encoded.mean.chunks_exact(self.encoded.latent_dim);
        means.map(|mean| self.member.latents.distance(mean)).collect()
    }

    /// One row; `ones` is the mask of rows without missing values.
    pub(crate) fn row<'b>(&'b self, row: usize, ones: &'b [f32]) -> Row<'b> {
        let slice = |all: &'b [f32], width: usize| &all[row * width..][..width];
        let (inputs, latent_dim) = (self.encoded.features, self.encoded.latent_dim);
        Row {
            x: slice(&self.batch.x, inputs),
            known: self.batch.known.as_deref().map_or(ones, |known| slice(known, inputs)),
            mean: slice(&self.encoded.mean, latent_dim),
            log_variance: slice(&self.encoded.log_variance, latent_dim),
            given: slice(&self.batch.given.inputs, self.batch.given.inputs.len() / self.batch.rows()),
        }
    }
}
