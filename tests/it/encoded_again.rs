//! Columns that are decoded and encoded again keep their values and Parquet types.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date64Array, DictionaryArray, Float32Array, RecordBatch, StringArray,
    TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{LogicalType, TimeUnit as ParquetUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType as Physical, FixedLenByteArray, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96, Int96Type,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

use crate::formats::piped;
use crate::general::read_ipc;
use crate::splice::fitted;
use crate::tables::{keys, read};

const ROWS: usize = 23;

/// Types that Arrow has no name for, or that it reads otherwise; lists as old writers have them.
const SCHEMA: &str = "message rows {
    required float x0;
    optional fixed_len_byte_array(12) interval (INTERVAL);
    optional fixed_len_byte_array(16) uuid (UUID) = 7;
    optional binary json (JSON);
    optional binary word (ENUM);
    required int64 clock (TIME(MICROS,true));
    repeated int32 numbers;
    optional group list (LIST) { repeated int32 array; }
    optional group pair { optional fixed_len_byte_array(12) interval (INTERVAL); required int64 at (TIMESTAMP(NANOS,true)); }
}";

/// Values, definition and repetition levels of a leaf.
fn put<T: Physical>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T], levels: [Option<&[i16]>; 2]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels[0], levels[1]).unwrap();
    column.close().unwrap();
}

fn write(path: &Path) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let rows = 0..ROWS;
    let present: Vec<i16> = rows.clone().map(|row| i16::from(row % 3 > 0)).collect();
    let some: Vec<usize> = rows.clone().filter(|row| row % 3 > 0).collect();
    let fixed = |length: usize| -> Vec<FixedLenByteArray> {
        some.iter()
            .map(|&row| ByteArray::from((0..length).map(|at| (row * 7 + at) as u8).collect::<Vec<_>>()).into())
            .collect()
    };
    let words = |word: &str| {
        some.iter().map(|row| ByteArray::from(word.replace('#', &row.to_string()).as_str())).collect::<Vec<_>>()
    };
    put::<FloatType>(&mut group, &rows.clone().map(|row| row as f32).collect::<Vec<_>>(), [None, None]);
    put::<FixedLenByteArrayType>(&mut group, &fixed(12), [Some(&present), None]);
    put::<FixedLenByteArrayType>(&mut group, &fixed(16), [Some(&present), None]);
    put::<ByteArrayType>(&mut group, &words("{\"a\": #}"), [Some(&present), None]);
    put::<ByteArrayType>(&mut group, &words("w#"), [Some(&present), None]);
    let numbers: Vec<i64> = rows.clone().map(|row| row as i64 * 1_000_001).collect();
    put::<Int64Type>(&mut group, &numbers, [None, None]);
    // Two numbers in every other row.
    let twice: Vec<(i16, i16)> =
        rows.clone().flat_map(|row| if row % 2 > 0 { vec![(1, 0), (1, 1)] } else { vec![(0, 0)] }).collect();
    let repetition: Vec<i16> = twice.iter().map(|level| level.1).collect();
    let values: Vec<i32> = (0..twice.iter().filter(|level| level.0 > 0).count() as i32).collect();
    let definition: Vec<i16> = twice.iter().map(|level| level.0).collect();
    put::<Int32Type>(&mut group, &values, [Some(&definition), Some(&repetition)]);
    let definition: Vec<i16> = definition.iter().map(|level| 2 * level).collect();
    put::<Int32Type>(&mut group, &values, [Some(&definition), Some(&repetition)]);
    let inner: Vec<i16> = present.iter().map(|level| 2 * level).collect();
    put::<FixedLenByteArrayType>(&mut group, &fixed(12), [Some(&inner), None]);
    let at: Vec<i64> = some.iter().map(|&row| row as i64).collect();
    put::<Int64Type>(&mut group, &at, [Some(&present), None]);
    group.close().unwrap();
    writer.close().unwrap();
}

