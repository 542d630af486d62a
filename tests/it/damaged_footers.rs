//! Footers with wrong column chunks: what other readers read is read, the rest is refused.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;

use crate::tables::{carries, read, write_with};
use crate::workdir::Workdir;

/// Numbers and names of few kinds, so that both columns begin with a dictionary.
fn names(rows: usize) -> RecordBatch {
    let numbers = Float32Array::from_iter_values((0..rows).map(|row| (row * row % 17) as f32));
    let names = StringArray::from_iter_values((0..rows).map(|row| format!("name {}", row % 7)));
    RecordBatch::try_from_iter([("x", Arc::new(numbers) as ArrayRef), ("name", Arc::new(names))]).unwrap()
}

/// A model of such rows, and some in row groups of 100 as `in.parquet`; without indexes, as old files are.
fn fitted() -> Workdir {
    let dir = Workdir::new();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_offset_index_disabled(true)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None);
    write_with(&dir.path("in.parquet"), &names(300), properties.build());
    dir.ok("fit in.parquet --columns x --epochs 1 --latent-dim 1 --hidden 4");
    dir
}

fn metadata(path: &Path) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(path).unwrap()).unwrap()
}

/// Replaces a file's footer.
fn rewrite(path: &Path, edit: impl FnOnce(Vec<RowGroupMetaData>) -> Vec<RowGroupMetaData>) {
    let mut builder = metadata(path).into_builder();
    let row_groups = builder.take_row_groups();
    let metadata = builder.set_row_groups(edit(row_groups)).build();
    let mut bytes = std::fs::read(path).unwrap();
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    bytes.truncate(end - length);
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn with_chunks(group: RowGroupMetaData, edit: impl Fn(ColumnChunkMetaData) -> ColumnChunkMetaData) -> RowGroupMetaData {
    let mut builder = group.into_builder();
    let chunks = builder.take_columns().into_iter().map(edit).collect();
    builder.set_column_metadata(chunks).build().unwrap()
}

#[test]
fn a_chunk_that_is_longer_than_the_footer_says_is_read_and_copied_whole() {
    let dir = fitted();
    let before = read(&dir.path("in.parquet"));
    dir.ok("transform in.parquet right.parquet");
    // As old writers did: the size without the dictionary page's header, which is in no other field either.
    rewrite(&dir.path("in.parquet"), |groups| {
        let shorter = |chunk: ColumnChunkMetaData| {
            let (compressed, uncompressed) = (chunk.compressed_size() - 13, chunk.uncompressed_size() - 13);
            let start = chunk.dictionary_page_offset().unwrap();
            let builder = chunk.into_builder().set_total_compressed_size(compressed).set_data_page_offset(start);
            builder.set_total_uncompressed_size(uncompressed).set_dictionary_page_offset(None).build().unwrap()
        };
        groups.into_iter().map(|group| with_chunks(group, shorter)).collect()
    });
    for (output, flags) in [("copied.parquet", ""), ("encoded.parquet", "--compression snappy")] {
        dir.ok(&format!("transform in.parquet {output} {flags}"));
        carries(&before, &read(&dir.path(output)));
    }
    assert_eq!(read(&dir.path("copied.parquet")), read(&dir.path("right.parquet")));
}

#[test]
fn a_chunk_that_holds_the_values_of_other_rows_is_refused_where_it_is_needed() {
    let dir = fitted();
    rewrite(&dir.path("in.parquet"), |mut groups| {
        let more = |chunk: ColumnChunkMetaData| match chunk.column_path().string().as_str() {
            "name" => chunk.into_builder().set_num_values(200).build().unwrap(),
            _ => chunk,
        };
        groups[1] = with_chunks(groups[1].clone(), more);
        groups
    });
    let said = ["in.parquet, row group 1, column \"name\"", "200 values", "100 rows"];
    for command in ["transform in.parquet out.parquet", "transform in.parquet out.arrow", "inspect in.parquet"] {
        dir.fails(65, command).says(&said);
    }
    dir.ok("inspect in.parquet --exclude name");
    dir.ok("transform in.parquet out.parquet --keep x");
}
