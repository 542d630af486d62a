//! Numbers and durations: one scaled element with a Gaussian likelihood.

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::distinct::DistinctIntegers;
use super::epoch::TimeNumber;
use super::exact::{Exact, bits_elements};
use super::map::Curve;
use super::monotonicity::Monotonicity;
use super::name_hint::{says_identifier, says_order};
use super::number_arrays::{cast_numbers, is_number_type, known, numbers};
use super::one_way::FEWEST_VALUES;
use super::precision::{Precision, PrecisionSurvey, Rounding};
use super::row_sample::RowSample;
use super::scalar::{Quantity, Scalar};
use super::scaling::ScaledNumbers;
use super::statistics::{NumberSummary, Statistics};
use super::survey::first_as_text;
use super::{
    Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Scaling, Survey, ValueIssues, Values,
};
use crate::config::{LogicalType, Map};
use crate::feature::{Likelihood, Shape};

/// A fitted number: its value, transformed by a curve if it has one, then scaled. A duration is a number of seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    column: Column,
    /// The column's type at fit; any numeric type is accepted later, and for a duration any duration.
    #[serde(rename = "type")]
    data_type: String,
    pub(super) duration: bool,
    /// Values that were missing at fit.
    missing: u64,
    pub(super) map: Option<Curve>,
    pub(super) scaling: Scaling,
    /// Absent if the values have none, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
    /// What a given number is stored as beside. Absent of a learned one, and in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact: Option<Exact>,
}

impl Number {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }

    /// The curve that transforms it before scaling.
    pub(super) fn curve(&self) -> Option<&Curve> {
        self.map.as_ref()
    }

    /// The scaled ends of the range at fit.
    pub(super) fn range(&self) -> [f32; 2] {
        let scaled = |value: f64| self.scaling.apply(self.map.as_ref().map_or(value, |curve| curve.apply(value)));
        [self.scaling.min, self.scaling.max].map(scaled)
    }

    /// This feature with the curve and scaling of another; `None` if the kinds of curve differ.
    pub(super) fn with_scaling_of(&self, other: &Self) -> Option<Self> {
        let alike = self.map.as_ref().map(Curve::kind) == other.map.as_ref().map(Curve::kind);
        alike.then(|| Self {
            map: other.map.clone(),
            scaling: other.scaling,
            precision: other.precision,
            ..self.clone()
        })
    }
}

impl Feature for Number {
    fn column(&self) -> &Column {
        &self.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.column
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
        if self.duration { matches!(data_type, DataType::Duration(_)) } else { is_number_type(data_type) }
    }

    fn meaning(&self) -> Option<LogicalType> {
        (!self.duration).then_some(LogicalType::Float)
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Gaussian, 1 + bits_elements(self.exact))
    }

    fn exact(&self) -> Option<Exact> {
        self.exact
    }

    fn in_unit(&self, _: usize, expected: f64) -> f64 {
        let value = self.scaling.unscale(expected);
        self.map.as_ref().map_or(value, |curve| curve.invert(value))
    }

    fn unit(&self, _: usize) -> Option<&'static str> {
        self.duration.then_some("s")
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn is_valid(&self) -> bool {
        let is_valid = self.scaling.is_valid() && self.map.as_ref().is_none_or(Curve::is_valid);
        is_valid && self.precision.is_none_or(Precision::is_valid)
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let array = numbers(array)?;
        let ScaledNumbers { scaled, unusable, out_of_range } = self.scaling.scale(&array, self.map.as_ref());
        elements.set_all(&scaled);
        let mut issues =
            ValueIssues { null: array.null_count() as u64, unusable, out_of_range, ..ValueIssues::default() };
        if elements.unseen > 0 && out_of_range + unusable > 0 {
            let is_unseen = |value: Option<f64>| value.is_some_and(|value| self.scaling.has_unseen_sign(value));
            for (row, _) in array.iter().enumerate().filter(|(_, value)| is_unseen(*value)) {
                issues.unseen_category += 1;
                elements.add_unseen(row);
            }
        }
        Ok(issues)
    }

    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        self.array(&self.values(elements), data_type)
    }

    fn unseen(&self) -> &'static str {
        "negative, zero or positive, unlike any in the training data"
    }

    fn scalar(&self) -> Option<&dyn Scalar> {
        Some(self)
    }
}

