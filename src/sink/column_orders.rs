//! Correction of the column orders in a Parquet footer. The library that writes footers gives every column its newest
//! order, but the statistics of a copied column may use another order, or the input may not declare one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use thrift::TConfiguration;
use thrift::protocol::{
    TCompactInputProtocol, TCompactOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier,
    TOutputProtocol, TSetIdentifier, TStructIdentifier, TType,
};

/// The type-defined order, by its field number in the format's `ColumnOrder` union.
pub(super) const TYPE_ORDER: i16 = 1;

/// The field of `FileMetaData` that holds the orders, one per leaf column.
const COLUMN_ORDERS: i16 = 7;

/// Rewrites the footer of a finished Parquet file with these column orders, or without any.
pub(super) fn set_column_orders(mut file: &File, orders: Option<&[i16]>) -> thrift::Result<()> {
    let mut trailer = [0; 8];
    let end = file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut trailer)?;
    let [a, b, c, d, ..] = trailer;
    let start = end - u64::from(u32::from_le_bytes([a, b, c, d]));
    let mut footer = vec![0; (end - start) as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut footer)?;

    let footer = with_column_orders(&footer, orders)?;
    let length = u32::try_from(footer.len()).map_err(|_| "the footer is longer than Parquet allows")?;
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&footer)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&trailer[4..])?;
    let end = file.stream_position()?;
    Ok(file.set_len(end)?)
}

/// A copy of `FileMetaData` with these column orders.
fn with_column_orders(footer: &[u8], orders: Option<&[i16]>) -> thrift::Result<Vec<u8>> {
    let limits = TConfiguration::builder().max_message_size(None).max_frame_size(None).max_string_size(None);
    let mut from = TCompactInputProtocol::with_config(footer, limits.build()?);
    let mut copied = Vec::with_capacity(footer.len());
    let to = &mut TCompactOutputProtocol::new(&mut copied);
    from.read_struct_begin()?;
    to.write_struct_begin(&TStructIdentifier::new(""))?;
    loop {
        let field = from.read_field_begin()?;
        match (field.id, orders) {
            _ if field.field_type == TType::Stop => break,
            (Some(COLUMN_ORDERS), None) => from.skip(field.field_type)?,
            (Some(COLUMN_ORDERS), Some(orders)) => {
                from.skip(field.field_type)?;
                to.write_field_begin(&field)?;
                write_orders(orders, to)?;
            }
            _ => {
                to.write_field_begin(&field)?;
                copy(field.field_type, &mut from, to)?;
            }
        }
        to.write_field_end()?;
    }
    to.write_field_stop()?;
    to.write_struct_end()?;
    to.flush()?;
    Ok(copied)
}

/// Writes the orders as a list of unions of empty structs.
fn write_orders(orders: &[i16], to: &mut impl TOutputProtocol) -> thrift::Result<()> {
    let size = i32::try_from(orders.len()).map_err(|_| "more columns than Parquet allows")?;
    to.write_list_begin(&TListIdentifier::new(TType::Struct, size))?;
    for &order in orders {
        to.write_struct_begin(&TStructIdentifier::new(""))?;
        to.write_field_begin(&TFieldIdentifier::new("", TType::Struct, order))?;
        to.write_struct_begin(&TStructIdentifier::new(""))?;
        to.write_field_stop()?;
        to.write_struct_end()?;
        to.write_field_end()?;
        to.write_field_stop()?;
        to.write_struct_end()?;
    }
    to.write_list_end()
}

/// Copies a Thrift value of any type.
fn copy(kind: TType, from: &mut impl TInputProtocol, to: &mut impl TOutputProtocol) -> thrift::Result<()> {
    match kind {
        TType::Bool => to.write_bool(from.read_bool()?),
        TType::I08 => to.write_i8(from.read_i8()?),
        TType::I16 => to.write_i16(from.read_i16()?),
        TType::I32 => to.write_i32(from.read_i32()?),
        TType::I64 => to.write_i64(from.read_i64()?),
        TType::Double => to.write_double(from.read_double()?),
        TType::String => to.write_bytes(&from.read_bytes()?),
        TType::List => {
            let list = from.read_list_begin()?;
            to.write_list_begin(&list)?;
            (0..list.size).try_for_each(|_| copy(list.element_type, from, to))?;
            from.read_list_end()?;
            to.write_list_end()
        }
        TType::Set => {
            let set = from.read_set_begin()?;
            to.write_set_begin(&TSetIdentifier::new(set.element_type, set.size))?;
            (0..set.size).try_for_each(|_| copy(set.element_type, from, to))?;
            from.read_set_end()?;
            to.write_set_end()
        }
        TType::Map => {
            let map = from.read_map_begin()?;
            to.write_map_begin(&TMapIdentifier::new(map.key_type, map.value_type, map.size))?;
            if let (Some(key), Some(value)) = (map.key_type, map.value_type) {
                (0..map.size).try_for_each(|_| copy(key, from, to).and_then(|()| copy(value, from, to)))?;
            }
            from.read_map_end()?;
            to.write_map_end()
        }
        TType::Struct => {
            from.read_struct_begin()?;
            to.write_struct_begin(&TStructIdentifier::new(""))?;
            loop {
                let field = from.read_field_begin()?;
                if field.field_type == TType::Stop {
                    break;
                }
                to.write_field_begin(&field)?;
                copy(field.field_type, from, to)?;
                from.read_field_end()?;
                to.write_field_end()?;
            }
            to.write_field_stop()?;
            from.read_struct_end()?;
            to.write_struct_end()
        }
        other => Err(format!("a footer does not hold {other}").as_str().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_orders_change() {
        // Field 1, an i32; field 2, two structs of an i32; field 7, one union of an empty struct in field 2; field 8,
        // a struct of a true and "ab".
        let head = [0x15, 8, 0x19, 0x2c, 0x15, 2, 0, 0x15, 4, 0];
        let tail = [0x11, 0x18, 2, b'a', b'b', 0, 0];
        let footer = |orders: &[u8], last: u8| [&head[..], orders, &[last], &tail].concat();
        let before = footer(&[0x59, 0x1c, 0x2c, 0, 0], 0x1c);
        assert_eq!(with_column_orders(&before, Some(&[2])).unwrap(), before);
        let two = footer(&[0x59, 0x2c, 0x1c, 0, 0, 0x2c, 0, 0], 0x1c);
        assert_eq!(with_column_orders(&before, Some(&[1, 2])).unwrap(), two);
        assert_eq!(with_column_orders(&before, None).unwrap(), footer(&[], 0x6c));
    }
}
