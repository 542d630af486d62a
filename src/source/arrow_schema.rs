//! The Arrow schema that a Parquet file's writer stores in its metadata, under `ARROW:schema`.
//!
//! polars stores integers of 128 bits there, a type that Arrow has no name for. They are kept as a mark on the field, so that
//! a schema that is written again says what it said.

use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, add_encoded_arrow_schema_to_metadata, encode_arrow_schema};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::{self, root_as_message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The metadata key of a field that holds integers of 128 bits. It is in no file.
const WIDE: &str = "vaepipe.int128";

/// Bits of such an integer, and of the one that stands for it in memory.
const BITS: (i32, i32) = (128, 64);

/// What stands before a schema: a mark, and its length.
const PREFIX: usize = 8;

/// The schema that is stored under these keys, if there is one that can be read.
pub(crate) fn stored_arrow_schema(keys: Option<&Vec<KeyValue>>) -> Option<Schema> {
    let text = keys?.iter().find(|key| key.key == ARROW_SCHEMA_META_KEY)?.value.as_ref()?;
    let mut bytes = STANDARD.decode(text).ok()?;
    let start = if bytes.starts_with(&[0xff; 4]) { PREFIX } else { 0 };
    let message = bytes.get_mut(start..)?;
    let wide = wide_integers(message)?;
    for (_, at) in &wide {
        message.get_mut(*at..*at + 4)?.copy_from_slice(&BITS.1.to_le_bytes());
    }
    let schema = try_fb_to_schema(root_as_message(message).ok()?.header_as_schema()?).ok()?;
    Some(with_marks(&schema, &wide.into_iter().map(|(place, _)| place).collect::<Vec<_>>()))
}

/// The value of the key that stores a schema.
pub(crate) fn encoded_arrow_schema(schema: &Schema) -> String {
    let (plain, marked) = unmarked(schema);
    let text = as_readers_take_it(&plain);
    if marked.is_empty() { text } else { widened(&text, &marked).unwrap_or(text) }
}

/// A schema without the marks, and the numbers of the fields that had one.
fn unmarked(schema: &Schema) -> (Schema, Vec<usize>) {
    let (mut next, mut marked) = (0, Vec::new());
    let fields = schema.fields().iter().map(|field| without_marks(field, &mut next, &mut marked));
    let fields: Vec<FieldRef> = fields.collect();
    (Schema::new_with_metadata(fields, schema.metadata().clone()), marked)
}

/// The key of a schema as a reader of Arrow's own types takes it.
pub(super) fn readable_key(fields: Vec<FieldRef>) -> KeyValue {
    let value = encode_arrow_schema(&unmarked(&Schema::new(fields)).0);
    KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(value) }
}

/// A schema encoded as the library's own writer does, without layouts that its reader does not restore.
fn as_readers_take_it(schema: &Schema) -> String {
    let mut properties = WriterProperties::builder().build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let key = properties.key_value_metadata().and_then(|keys| keys.first()?.value.clone());
    key.unwrap_or_else(|| encode_arrow_schema(schema))
}

/// An encoded schema whose integers in these places are of 128 bits.
fn widened(text: &str, marked: &[usize]) -> Option<String> {
    let mut bytes = STANDARD.decode(text).ok()?;
    let message = bytes.get_mut(PREFIX..)?;
    let integers = integers(message)?;
    for (_, at, _) in integers.iter().filter(|(place, ..)| marked.contains(place)) {
        message.get_mut(*at..*at + 4)?.copy_from_slice(&BITS.0.to_le_bytes());
    }
    Some(STANDARD.encode(&bytes))
}

/// The fields of 128-bit integers: their number among all fields, depth first, and where their bits are said.
fn wide_integers(message: &[u8]) -> Option<Vec<(usize, usize)>> {
    let wide = integers(message)?.into_iter().filter(|(.., bits)| *bits == BITS.0);
    Some(wide.map(|(place, at, _)| (place, at)).collect())
}

/// The fields of integers: their number, where their bits are said, and how many.
fn integers(message: &[u8]) -> Option<Vec<(usize, usize, i32)>> {
    let schema = root_as_message(message).ok()?.header_as_schema()?;
    let (mut next, mut found) = (0, Vec::new());
    for field in schema.fields()?.iter() {
        walk(&field, &mut next, &mut found);
    }
    Some(found)
}

