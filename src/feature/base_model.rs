//! Continuing a fit from a base model: options that conflict with its features, and columns that it does not learn.

use arrow::datatypes::Schema;

use super::selections::{Selections, matches, names};
use super::{Carried, Column, FeatureIssues, Features, Kind, ValueIssues, Watched};
use crate::config::{FitConfig, Map, VectorScale};
use crate::error::Result;

/// The reason for a column that the base model does not have.
const NOT_OF_MODEL: &str = "is not a column of the base model";

/// The features with the missing counts of other rows. A category that meets new words no longer counts words as unseen.
/// With `indicated`, each keeps its missing indicator, or stays without one.
pub(crate) fn with_missing_counts(features: &Features, issues: &FeatureIssues, indicated: bool) -> Features {
    let kind = |(kind, issues): (&Kind, &ValueIssues)| {
        let (mut counted, missing) = (kind.clone(), issues.null + issues.unusable);
        counted.set_missing(match kind.missing() {
            _ if !indicated => missing,
            0 => 0,
            _ => missing.max(1),
        });
        if let Kind::Category(category) = &mut counted {
            category.add_other_words(issues.unseen_category);
        }
        counted
    };
    let kinds = features.kinds().iter().zip(&issues.learned).map(kind).collect();
    Features::grouped(kinds, features.given().to_vec(), indicated)
        .with_norms(features.layout().given().norms().to_vec())
}

/// The carried columns after other rows with these issues: a watched column that varies in them is no longer constant.
pub(crate) fn still_constant(carried: Vec<Carried>, watched: &[Watched], issues: &FeatureIssues) -> Vec<Carried> {
    let issues_of = |name: &str| {
        let number = watched.iter().position(|watched| watched.name == name)?;
        issues.watched.get(number)
    };
    let column = |carried: Carried| match issues_of(&carried.column) {
        None => carried,
        Some(issues) if issues.unseen_category > 0 => {
            let was = if carried.all_missing { "empty" } else { "constant" };
            let reason = format!("was {was} in the fit of the base model");
            Carried { reason, constant: None, missing: 0, all_missing: false, ..carried }
        }
        Some(_) if carried.all_missing => carried,
        Some(issues) => Carried { missing: issues.null + issues.unusable, ..carried },
    };
    carried.into_iter().map(column).collect()
}

/// The first option that conflicts with the base model's features and carried columns, and why: it selects other
/// columns, or another encoding.
///
/// # Errors
/// As in a fit, for names that `schema` does not have.
pub(crate) fn conflicting_option(
    schema: &Schema,
    config: &FitConfig,
    features: &Features,
    carried: &[Carried],
) -> Result<Option<(&'static str, String)>> {
    let selections = Selections::new(schema, config)?;
    let learns = |column: &Column| features.kinds().iter().any(|kind| kind.column() == column);
    let is_given = |column: &Column| features.given().iter().any(|kind| kind.column() == column);
    let leaves = || Column::leaves(schema).into_iter().map(|(column, _)| column);
    if let Some(column) = leaves().find(|column| names(&selections.given, column) && !is_given(column)) {
        return Ok(Some(("given", format!("it is not given {:?}", column.name()))));
    }
    // Columns that the base model was asked to learn, but could not, may be selected again.
    let by_data = |carried: &Carried| !carried.is_by_selection() && carried.reason != NOT_OF_MODEL;
    let was_unlearnable =
        |column: &Column| carried.iter().any(|carried| carried.column == column.name() && by_data(carried));
    let extra = leaves()
        .filter(|column| names(&selections.columns, column) && !matches(&selections.exclude, column))
        .find(|column| !learns(column) && !was_unlearnable(column));
    if let Some(column) = extra {
        return Ok(Some(("columns", format!("it does not learn {:?}", column.name()))));
    }
    let excluded = features.given().iter().find(|kind| matches(&selections.exclude, kind.column()));
    if let Some(kind) = excluded {
        return Ok(Some(("exclude", format!("it is given {:?}", kind.column().name()))));
    }
    Ok(features.kinds().iter().find_map(|kind| conflict_with(&selections, config, kind)))
}

/// The columns of `schema` that the base model neither learns nor is given, each with the reason.
pub(crate) fn unlearned_columns(schema: &Schema, features: &Features, carried: &[Carried]) -> Vec<Carried> {
    let columns = Column::leaves(schema).into_iter().map(|(column, _)| column);
    let others = columns.filter(|column| !features.all().any(|kind| kind.column() == column));
    let known = |column: Column| {
        let known = carried.iter().find(|carried| carried.column == column.name()).cloned();
        let reason = NOT_OF_MODEL.to_owned();
        known.unwrap_or_else(|| Carried::new(&column, reason))
    };
    others.map(known).collect()
}

/// The first option that conflicts with a feature.
fn conflict_with(selections: &Selections, config: &FitConfig, kind: &Kind) -> Option<(&'static str, String)> {
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
            // Numbers with equal scalings may each have been scaled alone.
            let differs = (asked, scale) == (VectorScale::Whole, VectorScale::Element);
            differs.then(|| ("vector_scale", learns(&format!(", scaled by {scale}, and not by {asked}"))))
        }
        Kind::Category(category) => {
            let (most, has) = (config.max_categories?, category.classes());
            (has > most).then(|| ("max_categories", learns(&format!(" as {has} categories, and not {most}"))))
        }
        Kind::Flag(_) | Kind::Time(_) | Kind::TimeOfDay(_) | Kind::Group(_) => None,
    }
}
