//! The drift baseline of a fit: histograms of its columns, latents and scores.

use std::ops::Range;

use super::binning::{BINS, Binning, EDGES, bin, edges};
use super::binnings::{BinnedQuantity, Binnings};
use super::given_effects::{GivenEffects, regressors};
use super::post_stratification::PostStratification;
use super::usual::{parts, usual};
use crate::error::ModelFault;
use crate::feature::{COLUMNS_PER_BLOCK, Features, Kind, Layout};
use crate::model::{Weight, Weights};
use crate::pipeline::Pool;
use crate::score::Tail;

/// Prefix of the tensor names.
const PREFIX: &str = "drift.";
const TENSOR_NAMES: [&str; 3] = ["edges", "counts", "classes"];

/// Rows that are binned at once.
const ROWS_PER_BLOCK: usize = 1024;

/// The tensor of what follows from given columns.
const GIVEN: &str = "given";

/// The largest usual index in a file: that of two parts with nothing in common is less.
const MOST_USUAL: f32 = 1e3;

/// The tensor of what is usual.
const USUAL: &str = "usual";

/// The drift baseline: bins, and counts of rows of the fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sketch {
    /// What follows from given columns, which is not binned; absent if none are given.
    pub(super) given: Option<GivenEffects>,
    /// How rows are weighted like those they are compared with, by what is given of them.
    pub(super) strata: Option<PostStratification>,
    pub(super) binnings: Binnings,
    pub(super) counts: Vec<f32>,
    /// The index of each binning that is usual among the rows of the fit; empty if that was not measured.
    usual: Vec<f32>,
}

/// Rows of the fit from which a baseline is made.
pub(crate) struct SketchRows<'a> {
    /// What was taken from `x` and `mean` since it follows from given columns.
    pub(crate) given: Option<GivenEffects>,
    /// `[rows, inputs]`, and the mask of known values, if some are missing.
    pub(crate) x: &'a [f32],
    pub(crate) known: Option<&'a [f32]>,
    /// `[rows, latent_dim]`.
    pub(crate) mean: &'a [f32],
    /// `[rows, divisions]`: the strata of the rows.
    pub(crate) strata: &'a [u16],
    /// Scores of training rows, in their order, and the strata of these rows.
    pub(crate) scores: &'a [Option<f32>],
    pub(crate) strata_of_scores: &'a [u16],
}

