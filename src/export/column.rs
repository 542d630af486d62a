//! Columns as inputs of a graph: the type, and what stands for a missing value.

#![forbid(unsafe_code)]

use arrow::datatypes::DataType;

use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::error::{OnnxFault, Result};
use crate::feature::ticks_per_second;

/// What stands for a missing value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MissingMark {
    /// NaN.
    Nan,
    /// An integer.
    Integer(i128),
    /// A word.
    Word(String),
    /// Nothing: no value can be missing.
    Never,
}

/// A column as an input.
#[derive(Debug, Clone)]
pub(super) struct ColumnInput {
    pub(super) name: String,
    pub(super) element_type: ElementType,
    /// The length of a list.
    pub(super) width: Option<usize>,
    pub(super) missing: MissingMark,
    /// How many counts make a second, of a time.
    pub(super) ticks: Option<f64>,
    /// What the counts of a time are, as `microseconds since 1970 in UTC`.
    pub(super) unit: Option<&'static str>,
    /// The tensor.
    pub(super) tensor: Option<Tensor>,
}

impl ColumnInput {
    /// A column of this type. Whether an integer or a word is a value of the column says `is_value`; `missing` of its values
    /// were missing at fit.
    ///
    /// # Errors
    /// [`OnnxFault`] if no input can hold it.
    pub(super) fn new(
        name: &str,
        data_type: &DataType,
        missing: u64,
        is_value: &dyn Fn(&str) -> bool,
    ) -> Result<Self, OnnxFault> {
        use DataType::{
            Boolean, Decimal32, Decimal64, Decimal128, Decimal256, Float16, Float32, Float64, LargeUtf8, Utf8, Utf8View,
        };
        if name.is_empty() {
            return Err(OnnxFault::Unnamed);
        }
        let of = |element_type, missing| {
            let (ticks, unit) = (ticks_per_second(data_type), unit(data_type));
            Self { name: name.to_owned(), element_type, width: None, missing, ticks, unit, tensor: None }
        };
        if let Some((element_type, mark)) = integer(data_type) {
            let (taken, int64) = (is_value(&mark.to_string()), i128::from(i64::MIN));
            return match (taken, missing) {
                (false, _) => Ok(of(element_type, MissingMark::Integer(mark))),
                (true, 0) => Ok(of(element_type, MissingMark::Never)),
                _ if mark != int64 && !is_value(&int64.to_string()) => {
                    Ok(of(ElementType::Int64, MissingMark::Integer(int64)))
                }
                _ => Err(OnnxFault::NoMark { column: name.to_owned() }),
            };
        }
        Ok(match data_type {
            Float16 => of(ElementType::Float16, MissingMark::Nan),
            Float32 => of(ElementType::Float, MissingMark::Nan),
            Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => {
                of(ElementType::Double, MissingMark::Nan)
            }
            Boolean if missing == 0 => of(ElementType::Bool, MissingMark::Never),
            Boolean => of(ElementType::Int8, MissingMark::Integer(i8::MIN.into())),
            Utf8 | LargeUtf8 | Utf8View => {
                let marks = (1..).map(|n| if n == 1 { String::new() } else { format!("<missing {n}>") });
                let mark = { marks }.find(|mark| !is_value(mark)).unwrap_or_default();
                of(ElementType::String, MissingMark::Word(mark))
            }
            other => {
                return Err(OnnxFault::Type { column: name.to_owned(), data_type: other.to_string() });
            }
        })
    }

