//! A summary of all values of a text column, from which its type is inferred.

mod fitting;
mod held_types;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::csv_format::{CsvFormat, has_decimal_comma, is_code, is_nan};
use super::text_value::{TextValue, TimeKind, is_exact_f32, is_exact_f64};

/// Most distinct keys of a JSON file, including keys of nested objects. Each takes about 1 KB here, and an array in every
/// batch: 10,000 take 640 MiB for 8192 rows.
pub(super) const MAX_KEYS: usize = 10_000;

/// The position of a value: a line of a file.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) path: Arc<Path>,
    /// From 1.
    pub(crate) number: u64,
}

/// The kind of a value. The first value of each kind is kept as an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Boolean,
    Integer,
    Padded,
    Decimal,
    Date,
    Local,
    Zoned,
    /// A decimal with a comma, where numbers have points.
    Comma,
    Text,
    /// A word that is null unless the column is text; so is NaN.
    NullWord,
    Nan,
    List,
    Object,
}

use ValueKind::{Boolean, Comma, Date, Decimal, Integer, List, Local, Nan, NullWord, Object, Padded, Text, Zoned};

const KINDS: [ValueKind; 13] =
    [Boolean, Integer, Padded, Decimal, Date, Local, Zoned, Comma, Text, NullWord, Nan, List, Object];

/// A summary of the values of a column or of a nested field.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnValues {
    examples: [Option<(Line, String)>; KINDS.len()],
    /// Whether values come from JSON, where quotes make a text.
    json: bool,
    /// Number of values that are null unless the column is text, and of those that are NaN.
    null_words: u64,
    nans: u64,
    /// The least and greatest integer, and the first that f64 does not hold exactly.
    integers: Option<(i128, i128)>,
    inexact_f64: Option<(Line, String)>,
    /// Most digits before and after the point; whether a number has no fixed number of digits, or f32 does not hold it.
    digits: (usize, usize),
    has_non_decimal: bool,
    has_inexact_f32: bool,
    /// Most decimals of seconds, also without trailing zeros, and the range of seconds since 1970.
    decimals: usize,
    significant_decimals: usize,
    seconds: Option<(i64, i64)>,
    /// The items of lists and the range of list lengths.
    items: Option<Box<ColumnValues>>,
    lengths: Option<(usize, usize)>,
    /// The fields of objects, and the index of each key.
    fields: Vec<(String, ColumnValues)>,
    field_indexes: HashMap<String, usize>,
    /// Whether lists and objects are read as JSON text.
    as_text: bool,
}

impl ColumnValues {
    /// Adds the text of a CSV field.
    pub(super) fn add_csv(&mut self, text: &str, format: &CsvFormat, line: &Line) {
        if format.is_null(text) {
            return;
        }
        if format.is_null_word(text) {
            let kind = if is_nan(text) { Nan } else { NullWord };
            let count = if kind == Nan { &mut self.nans } else { &mut self.null_words };
            *count += 1;
            return self.keep_example(kind, text, line);
        }
        let plain = format.plain(text);
        match TextValue::parse(&plain) {
            TextValue::Decimal(_) if format.has_other_mark(text) || is_code(text) => {
                self.keep_example(Text, text, line)
            }
            TextValue::Text if has_decimal_comma(&plain) => self.keep_example(Comma, text, line),
            TextValue::Text => self.keep_example(Text, text, line),
            value => self.add(value, &plain, line),
        }
    }

    /// Whether the values are numbers, and some have a decimal comma where points are expected.
    pub(super) fn has_only_decimal_commas(&self) -> bool {
        self.has(Comma) && self.only(&[Integer, Comma])
    }

    /// Whether the values are numbers, and some have a decimal point.
    pub(super) fn has_decimal_points(&self) -> bool {
        self.digits.1 > 0 && self.only(&[Integer, Decimal])
    }

    /// Number of the words that are read as null, and the first of them.
    pub(super) fn null_words(&self) -> Option<(u64, &str)> {
        let data_type = self.data_type();
        let (kinds, count) = match data_type.is_floating() {
            true => (&[NullWord][..], self.null_words),
            false => (&[NullWord, Nan][..], self.null_words + self.nans),
        };
        let words = kinds.iter().filter_map(|&kind| self.examples[kind as usize].as_ref());
        let (_, first) = words.min_by_key(|(line, _)| line.number)?;
        (!data_type.is_string()).then_some((count, first))
    }

    /// Adds a JSON string, without its quotes.
    pub(super) fn add_json_string(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.add(TextValue::parse_quoted(text), text, line);
    }

    /// Adds a JSON number, `true` or `false`.
    pub(super) fn add_json_scalar(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.add(TextValue::parse(text), text, line);
    }

    /// Adds a JSON list of `length` items; returns the summary to add the items to.
    pub(super) fn add_json_list(&mut self, length: usize, text: &str, line: &Line) -> &mut Self {
        self.json = true;
        self.keep_example(List, text, line);
        self.lengths = union_of_ranges(self.lengths, Some((length, length)));
        self.items.get_or_insert_default()
    }

    /// Adds a JSON object; its values are added to [`field`](Self::field).
    pub(super) fn add_json_object(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.keep_example(Object, text, line);
    }

