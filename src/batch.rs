//! Rows on the model's side of the house: contiguous, row-major, with what is known of each.

use crate::layout::Layout;

/// Rows as the model takes them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batch {
    /// Counts the batches of a pass, from 0.
    pub(crate) seq: u64,
    /// Number of each row in the input, counted over all files.
    pub(crate) ids: Vec<u64>,
    /// `[rows, inputs]`; 0 where missing.
    pub(crate) x: Vec<f32>,
    /// `[rows, features]`: 1 where known, 0 where missing. `None` if every value is known.
    pub(crate) known: Option<Vec<f32>>,
}

impl Batch {
    /// Takes rows with NaN where a value is missing, as features write them.
    pub(crate) fn new(seq: u64, ids: Vec<u64>, mut x: Vec<f32>, layout: &Layout) -> Self {
        debug_assert_eq!(x.len(), ids.len() * layout.inputs());
        let known = has_missing(&x).then(|| {
            let rows = x.chunks_exact(layout.inputs());
            rows.flat_map(|row| layout.spans().iter().map(|span| f32::from(!row[span.input.start].is_nan()))).collect()
        });
        if known.is_some() {
            x.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
        }
        Self { seq, ids, x, known }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// Whether any of `x` is NaN.
fn has_missing(x: &[f32]) -> bool {
    // Pieces without an early end, of which the compiler makes vectors.
    x.chunks(256).any(|piece| piece.iter().fold(false, |missing, x| missing | x.is_nan()))
}

/// A growing table of encoded rows, NaN where a value is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    /// Number of each row in the input.
    pub(crate) ids: Vec<u64>,
    /// `[rows, inputs]`, row-major.
    pub(crate) x: Vec<f32>,
}

impl Table {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Appends one row.
    pub(crate) fn push(&mut self, id: u64, x: &[f32]) {
        self.ids.push(id);
        self.x.extend_from_slice(x);
    }

    /// Makes room for `rows` more rows.
    pub(crate) fn reserve(&mut self, rows: usize, inputs: usize) {
        self.ids.reserve_exact(rows);
        self.x.reserve_exact(rows * inputs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Likelihood::Gaussian;

    #[test]
    fn missing_values_become_zero_and_unknown() {
        let layout = Layout::new([("a", 1, 1, Gaussian), ("b", 1, 1, Gaussian)]).unwrap();
        let batch = Batch::new(0, vec![4, 9], vec![1.0, f32::NAN, 2.0, 3.0], &layout);
        assert_eq!(batch.x, [1.0, 0.0, 2.0, 3.0]);
        assert_eq!(batch.known.as_deref(), Some(&[1.0, 0.0, 1.0, 1.0][..]));
        assert_eq!(Batch::new(0, vec![4], vec![1.0, 2.0], &layout).known, None);
    }
}
