//! Splits a line of newline-delimited JSON into values without changing their text.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde::de::IgnoredAny;
use serde_json::Value;

use super::column_values::{ColumnValues, Line, MAX_KEYS};

/// Most levels of nested lists and objects; deeper ones are read as text.
const MAX_DEPTH: usize = 32;

/// Checks that a line is a JSON object; the error is a message.
pub(super) fn check_object(line: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(line).map_or_else(Err, |_| lone_surrogate(line)).map_err(|error| {
        let (place, all) = (format!(" at line {} column {}", error.line(), error.column()), error.to_string());
        let at = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
        let fault = match ["NaN", "Infinity"].into_iter().find(|word| at.starts_with(word)) {
            Some(word) => format!("{word} is no number in JSON, write null"),
            None => all.strip_suffix(&place).unwrap_or(&all).to_owned(),
        };
        format!("not valid JSON at column {}: {fault}", error.column())
    })?;
    if line.trim_start().starts_with('{') { Ok(()) } else { Err("not a JSON object".to_owned()) }
}

/// The error of half a surrogate pair, which only a decoded text shows.
fn lone_surrogate(line: &str) -> serde_json::Result<()> {
    match ["\\ud", "\\uD"].iter().any(|escape| line.contains(escape)).then(|| serde_json::from_str::<Value>(line)) {
        Some(Err(error)) if error.to_string().contains("hex escape") => Err(error),
        _ => Ok(()),
    }
}

