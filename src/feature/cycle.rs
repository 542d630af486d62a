//! Cycles of dates and times: points on the circles of the day, the week and the year.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;

/// A cycle of the calendar or the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cycle {
    /// The time of the day.
    Hour,
    /// The day of the week.
    Weekday,
    /// The day of the year.
    DayOfYear,
}

impl Cycle {
    pub(super) const ALL: [Self; 3] = [Self::Hour, Self::Weekday, Self::DayOfYear];

    /// The sine and cosine of a local time's angle on the circle.
    pub(super) fn of(self, local: f64) -> [f64; 2] {
        let (sine, cosine) = (self.fraction(local) * TAU).sin_cos();
        [sine, cosine]
    }

    /// The share of the circle before a local time.
    fn fraction(self, local: f64) -> f64 {
        let day = (local / DAY).floor();
        match self {
            Self::Hour => (local - day * DAY) / DAY,
            // 1970 began on a Thursday; Monday is 0.
            Self::Weekday => (day + 3.0).rem_euclid(7.0) / 7.0,
            Self::DayOfYear => day_of_year(day) / 365.25,
        }
    }

    /// The parts of the circle that are told apart: hours, weekdays, months.
    pub(super) fn parts(self) -> usize {
        match self {
            Self::Hour => 24,
            Self::Weekday => 7,
            Self::DayOfYear => 12,
        }
    }

    /// The part of the circle that a local time is in, as a bit.
    pub(super) fn part(self, local: f64) -> u32 {
        1 << ((self.fraction(local) * self.parts() as f64) as usize % self.parts())
    }

    /// Whether the parts of the circle that occur are enough for the network to know the rest: 16 hours at most, two weekdays or
    /// a month may be without rows.
    pub(super) fn is_covered(self, seen: u32) -> bool {
        let parts = self.parts();
        let most = match self {
            Self::Hour => 16,
            Self::Weekday => 2,
            Self::DayOfYear => 1,
        };
        let gap = (0..parts).map(|from| (0..parts).take_while(|n| seen >> ((from + n) % parts) & 1 == 0).count()).max();
        gap.is_some_and(|gap| gap <= most)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::DayOfYear => "day of year",
        }
    }
}

/// The day of the year from 0, for a day number since 1970; 0 outside the range of the calendar.
fn day_of_year(day: f64) -> f64 {
    let date = DateTime::from_timestamp((day * DAY) as i64, 0);
    date.map_or(0.0, |date| f64::from(date.ordinal0()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_follow_the_calendar() {
        let close = |[a, b]: [f64; 2], [c, d]: [f64; 2]| (a - c).abs() < 1e-9 && (b - d).abs() < 1e-9;
        // Monday 2024-01-01 06:00, a quarter of its day.
        let monday = 1_704_088_800.0;
        assert!(close(Cycle::Hour.of(monday), [1.0, 0.0]));
        assert!(close(Cycle::Weekday.of(monday), [0.0, 1.0]) && close(Cycle::DayOfYear.of(monday), [0.0, 1.0]));
        assert!(close(Cycle::Weekday.of(monday - 7.0 * DAY), [0.0, 1.0]));
        assert_eq!((day_of_year(59.0), day_of_year(-1.0), day_of_year(1e15)), (59.0, 364.0, 0.0));
    }

    #[test]
    fn a_circle_is_known_if_rows_go_around_it() {
        let seen = |parts: std::ops::Range<u32>| parts.fold(0, |seen, part| seen | 1 << part);
        assert!(Cycle::Hour.is_covered(seen(8..20)) && !Cycle::Hour.is_covered(seen(9..16)));
        assert!(Cycle::Weekday.is_covered(seen(0..5)) && !Cycle::Weekday.is_covered(seen(0..4)));
        assert!(Cycle::DayOfYear.is_covered(seen(0..11)) && !Cycle::DayOfYear.is_covered(seen(0..10)));
        assert!(Cycle::ALL.iter().all(|cycle| !cycle.is_covered(0)));
    }
}
