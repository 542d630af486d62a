//! What the features publish and the model walks: which part of the row vector is whose.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The distribution the decoder gives a feature.
///
/// The order is the order of the groups in the row vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Normal with a mean from the decoder and one learned variance a feature.
    Gaussian,
    /// Bernoulli with a logit from the decoder.
    Bernoulli,
}

impl Likelihood {
    /// All of them, in row-vector order.
    pub const ALL: [Self; 2] = [Self::Gaussian, Self::Bernoulli];
}

/// One feature's part of the row vector (`input`) and of the decoder's output (`output`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The source column.
    pub column: String,
    /// Elements of the row vector.
    pub input: Range<usize>,
    /// Elements of the decoder's output.
    pub output: Range<usize>,
    /// The distribution.
    pub likelihood: Likelihood,
}

/// Neighbouring spans of one likelihood, so that each likelihood costs one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The distribution.
    pub likelihood: Likelihood,
    /// Features (spans) of the group.
    pub features: Range<usize>,
    /// Elements of the row vector.
    pub input: Range<usize>,
    /// Elements of the decoder's output.
    pub output: Range<usize>,
}

/// The whole row vector: spans in order, grouped by likelihood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    spans: Vec<Span>,
}

impl Layout {
    /// Lays out `(column, inputs, outputs, likelihood)` one after the other.
    ///
    /// Features of one likelihood must be neighbours, in the order of [`Likelihood::ALL`]; `None` if they are not.
    pub fn new<'a>(features: impl IntoIterator<Item = (&'a str, usize, usize, Likelihood)>) -> Option<Self> {
        let (mut spans, mut input, mut output) = (Vec::<Span>::new(), 0, 0);
        for (column, inputs, outputs, likelihood) in features {
            if spans.last().is_some_and(|last| last.likelihood > likelihood) {
                return None;
            }
            spans.push(Span {
                column: column.to_owned(),
                input: input..input + inputs,
                output: output..output + outputs,
                likelihood,
            });
            (input, output) = (input + inputs, output + outputs);
        }
        Some(Self { spans })
    }

    /// The spans, one a feature.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.spans.len()
    }

    /// Width of the row vector.
    pub fn inputs(&self) -> usize {
        self.spans.last().map_or(0, |span| span.input.end)
    }

    /// Width of the decoder's output.
    pub fn outputs(&self) -> usize {
        self.spans.last().map_or(0, |span| span.output.end)
    }

    /// The groups that are not empty, in order.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::<Group>::new();
        for (feature, span) in self.spans.iter().enumerate() {
            match groups.last_mut().filter(|group| group.likelihood == span.likelihood) {
                Some(group) => {
                    group.features.end = feature + 1;
                    group.input.end = span.input.end;
                    group.output.end = span.output.end;
                }
                None => groups.push(Group {
                    likelihood: span.likelihood,
                    features: feature..feature + 1,
                    input: span.input.clone(),
                    output: span.output.clone(),
                }),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_the_row_vector_without_gaps() {
        use Likelihood::{Bernoulli, Gaussian};
        let layout = Layout::new([("a", 1, 1, Gaussian), ("b", 1, 1, Gaussian), ("c", 1, 1, Bernoulli)]).unwrap();
        let groups = layout.groups();
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].input.clone(), groups[1].input.clone()), (0..2, 2..3));
        assert_eq!((layout.inputs(), layout.outputs(), layout.features()), (3, 3, 3));
    }

    #[test]
    fn a_likelihood_out_of_order_is_refused() {
        assert!(Layout::new([("a", 1, 1, Likelihood::Bernoulli), ("b", 1, 1, Likelihood::Gaussian)]).is_none());
    }
}
