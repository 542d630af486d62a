//! The features of a model: encoding of a batch into row vectors, and decoding back into columns.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::exact::bits_elements;
use super::logical_type::BadValue;
use super::scalar::Scalar;
use super::watch::{WatchedColumn, nats_of_unseen, surprise_of_unseen};
use super::{Column, FeatureCells, FeatureIssues, Kind, PARTIAL_WINDOW, Surprise, ValueIssues, Watched, top_columns};
use crate::config::LogicalType;
use crate::error::{Error, Place, Result};
use crate::feature::{GivenLayout, GroupNorms, Layout, Shape, Strata};
use crate::source::ColumnTypes;

/// The features of a model, in row-vector order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    /// The learned columns, then the given ones.
    kinds: Vec<Kind>,
    learned: usize,
    layout: Layout,
    /// The distinct top-level columns, and the index of each feature's own among them.
    top_columns: Vec<String>,
    top_indices: Vec<usize>,
    /// The first element of each feature, then the width of a row.
    starts: Vec<usize>,
    /// The surprise of a value of each feature that the fit did not see; 0 if it is not wanted, or if the feature is given.
    unseen: Vec<u64>,
    /// The watched columns that are read after the features, and how many the model has.
    watched: Vec<WatchedColumn>,
    all_watched: usize,
    /// Whether the column is read after these that tells which windows are not full.
    partial_windows: bool,
}

impl Features {
    /// Takes learned features in row-vector order, `None` if they are not, and given ones. With `indicated`, learned features
    /// with missing values get missing indicators, except for categories, whose classes already show it; given ones
    /// always do.
    pub(crate) fn new(mut kinds: Vec<Kind>, given: Vec<Kind>, indicated: bool) -> Option<Self> {
        let is_one_hot = |shape: Shape| shape.classes > 1;
        let of = |kind: &Kind| {
            (kind.feature().shape(), indicated && kind.missing() > 0 && !is_one_hot(kind.feature().shape()))
        };
        let bits = |kind: &Kind| bits_elements(kind.feature().exact());
        let seen = |kind: &Kind| kind.feature().elapsed()..kind.elements() - bits(kind);
        let of_given = |kind: &Kind| (kind.feature().shape(), kind.missing() > 0, seen(kind));
        let layout = Layout::new(kinds.iter().map(of))?.with_given(GivenLayout::new(given.iter().map(of_given)));
        let learned = kinds.len();
        kinds.extend(given);
        let (top_columns, top_indices) = top_columns(kinds.iter().map(|kind| kind.column()));
        let ends = kinds.iter().scan(0, |end, kind| {
            *end += kind.elements();
            Some(*end)
        });
        let starts = [0].into_iter().chain(ends).collect();
        let (unseen, watched, all_watched, partial_windows) = (vec![0; kinds.len()], Vec::new(), 0, false);
        Some(Self {
            kinds,
            learned,
            layout,
            top_columns,
            top_indices,
            starts,
            unseen,
            watched,
            all_watched,
            partial_windows,
        })
    }

    /// These features, with rows standardised by these levels and spreads of groups.
    pub(crate) fn with_norms(self, norms: Vec<Arc<GroupNorms>>) -> Self {
        let given = self.layout.given().with_norms(norms);
        Self { layout: self.layout.with_given(given), ..self }
    }

    /// These features, whose columns are read as the logical types that `types` gives them.
    pub(crate) fn with_types(&self, types: &ColumnTypes) -> Self {
        let mut features = self.clone();
        for column in features.kinds.iter_mut().map(Kind::column_mut) {
            *column = column.clone().typed(types);
        }
        features
    }

    /// The elements of the row vector that groups standardise: numbers.
    pub(crate) fn numbers(&self) -> Arc<[usize]> {
        let is_number = |feature: &usize| matches!(self.kinds[*feature], Kind::Number(_) | Kind::Vector(_));
        (0..self.learned).filter(is_number).flat_map(|feature| self.elements(feature)).collect()
    }

