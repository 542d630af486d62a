//! The nearest neighbours of training rows among each other, for the loss that keeps them together.

#![forbid(unsafe_code)]

use super::encoded_rows::EncodedRows;
use super::measure::sample;
use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::feature::Layout;
use crate::numerics::{Components, Covariance, RandomStream, nearest, squared_length, times_transposed};
use crate::pipeline::{Pool, Stop};

/// Most rows of a graph: exact search takes time in the square of their number.
const MOST_ROWS: usize = 50_000;

/// Most numbers of the rows of a graph whose principal components are not taken.
const MOST_CELLS: usize = 1 << 26;

/// Principal components in which distances are measured. Fewer columns are compared as they are.
const COMPONENTS: usize = 50;

/// The widest rows whose principal components are taken, and the rows that they are estimated on.
const WIDEST: usize = 2048;
const COMPONENT_ROWS: usize = 8192;

/// Rows whose products are summed together.
const COMPONENT_BLOCK: usize = 1024;

/// Rows placed and searched for at once. The number is fixed, so that threads change no bit.
const BLOCK_ROWS: usize = 64;

/// The graph of the nearest neighbours of training rows: of all, or of a sample.
pub(super) struct NeighborGraph {
    /// The place of each row of the graph among the training rows, ascending.
    rows: Vec<u64>,
    /// `[rows, neighbors]`: rows of the graph, the nearest first.
    neighbors: Vec<u32>,
    /// Neighbours of a row.
    count: usize,
    /// Whether all training rows are in the graph.
    is_whole: bool,
    /// Draws the pairs of a step.
    pairs: RandomStream,
}

/// What a graph is made of.
pub(super) struct GraphInput<'a> {
    pub(super) training: &'a EncodedRows,
    pub(super) layout: &'a Layout,
    pub(super) pool: &'a Pool,
    pub(super) stop: &'a Stop,
}

impl NeighborGraph {
    /// The `count` nearest neighbours, or all others if there are fewer, of at most 50,000 of the rows, drawn by the seed. Of
    /// rows wider than 2,048 numbers, it is as many as 256 MiB hold.
    ///
    /// The distance is Euclidean, of rows as the network sees them: numbers as they are scaled, a category as a 0 or 1 a class,
    /// and 0 where a value is missing. Of more than 50 such columns, it is that of their first 50 principal components.
    ///
    /// # Errors
    /// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn new(input: &GraphInput<'_>, count: usize, seed: u64) -> Result<Self> {
        let width = input.layout.outputs();
        Self::of_at_most(if width > WIDEST { (MOST_CELLS / width).max(2) } else { MOST_ROWS }, input, count, seed)
    }

    /// The same of at most `most` rows.
    fn of_at_most(most: usize, input: &GraphInput<'_>, count: usize, seed: u64) -> Result<Self> {
        let mut rows = sample(input.training.len(), most, RandomStream::new(seed, "graph"));
        rows.dedup();
        let count = count.min(rows.len().saturating_sub(1));
        let (places, width) = input.places(&rows)?;
        let half_squares: Vec<f32> = places.chunks_exact(width).map(|place| 0.5 * squared_length(place)).collect();
        let blocks = input.pool.map(0..rows.len().div_ceil(BLOCK_ROWS), |block| {
            input.stop.check()?;
            let first = block * BLOCK_ROWS;
            let of_block = &places[first * width..places.len().min((first + BLOCK_ROWS) * width)];
            let (searched, all) = (of_block.len() / width, rows.len());
            let mut products = vec![0.0; searched * all];
            times_transposed(of_block, &places, &mut products, [searched, all, width]);
            let neighbors = products.chunks_exact_mut(all).enumerate().flat_map(|(row, products)| {
                let mut found = nearest(products, &half_squares, count + 1);
                found.retain(|&other| other != first + row);
                // A place that overflows is near to none but itself.
                found.resize(count, first + row);
                found.into_iter().map(|row| row as u32)
            });
            Ok(neighbors.collect::<Vec<u32>>())
        })?;
        let pairs = RandomStream::new(seed, "pairs");
        Ok(Self { is_whole: rows.len() == input.training.len(), rows, neighbors: blocks.concat(), count, pairs })
    }

    /// The training rows, by their place among all, that a step takes beside `batch`, and the number of pairs that they make
    /// at its end: of rows, then of a neighbour of each. If all training rows are in the graph, the rows of the pairs are
    /// those of the batch; else they are half as many others, drawn from the graph.
    pub(super) fn beside(&self, batch: &[u64], epoch: u64, step: u64) -> (Vec<u64>, usize) {
        if self.count == 0 {
            return (Vec::new(), 0);
        }
        let [rows, neighbors] = [0, 1].map(|n| self.pairs.child(epoch).child(step).child(n));
        let draw = |(n, row): (u64, usize)| {
            let drawn = (neighbors.uniform(n) * self.count as f64) as usize;
            self.rows[self.neighbors[row * self.count + drawn] as usize]
        };
        if self.is_whole {
            return ((0..).zip(batch.iter().map(|&row| row as usize)).map(draw).collect(), batch.len());
        }
        let drawn: Vec<usize> =
            (0..batch.len().div_ceil(2) as u64).map(|n| (rows.uniform(n) * self.rows.len() as f64) as usize).collect();
        let pairs = drawn.iter().map(|&row| self.rows[row]).chain((0..).zip(drawn.iter().copied()).map(draw));
        (pairs.collect(), drawn.len())
    }
}

