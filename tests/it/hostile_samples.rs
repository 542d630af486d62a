//! The files in sample_data/odd: made here, and what each command does with them.
//!
//! `cargo test --release --test it -- --ignored make_the_odd_files` writes them anew, with their README.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StringViewArray, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::tables::{Uniform, carries, names, read};
use crate::workdir::{Workdir, repository};

/// A hostile file: its name, what is in it, how it is made, and how `fit` and `transform` answer.
struct Odd {
    name: &'static str,
    what: &'static str,
    make: fn() -> Vec<u8>,
    fit: Answer,
    transform: Answer,
}

/// An exit code, and what is said with it.
type Answer = (i32, &'static str);

const FINE: Answer = (0, "");

const ODD: [Odd; 21] = [
    Odd {
        name: "plain",
        what: "nothing odd; the model for the others is fitted to it",
        make: || parquet(&plain(ROWS)),
        fit: FINE,
        transform: FINE,
    },
    Odd { name: "no_rows", what: "no rows", make: || parquet(&plain(0)), fit: (65, "there are 0"), transform: FINE },
    Odd { name: "one_row", what: "one row", make: || parquet(&plain(1)), fit: (65, "there is 1"), transform: FINE },
    Odd { name: "two_rows", what: "two rows", make: || parquet(&plain(2)), fit: FINE, transform: FINE },
    Odd {
        name: "all_null",
        what: "nulls only",
        make: || parquet(&all_null()),
        fit: (65, "no usable value"),
        transform: (0, "no known value"),
    },
    Odd {
        name: "constant",
        what: "the same row again and again",
        make: || parquet(&constant()),
        fit: (65, "is constant"),
        transform: FINE,
    },
    Odd {
        name: "not_finite",
        what: "NaN and infinities",
        make: || parquet(&with_a(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
        fit: (0, "NaN, infinite or beyond f32"),
        transform: (0, "NaN, infinite or beyond f32"),
    },
    Odd {
        name: "far_out",
        what: "values far out of range, but finite",
        make: || parquet(&with_a(&[1e30, -1e30, 1e-30])),
        fit: FINE,
        transform: (0, r#"8 values are outside the range of the training data: "a" (8)"#),
    },
    Odd {
        name: "beyond_f32",
        what: "numbers that f64 holds and f32 does not",
        make: || parquet(&with_a(&[1e300, -1e300])),
        fit: (0, "NaN, infinite or beyond f32"),
        transform: (0, "NaN, infinite or beyond f32"),
    },
    Odd {
        name: "new_words",
        what: "strings that were not there before",
        make: || parquet(&with("word", Arc::new(words("unheard of")))),
        fit: FINE,
        transform: (0, r#"120 values are of categories the training data lacks: "word" (120)"#),
    },
    Odd {
        name: "wrong_type",
        what: "a learned column of numbers as strings, all far out of range",
        make: || parquet(&with("a", Arc::new(words("1.5")))),
        fit: FINE,
        transform: (0, r#"120 values are outside the range of the training data: "a" (120)"#),
    },
    Odd {
        name: "missing_column",
        what: "a learned column is missing",
        make: || parquet(&plain(ROWS).project(&[0, 1, 3, 4, 5]).unwrap()),
        fit: FINE,
        transform: (65, r#"needs column "b""#),
    },
    Odd {
        name: "name_clash",
        what: "a column named z_0",
        make: || parquet(&renamed("id", "z_0")),
        fit: FINE,
        transform: (2, "--prefix"),
    },
    Odd {
        name: "twins",
        what: "two columns of one name",
        make: || parquet(&renamed("word", "id")),
        fit: FINE,
        transform: (65, r#"needs column "word""#),
    },
    Odd {
        name: "words_only",
        what: "one column of strings",
        make: || parquet(&plain(ROWS).project(&[5]).unwrap()),
        fit: FINE,
        transform: (65, "needs column"),
    },
    Odd {
        name: "tiny_row_groups",
        what: "row groups of three rows",
        make: || parquet_with(&plain(40), 3),
        fit: FINE,
        transform: FINE,
    },
    Odd {
        name: "strings",
        what: "dictionary, LargeUtf8 and Utf8View columns",
        make: || parquet(&strings()),
        fit: FINE,
        transform: FINE,
    },
    Odd {
        name: "nested",
        what: "list, struct and map columns",
        make: || parquet(&nested()),
        fit: FINE,
        transform: FINE,
    },
    Odd {
        name: "empty",
        what: "no bytes at all",
        make: Vec::new,
        fit: (65, "empty.parquet: not a Parquet file"),
        transform: (65, "empty.parquet: not a Parquet file"),
    },
    Odd {
        name: "csv",
        what: "text with the name of a Parquet file",
        make: || b"id,a,b\n1,0.5,2\n2,0.7,3\n".to_vec(),
        fit: (65, "csv.parquet: not a Parquet file"),
        transform: (65, "csv.parquet: not a Parquet file"),
    },
    Odd {
        name: "truncated",
        what: "the first two thirds of a file",
        make: || part(&parquet(&plain(ROWS))),
        fit: (65, "it is cut short"),
        transform: (65, "it is cut short"),
    },
];

const ROWS: usize = 120;

/// `id`, numbers `a`, `b` and `c` (with nulls), `flag`, `word`.
fn plain(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(3);
    let (mut numbers, mut flags) = (vec![Vec::new(); 3], Vec::new());
    for row in 0..rows {
        let t = uniform.next();
        numbers[0].push(Some(t));
        numbers[1].push(Some(t * t + 0.1 * uniform.next()));
        numbers[2].push((row % 9 != 4).then_some(1e3 * t + uniform.next()));
        flags.push(t > 0.0);
    }
    let words = (0..rows).map(|row| (row % 5 > 0).then(|| format!("word {}", row % 7)));
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef, false),
        ("a", Arc::new(Float64Array::from(numbers[0].clone())), true),
        ("b", Arc::new(Float32Array::from_iter(numbers[1].iter().map(|b| b.map(|b: f64| b as f32)))), true),
        ("c", Arc::new(Float64Array::from(numbers[2].clone())), true),
        ("flag", Arc::new(BooleanArray::from(flags)), true),
        ("word", Arc::new(words.collect::<StringArray>()), true),
    ])
    .unwrap()
}

fn words(word: &str) -> StringArray {
    (0..ROWS).map(|_| Some(word)).collect()
}

/// The plain table with another column in the place of one.
fn with(name: &str, column: ArrayRef) -> RecordBatch {
    let plain = plain(column.len());
    let column = |own: &str| if own == name { column.clone() } else { plain.column_by_name(own).unwrap().clone() };
    RecordBatch::try_from_iter(names(&plain).into_iter().map(|name| (name.clone(), column(&name)))).unwrap()
}

/// The plain table with some of these values in `a`.
fn with_a(values: &[f64]) -> RecordBatch {
    let a = plain(ROWS).column(1).clone();
    let a = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&a).values().to_vec();
    let odd = |(row, a): (usize, &f64)| if row % 10 == 3 { values[row / 10 % values.len()] } else { *a };
    with("a", Arc::new(Float64Array::from_iter_values(a.iter().enumerate().map(odd))))
}

fn renamed(from: &str, to: &str) -> RecordBatch {
    let plain = plain(ROWS);
    let fields: Vec<Field> = plain
        .schema()
        .fields()
        .iter()
        .map(|field| if field.name() == from { field.as_ref().clone().with_name(to) } else { field.as_ref().clone() })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), plain.columns().to_vec()).unwrap()
}

fn all_null() -> RecordBatch {
    let plain = plain(ROWS);
    let null = |name: &String| new_null_array(plain.column_by_name(name).unwrap().data_type(), ROWS);
    RecordBatch::try_from_iter(names(&plain)[1..].iter().map(|name| (name, null(name)))).unwrap()
}

fn constant() -> RecordBatch {
    let first = plain(1);
    arrow::compute::concat_batches(&first.schema(), std::iter::repeat_n(&first, ROWS)).unwrap()
}

/// The plain table and more columns.
fn and(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let plain = plain(ROWS);
    let own = names(&plain);
    let own = own.iter().map(String::as_str).zip(plain.columns().iter().cloned());
    RecordBatch::try_from_iter(own.chain(columns)).unwrap()
}

fn strings() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> = (0..ROWS).map(|row| ["x", "y", "z"][row % 3]).collect();
    and(vec![
        ("dictionary", Arc::new(dictionary)),
        ("large", Arc::new((0..ROWS).map(|row| Some(row.to_string())).collect::<LargeStringArray>())),
        (
            "view",
            Arc::new((0..ROWS).map(|row| Some(format!("a longer word, number {row}"))).collect::<StringViewArray>()),
        ),
    ])
}

fn nested() -> RecordBatch {
    let lists = (0..ROWS as i32).map(|row| (row % 4 > 0).then(|| (0..row % 3).map(Some).collect::<Vec<_>>()));
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let inner: ArrayRef = Arc::new(Int32Array::from_iter_values(0..ROWS as i32));
    let pair = StructArray::from(vec![(Arc::new(Field::new("left", DataType::Int32, false)), inner)]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), arrow::array::Int32Builder::new());
    for row in 0..ROWS as i32 {
        map.keys().append_value("key");
        map.values().append_value(row);
        map.append(true).unwrap();
    }
    and(vec![("list", Arc::new(list)), ("pair", Arc::new(pair)), ("map", Arc::new(map.finish()))])
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    parquet_with(batch, 1 << 20)
}