    /// These features of a fit to `rows` rows, for an input with this schema: they tell the surprise of unseen categories and signs, of
    /// missing values where the fit saw none, but for those of `windows`, and of the values of `watched` columns that the input has; and of rows
    /// in order which windows are not full.
    pub(crate) fn watching(&self, watched: &[Watched], windows: &HashSet<String>, rows: u64, schema: &Schema) -> Self {
        // Means over rows before are odd where their values are, which were a surprise already.
        let unseen = |kind: &Kind| match windows.contains(kind.column().name()) {
            true => 0,
            false => surprise_of_unseen(rows.saturating_sub(kind.missing())),
        };
        let given = std::iter::repeat_n(0, self.kinds.len() - self.learned);
        let unseen = self.kinds().iter().map(unseen).chain(given).collect();
        let partial_windows = schema.field_with_name(PARTIAL_WINDOW).is_ok();
        let features = Self { unseen, partial_windows, ..self.clone() };
        features.with_watched(WatchedColumn::of(watched, schema), watched.len())
    }

    /// The surprise of a value of a learned feature that a fit to `rows` rows did not see, in nats.
    pub(crate) fn unseen_nats(&self, feature: usize, rows: u64) -> f64 {
        nats_of_unseen(rows.saturating_sub(self.kinds[feature].missing()))
    }

    fn with_watched(self, watched: Vec<WatchedColumn>, all_watched: usize) -> Self {
        let columns = self.kinds.iter().map(|kind| kind.column()).chain(watched.iter().map(|it| &it.column));
        let (top_columns, top_indices) = top_columns(columns);
        Self { top_columns, top_indices, watched, all_watched, ..self }
    }

    /// Takes learned features in any order and sorts them by likelihood; the sort is stable.
    pub(crate) fn grouped(mut kinds: Vec<Kind>, given: Vec<Kind>, indicated: bool) -> Self {
        kinds.sort_by_key(|kind| kind.feature().shape().likelihood);
        Self::new(kinds, given, indicated).expect("sorted by likelihood in the line above")
    }

    /// A range of the columns, to write alone; without missing indicators.
    pub(crate) fn subset(&self, range: Range<usize>) -> Self {
        let count = self.kinds.len();
        let kinds = range.start.min(count)..range.end.min(count);
        let watched = self.watched[range.start.max(count) - count..range.end.max(count) - count].to_vec();
        let mut learned = self.kinds[kinds.clone()].to_vec();
        let given = learned.split_off(self.learned.clamp(kinds.start, kinds.end) - kinds.start);
        let subset = Self::new(learned, given, false).expect("a range of features in their order");
        Self { unseen: self.unseen[kinds].to_vec(), ..subset }.with_watched(watched, self.all_watched)
    }

    /// The columns that are read: those of the learned features, of the given ones, then the watched ones.
    pub(crate) fn read_columns(&self) -> impl ExactSizeIterator<Item = &Column> {
        let at = move |n: usize| match self.kinds.get(n) {
            Some(kind) => kind.column(),
            None => &self.watched[n - self.kinds.len()].column,
        };
        (0..self.top_indices.len()).map(at)
    }