impl GraphInput<'_> {
    /// Where these training rows are, and in how many dimensions.
    fn places(&self, rows: &[u64]) -> Result<(Vec<f32>, usize)> {
        let width = self.layout.outputs();
        if width <= COMPONENTS || width > WIDEST {
            return Ok((self.map_blocks(rows, |rows| rows)?.concat(), width));
        }
        let components = self.components(rows)?;
        Ok((self.map_blocks(rows, |rows| components.project(&rows))?.concat(), COMPONENTS))
    }

    /// The principal components of some of the rows.
    fn components(&self, rows: &[u64]) -> Result<Components> {
        let (width, few) = (self.layout.outputs(), rows.len().min(COMPONENT_ROWS));
        let some: Vec<u64> = (0..few).map(|n| rows[n * rows.len() / few]).collect();
        let sums = self.map_blocks(&some, |rows| {
            let mut sums = vec![0.0; width];
            rows.chunks_exact(width)
                .for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x)));
            sums
        })?;
        let mean: Vec<f32> =
            (0..width).map(|n| (sums.iter().map(|sums| sums[n]).sum::<f64>() / few as f64) as f32).collect();
        let mut covariance = Covariance::new(mean.clone());
        let products = |block: usize| {
            self.stop.check()?;
            let first = block * COMPONENT_BLOCK;
            Ok(Covariance::products(&mean, self.block(&some[first..few.min(first + COMPONENT_BLOCK)])?))
        };
        self.pool.each(few.div_ceil(COMPONENT_BLOCK), products, |products| covariance.add_products(products))?;
        Ok(covariance.components(COMPONENTS))
    }

    /// What `work` makes of each block of rows, `[rows, outputs]`.
    fn map_blocks<T: Send>(&self, rows: &[u64], work: impl Fn(Vec<f32>) -> T + Send + Sync) -> Result<Vec<T>> {
        self.pool.map(0..rows.len().div_ceil(BLOCK_ROWS), |block| {
            self.stop.check()?;
            let first = block * BLOCK_ROWS;
            Ok(work(self.block(&rows[first..rows.len().min(first + BLOCK_ROWS)])?))
        })
    }

    /// Training rows as the network sees them, 0 where missing: `[rows, outputs]`.
    fn block(&self, rows: &[u64]) -> Result<Vec<f32>> {
        let mut table = Table::default();
        self.training.gather(rows.iter().copied(), self.layout.width(), &mut table)?;
        let mut block = Batch::new(table.ids, table.x, self.layout).spread(self.layout);
        block.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Likelihood::Gaussian;
    use crate::feature::Shape;
    use crate::pipeline::Run;

    /// Numbers, of which the first three vary most, and a category of three classes; a few values are missing.
    fn rows(count: usize, numbers: usize) -> (EncodedRows, Layout, Vec<Vec<f64>>) {
        let layout = Layout::new([(Shape::of(Gaussian, numbers), false), (Shape::category(3), false)]).unwrap();
        let (mut store, mut seen) = (EncodedRows::new(None, count, numbers + 1), Vec::new());
        let mut x = vec![0.0; numbers + 1];
        for row in 0..count {
            RandomStream::new(4, "rows").child(row as u64).normals(&mut x);
            x.iter_mut().skip(3).for_each(|x| *x *= 1e-3);
            let class = row % 3;
            x[numbers] = class as f32;
            let missing = row % 10 == 0;
            let numbers = x[..numbers].iter().enumerate();
            let mut of_row: Vec<f64> =
                numbers.map(|(n, x)| if missing && n == 1 { 0.0 } else { f64::from(*x) }).collect();
            of_row.extend((0..3).map(|n| f64::from(u8::from(n == class))));
            seen.push(of_row);
            if missing {
                x[1] = f32::NAN;
            }
            store.push(row as u64, &x).unwrap();
        }
        (store, layout, seen)
    }

    fn graph(most: usize, rows: &(EncodedRows, Layout, Vec<Vec<f64>>), count: usize, threads: usize) -> NeighborGraph {
        let (pool, run) = (Pool::new(threads).unwrap(), Run::new());
        let input = GraphInput { training: &rows.0, layout: &rows.1, pool: &pool, stop: run.stopper() };
        NeighborGraph::of_at_most(most, &input, count, 1).unwrap()
    }

    #[test]
    fn neighbours_are_those_of_a_plain_search_in_numbers_and_words() {
        for numbers in [4, 60] {
            let rows = rows(300, numbers);
            let found = graph(1000, &rows, 5, 2);
            let (mut right, seen) = (0, &rows.2);
            for row in 0..300 {
                let distance =
                    |other: usize| -> f64 { seen[row].iter().zip(&seen[other]).map(|(a, b)| (a - b).powi(2)).sum() };
                let mut others: Vec<usize> = (0..300).filter(|other| *other != row).collect();
                others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                let found: Vec<usize> = found.neighbors[row * 5..][..5].iter().map(|&other| other as usize).collect();
                assert!(!found.contains(&row));
                right += found.iter().filter(|other| others[..5].contains(other)).count();
            }
            // Principal components lose a little of the distances.
            assert!(right >= if numbers > COMPONENTS { 1480 } else { 1500 }, "{right} of 1500");
        }
    }

    #[test]
    fn threads_do_not_change_the_graph_and_a_sample_is_of_the_rows() {
        let rows = rows(500, 60);
        let [one, three] = [1, 3].map(|threads| graph(200, &rows, 7, threads));
        assert!(one.rows == three.rows && one.neighbors == three.neighbors);
        // A row that is drawn twice counts once.
        assert!((180..=200).contains(&one.rows.len()) && one.neighbors.len() == 7 * one.rows.len() && !one.is_whole);
        assert!(one.rows.is_sorted() && one.rows.iter().all(|row| *row < 500));
    }

    #[test]
    fn pairs_are_rows_and_one_of_their_neighbours() {
        let rows = rows(100, 4);
        let batch: Vec<u64> = (20..50).collect();
        let whole = graph(100, &rows, 5, 1);
        let is_pair = |graph: &NeighborGraph, row: u64, other: u64| {
            let at = graph.rows.binary_search(&row).unwrap();
            graph.neighbors[at * 5..][..5].iter().any(|&neighbor| graph.rows[neighbor as usize] == other)
        };
        let (beside, pairs) = whole.beside(&batch, 2, 3);
        assert_eq!((beside.len(), pairs), (30, 30));
        assert!(batch.iter().zip(&beside).all(|(&row, &other)| is_pair(&whole, row, other)));
        assert_ne!(beside, whole.beside(&batch, 2, 4).0);
        let some = graph(60, &rows, 5, 1);
        let (beside, pairs) = some.beside(&batch, 2, 3);
        assert_eq!((beside.len(), pairs), (30, 15));
        assert!(beside[..15].iter().zip(&beside[15..]).all(|(&row, &other)| is_pair(&some, row, other)));
    }

    #[test]
    fn two_rows_are_neighbours_of_each_other() {
        let found = graph(100, &rows(2, 4), 15, 1);
        assert_eq!((found.count, found.neighbors), (1, vec![1, 0]));
    }
}
