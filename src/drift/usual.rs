//! What parts of the training rows differ by among themselves: a day from the other days of a month. Only more than that
//! is drift.

use std::ops::Range;

use super::binning::Binning;
use super::divergence::{merge_bins, psi};

/// Parts of the rows in their order, and fewest rows of one.
const PARTS: usize = 32;
const PART_ROWS: usize = 64;

/// What counts as usual, of the largest index of a part: the next one may be larger than all so far.
const MARGIN: f64 = 1.5;

/// The parts of so many rows; one if they are few.
pub(super) fn parts(rows: usize) -> Vec<Range<usize>> {
    let parts = PARTS.min(rows / PART_ROWS).max(1);
    (0..parts).map(|part| (part * rows).div_ceil(parts)..((part + 1) * rows).div_ceil(parts)).collect()
}

/// The population stability index that is usual for a part of rows, from the counts of one quantity's bins in each part; 0
/// for few rows.
pub(super) fn usual(binning: &Binning, parts: &[&[f64]]) -> f32 {
    if parts.len() < 2 {
        return 0.0;
    }
    let all: Vec<f64> = (0..binning.bins()).map(|bin| parts.iter().map(|part| part[bin]).sum()).collect();
    let merged = binning.merged(&all);
    let fit = merge_bins(&all, &merged);
    let largest = parts.iter().map(|part| psi(&fit, &merge_bins(part, &merged))).fold(0.0, f64::max);
    (MARGIN * largest) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_from_day_to_day_is_usual() {
        let usual_of = |bin: &dyn Fn(usize) -> u16, rows: usize| {
            let binning = Binning::Class(2);
            let of_part = |part: Range<usize>| {
                let mut counts = vec![0.0; binning.bins()];
                part.for_each(|row| counts[usize::from(bin(row))] += 1.0);
                counts
            };
            let counts: Vec<Vec<f64>> = parts(rows).into_iter().map(of_part).collect();
            usual(&binning, &counts.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        assert_eq!(usual_of(&|_| 0, 100), 0.0, "few rows");
        let mixed = usual_of(&|row| u16::from(row % 2 == 0), 6400);
        // Every seventh of 32 days, one class is twice as frequent as the other.
        let weekly = usual_of(&|row| u16::from(if row / 200 % 7 == 0 { row % 3 > 0 } else { row % 2 == 0 }), 6400);
        assert!(mixed < 0.05 && (0.1..0.3).contains(&weekly), "{mixed} {weekly}");
    }
}
