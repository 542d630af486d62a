//! Principal components of rows: the best linear model of so many dimensions (Pearson 1901).

#![forbid(unsafe_code)]

use super::eigen::symmetric_eigen;
use super::product::{times, times_transposed, transposed_times_itself};
use super::random::RandomStream;
use super::vector::{dot, vectorized};

/// Extra directions, so that the last of those asked for converge as fast as the first.
const BESIDE: usize = 8;

/// Most steps of the iteration, and the gain in variance below which it has converged.
const STEPS: usize = 500;
const SETTLED: f64 = 1e-5;

/// The covariance of rows of a known mean, summed block by block.
pub(crate) struct Covariance {
    mean: Vec<f32>,
    rows: u64,
    /// `[width, width]`, up to the diagonal.
    products: Vec<f64>,
}

/// The products of some rows, to be added to those of others.
pub(crate) struct BlockProducts {
    rows: u64,
    /// `[width, width]`, up to the diagonal.
    products: Vec<f32>,
}

/// The directions in which rows vary most.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Components {
    /// `[width]`.
    mean: Vec<f32>,
    /// `[dimensions, width]`, orthonormal.
    axes: Vec<f32>,
}

impl Covariance {
    /// The covariance of no rows yet; `mean` is `[width]`.
    pub(crate) fn new(mean: Vec<f32>) -> Self {
        Self { rows: 0, products: vec![0.0; mean.len() * mean.len()], mean }
    }

    /// The products of rows, `[rows, width]`, less their mean.
    pub(crate) fn products(mean: &[f32], mut rows: Vec<f32>) -> BlockProducts {
        let width = mean.len();
        center(&mut rows, mean);
        let count = rows.len() / width;
        let mut products = vec![0.0; width * width];
        transposed_times_itself(&rows, &mut products, [width, count]);
        BlockProducts { rows: count as u64, products }
    }

    /// Adds the products of some rows.
    pub(crate) fn add_products(&mut self, block: BlockProducts) {
        self.products.iter_mut().zip(&block.products).for_each(|(sum, &product)| *sum += f64::from(product));
        self.rows += block.rows;
    }

    /// The first `dimensions` principal components, at most one per column, by subspace iteration (Golub & Van Loan
    /// 2013, "Matrix computations", section 8.2.4): a few products of the matrix with as many vectors.
    pub(crate) fn components(self, dimensions: usize) -> Components {
        let width = self.mean.len();
        let dimensions = dimensions.min(width);
        let directions = (dimensions + BESIDE).min(width);
        let rows = self.rows.max(1) as f64;
        let mut matrix: Vec<f32> = self.products.iter().map(|product| (product / rows) as f32).collect();
        mirror(&mut matrix, width);
        // Rows are directions.
        let mut axes = vec![0.0; directions * width];
        RandomStream::new(0, "principal").normals(&mut axes);
        orthonormalize(&mut axes, width);
        let (mut turned, mut captured) = (vec![0.0; directions * width], f64::NEG_INFINITY);
        for _ in 0..STEPS {
            times(&axes, &matrix, &mut turned, [directions, width, width]);
            let now = rotate(&mut axes, &mut turned, dimensions, width);
            std::mem::swap(&mut axes, &mut turned);
            orthonormalize(&mut axes, width);
            if now - captured <= SETTLED * now.abs() {
                break;
            }
            captured = now;
        }
        times(&axes, &matrix, &mut turned, [directions, width, width]);
        rotate(&mut axes, &mut turned, dimensions, width);
        axes.truncate(dimensions * width);
        Components { mean: self.mean, axes }
    }
}

impl Components {
    /// The directions, `[dimensions, width]`, orthonormal.
    pub(crate) fn axes(&self) -> &[f32] {
        &self.axes
    }

    /// The rows, `[rows, width]`, rebuilt from their components.
    pub(crate) fn rebuild(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.mean.len();
        let (count, dimensions) = (rows.len() / width, self.axes.len() / width);
        let mut rebuilt = vec![0.0; rows.len()];
        times(&self.project(rows), &self.axes, &mut rebuilt, [count, width, dimensions]);
        for row in rebuilt.chunks_exact_mut(width) {
            row.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x += mean);
        }
        rebuilt
    }

    /// The components of rows, `[rows, width]`: `[rows, dimensions]`.
    pub(crate) fn project(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.mean.len();
        let (count, dimensions) = (rows.len() / width, self.axes.len() / width);
        let mut centered = rows.to_vec();
        center(&mut centered, &self.mean);
        let mut components = vec![0.0; count * dimensions];
        times_transposed(&centered, &self.axes, &mut components, [count, dimensions, width]);
        components
    }
}

fn center(rows: &mut [f32], mean: &[f32]) {
    for row in rows.chunks_exact_mut(mean.len()) {
        row.iter_mut().zip(mean).for_each(|(x, mean)| *x -= mean);
    }
}

