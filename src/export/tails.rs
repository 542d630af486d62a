//! Ranks of scores among stored ones: p-values, and the decision which rows are anomalies.

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::score::Tail;

/// Two programs may compute one score so far apart, in parts of its size and the number of elements that it is a sum over: two
/// units in the last place. A score so little below a stored one has its rank, as the row that the stored one is of has.
pub(super) const OF_SUMS: f64 = 2.5e-7;

/// The same of distances, in which small residuals weigh much.
pub(super) const OF_DISTANCES: f64 = 4e-6;

/// A tail in the graph.
pub(super) struct TailGraph<'a> {
    pub(super) tail: &'a Tail,
    /// How many elements a score is a sum over; 0 of a distance, and of a score made of ranks.
    pub(super) elements: usize,
    /// By how much rounding may change a score: [`OF_SUMS`] or [`OF_DISTANCES`].
    pub(super) rounding: f64,
}

/// Scores, f64 `[rows, 1]`, and how many stored scores are at least as high, `[rows]`.
struct Rank {
    score: Tensor,
    place: Tensor,
}

/// Scores, f32 `[rows, 1]`, as finite f64: NaN and infinity count as the highest.
fn finite(graph: &mut GraphBuilder, score: &Tensor) -> Tensor {
    let is_nan = graph.op("IsNaN", &[score]);
    let score = graph.cast(score, ElementType::Double);
    let [most, least] = [f32::MAX, f32::MIN].map(|it| graph.doubles(&[it.into()]));
    let score = graph.op("Where", &[&is_nan, &most, &score]);
    let score = graph.op("Min", &[&score, &most]);
    graph.op("Max", &[&score, &least])
}

/// How much rounding may change scores, f64 `[rows, 1]`, of rows of so many elements.
fn rounding(graph: &mut GraphBuilder, score: &Tensor, elements: usize, share: f64) -> Tensor {
    let [share, least] = [share, share + OF_SUMS * elements as f64].map(|it| graph.doubles(&[it]));
    let size = graph.op("Abs", &[score]);
    let rounding = graph.op("Mul", &[&size, &share]);
    graph.op("Add", &[&rounding, &least])
}

/// The least score that counts as one of at least `threshold`. The row whose score the threshold is has to reach it, although its
/// score is computed anew, and the row with the next lower of the `training` scores has not.
pub(super) fn least_reaching(training: &Tail, threshold: f64, elements: usize) -> f64 {
    let rounding = |score: f64| OF_SUMS * (score.abs() + 1.0 + elements as f64);
    let lowered = threshold - rounding(threshold);
    let scores = training.steps().0;
    let above = scores.partition_point(|&score| f64::from(score) >= threshold);
    let Some(&below) = scores.get(above) else { return lowered };
    let below = f64::from(below);
    let beyond = below + rounding(below);
    let is_stored = above > 0 && f64::from(scores[above - 1]) == threshold;
    lowered.max(if is_stored { beyond.min(f64::midpoint(below, threshold)) } else { beyond })
}

/// Whether scores, f32 `[rows, 1]`, are at least this.
pub(super) fn reaches(graph: &mut GraphBuilder, score: &Tensor, least: f64) -> Tensor {
    let (score, least) = (finite(graph, score), graph.doubles(&[least]));
    graph.op("GreaterOrEqual", &[&score, &least])
}

/// How many stored scores are at least as high as these, `[rows]`.
fn count(graph: &mut GraphBuilder, stored: &Tensor, score: &Tensor) -> Tensor {
    let reach = graph.op("GreaterOrEqual", &[stored, score]);
    let reach = graph.cast(&reach, ElementType::Int64);
    graph.sum(&reach, false)
}

