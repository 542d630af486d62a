//! The curves of numbers, in 64-bit floats.

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::feature::Curve;
use crate::numerics::normal_rank;

/// Newton steps of a normal quantile: each squares the error, which is 4.5e-4 at first.
const STEPS: usize = 3;

/// The largest size of an argument of asinh: its square is finite.
const MOST: f64 = 1e100;

/// Transforms numbers, `[rows, n]`, by curves of one kind, `[n]`.
pub(super) fn transformed(graph: &mut GraphBuilder, x: &Tensor, curves: &[&Curve]) -> Tensor {
    match curves {
        [Curve::Log1p, ..] => {
            let [sign, size] = ["Sign", "Abs"].map(|op| graph.op(op, &[x]));
            let log = ln_1p(graph, &size);
            graph.op("Mul", &[&sign, &log])
        }
        [Curve::Asinh { .. }, ..] => {
            let (mut centers, mut scales) = (Vec::new(), Vec::new());
            for curve in curves {
                if let Curve::Asinh { center, scale } = curve {
                    centers.push(*center);
                    scales.push(*scale);
                }
            }
            let [centers, scales] = [&centers, &scales].map(|it| graph.doubles(it));
            let x = graph.op("Sub", &[x, &centers]);
            let x = graph.op("Div", &[&x, &scales]);
            asinh(graph, &x)
        }
        curves => {
            let tables = curves.iter().filter_map(|curve| match curve {
                Curve::Quantile { values } => Some(values.as_slice()),
                _ => None,
            });
            let rank = rank(graph, x, &tables.collect::<Vec<_>>());
            normal_quantile(graph, &rank)
        }
    }
}

/// ln(1 + x) for x of 0 or more, without the rounding of 1 + x: ln(u) x / (u - 1) with u = 1 + x (Kahan).
fn ln_1p(graph: &mut GraphBuilder, x: &Tensor) -> Tensor {
    let [one, zero] = [1.0, 0.0].map(|n| graph.doubles(&[n]));
    let u = graph.op("Add", &[x, &one]);
    let rounded = graph.op("Sub", &[&u, &one]);
    let log = graph.op("Log", &[&u]);
    let ratio = graph.op("Div", &[x, &rounded]);
    let log = graph.op("Mul", &[&log, &ratio]);
    let is_tiny = graph.op("Equal", &[&rounded, &zero]);
    graph.op("Where", &[&is_tiny, x, &log])
}

/// asinh x = sign(x) ln(1 + a + a² / (1 + √(a² + 1))) with a = |x|.
pub(super) fn asinh(graph: &mut GraphBuilder, x: &Tensor) -> Tensor {
    let [one, most] = [1.0, MOST].map(|n| graph.doubles(&[n]));
    let [sign, size] = ["Sign", "Abs"].map(|op| graph.op(op, &[x]));
    let size = graph.op("Min", &[&size, &most]);
    let square = graph.op("Mul", &[&size, &size]);
    let root = graph.op("Add", &[&square, &one]);
    let root = graph.op("Sqrt", &[&root]);
    let root = graph.op("Add", &[&root, &one]);
    let beyond = graph.op("Div", &[&square, &root]);
    let sum = graph.op("Add", &[&size, &beyond]);
    let log = ln_1p(graph, &sum);
    graph.op("Mul", &[&sign, &log])
}

