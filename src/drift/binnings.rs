//! The bins of every learned column, latent and score.

use std::ops::Range;

use super::binning::{Binning, EDGES};
use crate::feature::{Kind, Layout, Likelihood};

/// A quantity with a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BinnedQuantity {
    /// An element of the row vector.
    Element(usize),
    /// A dimension of the latent space.
    Latent(usize),
    Score,
}

/// The bins of every learned column, latent and score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binnings {
    pub(super) all: Vec<(BinnedQuantity, Binning)>,
    /// The indices of each feature's binnings, then those of the latents, then that of the score.
    pub(super) ranges: Vec<Range<usize>>,
    /// The first count of each binning, then the number of counts.
    pub(super) starts: Vec<usize>,
}

impl Binnings {
    /// The binnings of features and latents, with edges from `edges`, called in order; and of a score.
    pub(super) fn new(
        kinds: &[Kind],
        layout: &Layout,
        latent_dim: usize,
        edges: &mut dyn FnMut(BinnedQuantity) -> [f32; EDGES],
        score: Option<[f32; EDGES]>,
    ) -> Self {
        let (mut all, mut ranges, mut element) = (Vec::new(), Vec::new(), 0);
        for kind in kinds {
            let (first, elements) = (all.len(), element..element + kind.feature().shape().elements);
            for index in elements.clone() {
                let span = &layout.spans()[index];
                let binning = match span.likelihood {
                    _ if kind.feature().grows_over_time() && index > elements.start => continue,
                    _ if kind.feature().grows_over_time() => Binning::Presence,
                    Likelihood::Gaussian => Binning::Number(edges(BinnedQuantity::Element(index))),
                    Likelihood::Bernoulli => Binning::Class(2),
                    Likelihood::Categorical => Binning::Class(span.output.len()),
                };
                all.push((BinnedQuantity::Element(index), binning));
            }
            element = elements.end;
            ranges.push(first..all.len());
        }
        let first = all.len();
        all.extend(
            (0..latent_dim).map(|i| (BinnedQuantity::Latent(i), Binning::Number(edges(BinnedQuantity::Latent(i))))),
        );
        ranges.push(first..all.len());
        let first = all.len();
        all.extend(score.map(|edges| (BinnedQuantity::Score, Binning::Number(edges))));
        ranges.push(first..all.len());
        let ends = all.iter().scan(0, |end, (_, binning)| {
            *end += binning.bins();
            Some(*end)
        });
        let starts = [0].into_iter().chain(ends).collect();
        Self { all, ranges, starts }
    }

    /// The number of binnings.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The indices of a feature's binnings; after the features come the latents, then the score, empty without
    /// calibration.
    pub(super) fn of(&self, n: usize) -> Range<usize> {
        self.ranges[n].clone()
    }

    /// A binning by index.
    pub(super) fn binning(&self, n: usize) -> &Binning {
        &self.all[n].1
    }

    /// Whether a binning is of a latent dimension that is inactive: the middle two thirds of its posterior means are within
    /// 0.2, as those of a variance of 0.01 are (Burda et al. 2016). It says nothing of a row.
    pub(super) fn is_inactive(&self, n: usize) -> bool {
        match &self.all[n] {
            (BinnedQuantity::Latent(_), Binning::Number(edges)) => edges[EDGES - 5] - edges[4] <= 0.2,
            _ => false,
        }
    }

    /// The range of a binning's counts.
    pub(super) fn counts(&self, n: usize) -> Range<usize> {
        self.starts[n]..self.starts[n + 1]
    }

    /// The element of the row vector that a binning is for, if any.
    pub(super) fn element(&self, n: usize) -> Option<usize> {
        match self.all[n].0 {
            BinnedQuantity::Element(element) => Some(element),
            _ => None,
        }
    }

    /// Appends the bin of each value of a row, in order.
    pub(super) fn bins(&self, x: &[f32], known: Option<&[f32]>, mean: &[f32], score: Option<f32>, to: &mut Vec<u16>) {
        to.extend(self.all.iter().map(|(quantity, binning)| {
            let value = match *quantity {
                BinnedQuantity::Element(at) => known.is_none_or(|known| known[at] > 0.0).then(|| x[at]),
                BinnedQuantity::Latent(at) => Some(mean[at]),
                BinnedQuantity::Score => score,
            };
            binning.bin(value) as u16
        }));
    }
}