/// What a leaf holds in all row groups, as text, with its levels.
fn leaf(file: &SerializedFileReader<File>, leaf: usize) -> Vec<(String, Vec<i16>, Vec<i16>)> {
    fn rows<T: Physical>(mut reader: ColumnReaderImpl<T>, group: usize) -> (String, Vec<i16>, Vec<i16>)
    where
        T::T: std::fmt::Debug,
    {
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        let all = Some((&mut definition, &mut repetition));
        let (definitions, repetitions) = all.unzip();
        reader.read_records(group, definitions, repetitions, &mut values).unwrap();
        (format!("{values:?}"), definition, repetition)
    }
    let group = |group: usize| {
        let many = file.metadata().row_group(group).num_rows() as usize;
        match file.get_row_group(group).unwrap().get_column_reader(leaf).unwrap() {
            ColumnReader::Int32ColumnReader(reader) => rows(reader, many),
            ColumnReader::Int64ColumnReader(reader) => rows(reader, many),
            ColumnReader::FloatColumnReader(reader) => rows(reader, many),
            ColumnReader::ByteArrayColumnReader(reader) => rows(reader, many),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => rows(reader, many),
            _ => panic!("no other type is written"),
        }
    };
    (0..file.num_row_groups()).map(group).collect()
}

fn open(path: &Path) -> (SerializedFileReader<File>, SchemaDescriptor) {
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = file.metadata().file_metadata().schema_descr().clone();
    (file, schema)
}

#[test]
fn a_carried_column_keeps_its_parquet_type_and_every_byte() {
    let dir = fitted();
    write(&dir.path("in.parquet"));
    let (before, own) = open(&dir.path("in.parquet"));
    for flags in ["", "--compression zstd", "--where x0<99"] {
        dir.ok(&format!("transform in.parquet out.parquet --force {flags}"));
        let (after, schema) = open(&dir.path("out.parquet"));
        for (column, same) in own.root_schema().get_fields().iter().zip(schema.root_schema().get_fields()) {
            assert_eq!(column, same, "{flags}");
        }
        for column in 0..own.num_columns() {
            assert_eq!(leaf(&before, column), leaf(&after, column), "{flags} {}", own.column(column).name());
        }
        assert!(!keys(&dir.path("out.parquet")).contains_key("ARROW:schema"), "the input has none");
    }
}

