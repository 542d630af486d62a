//! Explanations of scores: the columns that raise a row's score most, with value and expected value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Builder, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder,
    UInt32Array,
};
use arrow::compute::{cast, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::batch::Batch;
use crate::config::Direction;
use crate::error::{Error, Place, Result};
use crate::feature::{Column, Features, Surprise};
use crate::score::{EncodedBatch, Score, Scorer};

/// Finds the columns that raise scores most.
pub(super) struct Explainer {
    features: Arc<Features>,
    /// Features, then watched columns; of vectors, each number by itself.
    sources: Vec<ExplainedSource>,
    /// Their elements of the row vector.
    elements: Vec<Range<usize>>,
    /// The score to explain.
    score: &'static Score,
    /// Most columns per row.
    most: usize,
}

/// A column, or one of the numbers of a list column.
struct ExplainedSource {
    /// The number of its column among those that are read.
    column: usize,
    /// The index in the list.
    index: Option<usize>,
    name: String,
    /// The constant of a watched column, unless it was empty.
    constant: Option<String>,
    /// The side on which its values are odd, if only one is.
    direction: Option<Direction>,
}

/// The type of the column: `list<struct<feature, contribution, value, expected>>`.
pub(super) fn data_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Struct(fields()), true)))
}

fn fields() -> Fields {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let contribution = Field::new("contribution", DataType::Float32, false);
    vec![text("feature", false), contribution, text("value", true), text("expected", true)].into()
}

impl Explainer {
    pub(super) fn new(
        features: Arc<Features>,
        score: &'static Score,
        most: usize,
        directions: &BTreeMap<String, Direction>,
    ) -> Self {
        let (mut sources, mut elements) = (Vec::new(), Vec::new());
        for (column, kind) in features.kinds().iter().enumerate() {
            let range = features.elements(column);
            let name = kind.column().name();
            let direction = directions.get(name).copied();
            if kind.feature().place(0).is_none() {
                sources.push(ExplainedSource { column, index: None, name: name.to_owned(), constant: None, direction });
                elements.push(range);
                continue;
            }
            for (element, index) in
                range.clone().filter_map(|element| Some((element, kind.feature().place(element - range.start)?)))
            {
                let name = format!("{name}[{index}]");
                sources.push(ExplainedSource { column, index: Some(index), name, constant: None, direction });
                elements.push(element..element + 1);
            }
        }
        for (column, watched) in (features.all().count()..).zip(features.watched()) {
            let (name, constant) = (watched.name.clone(), watched.constant.clone());
            sources.push(ExplainedSource { column, index: None, name, constant, direction: None });
            elements.push(0..0);
        }
        Self { features, sources, elements, score, most }
    }

    /// The columns that raise the scores of some rows most, `which` by their number in the batch, ascending; null for all
    /// other rows. `learned` are the learned columns of the batch.
    pub(super) fn top_features_of(
        &self,
        which: &[u32],
        scorer: &Scorer,
        batch: &Batch,
        learned: &RecordBatch,
    ) -> Result<ArrayRef> {
        let failed = |source| Error::Read { place: Place::file("record batch"), source: Box::new(source) };
        let mut places = vec![None; batch.rows()];
        (0..).zip(which).for_each(|(place, &row)| places[row as usize] = Some(place));
        let (batch, which) = (batch.take(which), UInt32Array::from(which.to_vec()));
        let learned = take_record_batch(learned, &which).map_err(failed)?;
        let explained = self.top_features(&scorer.rows(&batch)?, &learned)?;
        take(&explained, &UInt32Array::from(places), None).map_err(failed)
    }

    /// The columns that raise the score of each row most; null for a row without a known value. `learned` are the learned
    /// columns of the rows.
    pub(super) fn top_features(&self, rows: &EncodedBatch<'_>, learned: &RecordBatch) -> Result<ArrayRef> {
        let surprises = self.surprises(rows, learned)?;
        let (contributions, output) = rows.contributions(&self.elements, &surprises, self.score, self.most)?;
        // The rows of each source together, so that a column is converted once.
        let mut wanted: Vec<Vec<usize>> = vec![Vec::new(); self.sources.len()];
        for (row, of_row) in contributions.iter().enumerate() {
            of_row.iter().for_each(|contribution| wanted[contribution.source].push(row));
        }
        let columns: Vec<&Column> = self.features.read_columns().collect();
        let mut texts = Vec::with_capacity(wanted.len());
        for (n, wanted) in wanted.iter().enumerate() {
            let column = self.sources[n].column;
            let top = learned.column(self.features.top_index(column));
            texts.push(if wanted.is_empty() {
                [StringArray::new_null(0), StringArray::new_null(0)]
            } else {
                let texts = columns[column].of(top).and_then(|values| self.texts(n, wanted, &values, rows, &output));
                texts.map_err(|source| Error::Read {
                    place: Place::column("", columns[column].name()),
                    source: Box::new(source),
                })?
            });
        }
        let structs = StructBuilder::from_fields(fields(), contributions.iter().map(Vec::len).sum());
        let mut list = ListBuilder::new(structs);
        let mut next = vec![0; self.sources.len()];
        for (of_row, known) in contributions.iter().zip(&rows.first().encoded.known) {
            for contribution in of_row {
                let source = contribution.source;
                let [value, expected] = &texts[source];
                let row = list.values();
                let at = next[source];
                for (field, texts) in [(2, value), (3, expected)] {
                    let text = texts.is_valid(at).then(|| texts.value(at));
                    row.field_builder::<StringBuilder>(field).expect("a text").append_option(text);
                }
                row.field_builder::<StringBuilder>(0).expect("a text").append_value(&self.sources[source].name);
                row.field_builder::<Float32Builder>(1).expect("a number").append_value(contribution.share);
                row.append(true);
                next[source] += 1;
            }
            list.append(*known > 0.0);
        }
        Ok(Arc::new(list.finish()))
    }

