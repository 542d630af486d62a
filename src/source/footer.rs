//! A footer, looked at before it is believed: the library that reads it recurses as deep as the schema goes, and skips
//! what it does not know, encryption too.

use std::io::Read;
use std::path::Path;

use ::parquet::file::metadata::{FileMetaData, ParquetMetaData};
use ::parquet::file::reader::{ChunkReader, Length};
use thrift::TConfiguration;
use thrift::protocol::{TCompactInputProtocol, TInputProtocol, TType};

use crate::error::{Error, Place, Result};
use crate::storage::PositionalFile;

/// Nested groups a column may be in: far beyond what anyone writes, far below what a thread's stack holds.
const MOST_LEVELS: usize = 100;

/// What the library that reads footers does not tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footer {
    /// The order of each leaf column's statistics, by its number in the format's union; none if none are given.
    pub(crate) column_orders: Option<Vec<i16>>,
    /// Where it begins.
    pub(super) start: u64,
}

impl Footer {
    /// Looks at a file's footer; one whose length cannot be is left for the reader to refuse.
    ///
    /// # Errors
    /// [`Error::NotParquet`] if it does not end as the format does, [`Error::Damaged`] if it only begins so,
    /// [`Error::Read`] if the footer cannot be walked through, [`Error::Unsupported`] for columns nested too deep and
    /// for encrypted ones.
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
            return Err(Error::Unsupported { place: place(), what: "an encrypted file" });
        }
        if &end[4..] != b"PAR1" {
            let begins = bytes(0, 4)?.as_ref() == b"PAR1";
            let what = "it begins as a Parquet file and does not end as one: it is cut short".to_owned();
            return Err(if begins { Error::Damaged { place: place(), what } } else { not_parquet() });
        }
        let length = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        let Some(start) = trailer.checked_sub(length) else {
            return Ok(Self::default());
        };
        let footer = bytes(start, length)?;
        let walked = walk(&footer).map_err(|source| Error::Read { place: place(), source: source.into() })?;
        if walked.levels > MOST_LEVELS {
            return Err(Error::Unsupported { place: place(), what: "a column in more than 100 nested groups" });
        }
        if walked.encrypted {
            return Err(Error::Unsupported { place: place(), what: "an encrypted column" });
        }
        Ok(Self { column_orders: walked.column_orders, start })
    }
}

#[derive(Debug, Default)]
struct Walked {
    levels: usize,
    encrypted: bool,
    column_orders: Option<Vec<i16>>,
}

/// Reads the compact protocol; nothing in `bytes` bytes can have more elements than that.
pub(super) fn protocol<R: Read>(from: R, bytes: usize) -> thrift::Result<TCompactInputProtocol<R>> {
    let limits = TConfiguration::builder()
        .max_message_size(None)
        .max_frame_size(None)
        .max_container_size(Some(bytes))
        .max_string_size(Some(bytes));
    Ok(TCompactInputProtocol::with_config(from, limits.build()?))
}

/// Calls `field` with the number and type of each field of a struct; what it does not read it must skip.
pub(super) fn fields<P: TInputProtocol>(
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
fn elements<P: TInputProtocol>(
    from: &mut P,
    mut element: impl FnMut(&mut P) -> thrift::Result<()>,
) -> thrift::Result<()> {
    for _ in 0..from.read_list_begin()?.size {
        element(from)?;
    }
    from.read_list_end()
}

/// `FileMetaData` of the format.
fn walk(footer: &[u8]) -> thrift::Result<Walked> {
    let (mut walked, mut open) = (Walked::default(), Vec::<i32>::new());
    fields(&mut protocol(footer, footer.len())?, |from, id, kind| match (id, kind) {
        // The schema, depth first: each element says how many of the next are its children.
        (2, TType::List) => elements(from, |from| {
            let mut children = 0;
            fields(from, |from, id, kind| match (id, kind) {
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
            walked.levels = walked.levels.max(open.len());
            Ok(())
        }),
        (7, TType::List) => {
            let orders = walked.column_orders.insert(Vec::new());
            elements(from, |from| {
                let mut order = 0;
                fields(from, |from, id, kind| {
                    order = id;
                    from.skip(kind)
                })?;
                orders.push(order);
                Ok(())
            })
        }
        (8, _) => {
            walked.encrypted = true;
            from.skip(kind)
        }
        _ => from.skip(kind),
    })?;
    Ok(walked)
}

/// The metadata with the row count of its row groups; `None` if the footer has that count. The reader reads at most as many
/// rows at once as the footer says: none, where a writer left 0 there.
pub(super) fn of_so_many_rows(metadata: &ParquetMetaData, rows: i64) -> Option<ParquetMetaData> {
    let said = metadata.file_metadata();
    if said.num_rows() == rows {
        return None;
    }
    let sound = FileMetaData::new(
        said.version(),
        rows,
        said.created_by().map(str::to_owned),
        said.key_value_metadata().cloned(),
        said.schema_descr_ptr(),
        said.column_orders().cloned(),
    );
    Some(ParquetMetaData::new(sound, metadata.row_groups().to_vec()))
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
    fn levels_are_counted_from_the_root() {
        let levels = |children: &[u8]| walk(&footer(children)).unwrap().levels;
        assert_eq!(levels(&[2, 0, 0]), 1);
        assert_eq!(levels(&[3, 0, 2, 0, 0, 1, 1, 0]), 3);
        assert_eq!(levels(&[1; 5000]), 5000);
    }

    #[test]
    fn a_footer_that_ends_early_or_lies_is_an_error() {
        let sound = footer(&[2, 0, 0]);
        assert!((0..sound.len()).all(|end| walk(&sound[..end]).is_err()));
        assert!(walk(&[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]).is_err(), "a list of 2^31 - 1");
    }

    #[test]
    fn orders_and_encryption_are_seen() {
        // Field 7, two unions of an empty struct in field 1 and 2; field 8, an empty struct.
        let walked = walk(&[0x79, 0x2c, 0x1c, 0, 0, 0x2c, 0, 0, 0x1c, 0, 0]).unwrap();
        assert_eq!((walked.column_orders, walked.encrypted), (Some(vec![1, 2]), true));
    }
}
