//! Selection of the columns to learn; all others are carried, each with a reason.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::carry_reasons::carry_reasons;
use super::selections::{Selections, matches, names};
use super::statistics::NumberSummary;
use super::survey::first_as_text;
use super::time::is_time_type;
use super::{BadValue, Column, ColumnRequest, Features, Kind, Rejection, Scaler, Survey, Values, WindowCandidate};
use crate::config::{FitConfig, LogicalType, Scale, VectorScale};
use crate::error::{Error, Result};
use crate::source::ColumnTypes;

/// A column that is copied to the output but not learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Carried {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// Why it is not learned: a phrase with the column as its subject.
    pub reason: String,
    /// The value of a constant column, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// Values of a constant column that were missing at fit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Whether every value was missing at fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_missing: bool,
    /// What its values are, if the stored type does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_type: Option<LogicalType>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The reasons for a column that the user's selections leave out.
const BY_SELECTION: [&str; 2] = ["is excluded", "is not among the columns to learn"];

impl Carried {
    /// A column that is carried for this reason.
    pub(super) fn new(column: &Column, reason: String) -> Self {
        let (column, logical_type) = (column.to_string(), column.logical_type());
        Self { column, reason, constant: None, missing: 0, all_missing: false, logical_type }
    }

    /// Whether the user's selections leave it out.
    pub(super) fn is_by_selection(&self) -> bool {
        BY_SELECTION.contains(&self.reason.as_str())
    }
}

/// A column that can be learned by its type and the user's selections; its survey decides whether its values allow it.
pub(crate) struct Candidate {
    column: Column,
    survey: Box<dyn Survey>,
    /// Whether it is given, rather than learned.
    given: bool,
    /// Whether it is a date or time.
    is_time: bool,
    /// Rows that were read.
    rows: u64,
    /// The first value as it is stored, if the column is read as another type.
    first: Option<String>,
}

/// The columns of a table: candidates to learn, and carried ones.
pub(crate) struct Candidates {
    /// The candidates, in the order of the table.
    pub(crate) columns: Vec<Candidate>,
    /// The top-level columns of the candidates.
    pub(crate) fields: Vec<FieldRef>,
    pub(crate) carried: Vec<Carried>,
    /// A partition key that is a date: it is not learned, but gives the rows an order in time.
    pub(crate) date_key: Option<Candidate>,
}

impl Candidate {
    pub(super) fn new(column: Column, survey: Box<dyn Survey>) -> Self {
        Self { column, survey, given: false, is_time: false, rows: 0, first: None }
    }

    /// Fits the feature.
    ///
    /// # Errors
    /// The reason why the column cannot be learned.
    pub(super) fn fit(&self, scaler: &Scaler) -> Result<Kind, Rejection> {
        self.survey.rejection().map_or_else(|| self.survey.fit(self.column.clone(), scaler), Err)
    }

    /// The logical type that all its strings are of, if they are no plain words.
    pub(crate) fn suggested_type(&self) -> Option<LogicalType> {
        self.survey.suggested_type()
    }

    /// What keeps its strings from being read as numbers or times, if most of them are some.
    pub(crate) fn text_fault(&self) -> Option<String> {
        self.survey.text_fault()
    }

    /// Summaries of its numbers; empty if it is not learned.
    pub(super) fn numbers(&self) -> Vec<NumberSummary> {
        if self.survey.rejection().is_none() && !self.given { self.survey.numbers() } else { Vec::new() }
    }

    /// Whether rows before have numbers of it that can be learned, too.
    pub(crate) fn has_windows(&self) -> bool {
        !self.given && self.survey.is_numeric_scalar()
    }

    /// The column.
    pub(crate) fn column(&self) -> &Column {
        &self.column
    }

    /// Adds the next rows of its top-level column.
    pub(crate) fn update(&mut self, top: &ArrayRef) -> Result<(), ArrowError> {
        let values = self.column.read(top).map_err(|bad| BadValue::after(bad, self.rows))?;
        if self.column.logical_type().is_some() && self.first.is_none() {
            self.first = first_as_text(&self.column.of(top)?)?;
        }
        self.rows += values.len() as u64;
        self.survey.update(&values)
    }

    /// Ends the pass.
    pub(crate) fn finish(&mut self) {
        self.survey.finish();
    }

    /// The statistics for reports.
    pub(crate) fn values(&self) -> Values {
        self.survey.values()
    }

    /// The survey.
    pub(super) fn survey(&self) -> &dyn Survey {
        self.survey.as_ref()
    }
}

