//! Numbers, Booleans and times as values of the row vector.

#![forbid(unsafe_code)]

use super::circles;
use super::column::{ColumnInput, MissingMark};
use super::curves::transformed;
use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::feature::{Curve, Recipe, Scaling};

/// The least f64 that rounds to infinity as an f32.
const BEYOND_F32: f64 = 3.402_823_567_797_336_6e38;

/// Values of some columns in one block.
pub(super) struct ValueBlock {
    /// `[rows, width]`, NaN where missing; `None` without any column.
    pub(super) values: Option<Tensor>,
    /// The first value of each column, and how many it has: none for a category or group.
    pub(super) places: Vec<(usize, usize)>,
}

/// Numbers of one column before they are scaled.
struct RawNumbers<'a> {
    column: &'a ColumnInput,
    /// The indices that are taken, of a list.
    taken: Option<Vec<usize>>,
    curve: Option<&'a Curve>,
    /// How each is scaled, between which bounds, and its place in the block.
    scalings: Vec<(Scaling, [f64; 2], usize)>,
}

/// Whether numbers, f64, are finite as f32.
pub(super) fn usable(graph: &mut GraphBuilder, numbers: &Tensor) -> Tensor {
    let bound = graph.doubles(&[BEYOND_F32]);
    let size = graph.op("Abs", &[numbers]);
    graph.op("Less", &[&size, &bound])
}

/// Encodes columns; with `bounded`, numbers are kept within their range at fit.
pub(super) fn encoded(graph: &mut GraphBuilder, columns: &[(Recipe<'_>, ColumnInput)], bounded: bool) -> ValueBlock {
    let (mut places, mut end) = (Vec::new(), 0);
    let (mut raw, mut parts) = (Vec::new(), Vec::<(Tensor, Vec<usize>)>::new());
    graph.section("features");
    for (recipe, column) in columns {
        let from = end;
        let alone =
            |curve, scaling, bounds| RawNumbers { column, taken: None, curve, scalings: vec![(scaling, bounds, from)] };
        match recipe {
            Recipe::Number { curve, scaling, range } => {
                let bounds = if bounded { range.map(f64::from) } else { [-scaling.clip, scaling.clip] };
                raw.push(alone(*curve, *scaling, bounds));
                end += 1;
            }
            Recipe::Vector { length, learned } => {
                let scalings =
                    learned.iter().zip(from..).map(|((_, it), place)| (*it, [-it.clip, it.clip], place)).collect();
                let taken = (learned.len() < *length).then(|| learned.iter().map(|(at, _)| *at).collect());
                raw.push(RawNumbers { column, taken, curve: None, scalings });
                end += learned.len();
            }
            Recipe::Flag => {
                parts.push((flag(graph, column), vec![from]));
                end += 1;
            }
            Recipe::Time { offset, elapsed, cycles, .. } => {
                raw.push(alone(None, *elapsed, [-elapsed.clip, elapsed.clip]));
                end += 1 + 2 * cycles.len();
                if !cycles.is_empty() {
                    let mut local = seconds(graph, column);
                    if let Some(offset) = offset.filter(|offset| *offset != 0.0) {
                        let offset = graph.doubles(&[offset]);
                        local = graph.op("Add", &[&local, &offset]);
                    }
                    parts.push((circles::of_time(graph, &local, cycles), (from + 1..end).collect()));
                }
            }
            Recipe::TimeOfDay => {
                let seconds = seconds(graph, column);
                parts.push((circles::of_time_of_day(graph, &seconds), vec![from, from + 1]));
                end += 2;
            }
            Recipe::Category { .. } | Recipe::Group { .. } => {}
        }
        places.push((from, end - from));
    }
    if !raw.is_empty() {
        parts.insert(0, scaled(graph, raw));
    }
    let order: Vec<usize> = parts.iter().flat_map(|(_, places)| places).copied().collect();
    let parts: Vec<Tensor> = parts.into_iter().map(|(part, _)| part).collect();
    if parts.is_empty() {
        return ValueBlock { values: None, places };
    }
    let mut values = graph.beside(&parts);
    if !order.iter().copied().eq(0..order.len()) {
        let mut from = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &place)| from[place] = at as i64);
        let from = graph.ints(&from);
        values = graph.gather(&values, &from, 1);
    }
    ValueBlock { values: Some(values), places }
}

