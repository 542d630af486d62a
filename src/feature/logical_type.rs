//! Arrays of one logical type, whatever type stores them: words as numbers, integers as times, and back.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Time32SecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use chrono::{NaiveDate, NaiveTime, Timelike};

use super::number_arrays::{cast_numbers, is_number_type};
use super::strings::{StringValues, is_string_type};
use super::time::is_time_type;
use crate::config::LogicalType;
use crate::error::{Error, Place};
use crate::source::{is_null_word, parse_iso_time};

/// A value that is not of the logical type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue {
    /// The row, from 0.
    pub(crate) row: u64,
    pub(crate) value: String,
    pub(crate) expected: &'static str,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, counted from 0, has {:?}, which is not {}", self.row, self.value, self.expected)
    }
}

impl std::error::Error for BadValue {}

impl BadValue {
    /// The same error of a batch with rows before it.
    pub(crate) fn after(error: ArrowError, rows: u64) -> ArrowError {
        match error {
            ArrowError::ExternalError(error) => match error.downcast::<Self>() {
                Ok(bad) => Self { row: bad.row + rows, ..*bad }.into(),
                Err(error) => ArrowError::ExternalError(error),
            },
            error => error,
        }
    }

    /// The error about a column of this stored type that cannot be read: about its value, if that is the reason.
    pub(crate) fn unreadable(place: Place, stored: &DataType, source: ArrowError) -> Error {
        match Self::of(&source) {
            Some(Self { row, value, expected }) => Error::WrongValue {
                place,
                found: format!("{stored} (row {row}, counted from 0, has {value:?})").into(),
                expected: (*expected).into(),
            },
            None => Error::Read { place, source: Box::new(source) },
        }
    }

