//! The values of the column that orders rows.

use std::cmp::Ordering;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use chrono::DateTime;

use crate::config::Gap;
use crate::error::{Error, OrderFault, Place, Result};
use crate::feature::{BadValue, Column};

const NANOSECONDS: i128 = 1_000_000_000;

/// The place of a row in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum OrderKey {
    /// Nanoseconds since 1970.
    Time(i128),
    Integer(i128),
    /// Not NaN.
    Number(f64),
}

impl Eq for OrderKey {}

impl PartialOrd for OrderKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) | (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            // The keys of a column are of one kind.
            _ => Ordering::Equal,
        }
    }
}

impl OrderKey {
    /// The step from `before` to this row: of times in nanoseconds.
    pub(super) fn since(self, before: Self) -> f64 {
        match (self, before) {
            (Self::Time(to), Self::Time(from)) | (Self::Integer(to), Self::Integer(from)) => (to - from) as f64,
            (Self::Number(to), Self::Number(from)) => to - from,
            // The keys of a column are of one kind.
            _ => 0.0,
        }
    }

    /// Whether the step from `before` to this row is longer than a gap.
    pub(super) fn is_beyond(self, gap: Option<Gap>, before: Self) -> bool {
        match (self, gap) {
            (Self::Time(_), Some(Gap::Seconds(gap))) => self.since(before) > gap * 1e9,
            (Self::Integer(_) | Self::Number(_), Some(Gap::Number(gap))) => self.since(before) > gap,
            _ => false,
        }
    }
}

impl std::fmt::Display for OrderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Time(time) => {
                let seconds = i64::try_from(time.div_euclid(NANOSECONDS)).unwrap_or(i64::MAX);
                match DateTime::from_timestamp(seconds, time.rem_euclid(NANOSECONDS) as u32) {
                    Some(time) => write!(f, "{}", time.naive_utc()),
                    None => write!(f, "{seconds} s since 1970"),
                }
            }
            Self::Integer(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Nanoseconds of a step of a time's type.
pub(super) fn unit(data_type: &DataType) -> Option<i128> {
    Some(match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => NANOSECONDS,
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        DataType::Date32 => 86_400 * NANOSECONDS,
        _ => return None,
    })
}

/// Whether values of this type have an order, and a step between them can be compared with `gap`.
///
/// # Errors
/// [`Error::WrongType`], naming the column.
pub(super) fn check_type(data_type: &DataType, gap: Option<Gap>, path: &Path, column: &str) -> Result<()> {
    let (is_time, is_number) = (unit(data_type).is_some(), data_type.is_numeric());
    let expected = match gap {
        _ if !is_time && !is_number => "a date, a timestamp or a number",
        Some(Gap::Seconds(_)) if !is_time => "a date or timestamp, since the largest gap is a time",
        Some(Gap::Number(_)) if !is_number => "a number, since the largest gap is one",
        _ => return Ok(()),
    };
    let place = Place::column(path, column);
    Err(Error::WrongType { place, found: data_type.to_string().into(), expected: expected.into() })
}

/// The keys of the rows of a batch of `path`, the first of which has this number there.
///
/// # Errors
/// [`OrderFault::Missing`] for a row without a value, and [`Error::Read`].
pub(super) fn order_keys_of(
    column: &Column,
    batch: &RecordBatch,
    path: &Path,
    first_row: u64,
) -> Result<Vec<OrderKey>> {
    let keys = read(column, batch, (path, first_row), |array| order_keys(&array))?;
    let missing = |row: u64| OrderFault::Missing { path: path.to_owned(), column: column.to_string(), row };
    (first_row..).zip(keys).map(|(row, key)| key.ok_or_else(|| missing(row).into())).collect()
}

/// Reads a column of a batch of a file, the first row of which has this number there.
pub(super) fn read<T>(
    column: &Column,
    batch: &RecordBatch,
    (path, first_row): (&Path, u64),
    of: impl FnOnce(ArrayRef) -> Result<T, ArrowError>,
) -> Result<T> {
    let top = batch.column_by_name(column.top());
    let missing = || ArrowError::SchemaError(format!("rows without the column {:?}", column.top()));
    let values = top.ok_or_else(missing).and_then(|top| of(column.read(top)?));
    values.map_err(|source| {
        let stored = column.data_type(batch.schema_ref()).unwrap_or(&DataType::Null);
        BadValue::unreadable(Place::column(path, column.name()), stored, BadValue::after(source, first_row))
    })
}

/// The keys of rows; `None` where a row has no value.
pub(super) fn order_keys(array: &ArrayRef) -> Result<Vec<Option<OrderKey>>, ArrowError> {
    if let Some(unit) = unit(array.data_type()) {
        // Days are 32 bits wide.
        let days = if *array.data_type() == DataType::Date32 { cast(array, &DataType::Int32)? } else { array.clone() };
        let times = cast(&days, &DataType::Int64)?;
        let times = times.as_primitive::<Int64Type>();
        return Ok(times.iter().map(|time| Some(OrderKey::Time(i128::from(time?) * unit))).collect());
    }
    Ok(match array.data_type() {
        DataType::UInt64 => {
            let numbers = array.as_primitive::<UInt64Type>();
            numbers.iter().map(|number| Some(OrderKey::Integer(number?.into()))).collect()
        }
        data_type if data_type.is_integer() => {
            let numbers = cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers.iter().map(|number| Some(OrderKey::Integer(number?.into()))).collect()
        }
        _ => {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            numbers.iter().map(|number| number.filter(|number| !number.is_nan()).map(OrderKey::Number)).collect()
        }
    })
}
