//! Watched columns: they were constant at fit, or missing in every row, so that they are not learned. Any other value is a surprise
//! and adds to the scores; so is a missing one, if none was at fit.

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::compute::kernels::cmp::neq;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::batch_mark::marks_a_batch;
use super::logical_type::{parse_boolean, parse_clock};
use super::number_arrays::{is_number_type, numbers};
use super::strings::{StringValues, is_string_type};
use super::{Carried, Column, ValueIssues, constant};
use crate::config::LogicalType;

/// Units of a surprise in a nat. Sums of integers are exact, so that it does not matter in which order columns are added.
const UNITS_PER_NAT: f64 = (1_u64 << 32) as f64;

/// Integers up to this are exact in double precision.
const MOST_EXACT: f64 = (1_u64 << 53) as f64;

/// The surprise of rows beside the likelihood of their learned values; empty if no row has any.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Surprise(Vec<u64>);

/// A column that was constant at fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watched {
    /// The name of the column.
    pub(crate) name: String,
    /// Its value, as text; `None` if every one was missing.
    pub(crate) constant: Option<String>,
    /// Known values at fit.
    pub(crate) known: u64,
    /// Missing values at fit.
    pub(crate) missing: u64,
}

/// A watched column in an input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WatchedColumn {
    /// Its number among the watched columns of the model.
    pub(super) number: usize,
    pub(super) column: Column,
    pub(super) watched: Watched,
    /// The surprise of another value than the constant, or of a missing one if the fit saw none.
    surprise: u64,
}

/// The surprise of a value that does not occur among `known` values at fit: -ln(0.5 / (known + 1)), the smoothed count of
/// Krichevsky & Trofimov 1981, "The performance of universal encoding".
pub(super) fn surprise_of_unseen(known: u64) -> u64 {
    (-(0.5 / (known as f64 + 1.0)).ln() * UNITS_PER_NAT).round() as u64
}

/// The same, in nats as it is added to scores.
pub(super) fn nats_of_unseen(known: u64) -> f64 {
    surprise_of_unseen(known) as f64 / UNITS_PER_NAT
}

impl Surprise {
    /// Takes the units of each row.
    pub(crate) fn new(units: Vec<u64>) -> Self {
        Self(if units.iter().any(|&units| units > 0) { units } else { Vec::new() })
    }

    /// The surprise of a row, in nats.
    pub(crate) fn nats(&self, row: usize) -> f64 {
        self.0.get(row).map_or(0.0, |&units| units as f64 / UNITS_PER_NAT)
    }

    /// The surprise of the rows for which `holds` is true; none of the others.
    pub(crate) fn filter(&self, holds: impl Fn(usize) -> bool) -> Self {
        Self::new(self.0.iter().enumerate().map(|(row, &units)| if holds(row) { units } else { 0 }).collect())
    }

    /// The surprise of some rows.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        Self::new(rows.iter().filter_map(|&row| self.0.get(row as usize)).copied().collect())
    }
}

impl Watched {
    /// The columns to watch: those that were constant in a fit to `rows` rows.
    pub(crate) fn of(carried: &[Carried], rows: u64) -> Vec<Self> {
        // Later rows have later times and are of later batches, which is no surprise.
        let passes = |carried: &&Carried| {
            let is_mark = |constant: &String| marks_a_batch(&carried.column, constant);
            carried.logical_type.is_some_and(LogicalType::is_time) || carried.constant.as_ref().is_some_and(is_mark)
        };
        let watched = |Carried { column, constant, missing, all_missing, .. }: &Carried| {
            let missing = if *all_missing { rows } else { *missing };
            let (name, constant, known) = (column.clone(), constant.clone(), rows.saturating_sub(missing));
            (constant.is_some() || *all_missing).then_some(Self { name, constant, known, missing })
        };
        carried.iter().filter(|carried| !passes(carried)).filter_map(watched).collect()
    }

    /// Rows of the fit that were all alike in it.
    pub(crate) fn alike(&self) -> u64 {
        if self.constant.is_some() { self.known } else { self.missing }
    }

