//! A random sample of rows with the scores of both models, for the correlation of their ranks.

use std::collections::BinaryHeap;

use crate::numerics::{RandomStream, rank_correlation};

/// Most rows of the sample.
const MOST_ROWS: usize = 1_000_000;

/// A row with its scores as bits, by the draw that decides whether it is in the sample.
type Drawn = (u64, [u32; 2]);

/// All rows, or a random sample of them that depends on their numbers alone.
pub(super) struct RankedSample {
    noise: RandomStream,
    drawn: BinaryHeap<Drawn>,
}

impl RankedSample {
    pub(super) fn new() -> Self {
        Self { noise: RandomStream::new(0, "compare"), drawn: BinaryHeap::new() }
    }

    /// Adds row number `row`.
    pub(super) fn add(&mut self, row: u64, scores: [f32; 2]) {
        let draw = self.noise.bits(row);
        if self.drawn.len() == MOST_ROWS {
            if self.drawn.peek().is_some_and(|last| last.0 <= draw) {
                return;
            }
            self.drawn.pop();
        }
        self.drawn.push((draw, scores.map(f32::to_bits)));
    }

    /// The rows in the sample, and the rank correlation of their scores.
    pub(super) fn finish(self) -> (u64, Option<f64>) {
        let pair = |(_, [a, b]): Drawn| (f32::from_bits(a), f32::from_bits(b));
        let pairs: Vec<(f32, f32)> = self.drawn.into_iter().map(pair).collect();
        (pairs.len() as u64, rank_correlation(&pairs))
    }
}
