//! Given elements: circumstances of a row, such as its device or the hour, which the encoder and the decoder see and which
//! have no likelihood.
//!
//! A value is one input of the network, and a second one where it may be missing. A group of few is one-hot. Groups, few
//! or many, also have a level and spread of their own for each number, by which rows are standardised (`group_norms.rs`).

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use super::Shape;
use super::group_norms::GroupNorms;

/// Most groups that the network sees one-hot. More of them are told apart by their levels and spreads alone.
const MOST_ONE_HOT: usize = 64;

/// The given elements of rows, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct GivenLayout {
    elements: Vec<GivenElement>,
    inputs: usize,
    /// The elements that name groups, and how many groups each has.
    groups: Vec<(usize, usize)>,
    norms: Vec<Arc<GroupNorms>>,
}

/// What the network sees of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenElement {
    /// A value, and whether an input says that it is missing.
    Value { indicator: bool },
    /// One of so many groups, one-hot.
    OneHot(usize),
    /// Nothing: it is one of many groups, the time that has passed, or says a value to the digit.
    Unseen,
}

/// The given elements of some rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GivenRows {
    /// `[rows, elements]`: as features write them, NaN where missing or a group that the fit did not see.
    pub(crate) elements: Vec<f32>,
    /// `[rows, inputs]`: as the network sees them.
    pub(crate) inputs: Vec<f32>,
}

impl GivenLayout {
    /// Lays out features in order, each with whether it may be missing, and the elements that the network sees.
    pub(crate) fn new(features: impl IntoIterator<Item = (Shape, bool, Range<usize>)>) -> Self {
        let (mut groups, mut first) = (Vec::new(), 0);
        let of_feature = |(shape, may_miss, seen): (Shape, bool, Range<usize>)| {
            groups.extend((shape.classes > 1).then_some((first, shape.classes)));
            first += shape.elements;
            (0..shape.elements).map(move |n| match shape.classes {
                _ if !seen.contains(&n) => GivenElement::Unseen,
                1 => GivenElement::Value { indicator: may_miss && n == seen.start },
                groups if groups <= MOST_ONE_HOT => GivenElement::OneHot(groups),
                _ => GivenElement::Unseen,
            })
        };
        let elements: Vec<GivenElement> = features.into_iter().flat_map(of_feature).collect();
        let inputs = elements.iter().map(GivenElement::inputs).sum();
        Self { elements, inputs, groups, norms: Vec::new() }
    }

    /// The elements that name groups, and how many groups each has.
    pub(crate) fn groups(&self) -> &[(usize, usize)] {
        &self.groups
    }

    /// Whether rows of given elements, `[rows, elements]`, name groups that exist.
    pub(crate) fn is_valid(&self, rows: &[f32]) -> bool {
        let is_group = |group: f32, groups: usize| {
            group.is_nan() || (group.fract() == 0.0 && (0.0..groups as f32).contains(&group))
        };
        self.groups.iter().all(|&(element, groups)| {
            rows.iter().skip(element).step_by(self.elements()).all(|&group| is_group(group, groups))
        })
    }

    /// With these levels and spreads of groups, applied in order.
    pub(crate) fn with_norms(&self, norms: Vec<Arc<GroupNorms>>) -> Self {
        Self { norms, ..self.clone() }
    }

    /// The levels and spreads of groups.
    pub(crate) fn norms(&self) -> &[Arc<GroupNorms>] {
        &self.norms
    }

    /// What the network sees of each element.
    pub(crate) fn seen(&self) -> &[GivenElement] {
        &self.elements
    }

    /// Number of elements.
    pub(crate) fn elements(&self) -> usize {
        self.elements.len()
    }

    /// Number of inputs of the network.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The given elements of rows, `[rows, elements]`, as the network sees them.
    pub(crate) fn rows(&self, elements: Vec<f32>) -> GivenRows {
        let mut inputs = Vec::with_capacity(elements.len() / self.elements().max(1) * self.inputs);
        for row in elements.chunks_exact(self.elements().max(1)) {
            self.elements.iter().zip(row).for_each(|(element, &value)| element.see(value, &mut inputs));
        }
        GivenRows { elements, inputs }
    }

