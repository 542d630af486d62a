//! CSV as people write it: null words, delimiters, decimal marks, encodings, headers, and lines that are not rows.

use std::fmt::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::array_value_to_string;

use crate::tables::{names, new_bits, read};
use crate::workdir::{Ran, Workdir};

const ROWS: usize = 300;

const FIT: &str = "--epochs 1 --latent-dim 1 --hidden 4";

fn number(n: usize) -> f64 {
    (n as f64 * 0.7).sin()
}

/// Lines of `row`, below a header.
fn lines(header: &str, row: impl Fn(usize) -> String) -> String {
    (0..ROWS).fold(format!("{header}\n"), |text, n| text + &row(n) + "\n")
}

/// What plain CSV has: a number, two times it, a word.
fn plain(n: usize) -> [String; 3] {
    [format!("{:.3}", number(n)), format!("{:.3}", 2.0 * number(n)), ["red", "blue"][n % 2].to_owned()]
}

/// The rows of a file as they come out of a fit and a transform, and what was said.
fn carried(dir: &Workdir, file: &str, text: impl AsRef<[u8]>, flags: &str) -> (RecordBatch, Ran) {
    std::fs::write(dir.path(file), text).unwrap();
    let ran = dir.ok(&format!("fit-transform {file} out.parquet --force {FIT} {flags}"));
    (read(&dir.path("out.parquet")), ran)
}

fn column_type(batch: &RecordBatch, column: &str) -> DataType {
    batch.schema().field_with_name(column).unwrap().data_type().clone()
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch.column_by_name(column).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// A column's values as text.
fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap();
    (0..batch.num_rows()).map(|row| array_value_to_string(column, row).unwrap()).collect()
}

/// Asserts that a file of plain rows is read as such.
#[track_caller]
fn is_plain(batch: &RecordBatch) {
    assert_eq!(names(batch)[..3], ["x", "y", "word"]);
    let expected: Vec<f64> = (0..ROWS).map(|n| plain(n)[0].parse().unwrap()).collect();
    assert_eq!(floats(batch, "x"), expected);
    let words = texts(batch, "word");
    assert_eq!(words[..2], ["red", "blue"]);
}

#[test]
fn a_column_of_numbers_booleans_or_times_stays_so_with_words_for_null() {
    let dir = Workdir::new();
    let null = |n: usize, word: &str, value: String| if n.is_multiple_of(20) { word.to_owned() } else { value };
    for word in ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "\\N", "None", "-", ".", "#N/A", "?", " "] {
        let text = lines("x,y,count,flag,day,at,word", |n| {
            let x = number(n);
            let day = format!("2024-01-{:02}", n % 28 + 1);
            let values = [
                null(n, word, format!("{:.3}", 2.0 * x)),
                null(n, word, n.to_string()),
                null(n, word, (n % 3 == 0).to_string()),
                null(n, word, day.clone()),
                null(n, word, format!("{day} {:02}:00:00", n % 24)),
                null(n, word, plain(n)[2].clone()),
            ];
            format!("{x:.3},{}", values.join(","))
        });
        let (out, ran) = carried(&dir, "in.csv", text, "");
        for (column, expected) in [
            ("y", DataType::Float64),
            ("count", DataType::Int64),
            ("flag", DataType::Boolean),
            ("day", DataType::Date32),
            ("at", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ] {
            assert_eq!(column_type(&out, column), expected, "{word:?}");
            // Of numbers with decimals NaN is one.
            let is_nan = column == "y" && word.eq_ignore_ascii_case("nan");
            let nulls = if is_nan { 0 } else { ROWS / 20 };
            assert_eq!(out.column_by_name(column).unwrap().null_count(), nulls, "{word:?}");
            assert!(!is_nan || floats(&out, "y")[20].is_nan());
        }
        // Of words it is one.
        let words = out.column_by_name("word").unwrap();
        assert_eq!(words.null_count(), if word.is_empty() { ROWS / 20 } else { 0 }, "{word:?}");
        if !word.is_empty() {
            assert_eq!(texts(&out, "word")[20], word);
            ran.says(&[&format!("column \"count\": 15 values are read as null, such as {word:?}")]);
        }
    }
}

