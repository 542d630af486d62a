//! All features of a model: bound to a schema, written row by row.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::Kind;
use crate::error::{Error, Place, Result};
use crate::layout::{Layout, Likelihood};

/// One fitted column: how its values are written into the row vector.
pub trait Feature: Send + Sync {
    /// The source column.
    fn column(&self) -> &str;

    /// What a column must be to be this feature, in words.
    fn expects(&self) -> &'static str;

    /// How a value enters the row vector, in words.
    fn describe(&self) -> String;

    /// Whether a column of this type can be this feature.
    fn accepts(&self, data_type: &DataType) -> bool;

    /// Elements of the row vector, elements of the decoder's output, and the distribution.
    fn shape(&self) -> (usize, usize, Likelihood);

    /// Writes `array` into its cells, one row a value; NaN where the value is missing.
    ///
    /// Returns how many values that are there were not usable: NaN, infinite, or beyond the range of f32.
    ///
    /// # Errors
    /// If the array cannot be read as [`accepts`](Self::accepts) promises.
    fn write(&self, array: &ArrayRef, cells: &mut Cells<'_>) -> Result<u64, ArrowError>;
}

/// One feature's elements in a row-major block `[rows, inputs]`.
pub struct Cells<'a> {
    block: &'a mut [f32],
    inputs: usize,
    at: usize,
}

impl Cells<'_> {
    /// Sets the feature's only element in `row`.
    #[inline]
    pub fn set(&mut self, row: usize, value: f32) {
        self.block[row * self.inputs + self.at] = value;
    }
}

/// Values present but not usable, counted a feature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Masked(pub(crate) Vec<u64>);

impl Masked {
    /// Adds the counts of another block.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }
}

/// The features of a model, in row-vector order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    kinds: Vec<Kind>,
    layout: Layout,
}

impl Features {
    /// Takes features that already stand in row-vector order; `None` if they do not.
    pub(crate) fn new(kinds: Vec<Kind>) -> Option<Self> {
        let layout = Layout::new(kinds.iter().map(|kind| {
            let (inputs, outputs, likelihood) = kind.shape();
            (kind.column(), inputs, outputs, likelihood)
        }))?;
        Some(Self { kinds, layout })
    }

    /// Takes features in any order and groups them by likelihood, otherwise keeping their order.
    pub(crate) fn grouped(mut kinds: Vec<Kind>) -> Self {
        kinds.sort_by_key(|kind| kind.shape().2);
        Self::new(kinds).expect("sorted by likelihood just now")
    }

    /// The features.
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Which part of the row vector is whose.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Their source columns, in row-vector order.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.kinds.iter().map(|kind| kind.column().to_owned()).collect()
    }

    /// Checks that every feature's column is in `schema` with a type it accepts.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] or [`Error::WrongType`], naming `path` and the column.
    pub(crate) fn check(&self, schema: &Schema, path: &std::path::Path) -> Result<()> {
        for kind in &self.kinds {
            let column = kind.column();
            let Ok(field) = schema.field_with_name(column) else {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let near = crate::source::near_names(column, names);
                return Err(Error::MissingFeature { path: path.to_owned(), column: column.to_owned(), near });
            };
            if !kind.accepts(field.data_type()) {
                return Err(Error::WrongType {
                    place: Place::column(path, column),
                    found: field.data_type().to_string().into(),
                    expected: kind.expects().into(),
                });
            }
        }
        Ok(())
    }

    /// Says, a column, how many values were there and not usable.
    pub(crate) fn warn_masked(&self, masked: &Masked) {
        for (kind, count) in self.kinds.iter().zip(&masked.0).filter(|(_, count)| **count > 0) {
            let column = kind.column();
            tracing::warn!("column {column:?}: {count} values are NaN, infinite or beyond f32; taken as missing");
        }
    }

    /// Writes a batch whose columns are [`columns`](Self::columns) into `block`, row-major `[rows, inputs]`.
    ///
    /// # Errors
    /// [`Error::Read`] naming the column.
    ///
    /// # Panics
    /// If the block's size is not that of the batch.
    pub(crate) fn write(&self, batch: &RecordBatch, block: &mut [f32]) -> Result<Masked> {
        /// Rows written column by column while their cache lines are still warm.
        const TILE: usize = 128;
        let inputs = self.layout.inputs();
        assert_eq!(block.len(), batch.num_rows() * inputs);
        let mut masked = Masked(vec![0; self.kinds.len()]);
        for (tile, block) in block.chunks_mut(TILE * inputs).enumerate() {
            let rows = batch.slice(tile * TILE, block.len() / inputs);
            for (((kind, span), array), masked) in
                self.kinds.iter().zip(self.layout.spans()).zip(rows.columns()).zip(&mut masked.0)
            {
                let mut cells = Cells { block, inputs, at: span.input.start };
                *masked += kind.write(array, &mut cells).map_err(|source| Error::Read {
                    place: Place::column("", kind.column()),
                    source: Box::new(source),
                })?;
            }
        }
        Ok(masked)
    }
}