    /// Standardises the values of a row, `x` `[inputs of the row vector]`, by its groups.
    pub(crate) fn standardise(&self, x: &mut [f32], elements: &[f32]) {
        self.norms.iter().for_each(|norms| norms.standardise(x, elements));
    }

    /// The inverse of [`standardise`](Self::standardise).
    pub(crate) fn restore(&self, x: &mut [f32], elements: &[f32]) {
        self.norms.iter().rev().for_each(|norms| norms.restore(x, elements));
    }

    /// The row of some, `[rows, elements]`, whose inputs are closest to their mean: a typical one.
    pub(crate) fn typical(&self, elements: &[f32]) -> Vec<f32> {
        let (width, rows) = (self.inputs, self.rows(elements.to_vec()));
        let count = elements.len() / self.elements().max(1);
        let mut mean = vec![0.0; width];
        let each = || rows.inputs.chunks_exact(width.max(1));
        each().for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count.max(1) as f32));
        let off = |row: &[f32]| row.iter().zip(&mean).map(|(x, mean)| (x - mean) * (x - mean)).sum::<f32>();
        let closest = each().map(off).enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
        let row = closest.map_or(0, |(row, _)| row);
        elements.chunks_exact(self.elements().max(1)).nth(row).map_or_else(Vec::new, <[f32]>::to_vec)
    }
}

impl GivenElement {
    fn inputs(&self) -> usize {
        match self {
            Self::Value { indicator } => 1 + usize::from(*indicator),
            Self::OneHot(groups) => *groups,
            Self::Unseen => 0,
        }
    }

    fn see(self, value: f32, inputs: &mut Vec<f32>) {
        match self {
            Self::Value { indicator } => {
                inputs.push(if value.is_nan() { 0.0 } else { value });
                inputs.extend(indicator.then_some(f32::from(value.is_nan())));
            }
            Self::OneHot(groups) => inputs.extend((0..groups).map(|group| f32::from(group as f32 == value))),
            Self::Unseen => {}
        }
    }
}

impl GivenRows {
    /// Some of the rows, of `all`.
    pub(crate) fn take(&self, rows: &[u32], all: usize) -> Self {
        let taken = |values: &[f32]| {
            let width = values.len() / all.max(1);
            rows.iter().flat_map(|&row| &values[row as usize * width..][..width]).copied().collect()
        };
        Self { elements: taken(&self.elements), inputs: taken(&self.inputs) }
    }

    /// The given inputs of each row, `times` in turn, for several latents of a row; of `rows` rows.
    pub(crate) fn repeat(&self, rows: std::ops::Range<usize>, all: usize, times: usize) -> Vec<f32> {
        let width = self.inputs.len() / all.max(1);
        rows.flat_map(|row| std::iter::repeat_n(&self.inputs[row * width..][..width], times))
            .flatten()
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Likelihood::Gaussian;

    #[test]
    fn the_network_sees_values_few_groups_and_what_is_missing() {
        let shapes = [
            (Shape::of(Gaussian, 2), true, 0..2),
            (Shape::of(Gaussian, 2), false, 1..2),
            (Shape::category(3), true, 0..1),
            (Shape::category(MOST_ONE_HOT + 1), false, 0..1),
        ];
        let layout = GivenLayout::new(shapes);
        assert_eq!((layout.elements(), layout.inputs()), (6, 7));
        let rows = layout.rows(vec![0.5, -0.5, 9.0, 2.0, 1.0, 64.0].into_iter().chain([f32::NAN; 6]).collect());
        let [full, missing] = [0, 7].map(|at| &rows.inputs[at..at + 7]);
        assert_eq!(full, [0.5, 0.0, -0.5, 2.0, 0.0, 1.0, 0.0]);
        assert_eq!(missing, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(rows.repeat(0..1, 2, 2), [full, full].concat());
        assert_eq!(rows.take(&[1], 2).inputs, missing);
    }
}
