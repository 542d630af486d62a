//! Tables with a log: Delta tables are read as their current version says, others are refused.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use serde_json::{Value, json};

use crate::tables::{Uniform, floats, names, read, write};
use crate::workdir::Workdir;

const FIT: &str = "--epochs 2 --latent-dim 2 --hidden 8 -q";

/// A part of a table: its row numbers, and two numbers that go together.
fn part(first: i64, rows: usize) -> RecordBatch {
    let mut numbers = Uniform::new(first as u64);
    let x: Vec<f64> = (0..rows).map(|_| numbers.next()).collect();
    let y: Vec<f64> = x.iter().map(|x| 2.0 * x + 0.1 * numbers.next()).collect();
    let n = Int64Array::from_iter_values(first..first + rows as i64);
    batch(vec![("n", Arc::new(n)), ("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(Float64Array::from(y)))])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn field(name: &str, data_type: impl Into<Value>) -> Value {
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": {}})
}

/// A column whose name in files is another.
fn mapped(name: &str, data_type: impl Into<Value>, stored: &str, id: u32) -> Value {
    let metadata = json!({"delta.columnMapping.id": id, "delta.columnMapping.physicalName": stored});
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": metadata})
}

fn metadata(fields: &[Value], keys: &[&str], configuration: Value) -> Value {
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
        "partitionColumns": keys, "configuration": configuration}})
}

/// The metadata of a table of parts.
fn plain() -> Value {
    metadata(&[field("n", "long"), field("x", "double"), field("y", "double")], &[], json!({}))
}

fn protocol(features: &[&str]) -> Value {
    match features {
        [] => json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        features => json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features,
            "writerFeatures": features}}),
    }
}

fn add(path: &str, values: Value) -> Value {
    json!({"add": {"path": path, "partitionValues": values, "size": 1, "modificationTime": 0, "dataChange": true}})
}

fn remove(path: &str) -> Value {
    json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": 0}})
}

fn commit(dir: &Workdir, table: &str, version: u32, actions: &[Value]) {
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    let log = dir.path(&format!("{table}/_delta_log"));
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(log.join(format!("{version:020}.json")), lines.join("\n")).unwrap();
}

/// Writes a file of a table.
fn store(dir: &Workdir, name: &str, rows: &RecordBatch) {
    let path = dir.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, rows, 40);
}

/// A model of parts.
fn model(dir: &Workdir) {
    write(&dir.path("model.parquet"), &part(0, 300), 1000);
    dir.ok(&format!("fit model.parquet -m m.st --exclude n {FIT}"));
}

/// The rows of a table, as a transform of it writes them.
fn rows_of(dir: &Workdir, table: &str) -> RecordBatch {
    dir.ok(&format!("transform {table} rows.parquet -m m.st --force -q"));
    read(&dir.path("rows.parquet"))
}

