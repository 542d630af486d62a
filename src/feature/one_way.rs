//! Detection of columns that move one way: in later rows, they leave the range of earlier ones and do not return.

/// Blocks that the values are divided into.
const BLOCKS: usize = 16;

/// Fewest blocks that must leave the range of all before them, of 15.
const FEWEST_STEPS: usize = 13;

/// Fewest different medians of blocks.
const FEWEST_LEVELS: usize = 8;

/// Fewest known values to judge.
pub(super) const FEWEST_VALUES: usize = 64;

/// The share of values at either end of a range that do not count: late rows, and outliers.
const TAIL: f64 = 0.1;

/// A counter has at least one different value in so many rows.
const DISTINCT: usize = 4;

/// The smallest correlation of a counter with the number of the row. Sorted values of a normal distribution have 0.977.
const EVEN: f64 = 0.99;

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
        if known.len() < FEWEST_VALUES {
            return None;
        }
        let (mut earlier, mut medians, mut rises, mut falls) = (Vec::new(), Vec::new(), 0, 0);
        for block in 0..BLOCKS {
            let mut values = known[known.len() * block / BLOCKS..known.len() * (block + 1) / BLOCKS].to_vec();
            values.sort_by(f64::total_cmp);
            let within = |values: &[f64]| [TAIL, 1.0 - TAIL].map(|rank| quantile(values, rank));
            let [low, high] = within(&values);
            medians.push(quantile(&values, 0.5));
            if !earlier.is_empty() {
                let [lowest, highest] = within(&earlier);
                rises += usize::from(low >= highest);
                falls += usize::from(high <= lowest);
            }
            earlier.extend(values);
            earlier.sort_by(f64::total_cmp);
        }
        medians.sort_by(f64::total_cmp);
        medians.dedup();
        match (medians.len() >= FEWEST_LEVELS, rises, falls) {
            (true, FEWEST_STEPS.., _) => Some(Self::Rising),
            (true, _, FEWEST_STEPS..) => Some(Self::Falling),
            _ => None,
        }
    }

    /// The way of `values` in the order of a file's rows. An honest column may be what the file is sorted by, so that the
    /// values must also be like a counter's: mostly different, at about equal distances.
    pub(super) fn of_rows(values: &[f64]) -> Option<Self> {
        let way = Self::of(values.iter().copied())?;
        let known: Vec<(f64, f64)> = (0_u32..).map(f64::from).zip(values.iter().copied()).collect();
        let known: Vec<(f64, f64)> = known.into_iter().filter(|(_, value)| !value.is_nan()).collect();
        let mut different: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        let is_counter = DISTINCT * different.len() >= known.len() && correlation(&known).abs() >= EVEN;
        is_counter.then_some(way)
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

/// The correlation coefficient of pairs; 0 or NaN if either part is constant.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / count, y + pair.1 / count));
    let sum = |of: fn(f64, f64) -> f64| pairs.iter().map(|pair| of(pair.0 - x, pair.1 - y)).sum::<f64>();
    sum(|x, y| x * y) / (sum(|x, _| x * x).sqrt() * sum(|_, y| y * y).sqrt())
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
        let rows =
            |value: fn(f64) -> f64| OneWay::of_rows(&(0..500).map(|row| value(f64::from(row))).collect::<Vec<_>>());
        assert_eq!(rows(|row| 7.0 * row - 1e6), Some(OneWay::Rising));
        assert_eq!(rows(|row| -(row / 3.0).floor()), Some(OneWay::Falling));
        assert_eq!(rows(|row| (row / 10.0).floor()), None);
        // Quantiles of the exponential and of the logistic distribution.
        assert_eq!(rows(|row| -(1.0 - row / 500.0).ln()), None);
        assert_eq!(rows(|row| ((row + 0.5) / (499.5 - row)).ln()), None);
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
