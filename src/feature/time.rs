//! Dates and times: the elapsed time as a scaled number; where the data varies in them also the hour, the weekday and
//! the day of the year, each as a point on a circle.
//!
//! Of a given time the network sees the circles alone, those that the data goes around: a fit to January says nothing of
//! the other months.

use std::f64::consts::SQRT_2;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, unary};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::cycle::{Cycle, DAY};
use super::exact::{Exact, bits_elements};
use super::local_clock::Clock;
use super::number_arrays::{known, units_per_second};
use super::precision::{Precision, PrecisionSurvey, Rounding};
use super::row_sample::RowSample;
use super::scalar::{Quantity, Scalar};
use super::statistics::{NumberSummary, Statistics};
use super::survey::first_as_text;
use super::{
    Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Scaling, Survey, ValueIssues, Values,
};
use crate::config::LogicalType;
use crate::feature::{Likelihood, Shape};

/// Smallest circular variance, 1 minus the length of the mean vector, for which a cycle is learned. It is that of
/// values evenly spread over a twelfth of the circle: two hours, or a month.
const MIN_CIRCULAR_VARIANCE: f64 = 0.01;

/// A fitted date or time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    column: Column,
    /// The column's type at fit; any date or timestamp is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    /// The time zone; UTC if absent.
    pub(super) zone: Option<String>,
    /// Values that were missing at fit.
    missing: u64,
    /// The scaling of seconds since 1970.
    pub(super) elapsed: Scaling,
    /// The cycles the data varies in, each written as √2 sin and √2 cos, which have variance 1 for evenly spread
    /// values.
    pub(super) cycles: Vec<Cycle>,
    /// What the local times are whole multiples of. Absent if nothing, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
    /// What a given time is stored as beside. Absent of a learned one, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact: Option<Exact>,
}

/// Seconds since 1970; null where the value is null.
fn seconds(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    let (whole, unit) = match array.data_type() {
        DataType::Date32 => (cast(array, &DataType::Int32)?, 1.0 / DAY),
        DataType::Date64 => (cast(array, &DataType::Int64)?, 1e3),
        DataType::Timestamp(unit, _) => (cast(array, &DataType::Int64)?, units_per_second(*unit)),
        other => return Err(ArrowError::CastError(format!("{other} is no date and no timestamp"))),
    };
    let whole = cast(&whole, &DataType::Float64)?;
    Ok(unary(whole.as_primitive::<Float64Type>(), |count| count / unit))
}

/// Whether the type is a date or a timestamp.
pub(super) fn is_time_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn zone(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Timestamp(_, zone) => zone.as_deref(),
        _ => None,
    }
}

impl Time {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }

    /// The cycles, in words.
    pub(super) fn describe_cycles(&self) -> String {
        let cycles: Vec<&str> = self.cycles.iter().map(|cycle| cycle.name()).collect();
        let zone = self.zone.as_deref().map_or(String::new(), |zone| format!(" in {zone}"));
        format!("{}{zone}", cycles.join(", "))
    }

    /// This feature with the scaling of another.
    pub(super) fn with_scaling_of(&self, other: &Self) -> Self {
        Self { elapsed: other.elapsed, precision: other.precision, ..self.clone() }
    }

    /// The clock of its time zone.
    pub(super) fn clock(&self) -> Clock {
        Clock::new(self.zone.as_deref()).unwrap_or_default()
    }

    fn rounded_by(&self, clock: &mut Clock, time: f64, rounding: Rounding) -> f64 {
        let Some(precision) = self.precision else { return self.elapsed.within_range(time) };
        let local = precision.round(clock.local(time), rounding);
        self.elapsed.within_range(clock.utc(local, time))
    }
}

impl Feature for Time {
    fn column(&self) -> &Column {
        &self.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.column
    }

