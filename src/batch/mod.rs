//! Batches of row vectors: contiguous, row-major, with a mask of known values.

#![forbid(unsafe_code)]

mod slicer;
mod transposer;

use arrow::array::RecordBatch;

pub(crate) use self::slicer::{BatchSlice, BatchSlicer, batch_bytes};
pub(crate) use self::transposer::{RowGroupTransposer, RowSlice, TransposeConfig};
use crate::error::Result;
use crate::feature::{FeatureIssues, Features, GivenRows, Layout, Surprise, partial_windows};
use crate::numerics::RandomStream;

/// Bytes of row vectors in a batch, within the bounds on rows below.
const BATCH_BYTES: usize = 4 << 20;

/// Fewest and most rows of a batch. Both are multiples of the encoder's block, so that only a row group's last block is
/// padded.
const BATCH_ROWS: (usize, usize) = (256, 8192);

/// Rows that are encoded together.
pub(crate) fn batch_rows(layout: &Layout) -> usize {
    let (block, most) = BATCH_ROWS;
    (BATCH_BYTES / size_of::<f32>() / layout.width() / block * block).clamp(block, most)
}

/// Rows as the model takes them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batch {
    /// Number of each row in the input, counted over all files.
    pub(crate) ids: Vec<u64>,
    /// The row vectors, `[rows, inputs]`, standardised by group; 0 where missing.
    pub(crate) x: Vec<f32>,
    /// The mask, `[rows, inputs]`: 1 where known, 0 where missing. `None` if every value is known.
    pub(crate) known: Option<Vec<f32>>,
    /// The encoder's input in place of `x` and `known`, if values are masked or have noise.
    pub(crate) shown: Option<MaskedRows>,
    /// The surprise of each row beside the likelihood of its values.
    pub(crate) surprise: Surprise,
    /// The given elements.
    pub(crate) given: GivenRows,
    /// Which values, `[rows, inputs]`, are expected ones in place of those of the row. `None` if none is.
    pub(crate) replaced: Option<Vec<bool>>,
    /// Of rows in order, which have fewer rows before them than a window holds; empty if none has.
    pub(crate) partial_windows: Vec<bool>,
}

/// The row vectors and mask of a batch with some known values masked, or with noise; shapes as in [`Batch`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MaskedRows {
    pub(crate) x: Vec<f32>,
    pub(crate) known: Vec<f32>,
}

impl Batch {
    /// Takes rows, `[rows, width]`, with NaN where a value is missing, as features write them.
    pub(crate) fn new(ids: Vec<u64>, rows: Vec<f32>, layout: &Layout) -> Self {
        debug_assert_eq!(rows.len(), ids.len() * layout.width());
        if layout.given().elements() == 0 {
            return Self::of_row_vectors(ids, rows, GivenRows::default());
        }
        let (mut x, mut elements) = (Vec::with_capacity(ids.len() * layout.inputs()), Vec::new());
        for row in rows.chunks_exact(layout.width()) {
            let (values, given) = row.split_at(layout.inputs());
            let from = x.len();
            x.extend_from_slice(values);
            layout.given().standardise(&mut x[from..], given);
            elements.extend_from_slice(given);
        }
        Self::of_row_vectors(ids, x, layout.given().rows(elements))
    }

    /// Takes row vectors, `[rows, inputs]`, with NaN where a value is missing, and the given elements of the rows.
    pub(crate) fn of_row_vectors(ids: Vec<u64>, mut x: Vec<f32>, given: GivenRows) -> Self {
        let known = has_missing(&x).then(|| x.iter().map(|x| f32::from(!x.is_nan())).collect());
        if known.is_some() {
            x.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
        }
        Self {
            ids,
            x,
            known,
            shown: None,
            surprise: Surprise::default(),
            given,
            replaced: None,
            partial_windows: Vec::new(),
        }
    }

    /// Takes rows without their numbers: the model's answer depends on their values alone.
    pub(crate) fn unnumbered(x: Vec<f32>, layout: &Layout) -> Self {
        let rows = x.len() / layout.width();
        Self::new(vec![0; rows], x, layout)
    }

    /// Rows of which only the numbers are here.
    pub(crate) fn of_numbers(ids: Vec<u64>) -> Self {
        Self::of_row_vectors(ids, Vec::new(), GivenRows::default())
    }

    /// Encodes the learned and given columns of some rows, and tells which values are not as those of the fit.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) if a column cannot be read as it was at fit.
    pub(crate) fn encode(features: &Features, columns: &RecordBatch) -> Result<(Self, FeatureIssues)> {
        let mut x = vec![0.0; columns.num_rows() * features.layout().width()];
        let mut surprise = vec![0; if features.is_watching() { columns.num_rows() } else { 0 }];
        let issues = features.write(columns, &mut x, &mut surprise)?;
        let surprise = Surprise::new(surprise);
        let partial_windows = partial_windows(columns);
        Ok((Self { surprise, partial_windows, ..Self::unnumbered(x, features.layout()) }, issues))
    }

