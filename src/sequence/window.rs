//! The window of a sequence: sums over its last rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

/// Sums over the last 1, 2, 4, … rows of a sequence, for as many rows as each is old when it is needed.
///
/// The sum of rows 2^k to 2^(k+1) - 1 before a row is the one of 2^k rows that ended 2^k rows before it; with it, the sum over
/// 2^k rows up to this one becomes that over 2^(k+1) rows. So a row takes one addition a lag, and the order of the
/// additions is the same wherever the sequence began. Where a window is older than its sequence, the mean of the rows that there are
/// stands for those that there are not, and for the first row that row itself.
#[derive(Clone)]
pub(crate) struct Window {
    /// For each lag k, the sums that ended with the last 2^k rows, `[2^k, columns]`, oldest at `rows mod 2^k`.
    sums: Vec<f64>,
    /// How many known values each sum has.
    counts: Vec<u16>,
    /// Rows so far.
    rows: usize,
    /// The sum over all rows so far, as long as a lag has none of them.
    all: LagSums,
}

/// Sums and counts of each column: of a row on its way into a window.
#[derive(Clone, Default)]
pub(crate) struct LagSums {
    sums: Vec<f64>,
    counts: Vec<u16>,
}

impl LagSums {
    fn set(&mut self, values: &[f64]) {
        self.sums.clear();
        self.sums.extend(values.iter().map(|value| if value.is_nan() { 0.0 } else { *value }));
        self.counts.clear();
        self.counts.extend(values.iter().map(|value| u16::from(!value.is_nan())));
    }

    fn add(&mut self, values: &[f64]) {
        let sums = self.sums.iter_mut().zip(&mut self.counts).zip(values).filter(|(_, value)| !value.is_nan());
        for ((sum, count), value) in sums {
            *sum += value;
            *count += 1;
        }
    }
}

impl Window {
    /// A window of `lags` lags without a row.
    pub(crate) fn begin(columns: usize, lags: usize) -> Self {
        let size = ((1 << lags) - 1) * columns;
        let all = LagSums { sums: vec![0.0; columns], counts: vec![0; columns] };
        Self { sums: vec![0.0; size], counts: vec![0; size], rows: 0, all }
    }

    /// A window after rows with these means, `[lags, columns]`, NaN where no value is known: as if all rows of a mean were that.
    pub(crate) fn after(means: &[f64], columns: usize) -> Self {
        let lags = means.len() / columns.max(1);
        let mut window = Self { rows: 1 << lags, ..Self::begin(columns, lags) };
        for (lag, means) in means.chunks_exact(columns.max(1)).enumerate() {
            let rows = 1_u16 << lag;
            for at in ((1 << lag) - 1..(2 << lag) - 1).map(|slot| slot * columns) {
                let slot = window.sums[at..].iter_mut().zip(&mut window.counts[at..]);
                for ((sum, count), mean) in slot.zip(means).filter(|(_, mean)| !mean.is_nan()) {
                    (*sum, *count) = (mean * f64::from(rows), rows);
                }
            }
        }
        window
    }

    /// Begins again.
    pub(crate) fn restart(&mut self) {
        self.rows = 0;
        self.sums.fill(0.0);
        self.counts.fill(0);
        self.all.sums.fill(0.0);
        self.all.counts.fill(0);
    }

    /// How many rows it has taken since it began.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the row that comes next has as many rows before it as a window of so many lags holds.
    pub(super) fn is_full(&self, lags: usize) -> bool {
        self.rows + 1 >= 1 << lags
    }

    /// The means over the rows before the next one, `[lags, columns]`, NaN where no value is known; of a full window.
    pub(crate) fn means(&self, columns: usize, means: &mut [f64]) {
        for (lag, means) in means.chunks_exact_mut(columns.max(1)).enumerate() {
            let at = ((1 << lag) - 1 + self.rows % (1 << lag)) * columns;
            for (column, mean) in means.iter_mut().enumerate() {
                *mean = self.sums[at + column] / f64::from(self.counts[at + column]);
            }
        }
    }

    /// Gives the means over the rows before the next one, `[lags, columns]`, NaN where no value is known; then adds it.
    pub(crate) fn step(&mut self, values: &[f64], row: &mut LagSums, means: &mut [f64]) {
        let columns = values.len();
        row.set(values);
        for (lag, means) in means.chunks_exact_mut(columns.max(1)).enumerate() {
            let at = ((1 << lag) - 1 + self.rows % (1 << lag)) * columns;
            let (sums, counts) = (&mut self.sums[at..at + columns], &mut self.counts[at..at + columns]);
            let is_older = self.rows < 1 << lag;
            for column in 0..columns {
                let (sum, count) = (sums[column], counts[column]);
                means[column] = match is_older {
                    true if self.rows == 0 => values[column],
                    true => self.all.sums[column] / f64::from(self.all.counts[column]),
                    false => sum / f64::from(count),
                };
                (sums[column], counts[column]) = (row.sums[column], row.counts[column]);
                row.sums[column] += sum;
                row.counts[column] += count;
            }
        }
        if 2 * self.rows < 1 << (means.len() / columns.max(1)) {
            self.all.add(values);
        }
        self.rows += 1;
    }
}

/// Means, null where NaN.
pub(super) fn column(means: Vec<f64>) -> ArrayRef {
    if means.iter().any(|mean| mean.is_nan()) {
        return Arc::new(means.into_iter().map(|mean| (!mean.is_nan()).then_some(mean)).collect::<Float64Array>());
    }
    Arc::new(Float64Array::from(means))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The means by definition.
    fn expected(rows: &[[f64; 2]], at: usize, lags: usize) -> Vec<f64> {
        let mean = |lag: usize, column: usize| {
            let rows = match at {
                0 => &rows[..1],
                at if at < 1 << lag => &rows[..at],
                at => &rows[(at + 1).saturating_sub(2 << lag)..=at - (1 << lag)],
            };
            let known: Vec<f64> = rows.iter().map(|row| row[column]).filter(|value| !value.is_nan()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        (0..lags).flat_map(|lag| [mean(lag, 0), mean(lag, 1)]).collect()
    }

    #[test]
    fn means_are_those_of_the_rows_before_which_stand_for_earlier_ones() {
        let lags = 3;
        let value = |n: usize| if n % 5 == 2 { f64::NAN } else { (n * n % 17) as f64 };
        let rows: Vec<[f64; 2]> = (0..40).map(|n| [value(n), n as f64 / 8.0]).collect();
        let (mut window, mut sums, mut means) = (Window::begin(2, lags), LagSums::default(), vec![0.0; 6]);
        for (at, row) in rows.iter().enumerate() {
            window.step(row, &mut sums, &mut means);
            for (found, expected) in means.iter().zip(expected(&rows, at, lags)) {
                assert!((found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan()), "row {at}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_where_a_sequence_began() {
        let rows: Vec<[f64; 1]> = (0..200).map(|n| [(f64::from(n) * 0.7).sin() * 1e3 + 0.1]).collect();
        let run = |from: usize| {
            let (mut window, mut sums, mut means) = (Window::begin(1, 4), LagSums::default(), vec![0.0; 4]);
            rows[from..].iter().for_each(|row| window.step(row, &mut sums, &mut means));
            means.iter().map(|mean| mean.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(100));
        assert_eq!(run(0), run(184));
        assert_ne!(run(0), run(190));
    }
}