impl Sketch {
    /// Makes the baseline of training rows, and of the scores of calibration rows, if there are any.
    pub(crate) fn of(
        features: &Features,
        layout: &Layout,
        rows: &SketchRows<'_>,
        calibration: Option<&Tail>,
        pool: &Pool,
    ) -> Self {
        let (kinds, inputs) = (features.kinds(), layout.inputs());
        let latent_dim = rows.mean.len() * inputs / rows.x.len().max(1);
        let of_elements = pool.answers(0..inputs.div_ceil(COLUMNS_PER_BLOCK), |block| {
            let elements = block * COLUMNS_PER_BLOCK..inputs.min((block + 1) * COLUMNS_PER_BLOCK);
            column_edges(elements, (rows.x, inputs), rows.known)
        });
        let of_elements = of_elements.concat();
        let of_latents = column_edges(0..latent_dim, (rows.mean, latent_dim), None);
        let mut edges_of = |quantity: BinnedQuantity| match quantity {
            BinnedQuantity::Element(at) => of_elements[at],
            BinnedQuantity::Latent(at) => of_latents[at],
            BinnedQuantity::Score => [0.0; EDGES],
        };
        let binnings = Binnings::new(kinds, layout, latent_dim, &mut edges_of, None);
        let (all, of_row) = (rows.x.len() / inputs, binnings.len());
        let counted = pool.answers(0..all.div_ceil(ROWS_PER_BLOCK), |block| {
            let (mut counted, mut bins) = (Vec::new(), Vec::new());
            for row in block * ROWS_PER_BLOCK..all.min((block + 1) * ROWS_PER_BLOCK) {
                let known = rows.known.map(|known| &known[row * inputs..][..inputs]);
                let (x, mean) = (&rows.x[row * inputs..][..inputs], &rows.mean[row * latent_dim..][..latent_dim]);
                bins.clear();
                binnings.bins(x, known, mean, None, &mut bins);
                counted.extend(bins.iter().zip(&binnings.starts).map(|(bin, start)| start + *bin as usize));
            }
            counted
        });
        let counted = counted.concat();
        let of_parts = pool.answers(0..parts(all).len(), |part| {
            let (mut counts, part) = (vec![0.0; binnings.starts[of_row]], &parts(all)[part]);
            counted[part.start * of_row..part.end * of_row].iter().for_each(|&bin| counts[bin] += 1.0);
            counts
        });
        let mut usual_of = pool.answers(0..binnings.len(), |n| {
            let counts: Vec<&[f64]> = of_parts.iter().map(|counts| &counts[binnings.counts(n)]).collect();
            usual(binnings.binning(n), &counts)
        });
        usual_of.push(usual_score(rows.scores.iter().flatten().copied().collect()));
        let sum = |at: usize| of_parts.iter().map(|counts| counts[at]).sum::<f64>() as f32;
        let counts = (0..binnings.starts[binnings.len()]).map(sum).collect();
        let (given, of_rows) = (rows.given.clone(), rows.strata);
        let strata = PostStratification::fit(&features.strata(), of_rows, &counted, binnings.starts[of_row]);
        let mut sketch = Self { given, strata, binnings, counts, usual: usual_of }.with_score(
            kinds,
            layout,
            latent_dim,
            calibration,
        );
        if let Some((BinnedQuantity::Score, Binning::Number(edges))) = sketch.binnings.all.last() {
            let bins: Vec<Option<usize>> = rows.scores.iter().map(|score| Some(bin(edges, (*score)?))).collect();
            sketch.strata = sketch.strata.map(|strata| strata.with_score(rows.strata_of_scores, &bins));
        }
        sketch
    }

    /// Adds the bins and counts of the score.
    fn with_score(self, kinds: &[Kind], layout: &Layout, latent_dim: usize, calibration: Option<&Tail>) -> Self {
        let Some(tail) = calibration else { return self };
        let (edges, score_counts) = score_bins(tail);
        let mut known = self.binnings.all.iter().filter_map(|(_, binning)| match binning {
            Binning::Number(edges) => Some(*edges),
            _ => None,
        });
        let binnings =
            Binnings::new(kinds, layout, latent_dim, &mut |_| known.next().unwrap_or([0.0; EDGES]), Some(edges));
        Self { binnings, counts: self.counts.iter().copied().chain(score_counts).collect(), ..self }
    }

    /// The same baseline, with the bins and counts of other calibration scores.
    pub(crate) fn recalibrated(
        &self,
        kinds: &[Kind],
        layout: &Layout,
        latent_dim: usize,
        calibration: Option<&Tail>,
    ) -> Self {
        let score = self.binnings.of(self.binnings.ranges.len() - 1);
        let counts = self.counts[..self.binnings.starts[score.start]].to_vec();
        let strata = self.strata.clone().map(PostStratification::without_score);
        Self { counts, strata, ..self.clone() }.with_score(kinds, layout, latent_dim, calibration)
    }

    /// The index of a binning that is usual; 0 if that is not known.
    pub(super) fn usual(&self, n: usize) -> f64 {
        self.usual.get(n).copied().unwrap_or_default().into()
    }

