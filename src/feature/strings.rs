//! Access to strings by row, in any Arrow encoding.

use arrow::array::{
    Array, ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray, downcast_dictionary_array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// A string array of any encoding, or an array of integers or Booleans cast to strings.
pub(crate) enum StringValues<'a> {
    Utf8(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
    /// The index of each row's value, and the values.
    Dictionary(Vec<Option<usize>>, Box<StringValues<'a>>),
    /// Cast to strings.
    Cast(StringArray),
}

/// Whether the type holds strings, plain or in a dictionary.
pub(crate) fn is_string_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_string_type(values),
        _ => false,
    }
}

impl<'a> StringValues<'a> {
    /// Takes strings, dictionaries, integers and Booleans.
    pub(crate) fn of(array: &'a ArrayRef) -> Result<Self, ArrowError> {
        let array: &'a dyn Array = array.as_ref();
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Utf8(array.as_string()),
            DataType::LargeUtf8 => Self::Large(array.as_string()),
            DataType::Utf8View => Self::View(array.as_string_view()),
            DataType::Dictionary(..) => downcast_dictionary_array!(
                array => {
                    let keys = (0..array.len()).map(|row| array.key(row)).collect();
                    Self::Dictionary(keys, Box::new(Self::of(array.values())?))
                }
                _ => unreachable!("the arm is of dictionaries"),
            ),
            _ => Self::Cast(cast(array, &DataType::Utf8)?.as_string().clone()),
        })
    }

    /// The string of a row; `None` where it is null.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Utf8(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Dictionary(keys, values) => values.get(keys[row]?),
            Self::Cast(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, LargeStringArray};
    use arrow::array::{Int8Array, Int64Array};
    use arrow::datatypes::{Int8Type, UInt32Type};

    use super::*;

    #[test]
    fn one_column_reads_the_same_in_every_encoding_and_slice() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("a"), Some("")]));
        let types = [
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            DataType::Dictionary(Box::new(DataType::UInt64), Box::new(DataType::LargeUtf8)),
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View)),
        ];
        for data_type in types {
            assert!(is_string_type(&data_type));
            let array = cast(&plain, &data_type).unwrap().slice(1, 4);
            let texts = StringValues::of(&array).unwrap();
            let found: Vec<_> = (0..4).map(|row| texts.get(row)).collect();
            assert_eq!(found, [None, Some("b"), Some("a"), Some("")], "{data_type}");
        }
    }

    #[test]
    fn a_null_among_the_values_of_a_dictionary_is_a_null() {
        let values = Arc::new(LargeStringArray::from(vec![Some("a"), None]));
        let array: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::from(vec![1, 0]), values));
        let texts = StringValues::of(&array).unwrap();
        assert_eq!([texts.get(0), texts.get(1)], [None, Some("a")]);
        let empty: ArrayRef = Arc::new(DictionaryArray::<UInt32Type>::from_iter([None::<&str>]));
        assert_eq!(StringValues::of(&empty).unwrap().get(0), None);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(-7), None]));
        let texts = StringValues::of(&numbers).unwrap();
        assert_eq!([texts.get(0), texts.get(1)], [Some("-7"), None]);
    }
}
