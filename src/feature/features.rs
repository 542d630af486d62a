//! All features of a model: bound to a schema, written row by row.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::{Column, FeatureIssues, Kind, ValueIssues, tops};
use crate::error::{Error, Place, Result};
use crate::feature::{Layout, Shape};

/// One fitted column: how its values are written into the row vector, and read back from it.
pub(crate) trait Feature: Send + Sync {
    /// Where its values are.
    fn column(&self) -> &Column;

    /// What a column must be to be this feature, in words.
    fn expects(&self) -> &'static str;

    /// How a value enters the row vector, in words.
    fn describe(&self) -> String;

    /// Whether a column of this type can be this feature.
    fn accepts(&self, data_type: &DataType) -> bool;

    /// The type of the column at fit, as Arrow writes it.
    fn data_type(&self) -> &str;

    /// What it takes of the row vector.
    fn shape(&self) -> Shape;

    /// Values that were missing at fit.
    fn missing(&self) -> u64;

    /// Writes `array` into its cells, one row a value; NaN where the value is missing or not usable.
    ///
    /// # Errors
    /// If the array cannot be read as [`accepts`](Self::accepts) promises.
    fn write(&self, array: &ArrayRef, cells: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError>;

    /// The values that `cells`, `[rows, elements]`, stand for, as a column of a type it accepts: within the range and of
    /// the categories seen at fit; null where NaN.
    ///
    /// # Errors
    /// If the type cannot hold such values.
    fn read(&self, cells: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError>;

    /// Which of its parts an output of the decoder stands for, in words; nothing if it is the column itself.
    fn part(&self, _output: usize) -> Option<String> {
        None
    }

    /// What an output stands for where `expected`, on the model's scale or a probability, is expected of it: a value of
    /// the column, wherever it lies, or the probability.
    fn in_unit(&self, _output: usize, expected: f64) -> f64 {
        expected
    }

    /// The unit of that, where it is not the column's own.
    fn unit(&self, _output: usize) -> Option<&'static str> {
        None
    }

    /// The place in a list that one of its elements is the number at, if each stands for itself.
    fn place(&self, _element: usize) -> Option<usize> {
        None
    }

    /// The numbers that `cells` of such an element stand for, of the type that lists of this type hold.
    ///
    /// # Errors
    /// If the type cannot hold such values, or there is no such element.
    fn read_place(&self, _place: usize, cells: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        self.read(cells, data_type)
    }

    /// Whether later rows have other values by nature, as of times: that says nothing of their kind.
    fn goes_on(&self) -> bool {
        false
    }

    /// What its unusable values are, as in `2 values are …`.
    fn unusable(&self) -> &'static str {
        "NaN, infinite or beyond f32, taken as missing"
    }

    /// Whether its numbers are ones that [`write`](Self::write) and [`read`](Self::read) can work with: a model file may
    /// say anything.
    fn is_sound(&self) -> bool {
        true
    }

    /// Whether a class can be read back as a value.
    fn reads(&self, _: usize) -> bool {
        true
    }
}

/// One feature's elements in a row-major block `[rows, inputs]`.
pub(crate) struct FeatureCells<'a> {
    block: &'a mut [f32],
    inputs: usize,
    at: usize,
}

impl FeatureCells<'_> {
    /// Sets the feature's first element in `row`.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: f32) {
        self.set_at(row, 0, value);
    }

    /// Sets any of the feature's elements in `row`.
    #[inline]
    pub(crate) fn set_at(&mut self, row: usize, element: usize, value: f32) {
        self.block[row * self.inputs + self.at + element] = value;
    }
}

/// The features of a model, in row-vector order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    kinds: Vec<Kind>,
    layout: Layout,
    /// The top-level columns, and which of them each feature is in.
    tops: Vec<String>,
    places: Vec<usize>,
    /// Where each feature's elements begin, and after them the width.
    starts: Vec<usize>,
}

impl Features {
    /// Takes features that already stand in row-vector order; `None` if they do not. `indicated` tells the encoder what
    /// is missing of those with missing values, as far as a value does not tell it by itself.
    pub(crate) fn new(kinds: Vec<Kind>, indicated: bool) -> Option<Self> {
        let told = |shape: Shape| shape.classes > 1;
        let of = |kind: &Kind| {
            let shape = kind.feature().shape();
            (shape, indicated && kind.missing() > 0 && !told(shape))
        };
        let layout = Layout::new(kinds.iter().map(of))?;
        let (tops, places) = tops(kinds.iter().map(|kind| kind.column()));
        let ends = kinds.iter().scan(0, |end, kind| {
            *end += kind.elements();
            Some(*end)
        });
        let starts = [0].into_iter().chain(ends).collect();
        Some(Self { kinds, layout, tops, places, starts })
    }

