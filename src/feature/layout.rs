//! The layout of the row vector: the encoder inputs, the decoder outputs and the likelihood of each element.
//!
//! The row vector holds one number per element: a value, or the class number of a category. The encoder sees the values
//! as they are and each category one-hot. The one-hot vector is never stored: [`Layout::ones`] lists its ones.
//!
//! A stored row is the row vector, then its given elements (`given.rs`).

#![forbid(unsafe_code)]

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::given::GivenLayout;

/// The distribution of an element, given the decoder's outputs.
///
/// The variants are in the order of the groups in the row vector: elements with one output each come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Likelihood {
    /// Normal with a mean from the decoder and one learned variance an element.
    Gaussian,
    /// Bernoulli: the logit from the decoder.
    Bernoulli,
    /// Categorical: one logit per class from the decoder. The element is the class number.
    Categorical,
}

/// The elements of a feature in the row vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The distribution of each element.
    pub(crate) likelihood: Likelihood,
    /// Elements of the row vector.
    pub(crate) elements: usize,
    /// Outputs of the decoder an element: the classes of a category, else 1.
    pub(crate) classes: usize,
}

impl Shape {
    /// Elements of one output each.
    pub(crate) fn of(likelihood: Likelihood, elements: usize) -> Self {
        Self { likelihood, elements, classes: 1 }
    }

    /// A category.
    pub(crate) fn category(classes: usize) -> Self {
        Self { likelihood: Likelihood::Categorical, elements: 1, classes }
    }
}

/// The place of one element in the encoder's inputs and the decoder's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The encoder's inputs for it: itself, or one a class.
    pub(crate) encoder: Range<usize>,
    /// The decoder's outputs for it.
    pub(crate) output: Range<usize>,
    /// The distribution.
    pub(crate) likelihood: Likelihood,
    /// The encoder's input that is 1 where the element is missing.
    pub(crate) indicator: Option<usize>,
}

/// Adjacent elements with the same likelihood, computed in one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LikelihoodGroup {
    /// The distribution.
    pub(crate) likelihood: Likelihood,
    /// Elements of the row vector.
    pub(crate) elements: Range<usize>,
    /// The decoder's outputs.
    pub(crate) output: Range<usize>,
    /// Outputs of each element.
    pub(crate) classes: Vec<usize>,
}

/// The whole row vector: its elements in order, grouped by likelihood.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layout {
    spans: Vec<Span>,
    values: usize,
    own_inputs: usize,
    given: GivenLayout,
}

impl Layout {
    /// Lays out features in order, each with a flag for a missing indicator.
    ///
    /// Features of one likelihood must be neighbours, in the order of [`Likelihood`], and values come before classes;
    /// `None` if they do not.
    pub(crate) fn new(features: impl IntoIterator<Item = (Shape, bool)>) -> Option<Self> {
        let (mut spans, mut indicated, mut input, mut output) = (Vec::<Span>::new(), Vec::new(), 0, 0);
        for (Shape { likelihood, elements, classes }, indicator) in features {
            let after = |last: &Span| last.likelihood > likelihood || last.encoder.len() > 1 && classes == 1;
            if spans.last().is_some_and(after) {
                return None;
            }
            for _ in 0..elements {
                let (encoder, output_of) = (input..input + classes, output..output + classes);
                (input, output) = (encoder.end, output_of.end);
                spans.push(Span { encoder, output: output_of, likelihood, indicator: None });
                indicated.push(indicator);
            }
        }
        for (span, _) in spans.iter_mut().zip(indicated).filter(|(_, indicated)| *indicated) {
            span.indicator = Some(input);
            input += 1;
        }
        let values = spans.iter().take_while(|span| span.encoder.len() == 1).count();
        Some(Self { spans, values, own_inputs: input, given: GivenLayout::default() })
    }

    /// The same row vector, with given elements behind it.
    pub(crate) fn with_given(self, given: GivenLayout) -> Self {
        Self { given, ..self }
    }

