//! How well rows keep their neighbours from one space to another, and how well neighbours tell a label.

#![forbid(unsafe_code)]

use super::nearest::squared_length;
use super::product::times_transposed;
use super::vector::vectorized;

/// The numbers of nearest neighbours that are measured, ascending.
const NEIGHBORS: [usize; 3] = [5, 15, 50];

/// The greatest of them.
const MOST: usize = NEIGHBORS[NEIGHBORS.len() - 1];

/// Rows whose distances are computed together: the others are packed for the product once a block.
const BLOCK_ROWS: usize = 256;

/// Rows in a space, centred.
pub(crate) struct Points {
    width: usize,
    /// `[rows, width]`.
    rows: Vec<f32>,
    /// `[rows]`: half the squared length of each.
    half_squares: Vec<f32>,
}

impl Points {
    /// Takes rows, `[rows, width]`; a missing value, NaN, becomes the mean of its column.
    pub(crate) fn new(mut rows: Vec<f32>, width: usize) -> Self {
        let mut means = vec![(0.0, 0_u64); width];
        for row in rows.chunks_exact(width) {
            let known = means.iter_mut().zip(row).filter(|(_, x)| !x.is_nan());
            known.for_each(|((sum, count), x)| (*sum, *count) = (*sum + f64::from(*x), *count + 1));
        }
        let means: Vec<f32> = means.into_iter().map(|(sum, count)| (sum / count.max(1) as f64) as f32).collect();
        for row in rows.chunks_exact_mut(width) {
            row.iter_mut().zip(&means).for_each(|(x, mean)| *x = if x.is_nan() { 0.0 } else { *x - mean });
        }
        let half_squares = rows.chunks_exact(width).map(|row| 0.5 * squared_length(row)).collect();
        Self { width, rows, half_squares }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.half_squares.len()
    }

    /// Number of blocks that all rows are in.
    pub(crate) fn blocks(&self) -> usize {
        self.len().div_ceil(BLOCK_ROWS)
    }

    /// The squared distances of each row of a block from all rows, `[rows of the block, rows]`; infinite from itself.
    fn squared_distances(&self, block: usize) -> Vec<f32> {
        let (n, first) = (self.len(), block * BLOCK_ROWS);
        let rows = BLOCK_ROWS.min(n - first);
        let own = &self.rows[first * self.width..][..rows * self.width];
        let mut distances = vec![0.0; rows * n];
        times_transposed(own, &self.rows, &mut distances, [rows, n, self.width]);
        for (row, distances) in (first..).zip(distances.chunks_exact_mut(n)) {
            let square = self.half_squares[row];
            vectorized(
                #[inline(always)]
                || {
                    for (distance, other) in distances.iter_mut().zip(&self.half_squares) {
                        let squared = 2.0 * (square + other - *distance);
                        // What overflows is as far off as can be.
                        *distance = if squared.is_nan() { f32::INFINITY } else { squared.max(0.0) };
                    }
                },
            );
            distances[row] = f32::INFINITY;
        }
        distances
    }
}

/// The rows of smallest distance, at most [`MOST`], the nearest first; of ties the first.
fn nearest(distances: &[f32]) -> Vec<usize> {
    // Distance and row in one integer: the bits of numbers that are not negative have their order.
    let key = |(row, distance): (u64, &f32)| u64::from(distance.to_bits()) << 32 | row;
    let mut keys: Vec<u64> = (0..).zip(distances).map(key).collect();
    let count = MOST.min(distances.len().saturating_sub(1));
    if count < keys.len() {
        keys.select_nth_unstable(count);
        keys.truncate(count);
    }
    keys.sort_unstable();
    keys.into_iter().map(|key| (key & u64::from(u32::MAX)) as usize).collect()
}

/// The rank of a distance among all, 1 for the smallest; ties share the first.
fn rank(distances: &[f32], distance: f32) -> u64 {
    vectorized(
        #[inline(always)]
        || 1 + u64::from(distances.iter().map(|other| u32::from(*other < distance)).sum::<u32>()),
    )
}

/// Sums over rows for the neighbourhoods of each size in [`NEIGHBORS`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NeighborhoodSums {
    /// By how much the ranks of the second space's neighbours exceed the size, in the first space.
    intruders: [u64; NEIGHBORS.len()],
    /// By how much the ranks of the first space's neighbours exceed the size, in the second space.
    lost: [u64; NEIGHBORS.len()],
    /// Neighbours in both.
    shared: [u64; NEIGHBORS.len()],
}

