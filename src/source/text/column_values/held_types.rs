//! Which types hold all values of a column without loss.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::ValueKind::{Boolean, Date, Decimal, Integer, List, Local, Nan, Object, Text, Zoned};
use super::{ColumnValues, KINDS, Line, ValueKind};

impl ColumnValues {
    /// The inferred type; text if there are no values.
    pub(in crate::source::text) fn data_type(&self) -> DataType {
        let number = || if self.inexact_f64.is_some() { DataType::Utf8 } else { DataType::Float64 };
        let time = |zone: Option<&str>| {
            let unit = match self.decimals {
                0 => TimeUnit::Second,
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            if self.is_in_range(unit) { DataType::Timestamp(unit, zone.map(Into::into)) } else { DataType::Utf8 }
        };
        if self.only(&[]) && self.has(Nan) {
            DataType::Float64
        } else if self.only(&[]) || self.is_mixed() {
            DataType::Utf8
        } else if self.has(Object) {
            let field = |(name, values): &(String, Self)| Field::new(name, values.data_type(), true);
            DataType::Struct(self.fields.iter().map(field).collect::<Fields>())
        } else if self.has(List) {
            let items = self.items.as_deref().map_or(DataType::Utf8, Self::data_type);
            DataType::List(Arc::new(Field::new_list_field(items, true)))
        } else if self.only(&[Boolean]) {
            DataType::Boolean
        } else if self.holds(&DataType::Int64) {
            DataType::Int64
        } else if self.only(&[Integer, Decimal]) {
            number()
        } else if self.json {
            // Times in JSON are strings.
            DataType::Utf8
        } else if self.only(&[Date]) {
            DataType::Date32
        } else if self.only(&[Date, Local]) {
            time(None)
        } else if self.only(&[Zoned]) {
            time(Some("UTC"))
        } else {
            DataType::Utf8
        }
    }

    /// Whether lists, objects or Booleans have no common type: the column is then text, of lists and objects their JSON.
    pub(in crate::source::text) fn is_mixed(&self) -> bool {
        let quoted = !self.only(&[Boolean, Integer, Decimal, List, Object]);
        let nested = self.has(List) || self.has(Object);
        let is_uniform = self.only(&[List]) || (self.only(&[Object]) && !self.fields.is_empty());
        let has_mixed_child =
            self.items.as_deref().is_some_and(Self::is_mixed) || self.fields.iter().any(|(_, it)| it.is_mixed());
        (nested && (self.as_text || !is_uniform || has_mixed_child)) || (self.json && self.has(Boolean) && quoted)
    }

    /// Whether a type holds every value without loss.
    pub(in crate::source::text) fn holds(&self, data_type: &DataType) -> bool {
        let integers = |least: i128, most: i128| {
            self.only(&[Integer]) && self.integers.is_none_or(|(from, to)| least <= from && to <= most)
        };
        let decimals = |precision: u8, scale: i8| {
            let (whole, fraction) = self.digits;
            let (most, scale) = (usize::from(precision), usize::try_from(scale).unwrap_or(0));
            self.only(&[Integer, Decimal]) && !self.has_non_decimal && fraction <= scale && whole + scale <= most
        };
        match data_type {
            DataType::Boolean => self.only(&[Boolean]),
            DataType::Int8 => integers(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => integers(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => integers(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => integers(i64::MIN.into(), i64::MAX.into()),
            DataType::UInt8 => integers(0, u8::MAX.into()),
            DataType::UInt16 => integers(0, u16::MAX.into()),
            DataType::UInt32 => integers(0, u32::MAX.into()),
            DataType::UInt64 => integers(0, u64::MAX.into()),
            DataType::Float32 => self.only(&[Integer, Decimal]) && self.inexact_f64.is_none() && !self.has_inexact_f32,
            DataType::Float64 => self.only(&[Integer, Decimal]) && self.inexact_f64.is_none(),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => decimals(*precision, *scale),
            DataType::Date32 | DataType::Date64 => self.only(&[Date]),
            DataType::Timestamp(unit, zone) => {
                let kinds = match zone.as_deref() {
                    None => &[Date, Local][..],
                    // In other zones a local time may be ambiguous or missing.
                    Some(zone) if has_fixed_offset(zone) => &[Date, Local, Zoned],
                    Some(_) => &[Zoned],
                };
                self.only(kinds) && self.significant_decimals <= decimals_of(*unit) && self.is_in_range(*unit)
            }
            // Every CSV value is text.
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                !self.json || self.only(&[Date, Local, Zoned, Text])
            }
            DataType::List(items) | DataType::LargeList(items) => {
                self.only(&[List]) && self.items.as_deref().is_none_or(|it| it.holds(items.data_type()))
            }
            DataType::FixedSizeList(items, length) => {
                let length = usize::try_from(*length).unwrap_or(0);
                self.only(&[List])
                    && self.lengths.is_none_or(|lengths| lengths == (length, length))
                    && self.items.as_deref().is_none_or(|it| it.holds(items.data_type()))
            }
            _ => false,
        }
    }

    /// Whether the values are times that do not fit this type only because they lack offsets from UTC.
    pub(in crate::source::text) fn lack_offsets(&self, data_type: &DataType) -> bool {
        let of_zone = matches!(data_type, DataType::Timestamp(_, Some(zone)) if zone.as_ref() != "UTC");
        let are_times = self.only(&[Date, Local, Zoned]) && !self.only(&[Zoned]);
        of_zone && are_times && !self.holds(data_type)
    }

    /// The first value that a type does not hold without loss.
    pub(in crate::source::text) fn first_mismatch(&self, data_type: &DataType) -> Option<(&Line, &str)> {
        let only_kind = |kind: ValueKind| {
            let mut examples = std::array::from_fn(|_| None);
            examples[kind as usize].clone_from(&self.examples[kind as usize]);
            Self { examples, ..self.clone() }
        };
        let mismatches = KINDS.iter().filter(|&&kind| self.has(kind) && !only_kind(kind).holds(data_type));
        let firsts = mismatches.filter_map(|&kind| match kind {
            Integer if self.inexact_f64.is_some() => self.inexact_f64.as_ref(),
            kind => self.examples[kind as usize].as_ref(),
        });
        firsts.min_by_key(|(line, _)| line.number).map(|(line, text)| (line, text.as_str()))
    }

    /// Whether the times are in the range of a timestamp of this unit.
    fn is_in_range(&self, unit: TimeUnit) -> bool {
        let most = i64::MAX / 10_i64.pow(decimals_of(unit) as u32);
        self.seconds.is_none_or(|(from, to)| -most < from && to < most)
    }
}

/// Whether a time zone has the same offset from UTC at all times.
fn has_fixed_offset(zone: &str) -> bool {
    matches!(zone, "UTC" | "GMT") || zone.starts_with("Etc/") || zone.starts_with(['+', '-'])
}

/// Number of decimals of a second in this unit.
fn decimals_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
