//! How far apart the values of a number are in rows some rows apart (Matheron 1963, "Principles of geostatistics").

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::recent::{RECENT_ROWS, RecentRows};

/// Of a number: half the mean square of the difference between two rows 1, 2, … rows apart. Empty if no two rows are known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variogram(Vec<f64>);

/// The differences between rows of regular distance and those before them.
#[derive(Clone)]
pub(crate) struct Differences {
    every: u64,
    sums: Arc<Mutex<DifferenceSums>>,
}

#[derive(Default)]
struct DifferenceSums {
    /// `[columns, distances]`: sums of squares, and how many.
    squares: Vec<f64>,
    counts: Vec<u64>,
}

/// The largest distance.
const FARTHEST: usize = RECENT_ROWS - 1;

impl Differences {
    /// Of every so many rows.
    pub(crate) fn new(every: u64) -> Self {
        Self { every, sums: Arc::default() }
    }

    /// Adds the last of some rows, which is this one of all.
    pub(super) fn add(&self, number: u64, recent: &RecentRows, row: usize, columns: usize) {
        if !number.is_multiple_of(self.every) {
            return;
        }
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.squares.resize(columns * FARTHEST, 0.0);
        sums.counts.resize(columns * FARTHEST, 0);
        for column in 0..columns {
            let Some(value) = recent.get(row, column) else { continue };
            for distance in 1..=FARTHEST.min(row) {
                let Some(before) = recent.get(row - distance, column) else { continue };
                let at = column * FARTHEST + distance - 1;
                sums.squares[at] += (value - before) * (value - before);
                sums.counts[at] += 1;
            }
        }
    }

    /// The variogram of a column. A distance without rows counts as the one before, or the first as the next that has some.
    pub(crate) fn variogram(&self, column: usize) -> Variogram {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let of_column = column * FARTHEST..(column + 1) * FARTHEST;
        let (Some(squares), Some(counts)) = (sums.squares.get(of_column.clone()), sums.counts.get(of_column)) else {
            return Variogram::default();
        };
        let half = |(square, count): (&f64, &u64)| {
            let half = square / (2.0 * *count as f64);
            half.is_finite().then_some(half)
        };
        let halves: Vec<Option<f64>> = squares.iter().zip(counts).map(half).collect();
        let Some(mut last) = halves.iter().flatten().next().copied() else { return Variogram::default() };
        let halves = halves.into_iter().map(|half| {
            last = half.unwrap_or(last);
            last
        });
        let halves = halves.collect();
        Variogram(halves)
    }
}

impl Variogram {
    /// Of rows so far apart; the largest distance stands for those beyond.
    pub(super) fn at(&self, distance: usize) -> f64 {
        match distance {
            0 => 0.0,
            _ => self.0.get(distance - 1).or(self.0.last()).copied().unwrap_or(0.0),
        }
    }

    /// Whether it is of no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it can be one: a model file may be damaged.
    pub(super) fn is_valid(&self) -> bool {
        self.0.len() <= FARTHEST && self.0.iter().all(|half| half.is_finite() && *half >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_without_rows_counts_as_the_one_before_and_the_first_as_the_next() {
        let (mut recent, differences) = (RecentRows::default(), Differences::new(1));
        for number in 0..400_u32 {
            // Every other row is known: it is one more than that before.
            let value = if number % 2 == 0 { f64::from(number / 2) } else { f64::NAN };
            let row = recent.push(&[value]);
            differences.add(number.into(), &recent, row, 1);
        }
        let variogram = differences.variogram(0);
        let halves = [1, 2, 3, 4, 5].map(|distance| variogram.at(distance));
        assert_eq!(halves, [0.5, 0.5, 0.5, 2.0, 2.0]);
    }
}
