//! Carried columns come through a transform untouched, whatever they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, DictionaryArray, FixedSizeBinaryArray, Float32Array, Int32Array, LargeStringArray,
    ListArray, MapBuilder, NullArray, RecordBatch, StringArray, StringBuilder, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, TimeUnit};
use parquet::basic::{Compression, Encoding};
use parquet::data_type::FloatType;
use parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;

use crate::tables::{carries, read, write, write_with};
use crate::workdir::Workdir;

/// One column of every kind that a fit does not learn from, and `x0`, which it does.
pub fn every_kind(rows: usize) -> RecordBatch {
    let some = |row: &usize| row % 4 != 1;
    let text = |row: usize| some(&row).then(|| format!("text {}", row % 9));
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..rows {
        map.keys().append_value(format!("key {row}"));
        map.values().append_option(text(row));
        map.append(some(&row)).unwrap();
    }
    let texts: Vec<_> = (0..rows).map(text).collect();
    let times = TimestampMicrosecondArray::from_iter((0..rows).map(|row| some(&row).then_some(row as i64 * 1_000_003)));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(
        (0..rows).map(|row| some(&row).then(|| (0..row % 4).map(|n| (n != 2).then_some(n as i64)).collect::<Vec<_>>())),
    );
    let dictionary: DictionaryArray<Int32Type> = texts.iter().map(|text| text.as_deref()).collect();
    let inner =
        RecordBatch::try_from_iter_with_nullable([("a", Arc::new(StringArray::from(texts.clone())) as ArrayRef, true)]);
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        (0..rows).map(|row| some(&row).then_some([row as u8; 3])),
        3,
    );
    RecordBatch::try_from_iter_with_nullable([
        (
            "x0",
            Arc::new(Float32Array::from_iter_values((0..rows).map(|row| (row * row % 17) as f32))) as ArrayRef,
            false,
        ),
        ("large text", Arc::new(LargeStringArray::from(texts.clone())), true),
        ("text view", Arc::new(StringViewArray::from_iter(texts.clone())), true),
        (
            "bytes view",
            Arc::new(BinaryViewArray::from_iter(texts.iter().map(|t| t.as_ref().map(|t| t.as_bytes())))),
            true,
        ),
        ("dictionary", Arc::new(dictionary), true),
        ("list", Arc::new(lists), true),
        ("struct", Arc::new(StructArray::from(inner.unwrap())), true),
        ("map", Arc::new(map.finish()), true),
        ("zoned", Arc::new(times.clone().with_timezone("+02:00")), true),
        ("plain time", Arc::new(times), true),
        ("fixed", Arc::new(fixed.unwrap()), true),
        ("nothing", Arc::new(NullArray::new(rows)), true),
        ("same", Arc::new(Int32Array::from(vec![7; rows])), false),
    ])
    .unwrap()
}

pub fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("x.parquet"), &every_kind(300).project(&[0]).unwrap(), 1000);
    dir.ok("fit x.parquet --epochs 1 --latent-dim 2 --hidden 4");
    dir
}

fn metadata(path: &Path) -> ParquetMetaData {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.parse_and_finish(&File::open(path).unwrap()).unwrap()
}

/// The bytes of every column chunk, by row group and column.
pub fn chunks(path: &Path, columns: usize) -> Vec<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    let chunk = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
        let (start, length) = chunk.byte_range();
        bytes[start as usize..(start + length) as usize].to_vec()
    };
    metadata(path).row_groups().iter().map(|group| group.columns()[..columns].iter().map(chunk).collect()).collect()
}

#[test]
fn every_kind_of_column_comes_through_byte_for_byte() {
    let dir = fitted();
    let batch = every_kind(1000);
    for (n, compression) in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW].into_iter().enumerate()
    {
        let version = if n == 1 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let properties = WriterProperties::builder().set_compression(compression).set_writer_version(version);
        write_with(&dir.path("in.parquet"), &batch, properties.set_max_row_group_row_count(Some(300)).build());
        dir.ok("transform in.parquet out.parquet --force");
        carries(&batch, &read(&dir.path("out.parquet")));
        let (before, after) = (metadata(&dir.path("in.parquet")), metadata(&dir.path("out.parquet")));
        let rows =
            |metadata: &ParquetMetaData| metadata.row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>();
        assert_eq!(rows(&before), rows(&after), "row groups one to one");
        let leaves = before.file_metadata().schema_descr().num_columns();
        assert!(chunks(&dir.path("in.parquet"), leaves) == chunks(&dir.path("out.parquet"), leaves));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_cut_encoding_and_codec_comes_through(
        rows in 0_usize..400,
        row_group in 1_usize..150,
        page in 1_usize..60,
        dictionary: bool,
        delta: bool,
        codec in 0_usize..5,
    ) {
        let dir = fitted();
        let codecs = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default()), Compression::GZIP(Default::default()), Compression::BROTLI(Default::default())];
        let mut properties = WriterProperties::builder()
            .set_compression(codecs[codec])
            .set_dictionary_enabled(dictionary)
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .set_max_row_group_row_count(Some(row_group));
        if delta {
            properties = properties.set_column_encoding(ColumnPath::from("large text"), Encoding::DELTA_BYTE_ARRAY);
        }
        let batch = every_kind(rows);
        write_with(&dir.path("in.parquet"), &batch, properties.build());
        dir.ok("transform in.parquet out.parquet");
        carries(&batch, &read(&dir.path("out.parquet")));
    }
}