    /// Hides a share `rate` of the values from the encoder; a row draws from the child of its number.
    ///
    /// The likelihood still includes them, so that the encoder learns to infer whole rows from their known parts (Im et
    /// al. 2017, "Denoising criterion for variational auto-encoding framework").
    pub(crate) fn hide(&mut self, rate: f64, noise: RandomStream) {
        let inputs = self.x.len() / self.rows().max(1);
        let mut x = self.x.clone();
        let mut known = self.known.clone().unwrap_or_else(|| vec![1.0; x.len()]);
        let rows = x.chunks_exact_mut(inputs).zip(known.chunks_exact_mut(inputs));
        for (&id, (x, known)) in self.ids.iter().zip(rows) {
            let noise = noise.child(id);
            for (n, (x, known)) in (0..).zip(x.iter_mut().zip(known)) {
                if noise.uniform(n) < rate {
                    (*x, *known) = (0.0, 0.0);
                }
            }
        }
        self.shown = Some(MaskedRows { x, known });
    }

    /// Adds noise to the first `values` elements that the encoder sees of each row, uniform with this standard deviation; a
    /// row draws from the child of its number. The likelihood is of the values without noise, as in [`hide`](Self::hide).
    pub(crate) fn blur(&mut self, deviation: f64, values: usize, noise: RandomStream) {
        let inputs = self.x.len() / self.rows().max(1);
        let shown = self.shown.get_or_insert_with(|| MaskedRows {
            x: self.x.clone(),
            known: self.known.clone().unwrap_or_else(|| vec![1.0; self.x.len()]),
        });
        let rows = shown.x.chunks_exact_mut(inputs).zip(shown.known.chunks_exact(inputs));
        // A uniform variable has the deviation of its range divided by the square root of 12.
        let range = 12.0_f64.sqrt() * deviation;
        for (&id, (x, known)) in self.ids.iter().zip(rows) {
            let noise = noise.child(id);
            for (n, (x, known)) in (0..).zip(x[..values].iter_mut().zip(known)) {
                *x += known * (range * (noise.uniform(n) - 0.5)) as f32;
            }
        }
    }

