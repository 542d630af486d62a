//! Given columns that a user fixes: the device or the hour to generate rows for.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;

use super::failed;
use crate::artifact::Model;
use crate::config::GivenValue;
use crate::error::{Error, Result};
use crate::feature::{Column, Features, FixedTimePart, InputColumn, Kind, TimePart};

/// Rows with a fixed part of a time, with fewer of which the part is set in others as well: an hour of one device may have had
/// a single row.
const FEWEST_ROWS: usize = 32;

/// Fixed values of given elements.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FixedGiven {
    /// Elements, and their values.
    values: Vec<(Range<usize>, Vec<f32>)>,
    /// Parts of times, in the order they are set.
    parts: Vec<FixedTimePart>,
    /// The given columns that are fixed.
    columns: Vec<String>,
    /// Given elements of a row.
    width: usize,
}

/// What of a given column is fixed.
enum Fixed {
    /// Its value.
    Whole,
    /// A part of it.
    Part(&'static str),
}

impl FixedGiven {
    /// The values of `fixed`, each as the text of a given column, or of a part of a given time: `ts.hour`, or `hour` where one
    /// given time has such a part and no column has that name.
    ///
    /// # Errors
    /// [`Error::NotGiven`] for a column or part that is not given, [`Error::OptionRange`] for a text that is no value of it.
    pub(crate) fn new(model: &Model, fixed: &[GivenValue]) -> Result<Self> {
        let features = model.features();
        let mut all = Self { width: features.layout().given().elements(), ..Self::default() };
        for GivenValue { column, value } in fixed {
            let (number, which) = find(model, column)?;
            let (kind, feature) = (&features.given()[number], features.kinds().len() + number);
            let invalid = |range| Error::OptionRange { option: "at", value: format!("{column}={value}"), range };
            let of_column = || invalid("COL=VALUE with one value of the column's type");
            let data_type = InputColumn::type_of(&model.metadata().columns, kind.column()).ok_or_else(of_column)?;
            all.columns.push(kind.column().name().to_owned());
            match which {
                Fixed::Part(name) => {
                    let part = TimePart::parse(name, value).map_err(invalid)?;
                    all.parts.push(FixedTimePart::new(features, feature, part, data_type));
                }
                Fixed::Whole => {
                    let range = features.elements(feature);
                    let inputs = features.layout().inputs();
                    let elements = elements(features, feature, (column, value), &data_type, &of_column)?;
                    all.values.push((range.start - inputs..range.end - inputs, elements));
                }
            }
        }
        all.parts.sort_by_key(FixedTimePart::part);
        Ok(all)
    }

    /// Whether a value of this column is fixed, or a part of it.
    pub(crate) fn fixes(&self, column: &Column) -> bool {
        self.columns.iter().any(|fixed| fixed == column.name())
    }

    /// The rows of given elements that have these values, `[rows, elements]`; all rows with them set, if none has.
    ///
    /// # Errors
    /// Of a time that its column's type cannot hold.
    pub(crate) fn matching(&self, rows: &[f32]) -> Result<Vec<f32>> {
        Ok(self.choose(rows)?.1)
    }

    /// The training rows that sequences may begin with: those that have these values, or all with them set; as row vectors,
    /// `[rows, inputs]`, and given elements, `[rows, elements]`.
    ///
    /// # Errors
    /// As [`matching`](Self::matching).
    pub(crate) fn starts(&self, rows: &[f32], given: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        if self.columns.is_empty() {
            return Ok((rows.to_vec(), given.to_vec()));
        }
        let inputs = rows.len() / (given.len() / self.width.max(1)).max(1);
        let (chosen, given) = self.choose(given)?;
        Ok((chosen.into_iter().flat_map(|row| &rows[row * inputs..][..inputs]).copied().collect(), given))
    }