    /// The summary of an object key; `keys` counts new keys.
    pub(super) fn field(&mut self, key: &str, keys: &mut usize) -> &mut Self {
        let index = self.field_indexes.get(key).copied().unwrap_or_else(|| {
            *keys += 1;
            self.field_indexes.insert(key.to_owned(), self.fields.len());
            self.fields.push((key.to_owned(), Self::default()));
            self.fields.len() - 1
        });
        &mut self.fields[index].1
    }

    /// Number of distinct object keys, nested ones included.
    pub(super) fn key_count(&self) -> usize {
        let within = self.items.as_deref().map_or(0, Self::key_count);
        within + self.fields.iter().map(|(_, values)| 1 + values.key_count()).sum::<usize>()
    }

    /// The summaries of all object keys, in order of first appearance.
    pub(super) fn into_fields(self) -> Vec<(String, Self)> {
        self.fields
    }

    /// Adds a list or object that is too deep to parse: all lists and objects become text.
    pub(super) fn add_as_text(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.keep_example(Object, text, line);
        self.turn_to_text();
    }

    /// Whether lists and objects are read as text.
    pub(super) fn is_text(&self) -> bool {
        self.as_text
    }

    /// Reads the column with the most nested keys as text; `false` if none has nested keys.
    pub(super) fn turn_widest_to_text(&mut self) -> bool {
        let columns = self.fields.iter_mut().map(|(_, values)| (values.key_count(), values));
        match columns.max_by_key(|(keys, _)| *keys) {
            Some((1.., values)) => {
                values.turn_to_text();
                true
            }
            _ => false,
        }
    }

    fn turn_to_text(&mut self) {
        self.as_text = true;
        (self.items, self.fields, self.field_indexes) = (None, Vec::new(), HashMap::new());
    }

    fn add(&mut self, value: TextValue, text: &str, line: &Line) {
        let kind = match value {
            TextValue::Boolean => Boolean,
            TextValue::Padded => Padded,
            TextValue::Text => Text,
            TextValue::Integer(value) => {
                self.integers = union_of_ranges(self.integers, Some((value, value)));
                self.digits.0 = self.digits.0.max(text.trim_start_matches('-').len());
                if self.inexact_f64.is_none() && !is_exact_f64(text) {
                    self.inexact_f64 = Some(excerpt(text, line));
                }
                Integer
            }
            TextValue::Decimal(digits) => {
                let (whole, fraction) = digits.unwrap_or_default();
                self.digits = (self.digits.0.max(whole), self.digits.1.max(fraction));
                self.has_non_decimal |= digits.is_none();
                Decimal
            }
            TextValue::Time(time) => {
                self.decimals = self.decimals.max(time.decimals);
                self.significant_decimals = self.significant_decimals.max(time.significant_decimals);
                self.seconds = union_of_ranges(self.seconds, Some((time.seconds, time.seconds)));
                match time.kind {
                    TimeKind::Date => Date,
                    TimeKind::Local => Local,
                    TimeKind::Zoned => Zoned,
                }
            }
        };
        if matches!(kind, Integer | Decimal) {
            self.has_inexact_f32 = self.has_inexact_f32 || !is_exact_f32(text);
        }
        self.keep_example(kind, text, line);
    }

    fn keep_example(&mut self, kind: ValueKind, text: &str, line: &Line) {
        self.examples[kind as usize].get_or_insert_with(|| excerpt(text, line));
    }

    /// Merges the summary of the same column in another file.
    pub(super) fn merge(&mut self, other: &Self) {
        for (example, other) in self.examples.iter_mut().zip(&other.examples) {
            *example = example.take().or_else(|| other.clone());
        }
        self.json |= other.json;
        self.null_words += other.null_words;
        self.nans += other.nans;
        self.integers = union_of_ranges(self.integers, other.integers);
        self.digits = (self.digits.0.max(other.digits.0), self.digits.1.max(other.digits.1));
        self.has_non_decimal |= other.has_non_decimal;
        self.inexact_f64 = self.inexact_f64.take().or_else(|| other.inexact_f64.clone());
        self.has_inexact_f32 |= other.has_inexact_f32;
        self.decimals = self.decimals.max(other.decimals);
        self.significant_decimals = self.significant_decimals.max(other.significant_decimals);
        self.seconds = union_of_ranges(self.seconds, other.seconds);
        self.lengths = union_of_ranges(self.lengths, other.lengths);
        self.as_text |= other.as_text;
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
        for (key, values) in &other.fields {
            self.field(key, &mut 0).merge(values);
        }
        if self.as_text || self.key_count() > MAX_KEYS {
            self.turn_to_text();
        }
    }

    fn has(&self, kind: ValueKind) -> bool {
        self.examples[kind as usize].is_some()
    }

    /// Whether all values that are not null are of these kinds.
    fn only(&self, kinds: &[ValueKind]) -> bool {
        KINDS.iter().all(|&kind| matches!(kind, NullWord | Nan) || kinds.contains(&kind) || !self.has(kind))
    }
}

/// A value shortened for messages, and its line.
fn excerpt(text: &str, line: &Line) -> (Line, String) {
    const MAX_CHARACTERS: usize = 40;
    (line.clone(), text.chars().take(MAX_CHARACTERS).collect())
}

/// The union of two ranges.
fn union_of_ranges<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