/// Copies what is below the diagonal of a matrix, `[width, width]`, to above it.
fn mirror(matrix: &mut [f32], width: usize) {
    /// Rows that are read together, so that what is written is side by side.
    const ROWS: usize = 32;
    for from in (0..width).step_by(ROWS) {
        let to = width.min(from + ROWS);
        for j in 0..to {
            (from.max(j + 1)..to).for_each(|i| matrix[j * width + i] = matrix[i * width + j]);
        }
    }
}

/// Makes the rows orthonormal, one after the other (Gram-Schmidt; two passes are enough). A row that depends on those
/// before it becomes 0.
fn orthonormalize(axes: &mut [f32], width: usize) {
    for i in 0..axes.len() / width {
        let (before, rest) = axes.split_at_mut(i * width);
        let axis = &mut rest[..width];
        let long = dot(axis, axis).sqrt();
        for _ in 0..2 {
            for other in before.chunks_exact(width) {
                let along = dot(axis, other);
                vectorized(
                    #[inline(always)]
                    || axis.iter_mut().zip(other).for_each(|(x, other)| *x -= (along * f64::from(*other)) as f32),
                );
            }
        }
        let length = dot(axis, axis).sqrt();
        let scale = if length > 1e-6 * long { 1.0 / length } else { 0.0 };
        axis.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
    }
}

/// Rotates `axes`, and `turned`, their product with the matrix, to the principal directions of their subspace, the
/// greatest variance first (Rayleigh & Ritz). Returns the variance along the first `dimensions`.
fn rotate(axes: &mut Vec<f32>, turned: &mut Vec<f32>, dimensions: usize, width: usize) -> f64 {
    let directions = axes.len() / width;
    let mut small = vec![0.0; directions * directions];
    for i in 0..directions {
        for j in 0..=i {
            let product = dot(&axes[i * width..][..width], &turned[j * width..][..width]);
            (small[i * directions + j], small[j * directions + i]) = (product, product);
        }
    }
    let (variances, vectors) = symmetric_eigen(small, directions);
    let mut order: Vec<usize> = (0..directions).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    let ordered: Vec<f32> = order
        .iter()
        .flat_map(|&i| (0..directions).map(move |j| (i, j)))
        .map(|(i, j)| vectors[j * directions + i] as f32)
        .collect();
    for rows in [axes, turned] {
        let mut rotated = vec![0.0; rows.len()];
        times(&ordered, rows, &mut rotated, [directions, width, directions]);
        *rows = rotated;
    }
    order.iter().take(dimensions).map(|&i| variances[i]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of independent columns of these deviations, turned by a Householder reflection.
    fn rows(deviations: &[f32], count: usize) -> Vec<f32> {
        let width = deviations.len();
        let mut rows = vec![0.0; count * width];
        RandomStream::new(7, "rows").normals(&mut rows);
        for row in rows.chunks_exact_mut(width) {
            row.iter_mut().zip(deviations).for_each(|(x, deviation)| *x *= deviation);
            let along = 2.0 * row.iter().sum::<f32>() / width as f32;
            row.iter_mut().for_each(|x| *x += 3.0 - along);
        }
        rows
    }

    fn fitted(rows: &[f32], width: usize, dimensions: usize) -> Components {
        let count = rows.len() / width;
        let mean = (0..width).map(|j| rows.iter().skip(j).step_by(width).sum::<f32>() / count as f32).collect();
        let mut covariance = Covariance::new(mean);
        for block in rows.chunks(100 * width) {
            covariance.add_products(Covariance::products(&covariance.mean, block.to_vec()));
        }
        covariance.components(dimensions)
    }

    #[test]
    fn what_is_lost_is_the_variance_of_the_other_directions() {
        let deviations = [4.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1];
        let rows = rows(&deviations, 20_000);
        for dimensions in [1, 3, 14] {
            let rebuilt = fitted(&rows, 14, dimensions).rebuild(&rows);
            let lost = rows.iter().zip(&rebuilt).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 20_000.0;
            let expected: f64 = deviations[dimensions..].iter().map(|d| f64::from(*d).powi(2)).sum();
            assert!((lost - expected).abs() < 0.02 * expected + 1e-6, "{dimensions}: {lost} for {expected}");
        }
    }

    #[test]
    fn rows_on_a_line_need_one_dimension() {
        let rows: Vec<f32> = (0..500).flat_map(|n| [n as f32 / 100.0, 1.0, n as f32 / -50.0]).collect();
        let rebuilt = fitted(&rows, 3, 1).rebuild(&rows);
        assert!(rows.iter().zip(&rebuilt).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_eq!(fitted(&rows, 3, 5).axes.len(), 9, "no more dimensions than columns");
    }

    #[test]
    fn a_small_matrix_has_its_eigenvalues() {
        // [[2, 1], [1, 2]] has 1 and 3, along (1, -1) and (1, 1).
        let (mut values, vectors) = symmetric_eigen(vec![2.0, 1.0, 1.0, 2.0], 2);
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
        assert!(vectors.iter().all(|x| (x.abs() - 0.5_f64.sqrt()).abs() < 1e-12));
    }
}
