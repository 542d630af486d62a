//! Files that say of themselves what is not so, or what nobody can use, are refused before anything is believed.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use parquet::basic::{Compression, Repetition};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

use crate::tables::{carries, curve, read, write_with};
use crate::workdir::Workdir;

/// A model of the curve, and the curve as `in.parquet`.
fn fitted(properties: WriterProperties) -> Workdir {
    let dir = Workdir::new();
    write_with(&dir.path("in.parquet"), &curve(300), properties);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 2 --hidden 4");
    dir
}

fn metadata(path: &Path) -> ParquetMetaData {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.parse_and_finish(&File::open(path).unwrap()).unwrap()
}

fn edit(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// A file of this schema and no rows.
fn empty(path: &Path, schema: Type) {
    SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), Arc::default()).unwrap().close().unwrap();
}

fn refused(dir: &Workdir, file: &str, said: &str) {
    for command in ["inspect", "fit --force", "transform --force"] {
        let output = if command.starts_with("transform") { "out.parquet" } else { "" };
        dir.fails(65, &format!("{command} {file} {output}")).says(&[file, said]);
    }
    assert!(!dir.names().iter().any(|name| name == "out.parquet" || name.ends_with(".tmp")));
}

#[test]
fn columns_nested_deeper_than_a_stack_are_refused() {
    let dir = fitted(WriterProperties::default());
    let nested = |levels: usize| {
        let (open, close) = ("optional group g { ".repeat(levels), "} ".repeat(levels));
        parse_message_type(&format!("message m {{ required float x; {open} required float y; {close} }}")).unwrap()
    };
    empty(&dir.path("deep.parquet"), nested(1000));
    refused(&dir, "deep.parquet", "nested");
    empty(&dir.path("ordinary.parquet"), nested(50));
    dir.ok("inspect ordinary.parquet");
}

#[test]
fn a_group_without_columns_does_not_shift_the_columns_after_it() {
    let dir = fitted(WriterProperties::default());
    let nothing = Type::group_type_builder("nothing").with_repetition(Repetition::OPTIONAL).build().unwrap();
    let rows = parse_message_type("message m { required float x; }").unwrap();
    let fields = vec![Arc::new(nothing), rows.get_fields()[0].clone()];
    empty(&dir.path("shifted.parquet"), Type::group_type_builder("m").with_fields(fields).build().unwrap());
    refused(&dir, "shifted.parquet", "a group without columns");
}

#[test]
fn encrypted_columns_are_refused() {
    let dir = fitted(WriterProperties::default());
    std::fs::copy(dir.path("in.parquet"), dir.path("secret.parquet")).unwrap();
    edit(&dir.path("secret.parquet"), |bytes| {
        // After the last field of the footer, which is the 7th, an 8th: a struct with nothing in it.
        let end = bytes.len() - 8;
        assert_eq!(bytes[end - 1], 0);
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) + 2;
        bytes[end..end + 4].copy_from_slice(&length.to_le_bytes());
        bytes.splice(end - 1..end, [0x1c, 0, 0]);
    });
    refused(&dir, "secret.parquet", "encrypted");
}

#[test]
fn a_page_that_claims_more_memory_than_it_can_need_is_refused() {
    let dir = fitted(WriterProperties::default());
    for codec in [Compression::SNAPPY, Compression::LZ4_RAW] {
        let plain = WriterProperties::builder().set_compression(codec).set_dictionary_enabled(false).build();
        let same = Arc::new(Float32Array::from(vec![1.5; 10_000])) as ArrayRef;
        write_with(&dir.path("page.parquet"), &RecordBatch::try_from_iter([("x", same)]).unwrap(), plain);
        edit(&dir.path("page.parquet"), |bytes| {
            // The first page's header: its type, then its size, 40,000 and a little in three bytes of seven bits.
            assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
            assert!(bytes[7] & 0x80 != 0 && bytes[8] & 0x80 != 0 && bytes[9] & 0x80 == 0);
            bytes[7..10].copy_from_slice(&[0xfe, 0xff, 0x7f]);
        });
        dir.fails(65, "fit --force page.parquet").says(&["page.parquet", "column \"x\"", "claims to hold 1048575"]);
    }
}

#[test]
fn a_page_index_that_lies_is_left_out() {
    let dir = fitted(WriterProperties::default());
    let column = |path: &str| -> ColumnChunkMetaData { metadata(&dir.path(path)).row_group(0).column(0).clone() };
    let index = column("in.parquet").offset_index_offset().unwrap() as usize;
    edit(&dir.path("in.parquet"), |bytes| {
        // A list of one page, which now says it has fourteen.
        assert_eq!(bytes[index..index + 2], [0x19, 0x1c]);
        bytes[index + 1] = 0xec;
    });
    dir.ok("transform in.parquet out.parquet").says(&["in.parquet", "page indexes", "left out"]);
    carries(&read(&dir.path("in.parquet")), &read(&dir.path("out.parquet")));
    assert_eq!(column("out.parquet").column_index_offset(), None);
}

#[test]
fn a_chunk_whose_first_page_lies_elsewhere_is_refused() {
    let dir = fitted(WriterProperties::builder().set_dictionary_enabled(true).build());
    let column = metadata(&dir.path("in.parquet")).row_group(0).column(0).clone();
    let zigzag = |offset: i64| {
        let (mut rest, mut bytes) = (offset as u64 * 2, Vec::new());
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    };
    // Fields 9 and 11 of the chunk: its first data page, and its dictionary two fields later.
    let field = |data: i64, dictionary: i64| [vec![0x26], zigzag(data), vec![0x26], zigzag(dictionary)].concat();
    let (data, dictionary) = (column.data_page_offset(), column.dictionary_page_offset().unwrap());
    edit(&dir.path("in.parquet"), |bytes| {
        let before = field(data, dictionary);
        let at = bytes.windows(before.len()).position(|window| window == before).unwrap();
        bytes.splice(at..at + before.len(), field(dictionary, data));
    });
    dir.fails(65, "transform in.parquet out.parquet").says(&["in.parquet", "first page"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let dir = fitted(WriterProperties::default());
    assert!(std::process::Command::new("mkfifo").arg(dir.path("pipe")).status().unwrap().success());
    dir.fails(65, "fit --force pipe").says(&["pipe", "a pipe or device"]);
    dir.fails(65, "transform pipe out.parquet").says(&["pipe", "a pipe or device"]);
    dir.fails(65, "inspect pipe").says(&["pipe"]);
}

#[test]
fn statistics_keep_their_order_and_their_author() {
    let dir = fitted(WriterProperties::builder().set_created_by("parquet-mr version 1.6.0".to_owned()).build());
    dir.ok("transform in.parquet out.parquet");
    let [before, after] = ["in.parquet", "out.parquet"].map(|name| metadata(&dir.path(name)));
    assert_eq!(after.file_metadata().created_by(), Some("parquet-mr version 1.6.0"));
    let orders = |file: &ParquetMetaData| file.file_metadata().column_orders().unwrap().clone();
    let carried = orders(&before).len();
    assert_eq!(orders(&after)[..carried], orders(&before));
    assert!(orders(&after).len() > carried);
    // Readers prune with the statistics of this order and of no other.
    let ordered = |order: &parquet::basic::ColumnOrder| format!("{order:?}").starts_with("TYPE_DEFINED_ORDER");
    assert!(orders(&after)[carried..].iter().all(ordered), "{:?}", orders(&after));
}
