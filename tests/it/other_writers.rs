//! Files of other writers: their values are read and copied as meant, or refused by name.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, ListArray, RecordBatch, RunArray, StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Int8Type, Int32Type};
use arrow::ipc::writer::FileWriter;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::general::read_ipc;
use crate::tables::{carries, curve, read, write, write_with};
use crate::workdir::Workdir;

fn write_ipc(path: &Path, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// The curve with one more column, called `odd`.
fn with_odd(odd: ArrayRef) -> RecordBatch {
    let curve = curve(odd.len());
    let columns = curve.schema_ref().fields().iter().zip(curve.columns());
    let columns = columns.map(|(field, column)| (field.name().clone(), column.clone(), true));
    let odd = ("odd".to_owned(), odd, true);
    RecordBatch::try_from_iter_with_nullable(columns.chain([odd])).unwrap()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("x.parquet"), &curve(300), 1000);
    dir.ok("fit x.parquet --epochs 1 --latent-dim 2 --hidden 4");
    dir
}

fn metadata(path: &Path) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(path).unwrap()).unwrap()
}

/// The end of a file before its footer, which is so long.
fn end_of_rows(bytes: &[u8]) -> usize {
    let length = u32::from_le_bytes(*bytes[bytes.len() - 8..].first_chunk().unwrap());
    bytes.len() - 8 - length as usize
}

/// Writes a file's footer anew.
fn edit(path: &Path, edit: impl FnOnce(ParquetMetaData) -> ParquetMetaData) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.truncate(end_of_rows(&bytes));
    ParquetMetaDataWriter::new(&mut bytes, &edit(metadata(path))).finish().unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn runs_of_one_number_are_carried_by_who_learned_beside_them() {
    let dir = Workdir::new();
    let ends = Int32Array::from_iter_values((1..=100).map(|run| run * 3));
    let runs = RunArray::<Int32Type>::try_new(&ends, curve(100).column_by_name("x0").unwrap()).unwrap();
    let rows = with_odd(Arc::new(runs));
    write_ipc(&dir.path("in.arrow"), &rows);
    dir.ok("fit in.arrow --epochs 1 --latent-dim 2 --hidden 4");
    dir.ok("transform in.arrow out.arrow");
    carries(&rows, &read_ipc(&dir.path("out.arrow")));
}

#[test]
fn dictionaries_within_the_values_of_a_dictionary_are_written_out_too() {
    let dir = fitted();
    let words =
        DictionaryArray::<Int8Type>::new([0, 1, 1].into_iter().collect(), Arc::new(StringArray::from(vec!["a", "b"])));
    let item = Arc::new(Field::new("item", words.data_type().clone(), true));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), Arc::new(words), None);
    let odd = DictionaryArray::<Int8Type>::new((0..300).map(|row| (row % 2) as i8).collect(), Arc::new(lists));
    write_ipc(&dir.path("in.arrow"), &with_odd(Arc::new(odd)));
    dir.ok("transform in.arrow out.arrow");
    let found = read_ipc(&dir.path("out.arrow"));
    let found = found["odd"].as_list::<i32>();
    let words =
        |row: usize| found.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((words(0), words(1)), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]));
}

#[test]
fn a_file_that_says_it_has_no_rows_has_those_of_its_row_groups() {
    let dir = fitted();
    let file = |said: &FileMetaData| {
        let schema = said.schema_descr_ptr();
        FileMetaData::new(1, 0, None, said.key_value_metadata().cloned(), schema, said.column_orders().cloned())
    };
    edit(&dir.path("x.parquet"), |it| ParquetMetaData::new(file(it.file_metadata()), it.row_groups().to_vec()));
    dir.ok("fit x.parquet --epochs 1 --latent-dim 2 --hidden 4 --force");
    for (output, flags) in [("copy.parquet", ""), ("anew.parquet", "--compression zstd")] {
        dir.ok(&format!("transform x.parquet {output} {flags}"));
        assert_eq!(metadata(&dir.path(output)).file_metadata().num_rows(), 300);
        carries(&curve(300), &read(&dir.path(output)));
    }
}

#[test]
fn new_pages_are_read_right_by_who_knows_the_writer_that_the_file_names() {
    let dir = fitted();
    // Of pages of version 2 by the second one, readers take all for compressed, whatever they say.
    for (writer, version) in [("parquet-cpp-arrow version 23.0.0", 2), ("parquet-cpp version 1.5.1-SNAPSHOT", 1)] {
        let properties = WriterProperties::builder().set_created_by(writer.to_owned());
        let properties = properties.set_writer_version(WriterVersion::PARQUET_2_0).build();
        write_with(&dir.path("in.parquet"), &curve(300), properties);
        dir.ok("transform in.parquet out.parquet --force");
        let file = SerializedFileReader::try_from(dir.path("out.parquet").as_path()).unwrap();
        let group = file.get_row_group(0).unwrap();
        let page = group.get_column_page_reader(7).unwrap().get_next_page().unwrap().unwrap();
        let found = if matches!(page, parquet::column::page::Page::DataPageV2 { .. }) { 2 } else { 1 };
        assert_eq!(found, version, "{writer}");
    }
}

#[test]
fn an_annotation_that_is_not_known_is_not_copied_away() {
    let dir = fitted();
    let path = dir.path("in.parquet");
    let schema = "message m { required fixed_len_byte_array(16) odd (UUID); required float x0; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let writer = parquet::file::writer::SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::default());
    writer.unwrap().close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let footer = end_of_rows(&bytes);
    // The annotation's number, 14, becomes 50, which takes a byte more.
    let at = footer + bytes[footer..].windows(3).position(|window| window == [0xec, 0, 0]).unwrap();
    bytes.splice(at..at + 1, [0x0c, 100]);
    let (end, length) = (bytes.len() - 8, (bytes.len() - 8 - footer) as u32);
    bytes[end..end + 4].copy_from_slice(&length.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    write(&dir.path("x0.parquet"), &curve(300).project(&[2]).unwrap(), 1000);
    dir.ok("fit x0.parquet -m x0.safetensors --epochs 1 --latent-dim 1 --hidden 4");
    dir.fails(65, "transform in.parquet out.parquet -m x0.safetensors").says(&[
        "in.parquet",
        "column \"odd\"",
        "unknown logical type",
    ]);
}