fn parquet_with(batch: &RecordBatch, row_group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_created_by("vaepipe's odd files".to_owned());
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn part(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() * 2 / 3].to_vec()
}

fn path(odd: &Odd) -> PathBuf {
    repository("sample_data/odd").join(format!("{}.parquet", odd.name))
}

fn readme() -> String {
    let mut text =
        "# Odd files\n\nHostile inputs and what becomes of them: the exit code of `fit`, and of `transform` with \
                    a model fitted to plain.parquet.\nMade by tests/it/hostile_samples.rs, which also checks this table.\n\n\
                    | file | what is in it | fit | transform |\n|---|---|---|---|\n"
            .to_owned();
    let answer = |(code, said): Answer| match said {
        "" => code.to_string(),
        said => format!("{code}, says `{said}`"),
    };
    for odd in &ODD {
        let Odd { name, what, fit, transform, .. } = odd;
        text.push_str(&format!("| {name}.parquet | {what} | {} | {} |\n", answer(*fit), answer(*transform)));
    }
    text
}

#[test]
#[ignore = "writes sample_data/odd"]
fn make_the_odd_files() {
    std::fs::create_dir_all(repository("sample_data/odd")).unwrap();
    for odd in &ODD {
        std::fs::write(path(odd), (odd.make)()).unwrap();
    }
    std::fs::write(repository("sample_data/odd/README.md"), readme()).unwrap();
}

