//! Times of the day: a point on the circle of the day, two elements with a Gaussian likelihood.

use std::f64::consts::{SQRT_2, TAU};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::cycle::{Cycle, DAY};
use super::exact::{Exact, bits_elements};
use super::logical_type::is_clock_type;
use super::number_arrays::units_per_second;
use super::precision::{Precision, PrecisionSurvey, Rounding};
use super::statistics::Statistics;
use super::survey::first_as_text;
use super::{Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Survey, ValueIssues, Values};
use crate::feature::{Likelihood, Shape};

/// A fitted time of the day. It is written as √2 sin and √2 cos of its angle, which have variance 1 for evenly spread times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeOfDay {
    column: Column,
    /// The column's type at fit; any time of the day is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    /// Values that were missing at fit.
    missing: u64,
    /// Absent if the times have none, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
    /// What a given time is stored as beside. Absent of a learned one, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact: Option<Exact>,
}

impl TimeOfDay {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }
}

/// The unit of a type.
fn unit(data_type: &DataType) -> Result<TimeUnit, ArrowError> {
    match data_type {
        DataType::Time32(unit) | DataType::Time64(unit) => Ok(*unit),
        other => Err(ArrowError::CastError(format!("{other} is no time of the day"))),
    }
}

/// Seconds of the day.
fn seconds(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    let unit = units_per_second(unit(array.data_type())?);
    // Arrow casts the shorter type to integers of its own width alone.
    let counts = match array.data_type() {
        DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    Ok(counts.as_primitive::<Int64Type>().iter().map(|count| Some(count? as f64 / unit)).collect())
}

impl Feature for TimeOfDay {
    fn column(&self) -> &Column {
        &self.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.column
    }

    fn expects(&self) -> &'static str {
        "a time of the day"
    }

    fn describe(&self) -> String {
        "time of the day, on a circle".to_owned()
    }

    fn data_type(&self) -> &str {
        &self.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        is_clock_type(data_type)
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Gaussian, 2 + bits_elements(self.exact))
    }

    fn exact(&self) -> Option<Exact> {
        self.exact
    }

    fn circles(&self) -> Vec<usize> {
        vec![Cycle::Hour.parts()]
    }

    fn part(&self, output: usize) -> Option<String> {
        Some(if output == 0 { "(sine)" } else { "(cosine)" }.to_owned())
    }

    fn in_unit(&self, _: usize, expected: f64) -> f64 {
        expected / SQRT_2
    }

    fn unit(&self, _: usize) -> Option<&'static str> {
        Some("of the circle's radius")
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn is_valid(&self) -> bool {
        self.precision.is_none_or(Precision::is_valid)
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let times = seconds(array)?;
        for (row, time) in times.iter().enumerate() {
            let (sine, cosine) = time.map_or((f64::NAN, f64::NAN), |time| (time / DAY * TAU).sin_cos());
            elements.set(row, (SQRT_2 * sine) as f32);
            elements.set_at(row, 1, (SQRT_2 * cosine) as f32);
        }
        Ok(ValueIssues { null: times.null_count() as u64, ..ValueIssues::default() })
    }

    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let per_second = units_per_second(unit(data_type)?);
        let count = |point: &[f32]| {
            let angle = f64::from(point[0]).atan2(point[1].into());
            let time = (angle / TAU).rem_euclid(1.0) * DAY;
            let time = self.precision.map_or(time, |precision| precision.round(time, Rounding::Nearest));
            (!angle.is_nan()).then(|| (time * per_second).round().rem_euclid(DAY * per_second) as i64)
        };
        let counts: ArrayRef = Arc::new(elements.chunks_exact(2).map(count).collect::<Int64Array>());
        match data_type {
            DataType::Time32(_) => cast(&cast(&counts, &DataType::Int32)?, data_type),
            _ => cast(&counts, data_type),
        }
    }
}

/// The survey of a column of times of the day.
struct TimeOfDaySurvey {
    statistics: Statistics,
    precision: PrecisionSurvey,
    first: Option<String>,
    data_type: DataType,
    /// Give it, rather than learn it.
    given: bool,
}

/// Surveys times of the day.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let (data_type, given) = (request.data_type.clone(), request.given);
    is_clock_type(&data_type).then(|| {
        let (statistics, precision) = (Statistics::new(None), PrecisionSurvey::new(&data_type));
        Box::new(TimeOfDaySurvey { statistics, precision, first: None, data_type, given }) as Box<dyn Survey>
    })
}

impl Survey for TimeOfDaySurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let seconds = seconds(array)?;
        self.statistics.update(&seconds);
        seconds.iter().flatten().for_each(|time| self.precision.push(time));
        if self.first.is_none() {
            self.first = first_as_text(array)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.statistics.finish();
    }

    fn values(&self) -> Values {
        self.statistics.values()
    }

    fn rejection(&self) -> Option<Rejection> {
        if self.statistics.count() == 0 {
            return Some(Rejection::no_usable_value(self.statistics.nulls(), 0));
        }
        self.statistics.is_constant().then(|| Rejection::constant(self.first.clone().unwrap_or_default()))
    }

    fn fit(&self, column: Column, _: &Scaler) -> Result<Kind, Rejection> {
        let (data_type, missing) = (self.data_type.to_string(), self.statistics.missing());
        let exact = Exact::of(&self.data_type).filter(|_| self.given);
        Ok(Kind::TimeOfDay(TimeOfDay { column, data_type, missing, precision: self.precision.coarsest(), exact }))
    }
}
