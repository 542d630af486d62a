//! All values of a column of text, seen: which types hold every one of them as it is written, and of which it is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::value_type::{Spelling, TimeKind, is_double, is_single};

/// Different keys that a file of JSON may have, those of objects in columns included. Each takes about 1 KB here, and an
/// array in every batch: 10,000 of them are 640 MiB for 8192 rows.
pub(super) const MOST_KEYS: usize = 10_000;

/// Where a value is.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) path: Arc<Path>,
    /// From 1.
    pub(super) number: u64,
}

/// What values are; the first of each is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Boolean,
    Integer,
    Padded,
    Decimal,
    Date,
    Local,
    Zoned,
    Text,
    List,
    Object,
}

use ValueKind::{Boolean, Date, Decimal, Integer, List, Local, Object, Padded, Text, Zoned};

const KINDS: [ValueKind; 10] = [Boolean, Integer, Padded, Decimal, Date, Local, Zoned, Text, List, Object];

/// The values of a column, or of what is within one.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnValues {
    first: [Option<(Line, String)>; KINDS.len()],
    /// Whether some are of JSON, where a text is one by its quotes.
    json: bool,
    /// The least and greatest integer, and the first that no f64 has.
    integers: Option<(i128, i128)>,
    no_double: Option<(Line, String)>,
    /// Digits of numbers before and after the point, and whether they are not all of one's value, or no f32 has it.
    digits: (usize, usize),
    no_decimal: bool,
    no_single: bool,
    /// Decimals of seconds, those needed, and seconds since 1970.
    decimals: usize,
    needed: usize,
    seconds: Option<(i64, i64)>,
    /// What is in lists, and how many of it; what is in objects.
    items: Option<Box<ColumnValues>>,
    lengths: Option<(usize, usize)>,
    fields: Vec<(String, ColumnValues)>,
    places: HashMap<String, usize>,
    /// Whether there is more in them than is looked at: they are read as the text they are.
    as_text: bool,
}

impl ColumnValues {
    /// Takes note of a value of CSV; nothing between delimiters is none.
    pub(super) fn see(&mut self, text: &str, line: &Line) {
        if !text.is_empty() {
            self.note(Spelling::of(text), text, line);
        }
    }

    /// Takes note of a text in quotes of JSON.
    pub(super) fn see_quoted(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.note(Spelling::time(text), text, line);
    }

    /// Takes note of a number, `true` or `false` of JSON.
    pub(super) fn see_bare(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.note(Spelling::of(text), text, line);
    }

    /// Takes note of a list of `length` items, and is what takes note of these.
    pub(super) fn see_list(&mut self, length: usize, text: &str, line: &Line) -> &mut Self {
        self.json = true;
        self.keep(List, text, line);
        self.lengths = joined(self.lengths, Some((length, length)));
        self.items.get_or_insert_default()
    }

    /// Takes note of an object, whose values go to [`field`](Self::field).
    pub(super) fn see_object(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.keep(Object, text, line);
    }

    /// The values of a key of objects; `keys` counts the new ones.
    pub(super) fn field(&mut self, key: &str, keys: &mut usize) -> &mut Self {
        let place = self.places.get(key).copied().unwrap_or_else(|| {
            *keys += 1;
            self.places.insert(key.to_owned(), self.fields.len());
            self.fields.push((key.to_owned(), Self::default()));
            self.fields.len() - 1
        });
        &mut self.fields[place].1
    }

    /// Different keys of objects, those of objects in these included.
    pub(super) fn keys(&self) -> usize {
        let within = self.items.as_deref().map_or(0, Self::keys);
        within + self.fields.iter().map(|(_, values)| 1 + values.keys()).sum::<usize>()
    }

    /// Those of all keys of objects, in the order in which they were seen first.
    pub(super) fn into_fields(self) -> Vec<(String, Self)> {
        self.fields
    }

    /// Takes note of a list or an object that is not looked into, nor are the others.
    pub(super) fn see_as_text(&mut self, text: &str, line: &Line) {
        self.json = true;
        self.keep(Object, text, line);
        self.become_text();
    }

