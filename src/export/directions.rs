//! Columns of which only one side of what is expected is odd, by the steps of [`Scorer::one_sided`](crate::score::Scorer).

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use super::network::NetworkGraph;
use super::row::RowVector;
use super::schema::ElementType;
use super::scores::{ScoreGraph, members};
use crate::artifact::Model;
use crate::score::{COMBINED, MOST_FACTOR, REFINEMENTS, Score, Stored};

/// Rows as they are, and as they are scored.
pub(super) struct GraphRows<'a> {
    pub(super) own: ScoreGraph<'a>,
    /// Rows with expected values, and whether a row stays as it is, `[rows, 1]`; `None` without a direction.
    one_sided: Option<(ScoreGraph<'a>, Tensor)>,
}

impl<'a> GraphRows<'a> {
    /// The networks of a model over rows, which `anomaly_score` ranks.
    pub(super) fn of(graph: &mut GraphBuilder, model: &'a Model, row: RowVector, anomaly_score: &Score) -> Self {
        let mut own = members(graph, model, row);
        let expected = OneSidedGraph::of(graph, model, &own.row).map(|expected| expected.rows(graph));
        let one_sided = expected.map(|(row, has_expected)| {
            let mut one_sided = members(graph, model, row);
            one_sided.has_expected = Some(has_expected);
            // A distance alone says little of a row with an expected value.
            let score = if anomaly_score.needs() == Stored::Rows { &COMBINED } else { anomaly_score };
            let [before, after] = [&mut own, &mut one_sided].map(|rows| rows.unadjusted_score(graph, score));
            graph.section("directions");
            let stays = graph.op("LessOrEqual", &[&before, &after]);
            (one_sided, stays)
        });
        Self { own, one_sided }
    }

    /// What is asked of the rows that are scored, `[rows, 1]`.
    pub(super) fn scored(
        &mut self,
        graph: &mut GraphBuilder,
        ask: impl Fn(&mut ScoreGraph<'a>, &mut GraphBuilder) -> Tensor,
    ) -> Tensor {
        let own = ask(&mut self.own, graph);
        let Some((one_sided, stays)) = &mut self.one_sided else { return own };
        let expected = ask(one_sided, graph);
        graph.op("Where", &[stays, &own, &expected])
    }
}

/// Finds what to expect of the values that have a direction.
struct OneSidedGraph<'a> {
    model: &'a Model,
    network: NetworkGraph<'a>,
    row: &'a RowVector,
    /// The values, and whether each is known, `[rows, values]`.
    values: &'a [Tensor; 2],
    /// The direction of each value, `[values]`: 0 without one.
    signs: Tensor,
    /// The place of each value's mean in the decoder's output, `[values]`.
    outputs: Tensor,
}

impl<'a> OneSidedGraph<'a> {
    /// `None` if no column has a direction.
    fn of(graph: &mut GraphBuilder, model: &'a Model, row: &'a RowVector) -> Option<Self> {
        let (layout, directions) = (model.features().layout(), model.scorer().directions());
        let values = row.values.as_ref().filter(|_| !directions.is_empty())?;
        let mut signs = vec![0.0; layout.values()];
        directions.iter().for_each(|&(element, sign)| signs[element] = sign);
        let outputs = layout.spans()[..layout.values()].iter().map(|span| span.output.start as i64);
        let (signs, outputs) = (graph.floats(&signs), graph.ints(&outputs.collect::<Vec<_>>()));
        let network = NetworkGraph::of(model, 0, model.networks().first()?);
        Some(Self { model, network, row, values, signs, outputs })
    }

    /// The rows with expected values, and whether a row has some, `[rows, 1]`.
    fn rows(&self, graph: &mut GraphBuilder) -> (RowVector, Tensor) {
        let [x, known] = self.values;
        let zero = graph.floats(&[0.0]);
        graph.section("directions");
        let is_free = graph.op("Equal", &[&self.signs, &zero]);
        let free = graph.cast(&is_free, ElementType::Float);
        let [x_free, known_free] = [x, known].map(|it| graph.op("Mul", &[it, &free]));
        let mut scored = self.next(graph, &x_free, &known_free);
        for _ in 0..REFINEMENTS {
            let second = self.next(graph, &scored, known);
            let third = self.next(graph, &second, known);
            scored = self.extrapolated(graph, [&scored, &second, &third]);
        }
        let expected = self.expected(graph, &scored, known);
        let is_replaced = self.is_replaced(graph, &expected);
        let last = graph.op("Where", &[&is_replaced, &expected, x]);
        let count = graph.cast(&is_replaced, ElementType::Float);
        let count = graph.sum(&count, true);
        let has_expected = graph.op("Greater", &[&count, &zero]);
        (RowVector { values: Some([last, known.clone()]), ..self.row.clone() }, has_expected)
    }

    /// What the decoder expects of rows with these values, `[rows, values]`.
    fn expected(&self, graph: &mut GraphBuilder, x: &Tensor, known: &Tensor) -> Tensor {
        let seen = self.row.encoder_input(graph, self.model.features().layout(), Some([x, known]));
        let posterior = self.network.posterior(graph, &seen);
        let output = self.network.decode(graph, &posterior.mean, self.row.given.as_ref());
        graph.section("directions");
        graph.gather(&output, &self.outputs, 1)
    }

    /// Whether each value is known and on the side that is not odd of what is expected.
    fn is_replaced(&self, graph: &mut GraphBuilder, expected: &Tensor) -> Tensor {
        let ([x, known], zero) = (self.values, graph.floats(&[0.0]));
        let off = graph.op("Sub", &[x, expected]);
        let off = graph.op("Mul", &[&off, &self.signs]);
        let off = graph.op("Mul", &[&off, known]);
        graph.op("Less", &[&off, &zero])
    }

    /// The values, or where these are on the side that is not odd of what the rows `x` lead to expect, that.
    fn next(&self, graph: &mut GraphBuilder, x: &Tensor, known: &Tensor) -> Tensor {
        let expected = self.expected(graph, x, known);
        self.put(graph, &expected)
    }

    fn put(&self, graph: &mut GraphBuilder, expected: &Tensor) -> Tensor {
        let is_replaced = self.is_replaced(graph, expected);
        graph.op("Where", &[&is_replaced, expected, &self.values[0]])
    }

    /// Where three steps, which shrink by a factor, lead to.
    fn extrapolated(&self, graph: &mut GraphBuilder, [first, second, third]: [&Tensor; 3]) -> Tensor {
        let [zero, one, most] = [0.0, 1.0, MOST_FACTOR].map(|it| graph.floats(&[it]));
        let before = graph.op("Sub", &[second, first]);
        let step = graph.op("Sub", &[third, second]);
        let is_still = graph.op("Equal", &[&before, &zero]);
        let before = graph.op("Where", &[&is_still, &one, &before]);
        let factor = graph.op("Div", &[&step, &before]);
        let factor = graph.op("Max", &[&factor, &zero]);
        let factor = graph.op("Min", &[&factor, &most]);
        let rest = graph.op("Sub", &[&one, &factor]);
        let step = graph.op("Mul", &[&step, &factor]);
        let step = graph.op("Div", &[&step, &rest]);
        let limit = graph.op("Add", &[third, &step]);
        let put = self.put(graph, &limit);
        graph.op("Where", &[&is_still, third, &put])
    }
}
