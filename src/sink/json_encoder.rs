//! Rows as lines of JSON. Numbers have the fewest digits that give them again; JSON has no NaN and no infinity.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, NullableEncoder};
use arrow::json::{Encoder, EncoderFactory, EncoderOptions, WriterBuilder};
use arrow::util::display::ArrayFormatter;

use super::text_cell::formatter;

/// Encodes rows, and counts the values that become null since JSON has no such.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonEncoder {
    lost: Arc<AtomicU64>,
}

impl JsonEncoder {
    /// Adds a line for each row, with all its keys.
    ///
    /// # Errors
    /// For a type that JSON cannot hold.
    pub(crate) fn add_rows(&self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let builder = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(self.clone()));
        let mut writer = builder.build::<_, LineDelimited>(text);
        writer.write(batch)?;
        writer.finish()
    }

    /// Number of infinities, and of times out of the range of the calendar, that became null so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Whether JSON has no form for values of this type.
pub(super) fn lacks(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| lacks(field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                fields.first().is_none_or(|keys| !keys.data_type().is_string()) || lacks(entries.data_type())
            }
            _ => true,
        },
        DataType::List(items)
        | DataType::LargeList(items)
        | DataType::ListView(items)
        | DataType::LargeListView(items)
        | DataType::FixedSizeList(items, _)
        | DataType::RunEndEncoded(_, items) => lacks(items.data_type()),
        DataType::Dictionary(_, values) => lacks(values),
        _ => false,
    }
}

impl EncoderFactory for JsonEncoder {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let lost = self.lost.clone();
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                Box::new(FloatEncoder { value: move |row| values[row], lost })
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                Box::new(FloatEncoder { value: move |row| values[row], lost })
            }
            data_type if data_type.is_temporal() => Box::new(TimeEncoder { formatter: formatter(array)?, lost }),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

/// Numbers; NaN, which is as good as none, and infinities are null.
struct FloatEncoder<F> {
    value: F,
    lost: Arc<AtomicU64>,
}

impl<T: Into<f64> + serde::Serialize + Copy, F: Fn(usize) -> T> Encoder for FloatEncoder<F> {
    fn encode(&mut self, row: usize, text: &mut Vec<u8>) {
        let value = (self.value)(row);
        self.lost.fetch_add(u64::from(value.into().is_infinite()), Ordering::Relaxed);
        // A number has a text, and memory can be written to.
        let _ = serde_json::to_writer(text, &value);
    }
}

/// Times as strings.
struct TimeEncoder<'a> {
    formatter: ArrayFormatter<'a>,
    lost: Arc<AtomicU64>,
}

impl Encoder for TimeEncoder<'_> {
    fn encode(&mut self, row: usize, text: &mut Vec<u8>) {
        match self.formatter.value(row).try_to_string() {
            // It has no character that JSON escapes.
            Ok(value) => write!(text, "\"{value}\"").unwrap_or_default(),
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                text.extend_from_slice(b"null");
            }
        }
    }
}
