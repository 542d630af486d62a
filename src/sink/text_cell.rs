//! How a value of a column is written as text, so that readers find the same value.

use arrow::array::Array;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A formatter of a column's values: numbers by the fewest digits that give them again, times in ISO 8601 with as many
/// decimals as their unit has, bytes in hexadecimal.
///
/// # Errors
/// If values of this type cannot be written.
pub(super) fn formatter(array: &dyn Array) -> Result<ArrayFormatter<'_>, ArrowError> {
    let local = match array.data_type() {
        DataType::Timestamp(unit, _) => Some(match unit {
            TimeUnit::Second => "%Y-%m-%dT%H:%M:%S",
            TimeUnit::Millisecond => "%Y-%m-%dT%H:%M:%S%.3f",
            TimeUnit::Microsecond => "%Y-%m-%dT%H:%M:%S%.6f",
            TimeUnit::Nanosecond => "%Y-%m-%dT%H:%M:%S%.9f",
        }),
        _ => None,
    };
    let zoned = match array.data_type() {
        DataType::Timestamp(unit, zone) => {
            let is_utc = zone.as_deref() == Some("UTC");
            Some(match (unit, is_utc) {
                (TimeUnit::Second, true) => "%Y-%m-%dT%H:%M:%SZ",
                (TimeUnit::Second, false) => "%Y-%m-%dT%H:%M:%S%:z",
                (TimeUnit::Millisecond, true) => "%Y-%m-%dT%H:%M:%S%.3fZ",
                (TimeUnit::Millisecond, false) => "%Y-%m-%dT%H:%M:%S%.3f%:z",
                (TimeUnit::Microsecond, true) => "%Y-%m-%dT%H:%M:%S%.6fZ",
                (TimeUnit::Microsecond, false) => "%Y-%m-%dT%H:%M:%S%.6f%:z",
                (TimeUnit::Nanosecond, true) => "%Y-%m-%dT%H:%M:%S%.9fZ",
                (TimeUnit::Nanosecond, false) => "%Y-%m-%dT%H:%M:%S%.9f%:z",
            })
        }
        _ => None,
    };
    let options = FormatOptions::default().with_display_error(false);
    ArrayFormatter::try_new(array, &options.with_timestamp_format(local).with_timestamp_tz_format(zoned))
}