fn integers(rows: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    cast(rows.column_by_name(column).unwrap(), &DataType::Int64).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn texts(rows: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let column = cast(rows.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// Row numbers, as [`integers`] gives them.
fn numbers(rows: impl IntoIterator<Item = i64>) -> Vec<Option<i64>> {
    rows.into_iter().map(Some).collect()
}

#[test]
fn files_that_the_log_removed_are_not_read() {
    let dir = Workdir::new();
    model(&dir);
    for (name, first) in [("a", 0), ("b", 1000), ("c", 2000)] {
        store(&dir, &format!("t/{name}.parquet"), &part(first, 100));
    }
    commit(&dir, "t", 0, &[protocol(&[]), plain(), add("c.parquet", json!({})), add("b.parquet", json!({}))]);
    commit(&dir, "t", 1, &[remove("b.parquet"), add("a.parquet", json!({}))]);
    // The order is that of the paths.
    assert_eq!(integers(&rows_of(&dir, "t"), "n"), numbers((0..100).chain(2000..2100)));
    dir.ok("inspect t").prints(&["200"]);
    dir.ok(&format!("fit t -m t.st {FIT}"));
    // A directory of outputs has one for each live file.
    dir.ok("transform t out/ -m m.st -q");
    let out = |name: &str| dir.path(&format!("out/{name}.parquet"));
    assert!(!out("b").exists());
    assert_eq!(integers(&read(&out("c")), "n"), numbers(2000..2100));
    dir.fails(2, "transform t t/out/ -m m.st").says(&["is in the input directory t"]);
    dir.fails(2, "transform t t/out.parquet -m m.st").says(&["is in the input directory t"]);
    // A table in a directory is read by its log as well; files given by name are not.
    store(&dir, "lake/0.parquet", &part(3000, 10));
    std::fs::rename(dir.path("t"), dir.path("lake/t")).unwrap();
    for name in ["lake", "lake/*", "lake/**"] {
        assert_eq!(
            integers(&rows_of(&dir, name), "n"),
            numbers((3000..3010).chain(0..100).chain(2000..2100)),
            "{name}"
        );
    }
    let blind = dir.ok("transform lake/t/*.parquet blind.parquet -m m.st");
    blind.says(&["read without the log of the Delta table lake/t"]);
    assert_eq!(read(&dir.path("blind.parquet")).num_rows(), 300);
    // A file that is gone is an error.
    std::fs::remove_file(dir.path("lake/t/a.parquet")).unwrap();
    dir.fails(1, "transform lake x.parquet -m m.st").says(&["a.parquet", "cannot open"]);
}

#[test]
fn partition_values_are_those_of_the_log() {
    let dir = Workdir::new();
    model(&dir);
    let fields = [
        field("word", "string"),
        field("n", "long"),
        field("x", "double"),
        field("y", "double"),
        field("day", "date"),
        field("level", "integer"),
    ];
    let files = [
        ("word=a%20b/0.parquet", json!({"word": "a b", "day": "2020-02-29", "level": "7"})),
        ("word=a%253Ab/1.parquet", json!({"word": "a:b", "day": null, "level": "-1"})),
        ("word=__HIVE_DEFAULT_PARTITION__/2.parquet", json!({"word": null, "day": "2021-01-01"})),
        ("word=__HIVE_DEFAULT_PARTITION__/3.parquet", json!({"word": "", "day": "", "level": ""})),
    ];
    let none = ["2", "3"].map(|n| format!("word=__HIVE_DEFAULT_PARTITION__/{n}"));
    for (n, on_disk) in ["word=a b/0", "word=a%3Ab/1", &none[0], &none[1]].iter().enumerate() {
        store(&dir, &format!("t/{on_disk}.parquet"), &part(100 * n as i64, 50));
    }
    let adds: Vec<Value> = files.iter().map(|(path, values)| add(path, values.clone())).collect();
    commit(
        &dir,
        "t",
        0,
        &[&[protocol(&[]), metadata(&fields, &["word", "day", "level"], json!({}))][..], &adds].concat(),
    );
    let rows = rows_of(&dir, "t");
    let some = |texts: [Option<&str>; 4]| texts.map(|text| text.map(str::to_owned)).to_vec();
    let each = |column: &str| -> Vec<Option<String>> { texts(&rows, column).into_iter().step_by(50).collect() };
    assert_eq!(rows.num_rows(), 200);
    // Files come in the order of their paths.
    assert_eq!(each("word"), some([None, None, Some("a b"), Some("a:b")]));
    assert_eq!(each("day"), some([Some("2021-01-01"), None, Some("2020-02-29"), None]));
    assert_eq!(each("level"), some([None, None, Some("7"), Some("-1")]));
    assert_eq!(rows.schema().field_with_name("level").unwrap().data_type(), &DataType::Int32, "the type of the log");
    // Paths have a part of the values: the outputs of a directory repeat what these lack.
    dir.ok("transform t out/ -m m.st -q");
    let one = read(&dir.path("out/word=a b/0.parquet"));
    assert_eq!(texts(&one, "day")[0].as_deref(), Some("2020-02-29"));
    dir.ok("transform t where.parquet -m m.st -q --where level=7");
    assert_eq!(read(&dir.path("where.parquet")).num_rows(), 50);
}

#[test]
fn outputs_of_a_directory_leave_out_the_keys_of_their_paths() {
    let dir = Workdir::new();
    model(&dir);
    let fields = [field("n", "long"), field("x", "double"), field("y", "double"), field("k", "integer")];
    store(&dir, "t/k=1/0.parquet", &part(0, 50));
    commit(
        &dir,
        "t",
        0,
        &[protocol(&[]), metadata(&fields, &["k"], json!({})), add("k=1/0.parquet", json!({"k": "1"}))],
    );
    dir.ok("transform t out/ -m m.st -q");
    let out = read(&dir.path("out/k=1/0.parquet"));
    assert_eq!(names(&out)[..3], ["n", "x", "y"]);
    assert!(!names(&out).contains(&"k".to_owned()));
    assert_eq!(integers(&rows_of(&dir, "t"), "k"), vec![Some(1); 50]);
}

/// A part under the names that files of a table with column mapping have.
fn stored_part(first: i64, rows: usize, by_id: bool) -> RecordBatch {
    let part = part(first, rows);
    let column = |name: &str, id: usize, array: ArrayRef| {
        let name = if by_id { format!("any{id}") } else { name.to_owned() };
        let metadata = std::collections::HashMap::from([("PARQUET:field_id".to_owned(), id.to_string())]);
        (Arc::new(Field::new(name, array.data_type().clone(), true).with_metadata(metadata)), array)
    };
    let inner = column("y", 4, part.column(2).clone());
    let outer: ArrayRef = Arc::new(StructArray::from(vec![inner]));
    let (fields, arrays): (Vec<_>, Vec<_>) = [
        column("col-n", 1, part.column(0).clone()),
        // It was dropped; another column has its name now.
        column("x", 9, Arc::new(Int32Array::from(vec![-1; rows]))),
        column("y", 2, part.column(1).clone()),
        column("col-s", 3, outer),
    ]
    .into_iter()
    .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

#[test]
fn columns_are_found_by_the_names_and_numbers_of_the_log() {
    let dir = Workdir::new();
    model(&dir);
    for mode in ["name", "id"] {
        let inner =
            json!({"type": "struct", "fields": [mapped("z", "double", "y", 4), mapped("later", "string", "col-l", 6)]});
        let fields = [
            mapped("n", "long", "col-n", 1),
            mapped("x", "double", "y", 2),
            mapped("s", inner, "col-s", 3),
            mapped("y", "double", "col-y", 5),
            mapped("key", "string", "col-k", 7),
        ];
        let name = format!("t-{mode}");
        store(&dir, &format!("{name}/Ab/0.parquet"), &stored_part(0, 100, mode == "id"));
        let adds = add("Ab/0.parquet", json!({"col-k": "k"}));
        let config = json!({"delta.columnMapping.mode": mode});
        commit(&dir, &name, 0, &[protocol(&["columnMapping"]), metadata(&fields, &["key"], config), adds]);
        let rows = rows_of(&dir, &name);
        assert_eq!(names(&rows)[..5], ["n", "x", "s", "y", "key"], "{mode}");
        assert_eq!(integers(&rows, "n"), numbers(0..100));
        let expected = part(0, 100);
        assert_eq!(floats(&cast_all(&rows), "x"), floats(&cast_all(&expected), "x"));
        let s = rows.column_by_name("s").unwrap().as_struct();
        assert_eq!(
            s.column_by_name("z").unwrap().as_primitive::<Float64Type>().values(),
            expected.column(2).as_primitive::<Float64Type>().values()
        );
        assert_eq!(s.column_by_name("later").unwrap().null_count(), 100);
        assert_eq!(rows.column_by_name("y").unwrap().null_count(), 100, "no file has it");
        assert!(texts(&rows, "key").iter().all(|key| key.as_deref() == Some("k")));
        // The path does not give the key.
        dir.ok(&format!("transform {name} out-{mode}/ -m m.st -q"));
        let one = read(&dir.path(&format!("out-{mode}/Ab/0.parquet")));
        assert_eq!(names(&one)[..5], ["n", "x", "s", "y", "key"]);
        dir.ok(&format!("transform {name} where.parquet -m m.st -q --force --where x>0.5"));
        let expected = expected.column(1).as_primitive::<Float64Type>().iter().flatten().filter(|&x| x > 0.5).count();
        assert_eq!(read(&dir.path("where.parquet")).num_rows(), expected);
        dir.ok(&format!("fit {name} -m by-{mode}.st --exclude y {FIT}"));
    }
}

/// The same rows with numbers of single precision.
fn cast_all(rows: &RecordBatch) -> RecordBatch {
    let column = |name: &str| cast(rows.column_by_name(name).unwrap(), &DataType::Float32).unwrap();
    batch(vec![("x", column("x"))])
}

#[test]
fn columns_that_a_file_lacks_are_null_and_types_are_those_of_the_log() {
    let dir = Workdir::new();
    model(&dir);
    let old = part(0, 60);
    let narrow = cast(old.column(0), &DataType::Int32).unwrap();
    let old = batch(vec![("x", old.column(1).clone()), ("n", narrow), ("y", old.column(2).clone())]);
    store(&dir, "t/0.parquet", &old);
    store(&dir, "t/1.parquet", &part(1000, 60));
    let fields = [field("n", "long"), field("x", "double"), field("y", "double"), field("note", "string")];
    let actions = [
        protocol(&["typeWidening"]),
        metadata(&fields, &[], json!({})),
        add("0.parquet", json!({})),
        add("1.parquet", json!({})),
    ];
    commit(&dir, "t", 0, &actions);
    let rows = rows_of(&dir, "t");
    assert_eq!(names(&rows)[..4], ["n", "x", "y", "note"]);
    assert_eq!(integers(&rows, "n"), numbers((0..60).chain(1000..1060)));
    assert_eq!(rows.schema().field(0).data_type(), &DataType::Int64);
    assert_eq!(rows.column_by_name("note").unwrap().null_count(), 120);
}

/// A deletion vector: a bitmap of 64-bit numbers that has these, an even number of them.
fn bitmap(rows: &[u16]) -> Vec<u8> {
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend([0_u32, 12346, 1].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([0_u16, rows.len() as u16 - 1].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
    bytes
}

/// Z85, which spells four bytes with five signs.
fn z85(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let word = |word: &[u8]| {
        let number = u32::from_be_bytes(word.try_into().unwrap());
        [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1]
            .map(|unit| char::from(SIGNS[(number / unit % 85) as usize]))
    };
    bytes.chunks(4).flat_map(word).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn deleted_rows_are_not_read() {
    let dir = Workdir::new();
    model(&dir);
    let deleted = [0, 1, 39, 40, 41, 79, 98, 99];
    let bytes = bitmap(&deleted);
    let uuid = [0x11_u8; 16];
    let mut file = vec![1];
    file.extend((bytes.len() as u32).to_be_bytes());
    file.extend(&bytes);
    file.extend(crc32(&bytes).to_be_bytes());
    let (size, rows) = (bytes.len(), deleted.len());
    let vectors = [("i", z85(&bytes), json!(null)), ("u", z85(&uuid), json!(1))];
    let expected: Vec<Option<i64>> =
        (0..100).filter(|n| !deleted.contains(&(*n as u16))).map(Some).chain((1000..1050).map(Some)).collect();
    for (kind, place, offset) in vectors {
        let name = format!("t-{kind}");
        store(&dir, &format!("{name}/0.parquet"), &part(0, 100));
        store(&dir, &format!("{name}/1.parquet"), &part(1000, 50));
        std::fs::write(dir.path(&format!("{name}/deletion_vector_11111111-1111-1111-1111-111111111111.bin")), &file)
            .unwrap();
        let mut first = add("0.parquet", json!({}));
        first["add"]["deletionVector"] = json!({"storageType": kind, "pathOrInlineDv": place, "offset": offset, "sizeInBytes": size, "cardinality": rows});
        commit(
            &dir,
            &name,
            0,
            &[protocol(&["deletionVectors"]), plain(), add("0.parquet", json!({})), add("1.parquet", json!({}))],
        );
        commit(&dir, &name, 1, &[remove("0.parquet"), first]);
        assert_eq!(integers(&rows_of(&dir, &name), "n"), expected, "{kind}");
        dir.ok(&format!("transform {name} out-{kind}/ -m m.st -q"));
        assert_eq!(integers(&read(&dir.path(&format!("out-{kind}/0.parquet"))), "n"), expected[..92], "{kind}");
        // With a condition, in a stream and in a fit.
        dir.ok(&format!("transform {name} where.parquet -m m.st -q --force --where n<=50"));
        assert_eq!(integers(&read(&dir.path("where.parquet")), "n"), expected[..46]);
        dir.ok(&format!("fit {name} -m d-{kind}.st --exclude n {FIT} --where n<=50"));
        dir.ok(&format!("inspect d-{kind}.st")).prints(&["rows      46:"]);
    }
    // One that does not fit its file.
    let mut odd = add("1.parquet", json!({}));
    odd["add"]["deletionVector"] =
        json!({"storageType": "i", "pathOrInlineDv": z85(&bytes), "sizeInBytes": size, "cardinality": rows});
    commit(&dir, "t-i", 2, &[remove("1.parquet"), odd]);
    dir.fails(65, "transform t-i x.parquet -m m.st").says(&["1.parquet", "deletes row 79, and it has 50 rows"]);
}

#[test]
fn the_log_is_read_from_its_checkpoint() {
    let dir = Workdir::new();
    model(&dir);
    for (name, first) in [("a", 0), ("b", 1000), ("c", 2000)] {
        store(&dir, &format!("t/{name}.parquet"), &part(first, 50));
    }
    commit(&dir, "t", 3, &[add("c.parquet", json!({}))]);
    commit(&dir, "t", 4, &[remove("a.parquet")]);
    let actions = [protocol(&[]), plain(), add("a.parquet", json!({})), add("b.parquet", json!({}))];
    write(&dir.path(&format!("t/_delta_log/{:020}.checkpoint.parquet", 3)), &checkpoint(&actions), 1000);
    std::fs::write(dir.path("t/_delta_log/_last_checkpoint"), r#"{"version":3,"size":4}"#).unwrap();
    assert_eq!(integers(&rows_of(&dir, "t"), "n"), numbers(1000..1050));
}

/// A checkpoint of these actions.
fn checkpoint(actions: &[Value]) -> RecordBatch {
    let of = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
    let map = || {
        let pair = vec![Arc::new(Field::new("key", DataType::Utf8, false)), of("value", DataType::Utf8)];
        DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(pair.into()), false)), false)
    };
    let list = || DataType::List(of("element", DataType::Utf8));
    let group = |fields: Vec<Arc<Field>>| DataType::Struct(fields.into());
    let format = group(vec![of("provider", DataType::Utf8), of("options", map())]);
    let schema = Schema::new(vec![
        of("protocol", group(vec![of("minReaderVersion", DataType::Int32), of("minWriterVersion", DataType::Int32)])),
        of(
            "metaData",
            group(vec![
                of("id", DataType::Utf8),
                of("format", format),
                of("schemaString", DataType::Utf8),
                of("partitionColumns", list()),
                of("configuration", map()),
            ]),
        ),
        of(
            "add",
            group(vec![
                of("path", DataType::Utf8),
                of("partitionValues", map()),
                of("size", DataType::Int64),
                of("modificationTime", DataType::Int64),
                of("dataChange", DataType::Boolean),
            ]),
        ),
    ]);
    let mut decoder = arrow::json::ReaderBuilder::new(Arc::new(schema)).build_decoder().unwrap();
    decoder.serialize(actions).unwrap();
    decoder.flush().unwrap().unwrap()
}

#[test]
fn a_table_that_cannot_be_read_right_is_refused() {
    let dir = Workdir::new();
    model(&dir);
    store(&dir, "new/0.parquet", &part(0, 50));
    commit(&dir, "new", 0, &[protocol(&["timeCrystals"]), plain(), add("0.parquet", json!({}))]);
    dir.fails(65, "transform new x.parquet -m m.st").says(&["new", "timeCrystals"]);
    store(&dir, "cut/0.parquet", &part(0, 50));
    commit(&dir, "cut", 0, &[protocol(&[]), plain(), add("0.parquet", json!({}))]);
    let log = dir.path("cut/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, &text[..text.len() - 20]).unwrap();
    dir.fails(65, "transform cut x.parquet -m m.st").says(&["cut"]);
    store(&dir, "empty/0.parquet", &part(0, 50));
    std::fs::create_dir(dir.path("empty/_delta_log")).unwrap();
    dir.fails(65, "transform empty x.parquet -m m.st").says(&["empty"]);
    store(&dir, "out.parquet", &part(0, 50));
    commit(&dir, "up", 0, &[protocol(&[]), plain(), add("..%2Fout.parquet", json!({}))]);
    dir.fails(65, "transform up x.parquet -m m.st").says(&["up", "outside"]);
    assert!(!dir.path("x.parquet").exists());
}

#[test]
fn tables_with_another_log_are_refused() {
    let dir = Workdir::new();
    model(&dir);
    store(&dir, "lake/ice/data/0.parquet", &part(0, 50));
    std::fs::create_dir(dir.path("lake/ice/metadata")).unwrap();
    std::fs::write(dir.path("lake/ice/metadata/v1.metadata.json"), "{}").unwrap();
    for name in ["lake/ice", "lake", "lake/*"] {
        let ran = dir.fails(65, &format!("transform {name} x.parquet -m m.st"));
        ran.says(&["lake/ice: an Iceberg table is not supported", "pyiceberg"]);
    }
    dir.fails(65, "fit lake/ice -m i.st").says(&["an Iceberg table"]);
    dir.fails(65, "inspect lake/ice").says(&["an Iceberg table"]);
    // Its files by name are the user's choice.
    dir.ok("transform lake/ice/data x.parquet -m m.st -q");
    store(&dir, "hudi/0.parquet", &part(0, 50));
    std::fs::create_dir(dir.path("hudi/.hoodie")).unwrap();
    dir.fails(65, "transform hudi y.parquet -m m.st").says(&["hudi: a Hudi table is not supported"]);
}

#[test]
fn a_table_of_outputs_is_read_whole() {
    let dir = Workdir::new();
    model(&dir);
    store(&dir, "in.parquet", &part(0, 50));
    dir.ok("transform in.parquet scored.parquet -m m.st -q");
    std::fs::create_dir(dir.path("t")).unwrap();
    std::fs::rename(dir.path("scored.parquet"), dir.path("t/0.parquet")).unwrap();
    store(&dir, "t/1.parquet", &part(100, 50));
    commit(&dir, "t", 0, &[protocol(&[]), plain(), add("0.parquet", json!({})), add("1.parquet", json!({}))]);
    let rows = rows_of(&dir, "t");
    assert_eq!(integers(&rows, "n"), numbers((0..50).chain(100..150)));
    assert_eq!(names(&rows)[..3], ["n", "x", "y"], "columns that the log does not have are left out");
}

#[test]
fn a_new_table_is_made_by_one_commit_that_comes_last() {
    let dir = Workdir::new();
    model(&dir);
    for n in 0..2 {
        store(&dir, &format!("in/k={n}/0.parquet"), &part(1000 * n, 50));
    }
    dir.ok("transform in out -m m.st --format delta").prints(&["out"]);
    let mut files: Vec<_> =
        std::fs::read_dir(dir.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["_delta_log", "part-00000.parquet"]);
    let log = std::fs::read_to_string(dir.path("out/_delta_log/00000000000000000000.json")).unwrap();
    let actions: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| actions.iter().find_map(|action| action.get(kind)).unwrap().clone();
    assert_eq!(of("add")["path"], "part-00000.parquet");
    assert_eq!(of("add")["size"], std::fs::metadata(dir.path("out/part-00000.parquet")).unwrap().len());
    assert!(of("add")["stats"].as_str().unwrap().contains("\"numRecords\":100"));
    let schema: Value = serde_json::from_str(of("metaData")["schemaString"].as_str().unwrap()).unwrap();
    let field = |name: &str| {
        schema["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap()["type"].clone()
    };
    assert_eq!([field("n"), field("x"), field("k"), field("anomaly_score")], ["long", "double", "long", "float"]);
    // It is read as any table.
    dir.ok("transform out again.parquet -m m.st --keep n,k -q");
    let rows = read(&dir.path("again.parquet"));
    assert_eq!(integers(&rows, "n"), numbers((0..50).chain(1000..1050)));
    assert_eq!(integers(&rows, "k")[49..51], [Some(0), Some(1)]);
    // It is not replaced, and rows are not added to it.
    for name in ["out", "in"] {
        dir.fails(2, &format!("transform model.parquet {name} -m m.st --format delta")).says(&["not empty"]);
    }
    dir.fails(2, "transform in in/new -m m.st --format delta").says(&["is in the input directory in"]);
    dir.fails(2, "transform in new -m m.st --format delta --force");
}

#[test]
fn a_run_that_fails_leaves_no_table() {
    let dir = Workdir::new();
    model(&dir);
    let whole = part(0, 100);
    let wide = arrow::array::UInt32Array::from_iter_values(0..100);
    let columns =
        vec![("x", whole.column(1).clone()), ("y", whole.column(2).clone()), ("id", Arc::new(wide) as ArrayRef)];
    store(&dir, "wide.parquet", &batch(columns));
    let ran = dir.fails(65, "transform wide.parquet out -m m.st --format delta");
    ran.says(&["\"id\"", "a type that Delta does not have", "--keep"]);
    store(&dir, "cut.parquet", &whole);
    let bytes = std::fs::read(dir.path("cut.parquet")).unwrap();
    let mut damaged = bytes.clone();
    damaged[20..bytes.len() / 2].fill(0xff);
    std::fs::write(dir.path("cut.parquet"), damaged).unwrap();
    dir.fails(65, "transform cut.parquet out -m m.st --format delta");
    assert!(!dir.path("out").exists(), "{:?}", dir.names());
    dir.ok("transform wide.parquet out -m m.st --format delta --keep x -q");
}