impl NeighborhoodSums {
    /// Compares the rows of a block in two spaces.
    pub(crate) fn of_block(first: &Points, second: &Points, block: usize) -> Self {
        let mut all = Self::default();
        let n = first.len();
        let [in_first, in_second] = [first, second].map(|points| points.squared_distances(block));
        for (a, b) in in_first.chunks_exact(n).zip(in_second.chunks_exact(n)) {
            let ranks = |near: &[f32], in_other: &[f32]| -> Vec<u64> {
                nearest(near).into_iter().map(|row| rank(in_other, in_other[row])).collect()
            };
            let (of_second, of_first) = (ranks(b, a), ranks(a, b));
            for (n, &size) in NEIGHBORS.iter().enumerate() {
                let excess = |ranks: &[u64]| -> u64 {
                    ranks.iter().take(size).map(|rank| rank.saturating_sub(size as u64)).sum()
                };
                all.intruders[n] += excess(&of_second);
                all.lost[n] += excess(&of_first);
                all.shared[n] += of_second.iter().take(size).filter(|rank| **rank <= size as u64).count() as u64;
            }
        }
        all
    }

    /// Adds the sums of other rows.
    pub(crate) fn add(&mut self, other: &Self) {
        let add = |sums: &mut [u64], others: &[u64]| sums.iter_mut().zip(others).for_each(|(sum, it)| *sum += it);
        add(&mut self.intruders, &other.intruders);
        add(&mut self.lost, &other.lost);
        add(&mut self.shared, &other.shared);
    }

    /// For each number of neighbours that is less than half of the `rows`: that number, trustworthiness, continuity (Venna &
    /// Kaski 2001, "Neighborhood preservation in nonlinear projection methods") and the share of shared neighbours.
    pub(crate) fn measures(&self, rows: usize) -> impl Iterator<Item = (usize, [f64; 3])> {
        let sums = NEIGHBORS.into_iter().zip(self.intruders).zip(self.lost.into_iter().zip(self.shared));
        sums.filter(move |((size, _), _)| 2 * size < rows).map(move |((size, intruders), (lost, shared))| {
            let (n, k) = (rows as f64, size as f64);
            let kept = |excess: u64| 1.0 - 2.0 * excess as f64 / (n * k * (2.0 * n - 3.0 * k - 1.0));
            (size, [kept(intruders), kept(lost), shared as f64 / (n * k)])
        })
    }
}

/// Sums over rows of what tells their labels apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LabelSums {
    /// Rows whose nearest others, of each number in [`NEIGHBORS`], have their label by majority vote.
    right: [u64; NEIGHBORS.len()],
    silhouette: f64,
}

impl LabelSums {
    /// Measures the rows of a block; `labels` are the classes of all rows, `counts` the rows of each class.
    pub(crate) fn of_block(points: &Points, labels: &[u32], counts: &[usize], block: usize) -> Self {
        let mut all = Self::default();
        let distances = points.squared_distances(block);
        let mut votes = vec![0_usize; counts.len()];
        for (row, distances) in (block * BLOCK_ROWS..).zip(distances.chunks_exact(labels.len())) {
            let (own, nearest) = (labels[row] as usize, nearest(distances));
            for (right, size) in all.right.iter_mut().zip(NEIGHBORS) {
                votes.fill(0);
                nearest.iter().take(size).for_each(|&other| votes[labels[other] as usize] += 1);
                // Of ties the first class.
                let most = votes.iter().copied().max().unwrap_or(0);
                *right += u64::from(votes.iter().position(|count| *count == most) == Some(own));
            }
            all.silhouette += silhouette(row, own, distances, labels, counts);
        }
        all
    }

    /// Adds the sums of other rows.
    pub(crate) fn add(&mut self, other: &Self) {
        self.right.iter_mut().zip(other.right).for_each(|(sum, right)| *sum += right);
        self.silhouette += other.silhouette;
    }

    /// For each number of neighbours that is less than half of the `rows`: that number, and the share of rows whose label
    /// their nearest neighbours tell.
    pub(crate) fn accuracy(&self, rows: usize) -> impl Iterator<Item = (usize, f64)> {
        let sizes = NEIGHBORS.into_iter().zip(self.right).filter(move |(size, _)| 2 * size < rows);
        sizes.map(move |(size, right)| (size, right as f64 / rows as f64))
    }

    /// The mean silhouette (Rousseeuw 1987) of so many rows.
    pub(crate) fn silhouette(&self, rows: usize) -> f64 {
        self.silhouette / rows as f64
    }
}

