//! Finds out how a CSV file is written, from its first lines and from what the user says.

use std::collections::HashSet;

use super::csv_format::CsvFormat;
use super::csv_records::{CsvRecords, Found, Record};
use super::line_length::LongestLine;
use super::text_value::{TextValue, with_seconds};
use crate::config::{BadLines, CsvConfig, DecimalMark};

/// Most bytes of a file that are looked at.
pub(super) const SAMPLE_BYTES: u64 = 256 << 10;

/// Most lines of a sample that are not records.
const MAX_BAD_LINES: usize = 32;

/// Delimiters that files have; of two that fit alike the first is taken.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

impl CsvFormat {
    /// Finds the format of a file that begins with `sample`. In `*.tsv` the delimiter is a tab, and a first line such as `sep=;`
    /// names it.
    pub(super) fn find(sample: &[u8], is_tsv: bool, config: &CsvConfig) -> Self {
        let quote = config.quote.unwrap_or(b'"');
        let (named, sample) = named_delimiter(sample).map_or((None, sample), |(named, rest)| (Some(named), rest));
        let given = config.delimiter.or(named).or(is_tsv.then_some(b'\t'));
        let candidates = given.map_or(DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
        let tried =
            candidates.into_iter().map(|delimiter| (delimiter, records_of(sample, delimiter, quote, config.comment)));
        let (delimiter, records) = tried
            .reduce(|best, next| if fit(&next.1) > fit(&best.1) { next } else { best })
            .unwrap_or((b',', Vec::new()));
        Self {
            delimiter,
            names_delimiter: named.is_some(),
            quote,
            has_header: config.header.unwrap_or_else(|| has_row_names(&records) || !has_values_first(&records)),
            has_row_names: config.header != Some(false) && has_row_names(&records),
            comment: config.comment,
            decimal_comma: config
                .decimal
                .map(|mark| mark == DecimalMark::Comma)
                .or((delimiter == b',').then_some(false)),
            null: config.null.clone(),
            skips_bad_lines: config.bad_lines == Some(BadLines::Skip),
        }
    }
}

/// The delimiter that the first line names, as in `sep=;`, and what follows.
fn named_delimiter(sample: &[u8]) -> Option<(u8, &[u8])> {
    let (&named, rest) = sample.strip_prefix(b"sep=")?.split_first()?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    let is_delimiter = named.is_ascii_punctuation() || named == b'\t';
    rest.strip_prefix(b"\n").filter(|_| is_delimiter && named != b'"').map(|rest| (named, rest))
}

/// The records of a sample, whose last one may be cut.
fn records_of(sample: &[u8], delimiter: u8, quote: u8, comment: Option<u8>) -> Vec<Vec<String>> {
    let mut reader = CsvRecords::new(sample, delimiter, quote, &LongestLine::default());
    reader.comment = comment;
    let (mut record, mut records, mut bad_lines) = (Record::default(), Vec::new(), 0);
    // After each of these the rest may have to be parsed again.
    while bad_lines < MAX_BAD_LINES {
        match reader.next(&mut record) {
            Ok(Found::Record) => records.push(record.fields().map(|field| field.trim().to_owned()).collect()),
            Ok(Found::Bad(_)) => bad_lines += 1,
            Ok(Found::End) | Err(_) => break,
        }
    }
    if records.len() > 1 && sample.len() as u64 == SAMPLE_BYTES {
        records.pop();
    }
    records
}

/// How well a delimiter fits: the share of records, in 1/1000, that have as many fields as the first one, and this number.
/// One that the first record does not have does not fit.
fn fit(records: &[Vec<String>]) -> (usize, usize) {
    let width = records.first().map_or(0, Vec::len);
    if has_row_names(records) {
        // A delimiter that the first record has, too, fits better: decimal commas also part lines into one field more.
        return (1000, width);
    }
    let alike = records.iter().filter(|record| record.len() == width).count();
    if width < 2 { (0, 0) } else { (1000 * alike / records.len(), width) }
}

/// Whether the first record has one field fewer than all others, as R writes a table: their first fields are names of the rows.
/// Others may end with a delimiter, before which there is nothing.
fn has_row_names(records: &[Vec<String>]) -> bool {
    let Some((first, others)) = records.split_first() else { return false };
    !others.is_empty()
        && others.iter().all(|other| other.len() == first.len() + 1)
        && others.iter().any(|other| other.last().is_some_and(|last| !last.is_empty()))
}

/// Whether the first record has values rather than names: each is like the others of its column, numbers and times by their
/// kind and words by coming again, and one cannot be a name: a number with decimals or a sign, a time, or a number that
/// stands there twice.
fn has_values_first(records: &[Vec<String>]) -> bool {
    let Some((first, others)) = records.split_first() else { return false };
    let (mut numbers, mut has_value) = (HashSet::new(), false);
    for (n, text) in first.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        let value = |text: &str| TextValue::parse(&with_seconds(text));
        let mut column = others.iter().filter_map(|record| record.get(n)).filter(|other| !other.is_empty());
        let fits = match value(text) {
            TextValue::Integer(_) | TextValue::Decimal(_) => {
                has_value |= text.contains(['.', '-']) || !numbers.insert(text);
                !others.is_empty()
                    && column.all(|other| matches!(value(other), TextValue::Integer(_) | TextValue::Decimal(_)))
            }
            TextValue::Time(_) => {
                has_value = true;
                !others.is_empty() && column.all(|other| matches!(value(other), TextValue::Time(_)))
            }
            _ => column.any(|other| other == text),
        };
        if !fits {
            return false;
        }
    }
    has_value
}

