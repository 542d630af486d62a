//! The places of rows in few dimensions, to tell how much two rows are alike.

use super::neighbor_space::BLOCK_ROWS;
use super::tail::finite;
use crate::numerics::{RandomStream, sums, times_transposed, vectorized};

/// Most dimensions in which rows are compared.
const MOST_DIMENSIONS: usize = 64;

/// The least distance from the stored rows that counts: many rows may be equal to them.
pub(crate) const LEAST_DISTANCE: f32 = 1e-3;

/// Rows by their places and their distances from the stored rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RowPlaces {
    dimensions: usize,
    /// `[rows, dimensions]`.
    pub(crate) places: Vec<f32>,
    /// `[rows]`: the mean distance from the stored rows nearest to it.
    pub(crate) distances: Vec<f32>,
}

impl RowPlaces {
    /// Rows with these places, `[rows, dimensions]`, and distances.
    pub(crate) fn new(dimensions: usize, places: Vec<f32>, distances: Vec<f32>) -> Self {
        Self { dimensions, places, distances }
    }

    /// The dimensions of the places of rows in a space of so many.
    pub(crate) fn dimensions_of(width: usize) -> usize {
        width.min(MOST_DIMENSIONS)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.distances.len()
    }

    /// The place of a row.
    pub(crate) fn place(&self, row: usize) -> &[f32] {
        &self.places[row * self.dimensions..][..self.dimensions]
    }

    /// Adds a row of other ones of the same dimensions, by finite numbers.
    pub(crate) fn push(&mut self, rows: &Self, row: usize) {
        self.dimensions = rows.dimensions;
        self.places.extend(rows.place(row).iter().copied().map(finite));
        self.distances.push(finite(rows.distances[row]));
    }

    /// How much a row is like one of others: 1 if they are the same, 0 far from it.
    pub(super) fn likeness(&self, row: usize, others: &Self, other: usize) -> f32 {
        let (a, b) = (self.place(row), others.place(other));
        let [square] = vectorized(
            #[inline(always)]
            || sums([a, b], |[a, b]| [(a - b) * (a - b)]),
        );
        let scale = |rows: &Self, row: usize| rows.distances[row].max(LEAST_DISTANCE);
        let alike = (-square / (scale(self, row) * scale(others, other))).exp();
        // NaN comes only from overflow.
        if alike.is_nan() { 0.0 } else { alike }
    }
}

/// A random projection of a space, `[dimensions, width]`: distances stay about
/// the same (Johnson & Lindenstrauss 1984). None for a space of few dimensions, which stays as it is.
pub(super) fn projection(width: usize) -> Vec<f32> {
    if width <= MOST_DIMENSIONS {
        return Vec::new();
    }
    let mut projection = vec![0.0; MOST_DIMENSIONS * width];
    RandomStream::new(0, "projection").normals(&mut projection);
    projection.iter_mut().for_each(|it| *it /= (MOST_DIMENSIONS as f32).sqrt());
    projection
}

/// Projects places, `[rows, width]`, by a [`projection`].
pub(super) fn projected(places: Vec<f32>, projection: &[f32], width: usize) -> Vec<f32> {
    if projection.is_empty() {
        return places;
    }
    let dimensions = projection.len() / width;
    let (mut padded, mut projected) = (vec![0.0; BLOCK_ROWS * width], vec![0.0; BLOCK_ROWS * dimensions]);
    let mut all = Vec::with_capacity(places.len() / width * dimensions);
    for block in places.chunks(BLOCK_ROWS * width) {
        padded[..block.len()].copy_from_slice(block);
        padded[block.len()..].fill(0.0);
        times_transposed(&padded, projection, &mut projected, [BLOCK_ROWS, dimensions, width]);
        all.extend_from_slice(&projected[..block.len() / width * dimensions]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_many_dimensions_stay_about_the_same() {
        let width = 500;
        let mut places = vec![0.0; 300 * width];
        RandomStream::new(1, "places").normals(&mut places);
        let few = projected(places.clone(), &projection(width), width);
        let distance = |places: &[f32], width: usize| {
            let (a, b) = places[..2 * width].split_at(width);
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
        };
        for row in 0..298 {
            let (before, after) = (distance(&places[row * width..], width), distance(&few[row * 64..], 64));
            assert!((after / before - 1.0).abs() < 0.5, "{before} {after}");
        }
        assert_eq!(projected(vec![1.0, 2.0], &projection(2), 2), [1.0, 2.0]);
    }
}