/// Seconds of a column of times, `[rows, 1]`.
fn seconds(graph: &mut GraphBuilder, column: &ColumnInput) -> Tensor {
    let counts = graph.column(&column.tensor());
    column.doubles(graph, &counts)
}

/// A Boolean as 0 or 1, `[rows, 1]`.
fn flag(graph: &mut GraphBuilder, column: &ColumnInput) -> Tensor {
    let value = graph.column(&column.tensor());
    if column.missing == MissingMark::Never {
        return graph.cast(&value, ElementType::Float);
    }
    let value = column.doubles(graph, &value);
    graph.cast(&value, ElementType::Float)
}

/// Which curve, so that all columns with one of its kind go through it together.
fn kind(curve: Option<&Curve>) -> (u8, usize) {
    match curve {
        None => (0, 0),
        Some(Curve::Asinh { .. }) => (1, 0),
        Some(Curve::Log1p) => (2, 0),
        Some(Curve::Quantile { values }) => (3, values.len()),
    }
}

/// Scales numbers, `[rows, n]`, in an order of its own, which it tells.
fn scaled(graph: &mut GraphBuilder, mut all: Vec<RawNumbers<'_>>) -> (Tensor, Vec<usize>) {
    // Columns that are read alike, and have the same curve, side by side.
    let mut readings = Vec::new();
    let mut number = |column: &ColumnInput| {
        let reading = column.reading();
        readings.iter().position(|known| *known == reading).unwrap_or_else(|| {
            readings.push(reading);
            readings.len() - 1
        })
    };
    let mut keyed: Vec<_> =
        all.drain(..).map(|numbers| ((kind(numbers.curve), number(numbers.column)), numbers)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    let (mut before, mut after, mut scalings) = (Vec::new(), Vec::new(), Vec::new());
    for of_curve in keyed.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
        let mut parts = Vec::new();
        for alike in of_curve.chunk_by(|(a, _), (b, _)| a == b) {
            let tensors: Vec<Tensor> = alike.iter().map(|(_, numbers)| numbers.tensor(graph)).collect();
            let values = graph.beside(&tensors);
            parts.push(alike[0].1.column.doubles(graph, &values));
        }
        let raw = graph.beside(&parts);
        let curves: Vec<&Curve> = of_curve.iter().filter_map(|(_, numbers)| numbers.curve).collect();
        after.push(if curves.is_empty() { raw.clone() } else { transformed(graph, &raw, &curves) });
        before.push(raw);
        scalings.extend(of_curve.iter().flat_map(|(_, numbers)| numbers.scalings.iter().copied()));
    }
    let (raw, x) = (graph.beside(&before), graph.beside(&after));
    let usable = usable(graph, &raw);
    let constants = [
        scalings.iter().map(|(scaling, ..)| scaling.center).collect::<Vec<f64>>(),
        scalings.iter().map(|(scaling, ..)| scaling.scale).collect(),
        scalings.iter().map(|(_, bounds, _)| bounds[0]).collect(),
        scalings.iter().map(|(_, bounds, _)| bounds[1]).collect(),
    ];
    let [center, scale, least, most] = constants.map(|values| graph.doubles(&values));
    let x = graph.op("Sub", &[&x, &center]);
    let x = graph.op("Div", &[&x, &scale]);
    let x = graph.op("Max", &[&x, &least]);
    let x = graph.op("Min", &[&x, &most]);
    let x = graph.cast(&x, ElementType::Float);
    let nan = graph.floats(&[f32::NAN]);
    let x = graph.op("Where", &[&usable, &x, &nan]);
    (x, scalings.into_iter().map(|(.., place)| place).collect())
}

impl RawNumbers<'_> {
    /// The numbers as they are given, `[rows, n]`.
    fn tensor(&self, graph: &mut GraphBuilder) -> Tensor {
        match (&self.taken, self.column.width) {
            (_, None) => graph.column(&self.column.tensor()),
            (None, _) => self.column.tensor(),
            (Some(taken), _) => {
                let taken: Vec<i64> = taken.iter().map(|&at| at as i64).collect();
                let taken = graph.ints(&taken);
                graph.gather(&self.column.tensor(), &taken, 1)
            }
        }
    }
}