/// The names of columns: those of the header, each once. One without a name is called by its place, and one with the name of
/// another gets a number. The places of both come with them.
pub(super) fn names_of<'a>(header: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<usize>) {
    let header: Vec<&str> = header.map(str::trim).collect();
    let (mut taken, mut renamed): (HashSet<String>, _) = (HashSet::new(), Vec::new());
    let given: HashSet<&str> = header.iter().copied().collect();
    let mut names = Vec::new();
    for (n, &name) in header.iter().enumerate() {
        let mut unique = if name.is_empty() { format!("column_{}", n + 1) } else { name.to_owned() };
        let base = unique.clone();
        for number in 2.. {
            let is_own = unique == name && !taken.contains(name);
            if is_own || !(taken.contains(&unique) || given.contains(unique.as_str())) {
                break;
            }
            unique = format!("{base}_{number}");
        }
        if unique != name {
            renamed.push(n);
        }
        taken.insert(unique.clone());
        names.push(unique);
    }
    (names, renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> CsvFormat {
        CsvFormat::find(text.as_bytes(), false, &CsvConfig::default())
    }

    #[test]
    fn the_delimiter_parts_all_lines_alike() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3;4\n", b';'),
            ("day;x\n31.01.2024;1,5\n01.02.2024;2,5\n", b';'),
            ("a,b\nx,1,2\ny,3,4\n", b','),
            ("a\tb\n1 2\t3\n", b'\t'),
            ("a|b|c\n1|2,0|3\n", b'|'),
            ("a,b\n1,x;y;z\n2,3\n", b','),
            ("a,\"b;c\"\n1,2\n", b','),
            ("a\n1\n", b','),
            ("", b','),
            ("a,b\n1,2\n3,4,5\n", b','),
            ("when;what, how\n1;2\n3;4, 5\n", b';'),
        ] {
            assert_eq!(find(text).delimiter as char, delimiter as char, "{text:?}");
        }
        assert_eq!(CsvFormat::find(b"a,b\n1,2\n", true, &CsvConfig::default()).delimiter, b'\t');
        for text in ["sep=;\na,b;c\n1,2;3\n", "sep=;\r\na,b;c\r\n1,2;3\r\n"] {
            let format = find(text);
            assert_eq!((format.delimiter, format.names_delimiter, format.has_header), (b';', true, true), "{text:?}");
        }
        assert!(!find("sep=a\n1\n").names_delimiter && !find("sep=;b\n1;2\n").names_delimiter);
    }

    #[test]
    fn a_sample_of_bad_lines_is_looked_at_in_linear_time() {
        let text = "x,y\n".to_owned() + &"a\",\"b\n".repeat(30_000);
        assert_eq!(find(&text).delimiter, b',');
    }

    #[test]
    fn a_first_line_of_values_is_no_header() {
        for (text, has_header) in [
            ("5.1,3.5,setosa\n4.9,3.0,setosa\n", false),
            ("0,0,7\n1,2,3\n", false),
            ("2020-01-01,7\n2020-01-02,8\n", false),
            ("2020-01-01 12:30,up\n2020-01-02 12:30:15,up\n", false),
            ("-1,2\n3,4\n", false),
            ("a,b\n1,2\n", true),
            ("0,1,2\n5,6,7\n", true),
            ("id,0.1,0.5\n7,1,2\n", true),
            ("id,2020-01-01\n7,1\n", true),
            ("0.1,0.5\nx,y\n", true),
            ("a,b\n1.5,x\na,b\n", true),
            ("1.5,2.5\n", true),
            (",x\n0,1.5\n", true),
        ] {
            assert_eq!(find(text).has_header, has_header, "{text:?}");
        }
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let (names, renamed) = names_of(["x", " y ", "x", "", "x_2", "column_4", "x"].into_iter());
        assert_eq!(names, ["x", "y", "x_3", "column_4_2", "x_2", "column_4", "x_4"]);
        assert_eq!(renamed, [2, 3, 6]);
    }
}