    /// The given elements.
    pub(crate) fn given(&self) -> &GivenLayout {
        &self.given
    }

    /// Width of a stored row: the row vector, then the given elements.
    pub(crate) fn width(&self) -> usize {
        self.inputs() + self.given.elements()
    }

    /// The elements.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Width of the row vector: its number of elements.
    pub(crate) fn inputs(&self) -> usize {
        self.spans.len()
    }

    /// Leading elements that are values: the encoder's first inputs as they are.
    pub(crate) fn values(&self) -> usize {
        self.values
    }

    /// Leading elements that are Gaussian; the outputs for them have the same numbers.
    pub(crate) fn gaussians(&self) -> usize {
        self.spans.iter().take_while(|span| span.likelihood == Likelihood::Gaussian).count()
    }

    /// Encoder inputs for the row vector: values, classes, indicators. The given inputs follow.
    pub(crate) fn own_inputs(&self) -> usize {
        self.own_inputs
    }

    /// Width of what the encoder sees: values, classes, indicators, given inputs.
    pub(crate) fn encoder_inputs(&self) -> usize {
        self.own_inputs + self.given.inputs()
    }

    /// Width of the decoder's output.
    pub(crate) fn outputs(&self) -> usize {
        self.spans.last().map_or(0, |span| span.output.end)
    }

