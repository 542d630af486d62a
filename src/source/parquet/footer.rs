//! Checks a footer before the parquet crate parses it, which recurses to the depth of the schema and ignores encryption.

use std::io::Read;
use std::path::Path;

use ::parquet::file::metadata::{FileMetaData, ParquetMetaData};
use ::parquet::file::reader::{ChunkReader, Length};
use thrift::TConfiguration;
use thrift::protocol::{TCompactInputProtocol, TInputProtocol, TType};

use crate::error::{Error, Place, Result, Unsupported};
use crate::storage::PositionalFile;

/// Most nested groups of a column: far more than anyone writes, far fewer than a thread's stack allows.
const MAX_DEPTH: usize = 100;

/// The parts of a footer that the parquet crate does not expose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footer {
    /// The sort order of each leaf column's statistics, as a field id of the format's union `ColumnOrder`; `None` if absent.
    pub(crate) column_orders: Option<Vec<i16>>,
    /// Offset of its first byte.
    pub(super) start: u64,
}

impl Footer {
    /// Checks a file's footer. A footer with an impossible length passes: the parquet crate rejects it.
    ///
    /// # Errors
    /// [`Error::NotParquet`] if it does not end with the format's signature, [`Error::Damaged`] if it only begins with
    /// it, [`Error::Read`] if the footer cannot be parsed, [`Error::Unsupported`] for encrypted columns and for columns nested
    /// too deep.
    pub(crate) fn read(path: &Path, file: &PositionalFile) -> Result<Self> {
        let place = || Place::file(path);
        let bytes = |start: u64, length: u64| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            file.get_bytes(start, length).map_err(|source| Error::Read { place: place(), source: source.into() })
        };
        let not_parquet = || Error::NotParquet {
            path: path.to_owned(),
            what: if file.len() == 0 { "it is empty" } else { "it does not end in PAR1" },
        };
        let trailer = file.len().checked_sub(8).ok_or_else(not_parquet)?;
        let end = bytes(trailer, 8)?;
        if &end[4..] == b"PARE" {
            return Err(Error::Unsupported { place: place(), what: Unsupported::EncryptedFile });
        }
        if &end[4..] != b"PAR1" {
            let begins = bytes(0, 4)?.as_ref() == b"PAR1";
            let what = "it begins as a Parquet file but does not end as one: it is cut short".to_owned();
            return Err(if begins { Error::Damaged { place: place(), what } } else { not_parquet() });
        }
        let length = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        let Some(start) = trailer.checked_sub(length) else {
            return Ok(Self::default());
        };
        let footer = bytes(start, length)?;
        let scan = scan(&footer).map_err(|source| Error::Read { place: place(), source: source.into() })?;
        if scan.depth > MAX_DEPTH {
            return Err(Error::Unsupported { place: place(), what: Unsupported::NestedColumn });
        }
        if scan.encrypted {
            return Err(Error::Unsupported { place: place(), what: Unsupported::EncryptedColumn });
        }
        Ok(Self { column_orders: scan.column_orders, start })
    }
}

/// What a scan of a footer found.
#[derive(Debug, Default)]
struct FooterScan {
    depth: usize,
    encrypted: bool,
    column_orders: Option<Vec<i16>>,
}

/// A reader of Thrift's compact protocol; no container in `bytes` bytes has more elements than that.
pub(super) fn compact_protocol<R: Read>(from: R, bytes: usize) -> thrift::Result<TCompactInputProtocol<R>> {
    let limits = TConfiguration::builder()
        .max_message_size(None)
        .max_frame_size(None)
        .max_container_size(Some(bytes))
        .max_string_size(Some(bytes));
    Ok(TCompactInputProtocol::with_config(from, limits.build()?))
}

/// Calls `field` with the id and type of each field of a struct; it must read or skip the value.
pub(super) fn read_struct<P: TInputProtocol>(
    from: &mut P,
    mut field: impl FnMut(&mut P, i16, TType) -> thrift::Result<()>,
) -> thrift::Result<()> {
    from.read_struct_begin()?;
    loop {
        let next = from.read_field_begin()?;
        if next.field_type == TType::Stop {
            break;
        }
        field(from, next.id.unwrap_or_default(), next.field_type)?;
        from.read_field_end()?;
    }
    from.read_struct_end()
}

