//! The space in which distances between rows are measured.

use super::scorer::MemberView;
use crate::error::Result;
use crate::numerics::{asinh, symmetric_power, times, vectorized};

/// Rows placed at once. The number is fixed and the last block padded, so that no row's bits depend on its neighbours.
pub(super) const BLOCK_ROWS: usize = 128;

/// The widest space that is decorrelated: wider ones are scaled only, which takes no matrix.
const WIDEST: usize = 128;

/// Added to the eigenvalues of the correlations.
const RIDGE: f64 = 1e-3;

/// How many typical residuals count as they are, rather than by their logarithm, where that is asked for.
const LINEAR: f32 = 100.0;

/// Added to the typical residual of an element, on the model's scale.
const LEAST_RESIDUAL: f32 = 1e-3;

/// The posterior means of rows and the residuals of their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residuals {
    /// `[rows, latent_dim]`.
    pub(crate) mean: Vec<f32>,
    /// `[rows, inputs]`; NaN where missing.
    pub(crate) residual: Vec<f32>,
    /// Elements of the row vector.
    pub(crate) inputs: usize,
    /// Which rows have no full window; empty if all have one.
    pub(crate) partial_windows: Vec<bool>,
}

/// A space of `width = latent_dim + inputs` dimensions: a row's place is its posterior mean, then asinh of each element's
/// residual over its typical size, 0 where that is missing.
///
/// Each dimension is standardised. Then a place is multiplied by C^(-1/4), where C are the correlations of the dimensions:
/// halfway to uncorrelated ones, so that a broken relation is about as far off as a rare value. The power is the symmetric
/// one, with which every dimension stays as close to its column as can be (Kessy, Lewin & Strimmer 2018, "Optimal whitening
/// and decorrelation").
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NeighborSpace {
    /// `[inputs]`: the typical size of each residual.
    pub(crate) residual: Vec<f32>,
    /// `[width]`: the mean of each dimension.
    pub(crate) mean: Vec<f32>,
    /// `[width, width]`, or `[width]` for a diagonal matrix.
    pub(crate) whitening: Vec<f32>,
}

impl MemberView<'_> {
    /// The posterior means and residuals of the rows.
    pub(crate) fn residuals(&self) -> Result<Residuals> {
        let (inputs, heads) = (self.encoded.features, &self.member.heads);
        let decoded = self.decoded()?;
        let mut residual = vec![0.0; self.batch.x.len()];
        let outputs = decoded.chunks_exact(heads.layout().outputs());
        for ((x, output), into) in self.batch.x.chunks_exact(inputs).zip(outputs).zip(residual.chunks_exact_mut(inputs))
        {
            heads.residuals(x, output, into);
        }
        // NaN comes only from overflow here, and is as far off as can be.
        residual.iter_mut().filter(|residual| residual.is_nan()).for_each(|residual| *residual = f32::MAX);
        if let Some(known) = &self.batch.known {
            residual.iter_mut().zip(known).filter(|(_, known)| **known == 0.0).for_each(|(it, _)| *it = f32::NAN);
        }
        Ok(Residuals {
            mean: self.encoded.mean.clone(),
            residual,
            inputs,
            partial_windows: self.batch.partial_windows.clone(),
        })
    }
}

impl Residuals {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.residual.len() / self.inputs.max(1)
    }

    /// Whether a row has no full window.
    pub(super) fn is_partial(&self, row: usize) -> bool {
        self.partial_windows.get(row).is_some_and(|partial| *partial)
    }

    /// Adds rows of the same width, of which it is not kept how full their windows are.
    pub(crate) fn extend(&mut self, other: Self) {
        self.inputs = other.inputs;
        self.mean.extend(other.mean);
        self.residual.extend(other.residual);
    }

    /// The coordinates of the rows before they are standardised, `[rows, width]`; NaN where missing.
    fn coordinates(&self, typical: &[f32]) -> Vec<f32> {
        // One at least, for no rows.
        let latent_dim = (self.mean.len() / self.rows().max(1)).max(1);
        let mut coordinates = Vec::with_capacity(self.mean.len() + self.residual.len());
        for (mean, residual) in self.mean.chunks_exact(latent_dim).zip(self.residual.chunks_exact(self.inputs)) {
            coordinates.extend_from_slice(mean);
            let from = coordinates.len();
            coordinates.extend_from_slice(residual);
            vectorized(
                #[inline(always)]
                || coordinates[from..].iter_mut().zip(typical).for_each(|(it, typical)| *it = asinh(*it / typical)),
            );
        }
        coordinates
    }
}