    /// Takes features in any order and groups them by likelihood, otherwise keeping their order.
    pub(crate) fn grouped(mut kinds: Vec<Kind>, indicated: bool) -> Self {
        kinds.sort_by_key(|kind| kind.feature().shape().likelihood);
        Self::new(kinds, indicated).expect("sorted by likelihood just now")
    }

    /// Some of them, to be written by themselves; no encoder sees those.
    pub(crate) fn some(&self, run: Range<usize>) -> Self {
        Self::new(self.kinds[run].to_vec(), false).expect("a part of what is in row-vector order")
    }

    /// The features.
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Which part of the row vector is whose.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The elements of a feature in the row vector.
    pub(crate) fn elements(&self, feature: usize) -> Range<usize> {
        self.starts[feature]..self.starts[feature + 1]
    }

    /// The values that a feature's part of `cells`, `[rows, inputs]`, stands for, as a column of a type it accepts.
    ///
    /// # Errors
    /// As [`Feature::read`].
    pub(crate) fn read(&self, feature: usize, cells: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let (inputs, range) = (self.layout.inputs(), self.elements(feature));
        let of_feature: Vec<f32> = cells.chunks_exact(inputs).flat_map(|row| &row[range.clone()]).copied().collect();
        self.kinds[feature].feature().read(&of_feature, data_type)
    }

    /// The feature of an element.
    pub(crate) fn of_element(&self, element: usize) -> &Kind {
        &self.kinds[self.starts.partition_point(|&start| start <= element) - 1]
    }

    /// The top-level columns they are in, each once.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.tops.clone()
    }

    /// The type a top-level column had at fit; none if it is not learned from or its type has no text form.
    pub(crate) fn type_of(&self, name: &str) -> Option<DataType> {
        let is_it = |kind: &&Kind| kind.column().within().is_empty() && kind.column().name() == name;
        match super::parse_type::parse(self.kinds.iter().find(is_it)?.data_type()).ok()? {
            DataType::Dictionary(_, values) => Some(*values),
            data_type => Some(data_type),
        }
    }

    /// Checks that every feature's column is in `schema` with a type it accepts.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] or [`Error::WrongType`], naming `path` and the column.
    pub(crate) fn check(&self, schema: &Schema, path: &std::path::Path) -> Result<()> {
        for kind in &self.kinds {
            let column = kind.column();
            let Some(data_type) = column.data_type(schema) else {
                let leaves = Column::leaves(schema);
                let near = crate::source::near_names(column.name(), leaves.iter().map(|(leaf, _)| leaf.name()));
                return Err(Error::MissingFeature { path: path.to_owned(), column: column.to_string(), near });
            };
            if !kind.feature().accepts(data_type) {
                return Err(Error::WrongType {
                    place: Place::column(path, column.name()),
                    found: data_type.to_string().into(),
                    expected: kind.feature().expects().into(),
                });
            }
        }
        Ok(())
    }

    /// Writes a batch whose columns are [`columns`](Self::columns) into `block`, row-major `[rows, inputs]`.
    ///
    /// # Errors
    /// [`Error::Read`] naming the column.
    ///
    /// # Panics
    /// If the block's size is not that of the batch.
    pub(crate) fn write(&self, batch: &RecordBatch, block: &mut [f32]) -> Result<FeatureIssues> {
        /// Rows written column by column while their cache lines are still warm.
        const TILE: usize = 128;
        let inputs = self.layout.inputs();
        assert_eq!(block.len(), batch.num_rows() * inputs);
        let mut found = FeatureIssues(vec![ValueIssues::default(); self.kinds.len()]);
        let read = |column: &Column| {
            let place = Place::column("", column.name());
            move |source| Error::Read { place, source: Box::new(source) }
        };
        for (tile, block) in block.chunks_mut(TILE * inputs).enumerate() {
            let rows = batch.slice(tile * TILE, block.len() / inputs);
            let mut tile = FeatureIssues::default();
            for ((kind, &place), &at) in self.kinds.iter().zip(&self.places).zip(&self.starts) {
                let array = kind.column().of(rows.column(place)).map_err(read(kind.column()))?;
                let mut cells = FeatureCells { block, inputs, at };
                tile.0.push(kind.feature().write(&array, &mut cells).map_err(read(kind.column()))?);
            }
            found.add(&tile);
        }
        Ok(found)
    }
}
