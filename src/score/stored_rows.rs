//! Places of rows that a model stores, and which of them are nearest to others.

use crate::numerics::{nearest, squared_length, sums, times_transposed, vectorized};

/// Nearest rows whose distances count.
pub(crate) const NEAREST: usize = 5;

/// A stored row no farther from a training row than this share of its length is that row itself, and does not count.
pub(crate) const ITSELF: f32 = 1e-5;

/// Places, of one width, of some rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRows {
    /// `[stored, width]`.
    pub(crate) places: Vec<f32>,
    /// `[stored]`: half the squared length of each.
    half_squares: Vec<f32>,
    width: usize,
}

/// The stored rows nearest to a row, each with its distance, the nearest first.
pub(super) type Nearest = Vec<(f32, usize)>;

impl StoredRows {
    /// Rows with these places, `[stored, width]`.
    pub(crate) fn new(places: Vec<f32>, width: usize) -> Self {
        let half_squares = places.chunks_exact(width).map(|place| 0.5 * squared_length(place)).collect();
        Self { places, half_squares, width }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.half_squares.len()
    }

    /// Half the squared length of each row.
    pub(crate) fn half_squares(&self) -> &[f32] {
        &self.half_squares
    }

    /// The products of each of `rows` places with each stored one, `[rows, stored]`.
    pub(super) fn products(&self, places: &[f32], products: &mut Vec<f32>) {
        let rows = places.len() / self.width;
        products.resize(rows * self.len(), 0.0);
        times_transposed(places, &self.places, products, [rows, self.len(), self.width]);
    }

    /// The rows nearest to a place, given its product with each: `products`, `[stored]`, are used up. Nothing is near to a place
    /// that overflows.
    pub(super) fn nearest(&self, place: &[f32], products: &mut [f32]) -> Nearest {
        let square_of_place = squared_length(place);
        if !square_of_place.is_finite() {
            return Nearest::new();
        }
        let found = nearest(products, &self.half_squares, NEAREST + 1);
        let mut nearest: Nearest = found.into_iter().map(|row| (self.distance(place, row), row)).collect();
        nearest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match nearest.first() {
            Some((distance, _)) if nearest.len() > 1 && *distance <= ITSELF * square_of_place.sqrt() => {
                nearest.remove(0);
            }
            _ => nearest.truncate(NEAREST),
        }
        nearest
    }

    /// The distance of a place from a row, without the rounding of a difference of squares.
    fn distance(&self, place: &[f32], row: usize) -> f32 {
        let [square] = vectorized(
            #[inline(always)]
            || sums([place, self.place(row)], |[a, b]| [(a - b) * (a - b)]),
        );
        square.sqrt()
    }

    /// The place of a row.
    pub(super) fn place(&self, row: usize) -> &[f32] {
        &self.places[row * self.width..][..self.width]
    }
}
