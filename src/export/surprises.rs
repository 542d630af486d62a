//! Surprises of values that the fit did not see, f64 `[rows, 1]`, in nats, but for those of words.

#![forbid(unsafe_code)]

use super::column::{ColumnInput, MissingMark};
use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use super::values::usable;
use crate::feature::{Features, Recipe};

/// The surprise of missing numbers, Booleans and times where the fit to so many rows saw none, from which of the row vector's values
/// are `known`; `None` if none can be missing.
pub(super) fn missing(
    graph: &mut GraphBuilder,
    learned: &[(Recipe<'_>, ColumnInput)],
    (features, rows): (&Features, u64),
    known: &Tensor,
) -> Option<Tensor> {
    let never = |feature: &usize| {
        let (recipe, column) = &learned[*feature];
        let is_value = !matches!(recipe, Recipe::Category { .. });
        is_value && features.kinds()[*feature].missing() == 0 && column.missing != MissingMark::Never
    };
    let never: Vec<usize> = (0..learned.len()).filter(never).collect();
    let nats = features.unseen_nats(*never.first()?, rows);
    let (one, nats) = (graph.floats(&[1.0]), graph.doubles(&[nats]));
    let is_list = |feature: &usize| matches!(learned[*feature].0, Recipe::Vector { .. });
    let (lists, others): (Vec<usize>, Vec<usize>) = never.into_iter().partition(is_list);
    let first: Vec<i64> = others.iter().map(|&feature| features.elements(feature).start as i64).collect();
    let others = (!first.is_empty()).then(|| {
        let first = graph.ints(&first);
        let known = graph.gather(known, &first, 1);
        graph.op("Sub", &[&one, &known])
    });
    let of_list = |feature: usize| {
        let elements = features.elements(feature);
        let count = graph.floats(&[elements.len() as f32]);
        let known = graph.columns(known, elements.start, elements.end);
        let known = graph.sum(&known, true);
        let missing = graph.op("Sub", &[&count, &known]);
        graph.op("Min", &[&missing, &one])
    };
    let missing: Vec<Tensor> = lists.into_iter().map(of_list).chain(others).collect();
    let missing = graph.beside(&missing);
    let missing = graph.sum(&missing, true);
    let missing = graph.cast(&missing, ElementType::Double);
    Some(graph.op("Mul", &[&missing, &nats]))
}

/// The surprise of numbers of a sign that the fit to so many rows did not see; `None` if it saw all.
pub(super) fn signs(
    graph: &mut GraphBuilder,
    learned: &[(Recipe<'_>, ColumnInput)],
    (features, rows): (&Features, u64),
) -> Option<Tensor> {
    let (mut numbers, mut nats) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for (feature, (recipe, column)) in learned.iter().enumerate() {
        let Recipe::Number { scaling, .. } = recipe else { continue };
        let unseen = scaling.unseen_signs();
        if unseen.contains(&true) {
            let value = graph.column(&column.tensor());
            numbers.push(column.doubles(graph, &value));
            let of_column = features.unseen_nats(feature, rows);
            nats.iter_mut().zip(unseen).for_each(|(nats, unseen)| nats.push(if unseen { of_column } else { 0.0 }));
        }
    }
    if numbers.is_empty() {
        return None;
    }
    let (numbers, zero) = (graph.beside(&numbers), graph.doubles(&[0.0]));
    let usable = usable(graph, &numbers);
    let each = ["Less", "Equal", "Greater"].into_iter().zip(nats).map(|(has_sign, nats)| {
        let flags = graph.op(has_sign, &[&numbers, &zero]);
        let flags = graph.op("And", &[&flags, &usable]);
        let (flags, nats) = (graph.cast(&flags, ElementType::Double), graph.doubles(&nats));
        graph.op("Mul", &[&flags, &nats])
    });
    let each: Vec<Tensor> = each.collect();
    let [negative, zero, positive] = [0, 1, 2].map(|n| &each[n]);
    let sum = graph.op("Add", &[negative, zero]);
    let sum = graph.op("Add", &[&sum, positive]);
    Some(graph.sum(&sum, true))
}
