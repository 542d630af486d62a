//! Local times of a time zone.

use arrow::array::timezone::Tz;
use arrow::error::ArrowError;
use chrono::{DateTime, Offset, TimeZone};

/// Local time of a zone. The offset is looked up once for each quarter of an hour, the smallest step of a zone's
/// offset.
#[derive(Default)]
pub(super) struct Clock {
    zone: Option<Tz>,
    last: Option<(i64, f64)>,
}

impl Clock {
    pub(super) fn new(zone: Option<&str>) -> Result<Self, ArrowError> {
        Ok(Self { zone: zone.map(str::parse).transpose()?, last: None })
    }

    /// Seconds since 1970 as if the local clock were UTC.
    pub(super) fn local(&mut self, seconds: f64) -> f64 {
        let Some(zone) = self.zone else { return seconds };
        let quarter = (seconds / 900.0).floor() as i64;
        if let Some((known, offset)) = self.last.filter(|(known, _)| *known == quarter) {
            debug_assert_eq!(known, quarter);
            return seconds + offset;
        }
        let utc = DateTime::from_timestamp(quarter.saturating_mul(900), 0);
        let offset = utc.map_or(0, |utc| zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc());
        self.last = Some((quarter, f64::from(offset)));
        seconds + f64::from(offset)
    }

    /// The inverse, for a local time `near` these seconds since 1970.
    pub(super) fn utc(&mut self, local: f64, near: f64) -> f64 {
        let first = local - (self.local(near) - near);
        local - (self.local(first) - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_follows_the_zone() {
        let mut berlin = Clock::new(Some("Europe/Berlin")).unwrap();
        // Summer time began at 2024-03-31 01:00 UTC.
        let change = 1_711_846_800.0;
        assert_eq!((berlin.local(change - 1.0), berlin.local(change)), (change - 1.0 + 3600.0, change + 7200.0));
        // Midnight before the change is not two hours away by the clock of after it.
        assert_eq!(berlin.utc(1_711_843_200.0, change), change - 7200.0);
        assert_eq!(Clock::new(Some("+05:30")).unwrap().local(0.0), 19_800.0);
        assert_eq!(Clock::new(None).unwrap().local(5.0), 5.0);
        assert!(Clock::new(Some("Middle/Earth")).is_err());
    }
}