impl Scalar for Number {
    fn quantity(&self) -> Quantity {
        if self.duration { Quantity::Duration } else { Quantity::Number }
    }

    fn range(&self) -> [f64; 2] {
        [self.scaling.min, self.scaling.max]
    }

    fn smallest_difference(&self) -> f64 {
        self.precision.map_or(0.0, Precision::smallest_difference)
    }

    fn rounded(&self, value: f64, rounding: Rounding) -> f64 {
        self.scaling.within_range(self.precision.map_or(value, |precision| precision.round(value, rounding)))
    }

    fn values(&self, elements: &[f32]) -> Vec<f64> {
        let value = |&element: &f32| self.rounded(self.in_unit(0, element.into()), Rounding::Nearest);
        elements.iter().step_by(self.shape().elements).map(value).collect()
    }

    fn array(&self, values: &[f64], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        cast_numbers(known(values), data_type)
    }
}

/// Fewest rows that a name such as `year` puts in order.
const FEWEST_ORDERED: u64 = 8;

/// The range of counters beside the number of rows, at most: a few may be missing.
const DENSE: f64 = 1.1;

/// The largest distance from a uniform distribution that identifiers have.
const MOST_UNEVEN: f64 = 0.2;

/// The survey of a number column.
struct NumberSurvey {
    statistics: Statistics,
    monotonicity: Monotonicity,
    distinct: DistinctIntegers,
    says_identifier: bool,
    says_order: bool,
    sample: RowSample,
    /// A larger one, of a table that is judged group by group.
    large_sample: Option<RowSample>,
    precision: PrecisionSurvey,
    /// The first known value, as text.
    first: Option<String>,
    data_type: DataType,
    map: Map,
    /// Learn it even if it looks like an identifier or a time.
    named: bool,
    /// Give it, rather than learn it.
    given: bool,
}

/// Surveys numbers and durations.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let ColumnRequest { name, data_type, named, given, grouped, map, quantiles, rows, .. } = *request;
    let is_duration = matches!(data_type, DataType::Duration(_));
    (is_number_type(data_type) || is_duration).then(|| {
        Box::new(NumberSurvey {
            statistics: Statistics::new((quantiles || map != Map::None).then_some(rows)),
            monotonicity: Monotonicity::Unknown,
            distinct: DistinctIntegers::new(!named && !is_duration),
            says_identifier: says_identifier(name),
            says_order: says_order(name),
            sample: if grouped { RowSample::of_groups() } else { RowSample::new() },
            large_sample: None,
            precision: PrecisionSurvey::new(data_type),
            first: None,
            data_type: data_type.clone(),
            map,
            named,
            given,
        }) as Box<dyn Survey>
    })
}

impl NumberSurvey {
    /// The curve, if one is requested and the values allow it, and the summary of the transformed values.
    fn transformed(&self) -> (Option<Curve>, NumberSummary) {
        match Curve::fit(self.map, &self.statistics) {
            Some(curve) => {
                let summary = curve.summary(&self.statistics);
                (Some(curve), summary)
            }
            None => (None, self.statistics.summary()),
        }
    }

