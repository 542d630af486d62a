//! Booleans: one element, 0 or 1, with a Bernoulli likelihood.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Survey, ValueIssues, Values};
use crate::config::LogicalType;
use crate::feature::{Likelihood, Shape};

/// A fitted Boolean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    column: Column,
    /// Values that were missing at fit.
    missing: u64,
}

impl Flag {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.missing = missing;
    }
}

impl Feature for Flag {
    fn column(&self) -> &Column {
        &self.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.column
    }

    fn expects(&self) -> &'static str {
        "a Boolean"
    }

    fn describe(&self) -> String {
        "flag, 0 or 1".to_owned()
    }

    fn data_type(&self) -> &str {
        "Boolean"
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        *data_type == DataType::Boolean
    }

    fn meaning(&self) -> Option<LogicalType> {
        Some(LogicalType::Boolean)
    }

    fn shape(&self) -> Shape {
        Shape::of(Likelihood::Bernoulli, 1)
    }

    fn unit(&self, _: usize) -> Option<&'static str> {
        Some("probability")
    }

    fn missing(&self) -> u64 {
        self.missing
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let array = array.as_boolean();
        for row in 0..array.len() {
            let value = if array.value(row) { 1.0 } else { 0.0 };
            elements.set(row, if array.is_valid(row) { value } else { f32::NAN });
        }
        Ok(ValueIssues { null: array.null_count() as u64, ..ValueIssues::default() })
    }

    /// True from 0.5 up.
    fn read(&self, elements: &[f32], _: &DataType) -> Result<ArrayRef, ArrowError> {
        let flag = |&element: &f32| (!element.is_nan()).then_some(element >= 0.5);
        Ok(Arc::new(elements.iter().map(flag).collect::<BooleanArray>()))
    }
}

/// The survey of a Boolean column.
#[derive(Default)]
struct FlagSurvey {
    trues: u64,
    falses: u64,
    nulls: u64,
}

/// Surveys Booleans.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    (*request.data_type == DataType::Boolean).then(|| Box::new(FlagSurvey::default()) as Box<dyn Survey>)
}

impl Survey for FlagSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let array = array.as_boolean();
        self.trues += array.true_count() as u64;
        self.falses += array.false_count() as u64;
        self.nulls += array.null_count() as u64;
        Ok(())
    }

    fn values(&self) -> Values {
        let Self { trues, falses, nulls } = *self;
        let known = trues + falses;
        let mean = trues as f64 / known.max(1) as f64;
        let of_known = |value: f64| (known > 0).then_some(value);
        Values {
            known,
            null: nulls,
            unusable: 0,
            min: of_known(if falses > 0 { 0.0 } else { 1.0 }),
            mean: of_known(mean),
            max: of_known(if trues > 0 { 1.0 } else { 0.0 }),
            std: of_known((mean * (1.0 - mean)).sqrt()),
        }
    }

    fn rejection(&self) -> Option<Rejection> {
        match (self.trues, self.falses) {
            (0, 0) => Some(Rejection::no_usable_value(self.nulls, 0)),
            (_, 0) => Some(Rejection::constant("true".to_owned())),
            (0, _) => Some(Rejection::constant("false".to_owned())),
            _ => None,
        }
    }

    fn fit(&self, column: Column, _: &Scaler) -> Result<Kind, Rejection> {
        Ok(Kind::Flag(Flag { column, missing: self.nulls }))
    }
}
