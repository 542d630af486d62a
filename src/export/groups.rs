//! Numbers and scores of rows, compared with those of their groups.

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use crate::feature::GroupNorms;
use crate::score::GroupTails;

/// Numbers, `[rows, width]`, less the level of the row's group and divided by its spread.
pub(super) fn standardised(
    graph: &mut GraphBuilder,
    numbers: &Tensor,
    norms: &GroupNorms,
    groups: &[(usize, Tensor)],
    width: usize,
) -> Tensor {
    let tables = norms.tables(width);
    let row = row_of_group(graph, norms.element(), groups, tables[0].len() / width);
    let [level, spread] = tables.map(|table| {
        let table = graph.float_table(&table, &[table.len() / width, width]);
        graph.gather(&table, &row, 0)
    });
    let off = graph.op("Sub", &[numbers, &level]);
    graph.op("Div", &[&off, &spread])
}

/// Scores, `[rows, 1]`, compared with the highest of the row's group.
pub(super) fn compared(
    graph: &mut GraphBuilder,
    scores: &Tensor,
    tails: &GroupTails,
    groups: &[(usize, Tensor)],
) -> Tensor {
    let table: Vec<f32> = tails.groups.iter().flat_map(|tail| [tail.start, tail.below, tail.beyond]).collect();
    let row = row_of_group(graph, tails.element, groups, tails.groups.len());
    let table = graph.float_table(&table, &[tails.groups.len(), 3]);
    let of_group = graph.gather(&table, &row, 0);
    let [start, below, beyond] = [0, 1, 2].map(|n| graph.columns(&of_group, n, n + 1));
    let zero = graph.floats(&[0.0]);
    let low = graph.op("Min", &[scores, &start]);
    let low = graph.op("Mul", &[&low, &below]);
    let high = graph.op("Sub", &[scores, &start]);
    let high = graph.op("Max", &[&high, &zero]);
    let high = graph.op("Mul", &[&high, &beyond]);
    let both = graph.op("Add", &[&low, &high]);
    let is_positive = graph.op("Greater", &[scores, &zero]);
    graph.op("Where", &[&is_positive, &both, scores])
}

/// The row of a table, of `count` rows, that is of the group which a given column names, `[rows]`: the last is of rows of no known
/// group, and of groups that are not in the table.
fn row_of_group(graph: &mut GraphBuilder, element: usize, groups: &[(usize, Tensor)], count: usize) -> Tensor {
    let (_, group) =
        groups.iter().find(|(of, _)| *of == element).expect("tables are of a given column that has groups");
    let (unknown, zero, last) = (graph.ints(&[count as i64 - 1]), graph.ints(&[0]), graph.ints(&[1]));
    let is_known = graph.op("GreaterOrEqual", &[group, &zero]);
    let row = graph.op("Min", &[group, &unknown]);
    let row = graph.op("Where", &[&is_known, &row, &unknown]);
    graph.op("Squeeze", &[&row, &last])
}
