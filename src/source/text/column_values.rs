//! Summarizes all values of a text column to infer its type: which types hold every value as written.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::csv_format::{CsvFormat, has_decimal_comma};
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
    /// Number of values that are null unless the column is text.
    null_words: u64,
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
            self.null_words += 1;
            let kind = if text.trim().eq_ignore_ascii_case("nan") { Nan } else { NullWord };
            return self.keep_example(kind, text, line);
        }
        let plain = format.plain(text);
        match TextValue::parse(&plain) {
            TextValue::Decimal(_) if format.has_other_mark(text) => self.keep_example(Text, text, line),
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
        let words = [NullWord, Nan].iter().filter_map(|&kind| self.examples[kind as usize].as_ref());
        let (_, first) = words.min_by_key(|(line, _)| line.number)?;
        (!self.data_type().is_string()).then_some((self.null_words, first))
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

    /// The inferred type; text if there are no values.
    pub(super) fn data_type(&self) -> DataType {
        let number = || if self.inexact_f64.is_some() { DataType::Utf8 } else { DataType::Float64 };
        let time = |zone: Option<&str>| {
            let unit = match self.decimals {
                0 => TimeUnit::Second,
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            if self.is_in_range(unit) { DataType::Timestamp(unit, zone.map(Into::into)) } else { DataType::Utf8 }
        };
        if self.only(&[]) && self.has(Nan) {
            DataType::Float64
        } else if self.only(&[]) || self.is_mixed() {
            DataType::Utf8
        } else if self.has(Object) {
            let field = |(name, values): &(String, Self)| Field::new(name, values.data_type(), true);
            DataType::Struct(self.fields.iter().map(field).collect::<Fields>())
        } else if self.has(List) {
            let items = self.items.as_deref().map_or(DataType::Utf8, Self::data_type);
            DataType::List(Arc::new(Field::new_list_field(items, true)))
        } else if self.only(&[Boolean]) {
            DataType::Boolean
        } else if self.holds(&DataType::Int64) {
            DataType::Int64
        } else if self.only(&[Integer, Decimal]) {
            number()
        } else if self.json {
            // Times in JSON are strings.
            DataType::Utf8
        } else if self.only(&[Date]) {
            DataType::Date32
        } else if self.only(&[Date, Local]) {
            time(None)
        } else if self.only(&[Zoned]) {
            time(Some("UTC"))
        } else {
            DataType::Utf8
        }
    }

    /// Whether lists, objects or Booleans have no common type: all values are then read as JSON text, in which strings keep
    /// their quotes.
    pub(super) fn is_mixed(&self) -> bool {
        let quoted = !self.only(&[Boolean, Integer, Decimal, List, Object]);
        let nested = self.has(List) || self.has(Object);
        let is_uniform = self.only(&[List]) || (self.only(&[Object]) && !self.fields.is_empty());
        let has_mixed_child =
            self.items.as_deref().is_some_and(Self::is_mixed) || self.fields.iter().any(|(_, it)| it.is_mixed());
        (nested && (self.as_text || !is_uniform || has_mixed_child)) || (self.json && self.has(Boolean) && quoted)
    }

    /// Whether a type holds every value without loss.
    pub(super) fn holds(&self, data_type: &DataType) -> bool {
        let integers = |least: i128, most: i128| {
            self.only(&[Integer]) && self.integers.is_none_or(|(from, to)| least <= from && to <= most)
        };
        let decimals = |precision: u8, scale: i8| {
            let (whole, fraction) = self.digits;
            let (most, scale) = (usize::from(precision), usize::try_from(scale).unwrap_or(0));
            self.only(&[Integer, Decimal]) && !self.has_non_decimal && fraction <= scale && whole + scale <= most
        };
        match data_type {
            DataType::Boolean => self.only(&[Boolean]),
            DataType::Int8 => integers(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => integers(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => integers(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => integers(i64::MIN.into(), i64::MAX.into()),
            DataType::UInt8 => integers(0, u8::MAX.into()),
            DataType::UInt16 => integers(0, u16::MAX.into()),
            DataType::UInt32 => integers(0, u32::MAX.into()),
            DataType::UInt64 => integers(0, u64::MAX.into()),
            DataType::Float32 => self.only(&[Integer, Decimal]) && self.inexact_f64.is_none() && !self.has_inexact_f32,
            DataType::Float64 => self.only(&[Integer, Decimal]) && self.inexact_f64.is_none(),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => decimals(*precision, *scale),
            DataType::Date32 | DataType::Date64 => self.only(&[Date]),
            DataType::Timestamp(unit, zone) => {
                let kinds = match zone.as_deref() {
                    None => &[Date, Local][..],
                    // In other zones a local time may be ambiguous or missing.
                    Some(zone) if has_fixed_offset(zone) => &[Date, Local, Zoned],
                    Some(_) => &[Zoned],
                };
                self.only(kinds) && self.significant_decimals <= decimals_of(*unit) && self.is_in_range(*unit)
            }
            // Every CSV value is text.
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                !self.json || self.only(&[Date, Local, Zoned, Text])
            }
            DataType::List(items) | DataType::LargeList(items) => {
                self.only(&[List]) && self.items.as_deref().is_none_or(|it| it.holds(items.data_type()))
            }
            DataType::FixedSizeList(items, length) => {
                let length = usize::try_from(*length).unwrap_or(0);
                self.only(&[List])
                    && self.lengths.is_none_or(|lengths| lengths == (length, length))
                    && self.items.as_deref().is_none_or(|it| it.holds(items.data_type()))
            }
            _ => false,
        }
    }

    /// Whether the values are times that do not fit this type only because they lack offsets from UTC.
    pub(super) fn lack_offsets(&self, data_type: &DataType) -> bool {
        let of_zone = matches!(data_type, DataType::Timestamp(_, Some(zone)) if zone.as_ref() != "UTC");
        let are_times = self.only(&[Date, Local, Zoned]) && !self.only(&[Zoned]);
        of_zone && are_times && !self.holds(data_type)
    }

    /// The first value that a type does not hold without loss.
    pub(super) fn first_mismatch(&self, data_type: &DataType) -> Option<(&Line, &str)> {
        let only_kind = |kind: ValueKind| {
            let mut examples = std::array::from_fn(|_| None);
            examples[kind as usize].clone_from(&self.examples[kind as usize]);
            Self { examples, ..self.clone() }
        };
        let mismatches = KINDS.iter().filter(|&&kind| self.has(kind) && !only_kind(kind).holds(data_type));
        let firsts = mismatches.filter_map(|&kind| match kind {
            Integer if self.inexact_f64.is_some() => self.inexact_f64.as_ref(),
            kind => self.examples[kind as usize].as_ref(),
        });
        firsts.min_by_key(|(line, _)| line.number).map(|(line, text)| (line, text.as_str()))
    }

    /// Whether the times are in the range of a timestamp of this unit.
    fn is_in_range(&self, unit: TimeUnit) -> bool {
        let most = i64::MAX / 10_i64.pow(decimals_of(unit) as u32);
        self.seconds.is_none_or(|(from, to)| -most < from && to < most)
    }
}

/// A value shortened for messages, and its line.
fn excerpt(text: &str, line: &Line) -> (Line, String) {
    const MAX_CHARACTERS: usize = 40;
    (line.clone(), text.chars().take(MAX_CHARACTERS).collect())
}

/// Whether a time zone has the same offset from UTC at all times.
fn has_fixed_offset(zone: &str) -> bool {
    matches!(zone, "UTC" | "GMT") || zone.starts_with("Etc/") || zone.starts_with(['+', '-'])
}

/// Number of decimals of a second in this unit.
fn decimals_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The union of two ranges.
fn union_of_ranges<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