impl TailGraph<'_> {
    /// The p-value of scores, f32 `[rows, 1]`: f64 `[rows, 1]`.
    pub(super) fn p_value(&self, graph: &mut GraphBuilder, score: &Tensor) -> Tensor {
        let (rank, table) = (self.rank(graph, score), self.conformal());
        let table = graph.doubles(&table);
        let p = self.of_place(graph, &rank, &table);
        let Some(nats) = self.beyond(graph, &rank) else { return p };
        let (nats, least) = (graph.op("Neg", &[&nats]), graph.doubles(&[f64::MIN_POSITIVE]));
        let survival = graph.op("Exp", &[&nats]);
        let survival = graph.op("Max", &[&survival, &least]);
        graph.op("Mul", &[&p, &survival])
    }

    /// -ln of the p-value.
    pub(super) fn nats(&self, graph: &mut GraphBuilder, score: &Tensor) -> Tensor {
        let rank = self.rank(graph, score);
        let table: Vec<f64> = self.conformal().into_iter().map(|p| -p.ln()).collect();
        let table = graph.doubles(&table);
        let nats = self.of_place(graph, &rank, &table);
        let Some(beyond) = self.beyond(graph, &rank) else { return nats };
        graph.op("Add", &[&nats, &beyond])
    }

    /// The conformal p-value by how many stored scores are at least as high.
    fn conformal(&self) -> Vec<f64> {
        let at_least = self.tail.steps().1;
        let of = |rows: &u64| (1 + rows) as f64 / (1 + self.tail.rows()) as f64;
        [0].iter().chain(at_least).map(of).collect()
    }

    fn of_place(&self, graph: &mut GraphBuilder, rank: &Rank, table: &Tensor) -> Tensor {
        let p = graph.gather(table, &rank.place, 0);
        graph.column(&p)
    }

    /// Finds the rank in two steps: the block of stored scores, then the place in it.
    fn rank(&self, graph: &mut GraphBuilder, score: &Tensor) -> Rank {
        let scores = self.tail.steps().0;
        let width = (scores.len() as f64).sqrt().ceil().max(1.0) as usize;
        // The last block has room, so that its end is below every score.
        let blocks = scores.len() / width + 1;
        let mut table: Vec<f64> = scores.iter().copied().map(f64::from).collect();
        table.resize(blocks * width, f64::NEG_INFINITY);
        let ends: Vec<f64> = table.chunks_exact(width).map(|block| block[width - 1]).collect();
        let (table, ends) = (graph.double_table(&table, &[blocks, width]), graph.doubles(&ends));
        let score = finite(graph, score);
        // The rank of a row that is stored has to be its own, although its score is computed anew.
        let rounding = rounding(graph, &score, self.elements, self.rounding);
        let least = graph.op("Sub", &[&score, &rounding]);
        let block = count(graph, &ends, &least);
        let of_block = graph.gather(&table, &block, 0);
        let within = count(graph, &of_block, &least);
        let width = graph.ints(&[width as i64]);
        let before = graph.op("Mul", &[&block, &width]);
        Rank { score, place: graph.op("Add", &[&before, &within]) }
    }

    /// What the fitted tail says of the excess over the highest score, in nats, `[rows, 1]`; 0 for other scores. `None` if no tail is
    /// fitted.
    fn beyond(&self, graph: &mut GraphBuilder, rank: &Rank) -> Option<Tensor> {
        let (fitted, highest) = (self.tail.fitted_excess()?, *self.tail.steps().0.first()?);
        let [highest, zero, scale] = [highest.into(), 0.0, fitted.scale].map(|it| graph.doubles(&[it]));
        let excess = graph.op("Sub", &[&rank.score, &highest]);
        let excess = graph.op("Max", &[&excess, &zero]);
        let scaled = graph.op("Div", &[&excess, &scale]);
        let nats = if fitted.shape < 1e-9 {
            scaled
        } else {
            let [shape, one] = [fitted.shape, 1.0].map(|it| graph.doubles(&[it]));
            let scaled = graph.op("Mul", &[&scaled, &shape]);
            let scaled = graph.op("Add", &[&scaled, &one]);
            let log = graph.op("Log", &[&scaled]);
            graph.op("Div", &[&log, &shape])
        };
        let place = graph.column(&rank.place);
        let none = graph.ints(&[0]);
        let is_above = graph.op("Equal", &[&place, &none]);
        Some(graph.op("Where", &[&is_above, &nats, &zero]))
    }
}
