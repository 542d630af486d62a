//! Vectors, lists of numbers of one length: a scaled element with a Gaussian likelihood for each number that varies.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::number_arrays::{cast_numbers, is_number_type, numbers};
use super::precision::{Precision, PrecisionSurvey, Rounding};
use super::statistics::{NumberSummary, Statistics};
use super::{
    Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Scaling, Survey, ValueIssues, Values,
};
use crate::config::VectorScale;
use crate::feature::{Likelihood, Shape};

/// Longest vector that is learned.
const MAX_LENGTH: usize = 16_384;

/// A fitted vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    column: Column,
    /// The column's type at fit; any list of numbers is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    /// Vectors that were missing, or had a number missing, at fit.
    missing: u64,
    pub(super) numbers: Vec<VectorElement>,
    /// That of all its numbers. Absent if they have none, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

/// One of a vector's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum VectorElement {
    /// An element of the row vector.
    Learned(Scaling),
    /// A number with the same value in every row.
    Constant(f64),
}

/// The rows of a list array as ranges of its numbers.
struct Lists {
    numbers: Float64Array,
    offsets: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl Lists {
    fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let (child, offsets): (&ArrayRef, Vec<usize>) = match array.data_type() {
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                let size = usize::try_from(*size).map_err(|_| ArrowError::CastError("a negative length".to_owned()))?;
                (list.values(), (0..=list.len()).map(|row| row * size).collect())
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (list.values(), list.offsets().iter().map(|&offset| offset as usize).collect())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (list.values(), list.offsets().iter().map(|&offset| offset as usize).collect())
            }
            DataType::ListView(field) => return Self::of(&cast(array, &DataType::List(field.clone()))?),
            DataType::LargeListView(field) => return Self::of(&cast(array, &DataType::LargeList(field.clone()))?),
            other => return Err(ArrowError::CastError(format!("{other} is no list"))),
        };
        // A slice of lists keeps the whole child array; take only the part that its rows use.
        let (from, to) = (offsets[0], offsets[offsets.len() - 1]);
        let numbers = numbers(&child.slice(from, to - from))?;
        let offsets = offsets.into_iter().map(|offset| offset - from).collect();
        Ok(Self { numbers, offsets, nulls: array.nulls().cloned() })
    }

    fn rows(&self) -> impl Iterator<Item = Option<std::ops::Range<usize>>> + '_ {
        let pairs = self.offsets.windows(2).enumerate();
        pairs.map(|(row, pair)| self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(pair[0]..pair[1]))
    }
}

/// Whether the type is a list of numbers.
fn is_vector_type(data_type: &DataType) -> bool {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
    match data_type {
        List(field) | LargeList(field) | ListView(field) | LargeListView(field) | FixedSizeList(field, _) => {
            is_number_type(field.data_type())
        }
        _ => false,
    }
}

impl Vector {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }

    fn learned(&self) -> impl Iterator<Item = (usize, &Scaling)> {
        self.numbers.iter().enumerate().filter_map(|(at, element)| match element {
            VectorElement::Learned(scaling) => Some((at, scaling)),
            VectorElement::Constant(_) => None,
        })
    }

    /// Whether its numbers share one scaling; `None` with fewer than two, where both are the same.
    pub(super) fn scale(&self) -> Option<VectorScale> {
        let mut scalings = self.learned().map(|(_, scaling)| (scaling.center, scaling.scale));
        let first = scalings.next()?;
        let mut others = scalings.peekable();
        others.peek()?;
        Some(if others.all(|other| other == first) { VectorScale::Whole } else { VectorScale::Element })
    }

    /// This feature with the scaling of another; `None` if the lengths or the places of constants differ.
    pub(super) fn with_scaling_of(&self, other: &Self) -> Option<Self> {
        let places = |vector: &Self| vector.learned().map(|(at, _)| at).collect::<Vec<_>>();
        let alike = self.numbers.len() == other.numbers.len() && places(self) == places(other);
        alike.then(|| Self { numbers: other.numbers.clone(), precision: other.precision, ..self.clone() })
    }

    /// The number that an element stands for.
    fn number(&self, scaling: &Scaling, element: f32) -> Option<f64> {
        let number = scaling.unscale(element.into());
        let rounded = self.precision.map_or(number, |precision| precision.round(number, Rounding::Nearest));
        (!element.is_nan()).then(|| scaling.within_range(rounded))
    }
}

impl Feature for Vector {
    fn column(&self) -> &Column {
        &self.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.column
    }

