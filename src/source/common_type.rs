//! The common type of a column that files store with different types: the narrowest that holds the values of both.

use std::sync::Arc;

use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields, TimeUnit,
};

/// The type that holds the values of both; `None` if there is none, as of a string and a number.
///
/// Integers widen; an integer and a float are a double; strings of any width, views and dictionaries are one; dates and
/// timestamps have the finer unit, and time zones that differ meet in UTC; lists of any kind meet by their items, and structs
/// by the names of their fields. Null is any type.
pub(super) fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        (T::Dictionary(_, a), T::Dictionary(_, b)) => T::Dictionary(T::Int32.into(), common_type(a, b)?.into()),
        (T::Dictionary(_, values), other) | (other, T::Dictionary(_, values)) => common_type(values, other)?,
        (T::RunEndEncoded(_, values), other) | (other, T::RunEndEncoded(_, values)) => {
            common_type(values.data_type(), other)?
        }
        (a, b) if a.is_string() && b.is_string() => {
            if [a, b].contains(&&T::LargeUtf8) {
                T::LargeUtf8
            } else {
                T::Utf8
            }
        }
        (a, b) if is_binary(a) && is_binary(b) => {
            if [a, b].contains(&&T::LargeBinary) {
                T::LargeBinary
            } else {
                T::Binary
            }
        }
        (a, b) if a.is_integer() && b.is_integer() => common_integer(a, b),
        (a, b) if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (T::Date32, T::Date64) | (T::Date64, T::Date32) => T::Date64,
        (T::Date32 | T::Date64, T::Timestamp(unit, zone)) | (T::Timestamp(unit, zone), T::Date32 | T::Date64) => {
            T::Timestamp(*unit, zone.clone())
        }
        (T::Timestamp(a, one), T::Timestamp(b, other)) => {
            // A time without a zone counts as one in UTC, which Parquet stores it as.
            let zone = if one == other { one.clone() } else { Some("UTC".into()) };
            T::Timestamp(finer(*a, *b), zone)
        }
        (T::Time32(a) | T::Time64(a), T::Time32(b) | T::Time64(b)) => match finer(*a, *b) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => T::Time32(unit),
            unit => T::Time64(unit),
        },
        (T::Duration(a), T::Duration(b)) => T::Duration(finer(*a, *b)),
        (T::FixedSizeList(a, length), T::FixedSizeList(b, other)) if length == other => {
            T::FixedSizeList(common_field(a, b)?, *length)
        }
        (T::Struct(a), T::Struct(b)) => T::Struct(common_fields(a, b)?),
        (T::Map(a, sorted), T::Map(b, other)) => T::Map(common_field(a, b)?, *sorted && *other),
        (a, b) => {
            let item = common_field(list_item(a)?, list_item(b)?)?;
            let is_large = |list: &T| matches!(list, T::LargeList(_) | T::LargeListView(_));
            if is_large(a) || is_large(b) { T::LargeList(item) } else { T::List(item) }
        }
    })
}

/// The fields of both by name, those of the first in their order; one that a side lacks is null there.
fn common_fields(a: &Fields, b: &Fields) -> Option<Fields> {
    let in_a = a.iter().map(|field| match b.find(field.name()) {
        Some((_, other)) => common_field(field, other),
        None => Some(nullable(field)),
    });
    let only_in_b = b.iter().filter(|field| a.find(field.name()).is_none()).map(|field| Some(nullable(field)));
    in_a.chain(only_in_b).collect()
}

/// The field of both, named as the first.
pub(super) fn common_field(a: &FieldRef, b: &FieldRef) -> Option<FieldRef> {
    if a == b {
        return Some(a.clone());
    }
    let data_type = common_type(a.data_type(), b.data_type())?;
    let field: &Field = if a.data_type() == &DataType::Null { b } else { a };
    let field = field.clone().with_name(a.name()).with_data_type(data_type);
    Some(Arc::new(field.with_nullable(a.is_nullable() || b.is_nullable())))
}

/// The field with nulls.
pub(super) fn nullable(field: &FieldRef) -> FieldRef {
    if field.is_nullable() { field.clone() } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
}

