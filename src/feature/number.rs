//! A number: one scaled element, Gaussian.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, unary};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::map::Curve;
use super::order::Monotonicity;
use super::statistics::{Readings, Statistics};
use super::survey::first_as_text;
use super::{Column, ColumnRequest, Feature, FeatureCells, Kind, Scaler, Scaling, Survey, Unfit, ValueIssues, Values};
use crate::config::Map;
use crate::feature::{Likelihood, Shape};

/// A fitted number: its value, bent if it has a curve, and scaled. A duration is a number of seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    column: Column,
    /// The column's type at fit; any numeric type is accepted later, and for a duration any duration.
    #[serde(rename = "type")]
    data_type: String,
    duration: bool,
    /// Values that were missing at fit.
    missing: u64,
    map: Option<Curve>,
    scaling: Scaling,
}

impl Number {
    /// Says how many values are missing in the rows of another fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }

    /// The curve it is bent by.
    pub(super) fn curve(&self) -> Option<&Curve> {
        self.map.as_ref()
    }

    /// The same with the curve and scaling of another; `None` if that is bent in another way.
    pub(super) fn rescaled(&self, other: &Self) -> Option<Self> {
        let alike = self.map.as_ref().map(Curve::kind) == other.map.as_ref().map(Curve::kind);
        alike.then(|| Self { map: other.map.clone(), scaling: other.scaling, ..self.clone() })
    }
}

/// Whether values of this type are numbers.
pub(super) fn are_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => are_numbers(values),
        data_type => data_type.is_numeric(),
    }
}

/// Units of time in a second.
pub(super) fn a_second(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    }
}

/// The numbers of an array, durations in seconds.
pub(super) fn numbers(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    if let DataType::Duration(unit) = *array.data_type() {
        let counts = cast(&cast(array, &DataType::Int64)?, &DataType::Float64)?;
        return Ok(unary(counts.as_primitive::<Float64Type>(), |count| count / a_second(unit)));
    }
    Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// Numbers as a column of this type: whole ones where it has no others.
pub(super) fn as_type(numbers: Float64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if let DataType::Duration(unit) = *data_type {
        let counts: ArrayRef = Arc::new(unary::<_, _, Int64Type>(&numbers, |x| (x * a_second(unit)).round() as i64));
        return cast(&counts, data_type);
    }
    let rounded: ArrayRef = match data_type {
        // The greatest of these are no f64; a cast would make nulls of what was rounded beyond them.
        DataType::Int64 => Arc::new(unary::<_, _, Int64Type>(&numbers, |x| x.round() as i64)),
        DataType::UInt64 => Arc::new(unary::<_, _, UInt64Type>(&numbers, |x| x.round() as u64)),
        data_type if data_type.is_integer() => Arc::new(unary::<_, _, Float64Type>(&numbers, f64::round)),
        _ => Arc::new(numbers),
    };
    cast(&rounded, data_type)
}

impl Feature for Number {
    fn column(&self) -> &Column {
        &self.column
    }

    fn expects(&self) -> &'static str {
        if self.duration { "a duration" } else { "a number" }
    }

    fn describe(&self) -> String {
        let kind = if self.duration { "duration in seconds" } else { "number" };
        match &self.map {
            Some(curve) => format!("{kind} x = {}, {}", curve.describe(), self.scaling.describe()),
            None => format!("{kind} {}", self.scaling.describe()),
        }
    }

    fn data_type(&self) -> &str {
        &self.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        if self.duration { matches!(data_type, DataType::Duration(_)) } else { are_numbers(data_type) }
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Gaussian, 1)
    }

    fn in_unit(&self, _: usize, expected: f64) -> f64 {
        let value = self.scaling.unscale(expected);
        self.map.as_ref().map_or(value, |curve| curve.straighten(value))
    }

    fn unit(&self, _: usize) -> Option<&'static str> {
        self.duration.then_some("s")
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn is_sound(&self) -> bool {
        self.scaling.is_sound() && self.map.as_ref().is_none_or(Curve::is_sound)
    }

    fn write(&self, array: &ArrayRef, cells: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let array = numbers(array)?;
        let mut found = ValueIssues { null: array.null_count() as u64, ..ValueIssues::default() };
        for (row, &value) in array.values().iter().enumerate() {
            let known = array.is_valid(row);
            let usable = (value as f32).is_finite();
            found.unusable += u64::from(known && !usable);
            found.beyond += u64::from(known && usable && self.scaling.is_beyond(value));
            let value = self.map.as_ref().map_or(value, |curve| curve.bend(value));
            cells.set(row, if known && usable { self.scaling.apply(value) } else { f32::NAN });
        }
        Ok(found)
    }

    fn read(&self, cells: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let value = |&cell: &f32| (!cell.is_nan()).then(|| self.scaling.within_range(self.in_unit(0, cell.into())));
        as_type(cells.iter().map(value).collect(), data_type)
    }
}

