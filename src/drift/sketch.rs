//! What a fit stores of how its rows are spread, and the bin of a value.

use std::ops::Range;

use crate::error::ModelFault;
use crate::feature::{Kind, Layout, Likelihood};
use crate::model::{Weight, Weights};
use crate::score::Tail;

/// Edges of the bins of numbers, and the bins: a bin holds what is above its lower edge and not above its upper one.
const EDGES: usize = 31;
const BINS: usize = EDGES + 1;

/// What the names of its tensors begin with.
const PREFIX: &str = "drift.";
const NAMES: [&str; 3] = ["edges", "counts", "classes"];

/// The bins of one thing that has a spread.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Binning {
    /// A number, by ascending edges.
    Number([f32; EDGES]),
    /// The number of a class, of so many.
    Class(usize),
    /// Whether it is there.
    Presence,
}

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum BinPlace {
    /// An element of the row vector.
    Element(usize),
    /// A dimension of the latent space.
    Latent(usize),
    Score,
}

/// Bins for every learned column, latent and score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binnings {
    all: Vec<(BinPlace, Binning)>,
    /// Those of each feature, then of the latents, then of the score.
    ranges: Vec<Range<usize>>,
    /// Where the counts of each begin, and after them the end.
    starts: Vec<usize>,
}

/// How rows of the fit fell into these bins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sketch {
    pub(super) gauges: Binnings,
    pub(super) counts: Vec<f32>,
}

/// Rows of the fit, of which a sketch is made.
pub(crate) struct SketchRows<'a> {
    /// `[rows, inputs]`, and what is known of it, if not all is.
    pub(crate) x: &'a [f32],
    pub(crate) known: Option<&'a [f32]>,
    /// `[rows, latent_dim]`.
    pub(crate) mean: &'a [f32],
}

impl Binning {
    /// Bins, that of missing values among them.
    pub(super) fn bins(&self) -> usize {
        1 + match self {
            Self::Number(_) => BINS,
            Self::Class(classes) => *classes,
            Self::Presence => 1,
        }
    }

    fn bin(&self, value: Option<f32>) -> usize {
        match (self, value) {
            (Self::Number(edges), Some(value)) => bin(edges, value),
            (Self::Class(classes), Some(class)) => (class as usize).min(classes - 1),
            (Self::Presence, Some(_)) => 0,
            (_, None) => self.bins() - 1,
        }
    }
}

/// How many of the edges a value is above: a search without a branch.
#[inline]
fn bin(edges: &[f32; EDGES], value: f32) -> usize {
    let mut at = 0;
    for step in [16, 8, 4, 2, 1] {
        at += step * usize::from(edges[at + step - 1] < value);
    }
    at
}

/// Edges that divide values, ascending, evenly, as far as equal ones allow.
fn edges(sorted: &[f32]) -> [f32; EDGES] {
    std::array::from_fn(|n| match sorted.len() {
        0 => 0.0,
        all => sorted[((n + 1) * all).div_ceil(BINS) - 1],
    })
}

