//! A sample of a column's values: those of the same rows in every column of a table.

use crate::numerics::RandomStream;

/// The largest number of values in a sample: 4 KiB a column, and enough for quantiles of sixteen blocks.
const MOST: usize = 512;

/// The same of a table that is judged group by group: 72 KiB a column, and eight values of each of a thousand groups.
const MOST_OF_GROUPS: usize = 8192;

/// The values of some rows in row order. Which rows is a function of their numbers alone, as if drawn at random: rows at
/// equal distances could all be of one device of several that take turns.
#[derive(Debug, Clone)]
pub(crate) struct RowSample {
    most: usize,
    rows: u64,
    /// A row is in the sample if its random bits end in so many zeros.
    level: u32,
    values: Vec<f64>,
    /// The number of zeros that each row's random bits end in.
    levels: Vec<u8>,
    random: RandomStream,
}

impl RowSample {
    pub(super) fn new() -> Self {
        let (values, levels, random) = (Vec::new(), Vec::new(), RandomStream::new(0, "row sample"));
        Self { most: MOST, rows: 0, level: 0, values, levels, random }
    }

    /// A larger one, to be judged group by group.
    pub(super) fn of_groups() -> Self {
        Self { most: MOST_OF_GROUPS, ..Self::new() }
    }

    /// Leaves out rows until it has the usual size, and gives the sample of before.
    pub(super) fn reduce(&mut self) -> Self {
        let whole = self.clone();
        self.most = MOST;
        self.thin();
        whole
    }

    /// Adds the value of the next row; NaN if it is missing or unusable.
    pub(super) fn push(&mut self, value: Option<f64>) {
        let level = self.random.bits(self.rows).trailing_zeros();
        self.rows += 1;
        if level < self.level {
            return;
        }
        self.values.push(value.filter(|value| (*value as f32).is_finite()).unwrap_or(f64::NAN));
        self.levels.push(level as u8);
        self.thin();
    }

    /// Leaves out rows until it is small enough.
    fn thin(&mut self) {
        while self.values.len() > self.most {
            self.level += 1;
            let stays = |level: &u8| u32::from(*level) >= self.level;
            let mut levels = self.levels.iter();
            self.values.retain(|_| levels.next().is_some_and(stays));
            self.levels.retain(stays);
        }
    }

    /// The number of rows that the sample is of.
    pub(super) fn of_rows(&self) -> u64 {
        self.rows
    }

    /// The number of each value's row.
    pub(super) fn rows(&self) -> impl Iterator<Item = u64> {
        (0..self.rows).filter(|row| self.random.bits(*row).trailing_zeros() >= self.level)
    }

    /// The values, in row order.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_rows_from_everywhere_and_the_same_ones_in_every_column() {
        let (mut numbers, mut squares) = (RowSample::new(), RowSample::new());
        for row in 0..100_000 {
            let row = f64::from(row);
            numbers.push(Some(row));
            squares.push((row % 2.0 == 0.0).then_some(row * row));
        }
        assert!(numbers.rows().map(|row| row as f64).eq(numbers.values().iter().copied()));
        let (numbers, squares) = (numbers.values(), squares.values());
        assert!((MOST / 4..=MOST).contains(&numbers.len()) && numbers.is_sorted());
        assert!(numbers[0] < 3000.0 && numbers[numbers.len() - 1] > 97_000.0);
        let even = numbers.iter().filter(|row| *row % 2.0 == 0.0).count();
        assert!((0.4..0.6).contains(&(even as f64 / numbers.len() as f64)), "{even}");
        for (number, square) in numbers.iter().zip(squares) {
            assert!(if number % 2.0 == 0.0 { *square == number * number } else { square.is_nan() });
        }
    }

    #[test]
    fn a_larger_sample_has_the_usual_one_in_it() {
        let (mut large, mut usual) = (RowSample::of_groups(), RowSample::new());
        for row in 0..100_000 {
            large.push(Some(f64::from(row)));
            usual.push(Some(f64::from(row)));
        }
        assert!((MOST_OF_GROUPS / 4..=MOST_OF_GROUPS).contains(&large.values().len()));
        assert!(large.reduce().values().len() > MOST);
        assert_eq!(large.values(), usual.values());
        assert!(large.rows().eq(usual.rows()));
    }

    #[test]
    fn few_rows_are_all_in_the_sample() {
        let mut sample = RowSample::new();
        (0..MOST).for_each(|row| sample.push(Some(row as f64)));
        assert_eq!(sample.values().len(), MOST);
    }
}