/// The numbers of a column.
struct NumberSurvey {
    statistics: Statistics,
    order: Monotonicity,
    /// The first value, as text.
    first: Option<String>,
    data_type: DataType,
    map: Map,
    /// Learn it whatever it looks like.
    named: bool,
}

/// Surveys numbers and durations.
pub(super) fn survey(wanted: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let ColumnRequest { data_type, named, map, quantiles, .. } = *wanted;
    (are_numbers(data_type) || matches!(data_type, DataType::Duration(_))).then(|| {
        Box::new(NumberSurvey {
            statistics: Statistics::new(quantiles || map != Map::None),
            order: Monotonicity::Unknown,
            first: None,
            data_type: data_type.clone(),
            map,
            named,
        }) as Box<dyn Survey>
    })
}

impl NumberSurvey {
    /// The curve, if one is wanted and the values give it, and readings of the values on it.
    fn bent(&self) -> (Option<Curve>, Readings) {
        match Curve::fit(self.map, &self.statistics) {
            Some(curve) => {
                let readings = curve.readings(&self.statistics);
                (Some(curve), readings)
            }
            None => (None, self.statistics.readings()),
        }
    }
}

impl Survey for NumberSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.order.update(array)?;
        self.statistics.update(&numbers(array)?);
        if self.first.is_none() {
            self.first = match array.data_type() {
                DataType::Duration(_) => first_as_text(&cast(array, &DataType::Int64)?)?,
                _ => first_as_text(array)?,
            };
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.statistics.finish();
    }

    fn values(&self) -> Values {
        self.statistics.values()
    }

    fn is_of_a_number(&self) -> bool {
        true
    }

    fn unfit(&self) -> Option<Unfit> {
        let (statistics, readings) = (&self.statistics, self.statistics.readings());
        if statistics.count() == 0 {
            Some(Unfit::nothing(statistics.nulls(), statistics.unusable()))
        } else if statistics.is_constant() {
            let text = self.first.clone().filter(|_| statistics.unusable() == 0);
            Some(Unfit::constant(text.unwrap_or_else(|| readings.min.to_string())))
        } else if self.order.counts_rows() && !self.named {
            Some(Unfit::because("looks like an identifier: integers that are unique and monotonic"))
        } else {
            None
        }
    }

    fn numbers(&self) -> Vec<Readings> {
        vec![self.bent().1]
    }

    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Unfit> {
        let (map, readings) = self.bent();
        let scaling =
            scaler.of_bent(map.as_ref(), &readings).ok_or_else(|| Unfit::because("varies too little to be scaled"))?;
        let straight = self.statistics.readings();
        let scaling = Scaling { min: straight.min, max: straight.max, ..scaling };
        Ok(Kind::Number(Number {
            column,
            data_type: self.data_type.to_string(),
            duration: matches!(self.data_type, DataType::Duration(_)),
            missing: self.statistics.missing(),
            map,
            scaling,
        }))
    }
}
