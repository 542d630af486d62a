//! Training rows that the model finds ordinary, stored to measure how far other rows are from them.

use std::sync::OnceLock;

use super::Marginals;
use super::neighbor_space::{BLOCK_ROWS, NeighborSpace, Residuals};
use super::row_places::{RowPlaces, projected, projection};
use super::stored_rows::{Nearest, StoredRows};

/// Most numbers of the stored rows, and the fewest and most rows whatever their width.
const MOST_CELLS: usize = 1 << 17;
const ROWS: (usize, usize) = (512, 4096);

/// Stored training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbors {
    pub(crate) space: NeighborSpace,
    pub(crate) rows: StoredRows,
    /// Of rows in order, some whose windows have begun again: rows without a full window are compared with these. `None` if they
    /// are compared as others are.
    pub(crate) restarted: Option<StoredRows>,
    /// `[dimensions, width]`: by which the places of rows that are compared with each other are projected; empty if they stay.
    projection: OnceLock<Vec<f32>>,
    /// How common their values are; `None` in a model that does not know it.
    pub(crate) marginals: Option<Marginals>,
}

/// What a model stores of training rows, to compare others with: each holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stored {
    Nothing,
    Rows,
    Marginals,
}

impl Stored {
    /// Of a model that stores these rows.
    pub(crate) fn of(neighbors: Option<&Neighbors>) -> Self {
        match neighbors {
            None => Self::Nothing,
            Some(Neighbors { marginals: None, .. }) => Self::Rows,
            Some(_) => Self::Marginals,
        }
    }
}

impl Neighbors {
    /// How many rows of `inputs` elements to store at most.
    pub(crate) fn most_rows(inputs: usize) -> usize {
        (MOST_CELLS / inputs.max(1)).clamp(ROWS.0, ROWS.1)
    }

    /// Stored rows with these places, `[stored, width]`; and those of rows whose windows have begun again.
    pub(crate) fn new(space: NeighborSpace, [rows, restarted]: [Vec<f32>; 2], marginals: Option<Marginals>) -> Self {
        let [rows, restarted] = [rows, restarted].map(|places| StoredRows::new(places, space.width()));
        let restarted = (restarted.len() > 0).then_some(restarted);
        Self { space, rows, restarted, projection: OnceLock::new(), marginals }
    }

    /// Number of stored rows.
    pub(crate) fn stored(&self) -> usize {
        self.rows.len() + self.restarted.as_ref().map_or(0, StoredRows::len)
    }

    /// The mean distance of each row from the stored rows nearest to it.
    pub(crate) fn distances(&self, rows: &Residuals) -> Vec<f32> {
        let distance = |_: &[f32], _: &StoredRows, nearest: &Nearest| {
            let sum: f32 = nearest.iter().map(|(distance, _)| distance).sum();
            // Without a finite distance the row is as far off as can be.
            if nearest.is_empty() { f32::INFINITY } else { sum / nearest.len() as f32 }
        };
        self.each(rows, distance)
    }

    /// By which places are projected to few dimensions, `[dimensions, width]`; empty if they stay as they are.
    pub(crate) fn projection(&self) -> &[f32] {
        self.projection.get_or_init(|| projection(self.space.width()))
    }

    /// The places of rows in few dimensions, with these `distances` from the stored rows.
    pub(crate) fn row_places(&self, rows: &Residuals, distances: &[f32]) -> RowPlaces {
        let width = self.space.width();
        let places = projected(self.space.places(rows), self.projection(), width);
        RowPlaces::new(RowPlaces::dimensions_of(width), places, distances.to_vec())
    }

    /// The part of each dimension in the squared distance of each row from the stored rows nearest to it, the mean over them:
    /// `[width]` for each row.
    pub(crate) fn squares(&self, rows: &Residuals) -> Vec<Vec<f32>> {
        let width = self.space.width();
        self.each(rows, |place, stored, nearest| {
            let mut squares = vec![0.0; width];
            for (_, row) in nearest {
                let differences = place.iter().zip(stored.place(*row));
                squares.iter_mut().zip(differences).for_each(|(sum, (a, b))| *sum += (a - b) * (a - b));
            }
            squares.iter_mut().for_each(|square| *square /= nearest.len().max(1) as f32);
            squares
        })
    }