#[test]
fn int96_is_read_as_the_day_it_is() {
    let dir = fitted();
    let schema = Arc::new(parse_message_type("message rows { required float x0; required int96 t; }").unwrap());
    let file = File::create(dir.path("in.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    // 1970-01-01 is day 2,440,588 of the Julian calendar, 9999-12-31 is 2,932,896 days later, and 0001-01-01 719,162 earlier.
    let day = |days: i64| {
        let mut value = Int96::new();
        value.set_data(1_000, 0, (2_440_588 + days) as u32);
        value
    };
    put::<FloatType>(&mut group, &[1.0, 2.0, 3.0], [None, None]);
    put::<Int96Type>(&mut group, &[0, 2_932_896, -719_162].map(day), [None, None]);
    group.close().unwrap();
    writer.close().unwrap();
    let expected = [0, 2_932_896, -719_162].map(|days: i64| days * 86_400_000_000 + 1);
    dir.ok("transform in.parquet out.parquet --compression zstd");
    dir.ok("transform in.parquet out.arrow");
    for found in [read(&dir.path("out.parquet")), read_ipc(&dir.path("out.arrow"))] {
        assert_eq!(found["t"].as_primitive::<TimestampMicrosecondType>().values(), &expected);
    }
}

#[test]
fn times_in_seconds_are_times_to_every_reader_of_parquet() {
    let dir = fitted();
    std::fs::write(dir.path("in.csv"), "x0,t\n1.5,2024-02-29 23:59:59\n2.5,1969-12-31 23:59:59\n").unwrap();
    dir.ok("transform in.csv out.parquet");
    let ran = "fit-transform in.csv too.parquet --epochs 1 --columns x0";
    dir.ok(ran);
    for name in ["out.parquet", "too.parquet"] {
        let (_, schema) = open(&dir.path(name));
        let milliseconds = LogicalType::timestamp(false, ParquetUnit::MILLIS);
        assert_eq!(schema.column(1).logical_type_ref(), Some(&milliseconds), "{name}");
        let read = read(&dir.path(name));
        let text = arrow::compute::cast(&read["t"], &DataType::Utf8).unwrap();
        let text: Vec<_> = text.as_string::<i32>().iter().flatten().collect();
        assert_eq!(text, ["2024-02-29T23:59:59", "1969-12-31T23:59:59"], "{name}");
    }
    dir.ok("transform in.csv out.arrow");
    dir.ok("fit-transform in.csv too.arrow --epochs 1 --columns x0");
    for name in ["out.arrow", "too.arrow"] {
        assert_eq!(read_ipc(&dir.path(name))["t"].data_type(), &DataType::Timestamp(TimeUnit::Second, None), "{name}");
    }
}

#[test]
fn a_time_that_parquet_cannot_hold_is_refused_with_its_column() {
    let dir = fitted();
    let refused: [ArrayRef; 2] =
        [Arc::new(TimestampSecondArray::from(vec![1, i64::MAX])), Arc::new(Date64Array::from(vec![0, 1]))];
    for t in refused {
        let x0 = Arc::new(Float32Array::from(vec![1.0, 2.0])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("x0", x0), ("t", t)]).unwrap();
        let mut writer = FileWriter::try_new(File::create(dir.path("in.arrow")).unwrap(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let before = dir.names();
        for words in ["transform in.arrow out.parquet", "fit-transform in.arrow out.parquet --columns x0 --epochs 1"] {
            dir.fails(65, words).says(&["in.arrow", "column \"t\"", "cast the column to timestamp[ms]"]);
        }
        assert_eq!(dir.names(), before);
        dir.ok("transform in.arrow out.arrow --force");
        // It may be in any of several files.
        dir.fails(65, "transform in.arrow in.arrow out.parquet").says(&["the input, column \"t\""]);
    }
}

#[test]
fn ordered_categories_keep_their_order_and_those_that_no_row_has() {
    let dir = fitted();
    let words = StringArray::from(vec!["lo", "mid", "hi", "never"]);
    let codes = (0..ROWS).map(|row| (row % 3 > 0).then_some([2_i8, 0][row % 2]));
    let coded = DictionaryArray::<Int8Type>::new(codes.collect(), Arc::new(words.clone()));
    let x0 = Float32Array::from_iter_values((0..ROWS).map(|row| row as f32));
    let fields = vec![
        Field::new("x0", DataType::Float32, true),
        Field::new("c", coded.data_type().clone(), true).with_dict_is_ordered(true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let expected = coded.downcast_dict::<StringArray>().unwrap().into_iter().collect::<Vec<_>>();
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(x0), Arc::new(coded.clone())]).unwrap();
    let mut writer = FileWriter::try_new(File::create(dir.path("in.arrow")).unwrap(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for words_of in [
        "transform in.arrow out.parquet",
        "transform in.arrow out.parquet --row-group-size 7 --force",
        "fit-transform in.arrow out.parquet --columns x0 --epochs 1 --force",
    ] {
        dir.ok(words_of);
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(dir.path("out.parquet")).unwrap()).unwrap();
        let groups = reader.metadata().num_row_groups();
        assert_eq!(reader.schema().field_with_name("c").unwrap().dict_is_ordered(), Some(true));
        let mut found = Vec::new();
        for group in 0..groups {
            let file = File::open(dir.path("out.parquet")).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_row_groups(vec![group]);
            for batch in reader.build().unwrap() {
                let column = batch.unwrap()["c"].clone();
                let coded = column.as_dictionary::<arrow::datatypes::Int32Type>();
                assert_eq!(coded.values().as_string::<i32>(), &words, "{words_of}");
                let these = coded.downcast_dict::<StringArray>().unwrap().into_iter();
                found.extend(these.map(|word| word.map(str::to_owned)));
            }
        }
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{words_of}");
    }
}

/// An Arrow stream or file of batches of `x0` and a dictionary `c`, each with its own words.
fn coded(schema: &Arc<Schema>, batches: &[(&[&str], &[i8])]) -> Vec<RecordBatch> {
    let batch = |(words, codes): &(&[&str], &[i8])| {
        let words = StringArray::from(words.to_vec());
        let coded = DictionaryArray::<Int8Type>::new(codes.to_vec().into(), Arc::new(words));
        let x0 = Float32Array::from_iter_values((0..codes.len()).map(|row| row as f32));
        RecordBatch::try_new(schema.clone(), vec![Arc::new(x0), Arc::new(coded)]).unwrap()
    };
    batches.iter().map(batch).collect()
}

fn coded_schema(is_ordered: bool) -> Arc<Schema> {
    let coded = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into());
    let coded = Field::new("c", coded, true).with_dict_is_ordered(is_ordered);
    Arc::new(Schema::new(vec![Field::new("x0", DataType::Float32, true), coded]))
}

fn ipc_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// The words of `c`, and the dictionary of each row group.
fn words_of(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let (mut rows, mut dictionaries) = (Vec::new(), Vec::new());
    let open = || ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let text = |array: &ArrayRef| -> Vec<String> {
        let text = arrow::compute::cast(array, &DataType::Utf8).unwrap();
        text.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    };
    for group in 0..open().metadata().num_row_groups() {
        for batch in open().with_row_groups(vec![group]).build().unwrap() {
            let column = batch.unwrap()["c"].clone();
            rows.extend(text(&column));
            dictionaries.push(text(column.as_any_dictionary().values()));
        }
    }
    (rows, dictionaries)
}

#[test]
fn dictionaries_of_few_bits_can_be_merged() {
    let dir = fitted();
    let words: Vec<String> = (0..200).map(|word| format!("word {word}")).collect();
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    let codes: Vec<i8> = (0..100).collect();
    let schema = coded_schema(false);
    let batches = coded(&schema, &[(&all[..100], &codes), (&all[100..], &codes)]);
    piped(&dir, "transform - out.parquet", &ipc_stream(&batches)).exits(0);
    assert_eq!(words_of(&dir.path("out.parquet")).0, words);
    piped(&dir, "fit-transform - out.parquet --columns x0 --epochs 1 --force", &ipc_stream(&batches)).exits(0);
    assert_eq!(words_of(&dir.path("out.parquet")).0, words);
    // Two files of categories, as pandas writes them.
    std::fs::create_dir(dir.path("in")).unwrap();
    for (batch, name) in batches.iter().zip(["in/a.parquet", "in/b.parquet"]) {
        let mut writer = ArrowWriter::try_new(File::create(dir.path(name)).unwrap(), schema.clone(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }
    dir.ok("transform in/*.parquet out.parquet --force");
    assert_eq!(words_of(&dir.path("out.parquet")).0, words);
    dir.ok("transform in/*.parquet out.arrow");
    let read = read_ipc(&dir.path("out.arrow"));
    assert_eq!(read["c"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), all);
    dir.ok("transform in/a.parquet out.parquet --compression none --force");
    assert_eq!(words_of(&dir.path("out.parquet")).0, words[..100]);
}

#[test]
fn ordered_categories_of_later_batches_take_their_place_or_are_refused() {
    let dir = fitted();
    let schema = coded_schema(true);
    let batches = coded(
        &schema,
        &[(&["lo", "hi"], &[1, 0]), (&["lo", "mid", "hi"], &[2, 1]), (&["lo", "hi"], &[1, 1]), (&["mid"], &[0])],
    );
    for command in ["transform - out.parquet", "fit-transform - out.parquet --columns x0 --epochs 1 --force"] {
        piped(&dir, command, &ipc_stream(&batches)).exits(0);
        let (rows, dictionaries) = words_of(&dir.path("out.parquet"));
        assert_eq!(rows, ["hi", "lo", "hi", "mid", "hi", "hi", "mid"], "{command}");
        assert_eq!(dictionaries, [vec!["lo", "hi"], vec!["lo", "mid", "hi"]], "{command}");
    }
    let contradict = coded(&schema, &[(&["lo", "hi"], &[1, 0]), (&["hi", "lo"], &[1, 0])]);
    let before = dir.names();
    let refused = piped(&dir, "transform - new.parquet", &ipc_stream(&contradict)).exits(65);
    refused.says(&["new.parquet, column \"c\"", "order of categories"]);
    assert_eq!(dir.names(), before);
    piped(&dir, "fit - --columns x0 --epochs 1 --force", &ipc_stream(&contradict)).exits(0);
    piped(&dir, "transform - -", &ipc_stream(&contradict)).exits(0);
}