    /// Rows of given elements, and their numbers: those that have the values, or all; of these those that have the parts of
    /// times, or all that have times if they are few; with the values and parts set.
    fn choose(&self, rows: &[f32]) -> Result<(Vec<usize>, Vec<f32>)> {
        let all: Vec<&[f32]> = rows.chunks_exact(self.width.max(1)).collect();
        let or_all = |found: Vec<usize>, all: Vec<usize>| if found.is_empty() { all } else { found };
        let has_values = |row: &usize| self.values.iter().all(|(range, values)| all[*row][range.clone()] == values[..]);
        let mut chosen = or_all((0..all.len()).filter(has_values).collect(), (0..all.len()).collect());
        let has_parts: Vec<Vec<Option<bool>>> =
            self.parts.iter().map(|part| part.is_had_by(all.iter().copied())).collect();
        let timed = |row: &usize| has_parts.iter().all(|part| part[*row].is_some());
        chosen = or_all(chosen.iter().copied().filter(timed).collect(), chosen);
        let at: Vec<usize> =
            chosen.iter().copied().filter(|row| has_parts.iter().all(|part| part[*row] == Some(true))).collect();
        if at.len() >= FEWEST_ROWS {
            chosen = at;
        }
        let mut elements = chosen.iter().flat_map(|&row| all[row]).copied().collect::<Vec<f32>>();
        for row in elements.chunks_exact_mut(self.width.max(1)) {
            self.values.iter().for_each(|(range, values)| row[range.clone()].copy_from_slice(values));
        }
        self.parts.iter().try_for_each(|part| part.set(&mut elements, self.width)).map_err(failed)?;
        Ok((chosen, elements))
    }
}

/// The number of the given column that `name` stands for, and what of it.
fn find(model: &Model, name: &str) -> Result<(usize, Fixed)> {
    let given = model.features().given();
    let own = |kind: &Kind| kind.column().name().to_owned();
    if let Some(number) = given.iter().position(|kind| kind.column().name() == name) {
        return Ok((number, Fixed::Whole));
    }
    let parts = |number: usize| given[number].time_parts().into_iter().map(move |part| (number, part));
    let all: Vec<(usize, &str)> = (0..given.len()).flat_map(parts).collect();
    let full = |(number, part): &(usize, &str)| format!("{}.{part}", own(&given[*number]));
    let is_column = model.metadata().columns.iter().any(|column| column.column == name);
    let mut found: Vec<_> = all.iter().filter(|part| full(part) == name).collect();
    if found.is_empty() && !is_column {
        found = all.iter().filter(|(_, part)| *part == name).collect();
    }
    match found[..] {
        [&(number, part)] => Ok((number, Fixed::Part(part))),
        _ => Err(Error::NotGiven {
            column: name.to_owned(),
            given: given.iter().map(own).chain(all.iter().map(full)).collect(),
        }),
    }
}

/// The elements of a value of a given feature, as text.
fn elements(
    features: &Features,
    feature: usize,
    (column, value): (&str, &str),
    data_type: &DataType,
    invalid: &impl Fn() -> Error,
) -> Result<Vec<f32>> {
    let part = features.subset(feature..feature + 1);
    let leaf = part.given()[0].column();
    let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let array = cast_with_options(&text, data_type, &strict).map_err(|_| invalid())?;
    let batch = RecordBatch::try_from_iter_with_nullable([(leaf.top(), leaf.nested(array), true)]);
    let mut elements = vec![0.0; part.layout().width()];
    let issues = part.write(&batch.map_err(failed)?, &mut elements, &mut [])?.given[0];
    if issues.unusable > 0 {
        return Err(invalid());
    }
    if issues.unseen_category > 0 {
        tracing::warn!("{column} {value} is not in the training data; it counts as an unknown group");
    }
    if issues.out_of_range > 0 {
        tracing::warn!(
            "{column} {value} is outside the range of the training data; other columns are drawn for the end of that range"
        );
    }
    Ok(elements)
}