    /// What `answer` makes of the place of each row and the rows nearest to it, which are of those stored rows.
    fn each<T>(&self, rows: &Residuals, answer: impl Fn(&[f32], &StoredRows, &Nearest) -> T) -> Vec<T> {
        let width = self.space.width();
        let places = self.space.places(rows);
        let (mut padded, mut products, mut of_restarted) = (vec![0.0; BLOCK_ROWS * width], Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(rows.rows());
        for block in places.chunks(BLOCK_ROWS * width) {
            padded[..block.len()].copy_from_slice(block);
            padded[block.len()..].fill(0.0);
            let first = answers.len();
            let restarted = |row: usize| self.restarted.as_ref().filter(|_| rows.is_partial(first + row));
            self.rows.products(&padded, &mut products);
            if let Some(restarted) = (0..BLOCK_ROWS).find_map(restarted) {
                restarted.products(&padded, &mut of_restarted);
            }
            for (row, place) in block.chunks_exact(width).enumerate() {
                let (stored, products) = match restarted(row) {
                    Some(restarted) => (restarted, &mut of_restarted),
                    None => (&self.rows, &mut products),
                };
                let nearest = stored.nearest(place, &mut products[row * stored.len()..][..stored.len()]);
                answers.push(answer(place, stored, &nearest));
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    /// Rows of one latent and three elements, with residuals of a common cause.
    fn rows(count: usize) -> Residuals {
        let mut normals = vec![0.0; count * 5];
        RandomStream::new(5, "rows").normals(&mut normals);
        let (mut mean, mut residual) = (Vec::new(), Vec::new());
        for row in normals.chunks_exact(5) {
            mean.push(row[0]);
            residual.extend([row[1] + row[2], row[1] + 0.1 * row[3], row[4]]);
        }
        Residuals { mean, residual, inputs: 3, partial_windows: Vec::new() }
    }

    fn some(rows: &Residuals, range: std::ops::Range<usize>) -> Residuals {
        let residual = rows.residual[range.start * 3..range.end * 3].to_vec();
        Residuals { mean: rows.mean[range].to_vec(), residual, inputs: 3, partial_windows: Vec::new() }
    }

    fn stored(sample: &Residuals) -> Neighbors {
        let space = NeighborSpace::of(sample, false);
        let places = space.places(sample);
        Neighbors::new(space, [places, Vec::new()], None)
    }

    #[test]
    fn distances_are_those_of_a_plain_search() {
        let all = rows(1300);
        let (sample, others) = (some(&all, 0..1000), some(&all, 1000..1300));
        let neighbors = stored(&sample);
        let places = neighbors.space.places(&others);
        for (found, place) in neighbors.distances(&others).into_iter().zip(places.chunks_exact(4)) {
            let distance =
                |row: &[f32]| row.iter().zip(place).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            let mut distances: Vec<f64> = neighbors.rows.places.chunks_exact(4).map(distance).collect();
            distances.sort_by(f64::total_cmp);
            let expected = distances[..5].iter().sum::<f64>() / 5.0;
            assert!((f64::from(found) - expected).abs() < 1e-5 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn a_row_is_no_neighbor_of_itself_and_its_score_does_not_depend_on_the_batch() {
        let sample = rows(400);
        let neighbors = stored(&sample);
        let together = neighbors.distances(&sample);
        assert!(together.iter().all(|distance| *distance > 0.0));
        let alone: Vec<f32> = (0..400).flat_map(|row| neighbors.distances(&some(&sample, row..row + 1))).collect();
        assert_eq!(together, alone);
    }

    #[test]
    fn a_broken_relation_is_farther_off_than_a_rare_value_and_is_told_by_its_columns() {
        let neighbors = stored(&rows(1000));
        let row = |residual: [f32; 3]| Residuals {
            mean: vec![0.0],
            residual: residual.to_vec(),
            inputs: 3,
            partial_windows: Vec::new(),
        };
        // The first two elements go together: both high is ordinary, opposite ones are not.
        let [ordinary, broken, rare] =
            [[1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 2.5]].map(|it| neighbors.distances(&row(it))[0]);
        assert!(broken > 1.5 * ordinary && broken > rare, "{ordinary} {broken} {rare}");
        let squares = neighbors.squares(&row([-4.0, 4.0, 0.0])).remove(0);
        assert!(squares[1] + squares[2] > 0.7 * squares.iter().sum::<f32>(), "{squares:?}");
    }

    #[test]
    fn equal_rows_missing_values_and_overflow_have_distances() {
        let equal = Residuals { mean: vec![1.0; 50], residual: vec![2.0; 150], inputs: 3, partial_windows: Vec::new() };
        assert_eq!(stored(&equal).distances(&equal), [0.0; 50]);
        let neighbors = stored(&rows(100));
        let odd = Residuals {
            mean: vec![0.0; 2],
            residual: vec![f32::NAN, f32::NAN, 0.1, f32::MAX, 0.0, 0.0],
            inputs: 3,
            partial_windows: Vec::new(),
        };
        let distances = neighbors.distances(&odd);
        assert!(distances[0] < 2.0 && distances[1] > 10.0, "{distances:?}");
        let overflow =
            Residuals { mean: vec![f32::MAX], residual: vec![0.0; 3], inputs: 3, partial_windows: Vec::new() };
        assert_eq!(neighbors.distances(&overflow), [f32::INFINITY]);
    }
}