#[test]
fn indexes_bloom_filters_and_sort_order_stay() {
    let dir = fitted();
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(50)
        .set_column_bloom_filter_enabled(ColumnPath::from("large text"), true)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 1, descending: false, nulls_first: true }]))
        .set_max_row_group_row_count(Some(400));
    write_with(&dir.path("in.parquet"), &every_kind(1000), properties.build());
    dir.ok("transform in.parquet out.parquet");
    let (before, after) = (metadata(&dir.path("in.parquet")), metadata(&dir.path("out.parquet")));
    for group in 0..3 {
        let (indexes, found) = (before.page_index_for_row_group(group), after.page_index_for_row_group(group));
        for leaf in 0..before.file_metadata().schema_descr().num_columns() {
            assert_eq!(indexes.column_index(leaf), found.column_index(leaf));
            let pages = |index: Option<&parquet::file::page_index::offset_index::OffsetIndexMetaData>| {
                index
                    .unwrap()
                    .page_locations
                    .iter()
                    .map(|page| (page.first_row_index, page.compressed_page_size))
                    .collect::<Vec<_>>()
            };
            assert_eq!(pages(indexes.offset_index(leaf)), pages(found.offset_index(leaf)));
            assert_eq!(
                before.row_group(group).column(leaf).statistics(),
                after.row_group(group).column(leaf).statistics()
            );
        }
        assert_eq!(before.row_group(group).sorting_columns(), after.row_group(group).sorting_columns());
        assert!(after.row_group(group).column(1).bloom_filter_offset().is_some());
    }

    // The sort column moves with the columns that are kept, and goes when it goes.
    let sorting = |flags: &str| {
        dir.ok(&format!("transform in.parquet out.parquet --force {flags}"));
        metadata(&dir.path("out.parquet")).row_group(0).sorting_columns().cloned()
    };
    assert_eq!(sorting("--drop-features").map(|order| order[0].column_idx), Some(0));
    assert_eq!(sorting("--keep x0"), None);
}

#[test]
fn file_metadata_stays_and_says_what_wrote_the_columns() {
    let dir = fitted();
    let field =
        Field::new("x0", DataType::Float32, true).with_metadata(HashMap::from([("unit".to_owned(), "km".to_owned())]));
    let schema = Schema::new(vec![field, Field::new("t", DataType::Time64(TimeUnit::Nanosecond), true)]);
    let schema = Arc::new(schema.with_metadata(HashMap::from([("owner".to_owned(), "us".to_owned())])));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from(vec![1.0, 2.0])),
        Arc::new(arrow::array::Time64NanosecondArray::from(vec![Some(5), None])),
    ];
    let keys = vec![KeyValue::new("mine".to_owned(), "kept".to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(keys)).build();
    write_with(&dir.path("in.parquet"), &RecordBatch::try_new(schema.clone(), columns).unwrap(), properties);
    dir.ok("transform in.parquet out.parquet");

    let out = read(&dir.path("out.parquet"));
    assert_eq!(out.schema().field(0), schema.field(0), "with the field's own metadata");
    assert_eq!(out.schema().field(1), schema.field(1));
    let keys = metadata(&dir.path("out.parquet"));
    let keys = keys.file_metadata().key_value_metadata().unwrap().clone();
    let value = |name: &str| keys.iter().find(|key| key.key == name).and_then(|key| key.value.clone());
    assert_eq!(value("mine").as_deref(), Some("kept"));
    assert_eq!(value("vaepipe.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(
        (value("vaepipe.seed").as_deref(), value("vaepipe.score").as_deref()),
        (Some("0"), Some("anomaly_score"))
    );
    use sha2::Digest;
    let hash = sha2::Sha256::digest(std::fs::read(dir.path("vae.safetensors")).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value("vaepipe.model"), Some(hash), "the model file's own hash");
}

#[test]
fn a_file_without_an_arrow_schema_stays_without_one() {
    let dir = fitted();
    let options = parquet::arrow::arrow_writer::ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let batch = every_kind(50).project(&[0, 5, 12]).unwrap();
    let file = File::create(dir.path("in.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    dir.ok("transform in.parquet out.parquet");
    carries(&read(&dir.path("in.parquet")), &read(&dir.path("out.parquet")));
    let keys = metadata(&dir.path("out.parquet"));
    assert!(!keys.file_metadata().key_value_metadata().unwrap().iter().any(|key| key.key == "ARROW:schema"));
}

#[test]
fn row_groups_without_rows_are_left_out() {
    let dir = fitted();
    let schema = Arc::new(parse_message_type("message rows { required float x0; }").unwrap());
    let file = File::create(dir.path("in.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let groups = [0, 3, 0, 0, 2, 0];
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<FloatType>().write_batch(&vec![1.5; rows], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    dir.ok("transform in.parquet out.parquet");
    let found = metadata(&dir.path("out.parquet"));
    // Other readers cannot open what is copied of those that some writers make.
    assert_eq!(found.row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>(), [3, 2]);
    carries(&read(&dir.path("in.parquet")), &read(&dir.path("out.parquet")));
}