    /// How the numbers identify rows, if they do: integers that number them, or that repeat less than measured ones would. A
    /// name such as `id` is a hint beside that.
    fn identifier(&self, summary: &NumberSummary) -> Option<&'static str> {
        let NumberSummary { min, max, .. } = *summary;
        let (count, unique) = (self.statistics.count(), self.distinct.never_repeat());
        let unlikely = self.distinct.hardly_repeat(min, max);
        if self.monotonicity.is_strict() && unique {
            // A few rows may be sorted by a number that is measured in even steps.
            let is_counter = unlikely || max - min < DENSE * count as f64;
            let is_sure = (0.0..=1.0).contains(&min) || count >= FEWEST_VALUES as u64;
            let is_named = self.says_order && count >= FEWEST_ORDERED;
            return (is_counter && is_sure || is_named || self.says_identifier)
                .then_some("integers that are unique and monotonic");
        }
        if unlikely {
            return Some(if unique { "integers that never repeat" } else { "integers that hardly repeat" });
        }
        match self.says_identifier {
            true if unique => Some("integers that never repeat, and its name says so"),
            true if self.is_spread_evenly(min, max) => Some("many integers spread evenly, and its name says so"),
            _ => None,
        }
    }

    /// Whether a sample of the values is of many integers, as often from each part of their range: the largest distance of
    /// their distribution from the uniform one is small.
    fn is_spread_evenly(&self, min: f64, max: f64) -> bool {
        let mut values: Vec<f64> = self.sample.values().iter().copied().filter(|value| !value.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        let (count, range) = (values.len() as f64, max - min + 1.0);
        let far = |(rank, value): (usize, &f64)| ((rank as f64 + 0.5) / count - (value - min + 0.5) / range).abs();
        let farthest = values.iter().enumerate().map(far).fold(0.0, f64::max);
        let are_integers = values.iter().all(|value| value.fract() == 0.0);
        values.dedup();
        are_integers && values.len() >= FEWEST_VALUES && farthest <= MOST_UNEVEN
    }

    /// How the numbers say times, if they do.
    fn time_number(&self) -> Option<TimeNumber> {
        let NumberSummary { min, max, .. } = self.statistics.summary();
        TimeNumber::of(&self.sample, min, max).filter(|_| !self.named)
    }
}

impl Survey for NumberSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.monotonicity.update(array)?;
        let numbers = numbers(array)?;
        self.distinct.update(array, &numbers)?;
        self.statistics.update(&numbers);
        numbers.iter().for_each(|value| self.sample.push(value));
        numbers.iter().flatten().for_each(|value| self.precision.push(value));
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
        self.distinct.finish();
        self.large_sample = Some(self.sample.reduce());
    }

    fn values(&self) -> Values {
        self.statistics.values()
    }

    fn is_numeric_scalar(&self) -> bool {
        true
    }

    fn sample(&self) -> Option<&RowSample> {
        (!self.named).then_some(&self.sample)
    }

    fn sampled_values(&self) -> Option<&[f64]> {
        Some(self.sample.values())
    }

    fn large_sample(&self) -> Option<&RowSample> {
        self.large_sample.as_ref()
    }

    fn times(&self, values: &[f64]) -> Option<Vec<f64>> {
        let form = self.time_number()?;
        Some(values.iter().map(|&number| form.seconds(number)).collect())
    }

    fn rejection(&self) -> Option<Rejection> {
        let (statistics, summary) = (&self.statistics, self.statistics.summary());
        if statistics.count() == 0 {
            Some(Rejection::no_usable_value(statistics.nulls(), statistics.unusable()))
        } else if statistics.is_constant() {
            let text = self.first.clone().filter(|_| statistics.unusable() == 0);
            Some(Rejection::constant(text.unwrap_or_else(|| summary.min.to_string())))
        } else if self.named {
            None
        } else if let Some(form) = self.time_number() {
            Some(Rejection::because(form.reason()))
        } else {
            self.identifier(&summary).map(|how| Rejection::because(format!("looks like an identifier: {how}")))
        }
    }

    fn numbers(&self) -> Vec<NumberSummary> {
        vec![self.transformed().1]
    }

    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Rejection> {
        let (map, summary) = self.transformed();
        let original = self.statistics.summary();
        // The ranks at which a curve is estimated may all have the same value; the values themselves do not.
        let scaled = |map: Option<Curve>, summary| Some((scaler.of_transformed(map.as_ref(), summary)?, map));
        let (scaling, map) = scaled(map, &summary)
            .or_else(|| scaled(None, &original))
            .ok_or_else(|| Rejection::because("varies too little to be scaled"))?;
        let scaling = Scaling { min: original.min, max: original.max, ..scaling };
        Ok(Kind::Number(Number {
            column,
            data_type: self.data_type.to_string(),
            duration: matches!(self.data_type, DataType::Duration(_)),
            missing: self.statistics.missing(),
            map,
            scaling,
            precision: self.precision.coarsest(),
            exact: Exact::of(&self.data_type).filter(|_| self.given),
        }))
    }
}
