//! How common the values of a row are, each by itself: a histogram of each element of the row vector.

use std::ops::Range;

use crate::batch::Batch;
use crate::feature::{Layout, Likelihood};

/// Bins between the lowest and the highest value of a number. One more on either side is for values beyond.
const BINS: usize = 32;

/// Where in its bin the lowest value is: values that are evenly spaced are not at the edges of bins then, at which rounding would
/// decide (the golden section).
const OFFSET: f32 = 0.381_966;

/// The least range that is divided into bins, on the model's scale.
const LEAST_RANGE: f32 = 1e-3;

/// Histograms of training rows: -ln of the share of the rows in a bin, for each element.
///
/// Shares are smoothed by half a row in each bin (Krichevsky & Trofimov 1981, "The performance of universal encoding"). Their sum
/// over the elements is the score of Goldstein & Dengel 2012, "Histogram-based outlier score".
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Marginals {
    /// `[inputs]`: bins per unit of each element.
    pub(crate) per_unit: Vec<f32>,
    /// `[inputs]`: the place of 0 among the bins.
    pub(crate) zero: Vec<f32>,
    /// `[bins of all elements]`: -ln of the share of the rows, in nats.
    pub(crate) nats: Vec<f32>,
    /// `[inputs + 1]`: the first bin of each element.
    starts: Vec<usize>,
}