    /// A list of numbers of this type.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn list(
        name: &str,
        data_type: &DataType,
        length: usize,
        missing: u64,
        is_value: &dyn Fn(&str) -> bool,
    ) -> Result<Self, OnnxFault> {
        use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
        match data_type {
            List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
                let item = Self::new(name, item.data_type(), missing, is_value)?;
                Ok(Self { width: Some(length), ..item })
            }
            other => Err(OnnxFault::Type { column: name.to_owned(), data_type: other.to_string() }),
        }
    }

    /// Adds it to a graph.
    pub(super) fn declare(&mut self, graph: &mut GraphBuilder) {
        self.tensor = Some(graph.input(&self.name, self.element_type, self.width, self.about()));
    }

    /// The tensor.
    pub(super) fn tensor(&self) -> Tensor {
        self.tensor.clone().expect("every input is declared before it is used")
    }

    /// What is given, in words.
    pub(super) fn about(&self) -> String {
        let missing = match &self.missing {
            MissingMark::Nan => "missing: NaN".to_owned(),
            MissingMark::Integer(mark) => format!("missing: {mark}"),
            MissingMark::Word(word) => format!("missing: {word:?}"),
            MissingMark::Never => "never missing".to_owned(),
        };
        self.unit.map_or(missing.clone(), |unit| format!("{unit}; {missing}"))
    }

    /// What tells columns apart that one set of nodes cannot read together.
    pub(super) fn reading(&self) -> (ElementType, Option<i128>, Option<u64>) {
        let mark = if let MissingMark::Integer(mark) = self.missing { Some(mark) } else { None };
        (self.element_type, mark, self.ticks.map(f64::to_bits))
    }

    /// Values of inputs that read alike, `[rows, n]`, as 64-bit floats; times in seconds, NaN where missing.
    pub(super) fn doubles(&self, graph: &mut GraphBuilder, values: &Tensor) -> Tensor {
        let mut doubles = match self.element_type {
            ElementType::Double => values.clone(),
            _ => graph.cast(values, ElementType::Double),
        };
        if let MissingMark::Integer(mark) = self.missing {
            let is_missing = if self.element_type == ElementType::Int64 {
                let mark = graph.ints(&[mark as i64]);
                graph.op("Equal", &[values, &mark])
            } else {
                let mark = graph.doubles(&[mark as f64]);
                graph.op("Equal", &[&doubles, &mark])
            };
            let nan = graph.doubles(&[f64::NAN]);
            doubles = graph.op("Where", &[&is_missing, &nan, &doubles]);
        }
        if let Some(ticks) = self.ticks.filter(|ticks| *ticks != 1.0) {
            let ticks = graph.doubles(&[ticks]);
            doubles = graph.op("Div", &[&doubles, &ticks]);
        }
        doubles
    }
}

/// The type of integers, of times as well, and the one that stands for a missing value: the least one, or of unsigned ones the
/// greatest.
fn integer(data_type: &DataType) -> Option<(ElementType, i128)> {
    Some(match data_type {
        DataType::Int8 => (ElementType::Int8, i8::MIN.into()),
        DataType::Int16 => (ElementType::Int16, i16::MIN.into()),
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) => (ElementType::Int32, i32::MIN.into()),
        DataType::Int64 | DataType::Date64 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Duration(_) => {
            (ElementType::Int64, i64::MIN.into())
        }
        DataType::UInt8 => (ElementType::Uint8, u8::MAX.into()),
        DataType::UInt16 => (ElementType::Uint16, u16::MAX.into()),
        DataType::UInt32 => (ElementType::Uint32, u32::MAX.into()),
        DataType::UInt64 => (ElementType::Uint64, u64::MAX.into()),
        _ => return None,
    })
}

/// What the integers of a time count.
fn unit(data_type: &DataType) -> Option<&'static str> {
    use DataType::{Date32, Date64, Duration, Time32, Time64, Timestamp};
    use arrow::datatypes::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    Some(match data_type {
        Date32 => "days since 1970",
        Date64 | Timestamp(Millisecond, _) => "milliseconds since 1970 in UTC",
        Timestamp(Second, _) => "seconds since 1970 in UTC",
        Timestamp(Microsecond, _) => "microseconds since 1970 in UTC",
        Timestamp(Nanosecond, _) => "nanoseconds since 1970 in UTC",
        Duration(Second) => "seconds",
        Duration(Millisecond) => "milliseconds",
        Duration(Microsecond) => "microseconds",
        Duration(Nanosecond) => "nanoseconds",
        Time32(Second) | Time64(Second) => "seconds since midnight",
        Time32(Millisecond) | Time64(Millisecond) => "milliseconds since midnight",
        Time32(Microsecond) | Time64(Microsecond) => "microseconds since midnight",
        Time32(Nanosecond) | Time64(Nanosecond) => "nanoseconds since midnight",
        _ => return None,
    })
}
