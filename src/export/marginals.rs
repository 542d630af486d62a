//! How common the values of rows are, each by itself.

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use super::row::RowVector;
use super::schema::ElementType;
use crate::feature::Layout;
use crate::score::Marginals;

/// The sum of -ln of the share of training rows with the value of each known element, scaled by elements / known elements:
/// `[rows, 1]`.
pub(super) fn score(graph: &mut GraphBuilder, row: &RowVector, marginals: &Marginals, layout: &Layout) -> Tensor {
    graph.section("marginals");
    let (values, mut sums) = (layout.values(), Vec::new());
    if let Some([x, known]) = &row.values {
        let [per_unit, zero] = [&marginals.per_unit, &marginals.zero].map(|it| graph.floats(&it[..values]));
        let bins = |element: usize| marginals.bins_of(element);
        let starts: Vec<i64> = (0..values).map(|element| bins(element).start as i64).collect();
        let last: Vec<f32> = (0..values).map(|element| (bins(element).len() - 1) as f32).collect();
        let (starts, last, none) = (graph.ints(&starts), graph.floats(&last), graph.floats(&[0.0]));
        let place = graph.op("Mul", &[x, &per_unit]);
        let place = graph.op("Add", &[&place, &zero]);
        let place = graph.op("Max", &[&place, &none]);
        let place = graph.op("Min", &[&place, &last]);
        // A cast rounds towards zero.
        let bin = graph.cast(&place, ElementType::Int64);
        let bin = graph.op("Add", &[&bin, &starts]);
        let table = graph.floats(&marginals.nats[..bins(values - 1).end]);
        let nats = graph.gather(&table, &bin, 0);
        let nats = graph.op("Mul", &[&nats, known]);
        sums.push(graph.sum(&nats, true));
    }
    for (category, element) in row.categories.iter().zip(values..) {
        let nats = graph.floats(&marginals.nats[marginals.bins_of(element)]);
        let nats = graph.op("Mul", &[category, &nats]);
        sums.push(graph.sum(&nats, true));
    }
    let sums = graph.beside(&sums);
    let sum = graph.sum(&sums, true);
    let elements = graph.floats(&[layout.inputs() as f32]);
    let share = graph.op("Div", &[&elements, &row.known]);
    graph.op("Mul", &[&sum, &share])
}