    /// Whether lists and objects are not looked into.
    pub(super) fn is_text(&self) -> bool {
        self.as_text
    }

    /// Of the columns of a file, the one with the most keys is looked into no more; `false` if none has any.
    pub(super) fn widest_becomes_text(&mut self) -> bool {
        let columns = self.fields.iter_mut().map(|(_, values)| (values.keys(), values));
        match columns.max_by_key(|(keys, _)| *keys) {
            Some((1.., values)) => {
                values.become_text();
                true
            }
            _ => false,
        }
    }

    fn become_text(&mut self) {
        self.as_text = true;
        (self.items, self.fields, self.places) = (None, Vec::new(), HashMap::new());
    }

    fn note(&mut self, spelling: Spelling, text: &str, line: &Line) {
        let kind = match spelling {
            Spelling::Boolean => Boolean,
            Spelling::Padded => Padded,
            Spelling::Text => Text,
            Spelling::Integer(value) => {
                self.integers = joined(self.integers, Some((value, value)));
                self.digits.0 = self.digits.0.max(text.trim_start_matches('-').len());
                if self.no_double.is_none() && !is_double(text) {
                    self.no_double = Some(excerpt(text, line));
                }
                Integer
            }
            Spelling::Decimal(digits) => {
                let (whole, fraction) = digits.unwrap_or_default();
                self.digits = (self.digits.0.max(whole), self.digits.1.max(fraction));
                self.no_decimal |= digits.is_none();
                Decimal
            }
            Spelling::Time(time) => {
                self.decimals = self.decimals.max(time.decimals);
                self.needed = self.needed.max(time.needed);
                self.seconds = joined(self.seconds, Some((time.seconds, time.seconds)));
                match time.kind {
                    TimeKind::Date => Date,
                    TimeKind::Local => Local,
                    TimeKind::Zoned => Zoned,
                }
            }
        };
        if matches!(kind, Integer | Decimal) {
            self.no_single = self.no_single || !is_single(text);
        }
        self.keep(kind, text, line);
    }

    fn keep(&mut self, kind: ValueKind, text: &str, line: &Line) {
        self.first[kind as usize].get_or_insert_with(|| excerpt(text, line));
    }