impl NeighborSpace {
    /// Measures the space on a sample of training rows; if it `is_linear`, residuals far above the typical ones still count as
    /// they are.
    pub(crate) fn of(sample: &Residuals, is_linear: bool) -> Self {
        let (rows, inputs) = (sample.rows(), sample.inputs);
        let typical = |element: usize| {
            let column = sample.residual.iter().skip(element).step_by(inputs);
            let mut sizes: Vec<f32> = column.filter(|it| !it.is_nan()).map(|it| it.abs()).collect();
            let middle = sizes.len() / 2;
            let median = if sizes.is_empty() { 0.0 } else { *sizes.select_nth_unstable_by(middle, f32::total_cmp).1 };
            // The median size of a normal variable is 0.6745 standard deviations.
            (median / 0.6745 + LEAST_RESIDUAL) * if is_linear { LINEAR } else { 1.0 }
        };
        let residual: Vec<f32> = (0..inputs).map(typical).collect();
        let mut places = sample.coordinates(&residual);
        let width = places.len() / rows.max(1);
        let moments = |dimension: usize| {
            let known =
                || places.iter().skip(dimension).step_by(width).filter(|it| !it.is_nan()).map(|&it| f64::from(it));
            let n = (known().count() as f64).max(1.0);
            let mean = known().sum::<f64>() / n;
            let variance = known().map(|it| (it - mean).powi(2)).sum::<f64>() / n;
            (mean as f32, (1.0 / (variance.sqrt() + 1e-6)) as f32)
        };
        let (mean, precision): (Vec<f32>, Vec<f32>) = (0..width).map(moments).unzip();
        if width > WIDEST {
            return Self { residual, mean, whitening: precision };
        }
        center(&mut places, &mean);
        let mut correlations = vec![0.0; width * width];
        for place in places.chunks_exact(width) {
            for (i, sums) in correlations.chunks_exact_mut(width).enumerate() {
                let a = f64::from(place[i] * precision[i]);
                sums.iter_mut().zip(place).zip(&precision).for_each(|((sum, b), p)| *sum += a * f64::from(b * p));
            }
        }
        correlations.iter_mut().for_each(|sum| *sum /= rows as f64);
        let power = symmetric_power(correlations, width, RIDGE, -0.25);
        let whitening = (0..width * width).map(|at| precision[at / width] * power[at] as f32).collect();
        Self { residual, mean, whitening }
    }

    /// Dimensions of the space.
    pub(crate) fn width(&self) -> usize {
        self.mean.len()
    }

    /// The places of rows, `[rows, width]`.
    pub(crate) fn places(&self, rows: &Residuals) -> Vec<f32> {
        let (mut coordinates, width) = (rows.coordinates(&self.residual), self.width());
        center(&mut coordinates, &self.mean);
        if self.whitening.len() == width {
            for place in coordinates.chunks_exact_mut(width) {
                place.iter_mut().zip(&self.whitening).for_each(|(it, precision)| *it *= precision);
            }
            return coordinates;
        }
        let mut places = vec![0.0; coordinates.len()];
        let (mut padded, mut placed) = (vec![0.0; BLOCK_ROWS * width], vec![0.0; BLOCK_ROWS * width]);
        for (block, into) in coordinates.chunks(BLOCK_ROWS * width).zip(places.chunks_mut(BLOCK_ROWS * width)) {
            padded[..block.len()].copy_from_slice(block);
            padded[block.len()..].fill(0.0);
            times(&padded, &self.whitening, &mut placed, [BLOCK_ROWS, width, width]);
            into.copy_from_slice(&placed[..into.len()]);
        }
        places
    }
}

/// Subtracts the mean from each row; missing coordinates become 0.
fn center(coordinates: &mut [f32], mean: &[f32]) {
    for place in coordinates.chunks_exact_mut(mean.len()) {
        place.iter_mut().zip(mean).for_each(|(it, mean)| *it = if it.is_nan() { 0.0 } else { *it - mean });
    }
}