    fn expects(&self) -> &'static str {
        "a date or a timestamp"
    }

    fn describe(&self) -> String {
        if self.cycles.is_empty() {
            "time: elapsed".to_owned()
        } else {
            format!("time: elapsed, {}", self.describe_cycles())
        }
    }

    fn data_type(&self) -> &str {
        &self.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        is_time_type(data_type)
    }

    fn meaning(&self) -> Option<LogicalType> {
        // Texts without an offset would be taken for UTC.
        matches!(self.zone.as_deref(), None | Some("UTC")).then_some(LogicalType::Timestamp)
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Gaussian, 1 + 2 * self.cycles.len() + bits_elements(self.exact))
    }

    fn exact(&self) -> Option<Exact> {
        self.exact
    }

    fn part(&self, output: usize) -> Option<String> {
        let cycle = self.cycles.get(output.checked_sub(1)? / 2)?;
        Some(format!("({}, {})", cycle.name(), if output % 2 == 1 { "sine" } else { "cosine" }))
    }

    fn in_unit(&self, output: usize, expected: f64) -> f64 {
        if output == 0 { self.elapsed.unscale(expected) } else { expected / SQRT_2 }
    }

    fn unit(&self, output: usize) -> Option<&'static str> {
        Some(if output == 0 { "s" } else { "of the circle's radius" })
    }

    fn circles(&self) -> Vec<usize> {
        self.cycles.iter().map(|cycle| cycle.parts()).collect()
    }

    fn grows_over_time(&self) -> bool {
        true
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn is_valid(&self) -> bool {
        let twice = self.cycles.iter().enumerate().any(|(n, cycle)| self.cycles[..n].contains(cycle));
        let is_valid = self.elapsed.is_valid() && self.precision.is_none_or(Precision::is_valid);
        is_valid && !twice && Clock::new(self.zone.as_deref()).is_ok()
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let times = seconds(array)?;
        let mut clock = Clock::new(self.zone.as_deref())?;
        let mut issues = ValueIssues { null: times.null_count() as u64, ..ValueIssues::default() };
        for row in 0..times.len() {
            if times.is_null(row) {
                (0..=2 * self.cycles.len()).for_each(|element| elements.set_at(row, element, f32::NAN));
                continue;
            }
            let time = times.value(row);
            issues.out_of_range += u64::from(self.elapsed.is_out_of_range(time));
            elements.set(row, self.elapsed.apply(time));
            let local = clock.local(time);
            for (n, cycle) in self.cycles.iter().enumerate() {
                let [sine, cosine] = cycle.of(local);
                elements.set_at(row, 1 + 2 * n, (SQRT_2 * sine) as f32);
                elements.set_at(row, 2 + 2 * n, (SQRT_2 * cosine) as f32);
            }
        }
        Ok(issues)
    }

    /// Reads the elapsed time only.
    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        self.array(&self.values(elements), data_type)
    }

    fn scalar(&self) -> Option<&dyn Scalar> {
        Some(self)
    }
}

impl Scalar for Time {
    fn quantity(&self) -> Quantity {
        Quantity::Time
    }

    fn range(&self) -> [f64; 2] {
        [self.elapsed.min, self.elapsed.max]
    }

    fn smallest_difference(&self) -> f64 {
        self.precision.map_or(0.0, Precision::smallest_difference)
    }

    fn rounded(&self, value: f64, rounding: Rounding) -> f64 {
        self.rounded_by(&mut self.clock(), value, rounding)
    }

    fn values(&self, elements: &[f32]) -> Vec<f64> {
        let mut clock = self.clock();
        let times = elements.chunks_exact(self.shape().elements);
        let times = times.map(|elements| self.elapsed.unscale(elements[0].into()));
        times.map(|time| self.rounded_by(&mut clock, time, Rounding::Nearest)).collect()
    }

    fn array(&self, values: &[f64], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let times = known(values);
        let unit = match data_type {
            DataType::Date32 | DataType::Date64 => 1.0 / DAY,
            DataType::Timestamp(unit, _) => units_per_second(*unit),
            other => return Err(ArrowError::CastError(format!("{other} is no date and no timestamp"))),
        };
        // A Date64 is a whole number of days, in milliseconds.
        let days = if *data_type == DataType::Date64 { DAY * 1e3 } else { 1.0 };
        let count = |time: f64| ((time * unit).round() * days) as i64;
        let counts: ArrayRef = match data_type {
            DataType::Date32 => Arc::new(unary::<_, _, Int32Type>(&times, |time| count(time) as i32)),
            _ => Arc::new(unary::<_, _, Int64Type>(&times, count)),
        };
        cast(&counts, data_type)
    }
}

