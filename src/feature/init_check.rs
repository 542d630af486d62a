//! Features that a fit keeps of a model: what contradicts them, and the columns beside them.

use arrow::datatypes::Schema;

use super::selections::{Selections, matches, names};
use super::{Carried, Column, FeatureIssues, Features, Kind, ValueIssues};
use crate::config::{FitConfig, Map, VectorScale};
use crate::error::Result;

/// The reason to carry a column that the base model does not have, and its former wording in model files.
const NOT_OF_MODEL: &str = "is not a column of the base model";
const NOT_OF_MODEL_BEFORE: &str = "is no column of the model that the fit goes on from";

/// The features with what is missing of them among other rows. What the encoder is told of missing values, if it is
/// (`indicated`), stays what it is.
pub(crate) fn counted(features: &Features, found: &FeatureIssues, indicated: bool) -> Features {
    let kind = |(kind, found): (&Kind, &ValueIssues)| {
        let (mut anew, missing) = (kind.clone(), found.null + found.unusable);
        anew.set_missing(match kind.missing() {
            _ if !indicated => missing,
            0 => 0,
            _ => missing.max(1),
        });
        anew
    };
    Features::grouped(features.kinds().iter().zip(&found.0).map(kind).collect(), indicated)
}

/// The first option by which other columns than those of `kinds` would be learned, beside which some are `carried`, or
/// one of them in another way, and what speaks against it.
///
/// # Errors
/// As of a fit, for names that are not in `schema`.
pub(crate) fn contradiction(
    schema: &Schema,
    config: &FitConfig,
    kinds: &[Kind],
    carried: &[Carried],
) -> Result<Option<(&'static str, String)>> {
    let selections = Selections::new(schema, config)?;
    let learns = |column: &Column| kinds.iter().any(|kind| kind.column() == column);
    // What it was asked to learn then as well, and could not, it may be asked again.
    let not_of_model = |carried: &Carried| [NOT_OF_MODEL, NOT_OF_MODEL_BEFORE].contains(&carried.reason.as_str());
    let of_data = |carried: &Carried| !carried.is_by_selection() && !not_of_model(carried);
    let could_not = |column: &Column| carried.iter().any(|carried| carried.column == column.name() && of_data(carried));
    let more = Column::leaves(schema)
        .into_iter()
        .map(|(column, _)| column)
        .filter(|column| names(&selections.columns, column) && !matches(&selections.exclude, column))
        .find(|column| !learns(column) && !could_not(column));
    if let Some(column) = more {
        return Ok(Some(("columns", format!("it does not learn {:?}", column.name()))));
    }
    Ok(kinds.iter().find_map(|kind| of_kind(&selections, config, kind)))
}

/// The columns of `schema` beside those of `kinds`, with the reasons that a model has for not learning them.
pub(crate) fn beside(schema: &Schema, kinds: &[Kind], carried: &[Carried]) -> Vec<Carried> {
    let columns = Column::leaves(schema).into_iter().map(|(column, _)| column);
    let others = columns.filter(|column| !kinds.iter().any(|kind| kind.column() == column));
    let known = |column: Column| {
        let known = carried.iter().find(|carried| carried.column == column.name()).cloned();
        let reason = NOT_OF_MODEL.to_owned();
        known.unwrap_or_else(|| Carried { column: column.to_string(), reason, constant: None })
    };
    others.map(known).collect()
}

/// The first option that contradicts what a feature is.
fn of_kind(selections: &Selections, config: &FitConfig, kind: &Kind) -> Option<(&'static str, String)> {
    let Selections { columns, exclude, categorical, .. } = selections;
    let column = kind.column();
    let learns = |how: &str| format!("it learns {:?}{how}", column.name());
    if matches(exclude, column) {
        return Some(("exclude", learns("")));
    }
    if !columns.is_empty() && !matches(columns, column) {
        return Some(("columns", learns("")));
    }
    if matches(categorical, column) && !matches!(kind, Kind::Category(_)) {
        return Some(("categorical", learns(&format!(" as a {}", kind.describe()))));
    }
    match kind {
        Kind::Number(number) => {
            let curve = number.curve().map_or(Map::None, |curve| curve.kind());
            let other = selections.map(column).filter(|map| *map != Map::Auto && *map != curve)?;
            Some(("map", learns(&format!(" on the curve {curve}, and not {other}"))))
        }
        _ if selections.names_map(column) => Some(("map", learns(&format!(" as a {}", kind.describe())))),
        Kind::Vector(vector) => {
            let (asked, scale) = config.vector_scale.zip(vector.scale())?;
            // Numbers of one scale may each have been scaled by itself.
            let differs = (asked, scale) == (VectorScale::Whole, VectorScale::Element);
            differs.then(|| ("vector_scale", learns(&format!(", scaled by {scale}, and not by {asked}"))))
        }
        Kind::Category(category) => {
            let (most, has) = (config.max_categories?, category.classes());
            (has > most).then(|| ("max_categories", learns(&format!(" as {has} categories, and not {most}"))))
        }
        Kind::Flag(_) | Kind::Time(_) => None,
    }
}