/// Divides the columns of `schema`, of which `partition_keys` come from paths, into candidates and carried columns of so many
/// rows.
///
/// # Errors
/// [`Error::UnknownColumn`] for a name that `schema` does not have, [`Error::NotLearnable`] for a column that the user
/// names but whose type cannot be learned in that way, [`Error::NothingSelected`] if the selections leave no candidate.
pub(crate) fn candidates(
    schema: &Schema,
    partition_keys: &[String],
    types: &ColumnTypes,
    config: &FitConfig,
    scale: Scale,
    rows: u64,
) -> Result<Candidates> {
    let leaves = Column::leaves(schema);
    let selections = Selections::new(schema, config)?;
    let Selections { columns, exclude, given, categorical, .. } = &selections;

    let mut candidates = Candidates { columns: Vec::new(), fields: Vec::new(), carried: Vec::new(), date_key: None };
    // The selection that left out a learnable column.
    let mut left_out_by = None;
    for (column, field) in &leaves {
        let column = &column.clone().typed(types);
        let Some(data_type) = column.read_type(field.data_type()) else {
            let (column, stored) = (column.to_string(), describe_type(field.data_type()));
            return Err(Error::NotLearnable {
                selection: "types",
                column,
                reason: format!(" as that type: it is {stored}"),
            });
        };
        let named = names(columns, column);
        let is_given = matches(given, column) || (is_time_type(&data_type) && !named);
        let request = ColumnRequest {
            name: column.name(),
            data_type: &data_type,
            typed: column.logical_type().is_some(),
            named: named || matches(given, column),
            given: is_given,
            grouped: !given.is_empty(),
            categorical: matches(categorical, column),
            max_categories: config.max_categories,
            map: selections.map_or_default(column, scale),
            vector_scale: config.vector_scale.unwrap_or(VectorScale::Element),
            quantiles: matches!(scale, Scale::Robust | Scale::Asinh),
            rows,
        };
        let refused = |selection, reason: &str| {
            let reason = format!("{reason} {}", describe_type(field.data_type()));
            Error::NotLearnable { selection, column: column.to_string(), reason }
        };
        let survey = Kind::survey(&request);
        let reason = if matches(exclude, column) {
            let named = columns.is_empty() || matches(columns, column);
            left_out_by = if survey.is_some() && named { Some("exclude") } else { left_out_by };
            BY_SELECTION[0].to_owned()
        } else if !columns.is_empty() && !matches(columns, column) && !matches(given, column) {
            left_out_by = left_out_by.or(survey.is_some().then_some("columns"));
            BY_SELECTION[1].to_owned()
        } else if leaves.iter().filter(|(other, _)| other.name() == column.name()).count() > 1 {
            "shares its name with another column".to_owned()
        } else if partition_keys.iter().any(|key| key == column.top()) && !request.named && !request.categorical {
            if candidates.date_key.is_none() && is_time_type(field.data_type()) {
                candidates.date_key = survey.map(|survey| Candidate::new(column.clone(), survey));
            }
            "is a partition key".to_owned()
        } else if config.order_by.as_deref() == Some(column.name()) && !is_given {
            "orders the rows".to_owned()
        } else if config.by.iter().any(|by| by == column.name()) && !request.named && !request.categorical {
            "tells sequences apart".to_owned()
        } else if let Some(survey) = survey {
            if names(categorical, column) && !survey.is_categorical() {
                return Err(refused("categorical", " as a category: it is"));
            }
            if selections.names_map(column) && !survey.is_numeric_scalar() {
                return Err(refused("map", " on a curve: it is"));
            }
            left_out_by = left_out_by.or(matches(given, column).then_some("given"));
            candidates.columns.push(Candidate {
                given: is_given,
                is_time: is_time_type(&data_type),
                ..Candidate::new(column.clone(), survey)
            });
            continue;
        } else {
            let named =
                [("columns", named), ("given", names(given, column)), ("categorical", names(categorical, column))];
            if let Some((selection, _)) = named.into_iter().find(|(_, named)| *named) {
                return Err(refused(selection, ": it is"));
            }
            format!("is {}", describe_type(field.data_type()))
        };
        let all_missing = *field.data_type() == DataType::Null;
        candidates.carried.push(Carried { all_missing, ..Carried::new(column, reason) });
    }
    let tops = |field: &&FieldRef| candidates.columns.iter().any(|candidate| candidate.column.top() == field.name());
    candidates.fields = schema.fields().iter().filter(tops).cloned().collect();
    match left_out_by {
        Some(selection) if candidates.columns.iter().all(|candidate| candidate.given) => {
            Err(Error::NothingSelected(selection))
        }
        _ => Ok(candidates),
    }
}

