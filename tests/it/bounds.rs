//! Memory on files that claim a lot of it: each command ends, and takes no more than it does for an ordinary file of the same
//! columns and a number of bytes that is stated here.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Float32Array, ListArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Int32Type};
use arrow::ipc::reader::FileReader;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::tables::{Uniform, write_with};
use crate::workdir::{Ran, Workdir};

const MIB: usize = 1 << 20;

/// What allocators, threads and pages of a MiB make of one run and another, in MiB.
const SLACK: usize = 24;

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(None)
}

/// A column to be carried, if there is one, and numbers to be learned.
fn table(carried: Option<ArrayRef>, rows: usize, numbers: usize) -> RecordBatch {
    let mut uniform = Uniform::new(3);
    let carried = carried.map(|column| ("c".to_owned(), column));
    let number = |n| {
        let values = Float32Array::from_iter_values((0..rows).map(|_| uniform.next() as f32));
        (format!("x{n}"), Arc::new(values) as ArrayRef)
    };
    let columns: Vec<(String, ArrayRef)> = carried.into_iter().chain((0..numbers).map(number)).collect();
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A column of strings, of which one is long.
fn long(rows: usize, bytes: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter((0..rows).map(|row| (row == 2).then(|| "s".repeat(bytes)))))
}

/// An ordinary file, and a model of it.
fn fitted(rows: usize) -> Workdir {
    let dir = Workdir::new();
    let words: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("row {row}"))));
    write_with(&dir.path("ordinary.parquet"), &table(Some(words), rows, 2), plain().build());
    dir.ok("fit ordinary.parquet --epochs 1 --hidden 8 --exclude c");
    dir
}

