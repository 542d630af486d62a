//! The Arrow schema that a Parquet file's writer stores in its metadata, under `ARROW:schema`.
//!
//! polars stores 128-bit integers there, a type that Arrow lacks. In memory a marker in the field's metadata stands for it, so
//! that a rewritten schema keeps the type.

use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, add_encoded_arrow_schema_to_metadata, encode_arrow_schema};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::datatypes::{FieldRef, Schema};
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::{self, root_as_message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::source::schema_mapping::{map_children, map_fields};

/// The metadata key that marks a field of 128-bit integers. It is never written to a file.
const INT128_MARKER: &str = "vaepipe.int128";

/// The bit width in the file, and that of the integer that stands for it in memory.
const FILE_BITS: i32 = 128;
const MEMORY_BITS: i32 = 64;

/// Bytes before a schema message: the continuation marker and the length.
const PREFIX: usize = 8;

/// Decodes the Arrow schema in a file's metadata, if there is a readable one.
pub(crate) fn stored_arrow_schema(keys: Option<&Vec<KeyValue>>) -> Option<Schema> {
    let text = keys?.iter().find(|key| key.key == ARROW_SCHEMA_META_KEY)?.value.as_ref()?;
    let mut bytes = STANDARD.decode(text).ok()?;
    let start = if bytes.starts_with(&[0xff; 4]) { PREFIX } else { 0 };
    let message = bytes.get_mut(start..)?;
    let wide = int128_fields(message)?;
    for (_, at) in &wide {
        message.get_mut(*at..*at + 4)?.copy_from_slice(&MEMORY_BITS.to_le_bytes());
    }
    let schema = try_fb_to_schema(root_as_message(message).ok()?.header_as_schema()?).ok()?;
    Some(with_markers(&schema, &wide.into_iter().map(|(place, _)| place).collect::<Vec<_>>()))
}

/// Encodes a schema as the value of its metadata key.
pub(crate) fn encoded_arrow_schema(schema: &Schema) -> String {
    let (plain, marked) = without_markers(schema);
    let text = encode(&plain);
    if marked.is_empty() { text } else { with_int128(&text, &marked).unwrap_or(text) }
}

/// A schema without markers, and the indexes of the fields that had one.
fn without_markers(schema: &Schema) -> (Schema, Vec<usize>) {
    let (mut next, mut marked) = (0, Vec::new());
    let plain = map_fields(schema, |field| remove_markers(field, &mut next, &mut marked));
    (plain, marked)
}

/// A metadata entry that tells the reader which Arrow types to read.
pub(super) fn schema_key(fields: Vec<FieldRef>) -> KeyValue {
    let value = encode_arrow_schema(&without_markers(&Schema::new(fields)).0);
    KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(value) }
}

/// Encodes a schema as the parquet crate's writer does, without layouts that its reader does not restore.
fn encode(schema: &Schema) -> String {
    let mut properties = WriterProperties::builder().build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let key = properties.key_value_metadata().and_then(|keys| keys.first()?.value.clone());
    key.unwrap_or_else(|| encode_arrow_schema(schema))
}

/// Sets the integers of the marked fields in an encoded schema to 128 bits.
fn with_int128(text: &str, marked: &[usize]) -> Option<String> {
    let mut bytes = STANDARD.decode(text).ok()?;
    let message = bytes.get_mut(PREFIX..)?;
    let integers = integer_fields(message)?;
    for (_, at, _) in integers.iter().filter(|(place, ..)| marked.contains(place)) {
        message.get_mut(*at..*at + 4)?.copy_from_slice(&FILE_BITS.to_le_bytes());
    }
    Some(STANDARD.encode(&bytes))
}

/// Finds the fields of 128-bit integers: their index among all fields, depth first, and the offset of their bit width.
fn int128_fields(message: &[u8]) -> Option<Vec<(usize, usize)>> {
    let wide = integer_fields(message)?.into_iter().filter(|(.., bits)| *bits == FILE_BITS);
    Some(wide.map(|(place, at, _)| (place, at)).collect())
}

/// Finds the integer fields: their index, the offset of their bit width, and the width.
fn integer_fields(message: &[u8]) -> Option<Vec<(usize, usize, i32)>> {
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

/// A schema with markers on the fields of these indexes.
fn with_markers(schema: &Schema, places: &[usize]) -> Schema {
    let mut next = 0;
    map_fields(schema, |field| add_markers(field, &mut next, places))
}

fn add_markers(field: &FieldRef, next: &mut usize, places: &[usize]) -> FieldRef {
    let place = *next;
    *next += 1;
    let data_type = map_children(field.data_type(), &mut |child| add_markers(child, next, places));
    let mut metadata = field.metadata().clone();
    if places.contains(&place) {
        metadata.insert(INT128_MARKER.to_owned(), String::new());
    }
    field.as_ref().clone().with_data_type(data_type).with_metadata(metadata).into()
}

/// A field without markers; the indexes of marked fields are added to `marked`.
fn remove_markers(field: &FieldRef, next: &mut usize, marked: &mut Vec<usize>) -> FieldRef {
    let place = *next;
    *next += 1;
    let data_type = map_children(field.data_type(), &mut |child| remove_markers(child, next, marked));
    let mut metadata = field.metadata().clone();
    if metadata.remove(INT128_MARKER).is_some() {
        marked.push(place);
    }
    field.as_ref().clone().with_data_type(data_type).with_metadata(metadata).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn key(schema: &Schema) -> Vec<KeyValue> {
        vec![KeyValue { key: ARROW_SCHEMA_META_KEY.to_owned(), value: Some(encoded_arrow_schema(schema)) }]
    }

    #[test]
    fn integers_of_128_bits_round_trip_at_any_depth() {
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let wide = |name: &str| number(name).with_metadata(HashMap::from([(INT128_MARKER.to_owned(), String::new())]));
        let schema = Schema::new(vec![
            number("a"),
            Field::new("s", DataType::Struct(vec![number("b"), wide("c")].into()), true),
            wide("d"),
            Field::new("l", DataType::List(wide("item").into()), true),
        ]);
        let keys = key(&schema);
        let bytes = STANDARD.decode(keys[0].value.as_ref().unwrap()).unwrap();
        let bits: Vec<i32> = integer_fields(&bytes[PREFIX..]).unwrap().into_iter().map(|(.., bits)| bits).collect();
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