    /// Marks the known values that are not the constant.
    fn differing(&self, array: &ArrayRef) -> Result<BooleanBuffer, ArrowError> {
        let known = |differing: &BooleanBuffer| match array.logical_nulls() {
            Some(nulls) => differing & nulls.inner(),
            None => differing.clone(),
        };
        let Some(constant_text) = &self.constant else {
            return Ok(known(&BooleanBuffer::new_set(array.len())));
        };
        let is_string = is_string_type(array.data_type());
        let number = parse_boolean(constant_text).filter(|_| !is_string);
        let typed = constant(constant_text, array.data_type(), 1).ok();
        // The fit compares numbers in double precision.
        let is_exact = !is_string && !array.data_type().is_floating() && number.is_none_or(|it| it.abs() < MOST_EXACT);
        let differing: BooleanArray = match (typed, number) {
            (Some(typed), _) if is_exact => neq(array, &Scalar::new(typed))?,
            (typed, Some(number)) if is_number_type(array.data_type()) || *array.data_type() == DataType::Boolean => {
                let typed = typed.map(|typed| numbers(&typed)).transpose()?.map_or(number, |typed| typed.value(0));
                // The column may have been of 32 bits at fit, or be now.
                let is_it = |value: f64| value == typed || value == f64::from(number as f32);
                numbers(array)?.iter().map(|value| value.map(|value| !is_it(value))).collect()
            }
            _ if is_string => {
                let texts = StringValues::of(array)?;
                (0..array.len()).map(|row| Some(!is_same(texts.get(row).unwrap_or_default(), constant_text))).collect()
            }
            _ => (0..array.len()).map(|_| Some(true)).collect(),
        };
        Ok(known(differing.values()))
    }
}

impl WatchedColumn {
    /// The watched columns that a schema has, with a type that can be compared.
    pub(super) fn of(watched: &[Watched], schema: &Schema) -> Vec<Self> {
        let leaves = Column::leaves(schema);
        let column = |(number, watched): (usize, &Watched)| {
            let mut named = leaves.iter().filter(|(column, _)| column.name() == watched.name);
            let is_readable = |data_type: &DataType| match watched.constant {
                Some(_) => is_comparable(data_type),
                None => !data_type.is_null() && !data_type.is_nested(),
            };
            let (column, _) = named.next().filter(|(_, field)| is_readable(field.data_type()))?;
            let (column, surprise) = (column.clone(), surprise_of_unseen(watched.alike()));
            named.next().is_none().then(|| Self { number, column, watched: watched.clone(), surprise })
        };
        watched.iter().enumerate().filter_map(column).collect()
    }

    /// The surprise of another value than the constant, in nats.
    pub(super) fn nats(&self) -> f64 {
        self.surprise as f64 / UNITS_PER_NAT
    }

    /// Counts the values of some rows, and adds the surprise of those that are not the constant to the rows'.
    pub(super) fn write(&self, array: &ArrayRef, surprise: &mut [u64]) -> Result<ValueIssues, ArrowError> {
        let array = &match array.data_type() {
            DataType::Dictionary(_, values) => cast(array, values)?,
            _ => array.clone(),
        };
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let null = nulls.as_ref().map_or(0, |nulls| nulls.null_count());
        let mut missing = nulls.map_or_else(|| BooleanBuffer::new_unset(array.len()), |nulls| !nulls.inner());
        let mut differing = match null == array.len() {
            true => BooleanBuffer::new_unset(array.len()),
            false => self.watched.differing(array)?,
        };
        if array.data_type().is_floating() && null < array.len() {
            let values = numbers(array)?;
            let usable = BooleanBuffer::collect_bool(values.len(), |row| (values.value(row) as f32).is_finite());
            missing = &missing | &(&differing & &!&usable);
            differing = &differing & &usable;
        }
        let (unseen, unusable) = (differing.count_set_bits(), missing.count_set_bits() - null);
        let surprises = if self.watched.missing == 0 { &differing | &missing } else { differing };
        for row in surprises.set_indices() {
            surprise.get_mut(row).into_iter().for_each(|units| *units += self.surprise);
        }
        let constant = array.len() - null - unusable - unseen;
        let [null, unusable, unseen_category, constant] = [null, unusable, unseen, constant].map(|count| count as u64);
        Ok(ValueIssues { null, unusable, unseen_category, constant, ..ValueIssues::default() })
    }
}

/// Whether two texts are one value, in whatever spelling: a word, a number, a Boolean or a time of the day.
fn is_same(text: &str, constant: &str) -> bool {
    let [text, constant] = [text, constant].map(str::trim);
    let clock = |text: &str| parse_clock(text).filter(|_| text.contains(':'));
    let same = |of: &dyn Fn(&str) -> Option<f64>| of(text).is_some_and(|value| of(constant) == Some(value));
    text == constant || same(&parse_boolean) || same(&|text| clock(text).map(f64::from))
}

/// Whether values of this type can be compared with a constant. Later rows have later dates and times, which is no surprise.
fn is_comparable(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean | DataType::Duration(_))
        || is_string_type(data_type)
        || is_number_type(data_type)
}