/// Runs the program on a file, what it writes to stdout thrown away; the most memory it had, in MiB.
fn peak(dir: &Workdir, file: &str, arguments: &str) -> (Ran, usize) {
    let arguments = arguments.replace("FILE", file);
    let mut command = dir.command(&arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    // What the system counts is a maximum: only what comes within the last millisecond is missed.
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        most = line.map_or(most, |kib| kib.trim().parse::<usize>().unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    for name in ["out.parquet", "out.safetensors"] {
        let _ = std::fs::remove_file(dir.path(name));
    }
    (Ran::of(&arguments, output), most >> 10)
}

/// Asserts how a command ends, and that it takes at most `extra` MiB more than for the ordinary file.
#[track_caller]
fn bounded(dir: &Workdir, file: &str, code: i32, arguments: &str, extra: usize) -> Ran {
    let ordinary = peak(dir, "ordinary.parquet", arguments);
    ordinary.0.exits(0);
    let (ran, most) = peak(dir, file, arguments);
    let ran = ran.exits(code);
    println!("{file}: {arguments}: {most} MiB, {} of an ordinary file and {extra} allowed", ordinary.1);
    assert!(most <= ordinary.1 + extra + SLACK, "{file}: {arguments}: {most} MiB, {} of an ordinary file", ordinary.1);
    assert!(most > 10, "measured");
    assert!(!dir.names().iter().any(|name| name.contains("vaepipe") || name.starts_with("out.")), "{:?}", dir.names());
    ran
}

const FIT: &str = "fit FILE -m out.safetensors --epochs 1 --hidden 8 --memory 64MiB -q";
const SPLICE: &str = "transform FILE out.parquet -q";
const ENCODE: &str = "transform FILE out.parquet --where x0<2 -q";
const STREAM: &str = "transform FILE - -q";

#[test]
fn a_long_word_that_many_rows_mean_is_written_out_for_few_of_them_at_a_time() {
    const WORD: usize = 64;
    const ROWS: usize = 24;
    let dir = fitted(ROWS);
    let words: ArrayRef = Arc::new(StringArray::from(vec!["s".repeat(WORD * MIB)]));
    let coded = Arc::new(DictionaryArray::<Int32Type>::new([0; ROWS].to_vec().into(), words));
    let batch = table(Some(coded), ROWS, 2);
    let properties = plain().set_dictionary_enabled(true).set_dictionary_page_size_limit(1 << 30).build();
    // As dictionaries where the file says that they were, and else as plain strings.
    for (file, forgets) in [("coded.parquet", false), ("strings.parquet", true)] {
        let path = File::create(dir.path(file)).unwrap();
        let options = ArrowWriterOptions::new().with_properties(properties.clone()).with_skip_arrow_metadata(forgets);
        let mut writer = ArrowWriter::try_new_with_options(path, batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert!(std::fs::metadata(dir.path(file)).unwrap().len() < 100_000);
        bounded(&dir, file, 0, SPLICE, 0);
        bounded(&dir, file, 0, &FIT.replace("64MiB", "96MiB"), 2 * WORD);
        // All rows are 1.5 GiB, and came to 2 GiB and more while they were encoded. Now it is a word in a batch, in a
        // dictionary, in a page before and after compression, and in the bounds of these.
        bounded(&dir, file, 0, ENCODE, 20 * WORD);
        bounded(&dir, file, 0, STREAM, 8 * WORD);
    }
}

#[test]
fn long_words_come_out_as_they_were_in_batches_of_few_rows() {
    let dir = fitted(10);
    let words: ArrayRef = Arc::new(StringArray::from(vec!["s".repeat(20 * MIB), "short".to_owned()]));
    let keys = vec![0, 1, 0, 0, 1, 1, 0, 1, 1, 0].into();
    let coded = Arc::new(DictionaryArray::<Int32Type>::new(keys, words));
    let properties = plain().set_dictionary_enabled(true).set_dictionary_page_size_limit(1 << 30).build();
    let batch = table(Some(coded), 10, 2);
    write_with(&dir.path("in.parquet"), &batch, properties);
    dir.ok("transform in.parquet spliced.arrow -q");
    dir.ok("transform in.parquet encoded.arrow --where x0<2 -q");
    for name in ["spliced.arrow", "encoded.arrow"] {
        let batches = FileReader::try_new(File::open(dir.path(name)).unwrap(), None).unwrap();
        let batches: Vec<RecordBatch> = batches.collect::<Result<_, _>>().unwrap();
        assert!(batches.iter().all(|batch| batch.num_rows() <= 3), "{name}");
        let all = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(all.column(0), &cast(batch.column(0), &DataType::Utf8).unwrap(), "{name}");
        assert_eq!(all.column(1), batch.column(1), "{name}");
    }
}

#[test]
fn rows_that_compress_to_nothing_take_the_memory_of_a_batch() {
    const ROWS: usize = 4_000_000;
    let dir = fitted(1000);
    let same = |n: f32| Arc::new(Float32Array::from_iter_values((0..ROWS).map(|row| n + (row % 2) as f32))) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("x0", same(0.0)), ("x1", same(1.0))]).unwrap();
    write_with(&dir.path("same.parquet"), &batch, plain().build());
    assert!(std::fs::metadata(dir.path("same.parquet")).unwrap().len() * 1000 < 2 * 4 * ROWS as u64);
    // 31 MiB of row vectors, as columns and as rows.
    bounded(&dir, "same.parquet", 0, &format!("{FIT} --sample 10000"), 64);
    bounded(&dir, "same.parquet", 0, &STREAM.replace("FILE -", "FILE - --keep nothing*"), 128);
}

#[test]
fn a_row_group_larger_than_the_memory_goes_through_a_scratch_file() {
    let dir = fitted(1000);
    write_with(&dir.path("large.parquet"), &table(None, 1_500_000, 8), plain().build());
    assert!(std::fs::metadata(dir.path("large.parquet")).unwrap().len() > 40 * MIB as u64);
    let fit = format!("{} --sample 20000", FIT.replace("64MiB", "16MiB"));
    bounded(&dir, "large.parquet", 0, &fit, 2 * 16);
}

#[test]
fn a_footer_is_copied_a_few_times_at_most() {
    const KEY: usize = 64;
    let dir = fitted(1000);
    let key = KeyValue::new("key".to_owned(), "v".repeat(KEY * MIB));
    let properties = plain().set_key_value_metadata(Some(vec![key])).build();
    write_with(&dir.path("keys.parquet"), &table(None, 1000, 2), properties);
    bounded(&dir, "keys.parquet", 0, FIT, 8 * KEY);
    bounded(&dir, "keys.parquet", 0, SPLICE, 16 * KEY);
    bounded(&dir, "keys.parquet", 0, "inspect FILE", 8 * KEY);
}

#[test]
fn a_page_larger_than_the_memory_is_refused_if_it_has_to_be_read() {
    const VALUE: usize = 256;
    let dir = fitted(1000);
    write_with(&dir.path("long.parquet"), &table(Some(long(1000, VALUE * MIB)), 1000, 2), plain().build());
    assert!(std::fs::metadata(dir.path("long.parquet")).unwrap().len() < 100_000);
    bounded(&dir, "long.parquet", 65, FIT, 0)
        .says(&["long.parquet, row group 0, column \"c\": has a page of 257 MiB, but the limit is 64 MiB"])
        .says(&["--memory allows for more; --exclude leaves the column out"]);
    bounded(&dir, "long.parquet", 0, &format!("{FIT} --exclude c"), 0);
    bounded(&dir, "long.parquet", 0, SPLICE, 0);
    // Without a bound it is in memory once.
    bounded(&dir, "long.parquet", 0, "fit FILE -m out.safetensors --epochs 1 --hidden 8 -q", VALUE);
}

#[test]
fn a_fit_that_goes_on_is_bounded_as_well() {
    let dir = fitted(1000);
    let lists = (0..500).map(|row| Some((0..10_000).map(move |n| Some(((row * n) % 7) as f32))));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let batch = RecordBatch::try_from_iter([("l", lists)]).unwrap();
    let properties = plain().set_data_page_size_limit(1 << 30).set_write_batch_size(1 << 20).build();
    write_with(&dir.path("lists.parquet"), &batch, properties);
    let train = "--max-steps 1 --hidden 2 --latent-dim 1 --sample 100 -q";
    dir.ok(&format!("fit lists.parquet -m lists.safetensors {train}"));
    for flags in ["", "--init lists.safetensors", "--init lists.safetensors --refit-scaling"] {
        let arguments = format!("fit lists.parquet -m out.safetensors --memory 16MiB {train} {flags}");
        dir.fails(65, &arguments).says(&["column \"l.list.item\"", "but the limit is 16 MiB"]);
    }
}

/// Makes the first page say that it holds a MiB.
fn lie(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    // Its type, and its size in four bytes of seven bits, the sign in the last of them.
    assert_eq!((bytes[4], bytes[5], bytes[6]), (0x15, 0, 0x15));
    assert!(bytes[7..10].iter().all(|byte| byte & 0x80 != 0) && bytes[10] & 0x80 == 0);
    bytes[7..11].copy_from_slice(&[0x80, 0x80, 0x80, 0x01]);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_page_that_holds_more_than_it_says_is_refused_before_it_is_decompressed() {
    let dir = fitted(1000);
    // Few bytes of brotli may be anything; of deflate, only those of a MiB more than a GiB, whatever they are.
    let mut uniform = Uniform::new(5);
    let noise: String = (0..2 * MIB).map(|_| char::from(64 + (uniform.next().abs() * 63.0) as u8)).collect();
    let strange: ArrayRef = Arc::new(StringArray::from_iter((0..1000).map(|row| (row == 2).then_some(noise.as_str()))));
    for (codec, column) in [
        (Compression::BROTLI(Default::default()), long(1000, 64 * MIB)),
        (Compression::GZIP(Default::default()), strange),
    ] {
        let batch = table(Some(column), 1000, 2);
        write_with(&dir.path("lies.parquet"), &batch, plain().set_compression(codec).build());
        bounded(&dir, "lies.parquet", 0, &FIT.replace("64MiB", "128MiB"), 2 * 64);
        lie(&dir.path("lies.parquet"));
        bounded(&dir, "lies.parquet", 65, FIT, 0)
            .says(&["lies.parquet, row group 0, column \"c\"", "holds more than the 1048576 bytes it claims"]);
    }
}
