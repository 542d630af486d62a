//! Scores of rows: by each network, by the distance from stored rows, by single values, and all in one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::feedback;
use super::graph::{GraphBuilder, Tensor};
use super::groups;
use super::losses::{LossGraph, losses};
use super::marginals;
use super::neighbors;
use super::network::{NetworkGraph, PosteriorGraph};
use super::row::RowVector;
use super::schema::ElementType;
use super::tails::{OF_DISTANCES, OF_SUMS, TailGraph};
use crate::artifact::Model;
use crate::score::{AggregatePosterior, EXPONENT, Member, Neighbors, OF_MARGINALS, Score, ScoreComponents};

/// A network's answers for rows.
pub(super) struct MemberGraph {
    pub(super) posterior: PosteriorGraph,
    pub(super) losses: LossGraph,
    /// Its scores by name, f32 `[rows, 1]`.
    scores: BTreeMap<&'static str, Tensor>,
}

/// Everything that scores are of.
pub(super) struct ScoreGraph<'a> {
    pub(super) model: &'a Model,
    pub(super) row: RowVector,
    pub(super) members: Vec<MemberGraph>,
    /// Scores that are in the graph already.
    known: BTreeMap<&'static str, Tensor>,
    /// The same, as rows are ranked by them without feedback.
    ranked: BTreeMap<&'static str, Tensor>,
    /// The places of the rows among the stored ones, once asked for.
    place: Option<Tensor>,
    /// Whether some value of a row is an expected one, `[rows, 1]`, if any row's can be: `combined` is then that of `elbo` alone.
    pub(super) has_expected: Option<Tensor>,
}

/// The networks of a model over rows.
pub(super) fn members<'a>(graph: &mut GraphBuilder, model: &'a Model, row: RowVector) -> ScoreGraph<'a> {
    let seen = row.encoder_input(graph, model.features().layout(), row.values.as_ref().map(|values| values.each_ref()));
    let all = model.scorer().members().iter().zip(model.networks()).enumerate();
    let members = all.map(|(n, (member, weights))| {
        let network = NetworkGraph::of(model, n, weights);
        let posterior = network.posterior(graph, &seen);
        let output = network.decode(graph, &posterior.mean, row.given.as_ref());
        graph.section(format!("{}likelihood", network.prefix));
        let losses = losses(graph, (&row, &output), (model.features().layout(), &member.heads));
        let scores = scores(graph, member, &row, (&posterior, &losses), model.features().layout().inputs());
        MemberGraph { posterior, losses, scores }
    });
    let members = members.collect();
    ScoreGraph { model, row, members, known: BTreeMap::new(), ranked: BTreeMap::new(), place: None, has_expected: None }
}

/// The scores of one network.
fn scores(
    graph: &mut GraphBuilder,
    member: &Member,
    row: &RowVector,
    (posterior, losses): (&PosteriorGraph, &LossGraph),
    elements: usize,
) -> BTreeMap<&'static str, Tensor> {
    let recon_error = graph.op("Div", &[&losses.squared_error, &row.known]);
    let elements = graph.floats(&[elements as f32]);
    let share = graph.op("Div", &[&elements, &row.known]);
    let recon_nll = graph.op("Mul", &[&losses.nll, &share]);
    let kl = posterior.kl(graph);
    let elbo = graph.op("Add", &[&recon_nll, &kl]);
    let distance = latent_distance(graph, &member.latents, &posterior.mean);
    let names = ["recon_error", "recon_nll", "kl", "elbo", "latent_distance"];
    names.into_iter().zip([recon_error, recon_nll, kl, elbo, distance]).collect()
}

/// √((z - m)ᵀ S⁻¹ (z - m)).
fn latent_distance(graph: &mut GraphBuilder, latents: &AggregatePosterior, z: &Tensor) -> Tensor {
    let k = latents.mean.len();
    // Transposed, and without what is above the diagonal.
    let places = (0..k * k).map(|at| (at / k, at % k));
    let whitening: Vec<f32> = places.map(|(j, i)| if j <= i { latents.whitening[i * k + j] } else { 0.0 }).collect();
    let (mean, whitening) = (graph.floats(&latents.mean), graph.float_table(&whitening, &[k, k]));
    let off = graph.op("Sub", &[z, &mean]);
    let components = graph.op("MatMul", &[&off, &whitening]);
    let squares = graph.op("Mul", &[&components, &components]);
    let square = graph.sum(&squares, true);
    graph.op("Sqrt", &[&square])
}