/// Calls `element` for each element of a list of structs.
fn read_list<P: TInputProtocol>(
    from: &mut P,
    mut element: impl FnMut(&mut P) -> thrift::Result<()>,
) -> thrift::Result<()> {
    for _ in 0..from.read_list_begin()?.size {
        element(from)?;
    }
    from.read_list_end()
}

/// Scans the format's `FileMetaData`.
fn scan(footer: &[u8]) -> thrift::Result<FooterScan> {
    let (mut scan, mut open) = (FooterScan::default(), Vec::<i32>::new());
    read_struct(&mut compact_protocol(footer, footer.len())?, |from, id, kind| match (id, kind) {
        // The schema, depth first: each element has the number of its children.
        (2, TType::List) => read_list(from, |from| {
            let mut children = 0;
            read_struct(from, |from, id, kind| match (id, kind) {
                (5, TType::I32) => {
                    children = from.read_i32()?;
                    Ok(())
                }
                _ => from.skip(kind),
            })?;
            while open.last() == Some(&0) {
                open.pop();
            }
            open.last_mut().into_iter().for_each(|rest| *rest -= 1);
            if children > 0 {
                open.push(children);
            }
            scan.depth = scan.depth.max(open.len());
            Ok(())
        }),
        (7, TType::List) => {
            let orders = scan.column_orders.insert(Vec::new());
            read_list(from, |from| {
                let mut order = 0;
                read_struct(from, |from, id, kind| {
                    order = id;
                    from.skip(kind)
                })?;
                orders.push(order);
                Ok(())
            })
        }
        (8, _) => {
            scan.encrypted = true;
            from.skip(kind)
        }
        _ => from.skip(kind),
    })?;
    Ok(scan)
}

/// Metadata with a corrected row count; `None` if the footer has that count. Batches have at most as many rows as the footer
/// says: with a wrong 0 there nothing would be read.
pub(super) fn with_row_count(metadata: &ParquetMetaData, rows: i64) -> Option<ParquetMetaData> {
    let file = metadata.file_metadata();
    if file.num_rows() == rows {
        return None;
    }
    let corrected = FileMetaData::new(
        file.version(),
        rows,
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    Some(ParquetMetaData::new(corrected, metadata.row_groups().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FileMetaData` with one schema element for each number of children.
    fn footer(children: &[u8]) -> Vec<u8> {
        // Field 2, a list of structs; its length as a varint of two bytes.
        let mut bytes = vec![0x29, 0xfc, (children.len() & 0x7f) as u8 | 0x80, (children.len() >> 7) as u8];
        for &children in children {
            // Field 5, an i32 in zigzag; stop.
            bytes.extend([0x55, children * 2, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn depth_is_counted_from_the_root() {
        let depth = |children: &[u8]| scan(&footer(children)).unwrap().depth;
        assert_eq!(depth(&[2, 0, 0]), 1);
        assert_eq!(depth(&[3, 0, 2, 0, 0, 1, 1, 0]), 3);
        assert_eq!(depth(&[1; 5000]), 5000);
    }

    #[test]
    fn a_truncated_or_false_footer_is_an_error() {
        let valid = footer(&[2, 0, 0]);
        assert!((0..valid.len()).all(|end| scan(&valid[..end]).is_err()));
        assert!(scan(&[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]).is_err(), "a list of 2^31 - 1");
    }

    #[test]
    fn column_orders_and_encryption_are_found() {
        // Field 7, two unions of an empty struct in field 1 and 2; field 8, an empty struct.
        let scan = scan(&[0x79, 0x2c, 0x1c, 0, 0, 0x2c, 0, 0, 0x1c, 0, 0]).unwrap();
        assert_eq!((scan.column_orders, scan.encrypted), (Some(vec![1, 2]), true));
    }
}