    fn expects(&self) -> &'static str {
        "a list of numbers"
    }

    fn describe(&self) -> String {
        let (all, learned) = (self.numbers.len(), self.learned().count());
        let constant = if learned < all { format!(", {} of them constant", all - learned) } else { String::new() };
        format!("vector of {all} numbers{constant}")
    }

    fn data_type(&self) -> &str {
        &self.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        is_vector_type(data_type)
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Gaussian, self.learned().count())
    }

    fn part(&self, output: usize) -> Option<String> {
        self.learned().nth(output).map(|(at, _)| format!("[{at}]"))
    }

    fn in_unit(&self, output: usize, expected: f64) -> f64 {
        self.learned().nth(output).map_or(expected, |(_, scaling)| scaling.unscale(expected))
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn place(&self, element: usize) -> Option<usize> {
        Some(self.learned().nth(element)?.0)
    }

    fn read_place(&self, place: usize, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let Some(VectorElement::Learned(scaling)) = self.numbers.get(place) else {
            return Err(ArrowError::InvalidArgumentError(format!("no number at {place} is learned")));
        };
        let numbers = elements.iter().map(|&element| self.number(scaling, element)).collect();
        cast_numbers(numbers, item_of(data_type)?.data_type())
    }

    fn unusable(&self) -> &'static str {
        "of another length, or with NaN, infinities or numbers beyond f32, and count as missing"
    }

    fn is_valid(&self) -> bool {
        let sound = |element: &VectorElement| match element {
            VectorElement::Learned(scaling) => scaling.is_valid(),
            VectorElement::Constant(value) => value.is_finite(),
        };
        let is_sound = self.learned().count() > 0 && self.numbers.iter().all(sound);
        is_sound && self.precision.is_none_or(Precision::is_valid)
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let lists = Lists::of(array)?;
        let mut issues = ValueIssues::default();
        let (values, valid) = (lists.numbers.values(), lists.numbers.nulls());
        for (row, list) in lists.rows().enumerate() {
            let Some(list) = list.filter(|list| list.len() == self.numbers.len()) else {
                let null = lists.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                issues.null += u64::from(null);
                issues.unusable += u64::from(!null);
                (0..self.shape().elements).for_each(|element| elements.set_at(row, element, f32::NAN));
                continue;
            };
            let [mut null, mut unusable, mut out_of_range] = [false; 3];
            for (element, (at, scaling)) in self.learned().enumerate() {
                let (at, value) = (list.start + at, values[list.start + at]);
                let (is_known, usable) = (valid.is_none_or(|valid| valid.is_valid(at)), (value as f32).is_finite());
                null |= !is_known;
                unusable |= is_known && !usable;
                let known = is_known && usable;
                out_of_range |= known && scaling.is_out_of_range(value);
                elements.set_at(row, element, if known { scaling.apply(value) } else { f32::NAN });
            }
            issues.null += u64::from(null);
            issues.unusable += u64::from(unusable);
            issues.out_of_range += u64::from(out_of_range);
        }
        Ok(issues)
    }

    /// Null where no learned number of the vector is known.
    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let (size, width) = (self.numbers.len(), self.shape().elements);
        let (mut numbers, mut valid_rows) = (Vec::with_capacity(elements.len()), Vec::new());
        for elements in elements.chunks_exact(width) {
            let mut elements = elements.iter();
            let start = numbers.len();
            numbers.extend(self.numbers.iter().map(|element| match element {
                VectorElement::Constant(value) => Some(*value),
                VectorElement::Learned(scaling) => self.number(scaling, elements.next().copied().unwrap_or(f32::NAN)),
            }));
            let any_known = self.learned().any(|(at, _)| numbers[start + at].is_some());
            valid_rows.push(any_known);
        }
        let child = item_of(data_type)?;
        let numbers = cast_numbers(Float64Array::from(numbers), child.data_type())?;
        let field = Arc::new(Field::new(child.name(), child.data_type().clone(), true));
        let width = i32::try_from(size).map_err(|_| ArrowError::CastError("a vector too long".to_owned()))?;
        let list = FixedSizeListArray::try_new(field, width, numbers, Some(NullBuffer::from(valid_rows)))?;
        cast(&(Arc::new(list) as ArrayRef), data_type)
    }
}

/// The item field of a list type.
fn item_of(data_type: &DataType) -> Result<FieldRef, ArrowError> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Ok(field.clone()),
        other => Err(ArrowError::CastError(format!("{other} is no list"))),
    }
}

/// The survey of a vector column.
struct VectorSurvey {
    /// Statistics of each number; `None` before the first vector.
    elements: Option<Vec<Statistics>>,
    /// Statistics of all numbers together, if they share a scaling.
    whole: Option<Statistics>,
    precision: PrecisionSurvey,
    nulls: u64,
    /// Vectors with a missing number.
    incomplete: u64,
    /// A length that differs from the first vector's.
    other_length: Option<usize>,
    /// The length of a vector that is too long to be learned.
    too_long: Option<usize>,
    data_type: String,
    /// Statistics of no number yet.
    empty: Statistics,
}