    /// The encoder inputs after the values that are 1 for a row; the others are 0. `known` as in
    /// [`Batch`](crate::batch::Batch).
    #[inline]
    pub(crate) fn ones<'a>(&'a self, x: &'a [f32], known: Option<&'a [f32]>) -> impl Iterator<Item = usize> + 'a {
        let is_known = move |element: usize| known.is_none_or(|known| known[element] > 0.0);
        let classes = self.spans.iter().enumerate().skip(self.values());
        // Features write valid class numbers; any other number counts as the last class.
        let classes = classes
            .filter(move |(element, _)| is_known(*element))
            .map(|(element, span)| span.encoder.start + (x[element] as usize).min(span.encoder.len() - 1));
        // Without missing values, skip the walk over a wide row.
        let spans = if known.is_some() { self.spans.as_slice() } else { &[] };
        let indicators = spans.iter().enumerate().filter(move |(element, _)| !is_known(*element));
        classes.chain(indicators.filter_map(|(_, span)| span.indicator))
    }

    /// Appends a row, `[inputs]`, as the decoder answers it, `[outputs]`: a value as it is, a category as a 0 or 1 a class;
    /// NaN where `known` is 0.
    pub(crate) fn spread(&self, x: &[f32], known: Option<&[f32]>, into: &mut Vec<f32>) {
        // Without missing values, the values go as they are.
        let values = if known.is_none() { self.values } else { 0 };
        into.extend_from_slice(&x[..values]);
        for (element, span) in self.spans.iter().enumerate().skip(values) {
            let is_known = known.is_none_or(|known| known[element] > 0.0);
            match span.output.len() {
                classes if !is_known => into.extend(std::iter::repeat_n(f32::NAN, classes)),
                1 => into.push(x[element]),
                classes => {
                    let class = (x[element] as usize).min(classes - 1);
                    into.extend((0..classes).map(|n| f32::from(n == class)));
                }
            }
        }
    }

    /// The weight of each output in a distance, `[outputs]`: two classes of a category are as far apart as 0 and 1.
    pub(crate) fn distance_weights(&self) -> Vec<f32> {
        let weight = |classes: usize| if classes > 1 { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let classes = self.spans.iter().map(|span| span.output.len());
        classes.flat_map(|classes| std::iter::repeat_n(weight(classes), classes)).collect()
    }

    /// Rows as features write them, `[rows, width]`, of row vectors that are standardised by group, `[rows, inputs]`, and the
    /// given elements of the rows.
    pub(crate) fn stored_rows(&self, mut x: Vec<f32>, given: &[f32]) -> Vec<f32> {
        if self.given.elements() == 0 {
            return x;
        }
        let mut rows = Vec::with_capacity(x.len() + given.len());
        for (x, given) in x.chunks_exact_mut(self.inputs()).zip(given.chunks_exact(self.given.elements())) {
            self.given.restore(x, given);
            rows.extend_from_slice(x);
            rows.extend_from_slice(given);
        }
        rows
    }

    /// Whether the classes of rows, `[rows, width]`, and the groups that are given of them exist.
    pub(crate) fn is_valid(&self, rows: &[f32]) -> bool {
        let is_class = |(span, x): (&Span, &f32)| {
            let classes = span.output.len();
            classes == 1 || x.is_nan() || (x.fract() == 0.0 && (0.0..classes as f32).contains(x))
        };
        rows.chunks_exact(self.width()).all(|row| {
            let (x, given) = row.split_at(self.inputs());
            self.spans.iter().zip(x).all(is_class) && self.given.is_valid(given)
        })
    }

    /// The groups that are not empty, in order.
    pub(crate) fn groups(&self) -> Vec<LikelihoodGroup> {
        let mut groups = Vec::<LikelihoodGroup>::new();
        for (element, span) in self.spans.iter().enumerate() {
            match groups.last_mut().filter(|group| group.likelihood == span.likelihood) {
                Some(group) => {
                    group.elements.end = element + 1;
                    group.output.end = span.output.end;
                    group.classes.push(span.output.len());
                }
                None => groups.push(LikelihoodGroup {
                    likelihood: span.likelihood,
                    elements: element..element + 1,
                    output: span.output.clone(),
                    classes: vec![span.output.len()],
                }),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::Likelihood::{Bernoulli, Gaussian};
    use super::*;

    /// Two numbers of one feature, a flag that may be missing, and categories of three and two classes.
    fn mixed() -> Layout {
        let features = [Shape::of(Gaussian, 2), Shape::of(Bernoulli, 1), Shape::category(3), Shape::category(2)];
        Layout::new(features.into_iter().zip([false, true, false, false])).unwrap()
    }

    #[test]
    fn groups_cover_the_row_vector_without_gaps() {
        let layout = mixed();
        let groups = layout.groups();
        let ranges: Vec<_> = groups.iter().map(|group| (group.elements.clone(), group.output.clone())).collect();
        assert_eq!(ranges, [(0..2, 0..2), (2..3, 2..3), (3..5, 3..8)]);
        assert_eq!(groups[2].classes, [3, 2]);
        assert_eq!((layout.inputs(), layout.values(), layout.encoder_inputs(), layout.outputs()), (5, 3, 9, 8));
    }

    #[test]
    fn a_row_has_a_one_for_each_known_category_and_each_missing_indicator() {
        let (layout, x) = (mixed(), [0.5, -0.5, 0.0, 2.0, 0.0]);
        let ones = |known: Option<&[f32]>| layout.ones(&x, known).collect::<Vec<_>>();
        assert_eq!(ones(None), [5, 6]);
        assert_eq!(ones(Some(&[0.0, 1.0, 0.0, 1.0, 0.0])), [5, 8]);
    }

    #[test]
    fn a_row_is_spread_over_the_outputs() {
        let mut spread = Vec::new();
        mixed().spread(&[0.5, -0.5, 0.0, 2.0, 0.0], Some(&[1.0, 0.0, 1.0, 1.0, 0.0]), &mut spread);
        assert!(spread[1].is_nan() && spread[6].is_nan() && spread[7].is_nan());
        assert_eq!((spread[0], &spread[2..6]), (0.5, &[0.0, 0.0, 0.0, 1.0][..]));
    }

    #[test]
    fn a_likelihood_out_of_order_is_rejected() {
        assert!(Layout::new([(Shape::of(Bernoulli, 1), false), (Shape::of(Gaussian, 1), false)]).is_none());
    }
}
