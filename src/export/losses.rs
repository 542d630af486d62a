//! Likelihoods of rows, and how far their values are from what the decoder expects.

#![forbid(unsafe_code)]

use super::graph::{GraphBuilder, Tensor};
use super::row::RowVector;
use crate::feature::{Layout, Likelihood};
use crate::model::Heads;

/// What the decoder's output says of rows.
pub(super) struct LossGraph {
    /// Negative log-likelihood, nats, and squared error on the model's scale: `[rows, 1]` each, summed over known elements.
    pub(super) nll: Tensor,
    pub(super) squared_error: Tensor,
    /// The mean, or the probability of a 1 or of each class: `[rows, outputs]`.
    pub(super) expected: Tensor,
    /// By how much each element differs from its expectation: `[rows, elements]`.
    pub(super) residuals: Tensor,
}

/// Sums over parts of a row, `[rows, 1]` each.
#[derive(Default)]
struct LossParts {
    nll: Vec<Tensor>,
    squared_error: Vec<Tensor>,
    expected: Vec<Tensor>,
    residuals: Vec<Tensor>,
}

/// The losses of rows given the decoder's `output`, `[rows, outputs]`.
pub(super) fn losses(
    graph: &mut GraphBuilder,
    (row, output): (&RowVector, &Tensor),
    (layout, heads): (&Layout, &Heads),
) -> LossGraph {
    let mut parts = LossParts::default();
    let mut category = 0;
    for group in layout.groups() {
        let output = graph.columns(output, group.output.start, group.output.end);
        let known = row.values.as_ref().filter(|_| group.likelihood != Likelihood::Categorical);
        let values = known.map(|values| {
            let (from, to) = (group.elements.start, group.elements.end);
            if from == 0 && to == layout.values() {
                values.clone()
            } else {
                values.each_ref().map(|it| graph.columns(it, from, to))
            }
        });
        match (group.likelihood, values) {
            (Likelihood::Gaussian, Some([x, known])) => {
                let deviations = group.elements.clone().filter_map(|element| heads.deviation(element));
                parts.gaussian(graph, [&x, &known, &output], &deviations.map(f64::from).collect::<Vec<_>>());
            }
            (Likelihood::Bernoulli, Some([x, known])) => parts.bernoulli(graph, [&x, &known, &output]),
            _ => {
                let mut start = 0;
                for classes in group.classes {
                    let logits = graph.columns(&output, start, start + classes);
                    parts.categorical(graph, &row.categories[category], &row.categories_known[category], &logits);
                    (start, category) = (start + classes, category + 1);
                }
            }
        }
    }
    let total = |graph: &mut GraphBuilder, parts: &[Tensor]| match parts {
        [one] => one.clone(),
        parts => {
            let all = graph.beside(parts);
            graph.sum(&all, true)
        }
    };
    LossGraph {
        nll: total(graph, &parts.nll),
        squared_error: total(graph, &parts.squared_error),
        expected: graph.beside(&parts.expected),
        residuals: graph.beside(&parts.residuals),
    }
}

impl LossParts {
    /// (ln 2π + s + (x - output)² e^-s) / 2, with s = 2 ln deviation.
    fn gaussian(&mut self, graph: &mut GraphBuilder, [x, known, output]: [&Tensor; 3], deviations: &[f64]) {
        let precision: Vec<f32> = deviations.iter().map(|it| (1.0 / (it * it)) as f32).collect();
        let constant: Vec<f32> =
            deviations.iter().map(|it| (2.0 * it.ln() + std::f64::consts::TAU.ln()) as f32).collect();
        let [precision, constant] = [&precision, &constant].map(|values| graph.floats(values));
        let off = graph.op("Sub", &[x, output]);
        let square = graph.op("Mul", &[&off, &off]);
        let twice = graph.op("Mul", &[&square, &precision]);
        let twice = graph.op("Add", &[&twice, &constant]);
        let twice = graph.op("Mul", &[&twice, known]);
        let twice = graph.sum(&twice, true);
        let half = graph.floats(&[0.5]);
        self.nll.push(graph.op("Mul", &[&twice, &half]));
        let square = graph.op("Mul", &[&square, known]);
        self.squared_error.push(graph.sum(&square, true));
        self.expected.push(output.clone());
        self.residuals.push(off);
    }

    /// max(o, 0) - o x + ln(1 + e^-|o|).
    fn bernoulli(&mut self, graph: &mut GraphBuilder, [x, known, output]: [&Tensor; 3]) {
        let [positive, size, p] = ["Relu", "Abs", "Sigmoid"].map(|op| graph.op(op, &[output]));
        let negative = graph.op("Neg", &[&size]);
        let softplus = graph.op("Softplus", &[&negative]);
        let product = graph.op("Mul", &[output, x]);
        let nll = graph.op("Sub", &[&positive, &product]);
        let nll = graph.op("Add", &[&nll, &softplus]);
        let nll = graph.op("Mul", &[&nll, known]);
        self.nll.push(graph.sum(&nll, true));
        let off = graph.op("Sub", &[x, &p]);
        let square = graph.op("Mul", &[&off, &off]);
        let square = graph.op("Mul", &[&square, known]);
        self.squared_error.push(graph.sum(&square, true));
        self.expected.push(p);
        self.residuals.push(off);
    }

    /// ln Σ e^o - o of the class, and half the squared distance of the probabilities from the class.
    fn categorical(&mut self, graph: &mut GraphBuilder, class: &Tensor, known: &Tensor, logits: &Tensor) {
        let half = graph.floats(&[0.5]);
        let log = graph.log_softmax(logits);
        let p = graph.op("Exp", &[&log]);
        let of_class = graph.op("Mul", &[&log, class]);
        let of_class = graph.sum(&of_class, true);
        self.nll.push(graph.op("Neg", &[&of_class]));
        let p_of_class = graph.op("Mul", &[&p, class]);
        let p_of_class = graph.sum(&p_of_class, true);
        // 1 less the probability of the class: 1 where the category is missing, and not counted there.
        let one = graph.floats(&[1.0]);
        self.residuals.push(graph.op("Sub", &[&one, &p_of_class]));
        let squares = graph.op("Mul", &[&p, &p]);
        let squares = graph.sum(&squares, true);
        let halves = graph.op("Add", &[&squares, &one]);
        let halves = graph.op("Mul", &[&halves, &half]);
        let distance = graph.op("Sub", &[&halves, &p_of_class]);
        self.squared_error.push(graph.op("Mul", &[&distance, known]));
        self.expected.push(p);
    }
}
