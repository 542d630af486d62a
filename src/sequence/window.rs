//! The window of a sequence: sums over its last rows.

/// Sums over the last 1, 2, 4, … rows of a sequence, for as many rows as each is old when it is needed.
///
/// The sum of rows 2^k to 2^(k+1) - 1 before a row is the one of 2^k rows that ended 2^k rows before it; with it, the sum over
/// 2^k rows up to this one becomes that over 2^(k+1) rows. So a row takes one addition a lag, and the order of the
/// additions is the same wherever the sequence began.
#[derive(Clone)]
pub(crate) struct Window {
    /// For each lag k, the sums that ended with the last 2^k rows, `[2^k, columns]`, oldest at `rows mod 2^k`.
    sums: Vec<f64>,
    /// How many known values each sum has.
    counts: Vec<u16>,
    /// Rows so far.
    rows: usize,
}

/// A row on its way into a window: sums and counts of each column.
#[derive(Default)]
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
}

impl Window {
    /// A window that begins with a row, of `lags` lags: the rows before it count as its equals.
    pub(crate) fn begin(values: &[f64], lags: usize) -> Self {
        Self::after(&values.repeat(lags), values.len())
    }

    /// A window after rows with these means, `[lags, columns]`, NaN where no value is known: as if all rows of a mean were that.
    pub(crate) fn after(means: &[f64], columns: usize) -> Self {
        let lags = means.len() / columns.max(1);
        let size = ((1 << lags) - 1) * columns;
        let mut window = Self { sums: vec![0.0; size], counts: vec![0; size], rows: 0 };
        window.fill(lags, columns, |lag, column| means[lag * columns + column]);
        window
    }

    /// Begins again with a row.
    pub(crate) fn restart(&mut self, values: &[f64], lags: usize) {
        self.fill(lags, values.len(), |_, column| values[column]);
    }

    /// Whether the row that comes next has as many rows before it as a window of so many lags holds.
    pub(super) fn is_full(&self, lags: usize) -> bool {
        self.rows + 1 >= 1 << lags
    }

    fn fill(&mut self, lags: usize, columns: usize, mean: impl Fn(usize, usize) -> f64) {
        self.rows = 0;
        for lag in 0..lags {
            let rows = 1_u16 << lag;
            for slot in 0..1 << lag {
                let at = ((1 << lag) - 1 + slot) * columns;
                for column in 0..columns {
                    let value = mean(lag, column);
                    let known = !value.is_nan();
                    self.sums[at + column] = if known { value * f64::from(rows) } else { 0.0 };
                    self.counts[at + column] = if known { rows } else { 0 };
                }
            }
        }
    }

    /// The means over the rows before the next one, `[lags, columns]`, NaN where no value is known.
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
            for column in 0..columns {
                let (sum, count) = (sums[column], counts[column]);
                means[column] = sum / f64::from(count);
                (sums[column], counts[column]) = (row.sums[column], row.counts[column]);
                row.sums[column] += sum;
                row.counts[column] += count;
            }
        }
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The means by definition.
    fn expected(rows: &[[f64; 2]], at: usize, lags: usize) -> Vec<f64> {
        let row = |before: usize| rows[at.saturating_sub(before)];
        let mean = |lag: usize, column: usize| {
            let known: Vec<f64> =
                (1 << lag..2 << lag).map(|before| row(before)[column]).filter(|value| !value.is_nan()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        (0..lags).flat_map(|lag| [mean(lag, 0), mean(lag, 1)]).collect()
    }

    #[test]
    fn means_are_those_of_the_rows_before_and_the_first_row_stands_for_earlier_ones() {
        let lags = 3;
        let value = |n: usize| if n % 5 == 2 { f64::NAN } else { (n * n % 17) as f64 };
        let rows: Vec<[f64; 2]> = (0..40).map(|n| [value(n), n as f64 / 8.0]).collect();
        let (mut window, mut sums, mut means) = (Window::begin(&rows[0], lags), LagSums::default(), vec![0.0; 6]);
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
            let (mut window, mut sums, mut means) = (Window::begin(&rows[from], 4), LagSums::default(), vec![0.0; 4]);
            rows[from..].iter().for_each(|row| window.step(row, &mut sums, &mut means));
            means.iter().map(|mean| mean.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(100));
        assert_eq!(run(0), run(184));
        assert_ne!(run(0), run(190));
    }
}
