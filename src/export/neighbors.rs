//! The distance of rows from the training rows that a model stores.

#![forbid(unsafe_code)]

use super::graph::{Attribute, GraphBuilder, Tensor};
use crate::score::{ITSELF, NEAREST, Neighbors};

/// How many times farther from itself a stored row may be that is computed anew, by rounding.
const ROUNDING: f32 = 10.0;

/// The largest residual, in typical ones.
const MOST: f32 = 1e18;

/// The mean distance of rows, by their [`place`]s, from the stored rows nearest to each, `[rows, 1]`.
pub(super) fn distance(graph: &mut GraphBuilder, neighbors: &Neighbors, place: &Tensor) -> Tensor {
    let (width, stored) = (neighbors.space.width(), neighbors.rows.len());
    let rows = graph.weight("neighbors.rows", &neighbors.rows.places, &[stored, width]);
    let halves: Vec<f32> = neighbors.rows.half_squares().iter().map(|half| -half).collect();
    let halves = graph.floats(&halves);
    let near = graph.op_with("Gemm", &[place, &rows, &halves], vec![("transB", Attribute::Int(1))]);
    let count = stored.min(NEAREST + 1);
    let of_them = graph.ints(&[count as i64]);
    let [_, nearest] = graph.op_of_two("TopK", &[&near, &of_them], vec![("axis", Attribute::Int(-1))]);
    // Exact distances, without the rounding of a difference of squares.
    let found = graph.gather(&rows, &nearest, 0);
    let each = graph.column(place);
    let off = graph.op("Sub", &[&found, &each]);
    let squares = graph.op("Mul", &[&off, &off]);
    let distances = graph.sum(&squares, false);
    let distances = graph.op("Sqrt", &[&distances]);
    let ascending = vec![("axis", Attribute::Int(-1)), ("largest", Attribute::Int(0))];
    let [distances, _] = graph.op_of_two("TopK", &[&distances, &of_them], ascending);
    let mut distance = mean_of(graph, &distances, 0, count.min(NEAREST));
    let square = graph.op("Mul", &[place, place]);
    let square = graph.sum(&square, true);
    if count > 1 {
        // A stored row that is this row itself does not count.
        let without = mean_of(graph, &distances, 1, count);
        let nearest = graph.columns(&distances, 0, 1);
        let (length, share) = (graph.op("Sqrt", &[&square]), graph.floats(&[ROUNDING * ITSELF]));
        let bound = graph.op("Mul", &[&length, &share]);
        let is_itself = graph.op("LessOrEqual", &[&nearest, &bound]);
        distance = graph.op("Where", &[&is_itself, &without, &distance]);
    }
    // Nothing is near to a place that overflows.
    let [most, infinity] = [f32::MAX, f32::INFINITY].map(|it| graph.floats(&[it]));
    let is_finite = graph.op("LessOrEqual", &[&square, &most]);
    graph.op("Where", &[&is_finite, &distance, &infinity])
}

/// The mean of some columns, `[rows, 1]`.
fn mean_of(graph: &mut GraphBuilder, all: &Tensor, from: usize, to: usize) -> Tensor {
    let (some, count) = (graph.columns(all, from, to), graph.floats(&[(to - from) as f32]));
    let sum = graph.sum(&some, true);
    graph.op("Div", &[&sum, &count])
}

/// The places of rows, `[rows, width]`: of the posterior means, the residuals and a mask of those that are known.
pub(super) fn place(graph: &mut GraphBuilder, neighbors: &Neighbors, [mean, residuals, known]: [&Tensor; 3]) -> Tensor {
    graph.section("neighbors");
    let space = &neighbors.space;
    let latent_dim = space.width() - space.residual.len();
    let typical = graph.floats(&space.residual);
    let (least, most) = (graph.floats(&[-MOST]), graph.floats(&[MOST]));
    let ratio = graph.op("Div", &[residuals, &typical]);
    let ratio = graph.op("Max", &[&ratio, &least]);
    let ratio = graph.op("Min", &[&ratio, &most]);
    let curved = graph.op("Asinh", &[&ratio]);
    let (of_latents, of_residuals) = space.mean.split_at(latent_dim);
    let [of_latents, of_residuals] = [of_latents, of_residuals].map(|center| graph.floats(center));
    let latents = graph.op("Sub", &[mean, &of_latents]);
    let centered = graph.op("Sub", &[&curved, &of_residuals]);
    let centered = graph.op("Mul", &[&centered, known]);
    let coordinates = graph.beside(&[latents, centered]);
    if space.whitening.len() == space.width() {
        let scale = graph.floats(&space.whitening);
        return graph.op("Mul", &[&coordinates, &scale]);
    }
    let whitening = graph.weight("neighbors.whitening", &space.whitening, &[space.width(), space.width()]);
    graph.op("MatMul", &[&coordinates, &whitening])
}