impl Binnings {
    /// Those of features laid out so; numbers and latents take their edges from `edges`, in order.
    fn new(
        kinds: &[Kind],
        layout: &Layout,
        latent_dim: usize,
        edges: &mut dyn FnMut(BinPlace) -> [f32; EDGES],
        score: Option<[f32; EDGES]>,
    ) -> Self {
        let (mut all, mut ranges, mut element) = (Vec::new(), Vec::new(), 0);
        for kind in kinds {
            let (first, elements) = (all.len(), element..element + kind.elements());
            for place in elements.clone() {
                let span = &layout.spans()[place];
                let gauge = match span.likelihood {
                    _ if kind.feature().goes_on() && place > elements.start => continue,
                    _ if kind.feature().goes_on() => Binning::Presence,
                    Likelihood::Gaussian => Binning::Number(edges(BinPlace::Element(place))),
                    Likelihood::Bernoulli => Binning::Class(2),
                    Likelihood::Categorical => Binning::Class(span.output.len()),
                };
                all.push((BinPlace::Element(place), gauge));
            }
            element = elements.end;
            ranges.push(first..all.len());
        }
        let first = all.len();
        all.extend((0..latent_dim).map(|i| (BinPlace::Latent(i), Binning::Number(edges(BinPlace::Latent(i))))));
        ranges.push(first..all.len());
        let first = all.len();
        all.extend(score.map(|edges| (BinPlace::Score, Binning::Number(edges))));
        ranges.push(first..all.len());
        let ends = all.iter().scan(0, |end, (_, gauge)| {
            *end += gauge.bins();
            Some(*end)
        });
        let starts = [0].into_iter().chain(ends).collect();
        Self { all, ranges, starts }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Those of a feature, the latents, or the score, which come in this order; none of a score without calibration.
    pub(super) fn of(&self, n: usize) -> Range<usize> {
        self.ranges[n].clone()
    }

    /// The bins of one.
    pub(super) fn gauge(&self, n: usize) -> &Binning {
        &self.all[n].1
    }

    /// Where the counts of one are.
    pub(super) fn counts(&self, n: usize) -> Range<usize> {
        self.starts[n]..self.starts[n + 1]
    }

    /// The element of the row vector that one is of.
    pub(super) fn element(&self, n: usize) -> Option<usize> {
        match self.all[n].0 {
            BinPlace::Element(element) => Some(element),
            _ => None,
        }
    }

    /// Adds the bin that each value of a row falls into, in their order.
    pub(super) fn bins(&self, x: &[f32], known: Option<&[f32]>, mean: &[f32], score: Option<f32>, to: &mut Vec<u16>) {
        to.extend(self.all.iter().map(|(place, gauge)| {
            let value = match *place {
                BinPlace::Element(at) => known.is_none_or(|known| known[at] > 0.0).then(|| x[at]),
                BinPlace::Latent(at) => Some(mean[at]),
                BinPlace::Score => score,
            };
            gauge.bin(value) as u16
        }));
    }
}

impl Sketch {
    /// That of some training rows, and of the scores of calibration rows, if there are any.
    pub(crate) fn of(kinds: &[Kind], layout: &Layout, rows: &SketchRows<'_>, calibration: Option<&Tail>) -> Self {
        let inputs = layout.inputs();
        let latent_dim = rows.mean.len() * inputs / rows.x.len().max(1);
        let mut column = Vec::new();
        let mut edges_of = |place: BinPlace| {
            column.clear();
            match place {
                BinPlace::Latent(i) => column.extend(rows.mean.iter().skip(i).step_by(latent_dim)),
                BinPlace::Element(at) => {
                    let is_known = |row: usize| rows.known.is_none_or(|known| known[row * inputs + at] > 0.0);
                    let known = (0..rows.x.len() / inputs).filter(|&row| is_known(row));
                    column.extend(known.map(|row| rows.x[row * inputs + at]));
                }
                BinPlace::Score => {}
            }
            column.sort_unstable_by(f32::total_cmp);
            edges(&column)
        };
        let gauges = Binnings::new(kinds, layout, latent_dim, &mut edges_of, None);
        let (mut counts, mut bins) = (vec![0.0; gauges.starts[gauges.len()]], Vec::new());
        for (row, (x, mean)) in rows.x.chunks_exact(inputs).zip(rows.mean.chunks_exact(latent_dim)).enumerate() {
            bins.clear();
            gauges.bins(x, rows.known.map(|known| &known[row * inputs..][..inputs]), mean, None, &mut bins);
            bins.iter().zip(&gauges.starts).for_each(|(bin, start)| counts[start + *bin as usize] += 1.0);
        }
        Self { gauges, counts }.with_score(kinds, layout, latent_dim, calibration)
    }

    /// The same with the bins of a score.
    fn with_score(self, kinds: &[Kind], layout: &Layout, latent_dim: usize, calibration: Option<&Tail>) -> Self {
        let Some(tail) = calibration else { return self };
        let (edges, of_score) = levels(tail);
        let mut known = self.gauges.all.iter().filter_map(|(_, gauge)| match gauge {
            Binning::Number(edges) => Some(*edges),
            _ => None,
        });
        let gauges =
            Binnings::new(kinds, layout, latent_dim, &mut |_| known.next().unwrap_or([0.0; EDGES]), Some(edges));
        Self { gauges, counts: self.counts.iter().copied().chain(of_score).collect() }
    }

    /// The bins.
    pub(super) fn gauges(&self) -> &Binnings {
        &self.gauges
    }

