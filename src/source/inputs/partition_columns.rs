//! Partition columns: values in the path, from directories named `key=value`, as in Hive tables.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;

/// The directory name for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition columns of one file, with their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartitionColumns {
    fields: Vec<FieldRef>,
    /// Arrays of one value each.
    values: Vec<ArrayRef>,
}

impl PartitionColumns {
    /// Adds a column with an array of its one value.
    #[cfg(feature = "delta")]
    pub(crate) fn push(&mut self, field: FieldRef, value: ArrayRef) {
        self.fields.push(field);
        self.values.push(value);
    }

    /// The columns' names and types.
    pub(crate) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Repeats the value of a column, given by its index, for `rows` rows.
    pub(crate) fn array(&self, column: usize, rows: usize) -> Result<ArrayRef, ArrowError> {
        take(&self.values[column], &arrow::array::UInt32Array::from(vec![0; rows]), None)
    }

    /// The columns except those the file has itself: these win over its path.
    pub(crate) fn without(&self, is_own: impl Fn(&str) -> bool) -> Self {
        let kept = self.fields.iter().zip(&self.values).filter(|(field, _)| !is_own(field.name()));
        let (fields, values) = kept.map(|(field, value)| (field.clone(), value.clone())).unzip();
        Self { fields, values }
    }
}

/// The partition columns of each file of a table: integers if every value of a key is one, dates if every value is one,
/// else text.
pub(crate) fn partition_columns<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<PartitionColumns> {
    let all: Vec<Vec<(String, Option<String>)>> = paths.map(parse_path).collect();
    let values_of = |name: &str| {
        let values = all.iter().flatten().filter(move |(key, _)| key == name);
        values.filter_map(|(_, value)| value.as_deref()).collect::<Vec<_>>()
    };
    let mut types = std::collections::BTreeMap::<&str, DataType>::new();
    for (name, _) in all.iter().flatten() {
        types.entry(name).or_insert_with(|| infer_type(&values_of(name)));
    }
    let typed = |(name, value): &(String, Option<String>)| {
        let data_type = &types[name.as_str()];
        (Arc::new(Field::new(name, data_type.clone(), true)), single_value(data_type, value.as_deref()))
    };
    let of_file = |pairs: &Vec<(String, Option<String>)>| {
        let (fields, values) = pairs.iter().map(typed).unzip();
        PartitionColumns { fields, values }
    };
    all.iter().map(of_file).collect()
}

/// Whether a directory of the path gives a value of this key.
#[cfg(feature = "delta")]
pub(crate) fn is_key_of(path: &Path, key: &str) -> bool {
    parse_path(path).iter().any(|(name, _)| name == key)
}

/// The keys and values in a path; a repeated key has its last value.
fn parse_path(path: &Path) -> Vec<(String, Option<String>)> {
    let mut pairs = Vec::<(String, Option<String>)>::new();
    for folder in path.parent().into_iter().flat_map(Path::components) {
        let Some((name, value)) = folder.as_os_str().to_str().and_then(|text| text.split_once('=')) else { continue };
        if name.is_empty() {
            continue;
        }
        let name = percent_decode(name);
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, (value != NULL).then(|| percent_decode(value))));
    }
    pairs
}

/// Decodes percent escapes: `%3A` is a colon.
pub(crate) fn percent_decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// Whether a text is an integer in canonical form; `007` is a name.
fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// Parses a date like `2013-01-31` into days since 1970.
fn parse_date(text: &str) -> Option<i32> {
    let has_shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if [4, 7].contains(&at) { byte == b'-' } else { byte.is_ascii_digit() });
    let text = StringArray::from(vec![has_shape.then_some(text)?]);
    let days = cast(&text, &DataType::Date32).ok()?;
    days.as_any().downcast_ref::<Date32Array>()?.iter().next()?
}

fn infer_type(values: &[&str]) -> DataType {
    match values {
        [] => DataType::Utf8,
        values if values.iter().all(|value| is_integer(value)) => DataType::Int64,
        values if values.iter().all(|value| parse_date(value).is_some()) => DataType::Date32,
        _ => DataType::Utf8,
    }
}

/// An array of one value.
fn single_value(data_type: &DataType, value: Option<&str>) -> ArrayRef {
    match (data_type, value) {
        (data_type, None) => new_null_array(data_type, 1),
        (DataType::Int64, Some(value)) => Arc::new(Int64Array::from(vec![value.parse::<i64>().ok()])),
        (DataType::Date32, Some(value)) => Arc::new(Date32Array::from(vec![parse_date(value)])),
        (_, Some(value)) => Arc::new(StringArray::from(vec![value])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_typed_by_all_their_values() {
        let paths = [
            "t/year=2013/day=2013-01-31/zip=007/who=a%3Ab/x.parquet",
            "t/year=-1/day=2014-02-28/zip=12/who=__HIVE_DEFAULT_PARTITION__/x.parquet",
        ];
        let keys = partition_columns(paths.iter().map(Path::new));
        let types: Vec<_> =
            keys[0].fields().iter().map(|field| (field.name().as_str(), field.data_type().clone())).collect();
        assert_eq!(
            types,
            [("year", DataType::Int64), ("day", DataType::Date32), ("zip", DataType::Utf8), ("who", DataType::Utf8)]
        );
        let texts = |keys: &PartitionColumns| -> Vec<Option<String>> {
            let text = |key| cast(&keys.array(key, 2).unwrap(), &DataType::Utf8).unwrap();
            (0..4)
                .map(|key| {
                    text(key).as_any().downcast_ref::<StringArray>().unwrap().iter().nth(1).unwrap().map(str::to_owned)
                })
                .collect()
        };
        let some = |values: [&str; 4]| values.map(|value| Some(value.to_owned())).to_vec();
        assert_eq!(texts(&keys[0]), some(["2013", "2013-01-31", "007", "a:b"]));
        assert_eq!(texts(&keys[1])[3], None);
        assert_eq!(keys[0].without(|name| name == "day").fields().len(), 3);
    }

    #[test]
    fn other_names_are_not_partition_columns() {
        let keys = partition_columns(["=1/a=b.parquet"].iter().map(Path::new));
        assert!(keys[0].is_empty(), "a file's own name is not a directory");
        assert_eq!(parse_date("2013-02-30"), None);
    }
}