    /// The counts of each binning in the rows of the fit, weighted like rows whose strata were counted.
    pub(super) fn weighted_counts(&self, strata: &[u64]) -> impl Fn(usize) -> Vec<f64> {
        let rows = self.binnings.counts(0).map(|at| f64::from(self.counts[at])).sum();
        let weights = self.strata.as_ref().map(|it| (it, it.weights(strata, rows)));
        move |n| {
            let bins = self.binnings.counts(n);
            let counts: Vec<f64> = self.counts[bins.clone()].iter().map(|&count| count.into()).collect();
            match &weights {
                None => counts,
                Some((it, weights)) if self.binnings.all[n].0 == BinnedQuantity::Score => {
                    it.weighted_score(&counts, weights)
                }
                Some((it, weights)) => it.weighted(&counts, bins, weights),
            }
        }
    }

    /// The binnings.
    pub(super) fn binnings(&self) -> &Binnings {
        &self.binnings
    }

    /// Whether a tensor name belongs to the baseline.
    pub(crate) fn has_tensor(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// The baseline as tensors, by name, without the score, which follows from the calibration.
    pub(crate) fn tensors(&self) -> Weights {
        let (mut all_edges, mut numbers, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (quantity, binning)) in self.binnings.all.iter().enumerate() {
            let counts = &self.counts[self.binnings.counts(n)];
            match binning {
                _ if *quantity == BinnedQuantity::Score => {}
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
        let mut tensors: Weights =
            TENSOR_NAMES.into_iter().zip(shapes.into_iter().zip([all_edges, numbers, classes])).map(tensor).collect();
        if !self.usual.is_empty() {
            let tensor = Weight { shape: vec![self.usual.len()], values: self.usual.clone() };
            tensors.insert(format!("{PREFIX}{USUAL}"), tensor);
        }
        if let Some(effects) = &self.given {
            let (width, values) = (regressors(effects.inputs()), effects.coefficients.clone());
            tensors.insert(format!("{PREFIX}{GIVEN}"), Weight { shape: vec![values.len() / width, width], values });
        }
        let of_strata = self.strata.iter().flat_map(PostStratification::tensors);
        tensors.extend(of_strata.map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor)));
        tensors
    }

    /// Reads the baseline from tensors, which may hold nothing else; `None` if there are none.
    ///
    /// # Errors
    /// A [`ModelFault`] if a tensor is missing, has another shape, is not finite or is invalid.
    pub(crate) fn from_tensors(
        mut tensors: Weights,
        features: &Features,
        latent_dim: usize,
        calibration: Option<&Tail>,
    ) -> Result<Option<Self>, ModelFault> {
        if tensors.is_empty() {
            return Ok(None);
        }
        let (kinds, layout) = (features.kinds(), features.layout());
        let empty = Binnings::new(kinds, layout, latent_dim, &mut |_| [0.0; EDGES], None);
        let numbers = empty.all.iter().filter(|(_, binning)| matches!(binning, Binning::Number(_))).count();
        let classes = empty.starts[empty.len()] - numbers * (BINS + 1);
        let shapes = [vec![numbers, EDGES], vec![numbers, BINS + 1], vec![classes]];
        let mut values = Vec::new();
        for (name, shape) in TENSOR_NAMES.into_iter().zip(shapes) {
            let name = format!("{PREFIX}{name}");
            let Some(tensor) = tensors.remove(&name) else { return Err(ModelFault::MissingTensor { name }) };
            tensor.check(&name, &shape)?;
            values.push(tensor.values);
        }
        let (inputs, name) = (layout.given().inputs(), format!("{PREFIX}{GIVEN}"));
        let effects = |tensor: Weight| {
            tensor.check(&name, &[layout.gaussians() + latent_dim, regressors(inputs)])?;
            Ok(GivenEffects::new(inputs, tensor.values))
        };
        let given = tensors.remove(&name).filter(|_| inputs > 0).map(effects).transpose()?;
        let strata = PostStratification::take(&mut tensors, PREFIX, features.strata(), empty.starts[empty.len()])?;
        // That of the score is the last.
        let name = format!("{PREFIX}{USUAL}");
        let usual = tensors.remove(&name).map(|tensor| tensor.check(&name, &[empty.len() + 1]).map(|()| tensor.values));
        let usual = usual.transpose()?.unwrap_or_default();
        if !usual.iter().all(|usual| (0.0..MOST_USUAL).contains(usual)) {
            return Err(ModelFault::Contradiction("the drift baseline is invalid".to_owned()));
        }
        if let Some(name) = tensors.into_keys().next() {
            return Err(ModelFault::UnknownTensor { name });
        }
        let ascending = |edges: &[f32]| edges.windows(2).all(|pair| pair[0] <= pair[1]);
        let counts = |counts: &Vec<f32>| counts.iter().all(|count| *count >= 0.0);
        if !values[0].chunks_exact(EDGES).all(ascending) || !values[1..].iter().all(counts) {
            return Err(ModelFault::Contradiction("the drift baseline is invalid".to_owned()));
        }
        let mut edges = values[0].chunks_exact(EDGES).flat_map(<[f32; EDGES]>::try_from);
        let binnings = Binnings::new(kinds, layout, latent_dim, &mut |_| edges.next().unwrap_or([0.0; EDGES]), None);
        let (mut numbers, mut classes) = (values[1].iter(), values[2].iter());
        let mut counts = Vec::new();
        for (_, binning) in &binnings.all {
            let from = if matches!(binning, Binning::Number(_)) { &mut numbers } else { &mut classes };
            counts.extend(from.take(binning.bins()));
        }
        Ok(Some(Self { given, strata, binnings, counts, usual }.with_score(kinds, layout, latent_dim, calibration)))
    }
}

/// The index of the score that is usual, from scores of training rows in their order.
fn usual_score(scores: Vec<f32>) -> f32 {
    let mut sorted = scores.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let binning = Binning::Number(edges(&sorted));
    let of_parts = parts(scores.len()).into_iter().map(|part| {
        let mut counts = vec![0.0; binning.bins()];
        scores[part].iter().for_each(|&score| counts[binning.bin(Some(score))] += 1.0);
        counts
    });
    let of_parts: Vec<Vec<f64>> = of_parts.collect();
    usual(&binning, &of_parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The edges of some columns of rows, `[rows, width]`, from their known values.
fn column_edges(columns: Range<usize>, (rows, width): (&[f32], usize), known: Option<&[f32]>) -> Vec<[f32; EDGES]> {
    let mut values = vec![Vec::new(); columns.len()];
    for (n, row) in rows.chunks_exact(width).enumerate() {
        for (values, column) in values.iter_mut().zip(columns.clone()) {
            if known.is_none_or(|known| known[n * width + column] > 0.0) {
                values.push(row[column]);
            }
        }
    }
    let of_column = |mut values: Vec<f32>| {
        values.sort_unstable_by(f32::total_cmp);
        edges(&values)
    };
    values.into_iter().map(of_column).collect()
}

/// The edges and counts of calibration scores.
fn score_bins(tail: &Tail) -> ([f32; EDGES], Vec<f32>) {
    let (mut below, mut last, mut scores) = (0, 0.0, tail.counts().peekable());
    let edges = std::array::from_fn(|n| {
        let enough = ((n as u64 + 1) * tail.rows()).div_ceil(BINS as u64);
        while let Some((score, count)) = scores.next_if(|_| below < enough) {
            (below, last) = (below + count, score);
        }
        last
    });
    let mut counts = vec![0.0; BINS + 1];
    tail.counts().for_each(|(score, count)| counts[bin(&edges, score)] += count as f32);
    (edges, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scores_of_a_tail_fall_into_even_bins() {
        let (edges, counts) = score_bins(&Tail::of((0..6400).map(|n| n as f32).collect()));
        assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(counts.iter().sum::<f32>(), 6400.0);
        assert!(counts[..BINS].iter().all(|count| (count - 200.0).abs() < 30.0), "{counts:?}");
        let (edges, counts) = score_bins(&Tail::of(vec![7.0; 9]));
        assert_eq!((edges, counts[0]), ([7.0; EDGES], 9.0));
    }
}