#[test]
fn given_words_are_null_in_every_column_and_no_others_are() {
    let dir = Workdir::new();
    let text = lines("x,y,word,other", |n| {
        let [x, y, word] = plain(n);
        match n % 10 {
            3 => format!("{x},-999,nothing,-"),
            _ => format!("{x},{y},{word},{n}"),
        }
    });
    let (out, _) = carried(&dir, "in.csv", text, "--csv-null -999,nothing");
    let nulls = |column: &str| out.column_by_name(column).unwrap().null_count();
    assert_eq!((nulls("y"), nulls("word"), nulls("other")), (30, 30, 0));
    assert_eq!(column_type(&out, "other"), DataType::Utf8);
}

#[test]
fn a_model_reads_words_for_null_in_columns_it_knows_as_numbers_and_words_elsewhere() {
    let dir = Workdir::new();
    let row = |n: usize, count: &str, word: &str| format!("{:.3},{count},{word}", number(n));
    let text = lines("x,count,word", |n| row(n, &n.to_string(), if n % 2 == 0 { "NA" } else { "EU" }));
    std::fs::write(dir.path("in.csv"), text).unwrap();
    dir.ok(&format!("fit in.csv {FIT} --columns x,count,word"));
    // All of each column.
    std::fs::write(dir.path("next.csv"), lines("x,count,word", |n| row(n, "NA", "NA"))).unwrap();
    dir.ok("transform next.csv out.parquet");
    let out = read(&dir.path("out.parquet"));
    assert_eq!(column_type(&out, "count"), DataType::Int64);
    assert_eq!(out.column_by_name("count").unwrap().null_count(), ROWS);
    assert_eq!(texts(&out, "word")[7], "NA");
}

#[test]
fn delimiters_decimal_commas_and_encodings_are_found() {
    let dir = Workdir::new();
    let with = |delimiter: &str| lines(&["x", "y", "word"].join(delimiter), |n| plain(n).join(delimiter));
    for (file, text) in [
        ("comma.csv", with(",")),
        ("semicolon.csv", with(";")),
        ("tab.csv", with("\t")),
        ("tab.tsv", with("\t")),
        ("pipe.csv", with("|")),
        ("decimal.csv", with(";").replace('.', ",")),
        ("mark.csv", format!("\u{feff}{}", with(","))),
        ("return.csv", with(",").replace('\n', "\r\n")),
        ("mac.csv", with(",").replace('\n', "\r")),
        ("spaces.csv", with(", ").replace(", red", ",red").replace(", blue", ",blue")),
    ] {
        is_plain(&carried(&dir, file, text, "").0);
    }
    let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{}", with(",")).encode_utf16().flat_map(bytes).collect()
    };
    is_plain(&carried(&dir, "little.csv", utf16(u16::to_le_bytes), "").0);
    is_plain(&carried(&dir, "big.csv", utf16(u16::to_be_bytes), "").0);
    std::fs::write(dir.path("mark.ndjson"), "\u{feff}{\"x\": 1}\n{\"x\": 2}\n").unwrap();
    dir.ok("inspect mark.ndjson").prints(&["x "]);
    // What is given needs no looking.
    is_plain(&carried(&dir, "colon.csv", with(":"), "--csv-delimiter :").0);
    is_plain(&carried(&dir, "named.csv", with("\t"), "--csv-delimiter tab").0);
    let quoted = lines("x,y,word", |n| format!("'{}',{}", plain(n)[..2].join("','").replace('.', ","), plain(n)[2]));
    is_plain(&carried(&dir, "quoted.csv", quoted, "--csv-quote ' --csv-decimal comma").0);
    // A file that has points, too, has commas as it may.
    let text = lines("x;y;word;id", |n| format!("{};7,{n}", plain(n).join(";")));
    let (out, _) = carried(&dir, "both.csv", text, "");
    is_plain(&out);
    assert_eq!(texts(&out, "id")[12], "7,12");
    dir.fails(2, "inspect in.csv --csv-delimiter ab").says(&["\"ab\" is neither a mark such as ; nor tab"]);
}