    /// The value that an error is about, if it is about one.
    pub(crate) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        match error.downcast_ref::<ArrowError>()? {
            ArrowError::ExternalError(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<BadValue> for ArrowError {
    fn from(bad: BadValue) -> Self {
        Self::ExternalError(Box::new(bad))
    }
}

/// Whether the type is a time of the day.
pub(super) fn is_clock_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
}

/// The unit of a count since 1970.
fn epoch_unit(logical_type: LogicalType) -> Option<TimeUnit> {
    match logical_type {
        LogicalType::EpochS => Some(TimeUnit::Second),
        LogicalType::EpochMs => Some(TimeUnit::Millisecond),
        LogicalType::EpochUs => Some(TimeUnit::Microsecond),
        LogicalType::EpochNs => Some(TimeUnit::Nanosecond),
        _ => None,
    }
}

impl LogicalType {
    /// The words for one of its values, for messages.
    pub(crate) fn expects(self) -> &'static str {
        match self {
            Self::String => "a word",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date like 2024-01-31",
            Self::Timestamp => "a time like 2024-01-31 12:00:00",
            Self::EpochS | Self::EpochMs | Self::EpochUs | Self::EpochNs => "a count since 1970",
            Self::Hhmm => "a time of the day as 0 to 2359",
        }
    }

    /// Whether its values are dates or times.
    pub(super) fn is_time(self) -> bool {
        !matches!(self, Self::String | Self::Integer | Self::Float | Self::Boolean)
    }

    /// The type that a column of the type `stored` is read as; `None` if it cannot be.
    pub(super) fn read_type(self, stored: &DataType) -> Option<DataType> {
        let is_plain = |data_type: &DataType| is_number_type(data_type) || *data_type == DataType::Boolean;
        let is_text = is_string_type(stored);
        match (self, epoch_unit(self)) {
            (Self::String, _) => {
                let is_binary = matches!(stored, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
                (is_text || is_binary || is_plain(stored)).then_some(DataType::Utf8)
            }
            (Self::Integer, _) => (is_text || is_plain(stored)).then_some(DataType::Int64),
            (Self::Float, _) => (is_text || is_plain(stored)).then_some(DataType::Float64),
            (Self::Boolean, _) => (is_text || is_plain(stored)).then_some(DataType::Boolean),
            (Self::Hhmm, _) if is_clock_type(stored) => Some(stored.clone()),
            (Self::Hhmm, _) => (is_text || is_number_type(stored)).then_some(DataType::Time32(TimeUnit::Second)),
            _ if is_time_type(stored) => Some(stored.clone()),
            (_, Some(unit)) => {
                (is_text || is_number_type(stored)).then(|| DataType::Timestamp(unit, Some("UTC".into())))
            }
            (Self::Date, _) => is_text.then_some(DataType::Date32),
            _ => is_text.then_some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        }
    }

    /// Whether a text is one of its values.
    pub(crate) fn reads(self, text: &str) -> bool {
        is_null_word(text) || self.read(&(Arc::new(StringArray::from(vec![text])) as ArrayRef)).is_ok()
    }

    /// The array as its [`read_type`](Self::read_type). Of texts, words such as `NA` are null.
    pub(super) fn read(self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let stored = array.data_type();
        let wanted = self
            .read_type(stored)
            .ok_or_else(|| ArrowError::CastError(format!("{stored} cannot be read as {}", self.expects())))?;
        if wanted == *stored {
            return Ok(array.clone());
        }
        let is_text = is_string_type(stored);
        match (self, epoch_unit(self)) {
            (Self::String, _) => words(array),
            (Self::Integer, _) if is_text => self.parsed::<Int64Type>(array, parse_integer),
            (Self::Integer, _) => self.integers(array),
            (Self::Float, _) if is_text => self.parsed::<Float64Type>(array, parse_number),
            (Self::Float, _) => cast(array, &DataType::Float64),
            (Self::Boolean, _) => {
                let numbers = if is_text {
                    self.parsed::<Float64Type>(array, parse_boolean)?
                } else {
                    cast(array, &DataType::Float64)?
                };
                let flags = self.each(numbers.as_primitive::<Float64Type>(), |number| match number {
                    0.0 => Some(false),
                    1.0 => Some(true),
                    _ => None,
                });
                Ok(Arc::new(flags?.into_iter().collect::<BooleanArray>()))
            }
            (Self::Hhmm, _) if is_text => self.parsed::<Time32SecondType>(array, parse_clock),
            (Self::Hhmm, _) => {
                let counts = self.integers(array)?;
                let times = self.each(counts.as_primitive::<Int64Type>(), clock)?;
                Ok(Arc::new(times.into_iter().collect::<PrimitiveArray<Time32SecondType>>()))
            }
            (_, Some(_)) => {
                let counts =
                    if is_text { self.parsed::<Int64Type>(array, parse_integer)? } else { self.integers(array)? };
                cast(&counts, &wanted)
            }
            (Self::Date, _) => self.parsed::<Date32Type>(array, parse_date),
            _ => self.parsed::<TimestampMicrosecondType>(array, parse_iso_time),
        }
    }

    /// The array that [`read`](Self::read) would make from the result, of the type `stored`.
    pub(super) fn restore(self, array: &ArrayRef, stored: &DataType) -> Result<ArrayRef, ArrowError> {
        if array.data_type() == stored {
            return Ok(array.clone());
        }
        if self == Self::Hhmm && !is_clock_type(stored) {
            let minutes = |seconds: i32| (seconds + 30) / 60 % 1440;
            let seconds = cast(array, &DataType::Time32(TimeUnit::Second))?;
            let counts = seconds.as_primitive::<Time32SecondType>().iter().map(|seconds| {
                let minutes = minutes(seconds?);
                Some(minutes / 60 * 100 + minutes % 60)
            });
            return if is_string_type(stored) {
                let texts: StringArray = counts.map(|count| Some(format!("{:04}", count?))).collect();
                cast(&(Arc::new(texts) as ArrayRef), stored)
            } else {
                cast_numbers(counts.map(|count| count.map(f64::from)).collect(), stored)
            };
        }
        let array = match epoch_unit(self) {
            Some(unit) if !is_time_type(stored) => {
                cast(&cast(array, &DataType::Timestamp(unit, None))?, &DataType::Int64)?
            }
            _ => array.clone(),
        };
        match stored {
            stored if is_number_type(stored) && array.data_type().is_floating() => {
                cast_numbers(cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone(), stored)
            }
            stored => cast(&array, stored),
        }
    }

    /// The values of texts; those that are words for null are null.
    fn parsed<T: ArrowPrimitiveType>(
        self,
        array: &ArrayRef,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef, ArrowError> {
        let texts = StringValues::of(array)?;
        let value = |row: usize| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            match parse(text.trim()) {
                Some(value) => Ok(Some(value)),
                None if is_null_word(text) => Ok(None),
                None => Err(BadValue { row: row as u64, value: text.to_owned(), expected: self.expects() }),
            }
        };
        let values = (0..array.len()).map(value).collect::<Result<PrimitiveArray<T>, BadValue>>()?;
        Ok(Arc::new(values))
    }

    /// Numbers as integers.
    fn integers(self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        if array.data_type().is_integer() || *array.data_type() == DataType::Boolean {
            return cast_with_options(array, &DataType::Int64, &CastOptions { safe: false, ..CastOptions::default() });
        }
        let numbers = cast(array, &DataType::Float64)?;
        let known = |number: f64| if number.is_nan() { Some(None) } else { whole(number).map(Some) };
        let values = self.each(numbers.as_primitive::<Float64Type>(), known)?;
        Ok(Arc::new(values.into_iter().map(Option::flatten).collect::<PrimitiveArray<Int64Type>>()))
    }

    /// What each known value is.
    fn each<T: ArrowPrimitiveType, V>(
        self,
        array: &PrimitiveArray<T>,
        of: impl Fn(T::Native) -> Option<V>,
    ) -> Result<Vec<Option<V>>, BadValue>
    where
        T::Native: fmt::Display,
    {
        let value = |(row, value): (usize, Option<T::Native>)| match value.map(|value| (value, of(value))) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value)),
            Some((value, None)) => {
                Err(BadValue { row: row as u64, value: value.to_string(), expected: self.expects() })
            }
        };
        array.iter().enumerate().map(value).collect()
    }
}

