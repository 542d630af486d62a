//! Groups: a given column whose values name the group of a row, such as a device or a month.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::category::is_category_type;
use super::row_sample::RowSample;
use super::strings::StringValues;
use super::{Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Survey, ValueIssues, Values};
use crate::config::LogicalType;
use crate::feature::Shape;

/// Most groups of a column: those that come first in the table. Rows of others count as rows of no known group.
const MOST_GROUPS: usize = 1 << 17;

/// Fewest rows a group, on average, for integers to be groups rather than numbers; and for strings to be groups.
const FEWEST_ROWS: u64 = 8;
const FEWEST_ROWS_OF_STRINGS: u64 = 2;

/// A fitted column of groups. The element is the number of the group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredGroup", into = "StoredGroup")]
pub struct Group {
    pub(super) stored: StoredGroup,
    /// The number of each name.
    numbers: HashMap<String, u32>,
}

/// The stored form of a column of groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredGroup {
    column: Column,
    /// The column's type at fit; any encoding of the same names is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    /// Values that were missing at fit.
    missing: u64,
    /// The names, the most frequent first.
    pub(super) names: Vec<String>,
}

impl TryFrom<StoredGroup> for Group {
    type Error = &'static str;

    fn try_from(stored: StoredGroup) -> Result<Self, Self::Error> {
        let numbers: HashMap<String, u32> = stored.names.iter().cloned().zip(0..).collect();
        if numbers.len() < stored.names.len() || !(2..=MOST_GROUPS).contains(&numbers.len()) {
            return Err("a column of groups has fewer than two of them, too many, or one twice");
        }
        Ok(Self { stored, numbers })
    }
}

impl From<Group> for StoredGroup {
    fn from(group: Group) -> Self {
        group.stored
    }
}

impl Group {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.stored.missing = missing;
    }
}

/// Whether the type can name groups: that of a category, unless it is Boolean.
fn is_group_type(data_type: &DataType) -> bool {
    *data_type != DataType::Boolean && is_category_type(data_type)
}

impl Feature for Group {
    fn column(&self) -> &Column {
        &self.stored.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.stored.column
    }

    fn expects(&self) -> &'static str {
        "a string, a dictionary of strings or an integer"
    }

    fn describe(&self) -> String {
        format!("{} groups", self.stored.names.len())
    }

    fn data_type(&self) -> &str {
        &self.stored.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        is_group_type(data_type)
    }

    fn meaning(&self) -> Option<LogicalType> {
        Some(LogicalType::String)
    }

    fn shape(&self) -> Shape {
        Shape::category(self.stored.names.len())
    }

    fn missing(&self) -> u64 {
        self.stored.missing
    }

    fn unseen(&self) -> &'static str {
        "of groups the training data lacks"
    }

    /// A group that the fit did not see is NaN, like a missing one.
    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let names = StringValues::of(array)?;
        let mut issues = ValueIssues::default();
        for row in 0..array.len() {
            let number = names.get(row).map(|name| self.numbers.get(name));
            issues.null += u64::from(number.is_none());
            issues.unseen_category += u64::from(number == Some(None));
            elements.set(row, number.flatten().map_or(f32::NAN, |&number| number as f32));
        }
        Ok(issues)
    }

    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let name = |number: &f32| {
            let known = !number.is_nan();
            known.then(|| self.stored.names.get(*number as usize).map(String::as_str)).flatten()
        };
        let names: ArrayRef = Arc::new(elements.iter().map(name).collect::<StringArray>());
        cast(&names, data_type)
    }
}

/// The survey of a given column whose values may name groups.
struct GroupSurvey {
    /// The rows of each group, and its number in the order they come.
    counts: HashMap<String, (u64, u32)>,
    /// The numbers of groups.
    sample: RowSample,
    known: u64,
    nulls: u64,
    data_type: String,
    /// The survey of integers as numbers, which they are if they rarely repeat.
    number: Option<Box<dyn Survey>>,
}

/// Surveys given columns of strings and integers.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let data_type = request.data_type;
    (request.given && is_group_type(data_type)).then(|| {
        let number = if request.categorical { None } else { super::number::survey(request) };
        let (counts, sample, data_type) = (HashMap::new(), RowSample::of_groups(), data_type.to_string());
        Box::new(GroupSurvey { counts, sample, known: 0, nulls: 0, data_type, number }) as Box<dyn Survey>
    })
}

impl GroupSurvey {
    /// The survey of numbers, if the integers are not groups.
    fn of_numbers(&self) -> Option<&dyn Survey> {
        let rare = self.known < FEWEST_ROWS * self.counts.len() as u64 || self.counts.len() == MOST_GROUPS;
        self.number.as_deref().filter(|_| rare)
    }
}

impl Survey for GroupSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let names = StringValues::of(array)?;
        for name in (0..array.len()).map(|row| names.get(row)) {
            let Some(name) = name else {
                self.nulls += 1;
                self.sample.push(None);
                continue;
            };
            self.known += 1;
            let next = self.counts.len();
            let number = match self.counts.get_mut(name) {
                Some((count, number)) => {
                    *count += 1;
                    Some(*number)
                }
                None if next < MOST_GROUPS => {
                    self.counts.insert(name.to_owned(), (1, next as u32));
                    Some(next as u32)
                }
                None => None,
            };
            self.sample.push(number.map(f64::from));
        }
        self.number.as_mut().map_or(Ok(()), |number| number.update(array))
    }

    fn finish(&mut self) {
        self.number.iter_mut().for_each(|number| number.finish());
    }

    fn values(&self) -> Values {
        let counts = || Values { known: self.known, null: self.nulls, ..Values::default() };
        self.of_numbers().map_or_else(counts, Survey::values)
    }

    fn is_categorical(&self) -> bool {
        true
    }

    fn groups(&self) -> Option<&RowSample> {
        self.of_numbers().is_none().then_some(&self.sample)
    }

    fn sampled_values(&self) -> Option<&[f64]> {
        self.of_numbers()?.sampled_values()
    }

    fn rejection(&self) -> Option<Rejection> {
        match (self.of_numbers(), self.counts.len()) {
            (_, 0) => Some(Rejection::no_usable_value(self.nulls, 0)),
            (Some(numbers), _) => numbers.rejection(),
            // A circumstance that does not vary is not watched either: it is none of the row's doing.
            (None, 1) => {
                let value = self.counts.keys().next().cloned().unwrap_or_default();
                Some(Rejection::because(format!("is constant ({value})")))
            }
            (None, groups) if self.known < FEWEST_ROWS_OF_STRINGS * groups as u64 => {
                Some(Rejection::because(format!("hardly repeats: {groups} groups in {} rows", self.known)))
            }
            _ => None,
        }
    }

    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Rejection> {
        if let Some(numbers) = self.of_numbers() {
            return numbers.fit(column, scaler);
        }
        let mut names: Vec<(&String, u64)> = self.counts.iter().map(|(name, (count, _))| (name, *count)).collect();
        names.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then(a.cmp(b)));
        let names = names.into_iter().map(|(name, _)| name.clone()).collect();
        let stored = StoredGroup { column, data_type: self.data_type.clone(), missing: self.nulls, names };
        Group::try_from(stored).map(Kind::Group).map_err(Rejection::because)
    }
}