#[test]
fn a_first_line_may_name_the_delimiter() {
    let dir = Workdir::new();
    let text = lines("x;y;word", |n| plain(n).join(";"));
    let (expected, _) = carried(&dir, "plain.csv", &text, "");
    for (name, first) in [("lf.csv", "sep=;\n"), ("crlf.csv", "sep=;\r\n"), ("bom.csv", "\u{feff}sep=;\n")] {
        let (batch, _) = carried(&dir, name, format!("{first}{text}"), "");
        assert_eq!(batch.columns()[..3], expected.columns()[..3], "{name}");
    }
}

#[test]
fn times_without_seconds_are_times() {
    let dir = Workdir::new();
    let minute = |n: usize| format!("2024-03-{:02} {:02}:{:02}", 1 + n % 28, n % 24, n % 60);
    let text = |end: &str| lines("x,t", |n| format!("{:.3},{}{end}", number(n), minute(n)));
    let (expected, _) = carried(&dir, "seconds.csv", text(":00"), "");
    assert_eq!(column_type(&expected, "t"), DataType::Timestamp(TimeUnit::Millisecond, None));
    let (found, _) = carried(&dir, "minutes.csv", text(""), "");
    assert_eq!(found.columns(), expected.columns());
    let (zoned, _) = carried(&dir, "zoned.csv", text("+00:00"), "");
    assert_eq!(column_type(&zoned, "t"), DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    // One value among times with seconds.
    let mixed = lines("x,t", |n| format!("{:.3},{}{}", number(n), minute(n), if n == 7 { "" } else { ":00" }));
    assert_eq!(carried(&dir, "mixed.csv", mixed, "").0.columns(), expected.columns());
}

#[test]
fn a_title_over_the_header_is_named_as_the_cause() {
    let dir = Workdir::new();
    std::fs::write(dir.path("in.csv"), format!("Report of March\n\n{}", lines("x,y,word", |n| plain(n).join(","))))
        .unwrap();
    dir.fails(65, "fit in.csv").says(&[
        "line 3: 3 fields, where the first line has 1",
        "begins with a title",
        "--csv-comment",
    ]);
}

/// What the log says of each column of strings that are numbers or times to a person.
#[test]
fn numbers_and_dates_that_stay_text_are_named_with_the_reason() {
    let dir = Workdir::new();
    let row = |n: usize| {
        let (amount, day) = (1000.0 + 7.25 * n as f64, 1 + n % 28);
        let [thousands, rest] = [(amount / 1000.0) as u64, (amount % 1000.0) as u64];
        let known = if n % 10 == 3 { "missing".to_owned() } else { format!("{}.5", n % 50) };
        let number = n as f64;
        format!(
            "{:.2},\"{thousands},{rest:03}.25\",{day:02}.03.2024,{:02}:30,{known},{}",
            number.sin(),
            n % 24,
            ["a", "b"][n % 2]
        )
    };
    std::fs::write(dir.path("in.csv"), lines("x,amount,day,at,partly,word", row)).unwrap();
    let expected = [
        ("amount", "\"1,000.25\" looks like a number; numbers are read as in -1234.5"),
        ("day", "\"01.03.2024\" looks like a date; dates and times are read as in 2024-01-31"),
        ("at", "\"00:30\" looks like a time of the day"),
        ("partly", "its values are numbers, but for 10 % of them, such as \"missing\""),
    ];
    for command in ["inspect in.csv", "fit in.csv -m a.st --epochs 1 -q"] {
        let ran = dir.ok(command);
        for (column, why) in expected {
            ran.says(&[&format!("column \"{column}\" is read as text: {why}")]);
        }
        assert!(!ran.stderr().contains("\"word\" is read"), "{}", ran.stderr());
    }
    let ran = dir.ok("inspect in.csv --csv-null missing --exclude amount,day,at");
    assert!(!ran.stderr().contains("is read as text"), "{}", ran.stderr());
}

#[test]
fn a_file_without_names_gets_some() {
    let dir = Workdir::new();
    let rows = lines("", |n| plain(n).join(",")).trim_start().to_owned();
    let (out, ran) = carried(&dir, "in.csv", &rows, "");
    assert_eq!(
        (names(&out)[..3].to_vec(), out.num_rows()),
        (vec!["column_1".into(), "column_2".into(), "column_3".into()], ROWS)
    );
    ran.says(&["in.csv: the first line has values, not names; columns are named column_1"]);
    assert_eq!(carried(&dir, "in.csv", &rows, "--csv-header true").0.num_rows(), ROWS - 1);
    let (out, _) = carried(&dir, "in.csv", lines("x,y,word", |n| plain(n).join(",")), "--csv-header=false");
    assert_eq!((out.num_rows(), column_type(&out, "column_1")), (ROWS + 1, DataType::Utf8));
}

#[test]
fn names_that_are_empty_or_there_twice_are_replaced() {
    let dir = Workdir::new();
    let text = lines(",x,x,", |n| format!("{n},{:.3},{:.3},", number(n), 2.0 * number(n)));
    let (out, ran) = carried(&dir, "in.csv", text, "");
    assert_eq!(names(&out)[..4], ["column_1", "x", "x_2", "column_4"]);
    assert_eq!(out.column(0).as_primitive::<Int64Type>().value(7), 7);
    assert_eq!(out.column(3).null_count(), ROWS);
    ran.says(&["in.csv: columns without a name of their own are renamed", "column 3 is \"x_2\""]);
}

#[test]
fn a_line_that_is_not_a_row_is_an_error_or_left_out_and_counted() {
    let dir = Workdir::new();
    for (bad, says) in [
        ("1,2,red,extra", ["line 202", "4 fields, where the first line has 3; field 4 is \"extra\""]),
        ("1,2", ["column \"word\", line 202", "2 fields, where the first line has 3"]),
        ("1,2,dark, red", ["line 202", "field 4 is \" red\""]),
        ("1,\"2\"3,red", ["column \"y\", line 202", "text after the closing quote"]),
        ("1,2,\"red", ["column \"word\", line 202", "a quoted field that does not end"]),
    ] {
        let text = lines("x,y,word", |n| if n == 200 { bad.to_owned() } else { plain(n).join(",") });
        std::fs::write(dir.path("in.csv"), text).unwrap();
        let mut said = vec!["in.csv", "--csv-bad-lines skip"];
        said.extend(says);
        dir.fails(65, &format!("fit in.csv {FIT}")).says(&said);
        let ran = dir.ok(&format!("fit-transform in.csv out.parquet --force {FIT} --csv-bad-lines skip"));
        ran.says(&["in.csv: 1 line is not a row and is left out; the first is line 202"]);
        assert_eq!(read(&dir.path("out.parquet")).num_rows(), ROWS - 1, "{bad}");
    }
    // The last line of a file that was cut.
    let mut text = lines("x,y,word", |n| plain(n).join(","));
    write!(text, "1,\"2").unwrap();
    std::fs::write(dir.path("cut.csv"), &text).unwrap();
    dir.fails(65, "inspect cut.csv").says(&["cut.csv, column \"y\", line 302: a quoted field that does not end"]);
    dir.ok("inspect cut.csv --csv-bad-lines skip");
    std::fs::write(dir.path("cut.csv"), &text[..text.len() - 2]).unwrap();
    dir.fails(65, "inspect cut.csv").says(&["line 302: 2 fields"]);
}

#[test]
fn all_lines_that_are_not_rows_are_counted() {
    let dir = Workdir::new();
    let text = lines("x,y,word", |n| if n % 100 == 7 { "1,\"".to_owned() } else { plain(n).join(",") });
    std::fs::write(dir.path("in.csv"), text).unwrap();
    let ran = dir.ok(&format!("fit-transform in.csv out.parquet {FIT} --csv-bad-lines skip"));
    ran.says(&["in.csv: 3 lines are not rows and are left out; the first is line 9: "]);
    let expected: Vec<f64> = (0..ROWS).filter(|n| n % 100 != 7).map(|n| plain(n)[0].parse().unwrap()).collect();
    assert_eq!(floats(&read(&dir.path("out.parquet")), "x"), expected);
}

#[test]
fn dates_that_do_not_exist_large_integers_and_codes_are_text() {
    let dir = Workdir::new();
    let text = lines("x,y,day,at,big,code", |n| {
        let day = if n == 7 { "0000-00-00" } else { "2020-02-20" };
        let at = if n == 9 { "2020-02-30 00:00:00" } else { "2020-02-20 00:00:00" };
        let big = 14_857_091_259_186_476_033_u64 + n as u64;
        format!("{},{day},{at},{big},{}E{}", plain(n)[..2].join(","), n % 90 + 10, n % 5)
    });
    let (out, _) = carried(&dir, "in.csv", text, "");
    let words = |column: &str| texts(&out, column);
    assert_eq!((&words("day")[7][..], &words("at")[9][..]), ("0000-00-00", "2020-02-30 00:00:00"));
    assert_eq!((&words("big")[1][..], &words("code")[1][..]), ("14857091259186476034", "11E1"));
}

#[test]
fn whole_numbers_with_decimals_are_read_for_a_model_of_integers() {
    let dir = Workdir::new();
    std::fs::write(dir.path("in.csv"), lines("x,q", |n| format!("{:.3},{n}", number(n)))).unwrap();
    dir.ok(&format!("fit in.csv {FIT} --columns x,q"));
    dir.ok("transform in.csv same.parquet");
    std::fs::write(dir.path("next.csv"), lines("x,q", |n| format!("{:.3},{n}.0", number(n)))).unwrap();
    dir.ok("transform next.csv out.parquet");
    let (same, out) = (read(&dir.path("same.parquet")), read(&dir.path("out.parquet")));
    assert_eq!((column_type(&same, "q"), column_type(&out, "q")), (DataType::Int64, DataType::Float64));
    assert!(new_bits(&same) == new_bits(&out));
}

/// Lines of words with these bytes for `ä` and the sign of the euro.
fn words_of(letters: [&[u8]; 2]) -> Vec<u8> {
    let mut text = b"x,word\n".to_vec();
    for n in 0..ROWS {
        text.extend_from_slice(format!("{:.3},w", number(n)).as_bytes());
        text.extend_from_slice(letters[n % 2]);
        text.push(b'\n');
    }
    text
}

#[test]
fn a_text_that_is_no_utf_8_is_windows_1252_and_a_damaged_one_is_an_error() {
    let dir = Workdir::new();
    let (out, ran) = carried(&dir, "in.csv", words_of([b"\xe4", b"\x80"]), "");
    assert_eq!(texts(&out, "word")[..2], ["wä", "w€"]);
    ran.says(&["in.csv: it is not UTF-8, and is read as Windows-1252"]);
    // Also where bad lines are left out.
    let (out, _) = carried(&dir, "in.csv", words_of([b"\xe4", b"\x80"]), "--csv-bad-lines skip");
    assert_eq!((out.num_rows(), texts(&out, "word")[1].as_str()), (ROWS, "w€"));
    // One valid character tells that the others are damaged.
    std::fs::write(dir.path("bad.csv"), words_of(["ä".as_bytes(), b"\xe4"])).unwrap();
    dir.fails(65, "fit bad.csv -m new").says(&["line 3: invalid utf-8", "--csv-encoding names the encoding"]);
    let (out, _) = carried(&dir, "bad.csv", words_of(["ä".as_bytes(), b"\xe4"]), "--csv-bad-lines skip");
    assert_eq!(out.num_rows(), ROWS / 2);
    // A model reads the same words from the other encoding.
    dir.ok("fit in.csv -m vae.safetensors --epochs 1 --latent-dim 1 --hidden 4");
    std::fs::write(dir.path("utf8.csv"), words_of(["ä".as_bytes(), "€".as_bytes()])).unwrap();
    dir.ok("transform in.csv one.parquet");
    dir.ok("transform utf8.csv other.parquet");
    assert_eq!(new_bits(&read(&dir.path("one.parquet"))), new_bits(&read(&dir.path("other.parquet"))));
}

#[test]
fn an_encoding_may_be_given() {
    let dir = Workdir::new();
    let (out, ran) = carried(&dir, "in.csv", words_of([b"\x8a\xbf", b"\x88\xb0"]), "--csv-encoding Shift_JIS");
    assert_eq!(texts(&out, "word")[..2], ["w漢", "w芦"]);
    assert!(!ran.stderr().contains("Windows-1252"));
    let (out, _) = carried(&dir, "in.csv", words_of(["ä".as_bytes(), b"x"]), "--csv-encoding latin1");
    assert_eq!(texts(&out, "word")[0], "wÃ¤");
    dir.fails(2, "fit in.csv -m new --csv-encoding utf-9").says(&["is no encoding of the web"]);
}

#[test]
fn lines_of_a_given_character_are_comments() {
    let dir = Workdir::new();
    let text = format!(
        "# made by hand, with commas,,\n#\n{}# the end",
        lines("x,y,word", |n| {
            let comment = if n == 3 { "# half way\n" } else { "" };
            format!("{comment}{}", plain(n).join(","))
        })
    );
    let (out, _) = carried(&dir, "in.csv", &text, "--csv-comment #");
    is_plain(&out);
    assert_eq!(out.num_rows(), ROWS);
    // Nobody guesses it.
    std::fs::write(dir.path("in.csv"), text).unwrap();
    assert_ne!(dir.run("fit in.csv -m new").output.status.code(), Some(0));
    // Within a field it is a value.
    let (out, _) = carried(&dir, "in.csv", lines("x,y,word", |n| plain(n).join(",") + " #1"), "--csv-comment #");
    assert_eq!(texts(&out, "word")[..2], ["red #1", "blue #1"]);
}

#[test]
fn a_header_with_a_field_fewer_than_the_rows_lacks_the_name_of_the_first() {
    let dir = Workdir::new();
    for (delimiter, flags) in [(",", ""), ("\t", ""), (";", ""), (" ", "--csv-delimiter=space")] {
        let header = ["x", "y", "word"].map(|name| format!("\"{name}\"")).join(delimiter);
        let row = |n: usize| format!("\"row {n}\"{delimiter}{}", plain(n).join(delimiter));
        std::fs::write(dir.path("in.csv"), lines(&header, row)).unwrap();
        let mut command = dir.command(&format!("fit-transform in.csv out.parquet --force {FIT}"));
        if !flags.is_empty() {
            command.args(["--csv-delimiter", " "]);
        }
        let ran = Ran::of("fit-transform", command.output().unwrap()).exits(0);
        ran.says(&["the header has one field fewer than the rows; the first column is \"column_1\""]);
        let out = read(&dir.path("out.parquet"));
        assert_eq!(names(&out)[..4], ["column_1", "x", "y", "word"]);
        assert_eq!(
            (texts(&out, "column_1")[7].as_str(), floats(&out, "x")[7]),
            ("row 7", plain(7)[0].parse().unwrap())
        );
    }
    // A delimiter at the end of each line is no name of a row, and one odd line is a bad line.
    let trailing = lines("x,y,word", |n| plain(n).join(",") + ",");
    std::fs::write(dir.path("in.csv"), trailing).unwrap();
    dir.fails(65, "fit in.csv -m new").says(&["line 2: 4 fields, where the first line has 3"]);
    let odd = lines("x,y,word", |n| if n == 9 { "1,2,red,4".to_owned() } else { plain(n).join(",") });
    std::fs::write(dir.path("in.csv"), odd).unwrap();
    dir.fails(65, "fit in.csv -m new").says(&["line 11: 4 fields, where the first line has 3"]);
}