/// Values as words: whole numbers without a point, and bytes as the text that they are.
fn words(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values)?,
        _ => array.clone(),
    };
    if !is_number_type(array.data_type()) || array.data_type().is_integer() {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(&array, &DataType::Utf8, &strict);
    }
    let numbers = cast(&array, &DataType::Float64)?;
    let word = |number: f64| whole(number).map_or_else(|| number.to_string(), |whole| whole.to_string());
    let words = numbers.as_primitive::<Float64Type>().iter().map(|number| number.filter(|x| !x.is_nan()).map(word));
    Ok(Arc::new(words.collect::<StringArray>()))
}

/// A number as an integer, if it is one that f64 holds exactly.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= (1_u64 << 53) as f64).then_some(number as i64)
}

/// The number that a text is; none with leading zeros or a plus sign, as codes have.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_padded = digits.starts_with('0') && digits[1..].starts_with(|next: char| next.is_ascii_digit());
    let has_digit = text.contains(|character: char| character.is_ascii_digit());
    let is_number = !is_padded && !text.starts_with('+') && has_digit;
    text.parse().ok().filter(|number: &f64| is_number || number.is_infinite())
}

fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| whole(parse_number(text)?))
}

/// 1 or 0.
pub(super) fn parse_boolean(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" => Some(1.0),
        "false" | "f" | "no" | "n" => Some(0.0),
        other => parse_number(other),
    }
}

/// Days since 1970.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok().filter(|_| text.len() == 10)?;
    i32::try_from((date - NaiveDate::default()).num_days()).ok()
}

/// The seconds of the day of `517`, `0517` or `05:17`.
pub(super) fn parse_clock(text: &str) -> Option<i32> {
    if text.contains(':') {
        let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())?;
        return i32::try_from(time.num_seconds_from_midnight()).ok();
    }
    clock(parse_integer(text)?)
}

/// The seconds of the day of hours and minutes as one number; 2400 is 0.
fn clock(count: i64) -> Option<i32> {
    let (hours, minutes) = (count.div_euclid(100), count.rem_euclid(100));
    let is_time = (0..24).contains(&hours) && minutes < 60 || count == 2400;
    i32::try_from(hours % 24 * 3600 + minutes * 60).ok().filter(|_| is_time)
}