    /// The surprise of each source: that of its column; of a number of a list, only where it is missing.
    fn surprises(&self, rows: &EncodedBatch<'_>, learned: &RecordBatch) -> Result<Vec<Surprise>> {
        let of_columns = self.features.surprises(learned)?;
        let (known, width) = (rows.first().batch.known.as_deref(), rows.first().encoded.features);
        let is_missing = |row: usize, element: usize| known.is_some_and(|known| known[row * width + element] == 0.0);
        let of_source = |(source, elements): (&ExplainedSource, &Range<usize>)| match source.index {
            None => of_columns[source.column].clone(),
            Some(_) => of_columns[source.column].filter(|row| is_missing(row, elements.start)),
        };
        Ok(self.sources.iter().zip(&self.elements).map(of_source).collect())
    }

    /// The values of a source in some rows and the values that the model expects there, as text.
    fn texts(
        &self,
        source: usize,
        wanted: &[usize],
        values: &ArrayRef,
        rows: &EncodedBatch<'_>,
        output: &[f32],
    ) -> Result<[StringArray; 2], ArrowError> {
        let ExplainedSource { column, index, constant, direction, .. } = &self.sources[source];
        let Some(kind) = self.features.kinds().get(*column) else {
            // A watched column comes after those that are learned.
            let given = texts(values, wanted.iter().copied())?;
            return Ok([given, vec![constant.clone(); wanted.len()]].map(StringArray::from));
        };
        let heads = &rows.first().member.heads;
        let outputs = heads.layout().outputs();
        let mut cells = Vec::new();
        let (layout, given) = (heads.layout().given(), &rows.first().batch.given);
        // Only the source's own elements are read.
        let mut x = vec![0.0; heads.layout().inputs()];
        for &row in wanted {
            let output = &output[row * outputs..][..outputs];
            x.fill(0.0);
            for element in self.elements[source].clone() {
                x[element] = heads.expected(element, output, &|class| kind.feature().reads(class));
            }
            layout.restore(&mut x, &given.elements[row * layout.elements()..][..layout.elements()]);
            cells.extend_from_slice(&x[self.elements[source].clone()]);
        }
        let expected = match index {
            Some(index) => kind.feature().read_place(*index, &cells, values.data_type())?,
            None => kind.read(&cells, values.data_type())?,
        };
        let given = match index {
            Some(index) => {
                let number = |&row: &usize| {
                    if values.is_null(row) {
                        return Ok(None);
                    }
                    // A list of another length than at fit may be too short.
                    let list = item(values, row)?;
                    Ok(texts(&list, Some(*index).filter(|at| *at < list.len()).into_iter())?.pop().flatten())
                };
                wanted.iter().map(number).collect::<Result<_, ArrowError>>()?
            }
            None => texts(values, wanted.iter().copied())?,
        };
        let bound = match direction {
            Some(Direction::High) => "at most ",
            Some(Direction::Low) => "at least ",
            None => "",
        };
        let expected = texts(&expected, 0..wanted.len())?;
        let expected = expected.into_iter().map(|text| Some(format!("{bound}{}", text?))).collect();
        Ok([given, expected].map(StringArray::from))
    }
}

/// Some values of an array as text.
fn texts(array: &ArrayRef, rows: impl Iterator<Item = usize>) -> Result<Vec<Option<String>>, ArrowError> {
    let formats = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &formats)?;
    Ok(rows.map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect())
}

/// A row of a list column.
fn item(lists: &ArrayRef, row: usize) -> Result<ArrayRef, ArrowError> {
    match lists.data_type() {
        DataType::List(_) => Ok(lists.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Ok(lists.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Ok(lists.as_fixed_size_list().value(row)),
        DataType::ListView(field) => item(&cast(&lists.slice(row, 1), &DataType::List(field.clone()))?, 0),
        DataType::LargeListView(field) => item(&cast(&lists.slice(row, 1), &DataType::LargeList(field.clone()))?, 0),
        other => Err(ArrowError::CastError(format!("{other} is no list"))),
    }
}