impl ScoreGraph<'_> {
    /// The first network, whose latents are the model's.
    pub(super) fn first(&self) -> &MemberGraph {
        &self.members[0]
    }

    /// A score, f32 `[rows, 1]`; NaN where no feature is known.
    pub(super) fn score(&mut self, graph: &mut GraphBuilder, score: &Score) -> Tensor {
        let parts = self.parts(graph, score);
        let combined = self.combined(graph, score, &parts);
        self.of_known(graph, &combined)
    }

    /// The score by which rows are ranked: compared with the row's groups, if some are given, and as feedback changes it.
    pub(super) fn anomaly_score(&mut self, graph: &mut GraphBuilder, score: &Score) -> Tensor {
        let by_itself = self.score_without_feedback(graph, score);
        let scorer = self.model.scorer();
        let (Some(feedback), Some((stored, _))) = (scorer.feedback(), scorer.neighbors()) else { return by_itself };
        let (place, distance) = (self.place(graph, stored), self.neighbor_distance(graph));
        feedback::followed(graph, feedback, stored, [&by_itself, &place, &distance])
    }

    /// The score by which rows are ranked without feedback.
    pub(super) fn score_without_feedback(&mut self, graph: &mut GraphBuilder, score: &Score) -> Tensor {
        let mut scores = self.unadjusted_score(graph, score);
        for tails in self.model.scorer().group_scores().iter().filter_map(|of_column| of_column.tails.as_ref()) {
            scores = groups::compared(graph, &scores, tails, &self.row.groups);
        }
        scores
    }

    /// The same before it is compared with the tails of groups.
    pub(super) fn unadjusted_score(&mut self, graph: &mut GraphBuilder, score: &Score) -> Tensor {
        if let Some(known) = self.ranked.get(score.name) {
            return known.clone();
        }
        let parts = self.parts(graph, score);
        graph.section("anomaly_score");
        let mut all = graph.beside(&parts);
        for of_column in self.model.scorer().group_scores().iter() {
            all = groups::standardised(graph, &all, &of_column.norms, &self.row.groups, parts.len());
        }
        let count = parts.len();
        let parts: Vec<Tensor> = match count {
            1 => vec![all],
            _ => (0..count).map(|part| graph.columns(&all, part, part + 1)).collect(),
        };
        let combined = self.combined(graph, score, &parts);
        let ranked = self.of_known(graph, &combined);
        self.ranked.insert(score.name, ranked.clone());
        ranked
    }

    /// Numbers of rows, f32 `[rows, 1]`; NaN where no feature is known.
    fn of_known(&self, graph: &mut GraphBuilder, numbers: &Tensor) -> Tensor {
        let [zero, nan] = [0.0, f32::NAN].map(|it| graph.floats(&[it]));
        let is_known = graph.op("Greater", &[&self.row.known, &zero]);
        graph.op("Where", &[&is_known, numbers, &nan])
    }

    /// The score, or those that it combines.
    fn parts(&mut self, graph: &mut GraphBuilder, score: &Score) -> Vec<Tensor> {
        match (score.name, score.needs_neighbors()) {
            (_, false) => vec![self.mean(graph, score.name)],
            ("combined", true) => {
                let mut parts = vec![self.mean(graph, "elbo"), self.neighbor_distance(graph)];
                parts.extend(self.marginal_nll(graph));
                parts
            }
            ("marginal_nll", true) => vec![self.marginal_nll(graph).expect("a score that the model computes")],
            (_, true) => vec![self.neighbor_distance(graph)],
        }
    }

    /// The mean of a score over the networks, and the surprise of the row if it is a likelihood.
    fn mean(&mut self, graph: &mut GraphBuilder, name: &'static str) -> Tensor {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        graph.section(name);
        let each: Vec<Tensor> = self.members.iter().map(|member| member.scores[name].clone()).collect();
        let surprise = self.row.surprise.as_ref().filter(|_| ["recon_nll", "elbo"].contains(&name));
        let mean = if each.len() == 1 && surprise.is_none() {
            each[0].clone()
        } else {
            let all = graph.beside(&each);
            let all = graph.cast(&all, ElementType::Double);
            let sum = graph.sum(&all, true);
            let members = graph.doubles(&[each.len() as f64]);
            let mut mean = graph.op("Div", &[&sum, &members]);
            if let Some(surprise) = surprise {
                mean = graph.op("Add", &[&mean, surprise]);
            }
            graph.cast(&mean, ElementType::Float)
        };
        self.known.insert(name, mean.clone());
        mean
    }

    /// The mean distance of each row from the stored rows nearest to it.
    fn neighbor_distance(&mut self, graph: &mut GraphBuilder) -> Tensor {
        const NAME: &str = "neighbor_distance";
        if let Some(known) = self.known.get(NAME) {
            return known.clone();
        }
        let (stored, _) =
            self.model.scorer().neighbors().expect("scores that need stored rows are of models with some");
        let place = self.place(graph, stored);
        let distance = neighbors::distance(graph, stored, &place);
        self.known.insert(NAME, distance.clone());
        distance
    }

    /// By how common single values are; `None` if the model does not know it.
    fn marginal_nll(&mut self, graph: &mut GraphBuilder) -> Option<Tensor> {
        const NAME: &str = "marginal_nll";
        if let Some(known) = self.known.get(NAME) {
            return Some(known.clone());
        }
        let (stored, _) = self.model.scorer().neighbors()?;
        let score = marginals::score(graph, &self.row, stored.marginals.as_ref()?, self.model.features().layout());
        self.known.insert(NAME, score.clone());
        Some(score)
    }

    /// The places of the rows among the stored ones, `[rows, width]`.
    fn place(&mut self, graph: &mut GraphBuilder, stored: &Neighbors) -> Tensor {
        if let Some(place) = &self.place {
            return place.clone();
        }
        graph.section("neighbors");
        let mut known: Vec<Tensor> = self.row.values.iter().map(|[_, known]| known.clone()).collect();
        known.extend(self.row.categories_known.iter().cloned());
        let known = graph.beside(&known);
        let MemberGraph { posterior, losses, .. } = self.first();
        let place = neighbors::place(graph, stored, [&posterior.mean, &losses.residuals, &known]);
        self.place = Some(place.clone());
        place
    }

    /// One score of its parts.
    fn combined(&self, graph: &mut GraphBuilder, score: &Score, parts: &[Tensor]) -> Tensor {
        let ("combined", [elbo, distance, marginal @ ..], Some((_, components))) =
            (score.name, parts, self.model.scorer().neighbors())
        else {
            return parts[0].clone();
        };
        graph.section("combined");
        let ScoreComponents { elbo: of_elbo, neighbor_distance, marginal_nll, .. } = components;
        let elements = self.model.features().layout().inputs();
        let a = TailGraph { tail: of_elbo, elements, rounding: OF_SUMS }.nats(graph, elbo);
        let distance = self.unless_expected(graph, distance);
        let b = TailGraph { tail: neighbor_distance, elements: 0, rounding: OF_DISTANCES }.nats(graph, &distance);
        let [exponent, half, scale] = [EXPONENT, 0.5, -1.0 / EXPONENT].map(|it| graph.doubles(&[it]));
        let apart = graph.op("Sub", &[&a, &b]);
        let apart = graph.op("Abs", &[&apart]);
        let other = graph.op("Mul", &[&apart, &exponent]);
        let other = graph.op("Exp", &[&other]);
        let other = graph.op("Mul", &[&other, &half]);
        let mean = graph.op("Add", &[&other, &half]);
        let log = graph.op("Log", &[&mean]);
        let log = graph.op("Mul", &[&log, &scale]);
        let greater = graph.op("Max", &[&a, &b]);
        let mut nats = graph.op("Add", &[&greater, &log]);
        if let Some(surprise) = &self.row.surprise {
            let by_chance = graph.doubles(&[(elements as f64).ln()]);
            let surprise = graph.op("Sub", &[surprise, &by_chance]);
            nats = graph.op("Max", &[&nats, &surprise]);
        }
        if let ([marginal], Some(tail)) = (marginal, marginal_nll) {
            let marginal = self.unless_expected(graph, marginal);
            let c = TailGraph { tail, elements, rounding: OF_SUMS }.nats(graph, &marginal);
            let part = graph.doubles(&[OF_MARGINALS]);
            let c = graph.op("Mul", &[&c, &part]);
            let [both, c] = [&nats, &c].map(|it| graph.op("Mul", &[it, it]));
            let square = graph.op("Add", &[&both, &c]);
            nats = graph.op("Sqrt", &[&square]);
        }
        graph.cast(&nats, ElementType::Float)
    }

    /// A score of rows as they are, and the least of those with an expected value.
    fn unless_expected(&self, graph: &mut GraphBuilder, score: &Tensor) -> Tensor {
        let Some(has_expected) = &self.has_expected else { return score.clone() };
        let least = graph.floats(&[f32::MIN]);
        graph.op("Where", &[has_expected, &least, score])
    }
}