/// The survey of a time column.
struct TimeSurvey {
    statistics: Statistics,
    sample: RowSample,
    /// A larger one, of a table that is judged group by group.
    large_sample: Option<RowSample>,
    precision: PrecisionSurvey,
    /// The sums of sines and cosines of each cycle.
    sums: [[f64; 2]; 3],
    /// The parts of each cycle that occur, a bit each.
    seen: [u32; 3],
    /// Give it, rather than learn it.
    given: bool,
    clock: Clock,
    first: Option<String>,
    data_type: DataType,
}

/// Surveys dates and timestamps, except those with an unknown time zone.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let data_type = request.data_type;
    let clock = Clock::new(zone(data_type)).ok().filter(|_| is_time_type(data_type))?;
    Some(Box::new(TimeSurvey {
        statistics: Statistics::new(request.quantiles.then_some(request.rows)),
        sample: if request.grouped { RowSample::of_groups() } else { RowSample::new() },
        large_sample: None,
        precision: PrecisionSurvey::new(data_type),
        sums: [[0.0; 2]; 3],
        seen: [0; 3],
        given: request.given,
        clock,
        first: None,
        data_type: data_type.clone(),
    }))
}

impl Survey for TimeSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let times = seconds(array)?;
        self.statistics.update(&times);
        times.iter().for_each(|time| self.sample.push(time));
        for time in times.iter().flatten() {
            let local = self.clock.local(time);
            self.precision.push(local);
            for ((cycle, sums), seen) in Cycle::ALL.iter().zip(&mut self.sums).zip(&mut self.seen) {
                let [sine, cosine] = cycle.of(local);
                *seen |= cycle.part(local);
                sums[0] += sine;
                sums[1] += cosine;
            }
        }
        if self.first.is_none() {
            self.first = first_as_text(array)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.statistics.finish();
        self.large_sample = Some(self.sample.reduce());
    }

    fn values(&self) -> Values {
        self.statistics.values()
    }

    fn large_sample(&self) -> Option<&RowSample> {
        self.large_sample.as_ref()
    }

    fn times(&self, values: &[f64]) -> Option<Vec<f64>> {
        Some(values.to_vec())
    }

    fn sampled_values(&self) -> Option<&[f64]> {
        Some(self.sample.values())
    }

    fn rejection(&self) -> Option<Rejection> {
        if self.statistics.count() == 0 {
            return Some(Rejection::no_usable_value(self.statistics.nulls(), 0));
        }
        self.statistics.is_constant().then(|| Rejection::constant(self.first.clone().unwrap_or_default()))
    }

    fn numbers(&self) -> Vec<NumberSummary> {
        vec![self.statistics.summary()]
    }

    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Rejection> {
        let elapsed = scaler.of(&self.statistics.summary());
        let elapsed = elapsed.ok_or_else(|| Rejection::because("varies too little to be scaled"))?;
        let count = self.statistics.count() as f64;
        let circular_variance = |[sine, cosine]: [f64; 2]| 1.0 - (sine * sine + cosine * cosine).sqrt() / count;
        let varies = |n: &usize| circular_variance(self.sums[*n]) >= MIN_CIRCULAR_VARIANCE;
        let is_known = |n: &usize| !self.given || Cycle::ALL[*n].is_covered(self.seen[*n]);
        let cycles: Vec<Cycle> = (0..3).filter(varies).filter(is_known).map(|n| Cycle::ALL[n]).collect();
        if self.given && cycles.is_empty() {
            return Err(Rejection::because("is a time whose rows cover too little of the day, the week and the year"));
        }
        Ok(Kind::Time(Time {
            column,
            data_type: self.data_type.to_string(),
            zone: zone(&self.data_type).map(str::to_owned),
            missing: self.statistics.missing(),
            elapsed,
            cycles,
            precision: self.precision.coarsest(),
            exact: Exact::of(&self.data_type).filter(|_| self.given),
        }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn every_unit_is_the_same_time() {
        let times: ArrayRef = Arc::new(Float64Array::from(vec![Some(86_400.0), None, Some(172_800.0)]));
        let whole = cast(&times, &DataType::Int64).unwrap();
        let base = cast(&whole, &DataType::Timestamp(TimeUnit::Second, None)).unwrap();
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let types = units.map(|unit| DataType::Timestamp(unit, Some("UTC".into())));
        for data_type in types.into_iter().chain([DataType::Date32, DataType::Date64]) {
            let array = cast(&base, &data_type).unwrap();
            assert_eq!(seconds(&array).unwrap(), *times.as_primitive::<Float64Type>(), "{data_type}");
        }
    }
}
