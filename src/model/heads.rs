//! The heads of a network with fixed weights: they turn outputs into distributions of elements.

#![forbid(unsafe_code)]

use super::likelihood::{GroupCells, Head, Known, RowLoss, head};
use super::network::Network;
use super::parameters::Weights;
use crate::feature::{Layout, Likelihood, LikelihoodGroup};
use crate::numerics::RandomStream;

/// Every head, with its own parameter.
pub(crate) struct Heads {
    layout: Layout,
    heads: Vec<(LikelihoodGroup, Box<dyn Head>, Vec<f32>)>,
    /// The head of each element, and its place in the group.
    places: Vec<(usize, usize)>,
}

/// Negative log-likelihoods of rows, in buffers for reuse.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    rows: Vec<RowLoss>,
    scratch: Vec<f32>,
}

impl Losses {
    /// A row's, in nats, summed over its known elements.
    pub(crate) fn nll(&self) -> impl Iterator<Item = f32> + '_ {
        self.rows.iter().map(|loss| loss.nll)
    }
}

impl Heads {
    /// # Panics
    /// If a parameter of a likelihood is missing; a model has all.
    pub(crate) fn new(layout: &Layout, network: &Network, weights: &Weights) -> Self {
        let with_head = |group: LikelihoodGroup| {
            let head = head(&group, network.noise_floor);
            let parameter = head.parameter().map(|name| weights[&format!("likelihood.{name}")].values.clone());
            (group, head, parameter.unwrap_or_default())
        };
        let heads: Vec<_> = layout.groups().into_iter().map(with_head).collect();
        let of_group = |(n, (group, ..)): (usize, &(LikelihoodGroup, _, _))| {
            let start = group.elements.start;
            group.elements.clone().map(move |element| (n, element - start)).collect::<Vec<_>>()
        };
        let places = heads.iter().enumerate().flat_map(of_group).collect();
        Self { layout: layout.clone(), heads, places }
    }

    /// The row vector they stand for.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The losses of one row, `x` and `known` `[inputs]`, given each of several outputs, `[outputs of the decoder]`
    /// each.
    pub(crate) fn losses(&self, x: &[f32], known: &[f32], output: &[f32], losses: &mut Losses) {
        let outputs = self.layout.outputs();
        let Losses { rows, scratch } = losses;
        rows.clear();
        rows.resize(output.len() / outputs, RowLoss::default());
        for (group, head, parameter) in &self.heads {
            // A stride of 0: the same row again and again.
            let cells = GroupCells { group, x: (x, 0), output: (output, outputs), known: Known::Some(known) };
            head.add_losses(&cells, parameter, scratch, rows);
        }
    }

    /// Writes by how much each element of a row, `x` `[inputs]`, differs from its expectation given the row's outputs.
    pub(crate) fn residuals(&self, x: &[f32], output: &[f32], into: &mut [f32]) {
        for (group, head, _) in &self.heads {
            let elements = group.elements.clone();
            head.residuals(&x[elements.clone()], &output[group.output.clone()], &mut into[elements]);
        }
    }

    /// By how many nats the value `x` of an element, known, is less likely than the most likely value, given a row's
    /// outputs: 0 or more.
    pub(crate) fn excess(&self, element: usize, x: f32, output: &[f32]) -> f32 {
        let (head, parameter) = self.of(element);
        head.excess(x, &output[self.layout.spans()[element].output.clone()], parameter)
    }

    /// The expected value of an element, given a row's outputs; of classes only those that `reads` accepts.
    pub(crate) fn expected(&self, element: usize, output: &[f32], reads: &dyn Fn(usize) -> bool) -> f32 {
        let mut expected = Vec::new();
        self.probabilities(element, output, &mut expected);
        self.fill(element, &expected, reads)
    }

    /// The mean of an element, given a row's outputs, or the probability of a 1, or of each class.
    pub(crate) fn probabilities(&self, element: usize, output: &[f32], into: &mut Vec<f32>) {
        let range = self.layout.spans()[element].output.clone();
        into.clear();
        into.resize(range.len(), 0.0);
        self.mean(element, &output[range], into);
    }

    /// The same of every element, into as many values as there are outputs.
    pub(crate) fn means(&self, output: &[f32], into: &mut [f32]) {
        for (group, head, _) in &self.heads {
            let all = [group.output.len()];
            let is_by_class = group.likelihood == Likelihood::Categorical;
            let mut at = group.output.start;
            for outputs in if is_by_class { group.classes.as_slice() } else { &all } {
                let range = at..at + outputs;
                head.expected(&output[range.clone()], &mut into[range]);
                at += outputs;
            }
        }
    }

    /// The same, given the element's own outputs, into as many values.
    pub(crate) fn mean(&self, element: usize, outputs: &[f32], into: &mut [f32]) {
        self.of(element).0.expected(outputs, into);
    }

    /// The value that fills a missing element with this expectation.
    pub(crate) fn fill(&self, element: usize, expected: &[f32], reads: &dyn Fn(usize) -> bool) -> f32 {
        self.of(element).0.fill(expected, reads)
    }

    /// A value drawn for an element with this expectation.
    pub(crate) fn draw(
        &self,
        element: usize,
        expected: &[f32],
        reads: &dyn Fn(usize) -> bool,
        noise: RandomStream,
    ) -> f32 {
        let (head, parameter) = self.of(element);
        head.draw(expected, parameter, reads, noise)
    }

    /// Standard deviation of a number; `None` for anything else.
    pub(crate) fn deviation(&self, element: usize) -> Option<f32> {
        let (head, parameter) = self.of(element);
        head.deviation(parameter)
    }

    /// The head of an element, and the element's own value of its parameter.
    fn of(&self, element: usize) -> (&dyn Head, f32) {
        let (head, place) = self.places[element];
        let (_, head, parameter) = &self.heads[head];
        (head.as_ref(), parameter.get(place).copied().unwrap_or_default())
    }
}