/// The first bin of each element, and the end of the last.
fn starts(layout: &Layout) -> Vec<usize> {
    let bins = layout.spans().iter().map(|span| match span.likelihood {
        Likelihood::Gaussian => BINS + 2,
        Likelihood::Bernoulli => 2,
        Likelihood::Categorical => span.output.len(),
    });
    let ends = bins.scan(0, |end, bins| {
        *end += bins;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

impl Marginals {
    /// Most elements of rows that `combined` compares by single values: of wider ones, pixels or embeddings, each says little.
    pub(crate) const WIDEST: usize = 64;

    /// Counts rows, `[rows, inputs]`; NaN where missing.
    pub(crate) fn of(rows: &[f32], layout: &Layout) -> Self {
        let (inputs, starts) = (layout.inputs(), starts(layout));
        let (mut per_unit, mut zero) = (vec![1.0; inputs], vec![OFFSET; inputs]);
        for element in 0..layout.gaussians() {
            let values = rows.iter().skip(element).step_by(inputs).filter(|value| value.is_finite());
            let range = values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &it| [low.min(it), high.max(it)]);
            if range[0] <= range[1] {
                per_unit[element] = (BINS - 1) as f32 / (range[1] - range[0]).max(LEAST_RANGE);
                zero[element] = 1.0 + OFFSET - range[0] * per_unit[element];
            }
        }
        let mut marginals = Self { per_unit, zero, nats: vec![0.0; starts[inputs]], starts };
        let (mut counts, mut known) = (vec![0.0; marginals.nats.len()], vec![0.0; inputs]);
        for row in rows.chunks_exact(inputs) {
            for (element, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                counts[marginals.bin(element, *value)] += 1.0;
                known[element] += 1.0;
            }
        }
        for (element, known) in known.into_iter().enumerate() {
            let bins = marginals.bins_of(element);
            let all = known + 0.5 * bins.len() as f64;
            bins.for_each(|bin| marginals.nats[bin] = -((counts[bin] + 0.5) / all).ln() as f32);
        }
        marginals
    }

    /// Histograms with these parts; `None` if they are not of this layout.
    pub(crate) fn from_parts([per_unit, zero, nats]: [Vec<f32>; 3], layout: &Layout) -> Option<Self> {
        let starts = starts(layout);
        let is_valid = per_unit.len() == layout.inputs()
            && zero.len() == layout.inputs()
            && nats.len() == starts[layout.inputs()]
            && per_unit.iter().all(|it| *it > 0.0)
            && nats.iter().all(|it| *it >= 0.0);
        is_valid.then_some(Self { per_unit, zero, nats, starts })
    }

    /// Bins of all elements of a layout.
    pub(crate) fn bins(layout: &Layout) -> usize {
        starts(layout)[layout.inputs()]
    }

    /// The bins of an element.
    pub(crate) fn bins_of(&self, element: usize) -> Range<usize> {
        self.starts[element]..self.starts[element + 1]
    }

    /// The bin of a value.
    #[inline]
    fn bin(&self, element: usize, value: f32) -> usize {
        let bins = self.bins_of(element);
        // A negative place is that of the first bin.
        bins.start + ((value * self.per_unit[element] + self.zero[element]) as usize).min(bins.len() - 1)
    }

    /// -ln of the share of rows with such a value, in nats.
    #[inline]
    fn nats_of(&self, element: usize, value: f32) -> f32 {
        self.nats[self.bin(element, value)]
    }

    /// By how much that of each element is above -ln of the share of its commonest values; 0 where missing.
    pub(super) fn excesses(&self, x: &[f32], known: &[f32]) -> Vec<f32> {
        let excess = |(element, (x, known)): (usize, (&f32, &f32))| match *known > 0.0 {
            true => {
                let least = self.nats[self.bins_of(element)].iter().copied().fold(f32::INFINITY, f32::min);
                self.nats_of(element, *x) - least
            }
            false => 0.0,
        };
        x.iter().zip(known).enumerate().map(excess).collect()
    }

    /// For each row the sum over its known elements, scaled by elements / known elements; NaN without one.
    pub(super) fn scores(&self, batch: &Batch) -> Vec<f32> {
        let inputs = self.per_unit.len();
        let row = |(row, x): (usize, &[f32])| {
            let Some(known) = &batch.known else {
                return x.iter().enumerate().map(|(element, x)| self.nats_of(element, *x)).sum();
            };
            let known = &known[row * inputs..][..inputs];
            let each = x.iter().zip(known).enumerate().filter(|(_, (_, known))| **known > 0.0);
            let sum: f32 = each.map(|(element, (x, _))| self.nats_of(element, *x)).sum();
            sum * inputs as f32 / known.iter().sum::<f32>()
        };
        batch.x.chunks_exact(inputs).enumerate().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Shape;

    /// A number, a flag and a category of three words.
    fn layout() -> Layout {
        let shapes = [Shape::of(Likelihood::Gaussian, 1), Shape::of(Likelihood::Bernoulli, 1), Shape::category(3)];
        Layout::new(shapes.map(|shape| (shape, false))).unwrap()
    }

    #[test]
    fn a_value_counts_by_the_rows_in_its_bin() {
        let layout = layout();
        // The numbers 0 to 31, so that each has a bin; one flag in four; two words of three.
        let rows = (0..32).flat_map(|n: u8| [f32::from(n), f32::from(n.is_multiple_of(4)), f32::from(n % 2)]);
        let marginals = Marginals::of(&rows.collect::<Vec<_>>(), &layout);
        let close = |x: [f32; 3], shares: [f32; 3]| {
            let batch = Batch::new(vec![0], x.to_vec(), &layout);
            let nats: f32 = shares.iter().map(|share| -share.ln()).sum();
            let expected = nats * 3.0 / x.iter().filter(|x| !x.is_nan()).count() as f32;
            let found = marginals.scores(&batch)[0];
            assert!((found - expected).abs() < 1e-5, "{x:?}: {found}, {expected}");
        };
        // Half a row more in each bin: of 34 bins, of 2, of 3.
        let (one, none) = (1.5 / 49.0, 0.5 / 49.0);
        close([7.0, 1.0, 0.0], [one, 8.5 / 33.0, 16.5 / 33.5]);
        close([31.0, 0.0, 2.0], [one, 24.5 / 33.0, 0.5 / 33.5]);
        close([-1.0, 0.0, 1.0], [none, 24.5 / 33.0, 16.5 / 33.5]);
        close([1e30, 0.0, 1.0], [none, 24.5 / 33.0, 16.5 / 33.5]);
        close([f32::NAN, 0.0, f32::NAN], [1.0, 24.5 / 33.0, 1.0]);
        let excess = |flag: f32| marginals.excesses(&[7.0, flag, 0.0], &[0.0, 1.0, 0.0])[1];
        assert!((excess(1.0) - (24.5_f32 / 8.5).ln()).abs() < 1e-6);
        assert_eq!(excess(0.0), 0.0);
    }

    #[test]
    fn a_number_that_never_varies_or_is_never_known_has_bins() {
        let rows = [2.0, 0.0, f32::NAN, 2.0, 1.0, f32::NAN];
        let marginals = Marginals::of(&rows, &layout());
        assert!(marginals.nats_of(0, 2.0) < marginals.nats_of(0, 2.1));
        assert!((marginals.nats_of(2, 1.0) - 3_f32.ln()).abs() < 1e-6, "without a row every word is as likely");
        let Marginals { per_unit, zero, nats, .. } = marginals.clone();
        let rebuilt = Marginals::from_parts([per_unit.clone(), zero.clone(), nats.clone()], &layout());
        assert_eq!(rebuilt, Some(marginals));
        assert_eq!(Marginals::from_parts([per_unit, zero, nats[1..].to_vec()], &layout()), None);
    }
}