    /// The watched columns that are read.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &Watched> {
        self.watched.iter().map(|column| &column.watched)
    }

    /// The index of a column's top-level column in [`columns`](Self::columns).
    pub(crate) fn top_index(&self, column: usize) -> usize {
        self.top_indices[column]
    }

    /// Whether a value can be a surprise.
    pub(crate) fn is_watching(&self) -> bool {
        !self.watched.is_empty() || self.unseen.iter().any(|&unseen| unseen > 0)
    }

    /// The learned features.
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds[..self.learned]
    }

    /// The learned features, then the given ones.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter()
    }

    /// The given features alone.
    pub(crate) fn given_part(&self) -> Self {
        self.subset(self.learned..self.kinds.len())
    }

    /// The given features.
    pub(crate) fn given(&self) -> &[Kind] {
        &self.kinds[self.learned..]
    }

    /// The strata of rows by what is given of them.
    pub(crate) fn strata(&self) -> Strata {
        Strata::new(self.given())
    }

    /// The layout of the row vector.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The elements of a feature in the row vector.
    pub(crate) fn elements(&self, feature: usize) -> Range<usize> {
        self.starts[feature]..self.starts[feature + 1]
    }

    /// The values that a feature's part of `elements`, `[rows, width]`, stands for, as a column of a type it accepts; of a
    /// learned feature, or a given one after these.
    ///
    /// # Errors
    /// As [`Feature::read`].
    pub(crate) fn read(&self, feature: usize, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        self.kinds[feature].read(&self.part(feature, elements), data_type)
    }

    /// The values of a feature that is a [`Scalar`], as a column of a type it accepts.
    ///
    /// # Errors
    /// As [`Scalar::array`].
    pub(crate) fn array(&self, feature: usize, values: &[f64], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let kind = &self.kinds[feature];
        kind.restored(data_type, |data_type| self.scalar(feature).array(values, data_type))
    }

    /// The values of a feature that is a [`Scalar`] in rows, `[rows, width]`; NaN where missing.
    pub(super) fn values(&self, feature: usize, elements: &[f32]) -> Vec<f64> {
        let (kind, part) = (&self.kinds[feature], self.part(feature, elements));
        match kind.feature().exact() {
            Some(exact) => exact.values(&part, kind.elements()),
            None => self.scalar(feature).values(&part),
        }
    }

    /// The feature as one number a row.
    ///
    /// # Panics
    /// If it is not.
    pub(super) fn scalar(&self, feature: usize) -> &dyn Scalar {
        self.kinds[feature].feature().scalar().expect("only features with one number a row are compared")
    }

    /// A feature's part of rows, `[rows, width]`.
    pub(super) fn part(&self, feature: usize, elements: &[f32]) -> Vec<f32> {
        let (width, range) = (self.layout.width(), self.elements(feature));
        elements.chunks_exact(width).flat_map(|row| &row[range.clone()]).copied().collect()
    }

    /// The feature that an element belongs to.
    pub(crate) fn of_element(&self, element: usize) -> &Kind {
        &self.kinds[self.starts.partition_point(|&start| start <= element) - 1]
    }

    /// The distinct top-level columns that are learned.
    pub(crate) fn learned_columns(&self) -> Vec<String> {
        top_columns(self.kinds().iter().map(|kind| kind.column())).0
    }

    /// The distinct top-level columns that are read.
    pub(crate) fn columns(&self) -> Vec<String> {
        let partial = self.partial_windows.then(|| PARTIAL_WINDOW.to_owned());
        self.top_columns.iter().cloned().chain(partial).collect()
    }

    /// The type a top-level column had at fit; `None` if it is not a feature or Arrow cannot parse its type.
    pub(crate) fn type_of(&self, name: &str) -> Option<DataType> {
        let is_it = |kind: &&Kind| kind.column().field_names().is_empty() && kind.column().name() == name;
        let kind = self.kinds.iter().find(is_it)?;
        match kind.column().logical_type() {
            None => {}
            Some(LogicalType::String) => return Some(DataType::Utf8),
            // Read as any type, and then as this one.
            Some(_) => return None,
        }
        match super::parse_type::parse(kind.data_type()).ok()? {
            DataType::Dictionary(_, values) => Some(*values),
            data_type => Some(data_type),
        }
    }

    /// Checks that `schema` has every feature's column, with a type that the feature accepts.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] or [`Error::WrongType`], naming `path` and the column.
    pub(crate) fn check(&self, schema: &Schema, path: &std::path::Path) -> Result<()> {
        for kind in &self.kinds {
            let column = kind.column();
            let Some(data_type) = column.data_type(schema) else {
                // One that the model needs itself is not the one meant.
                let is_other = |leaf: &Column| self.kinds.iter().all(|kind| kind.column() != leaf);
                let leaves = Column::leaves(schema);
                let others = leaves.iter().filter(|(leaf, _)| is_other(leaf)).map(|(leaf, _)| leaf.name());
                let near = crate::source::near_names(column.name(), others);
                return Err(Error::MissingFeature { path: path.to_owned(), column: column.to_string(), near });
            };
            if kind.conversion(data_type).is_none() {
                return Err(Error::WrongType {
                    place: Place::column(path, column.name()),
                    found: data_type.to_string().into(),
                    expected: kind.feature().expects().into(),
                });
            }
        }
        Ok(())
    }

    /// The columns of `schema` that are read as a logical type, each with its stored type.
    pub(crate) fn converted<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (&'a Column, &'a DataType, LogicalType)> {
        self.kinds.iter().filter_map(|kind| {
            let stored = kind.column().data_type(schema)?;
            Some((kind.column(), stored, kind.conversion(stored)??))
        })
    }

    /// No issue of any column.
    pub(crate) fn no_issues(&self) -> FeatureIssues {
        let none = |count| vec![ValueIssues::default(); count];
        let given = self.kinds.len() - self.learned;
        FeatureIssues { learned: none(self.learned), given: none(given), watched: none(self.all_watched) }
    }

    /// Writes a batch whose columns are [`columns`](Self::columns) into `block`, row-major `[rows, width]`, and adds the
    /// surprise of each row to `surprise`, which may be empty.
    ///
    /// # Errors
    /// [`Error::Read`] naming the column.
    ///
    /// # Panics
    /// If the block's size is not that of the batch.
    pub(crate) fn write(&self, batch: &RecordBatch, block: &mut [f32], surprise: &mut [u64]) -> Result<FeatureIssues> {
        /// Bytes of rows written column by column while their cache lines are still warm, and the fewest and most rows.
        const TILE_BYTES: usize = 1 << 15;
        const TILE_ROWS: (usize, usize) = (128, 1024);
        let inputs = self.layout.width();
        let tile_rows = (TILE_BYTES / size_of::<f32>() / inputs.max(1)).clamp(TILE_ROWS.0, TILE_ROWS.1);
        assert_eq!(block.len(), batch.num_rows() * inputs);
        let mut issues = self.no_issues();
        let read = |column: &Column| {
            let place = Place::column("", column.name());
            move |source| Error::Read { place, source: Box::new(source) }
        };
        for (tile, block) in block.chunks_mut((tile_rows * inputs).max(1)).enumerate() {
            let first = (tile * tile_rows) as u64;
            let rows = batch.slice(tile * tile_rows, block.len() / inputs);
            let surprise = surprise.get_mut(tile * tile_rows..).unwrap_or_default();
            let mut tile = FeatureIssues::default();
            let columns = self.kinds.iter().zip(&self.top_indices).zip(&self.starts).zip(&self.unseen);
            for (((kind, &place), &at), &unseen) in columns {
                let array = kind.array(rows.column(place)).map_err(|bad| BadValue::after(bad, first));
                let array = array.map_err(read(kind.column()))?;
                let mut elements = FeatureCells { block, inputs, at, surprise, unseen };
                let found = kind.feature().write(&array, &mut elements).map_err(read(kind.column()))?;
                if unseen > 0 && kind.missing() == 0 && found.null + found.unusable > 0 {
                    elements.add_unseen_missing(kind.elements());
                }
                tile.learned.push(found);
                if let Some(exact) = kind.feature().exact() {
                    elements.at += kind.elements() - bits_elements(Some(exact));
                    let bits = exact.elements(&array).map_err(read(kind.column()))?;
                    bits.iter().enumerate().for_each(|(row, bits)| elements.set_each(row, bits));
                }
                if let (Kind::Number(number), true) = (kind, tile.learned.len() > self.learned) {
                    // A value outside the range at fit counts as its end: the network learned nothing beyond it.
                    let [least, most] = number.range();
                    block.iter_mut().skip(at).step_by(inputs).for_each(|x| *x = x.clamp(least, most));
                }
            }
            tile.given = tile.learned.split_off(self.learned);
            // Time goes on.
            let times = tile.given.iter_mut().zip(self.given()).filter(|(_, kind)| kind.feature().grows_over_time());
            times.for_each(|(issues, _)| issues.out_of_range = 0);
            issues.add(&tile);
        }
        for (watched, &place) in self.watched.iter().zip(&self.top_indices[self.kinds.len()..]) {
            let array = watched.column.of(batch.column(place)).map_err(read(&watched.column))?;
            issues.watched[watched.number] = watched.write(&array, surprise).map_err(read(&watched.column))?;
        }
        Ok(issues)
    }

    /// The surprise of each column that is read, in the same order, in every row of a batch as for [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn surprises(&self, batch: &RecordBatch) -> Result<Vec<Surprise>> {
        let of_column = |column: usize| {
            let part = self.subset(column..column + 1);
            if !part.is_watching() {
                return Ok(Surprise::default());
            }
            let mut surprise = vec![0; batch.num_rows()];
            let top = batch.project(&[self.top_indices[column]]).expect("the batch has the columns that are read");
            part.write(&top, &mut vec![0.0; batch.num_rows() * part.layout.width()], &mut surprise)?;
            Ok(Surprise::new(surprise))
        };
        (0..self.top_indices.len()).map(of_column).collect()
    }
}
