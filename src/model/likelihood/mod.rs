//! The likelihoods: the distribution of each element given the decoder's output, in slices.
//!
//! To add one: a variant of [`Likelihood`], a file with an `impl Head`, and an arm in [`head`]; the same in tensors in
//! `model/tensors/heads/`.

#![forbid(unsafe_code)]

mod bernoulli;
mod categorical;
mod gaussian;

use self::bernoulli::Bernoulli;
use self::categorical::Categorical;
use self::gaussian::Gaussian;
pub(super) use self::gaussian::{LN_TAU, MOST_LOG_VARIANCE};
use crate::feature::{Likelihood, LikelihoodGroup};
use crate::numerics::RandomStream;

/// The distribution of a group of elements, given the decoder's output for it.
///
/// [`GroupCells`] finds the elements and the output; a missing element adds nothing.
pub(crate) trait Head: Send + Sync {
    /// Name of the likelihood's own parameter, `[elements]`, which starts from 0; its values come as `parameter`.
    fn parameter(&self) -> Option<&'static str>;

    /// Bounds of that parameter: a value beyond one counts as the bound.
    fn bounds(&self) -> (f32, f32) {
        (f32::NEG_INFINITY, f32::INFINITY)
    }

    /// Adds negative log-likelihood, nats, and squared error on the model's scale, summed over the group's elements, to the
    /// losses of each row.
    fn add_losses(&self, cells: &GroupCells<'_>, parameter: &[f32], scratch: &mut Vec<f32>, losses: &mut [RowLoss]);

    /// Writes the group's part of `by_output`, `[rows, outputs]`: the derivative of the rows' negative log-likelihood
    /// by the decoder's output, times the row's weight. Writes the gradient by the parameter, at the bound if it is
    /// outside.
    fn gradient(
        &self,
        cells: &GroupCells<'_>,
        weights: &[f32],
        parameter: &[f32],
        scratch: &mut Vec<f32>,
        by_output: &mut [f32],
        by_parameter: &mut [f32],
    );

    /// Writes the mean of an element, given its outputs, or the probability of a 1, or of each class, into a slice of
    /// the same length.
    fn expected(&self, outputs: &[f32], into: &mut [f32]);

    /// Writes by how much each element of a row differs from its expectation: x less the mean, or less the probability of
    /// a 1; of a class how far its probability is from 1.
    fn residuals(&self, x: &[f32], outputs: &[f32], into: &mut [f32]);

    /// By how many nats the value `x` is less likely than the most likely one, given an element's outputs; `parameter`
    /// is the element's own.
    fn excess(&self, x: f32, outputs: &[f32], parameter: f32) -> f32;

    /// The value that fills a missing element with this expectation: the mean, or the most likely of the classes that
    /// `reads` accepts, the first of equals.
    fn fill(&self, expected: &[f32], _reads: &dyn Fn(usize) -> bool) -> f32 {
        expected[0]
    }

    /// A value drawn for an element with this expectation, of the classes that `reads` accepts; `parameter` is its own.
    fn draw(&self, expected: &[f32], parameter: f32, reads: &dyn Fn(usize) -> bool, noise: RandomStream) -> f32;

    /// Standard deviation of an element that is normal; `parameter` is its own.
    fn deviation(&self, _parameter: f32) -> Option<f32> {
        None
    }
}

/// The head of a group; `noise_floor` as in [`Network`](super::Network).
pub(crate) fn head(group: &LikelihoodGroup, noise_floor: f64) -> Box<dyn Head> {
    match group.likelihood {
        Likelihood::Gaussian => Box::new(Gaussian::new(noise_floor)),
        Likelihood::Bernoulli => Box::new(Bernoulli),
        Likelihood::Categorical => Box::new(Categorical::new(&group.classes)),
    }
}

/// A row's negative log-likelihood in nats, and its squared error, over the known elements.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowLoss {
    pub(crate) nll: f32,
    pub(crate) squared_error: f32,
}

/// A group's part of rows and of their decoder outputs.
pub(crate) struct GroupCells<'a> {
    pub(crate) group: &'a LikelihoodGroup,
    /// `[rows, inputs]` and `inputs`, of all groups; or one row, and 0, if all rows are the same.
    pub(crate) x: (&'a [f32], usize),
    /// `[rows, outputs]` and `outputs`, of all groups.
    pub(crate) output: (&'a [f32], usize),
    /// Which elements are known, of all groups.
    pub(crate) known: Known<'a>,
}

/// Which elements of rows are known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    /// All of them; `[inputs]` ones.
    All(&'a [f32]),
    /// As the row vectors: 1 where known, else 0.
    Some(&'a [f32]),
}

impl<'a> GroupCells<'a> {
    /// The group's elements, outputs and known elements of a row.
    #[inline(always)]
    fn row(&self, row: usize) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let ((x, inputs), (output, outputs)) = (self.x, self.output);
        let known = match self.known {
            Known::All(ones) => ones,
            Known::Some(known) => &known[row * inputs..],
        };
        (
            &x[row * inputs..][self.group.elements.clone()],
            &output[row * outputs..][self.group.output.clone()],
            &known[self.group.elements.clone()],
        )
    }

    /// Every row of a gradient by the outputs of all groups, with its weight, cut down to the group.
    #[inline(always)]
    fn gradient_rows<'g>(
        &self,
        by_output: &'g mut [f32],
        weights: &[f32],
    ) -> impl Iterator<Item = (usize, &'g mut [f32], f32)> {
        let range = self.group.output.clone();
        let rows = by_output.chunks_exact_mut(self.output.1).zip(weights).enumerate();
        rows.map(move |(row, (gradient, &weight))| (row, &mut gradient[range.clone()], weight))
    }
}

/// The losses of one row of elements of one likelihood, all of them known, given the decoder's output.
#[cfg(test)]
fn loss_of_row(shapes: &[crate::feature::Shape], x: &[f32], output: &[f32], parameter: &[f32]) -> RowLoss {
    let layout = crate::feature::Layout::new(shapes.iter().map(|&shape| (shape, false))).unwrap();
    let group = layout.groups().remove(0);
    let (ones, mut rows) = (vec![1.0; x.len()], [RowLoss::default()]);
    let (x, output) = ((x, x.len()), (output, output.len()));
    let cells = GroupCells { group: &group, x, output, known: Known::All(&ones) };
    head(&group, -6.0).add_losses(&cells, parameter, &mut Vec::new(), &mut rows);
    rows[0]
}
