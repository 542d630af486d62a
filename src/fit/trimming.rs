//! Which numbers say that a row is odd, so that a gradient step leaves it out.
//!
//! A rare category, or one of the few values other than the one that most rows have, makes a row no odder than the rest of a
//! minority. Were rows trimmed by these too, a minority no larger than the share that is trimmed would be left out of every step
//! and never be learned; its rows then hid the outliers.

use super::encoded_rows::EncodedRows;
use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::feature::Layout;

/// Most rows to look at: a share is off by .5 % of them at most (one standard error).
const MOST_ROWS: usize = 8192;

/// Most values to look at together.
const MOST_VALUES: usize = 1 << 22;

/// For each element, `[inputs]`, 1 if rows are trimmed by it: if it is a number, and fewer rows than those that are kept have
/// its commonest value. `None` if there is no such number: then rows are trimmed by all elements.
///
/// # Errors
/// The store's.
pub(super) fn trimming_numbers(rows: &EncodedRows, layout: &Layout, trim: f64) -> Result<Option<Vec<f32>>> {
    let (all, some) = (rows.len(), rows.len().min((MOST_VALUES / layout.width()).clamp(256, MOST_ROWS)));
    let mut table = Table::default();
    let spread = (0..some).map(|row| (row as u128 * all as u128 / some as u128) as u64);
    rows.gather(spread, layout.width(), &mut table)?;
    let batch = Batch::new(table.ids, table.x, layout);
    let mut weights = vec![0.0; layout.inputs()];
    for (element, weight) in weights.iter_mut().enumerate().take(layout.gaussians()) {
        let is_known =
            |row: usize| batch.known.as_ref().is_none_or(|known| known[row * layout.inputs() + element] > 0.0);
        let known = (0..some).filter(|row| is_known(*row)).map(|row| batch.x[row * layout.inputs() + element]);
        if commonest_share(known.collect()) < (1.0 - trim).max(0.5) {
            *weight = 1.0;
        }
    }
    Ok(weights.contains(&1.0).then_some(weights))
}

/// The share of the commonest value, if at least half of the values are the same; else the share of the middle one. 1 without
/// values.
fn commonest_share(mut values: Vec<f32>) -> f64 {
    values.sort_by(f32::total_cmp);
    let Some(middle) = values.get(values.len() / 2) else { return 1.0 };
    values.iter().filter(|value| *value == middle).count() as f64 / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Likelihood::{Bernoulli, Gaussian};
    use crate::feature::Shape;

    #[test]
    fn rows_are_trimmed_by_numbers_of_which_no_value_is_that_of_all_but_a_minority() {
        // The numbers 0 to 99; 1 in one row of ten; the same, known in half of the rows; 1 in three rows of ten; a flag; a word.
        let shapes = [(Shape::of(Gaussian, 4), true), (Shape::of(Bernoulli, 1), false), (Shape::category(3), false)];
        let layout = Layout::new(shapes).unwrap();
        let rows = |elements: [f32; 4]| {
            let mut table = Table::default();
            for row in 0..100_u16 {
                let share = |of: u16| f32::from(u8::from(row % 10 < of));
                let known = if row < 50 { share(1) } else { f32::NAN };
                let numbers = [f32::from(row), share(1), known, share(3)];
                let mut x: Vec<f32> = numbers.iter().zip(elements).map(|(number, times)| number * times).collect();
                x.extend([share(1), share(1)]);
                table.push(u64::from(row), &x);
            }
            EncodedRows::of(table)
        };
        let by = |rows: &EncodedRows, trim: f64| trimming_numbers(rows, &layout, trim).unwrap();
        let all = rows([1.0; 4]);
        assert_eq!(by(&all, 0.2), Some(vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]));
        assert_eq!(by(&all, 0.05), Some(vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0]));
        assert_eq!(by(&all, 0.9), Some(vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        assert_eq!(by(&rows([0.0, 1.0, 1.0, 0.0]), 0.2), None);
    }
}
