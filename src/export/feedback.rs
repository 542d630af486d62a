//! Scores that follow what people said of rows, by the formula of [`Feedback::score`].

#![forbid(unsafe_code)]

use super::curves::asinh;
use super::graph::{Attribute, GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::score::{Feedback, LEAST_DISTANCE, LINEAR, Neighbors, ORDINARY, RAISE, Verdict};

/// The scores of rows, f32 `[rows, 1]`, as feedback changes them; of their scores by themselves, their places among the stored
/// rows and their distances from those.
pub(super) fn followed(
    graph: &mut GraphBuilder,
    feedback: &Feedback,
    stored: &Neighbors,
    [score, place, distance]: [&Tensor; 3],
) -> Tensor {
    graph.section("feedback");
    let alike = likeness(graph, feedback, stored, [place, distance]);
    let [one, linear] = [1.0, f64::from(LINEAR)].map(|it| graph.doubles(&[it]));
    // The product of what is left to 1.
    let unlike = graph.op("Sub", &[&one, &alike]);
    let logs = graph.op("Log", &[&unlike]);
    let log = graph.sum(&logs, true);
    let by_itself = graph.op("Exp", &[&log]);
    let weights = graph.sum(&alike, true);
    let verdicts: Vec<f64> = feedback
        .verdicts
        .iter()
        .flat_map(|verdict| match verdict {
            Verdict::Anomaly => [1.0, 0.0],
            Verdict::Normal => [0.0, 1.0],
        })
        .collect();
    let verdicts = graph.double_table(&verdicts, &[feedback.verdicts.len(), 2]);
    let by_verdict = graph.op("MatMul", &[&alike, &verdicts]);
    let [raise, ordinary] = [RAISE, ORDINARY].map(|it| graph.floats(&[it]));
    let raised = graph.op("Add", &[score, &raise]);
    let lowered = graph.op("Min", &[score, &ordinary]);
    let [itself, raised, lowered] = [score, &raised, &lowered].map(|score| bent(graph, score));
    let said = graph.beside(&[raised, lowered]);
    let said = graph.op("Mul", &[&by_verdict, &said]);
    let said = graph.sum(&said, true);
    let own = graph.op("Mul", &[&by_itself, &itself]);
    let sum = graph.op("Add", &[&own, &said]);
    let weights = graph.op("Add", &[&by_itself, &weights]);
    let mean = graph.op("Div", &[&sum, &weights]);
    let mean = sinh(graph, &mean);
    let mean = graph.op("Mul", &[&mean, &linear]);
    let mean = graph.cast(&mean, ElementType::Float);
    let (size, most) = (graph.op("Abs", &[score]), graph.floats(&[f32::MAX]));
    let is_finite = graph.op("LessOrEqual", &[&size, &most]);
    graph.op("Where", &[&is_finite, &mean, score])
}

/// How much rows are like each reviewed one, f64 `[rows, reviewed]`.
fn likeness(
    graph: &mut GraphBuilder,
    feedback: &Feedback,
    stored: &Neighbors,
    [place, distance]: [&Tensor; 2],
) -> Tensor {
    let (reviewed, projection) = (&feedback.rows, stored.projection());
    let dimensions = reviewed.places.len() / reviewed.len();
    let mut place = place.clone();
    if !projection.is_empty() {
        let projection = graph.weight("feedback.projection", projection, &[dimensions, stored.space.width()]);
        place = graph.op_with("Gemm", &[&place, &projection], vec![("transB", Attribute::Int(1))]);
    }
    let rows = graph.weight("feedback.places", &reviewed.places, &[reviewed.len(), dimensions]);
    let each = graph.column(&place);
    let off = graph.op("Sub", &[&each, &rows]);
    let squares = graph.op("Mul", &[&off, &off]);
    let square = graph.sum(&squares, false);
    let scales: Vec<f32> = reviewed.distances.iter().map(|distance| distance.max(LEAST_DISTANCE)).collect();
    let (scales, least) = (graph.floats(&scales), graph.floats(&[LEAST_DISTANCE]));
    let scale = graph.op("Max", &[distance, &least]);
    let scale = graph.op("Mul", &[&scale, &scales]);
    let ratio = graph.op("Div", &[&square, &scale]);
    let ratio = graph.op("Neg", &[&ratio]);
    let alike = graph.op("Exp", &[&ratio]);
    // NaN comes only from overflow.
    let (is_nan, zero) = (graph.op("IsNaN", &[&alike]), graph.floats(&[0.0]));
    let alike = graph.op("Where", &[&is_nan, &zero, &alike]);
    graph.cast(&alike, ElementType::Double)
}

/// A score on the scale of the mean, f64.
fn bent(graph: &mut GraphBuilder, score: &Tensor) -> Tensor {
    let linear = graph.floats(&[LINEAR]);
    let share = graph.op("Div", &[score, &linear]);
    let share = graph.cast(&share, ElementType::Double);
    asinh(graph, &share)
}

/// (e^x - e^-x) / 2.
fn sinh(graph: &mut GraphBuilder, x: &Tensor) -> Tensor {
    let (negative, half) = (graph.op("Neg", &[x]), graph.doubles(&[0.5]));
    let [up, down] = [x, &negative].map(|x| graph.op("Exp", &[x]));
    let twice = graph.op("Sub", &[&up, &down]);
    graph.op("Mul", &[&twice, &half])
}