/// The silhouette of a row; 0 if it is the only one of its class.
fn silhouette(row: usize, own: usize, distances: &[f32], labels: &[u32], counts: &[usize]) -> f64 {
    if counts[own] < 2 {
        return 0.0;
    }
    let mut sums = vec![0.0; counts.len()];
    for (other, (distance, label)) in distances.iter().zip(labels).enumerate() {
        if other != row {
            sums[*label as usize] += f64::from(distance.sqrt());
        }
    }
    let within = sums[own] / (counts[own] - 1) as f64;
    let others = sums.iter().zip(counts).enumerate().filter(|(class, (_, count))| *class != own && **count > 0);
    let between = others.map(|(_, (sum, count))| sum / *count as f64).fold(f64::INFINITY, f64::min);
    let greater = within.max(between);
    if greater > 0.0 && between.is_finite() { (between - within) / greater } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    fn normals(n: usize, name: &str) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        RandomStream::new(1, name).normals(&mut numbers);
        numbers
    }

    fn compare(first: &Points, second: &Points) -> Vec<(usize, [f64; 3])> {
        let mut sums = NeighborhoodSums::default();
        (0..first.blocks()).for_each(|block| sums.add(&NeighborhoodSums::of_block(first, second, block)));
        sums.measures(first.len()).collect()
    }

    /// The definitions, with all ranks by sorting.
    fn plain(first: &[f32], second: &[f32], width: [usize; 2], k: usize) -> [f64; 3] {
        let order = |rows: &[f32], width: usize, i: usize| {
            let row = |i: usize| &rows[i * width..][..width];
            let distance = |j: &usize| -> f64 {
                row(i).iter().zip(row(*j)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
            };
            let mut others: Vec<usize> = (0..rows.len() / width).filter(|j| *j != i).collect();
            others.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            others
        };
        let n = first.len() / width[0];
        let mut sums = [0.0; 3];
        for i in 0..n {
            let (a, b) = (order(first, width[0], i), order(second, width[1], i));
            let excess = |near: &[usize], other: &[usize]| -> f64 {
                let rank = |j: &usize| other.iter().position(|it| it == j).unwrap() + 1;
                near[..k].iter().map(|j| rank(j).saturating_sub(k) as f64).sum()
            };
            sums[0] += excess(&b, &a);
            sums[1] += excess(&a, &b);
            sums[2] += b[..k].iter().filter(|j| a[..k].contains(j)).count() as f64;
        }
        let (n, k) = (n as f64, k as f64);
        let kept = |excess: f64| 1.0 - 2.0 * excess / (n * k * (2.0 * n - 3.0 * k - 1.0));
        [kept(sums[0]), kept(sums[1]), sums[2] / (n * k)]
    }

    #[test]
    fn measures_are_those_of_the_definitions() {
        let first = normals(200 * 4, "first");
        // Two of four columns, and noise.
        let noise = normals(400, "noise");
        let second: Vec<f32> =
            first.chunks_exact(4).zip(noise.chunks_exact(2)).flat_map(|(x, e)| [x[0] + 0.3 * e[0], x[1]]).collect();
        let found = compare(&Points::new(first.clone(), 4), &Points::new(second.clone(), 2));
        assert_eq!(found.len(), 3);
        for (k, measures) in found {
            for (found, expected) in measures.into_iter().zip(plain(&first, &second, [4, 2], k)) {
                assert!((found - expected).abs() < 1e-9, "{k}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_space_keeps_its_own_neighbours_and_few_rows_have_few_measures() {
        let rows = normals(40 * 3, "rows");
        let points = Points::new(rows, 3);
        assert_eq!(compare(&points, &points), [(5, [1.0; 3]), (15, [1.0; 3])]);
        let few = Points::new(normals(10 * 3, "few"), 3);
        assert_eq!(compare(&few, &few), []);
    }

    #[test]
    fn missing_values_are_means_and_overflow_is_far_off() {
        let points = Points::new(vec![1.0, f32::NAN, 3.0, 4.0, 5.0, 8.0], 2);
        assert_eq!(points.squared_distances(0)[1..3], [8.0, 20.0]);
        let far = Points::new(vec![f32::MAX, -f32::MAX, 0.0], 1);
        assert!(far.squared_distances(0).iter().all(|distance| !distance.is_nan()));
    }

    #[test]
    fn silhouette_and_accuracy_are_those_of_scikit_learn() {
        // x = numpy.array([0, 1, 2, 2.5, 4, 6, 7, 9, 10, 20, 21, 30, 3.2]); y = [0]*5 + [1]*4 + [2]*3 + [1]
        // sklearn.metrics.silhouette_score(x[:, None], y) = 0.47223958303628716; 9 rows are told by the vote of their
        // sklearn.neighbors.NearestNeighbors(n_neighbors=5).fit(x).kneighbors()
        let x = [0.0, 1.0, 2.0, 2.5, 4.0, 6.0, 7.0, 9.0, 10.0, 20.0, 21.0, 30.0, 3.2];
        let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 1];
        let found = LabelSums::of_block(&Points::new(x.to_vec(), 1), &labels, &[5, 5, 3], 0);
        assert!((found.silhouette(13) - 0.472_239_583_036_287_16).abs() < 1e-6, "{}", found.silhouette(13));
        assert_eq!(found.accuracy(13).collect::<Vec<_>>(), [(5, 9.0 / 13.0)]);
    }
}
