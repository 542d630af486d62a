//! Detection of columns that move one way: in later rows, they leave the range of earlier ones and do not return.

use super::row_sample::RowSample;

/// Blocks that the values are divided into.
const BLOCKS: usize = 16;

/// Most blocks that do not leave the range of all before them.
const MOST_EXCEPTIONS: usize = 2;

/// Fewest different medians of blocks.
const FEWEST_LEVELS: usize = 8;

/// Fewest known values to judge.
pub(super) const FEWEST_VALUES: usize = 64;

/// The share of values at either end of a range that do not count: late rows, and outliers.
const TAIL: f64 = 0.1;

/// How far a counter may be off its line, beside the number of rows: as the mean square distance, in rows. Sorted values of
/// a uniform distribution have a fifteenth.
const OFF_LINE: f64 = 1.0 / 200.0;

/// How far, in standard errors, steps must vary less than those between sorted uniform values.
const STANDARD_ERRORS: f64 = 5.0;

/// The way that the values of a column go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OneWay {
    /// They rise.
    Rising,
    /// They fall.
    Falling,
}

impl OneWay {
    /// The way of `values` in their order, if there is one: nine tenths of nearly every block lie beyond nine tenths of all
    /// values before it.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let known: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
        (known.len() >= FEWEST_VALUES).then(|| Self::of_blocks(&known, BLOCKS))?
    }

    /// The same of few known values, in blocks of two or more.
    pub(super) fn of_few(known: &[f64]) -> Option<Self> {
        Self::of_blocks(known, (known.len() / 2).clamp(1, BLOCKS))
    }

    fn of_blocks(known: &[f64], blocks: usize) -> Option<Self> {
        let (most_exceptions, fewest_levels) = (MOST_EXCEPTIONS * blocks / BLOCKS, FEWEST_LEVELS * blocks / BLOCKS);
        let (mut earlier, mut medians, mut not_above, mut not_below) = (Vec::new(), Vec::new(), 0, 0);
        for block in 0..blocks {
            let mut values = known[known.len() * block / blocks..known.len() * (block + 1) / blocks].to_vec();
            values.sort_by(f64::total_cmp);
            let within = |values: &[f64]| [TAIL, 1.0 - TAIL].map(|rank| quantile(values, rank));
            let [low, high] = within(&values);
            medians.push(quantile(&values, 0.5));
            if !earlier.is_empty() {
                let [lowest, highest] = within(&earlier);
                not_above += usize::from(low < highest);
                not_below += usize::from(high > lowest);
            }
            if not_above.min(not_below) > most_exceptions {
                return None;
            }
            earlier.extend(values);
            earlier.sort_by(f64::total_cmp);
        }
        medians.sort_by(f64::total_cmp);
        medians.dedup();
        let way = if not_above <= most_exceptions { Self::Rising } else { Self::Falling };
        (medians.len() >= fewest_levels).then_some(way)
    }

    /// The way of a sample in the order of the rows. An honest column may be what a file is sorted by, so that the values
    /// must also rise or fall as evenly as a counter's: along a line, or by steps that vary less than those between sorted values
    /// of the distribution whose sorted values are on a line, the uniform one.
    pub(super) fn of_rows(sample: &RowSample) -> Option<Self> {
        let way = Self::of(sample.values().iter().copied())?;
        let rows = sample.rows().map(|row| row as f64).zip(sample.values().iter().copied());
        let known: Vec<(f64, f64)> = rows.filter(|(_, value)| !value.is_nan()).collect();
        let is_on_line = off_line(&known) <= (OFF_LINE * sample.of_rows() as f64).max(1.0);
        (is_on_line || has_even_steps(&known)).then_some(way)
    }

    /// A phrase with the column as its subject.
    pub(super) fn reason(self, along: &str) -> String {
        let way = match self {
            Self::Rising => "rises",
            Self::Falling => "falls",
        };
        format!("only moves one way: it {way} with {along}")
    }
}

/// The mean square distance of rows from their line of regression on values; NaN if the values are constant.
fn off_line(known: &[(f64, f64)]) -> f64 {
    let count = known.len() as f64;
    let (row, value) =
        known.iter().fold((0.0, 0.0), |(row, value), known| (row + known.0 / count, value + known.1 / count));
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        known.iter().map(|known| of(known.0 - row, known.1 - value)).sum::<f64>() / count
    };
    let slope = mean(&|row, value| row * value) / mean(&|_, value| value * value);
    mean(&|row, value| (row - slope * value).powi(2))
}