/// Surveys lists of numbers.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let ColumnRequest { data_type, vector_scale, quantiles, rows, .. } = *request;
    let statistics = |of| Statistics::new((quantiles && vector_scale == of).then_some(rows));
    is_vector_type(data_type).then(|| {
        Box::new(VectorSurvey {
            elements: None,
            whole: (vector_scale == VectorScale::Whole).then(|| statistics(VectorScale::Whole)),
            precision: PrecisionSurvey::new(data_type),
            nulls: 0,
            incomplete: 0,
            other_length: None,
            too_long: None,
            data_type: data_type.to_string(),
            empty: statistics(VectorScale::Element),
        }) as Box<dyn Survey>
    })
}

impl VectorSurvey {
    fn varying(&self) -> impl Iterator<Item = &Statistics> {
        self.elements.iter().flatten().filter(|statistics| statistics.count() > 0 && !statistics.is_constant())
    }
}

impl Survey for VectorSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let lists = Lists::of(array)?;
        let (values, valid) = (lists.numbers.values(), lists.numbers.nulls());
        for list in lists.rows() {
            let Some(list) = list else {
                self.nulls += 1;
                continue;
            };
            if list.len() > MAX_LENGTH {
                self.too_long.get_or_insert(list.len());
                continue;
            }
            let elements = self.elements.get_or_insert_with(|| vec![self.empty.clone(); list.len()]);
            if elements.len() != list.len() {
                self.other_length.get_or_insert(list.len());
                continue;
            }
            let mut incomplete = false;
            for (at, statistics) in list.zip(elements) {
                if valid.is_none_or(|valid| valid.is_valid(at)) {
                    statistics.push_usable(values[at]);
                    self.whole.iter_mut().for_each(|whole| whole.push_usable(values[at]));
                    incomplete |= !(values[at] as f32).is_finite();
                    self.precision.push(values[at]);
                } else {
                    statistics.push_nulls(1);
                    incomplete = true;
                }
            }
            self.incomplete += u64::from(incomplete);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.elements.iter_mut().flatten().chain(&mut self.whole).for_each(Statistics::finish);
    }

    fn values(&self) -> Values {
        let all: Vec<Values> = self.elements.iter().flatten().map(Statistics::values).collect();
        let known: u64 = all.iter().map(|values| values.known).sum();
        let least = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::min);
        let mean = all.iter().filter_map(|values| Some(values.mean? * values.known as f64)).sum::<f64>() / known as f64;
        let squares = |values: &Values| {
            let (std, off) = (values.std?, values.mean? - mean);
            Some((std * std + off * off) * values.known as f64)
        };
        let variance = all.iter().filter_map(squares).sum::<f64>() / known as f64;
        Values {
            known,
            null: self.nulls,
            unusable: all.iter().map(|values| values.unusable).sum(),
            min: least(&mut all.iter().filter_map(|values| values.min)),
            mean: (known > 0).then_some(mean),
            max: least(&mut all.iter().filter_map(|values| values.max.map(|max| -max))).map(|max| -max),
            std: (known > 0).then(|| variance.sqrt()),
        }
    }

    fn rejection(&self) -> Option<Rejection> {
        if let Some(length) = self.too_long {
            return Some(Rejection::because(format!("holds a list of {length} numbers, more than {MAX_LENGTH}")));
        }
        let length = self.elements.as_ref().map_or(0, Vec::len);
        if let Some(other) = self.other_length {
            return Some(Rejection::because(format!("holds lists of several lengths ({length} and {other}, say)")));
        }
        if self.elements.iter().flatten().all(|statistics| statistics.count() == 0) {
            return Some(Rejection::no_usable_value(self.nulls, self.incomplete));
        }
        self.varying().next().is_none().then(|| Rejection::because("holds the same numbers in every list"))
    }

    fn numbers(&self) -> Vec<NumberSummary> {
        match &self.whole {
            Some(whole) => vec![whole.summary()],
            None => self.varying().map(Statistics::summary).collect(),
        }
    }

    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Rejection> {
        let whole = self.whole.as_ref().and_then(|whole| scaler.of(&whole.summary()));
        let element = |statistics: &Statistics| {
            let summary = statistics.summary();
            let scaling = match whole {
                Some(whole) => Some(Scaling { min: summary.min, max: summary.max, ..whole }),
                None => scaler.of(&summary),
            };
            match scaling.filter(|_| statistics.count() > 0 && !statistics.is_constant()) {
                Some(scaling) => VectorElement::Learned(scaling),
                None => VectorElement::Constant(if statistics.count() > 0 { summary.mean } else { 0.0 }),
            }
        };
        let vector = Vector {
            column,
            data_type: self.data_type.clone(),
            missing: self.nulls + self.incomplete,
            numbers: self.elements.iter().flatten().map(element).collect(),
            precision: self.precision.coarsest(),
        };
        if vector.learned().count() == 0 {
            return Err(Rejection::because("varies too little to be scaled"));
        }
        Ok(Kind::Vector(vector))
    }
}