fn walk(field: &ipc::Field<'_>, next: &mut usize, found: &mut Vec<(usize, usize, i32)>) {
    let place = *next;
    *next += 1;
    if let Some(integer) = field.type_as_int() {
        let slot = integer._tab.vtable().get(ipc::Int::VT_BITWIDTH);
        if slot > 0 {
            found.push((place, integer._tab.loc() + usize::from(slot), integer.bitWidth()));
        }
    }
    for child in field.children().iter().flatten() {
        walk(&child, next, found);
    }
}

/// A schema with marks on the fields of these numbers.
fn with_marks(schema: &Schema, places: &[usize]) -> Schema {
    let mut next = 0;
    let mut marked = |field: &FieldRef| -> FieldRef { mark(field, &mut next, places) };
    let fields: Vec<FieldRef> = schema.fields().iter().map(&mut marked).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn mark(field: &FieldRef, next: &mut usize, places: &[usize]) -> FieldRef {
    let place = *next;
    *next += 1;
    let data_type = with_children(field.data_type(), &mut |child| mark(child, next, places));
    let mut metadata = field.metadata().clone();
    if places.contains(&place) {
        metadata.insert(WIDE.to_owned(), String::new());
    }
    field.as_ref().clone().with_data_type(data_type).with_metadata(metadata).into()
}

/// A field without the marks, whose numbers are added to `marked`.
fn without_marks(field: &FieldRef, next: &mut usize, marked: &mut Vec<usize>) -> FieldRef {
    let place = *next;
    *next += 1;
    let data_type = with_children(field.data_type(), &mut |child| without_marks(child, next, marked));
    let mut metadata = field.metadata().clone();
    if metadata.remove(WIDE).is_some() {
        marked.push(place);
    }
    field.as_ref().clone().with_data_type(data_type).with_metadata(metadata).into()
}

/// A type with other fields in it.
pub(crate) fn with_children(data_type: &DataType, child: &mut dyn FnMut(&FieldRef) -> FieldRef) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(child).collect()),
        DataType::List(item) => DataType::List(child(item)),
        DataType::LargeList(item) => DataType::LargeList(child(item)),
        DataType::ListView(item) => DataType::ListView(child(item)),
        DataType::LargeListView(item) => DataType::LargeListView(child(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(child(item), *length),
        DataType::Map(entries, sorted) => DataType::Map(child(entries), *sorted),
        DataType::RunEndEncoded(ends, values) => {
            let ends = child(ends);
            DataType::RunEndEncoded(ends, child(values))
        }
        DataType::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), with_children(values, child).into()),
        other => other.clone(),
    }
}

/// A field of the same name and metadata, and another type.
pub(crate) fn of_type(field: &Field, data_type: DataType) -> FieldRef {
    field.clone().with_data_type(data_type).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn key(schema: &Schema) -> Vec<KeyValue> {
        vec![KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(encoded_arrow_schema(schema)) }]
    }

    #[test]
    fn integers_of_128_bits_come_back_as_such_wherever_they_are() {
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let wide = |name: &str| number(name).with_metadata(HashMap::from([(WIDE.to_owned(), String::new())]));
        let schema = Schema::new(vec![
            number("a"),
            Field::new("s", DataType::Struct(vec![number("b"), wide("c")].into()), true),
            wide("d"),
            Field::new("l", DataType::List(wide("item").into()), true),
        ]);
        let keys = key(&schema);
        let bytes = STANDARD.decode(keys[0].value.as_ref().unwrap()).unwrap();
        let bits: Vec<i32> = integers(&bytes[PREFIX..]).unwrap().into_iter().map(|(.., bits)| bits).collect();
        assert_eq!(bits, [64, 64, 128, 128, 128]);
        assert!(try_fb_to_schema(root_as_message(&bytes[PREFIX..]).unwrap().header_as_schema().unwrap()).is_err());
        assert_eq!(stored_arrow_schema(Some(&keys)), Some(schema));
    }

    #[test]
    fn a_schema_without_them_is_stored_as_the_library_does() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int32, true)]);
        assert_eq!(key(&schema)[0].value, Some(encode_arrow_schema(&schema)));
        let none = KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some("//8=".to_owned()) };
        assert_eq!(stored_arrow_schema(Some(&vec![none])), None);
    }
}
