//! A line of newline-delimited JSON, taken apart without a change to how its values are written.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde::de::IgnoredAny;

use super::values::{Line, Values};

/// Levels of lists and objects that are looked at.
const MOST_LEVELS: usize = 32;

/// Checks that a line is an object; in words what it is else.
pub(super) fn check(line: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(line).map_err(|error| {
        let (place, all) = (format!(" at line {} column {}", error.line(), error.column()), error.to_string());
        format!("at column {} it is no JSON: {}", error.column(), all.strip_suffix(&place).unwrap_or(&all))
    })?;
    if line.trim_start().starts_with('{') { Ok(()) } else { Err("it is no JSON object".to_owned()) }
}

/// The values of an object, or items of a list, of JSON that was checked; of an object, keys and values in turn.
fn parts(nested: &str) -> impl Iterator<Item = &str> {
    // Within its own brackets.
    let mut rest = nested.trim().get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        let (part, after) = rest.split_at(end(rest));
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Bytes of the value that a text begins with; 0 if it begins with none.
fn end(text: &str) -> usize {
    let (mut level, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && level == 0 {
                    return at + 1;
                }
            }
            _ if quoted => {}
            b'[' | b'{' => level += 1,
            b']' | b'}' if level == 0 => return at,
            b']' | b'}' => {
                level -= 1;
                if level == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if level == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Keys and values of an object.
fn entries(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut parts = parts(object);
    std::iter::from_fn(move || Some((text(parts.next()?), parts.next()?)))
}

/// What a text in quotes means.
fn text(quoted: &str) -> Cow<'_, str> {
    let within = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if !within.contains('\\') {
        return Cow::Borrowed(within);
    }
    // Half of a pair of surrogates has no meaning; whoever reads it says so.
    serde_json::from_str(quoted).map_or(Cow::Borrowed(within), Cow::Owned)
}

/// Takes note of a value and all in it.
fn see(values: &mut Values, value: &str, line: &Line, level: usize) {
    match value.as_bytes().first() {
        Some(b'[' | b'{') if level == MOST_LEVELS => values.see_deep(value, line),
        Some(b'[') => {
            let items = values.see_list(parts(value).count(), value, line);
            parts(value).for_each(|item| see(items, item, line, level + 1));
        }
        Some(b'{') => {
            values.see_object(value, line);
            see_fields(values, value, line, level + 1);
        }
        Some(b'"') => values.see_quoted(&text(value), line),
        Some(b'n') | None => {}
        Some(_) => values.see_bare(value, line),
    }
}

/// The columns of the first row in its order, before there is a value in them.
pub(super) fn see_first(columns: &mut Values, row: &str) {
    for (key, _) in entries(row) {
        columns.field(&key);
    }
}

/// Takes note of the columns of a row; those not seen before in the order of their names.
pub(super) fn see_row(columns: &mut Values, row: &str, line: &Line) {
    see_fields(columns, row, line, 0);
}

fn see_fields(values: &mut Values, object: &str, line: &Line, level: usize) {
    // The reader takes fields by name, in whatever order a line has them.
    let mut sorted: Vec<_> = entries(object).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (key, value) in sorted {
        see(values.field(&key), value, line, level);
    }
}

/// Lines in which some columns' lists and objects are the texts they are.
pub(super) struct Unnested<R> {
    from: R,
    columns: Vec<String>,
    line: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Unnested<R> {
    pub(super) fn new(from: R, columns: Vec<String>) -> Self {
        Self { from, columns, line: Vec::new(), at: 0 }
    }

    /// A line with texts in place of what is nested.
    fn unnested(&self, line: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let entry = |(key, value): (Cow<'_, str>, &str)| {
            let is_nested = value.starts_with(['[', '{']) && self.columns.iter().any(|column| *column == key);
            let value = if is_nested { Cow::Owned(quoted(value)) } else { Cow::Borrowed(value) };
            format!("{}:{value}", quoted(&key))
        };
        format!("{{{}}}\n", entries(line).map(entry).collect::<Vec<_>>().join(","))
    }
}

impl<R: BufRead> BufRead for Unnested<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.line.len() {
            (self.at, self.line) = (0, Vec::new());
            self.from.read_until(b'\n', &mut self.line)?;
            // What is none goes to the reader as it is.
            if let Some(line) = std::str::from_utf8(&self.line).ok().filter(|line| check(line).is_ok()) {
                self.line = self.unnested(line).into_bytes();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl<R: BufRead> Read for Unnested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::datatypes::{DataType, Field};
    use serde_json::Value;

    use super::*;

    /// The type of the values of `x` in some lines.
    fn of(values: &[&str]) -> Values {
        let mut all = Values::default();
        for (number, value) in (1..).zip(values) {
            let line = format!("{{ \"x\" : {value} }}");
            check(&line).unwrap();
            let (_, value) = entries(&line).next().unwrap();
            see(&mut all, value, &Line { path: Path::new("a.ndjson").into(), number }, 0);
        }
        all
    }

    #[test]
    fn values_are_of_the_type_that_has_all_of_them() {
        let list = |items| DataType::List(Field::new_list_field(items, true).into());
        for (values, expected) in [
            (&["1", "null"][..], DataType::Int64),
            (&["1", "7.5"], DataType::Float64),
            (&["14857091259186476033"], DataType::Utf8),
            (&["1", "\"1\""], DataType::Utf8),
            (&["\"2020-01-01\""], DataType::Utf8),
            (&["\"7\""], DataType::Utf8),
            (&["true", "false"], DataType::Boolean),
            (&["[1, 2]", "[]", "[0.5]"], list(DataType::Float64)),
            (&["[[1], [2, 3]]"], list(list(DataType::Int64))),
            (&["[]"], list(DataType::Utf8)),
            (
                &["{\"b\": 1, \"a\": \"}\"}"],
                DataType::Struct(
                    vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Int64, true)].into(),
                ),
            ),
            (&["{}", "null"], DataType::Utf8),
            (&["{\"a\": {}}"], DataType::Utf8),
            (&["{\"a\": 1}", "[1]"], DataType::Utf8),
            (&["[1]", "1"], DataType::Utf8),
        ] {
            assert_eq!(of(values).data_type(), expected, "{values:?}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(of(&[&deep]).is_mixed());
    }

    #[test]
    fn a_text_is_no_number_and_a_number_no_text() {
        assert!(!of(&["\"7\""]).holds(&DataType::Int64) && !of(&["7"]).holds(&DataType::Utf8));
        assert!(of(&["\"2020-01-01\""]).holds(&DataType::Date32) && !of(&["18000"]).holds(&DataType::Date32));
        let fixed = |length| DataType::FixedSizeList(Field::new_list_field(DataType::Float32, true).into(), length);
        assert!(of(&["[1, 0.5]"]).holds(&fixed(2)) && !of(&["[1, 0.5]"]).holds(&fixed(3)));
        assert!(!of(&["[1, 0.123456789]"]).holds(&fixed(2)));
    }

    #[test]
    fn only_an_object_is_a_row() {
        assert_eq!(check("[1]").unwrap_err(), "it is no JSON object");
        assert_eq!(check("{\"a\": 1").unwrap_err(), "at column 7 it is no JSON: EOF while parsing an object");
        assert!(check(" {\"a\": 1e400} \n").is_ok());
    }

    #[test]
    fn what_is_nested_becomes_a_text_that_says_the_same() {
        let lines = "{\"a\": {\"x\\\"\": [1, \"}\"]}, \"b\": [1], \"a\\\"\": 1.50}\n{\"a\": \"t\", \"c\":{}}\n";
        let mut text = String::new();
        Unnested::new(lines.as_bytes(), vec!["a".into(), "c".into()]).read_to_string(&mut text).unwrap();
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["a"], "{\"x\\\"\": [1, \"}\"]}");
        assert_eq!((&rows[0]["b"], &rows[0]["a\""]), (&serde_json::json!([1]), &serde_json::json!(1.5)));
        assert_eq!((&rows[1]["a"], &rows[1]["c"]), (&"t".into(), &"{}".into()));
        assert!(text.contains("1.50"));
    }
}