/// The items of a list, or alternating keys and values of an object, in valid JSON.
fn split_items(nested: &str) -> impl Iterator<Item = &str> {
    // Skips the opening bracket.
    let mut rest = nested.trim().get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        let (part, after) = rest.split_at(value_length(rest));
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Bytes of the value at the start of a text; 0 if there is none.
fn value_length(text: &str) -> usize {
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

/// The keys and values of an object.
pub(super) fn entries(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut parts = split_items(object);
    std::iter::from_fn(move || Some((unquote(parts.next()?), parts.next()?)))
}

/// Decodes a quoted JSON string.
fn unquote(quoted: &str) -> Cow<'_, str> {
    let within = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if !within.contains('\\') {
        return Cow::Borrowed(within);
    }
    serde_json::from_str(quoted).map_or(Cow::Borrowed(within), Cow::Owned)
}

/// Adds a value and all nested values to a summary.
pub(super) fn add_value(values: &mut ColumnValues, value: &str, line: &Line, level: usize, keys: &mut usize) {
    match value.as_bytes().first() {
        Some(b'[' | b'{') if level == MAX_DEPTH || values.is_text() => values.add_as_text(value, line),
        Some(b'[') => {
            let items = values.add_json_list(split_items(value).count(), value, line);
            split_items(value).for_each(|item| add_value(items, item, line, level + 1, keys));
        }
        Some(b'{') => {
            values.add_json_object(value, line);
            for (key, value) in sorted_entries(value) {
                if *keys > MAX_KEYS {
                    break;
                }
                add_value(values.field(&key, keys), value, line, level + 1, keys);
            }
        }
        Some(b'"') => values.add_json_string(&unquote(value), line),
        Some(b'n') | None => {}
        Some(_) => values.add_json_scalar(value, line),
    }
}

/// The summaries of a file's columns, with their number of keys, nested ones included.
#[derive(Default)]
pub(super) struct JsonColumns {
    all: ColumnValues,
    keys: usize,
}

impl JsonColumns {
    /// Adds the values of a row. Columns keep the order of the first row; new ones in later rows are sorted by name.
    ///
    /// # Errors
    /// A message, if there are too many columns.
    pub(super) fn add_row(&mut self, row: &str, line: &Line) -> Result<(), String> {
        if self.keys == 0 {
            for (key, _) in entries(row) {
                self.all.field(&key, &mut self.keys);
                self.limit_keys()?;
            }
        }
        for (key, value) in sorted_entries(row) {
            add_value(self.all.field(&key, &mut self.keys), value, line, 0, &mut self.keys);
            self.limit_keys()?;
        }
        Ok(())
    }

    /// Reads the column with the most keys as text while there are too many of them.
    fn limit_keys(&mut self) -> Result<(), String> {
        while self.keys > MAX_KEYS {
            if !self.all.turn_widest_to_text() {
                return Err(format!("more than {MAX_KEYS} columns; put keys that differ from row to row in an object"));
            }
            self.keys = self.all.key_count();
        }
        Ok(())
    }

    /// The columns in order.
    pub(super) fn into_fields(self) -> Vec<(String, ColumnValues)> {
        self.all.into_fields()
    }
}

/// The entries of an object sorted by key, so that the inferred type does not depend on their order in a line.
fn sorted_entries(object: &str) -> Vec<(Cow<'_, str>, &str)> {
    let mut sorted: Vec<_> = entries(object).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted
}

/// A reader that replaces the lists and objects of some columns by strings of their JSON text.
pub(super) struct NestedAsText<R> {
    from: R,
    columns: Vec<String>,
    line: Vec<u8>,
    at: usize,
}

impl<R: BufRead> NestedAsText<R> {
    pub(super) fn new(from: R, columns: Vec<String>) -> Self {
        Self { from, columns, line: Vec::new(), at: 0 }
    }

    /// Converts a line: lists and objects become strings; the JSON reader converts numbers and Booleans itself.
    fn convert(&self, line: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let entry = |(key, value): (Cow<'_, str>, &str)| {
            let is_nested = value.starts_with(['[', '{']) && self.columns.iter().any(|column| *column == key);
            let value = if is_nested { Cow::Owned(quoted(value)) } else { Cow::Borrowed(value) };
            format!("{}:{value}", quoted(&key))
        };
        format!("{{{}}}\n", entries(line).map(entry).collect::<Vec<_>>().join(","))
    }
}

impl<R: BufRead> BufRead for NestedAsText<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.line.len() {
            (self.at, self.line) = (0, Vec::new());
            self.from.read_until(b'\n', &mut self.line)?;
            // All lines are valid; blank ones stay.
            if let Some(line) = std::str::from_utf8(&self.line).ok().filter(|line| line.trim_start().starts_with('{')) {
                self.line = self.convert(line).into_bytes();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl<R: BufRead> Read for NestedAsText<R> {
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
    fn of(values: &[&str]) -> ColumnValues {
        let mut all = ColumnValues::default();
        for (number, value) in (1..).zip(values) {
            let line = format!("{{ \"x\" : {value} }}");
            check_object(&line).unwrap();
            let (_, value) = entries(&line).next().unwrap();
            add_value(&mut all, value, &Line { path: Path::new("a.ndjson").into(), number }, 0, &mut 0);
        }
        all
    }

    #[test]
    fn the_inferred_type_holds_all_values() {
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
            (&["{\"a\": true}", "{\"a\": \"true\"}"], DataType::Utf8),
        ] {
            assert_eq!(of(values).data_type(), expected, "{values:?}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(of(&[&deep]).is_mixed());
        assert!(of(&["true", "\"true\""]).is_mixed() && !of(&["7", "\"7\""]).is_mixed());
    }

    #[test]
    fn objects_with_too_many_keys_are_read_as_text_and_too_many_columns_are_refused() {
        let line = |number| Line { path: Path::new("a.ndjson").into(), number };
        let mut columns = JsonColumns::default();
        for n in 0..2 * MAX_KEYS {
            let row = format!("{{\"m\": {{\"k{n}\": 1}}, \"s\": {{\"k\": {n}}}}}");
            columns.add_row(&row, &line(n as u64)).unwrap();
            assert!(columns.keys <= MAX_KEYS);
        }
        let fields = vec![Field::new("k", DataType::Int64, true)];
        let types: Vec<_> = columns.all.clone().into_fields().iter().map(|(_, values)| values.data_type()).collect();
        assert_eq!(types, [DataType::Utf8, DataType::Struct(fields.into())]);
        let mut add = |n| columns.add_row(&format!("{{\"c{n}\": 1}}"), &line(1));
        (0..MAX_KEYS - 2).for_each(|n| add(n).unwrap());
        assert!(add(MAX_KEYS).unwrap_err().starts_with("more than 10000 columns"));
    }

    #[test]
    fn texts_are_not_numbers_and_numbers_are_not_texts() {
        assert!(!of(&["\"7\""]).holds(&DataType::Int64) && !of(&["7"]).holds(&DataType::Utf8));
        assert!(of(&["\"2020-01-01\""]).holds(&DataType::Date32) && !of(&["18000"]).holds(&DataType::Date32));
        let fixed = |length| DataType::FixedSizeList(Field::new_list_field(DataType::Float32, true).into(), length);
        assert!(of(&["[1, 0.5]"]).holds(&fixed(2)) && !of(&["[1, 0.5]"]).holds(&fixed(3)));
        assert!(!of(&["[1, 0.123456789]"]).holds(&fixed(2)));
    }

    #[test]
    fn only_an_object_is_a_row() {
        assert_eq!(check_object("[1]").unwrap_err(), "not a JSON object");
        assert_eq!(check_object("{\"a\": 1").unwrap_err(), "not valid JSON at column 7: EOF while parsing an object");
        assert!(check_object(" {\"a\": 1e400} \n").is_ok());
        let fault = "not valid JSON at column 7: NaN is no number in JSON, write null";
        assert_eq!(check_object("{\"a\": NaN}").unwrap_err(), fault);
    }

    #[test]
    fn nested_values_become_their_json_text() {
        let lines = "{\"a\": {\"x\\\"\": [1, \"}\"]}, \"b\": [1], \"a\\\"\": 1.50}\n{\"a\": \"t\", \"c\":{}}\n\n";
        let mut text = String::new();
        NestedAsText::new(lines.as_bytes(), vec!["a".into(), "c".into()]).read_to_string(&mut text).unwrap();
        let rows: Vec<Value> = text.lines().take(2).map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["a"], "{\"x\\\"\": [1, \"}\"]}");
        assert_eq!((&rows[0]["b"], &rows[0]["a\""]), (&serde_json::json!([1]), &serde_json::json!(1.5)));
        assert_eq!((&rows[1]["a"], &rows[1]["c"]), (&"t".into(), &"{}".into()));
        assert!(text.contains("1.50") && text.ends_with("\n\n"));
    }
}