#[test]
fn the_odd_files_are_the_ones_made_here() {
    for odd in &ODD {
        assert!(std::fs::read(path(odd)).unwrap() == (odd.make)(), "{} is stale: make the odd files anew", odd.name);
    }
    assert_eq!(std::fs::read_to_string(repository("sample_data/odd/README.md")).unwrap(), readme());
}

#[test]
fn odd_files_are_answered_as_documented() {
    let dir = Workdir::new();
    dir.ok(&format!("fit {} -m plain.safetensors --epochs 3", path(&ODD[0]).display()));
    for odd in &ODD {
        let (file, before) = (path(odd).display().to_string(), dir.names());
        for ((code, said), command) in [
            (odd.fit, format!("fit {file} -m odd.safetensors --epochs 3")),
            (odd.transform, format!("transform {file} out.parquet -m plain.safetensors")),
        ] {
            let ran = dir.fails(code, &command);
            ran.says(&[said]);
            assert!(!ran.stderr().contains("panicked"), "{}", ran.stderr());
            assert!(code == 0 || dir.names() == before, "{command} left something: {:?}", dir.names());
            if dir.path("out.parquet").exists() {
                carries(&read(&path(odd)), &read(&dir.path("out.parquet")));
            }
            for left in ["odd.safetensors", "out.parquet"] {
                let _ = std::fs::remove_file(dir.path(left));
            }
        }
        let readable = !["empty", "csv", "truncated"].contains(&odd.name);
        dir.fails(if readable { 0 } else { 65 }, &format!("inspect {file}"));
    }
}
