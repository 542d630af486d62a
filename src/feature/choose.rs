//! Which columns are learned, which are only carried, and why.

use arrow::datatypes::{DataType, FieldRef, Schema};
use serde::{Deserialize, Serialize};

use super::{Features, Kind, Number, Scaler, Statistics};
use crate::config::Scale;
use crate::error::{Error, Result};
use crate::source::Selection;

/// A column that is written but not learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The column.
    pub column: String,
    /// Why it is not learned: a phrase with the column as its subject.
    pub reason: String,
}

/// Columns whose type and name allow learning them; whether their values do, statistics tell.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) fields: Vec<FieldRef>,
    named: Selection,
    carried: Vec<Carried>,
}

/// Sorts the columns of `schema` by type and by the user's selections.
///
/// # Errors
/// [`Error::UnknownColumn`] for a name that is not there, [`Error::NotLearnable`] for a column that is named to be
/// learned and of a type that cannot be, [`Error::NothingSelected`] if the selections leave none that can.
pub(crate) fn candidates(schema: &Schema, columns: &[String], exclude: &[String]) -> Result<Candidates> {
    let (columns, exclude) = (Selection::parse("columns", columns)?, Selection::parse("exclude", exclude)?);
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    columns.check(names())?;
    exclude.check(names())?;
    let mut candidates = Candidates { fields: Vec::new(), named: columns, carried: Vec::new() };
    // The selection that left out a column that could be learned.
    let mut left_out_by = None;
    for field in schema.fields() {
        let column = field.name();
        let learns = Kind::learns(field.data_type());
        let reason = if exclude.matches(column) {
            let named = candidates.named.is_empty() || candidates.named.matches(column);
            left_out_by = if learns && named { Some("exclude") } else { left_out_by };
            "is excluded".to_owned()
        } else if !candidates.named.is_empty() && !candidates.named.matches(column) {
            left_out_by = left_out_by.or(learns.then_some("columns"));
            "is not among the columns to learn".to_owned()
        } else if schema.fields().iter().filter(|other| other.name() == column).count() > 1 {
            "shares its name with another column".to_owned()
        } else if learns {
            candidates.fields.push(field.clone());
            continue;
        } else {
            let reason = format!("is {}", in_words(field.data_type()));
            if candidates.named.names(column) {
                return Err(Error::NotLearnable { column: column.clone(), reason: format!("it {reason}") });
            }
            reason
        };
        candidates.carried.push(Carried { column: column.clone(), reason });
    }
    match left_out_by {
        Some(selection) if candidates.fields.is_empty() => Err(Error::NothingSelected { selection }),
        _ => Ok(candidates),
    }
}

impl Candidates {
    /// Fits a feature for every candidate whose values can be learned; `statistics` is one a candidate.
    pub(crate) fn choose(self, statistics: &[Statistics], scale: Scale) -> (Features, Vec<Carried>) {
        let reasons: Vec<Option<String>> = self
            .fields
            .iter()
            .zip(statistics)
            .map(|(field, statistics)| self.unfit(field.name(), statistics))
            .collect();
        let numbers = self.fields.iter().zip(statistics).zip(&reasons);
        let numbers = numbers.filter(|((field, _), reason)| reason.is_none() && Number::learns(field.data_type()));
        let scaler = Scaler::new(scale, numbers.map(|((_, statistics), _)| statistics));

        let (mut kinds, mut carried) = (Vec::new(), self.carried);
        for ((field, statistics), reason) in self.fields.iter().zip(statistics).zip(reasons) {
            let column = field.name();
            let fitted = reason.map_or_else(|| Kind::fit(column, field.data_type(), statistics, &scaler), Err);
            match fitted {
                Ok(kind) => kinds.push(kind),
                Err(reason) => carried.push(Carried { column: column.clone(), reason }),
            }
        }
        (Features::grouped(kinds), carried)
    }

    /// Why a column's values cannot be learned, whatever its kind; `None` if they can.
    fn unfit(&self, column: &str, statistics: &Statistics) -> Option<String> {
        if statistics.count() == 0 {
            let (nulls, unusable) = (statistics.nulls(), statistics.unusable());
            Some(format!("has no usable value ({nulls} null, {unusable} NaN or infinite)"))
        } else if statistics.min() == statistics.max() {
            Some(format!("is constant ({})", statistics.min()))
        } else if statistics.counts_rows() && !self.named.names(column) {
            Some("looks like an identifier: integers that are unique and monotonic".to_owned())
        } else {
            None
        }
    }
}

/// A type as a user would call it.
fn in_words(data_type: &DataType) -> String {
    let class = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "a string",
        DataType::Dictionary(..) => "a dictionary",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Interval(_) => "a date or time",
        DataType::Null => "of no type, all null",
        _ if data_type.is_nested() => "nested",
        _ => "of a type that is not learned",
    };
    format!("{class} ({data_type})")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};
    use arrow::datatypes::Field;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("name", DataType::Utf8, true),
            Field::new("x", DataType::Int32, true),
            Field::new("same", DataType::Int32, true),
        ])
    }

    fn chosen(columns: &[&str], exclude: &[&str]) -> (Vec<String>, Vec<String>) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let candidates = candidates(&schema(), &owned(columns), &owned(exclude)).unwrap();
        let statistics: Vec<_> = candidates
            .fields
            .iter()
            .map(|field| {
                let values = match field.name().as_str() {
                    "id" => vec![Some(1), Some(2), Some(3)],
                    "x" => vec![Some(5), None, Some(4)],
                    _ => vec![Some(7), None, Some(7)],
                };
                let mut statistics = Statistics::new(false);
                statistics.update(&(Arc::new(Int32Array::from(values)) as ArrayRef)).unwrap();
                statistics.finish()
            })
            .collect();
        let (features, carried) = candidates.choose(&statistics, Scale::Standard);
        (features.columns(), carried.into_iter().map(|c| format!("{} {}", c.column, c.reason)).collect())
    }

    #[test]
    fn every_carried_column_has_its_reason() {
        let (features, carried) = chosen(&[], &[]);
        assert_eq!(features, ["x"]);
        assert_eq!(
            carried,
            [
                "name is a string (Utf8)",
                "id looks like an identifier: integers that are unique and monotonic",
                "same is constant (7)"
            ]
        );
    }

    #[test]
    fn a_column_named_to_be_learned_is_no_identifier() {
        assert_eq!(chosen(&["id", "x"], &[]).0, ["id", "x"]);
        assert_eq!(chosen(&["*"], &["id"]).0, ["x"]);
    }

    #[test]
    fn naming_a_string_to_be_learned_is_refused() {
        let error = candidates(&schema(), &["name".to_owned()], &[]).unwrap_err();
        assert!(matches!(error, Error::NotLearnable { .. }), "{error}");
    }
}