    /// Whether a tensor is part of one.
    pub(crate) fn has(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// Its tensors, by name; the score's follow from the calibration.
    pub(crate) fn tensors(&self) -> Weights {
        let (mut all_edges, mut numbers, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (place, gauge)) in self.gauges.all.iter().enumerate() {
            let counts = &self.counts[self.gauges.counts(n)];
            match gauge {
                _ if *place == BinPlace::Score => {}
                Binning::Number(edges) => {
                    all_edges.extend_from_slice(edges);
                    numbers.extend_from_slice(counts);
                }
                _ => classes.extend_from_slice(counts),
            }
        }
        let rows = all_edges.len() / EDGES;
        let shapes = [vec![rows, EDGES], vec![rows, BINS + 1], vec![classes.len()]];
        let tensor = |(name, (shape, values))| (format!("{PREFIX}{name}"), Weight { shape, values });
        NAMES.into_iter().zip(shapes.into_iter().zip([all_edges, numbers, classes])).map(tensor).collect()
    }

    /// The one in these tensors, which may hold nothing else; none of a model without any.
    ///
    /// # Errors
    /// A [`ModelFault`] if a tensor is missing, of another shape, not finite or of no use.
    pub(crate) fn from_tensors(
        mut tensors: Weights,
        kinds: &[Kind],
        layout: &Layout,
        latent_dim: usize,
        calibration: Option<&Tail>,
    ) -> Result<Option<Self>, ModelFault> {
        if tensors.is_empty() {
            return Ok(None);
        }
        let empty = Binnings::new(kinds, layout, latent_dim, &mut |_| [0.0; EDGES], None);
        let numbers = empty.all.iter().filter(|(_, gauge)| matches!(gauge, Binning::Number(_))).count();
        let classes = empty.starts[empty.len()] - numbers * (BINS + 1);
        let shapes = [vec![numbers, EDGES], vec![numbers, BINS + 1], vec![classes]];
        let mut values = Vec::new();
        for (name, shape) in NAMES.into_iter().zip(shapes) {
            let name = format!("{PREFIX}{name}");
            let Some(tensor) = tensors.remove(&name) else { return Err(ModelFault::MissingTensor { name }) };
            tensor.check(&name, &shape)?;
            values.push(tensor.values);
        }
        if let Some(name) = tensors.into_keys().next() {
            return Err(ModelFault::UnknownTensor { name });
        }
        let ascend = |edges: &[f32]| edges.windows(2).all(|pair| pair[0] <= pair[1]);
        let counts = |counts: &Vec<f32>| counts.iter().all(|count| *count >= 0.0);
        if !values[0].chunks_exact(EDGES).all(ascend) || !values[1..].iter().all(counts) {
            return Err(ModelFault::Contradiction("the sketch of its rows is none".to_owned()));
        }
        let mut edges = values[0].chunks_exact(EDGES).flat_map(<[f32; EDGES]>::try_from);
        let gauges = Binnings::new(kinds, layout, latent_dim, &mut |_| edges.next().unwrap_or([0.0; EDGES]), None);
        let (mut numbers, mut classes) = (values[1].iter(), values[2].iter());
        let mut counts = Vec::new();
        for (_, gauge) in &gauges.all {
            let from = if matches!(gauge, Binning::Number(_)) { &mut numbers } else { &mut classes };
            counts.extend(from.take(gauge.bins()));
        }
        Ok(Some(Self { gauges, counts }.with_score(kinds, layout, latent_dim, calibration)))
    }
}

/// Edges and counts of the scores of a tail.
fn levels(tail: &Tail) -> ([f32; EDGES], Vec<f32>) {
    let (mut below, mut last, mut levels) = (0, 0.0, tail.counted().peekable());
    let edges = std::array::from_fn(|n| {
        let enough = ((n as u64 + 1) * tail.rows()).div_ceil(BINS as u64);
        while let Some((score, count)) = levels.next_if(|_| below < enough) {
            (below, last) = (below + count, score);
        }
        last
    });
    let mut counts = vec![0.0; BINS + 1];
    tail.counted().for_each(|(score, count)| counts[bin(&edges, score)] += count as f32);
    (edges, counts)
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

    #[test]
    fn the_scores_of_a_tail_fall_into_even_bins() {
        let (edges, counts) = levels(&Tail::of((0..6400).map(|n| n as f32).collect()));
        assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(counts.iter().sum::<f32>(), 6400.0);
        assert!(counts[..BINS].iter().all(|count| (count - 200.0).abs() < 30.0), "{counts:?}");
        let (edges, counts) = levels(&Tail::of(vec![7.0; 9]));
        assert_eq!((edges, counts[0]), ([7.0; EDGES], 9.0));
    }
}
