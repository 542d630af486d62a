//! The bins of one quantity.

use super::divergence::{class_bins, even_bins};

/// Edges and bins of numbers. A bin holds the values above its lower edge, up to and including its upper one.
pub(super) const EDGES: usize = 31;
pub(super) const BINS: usize = EDGES + 1;

/// The bins of one quantity; the last one is for missing values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Binning {
    /// A number, binned by ascending edges.
    Number([f32; EDGES]),
    /// A class number, with this many classes.
    Class(usize),
    /// Known or missing.
    Presence,
}

impl Binning {
    /// The merged bin of each bin, by the counts at fit: about ten of numbers, rare classes together, and missing values alone.
    pub(super) fn merged(&self, fit: &[f64]) -> Vec<usize> {
        let known = &fit[..fit.len() - 1];
        let mut bins = match self {
            Self::Number(_) => even_bins(known),
            _ => class_bins(known),
        };
        bins.push(bins.iter().max().map_or(0, |last| last + 1));
        bins
    }

    /// The number of bins, including that of missing values.
    pub(super) fn bins(&self) -> usize {
        1 + match self {
            Self::Number(_) => BINS,
            Self::Class(classes) => *classes,
            Self::Presence => 1,
        }
    }

    /// The bin of a value; `None` is missing.
    pub(super) fn bin(&self, value: Option<f32>) -> usize {
        match (self, value) {
            (Self::Number(edges), Some(value)) => bin(edges, value),
            (Self::Class(classes), Some(class)) => (class as usize).min(classes - 1),
            (Self::Presence, Some(_)) => 0,
            (_, None) => self.bins() - 1,
        }
    }
}

/// The number of edges below a value, by a branchless binary search.
#[inline]
pub(super) fn bin(edges: &[f32; EDGES], value: f32) -> usize {
    let mut at = 0;
    for step in [16, 8, 4, 2, 1] {
        at += step * usize::from(edges[at + step - 1] < value);
    }
    at
}

/// Edges that split ascending values into even bins, as far as ties allow.
pub(super) fn edges(sorted: &[f32]) -> [f32; EDGES] {
    std::array::from_fn(|n| match sorted.len() {
        0 => 0.0,
        all => sorted[((n + 1) * all).div_ceil(BINS) - 1],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bin_whose_upper_edge_is_the_first_not_below_it() {
        let sorted: Vec<f32> = (1..=64).map(|n| n as f32).collect();
        let edges = edges(&sorted);
        assert_eq!((edges[0], edges[1], edges[30]), (2.0, 4.0, 62.0));
        let by_search = |value: f32| edges.partition_point(|&edge| edge < value);
        for value in (0..140).map(|n| n as f32 / 2.0).chain([f32::INFINITY, f32::NEG_INFINITY]) {
            assert_eq!(bin(&edges, value), by_search(value), "{value}");
        }
    }
}