    /// Takes the values of another file's column of this name.
    pub(super) fn join(&mut self, other: &Self) {
        for (first, other) in self.first.iter_mut().zip(&other.first) {
            *first = first.take().or_else(|| other.clone());
        }
        self.json |= other.json;
        self.integers = joined(self.integers, other.integers);
        self.digits = (self.digits.0.max(other.digits.0), self.digits.1.max(other.digits.1));
        self.no_decimal |= other.no_decimal;
        self.no_double = self.no_double.take().or_else(|| other.no_double.clone());
        self.no_single |= other.no_single;
        self.decimals = self.decimals.max(other.decimals);
        self.needed = self.needed.max(other.needed);
        self.seconds = joined(self.seconds, other.seconds);
        self.lengths = joined(self.lengths, other.lengths);
        self.as_text |= other.as_text;
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().join(items);
        }
        for (key, values) in &other.fields {
            self.field(key, &mut 0).join(values);
        }
        if self.as_text || self.keys() > MOST_KEYS {
            self.become_text();
        }
    }

    fn has(&self, kind: ValueKind) -> bool {
        self.first[kind as usize].is_some()
    }

    fn only(&self, kinds: &[ValueKind]) -> bool {
        KINDS.iter().all(|&kind| kinds.contains(&kind) || !self.has(kind))
    }

    /// The type to read them as: their own, text if there is none yet.
    pub(super) fn data_type(&self) -> DataType {
        let number = || if self.no_double.is_some() { DataType::Utf8 } else { DataType::Float64 };
        let time = |zone: Option<&str>| {
            let unit = match self.decimals {
                0 => TimeUnit::Second,
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            if self.is_within(unit) { DataType::Timestamp(unit, zone.map(Into::into)) } else { DataType::Utf8 }
        };
        if self.only(&[]) || self.is_mixed() {
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
            // JSON writes times as texts.
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

    /// Whether they are lists, objects or Booleans that no type has all of: they are read as the JSON text they are, in
    /// which a string has its quotes.
    pub(super) fn is_mixed(&self) -> bool {
        let quoted = !self.only(&[Boolean, Integer, Decimal, List, Object]);

        let nested = self.has(List) || self.has(Object);
        let one = self.only(&[List]) || (self.only(&[Object]) && !self.fields.is_empty());
        let within =
            self.items.as_deref().is_some_and(Self::is_mixed) || self.fields.iter().any(|(_, it)| it.is_mixed());
        (nested && (self.as_text || !one || within)) || (self.json && self.has(Boolean) && quoted)
    }

    /// Whether every one of them is a value of this type as it is.
    pub(super) fn holds(&self, data_type: &DataType) -> bool {
        let integers = |least: i128, most: i128| {
            self.only(&[Integer]) && self.integers.is_none_or(|(from, to)| least <= from && to <= most)
        };
        let decimals = |precision: u8, scale: i8| {
            let (whole, fraction) = self.digits;
            let (most, scale) = (usize::from(precision), usize::try_from(scale).unwrap_or(0));
            self.only(&[Integer, Decimal]) && !self.no_decimal && fraction <= scale && whole + scale <= most
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
            DataType::Float32 => self.only(&[Integer, Decimal]) && self.no_double.is_none() && !self.no_single,
            DataType::Float64 => self.only(&[Integer, Decimal]) && self.no_double.is_none(),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => decimals(*precision, *scale),
            DataType::Date32 | DataType::Date64 => self.only(&[Date]),
            DataType::Timestamp(unit, zone) => {
                let kinds = match zone.as_deref() {
                    None => &[Date, Local][..],
                    // In the other zones a local time may come twice a year, or never.
                    Some(zone) if is_of_one_offset(zone) => &[Date, Local, Zoned],
                    Some(_) => &[Zoned],
                };
                self.only(kinds) && self.needed <= decimals_of(*unit) && self.is_within(*unit)
            }
            // Of CSV everything is text.
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

    /// Whether they are times that would be of this type if they had offsets from UTC.
    pub(super) fn lack_offsets(&self, data_type: &DataType) -> bool {
        let of_zone = matches!(data_type, DataType::Timestamp(_, Some(zone)) if zone.as_ref() != "UTC");
        let are_times = self.only(&[Date, Local, Zoned]) && !self.only(&[Zoned]);
        of_zone && are_times && !self.holds(data_type)
    }

    /// The first value that is not of this type as it is.
    pub(super) fn stranger(&self, data_type: &DataType) -> Option<(&Line, &str)> {
        let alone = |kind: ValueKind| {
            let mut first = std::array::from_fn(|_| None);
            first[kind as usize].clone_from(&self.first[kind as usize]);
            Self { first, ..self.clone() }
        };
        let strangers = KINDS.iter().filter(|&&kind| self.has(kind) && !alone(kind).holds(data_type));
        let firsts = strangers.filter_map(|&kind| match kind {
            Integer if self.no_double.is_some() => self.no_double.as_ref(),
            kind => self.first[kind as usize].as_ref(),
        });
        firsts.min_by_key(|(line, _)| line.number).map(|(line, text)| (line, text.as_str()))
    }

    /// Whether the times are within what a type of this unit has.
    fn is_within(&self, unit: TimeUnit) -> bool {
        let most = i64::MAX / 10_i64.pow(decimals_of(unit) as u32);
        self.seconds.is_none_or(|(from, to)| -most < from && to < most)
    }
}

/// A value to tell of, where it is.
fn excerpt(text: &str, line: &Line) -> (Line, String) {
    const LONGEST: usize = 40;
    (line.clone(), text.chars().take(LONGEST).collect())
}

/// Whether a time zone has the same offset from UTC at all times.
fn is_of_one_offset(zone: &str) -> bool {
    matches!(zone, "UTC" | "GMT") || zone.starts_with("Etc/") || zone.starts_with(['+', '-'])
}

/// Decimals of a second of this unit.
fn decimals_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The range of two.
fn joined<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
