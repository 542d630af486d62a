//! Columns that are in the path and not in the file: directories called `key=value`, as Hive lays tables out.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;

/// The directory of rows without a value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The keys in a file's path, typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    fields: Vec<FieldRef>,
    /// One value each.
    values: Vec<ArrayRef>,
}

impl Keys {
    /// The columns.
    pub(crate) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// No path of the table has a key.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// `rows` rows of a column, by its place among them.
    pub(crate) fn column(&self, key: usize, rows: usize) -> Result<ArrayRef, ArrowError> {
        take(&self.values[key], &arrow::array::UInt32Array::from(vec![0; rows]), None)
    }

    /// Without those that a file has itself: its own say more than its path does.
    pub(super) fn without(&self, own: impl Fn(&str) -> bool) -> Self {
        let kept = self.fields.iter().zip(&self.values).filter(|(field, _)| !own(field.name()));
        let (fields, values) = kept.map(|(field, value)| (field.clone(), value.clone())).unzip();
        Self { fields, values }
    }
}

/// The keys of a table's files: whole numbers if every value of a key is one, dates if every value is one, else text.
pub(super) fn keys<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<Keys> {
    let all: Vec<Vec<(String, Option<String>)>> = paths.map(texts).collect();
    let of = |name: &str| {
        let values = all.iter().flatten().filter(move |(key, _)| key == name);
        values.filter_map(|(_, value)| value.as_deref()).collect::<Vec<_>>()
    };
    let mut types = std::collections::BTreeMap::<&str, DataType>::new();
    for (name, _) in all.iter().flatten() {
        types.entry(name).or_insert_with(|| data_type(&of(name)));
    }
    let typed = |(name, value): &(String, Option<String>)| {
        let data_type = &types[name.as_str()];
        (Arc::new(Field::new(name, data_type.clone(), true)), scalar(data_type, value.as_deref()))
    };
    let of_file = |texts: &Vec<(String, Option<String>)>| {
        let (fields, values) = texts.iter().map(typed).unzip();
        Keys { fields, values }
    };
    all.iter().map(of_file).collect()
}

/// The keys in a path, as they stand there; of one that comes twice the last.
fn texts(path: &Path) -> Vec<(String, Option<String>)> {
    let mut texts = Vec::<(String, Option<String>)>::new();
    for folder in path.parent().into_iter().flat_map(Path::components) {
        let Some((name, value)) = folder.as_os_str().to_str().and_then(|text| text.split_once('=')) else { continue };
        if name.is_empty() {
            continue;
        }
        let name = plain(name);
        texts.retain(|(other, _)| *other != name);
        texts.push((name, (value != NULL).then(|| plain(value))));
    }
    texts
}

/// Without its escapes: `%3A` is a colon.
fn plain(text: &str) -> String {
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::new(), 0);
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

/// A whole number as a number would be written: `007` is a name.
fn is_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// A date as `2013-01-31`.
fn date(text: &str) -> Option<i32> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if [4, 7].contains(&at) { byte == b'-' } else { byte.is_ascii_digit() });
    let text = StringArray::from(vec![shape.then_some(text)?]);
    let days = cast(&text, &DataType::Date32).ok()?;
    days.as_any().downcast_ref::<Date32Array>()?.iter().next()?
}

fn data_type(values: &[&str]) -> DataType {
    match values {
        [] => DataType::Utf8,
        values if values.iter().all(|value| is_number(value)) => DataType::Int64,
        values if values.iter().all(|value| date(value).is_some()) => DataType::Date32,
        _ => DataType::Utf8,
    }
}

/// One value.
fn scalar(data_type: &DataType, value: Option<&str>) -> ArrayRef {
    match (data_type, value) {
        (data_type, None) => new_null_array(data_type, 1),
        (DataType::Int64, Some(value)) => Arc::new(Int64Array::from(vec![value.parse::<i64>().ok()])),
        (DataType::Date32, Some(value)) => Arc::new(Date32Array::from(vec![date(value)])),
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
        let keys = keys(paths.iter().map(Path::new));
        let types: Vec<_> =
            keys[0].fields().iter().map(|field| (field.name().as_str(), field.data_type().clone())).collect();
        assert_eq!(
            types,
            [("year", DataType::Int64), ("day", DataType::Date32), ("zip", DataType::Utf8), ("who", DataType::Utf8)]
        );
        let texts = |keys: &Keys| -> Vec<Option<String>> {
            let text = |key| cast(&keys.column(key, 2).unwrap(), &DataType::Utf8).unwrap();
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
    fn what_is_no_key_is_none() {
        let keys = keys(["=1/a=b.parquet"].iter().map(Path::new));
        assert!(keys[0].is_empty(), "a file's own name is not a directory");
        assert_eq!(date("2013-02-30"), None);
    }
}