/// Whether the values of rows rise or fall by steps that vary less than the gaps of a Poisson process, which are those between
/// sorted uniform values: the variance of a sum of n such gaps is n times their squared mean. The limit is so many standard errors
/// below.
fn has_even_steps(known: &[(f64, f64)]) -> bool {
    let [(first_row, first), .., (last_row, last)] = known else { return false };
    let (mean, steps) = ((last - first) / (last_row - first_row), (known.len() - 1) as f64);
    let of_pair = |pair: &[(f64, f64)]| {
        let (rows, rise) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        (rise - mean * rows).powi(2) / (mean * mean * rows)
    };
    let variance = known.windows(2).map(of_pair).sum::<f64>() / steps;
    // The fourth central moment of a sum of n gaps is 3 n² + 6 n.
    let error = ((2.0 + 6.0 * steps / (last_row - first_row)) / steps).sqrt();
    variance < 1.0 - STANDARD_ERRORS * error
}

/// The value at a rank of sorted values, which are not empty.
fn quantile(sorted: &[f64], rank: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * rank).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    fn way(value: impl Fn(f64, f64) -> f64) -> Option<OneWay> {
        let random = RandomStream::new(3, "one way");
        OneWay::of((0..500_u32).map(|row| value(f64::from(row), random.uniform(row.into()))))
    }

    #[test]
    fn counters_move_one_way() {
        assert_eq!(way(|row, _| row), Some(OneWay::Rising));
        assert_eq!(way(|row, _| -row), Some(OneWay::Falling));
        assert_eq!(way(|row, _| row * row), Some(OneWay::Rising));
        // Steps, missing values, rows in disorder, late rows, outliers.
        assert_eq!(way(|row, _| (row / 50.0).floor()), Some(OneWay::Rising));
        assert_eq!(way(|row, uniform| if uniform < 0.5 { f64::NAN } else { row }), Some(OneWay::Rising));
        assert_eq!(way(|row, uniform| row + 20.0 * uniform), Some(OneWay::Rising));
        assert_eq!(way(|row, uniform| if uniform < 0.05 { row * 20.0 * uniform } else { row }), Some(OneWay::Rising));
        assert_eq!(way(|row, uniform| if uniform < 0.05 { 1e9 } else { row }), Some(OneWay::Rising));
    }

    #[test]
    fn a_sorted_column_is_no_counter() {
        let of_rows = |value: &dyn Fn(usize) -> f64| {
            let mut sample = RowSample::new();
            (0..5000).for_each(|row| sample.push(Some(value(row))));
            OneWay::of_rows(&sample)
        };
        assert_eq!(of_rows(&|row| 7.0 * row as f64 - 1e6), Some(OneWay::Rising));
        assert_eq!(of_rows(&|row| -0.1 * (row / 3) as f64), Some(OneWay::Falling));
        assert_eq!(of_rows(&|row| (row / 250) as f64), None);
        // Quantiles of the exponential distribution, and sorted values of the uniform one.
        assert_eq!(of_rows(&|row| -(1.0 - row as f64 / 5000.0).ln()), None);
        for seed in 0..20 {
            let random = RandomStream::new(seed, "sorted");
            let mut values: Vec<f64> = (0..5000).map(|row| random.uniform(row)).collect();
            values.sort_by(f64::total_cmp);
            assert_eq!(of_rows(&|row| values[row]), None);
        }
    }

    #[test]
    fn a_counter_may_rise_by_uneven_steps() {
        let of_rows = |rows: u64, seed: u64, step: &dyn Fn(&mut dyn FnMut() -> f64) -> f64| {
            let (random, mut drawn) = (RandomStream::new(seed, "steps"), 0);
            let mut uniform = || {
                drawn += 1;
                random.uniform(drawn)
            };
            let (mut sample, mut value) = (RowSample::new(), 0.0);
            (0..rows).for_each(|_| {
                value += step(&mut uniform);
                sample.push(Some(value));
            });
            OneWay::of_rows(&sample)
        };
        for seed in 0..20 {
            for rows in [1000, 5000, 100_000] {
                let found = |step: &dyn Fn(&mut dyn FnMut() -> f64) -> f64| of_rows(rows, seed, step).is_some();
                // Whole steps from 0 to 9, every tenth number left out, and a meter whose steps vary by half of their mean.
                assert!(
                    found(&|uniform| (10.0 * uniform()).floor()) && found(&|uniform| 1.0 + f64::from(uniform() < 0.1))
                );
                assert!(found(&|uniform| -(0..4).map(|_| (1.0 - uniform()).ln()).sum::<f64>()));
                // These are the gaps between sorted uniform values; and larger ones.
                assert!(
                    !found(&|uniform| -(1.0 - uniform()).ln()) && !found(&|uniform| (1.0 - uniform()).ln().powi(2))
                );
            }
        }
    }

    #[test]
    fn waves_trends_in_noise_and_few_levels_do_not() {
        assert_eq!(way(|_, uniform| uniform), None);
        assert_eq!(way(|row, _| (row / 80.0).sin()), None);
        assert_eq!(way(|row, uniform| row / 500.0 + uniform), None);
        assert_eq!(way(|row, _| (row / 100.0).floor()), None);
        assert_eq!(way(|row, _| row % 250.0), None);
        assert_eq!(OneWay::of((0..FEWEST_VALUES - 1).map(|row| row as f64)), None);
    }
}
