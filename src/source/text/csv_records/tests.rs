//! What records text has, and which lines are none.

use std::io::BufReader;

use proptest::prelude::*;

use super::*;

/// The records, or the lines that are none, through a buffer of few bytes.
fn all(text: &[u8], delimiter: u8, width: Option<usize>) -> Vec<Result<Vec<String>, (u64, usize)>> {
    let from = BufReader::with_capacity(3, text);
    let mut records = CsvRecords::new(from, delimiter, b'"', &LongestLine::default());
    records.width = width;
    let (mut record, mut found) = (Record::default(), Vec::new());
    loop {
        match records.next(&mut record).unwrap() {
            Found::Record => found.push(Ok(record.fields().map(str::to_owned).collect())),
            Found::Bad(bad) => found.push(Err((bad.line, bad.field))),
            Found::End => return found,
        }
    }
}

#[test]
fn fields_are_as_the_csv_crate_has_them_unless_a_quote_is_stray() {
    let byte = prop::sample::select(b"a,\"\r\n\xc3\xa9".to_vec());
    proptest!(|(bytes in prop::collection::vec(byte, 0..24))| {
        let found = all(&bytes, b',', None);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice());
        let expected: Vec<_> = reader.records().collect();
        if found.iter().all(Result::is_ok) {
            let fields = |record: Result<csv::StringRecord, _>| record.unwrap().iter().map(str::to_owned).collect();
            let expected: Vec<Vec<String>> = expected.into_iter().map(fields).collect();
            prop_assert_eq!(found.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn a_line_that_is_no_record_costs_no_other_line() {
    let texts = |fields: [&str; 2]| Ok(fields.map(str::to_owned).to_vec());
    let text = b"a,b\n1,\"open\n2,c\n\n3,\"d\"e\n4,f,g\n5\n6,\"h\n\"\"i\"\r\n7,\xff\n8,j";
    let expected = [
        texts(["a", "b"]),
        Err((2, 1)),
        texts(["2", "c"]),
        Err((5, 1)),
        Err((6, 2)),
        Err((7, 1)),
        texts(["6", "h\n\"i"]),
        Err((10, 1)),
        texts(["8", "j"]),
    ];
    assert_eq!(all(text, b',', Some(2)), expected);
    assert_eq!(all(b"a;\"b;\"\rc;d", b';', Some(2)), [texts(["a", "b;"]), texts(["c", "d"])]);
    assert_eq!(all(b"x\n\"y", b',', Some(1)).last(), Some(&Err((2, 0))), "the last line is cut");
}