/// The item of a list of any kind.
pub(crate) fn list_item(list: &DataType) -> Option<&FieldRef> {
    match list {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

pub(super) fn is_binary(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(data_type, T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_))
}

/// Bits of an integer type, and whether it has a sign.
fn integer(data_type: &DataType) -> (u32, bool) {
    use DataType as T;
    match data_type {
        T::Int8 => (8, true),
        T::Int16 => (16, true),
        T::Int32 => (32, true),
        T::UInt8 => (8, false),
        T::UInt16 => (16, false),
        T::UInt32 => (32, false),
        T::UInt64 => (64, false),
        _ => (64, true),
    }
}

/// The wider integer; a signed one if one is; beyond 64 bits a decimal.
fn common_integer(a: &DataType, b: &DataType) -> DataType {
    let ((bits_a, signed_a), (bits_b, signed_b)) = (integer(a), integer(b));
    let signed = signed_a || signed_b;
    // A sign takes a bit.
    let bits = |bits: u32, has_sign: bool| if signed && !has_sign { bits + 1 } else { bits };
    match (bits(bits_a, signed_a).max(bits(bits_b, signed_b)), signed) {
        (..=8, true) => DataType::Int8,
        (..=16, true) => DataType::Int16,
        (..=32, true) => DataType::Int32,
        (..=64, true) => DataType::Int64,
        (_, true) => DataType::Decimal128(20, 0),
        (..=8, false) => DataType::UInt8,
        (..=16, false) => DataType::UInt16,
        (..=32, false) => DataType::UInt32,
        (_, false) => DataType::UInt64,
    }
}

/// The digits before and after the point of a decimal or an integer; `None` of a float.
fn digits(number: &DataType) -> Option<(i16, i8)> {
    use DataType as T;
    match number {
        T::Decimal32(precision, scale)
        | T::Decimal64(precision, scale)
        | T::Decimal128(precision, scale)
        | T::Decimal256(precision, scale) => Some((i16::from(*precision) - i16::from(*scale), *scale)),
        T::Int8 | T::UInt8 => Some((3, 0)),
        T::Int16 | T::UInt16 => Some((5, 0)),
        T::Int32 | T::UInt32 => Some((10, 0)),
        T::Int64 | T::UInt64 => Some((20, 0)),
        _ => None,
    }
}

/// The common type of numbers that are not both integers.
fn common_number(a: &DataType, b: &DataType) -> DataType {
    use DataType as T;
    let (Some((whole_a, scale_a)), Some((whole_b, scale_b))) = (digits(a), digits(b)) else {
        let narrow = [a, b].iter().all(|it| matches!(it, T::Float16 | T::Float32));
        return if narrow { T::Float32 } else { T::Float64 };
    };
    let scale = scale_a.max(scale_b);
    let precision = u8::try_from(whole_a.max(whole_b) + i16::from(scale)).unwrap_or(u8::MAX);
    if precision <= DECIMAL128_MAX_PRECISION {
        T::Decimal128(precision, scale)
    } else if precision <= DECIMAL256_MAX_PRECISION {
        T::Decimal256(precision, scale)
    } else {
        T::Float64
    }
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    a.max(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as T;

    fn list(item: DataType) -> DataType {
        T::List(Arc::new(Field::new("item", item, true)))
    }

    fn structure(fields: &[(&str, DataType)]) -> DataType {
        T::Struct(fields.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect())
    }

    #[test]
    fn types_meet_in_the_narrowest_that_holds_both() {
        let zone = || Some("UTC".into());
        let dictionary = |key: DataType| T::Dictionary(key.into(), T::Utf8.into());
        for (a, b, common) in [
            (T::Null, T::Boolean, T::Boolean),
            (T::Int8, T::Int64, T::Int64),
            (T::UInt8, T::Int8, T::Int16),
            (T::UInt32, T::Int32, T::Int64),
            (T::UInt64, T::Int64, T::Decimal128(20, 0)),
            (T::UInt8, T::UInt16, T::UInt16),
            (T::Int8, T::Float32, T::Float64),
            (T::Float16, T::Float32, T::Float32),
            (T::Decimal128(9, 2), T::Decimal128(12, 4), T::Decimal128(12, 4)),
            (T::Decimal128(9, 2), T::Int64, T::Decimal128(22, 2)),
            (T::Decimal128(9, 2), T::Float32, T::Float64),
            (T::Utf8, T::LargeUtf8, T::LargeUtf8),
            (T::Utf8View, T::Utf8, T::Utf8),
            (dictionary(T::Int8), T::Utf8View, T::Utf8),
            (dictionary(T::Int8), dictionary(T::UInt32), dictionary(T::Int32)),
            (T::FixedSizeBinary(4), T::BinaryView, T::Binary),
            (T::Date32, T::Timestamp(TimeUnit::Second, None), T::Timestamp(TimeUnit::Second, None)),
            (
                T::Timestamp(TimeUnit::Microsecond, None),
                T::Timestamp(TimeUnit::Nanosecond, zone()),
                T::Timestamp(TimeUnit::Nanosecond, zone()),
            ),
            (
                T::Timestamp(TimeUnit::Second, Some("Asia/Tokyo".into())),
                T::Timestamp(TimeUnit::Second, Some("+01:00".into())),
                T::Timestamp(TimeUnit::Second, zone()),
            ),
            (T::Time32(TimeUnit::Second), T::Time64(TimeUnit::Nanosecond), T::Time64(TimeUnit::Nanosecond)),
            (list(T::Null), list(T::Float32), list(T::Float32)),
            (T::FixedSizeList(Arc::new(Field::new("item", T::Float32, true)), 3), list(T::Float64), list(T::Float64)),
            (
                structure(&[("a", T::Int8), ("b", T::Utf8)]),
                structure(&[("c", T::Date32), ("a", T::Int16)]),
                structure(&[("a", T::Int16), ("b", T::Utf8), ("c", T::Date32)]),
            ),
        ] {
            assert_eq!(common_type(&a, &b).as_ref(), Some(&common), "{a} {b}");
            let back = common_type(&b, &a).unwrap();
            assert!(back == common || matches!(common, T::Struct(_)), "{b} {a}: {back}");
        }
    }

    #[test]
    fn a_string_and_a_number_do_not_meet() {
        for (a, b) in [
            (T::Utf8, T::Int64),
            (T::Boolean, T::Int8),
            (T::Date32, T::Int32),
            (list(T::Utf8), list(T::Int8)),
            (list(T::Utf8), T::Utf8),
            (structure(&[("a", T::Utf8)]), structure(&[("a", T::Int8)])),
        ] {
            assert_eq!((common_type(&a, &b), common_type(&b, &a)), (None, None), "{a} {b}");
        }
    }
}
