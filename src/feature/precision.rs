//! The precision of a column: what all its values at fit are whole multiples of, so that decoded values are as well.

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::cycle::DAY;

/// Most decimals that are looked for.
const MOST_DECIMALS: u8 = 6;

/// How far a value may be from a multiple: relative, for numbers that a computation in f64 made.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// How far a time may be from a multiple, in seconds: f64 holds nanoseconds since 1970 less well.
const TIME_ROUNDING: f64 = 5e-7;

/// A multiple of it that is too small by this share counts as reached.
const REACHED: f64 = 1e-6;

/// What values are whole multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Precision {
    /// Numbers with at most this many decimals.
    Decimals(u8),
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// Which multiple a value is rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    Nearest,
    Up,
    Down,
}

/// The precisions that the values seen so far have, the coarsest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct PrecisionSurvey {
    left: &'static [Precision],
    /// The values are of type f32.
    single: bool,
}

impl Precision {
    const NUMBERS: &[Self] = &[
        Self::Decimals(0),
        Self::Decimals(1),
        Self::Decimals(2),
        Self::Decimals(3),
        Self::Decimals(4),
        Self::Decimals(5),
        Self::Decimals(MOST_DECIMALS),
    ];

    const TIMES: &[Self] = &[Self::Day, Self::Hour, Self::Minute, Self::Second, Self::Millisecond];

    /// A multiple, as a fraction: a product and a quotient of whole numbers round once.
    fn step(self) -> [f64; 2] {
        match self {
            Self::Decimals(decimals) => [1.0, 10_f64.powi(decimals.into())],
            Self::Day => [DAY, 1.0],
            Self::Hour => [3600.0, 1.0],
            Self::Minute => [60.0, 1.0],
            Self::Second => [1.0, 1.0],
            Self::Millisecond => [1.0, 1e3],
        }
    }

    /// The smallest difference of two values.
    pub(super) fn smallest_difference(self) -> f64 {
        let [over, under] = self.step();
        over / under
    }

    /// The value rounded to a multiple.
    pub(super) fn round(self, value: f64, rounding: Rounding) -> f64 {
        let [over, under] = self.step();
        let multiple = value * under / over;
        let multiple = match rounding {
            Rounding::Nearest => multiple.round(),
            Rounding::Up => (multiple - REACHED).ceil(),
            Rounding::Down => (multiple + REACHED).floor(),
        };
        // No negative zero.
        multiple * over / under + 0.0
    }

    /// Whether it is within its range: a model file may be damaged.
    pub(super) fn is_valid(self) -> bool {
        !matches!(self, Self::Decimals(decimals) if decimals > MOST_DECIMALS)
    }

    fn holds(self, value: f64, single: bool) -> bool {
        let rounded = self.round(value, Rounding::Nearest);
        let most = if matches!(self, Self::Decimals(_)) { ROUNDING * value.abs() } else { TIME_ROUNDING };
        (rounded - value).abs() <= most || single && rounded as f32 == value as f32
    }
}

impl PrecisionSurvey {
    /// For a column of this type: of numbers, of lists of them, or of times and durations, in seconds.
    pub(super) fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Dictionary(_, values) => Self::new(values),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::new(item.data_type())
            }
            DataType::ListView(item) | DataType::LargeListView(item) => Self::new(item.data_type()),
            DataType::Float16 | DataType::Float32 => Self { left: Precision::NUMBERS, single: true },
            data_type if data_type.is_temporal() => Self { left: Precision::TIMES, single: false },
            _ => Self { left: Precision::NUMBERS, single: false },
        }
    }

    /// Adds a value; one beyond f32 is not usable and says nothing.
    pub(super) fn push(&mut self, value: f64) {
        if !(value as f32).is_finite() {
            return;
        }
        while let Some((coarsest, finer)) = self.left.split_first() {
            if coarsest.holds(value, self.single) {
                return;
            }
            self.left = finer;
        }
    }

    /// The coarsest precision that all values have.
    pub(super) fn coarsest(&self) -> Option<Precision> {
        self.left.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_precision_of_all_values_is_found() {
        let of = |data_type: &DataType, values: &[f64]| {
            let mut survey = PrecisionSurvey::new(data_type);
            values.iter().for_each(|&value| survey.push(value));
            survey.coarsest()
        };
        let numbers = |values: &[f64]| of(&DataType::Float64, values);
        assert_eq!(numbers(&[1.0, -3.0, 1e30, 0.0]), Some(Precision::Decimals(0)));
        assert_eq!(numbers(&[1.0, 19.99, -0.5]), Some(Precision::Decimals(2)));
        assert_eq!(numbers(&[0.1 + 0.2, 9.99 * 3.0]), Some(Precision::Decimals(2)));
        assert_eq!(numbers(&[1.0, 1.0 / 3.0]), None);
        let singles =
            |values: &[f32]| of(&DataType::Float32, &values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        assert_eq!((singles(&[1.1, 20.35]), singles(&[0.1, 1.0 / 3.0])), (Some(Precision::Decimals(2)), None));
        let times = |values: &[f64]| of(&DataType::Date64, values);
        assert_eq!(times(&[0.0, 3.0 * DAY, -DAY]), Some(Precision::Day));
        assert_eq!(times(&[DAY, 1_700_000_040.0]), Some(Precision::Minute));
        assert_eq!(times(&[1_700_000_000.123, 7200.0]), Some(Precision::Millisecond));
        assert_eq!(times(&[1_700_000_000.123_456]), None);
    }

    #[test]
    fn values_are_rounded_to_the_nearest_multiple_or_one_way() {
        use Rounding::{Down, Nearest, Up};
        let cents = Precision::Decimals(2);
        assert_eq!([Nearest, Up, Down].map(|how| cents.round(12.344, how)), [12.34, 12.35, 12.34]);
        assert_eq!([Up, Down].map(|how| cents.round(12.34, how)), [12.34; 2]);
        assert_eq!(Precision::Hour.round(5000.0, Up), 7200.0);
        assert!(cents.round(-0.001, Nearest).is_sign_positive());
    }
}