    /// The row vectors, `[rows, inputs]`, standardised by group; NaN where missing.
    pub(crate) fn values(&self) -> impl Iterator<Item = f32> + '_ {
        let known = self.known.iter().flatten().chain(std::iter::repeat(&1.0));
        self.x.iter().zip(known).map(|(x, known)| if *known > 0.0 { *x } else { f32::NAN })
    }

    /// The rows, standardised by group, with their given elements, `[rows, width]`; NaN where missing.
    pub(crate) fn into_rows(self, layout: &Layout) -> Vec<f32> {
        let (inputs, given) = (layout.inputs(), layout.given().elements());
        let mut rows = Vec::with_capacity(self.rows() * layout.width());
        for (row, x) in self.x.chunks_exact(inputs).enumerate() {
            let known = |n: usize| self.known.as_ref().is_none_or(|known| known[row * inputs + n] > 0.0);
            rows.extend(x.iter().enumerate().map(|(n, x)| if known(n) { *x } else { f32::NAN }));
            rows.extend_from_slice(&self.given.elements[row * given..][..given]);
        }
        rows
    }

    /// Some of its rows, by their number in the batch.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let inputs = self.x.len() / self.rows().max(1);
        fn rows_of<T: Copy>(all: &[T], rows: &[u32], inputs: usize) -> Vec<T> {
            rows.iter().flat_map(|&row| &all[row as usize * inputs..][..inputs]).copied().collect()
        }
        let taken = |all: &[f32]| rows_of(all, rows, inputs);
        let shown = |MaskedRows { x, known }: &MaskedRows| MaskedRows { x: taken(x), known: taken(known) };
        Self {
            ids: rows.iter().map(|&row| self.ids[row as usize]).collect(),
            x: taken(&self.x),
            known: self.known.as_deref().map(taken),
            shown: self.shown.as_ref().map(shown),
            surprise: self.surprise.take(rows),
            given: self.given.take(rows, self.rows()),
            replaced: self.replaced.as_ref().map(|all| rows_of(all, rows, inputs)),
            partial_windows: self.partial_windows_of(rows),
        }
    }

    /// Which of some rows, by their number in the batch, have no full window.
    pub(crate) fn partial_windows_of(&self, rows: &[u32]) -> Vec<bool> {
        rows.iter().filter_map(|&row| self.partial_windows.get(row as usize)).copied().collect()
    }

    /// The rows in the decoder's layout, `[rows, outputs]`; NaN where missing.
    pub(crate) fn spread(&self, layout: &Layout) -> Vec<f32> {
        let inputs = layout.inputs();
        let mut spread = Vec::with_capacity(self.rows() * layout.outputs());
        for (row, x) in self.x.chunks_exact(inputs).enumerate() {
            layout.spread(x, self.known.as_ref().map(|known| &known[row * inputs..][..inputs]), &mut spread);
        }
        spread
    }

    /// The rows in the space of the learned columns, `[rows, outputs]`, where two classes of a category are as far apart as 0
    /// and 1; NaN where missing.
    pub(crate) fn places(&self, layout: &Layout) -> Vec<f32> {
        let (mut places, weights) = (self.spread(layout), layout.distance_weights());
        let rows = places.chunks_exact_mut(weights.len());
        rows.for_each(|row| row.iter_mut().zip(&weights).for_each(|(x, weight)| *x *= weight));
        places
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// Whether any of `x` is NaN.
fn has_missing(x: &[f32]) -> bool {
    // Pieces without an early exit, which the compiler vectorizes.
    x.chunks(256).any(|piece| piece.iter().fold(false, |missing, x| missing | x.is_nan()))
}

/// A growing table of rows as features write them, NaN where a value is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    /// Number of each row in the input.
    pub(crate) ids: Vec<u64>,
    /// `[rows, width]`, row-major.
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

    /// Appends a row of another table.
    pub(crate) fn push_row(&mut self, from: &Self, row: usize, width: usize) {
        self.push(from.ids[row], &from.x[row * width..(row + 1) * width]);
    }

    /// The rows in two tables: cut into so many blocks, every other block.
    pub(crate) fn alternate(&self, blocks: usize, width: usize) -> [Self; 2] {
        let mut tables = [Self::default(), Self::default()];
        (0..self.len()).for_each(|row| tables[row * blocks / self.len() % 2].push_row(self, row, width));
        tables
    }

    /// Reserves memory for `rows` more rows.
    pub(crate) fn reserve(&mut self, rows: usize, width: usize) {
        self.ids.reserve_exact(rows);
        self.x.reserve_exact(rows * width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Likelihood::Gaussian;
    use crate::feature::Shape;

    #[test]
    fn missing_values_become_zero_and_unknown() {
        let layout = Layout::new([(Shape::of(Gaussian, 2), false)]).unwrap();
        let batch = Batch::new(vec![4, 9], vec![1.0, f32::NAN, 2.0, 3.0], &layout);
        assert_eq!(batch.x, [1.0, 0.0, 2.0, 3.0]);
        assert_eq!(batch.known.as_deref(), Some(&[1.0, 0.0, 1.0, 1.0][..]));
        assert_eq!(Batch::new(vec![4], vec![1.0, 2.0], &layout).known, None);
    }

    #[test]
    fn a_share_of_the_values_is_masked_for_the_encoder_only() {
        let layout = Layout::new([(Shape::of(Gaussian, 4), false)]).unwrap();
        let mut x = vec![1.0; 4000];
        x[7] = f32::NAN;
        let mut batch = Batch::new((0..1000).collect(), x, &layout);
        let before = batch.clone();
        batch.hide(0.3, RandomStream::new(1, "hide"));
        assert_eq!((&batch.x, &batch.known), (&before.x, &before.known));
        let MaskedRows { x, known } = batch.shown.unwrap();
        assert_eq!(x, known, "a masked value is 0, like a missing one");
        let hidden = known.iter().filter(|&&known| known == 0.0).count();
        assert!(known[7] == 0.0 && (1100..1300).contains(&hidden), "{hidden}");
    }

    #[test]
    fn known_values_have_noise_for_the_encoder_only() {
        let layout = Layout::new([(Shape::of(Gaussian, 4), false)]).unwrap();
        let mut x = vec![1.0; 40_000];
        x[7] = f32::NAN;
        let mut batch = Batch::new((0..10_000).collect(), x, &layout);
        let before = batch.clone();
        batch.blur(0.5, 3, RandomStream::new(1, "blur"));
        assert_eq!((&batch.x, &batch.known), (&before.x, &before.known));
        let MaskedRows { x, known } = batch.shown.unwrap();
        assert_eq!((x[7], known[7], x[3]), (0.0, 0.0, 1.0), "neither a missing value nor one beyond the first three");
        let noise: Vec<f64> = x.chunks_exact(4).flat_map(|row| &row[..3]).map(|x| f64::from(x - 1.0)).collect();
        let variance = noise.iter().map(|noise| noise * noise).sum::<f64>() / noise.len() as f64;
        assert!((variance - 0.25).abs() < 0.005, "{variance}");
    }
}
