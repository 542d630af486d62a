//! Training rows that the model finds ordinary, stored to measure how far other rows are from them.

use super::neighbor_space::{BLOCK_ROWS, NeighborSpace, Residuals};
use crate::numerics::{greatest, sums, times_transposed, vectorized};

/// Nearest rows whose distances count.
const NEAREST: usize = 5;

/// Most numbers of the stored rows, and the fewest and most rows whatever their width.
const MOST_CELLS: usize = 1 << 17;
const ROWS: (usize, usize) = (512, 4096);

/// A stored row this close, as a share of its length, is the row itself, of the training rows: it does not count.
const ITSELF: f32 = 1e-5;

/// Rows compared together with the nearest so far: most of them are farther, which one comparison tells.
const COMPARED: usize = 64;

/// Stored training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbors {
    pub(crate) space: NeighborSpace,
    /// `[stored, width]`: their places.
    pub(crate) rows: Vec<f32>,
    /// `[stored]`: half the squared length of each.
    half_squares: Vec<f32>,
}

/// The stored rows nearest to a row, each with its distance, the nearest first.
type Nearest = Vec<(f32, usize)>;

impl Neighbors {
    /// How many rows of `inputs` elements to store at most.
    pub(crate) fn most_rows(inputs: usize) -> usize {
        (MOST_CELLS / inputs.max(1)).clamp(ROWS.0, ROWS.1)
    }

    /// Stored rows with these places, `[stored, width]`.
    pub(crate) fn new(space: NeighborSpace, rows: Vec<f32>) -> Self {
        let half_squares = rows.chunks_exact(space.width()).map(|row| 0.5 * square(row)).collect();
        Self { space, rows, half_squares }
    }

    /// Number of stored rows.
    pub(crate) fn stored(&self) -> usize {
        self.half_squares.len()
    }

    /// The mean distance of each row from the stored rows nearest to it.
    pub(crate) fn distances(&self, rows: &Residuals) -> Vec<f32> {
        let distance = |_: &[f32], nearest: &Nearest| {
            let sum: f32 = nearest.iter().map(|(distance, _)| distance).sum();
            // Without a finite distance the row is as far off as can be.
            if nearest.is_empty() { f32::INFINITY } else { sum / nearest.len() as f32 }
        };
        self.each(rows, distance)
    }

    /// The share of each dimension in the squared distance of each row from the stored rows nearest to it: `[width]` for
    /// each row, with a sum of 1.
    pub(crate) fn shares(&self, rows: &Residuals) -> Vec<Vec<f32>> {
        let width = self.space.width();
        self.each(rows, |place, nearest| {
            let mut shares = vec![0.0; width];
            for (_, row) in nearest {
                let differences = place.iter().zip(&self.rows[row * width..]);
                shares.iter_mut().zip(differences).for_each(|(sum, (a, b))| *sum += (a - b) * (a - b));
            }
            let sum: f32 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share = if sum > 0.0 { *share / sum } else { 0.0 });
            shares
        })
    }

    /// What `answer` makes of the place of each row and the stored rows nearest to it.
    fn each<T>(&self, rows: &Residuals, answer: impl Fn(&[f32], &Nearest) -> T) -> Vec<T> {
        let (width, stored) = (self.space.width(), self.stored());
        let places = self.space.places(rows);
        let (mut padded, mut products) = (vec![0.0; BLOCK_ROWS * width], vec![0.0; BLOCK_ROWS * stored]);
        let mut answers = Vec::with_capacity(rows.rows());
        for block in places.chunks(BLOCK_ROWS * width) {
            padded[..block.len()].copy_from_slice(block);
            padded[block.len()..].fill(0.0);
            times_transposed(&padded, &self.rows, &mut products, [BLOCK_ROWS, stored, width]);
            for (place, products) in block.chunks_exact(width).zip(products.chunks_exact_mut(stored)) {
                answers.push(answer(place, &self.nearest(place, products)));
            }
        }
        answers
    }

    /// The stored rows nearest to a place, given its product with each: `products`, `[stored]`, are used up. Nothing is near
    /// to a place that overflows.
    fn nearest(&self, place: &[f32], products: &mut [f32]) -> Nearest {
        let square_of_place = square(place);
        if !square_of_place.is_finite() {
            return Nearest::new();
        }
        // Half the squared distance is half the squared lengths less the product: the greatest closeness is the nearest row.
        let mut closest = [(f32::NEG_INFINITY, 0); NEAREST + 1];
        vectorized(
            #[inline(always)]
            || {
                products.iter_mut().zip(&self.half_squares).for_each(|(product, square)| *product -= square);
                for (n, products) in products.chunks(COMPARED).enumerate() {
                    if greatest(products) <= closest[NEAREST].0 {
                        continue;
                    }
                    for (row, &closeness) in (n * COMPARED..).zip(products) {
                        if closeness > closest[NEAREST].0 {
                            let place = closest.partition_point(|(other, _)| *other >= closeness);
                            closest[place..].rotate_right(1);
                            closest[place] = (closeness, row);
                        }
                    }
                }
            },
        );
        let found = closest.iter().filter(|(closeness, _)| *closeness > f32::NEG_INFINITY);
        let mut nearest: Nearest = found.map(|&(_, row)| (self.distance(place, row), row)).collect();
        nearest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match nearest.first() {
            Some((distance, _)) if nearest.len() > 1 && *distance <= ITSELF * square_of_place.sqrt() => {
                nearest.remove(0);
            }
            _ => nearest.truncate(NEAREST),
        }
        nearest
    }

    /// The distance of a place from a stored row, without the rounding of a difference of squares.
    fn distance(&self, place: &[f32], row: usize) -> f32 {
        let stored = &self.rows[row * place.len()..][..place.len()];
        let [square] = vectorized(
            #[inline(always)]
            || sums([place, stored], |[a, b]| [(a - b) * (a - b)]),
        );
        square.sqrt()
    }
}

fn square(place: &[f32]) -> f32 {
    let [square] = vectorized(
        #[inline(always)]
        || sums([place], |[a]| [a * a]),
    );
    square
}