/// The rank of each number among the values of its curve, of one length for all, linear between them; the middle of the ranks
/// that share a value.
fn rank(graph: &mut GraphBuilder, x: &Tensor, tables: &[&[f64]]) -> Tensor {
    let (count, length) = (tables.len(), tables.first().map_or(0, |values| values.len()));
    let table = graph.double_table(&tables.concat(), &[count, length]);
    let flat = graph.double_table(&tables.concat(), &[count * length]);
    let starts: Vec<f64> = (0..count).map(|n| (n * length) as f64).collect();
    let starts = graph.doubles(&starts);
    let last = graph.ints(&[2]);
    let each = graph.op("Unsqueeze", &[x, &last]);
    let [below, up_to] = ["Less", "LessOrEqual"].map(|op| {
        let is = graph.op(op, &[&table, &each]);
        let is = graph.cast(&is, ElementType::Double);
        graph.sum(&is, false)
    });
    let [zero, one, two] = [0.0, 1.0, 2.0].map(|n| graph.doubles(&[n]));
    let [steps, most] = [(length - 1) as f64; 2].map(|n| graph.doubles(&[n]));
    let before = graph.op("Sub", &[&below, &one]);
    let [left, right] = [&before, &below].map(|at| {
        let at = graph.op("Max", &[at, &zero]);
        let at = graph.op("Min", &[&at, &most]);
        let at = graph.op("Add", &[&at, &starts]);
        let at = graph.cast(&at, ElementType::Int64);
        graph.gather(&flat, &at, 0)
    });
    let part = graph.op("Sub", &[x, &left]);
    let whole = graph.op("Sub", &[&right, &left]);
    let share = graph.op("Div", &[&part, &whole]);
    let between = graph.op("Add", &[&before, &share]);
    let middle = graph.op("Add", &[&before, &up_to]);
    let middle = graph.op("Div", &[&middle, &two]);
    let is_shared = graph.op("Less", &[&below, &up_to]);
    let place = graph.op("Where", &[&is_shared, &middle, &between]);
    // Outside the table, before the first value and behind the last.
    let is_first = graph.op("Equal", &[&up_to, &zero]);
    let place = graph.op("Where", &[&is_first, &zero, &place]);
    let is_last = graph.op("Greater", &[&below, &most]);
    let place = graph.op("Where", &[&is_last, &steps, &place]);
    graph.op("Div", &[&place, &steps])
}

/// The inverse of [`normal_rank`]: from Abramowitz & Stegun 1964, 26.2.23, by Newton's method.
fn normal_quantile(graph: &mut GraphBuilder, p: &Tensor) -> Tensor {
    let [least, most, one, half, minus_two] =
        [normal_rank(-3.5), normal_rank(3.5), 1.0, 0.5, -2.0].map(|n| graph.doubles(&[n]));
    let p = graph.op("Max", &[p, &least]);
    let p = graph.op("Min", &[&p, &most]);
    let above = graph.op("Sub", &[&one, &p]);
    let tail = graph.op("Min", &[&p, &above]);
    let t = graph.op("Log", &[&tail]);
    let t = graph.op("Mul", &[&t, &minus_two]);
    let t = graph.op("Sqrt", &[&t]);
    let numerator = polynomial(graph, &t, &[0.010_328, 0.802_853, 2.515_517]);
    let denominator = polynomial(graph, &t, &[0.001_308, 0.189_269, 1.432_788, 1.0]);
    let ratio = graph.op("Div", &[&numerator, &denominator]);
    let mut y = graph.op("Sub", &[&t, &ratio]);
    for _ in 0..STEPS {
        let [probability, density] = upper_tail(graph, &y);
        let off = graph.op("Sub", &[&probability, &tail]);
        let step = graph.op("Div", &[&off, &density]);
        y = graph.op("Add", &[&y, &step]);
    }
    let negative = graph.op("Neg", &[&y]);
    let is_low = graph.op("Less", &[&p, &half]);
    graph.op("Where", &[&is_low, &negative, &y])
}

/// The probability above `y` under a standard normal distribution, by the formula of [`normal_rank`], and the density.
fn upper_tail(graph: &mut GraphBuilder, y: &Tensor) -> [Tensor; 2] {
    let [minus_half, slope, one, normal] =
        [-0.5, 0.327_591_1 * std::f64::consts::FRAC_1_SQRT_2, 1.0, std::f64::consts::TAU.sqrt()]
            .map(|n| graph.doubles(&[n]));
    let square = graph.op("Mul", &[y, y]);
    let bell = graph.op("Mul", &[&square, &minus_half]);
    let bell = graph.op("Exp", &[&bell]);
    let t = graph.op("Mul", &[y, &slope]);
    let t = graph.op("Add", &[&t, &one]);
    let t = graph.op("Div", &[&one, &t]);
    let halves = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592, 0.0];
    let sum = polynomial(graph, &t, &halves.map(|coefficient| coefficient / 2.0));
    let tail = graph.op("Mul", &[&sum, &bell]);
    let density = graph.op("Div", &[&bell, &normal]);
    [tail, density]
}

/// A polynomial with these coefficients, that of the highest power first.
fn polynomial(graph: &mut GraphBuilder, x: &Tensor, coefficients: &[f64]) -> Tensor {
    let coefficients: Vec<Tensor> = coefficients.iter().map(|&coefficient| graph.doubles(&[coefficient])).collect();
    let mut sum = coefficients[0].clone();
    for coefficient in &coefficients[1..] {
        let product = graph.op("Mul", &[&sum, x]);
        sum = graph.op("Add", &[&product, coefficient]);
    }
    sum
}