/// Fits a feature for every candidate whose values can be learned or given; adds the others to the carried columns.
///
/// `indicated` as in [`Features::new`], `date_key` as in [`Candidates`]; `windows` are learned with the numbers that they are
/// of.
pub(crate) fn fit_features(
    surveyed: &[Candidate],
    date_key: Option<&Candidate>,
    mut carried: Vec<Carried>,
    scale: Scale,
    indicated: bool,
    windows: &[WindowCandidate],
) -> (Features, Vec<Carried>) {
    let scaler = Scaler::new(scale, surveyed.iter().flat_map(Candidate::numbers));
    let (mut kinds, mut given) = (Vec::new(), Vec::new());
    for (candidate, reason) in surveyed.iter().zip(carry_reasons(surveyed, date_key)) {
        let reason = reason.filter(|_| !candidate.given);
        match reason.map_or_else(|| candidate.fit(&scaler), |reason| Err(Rejection::because(reason))) {
            Ok(kind) if candidate.given => given.push(kind),
            Ok(kind) => kinds.push(kind),
            Err(Rejection { reason, constant }) => {
                // A circumstance that was constant is not watched: it is none of the row's doing. Times never are.
                let constant = constant.filter(|_| !candidate.given || candidate.is_time);
                let logical_type = candidate.column.logical_type();
                let constant = constant.map(|constant| candidate.first.clone().unwrap_or(constant));
                let Values { known, null, unusable, .. } = candidate.values();
                let missing = if constant.is_some() { null + unusable } else { 0 };
                let all_missing = known == 0 && unusable == 0 && null > 0 && !candidate.given;
                let column = candidate.column.to_string();
                carried.push(Carried { column, reason, constant, missing, all_missing, logical_type });
            }
        }
    }
    let learned = |candidate: &&WindowCandidate| {
        kinds.iter().any(|kind| matches!(kind, Kind::Number(_)) && kind.column() == &candidate.of)
    };
    // A number whose means vary too little is learned without them.
    let windows: Vec<Kind> =
        windows.iter().filter(learned).filter_map(|window| window.candidate.fit(&scaler).ok()).collect();
    kinds.extend(windows);
    (Features::grouped(kinds, given, indicated), carried)
}

/// A phrase for a type, for messages.
fn describe_type(data_type: &DataType) -> String {
    let class = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "a string",
        DataType::Dictionary(..) => "a dictionary",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::Boolean => "a Boolean",
        _ if data_type.is_numeric() => "a number",
        DataType::Timestamp(_, Some(_)) => "a timestamp of an unknown time zone",
        _ if data_type.is_temporal() => "a date or time",
        DataType::Null => "of no type, all null",
        _ if data_type.is_list() => "a list",
        _ if data_type.is_nested() => "nested",
        _ => "of a type that is not learned",
    };
    format!("{class} ({data_type})")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("name", DataType::Utf8, true),
            Field::new("x", DataType::Int32, true),
            Field::new("same", DataType::Int32, true),
            Field::new("bytes", DataType::Binary, true),
        ])
    }

    fn chosen(columns: &[&str], exclude: &[&str]) -> (Vec<String>, Vec<String>) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let config = FitConfig::new().columns(owned(columns)).exclude(owned(exclude));
        let Candidates { mut columns, carried, .. } =
            candidates(&schema(), &[], &ColumnTypes::default(), &config, Scale::Standard, 0).unwrap();
        for candidate in &mut columns {
            let array: ArrayRef = match candidate.column().name() {
                "id" => Arc::new(Int32Array::from(vec![Some(1), Some(2), Some(3)])),
                "x" => Arc::new(Int32Array::from(vec![Some(5), None, Some(4)])),
                "name" => Arc::new(StringArray::from(vec!["a", "b", "c"])),
                _ => Arc::new(Int32Array::from(vec![Some(7), None, Some(7)])),
            };
            candidate.update(&array).unwrap();
            candidate.finish();
        }
        let (features, carried) = fit_features(&columns, None, carried, Scale::Standard, false, &[]);
        let names = features.kinds().iter().map(|kind| kind.column().to_string()).collect();
        (names, carried.into_iter().map(|c| format!("{} {}", c.column, c.reason)).collect())
    }

    #[test]
    fn every_carried_column_has_its_reason() {
        let (features, carried) = chosen(&[], &[]);
        assert_eq!(features, ["x"]);
        assert_eq!(
            carried,
            [
                "bytes is binary (Binary)",
                "id looks like an identifier: integers that are unique and monotonic",
                "name looks like an identifier: 3 different words, none of which comes 3 times",
                "same is constant (7)"
            ]
        );
    }

    #[test]
    fn a_column_selected_by_name_is_never_an_identifier() {
        assert_eq!(chosen(&["id", "x"], &[]).0, ["id", "x"]);
        assert_eq!(chosen(&["x", "name"], &[]).0, ["x", "name"]);
        assert_eq!(chosen(&["*"], &["id"]).0, ["x"]);
    }

    #[test]
    fn a_selection_that_the_type_of_the_column_does_not_allow_is_rejected() {
        let refused = |config: FitConfig| {
            candidates(&schema(), &[], &ColumnTypes::default(), &config, Scale::Standard, 0).map(|_| ()).unwrap_err()
        };
        let names = |name: &str| vec![name.to_owned()];
        for config in [
            FitConfig::new().columns(names("bytes")),
            FitConfig::new().categorical(names("bytes")),
            FitConfig::new().map(vec!["name=log1p".parse().unwrap()]),
        ] {
            assert!(matches!(refused(config), Error::NotLearnable { .. }));
        }
        assert!(matches!(refused(FitConfig::new().categorical(names("nothing"))), Error::UnknownColumn { .. }));
    }
}
