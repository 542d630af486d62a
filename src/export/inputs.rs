//! The columns of a model as inputs of a graph.

#![forbid(unsafe_code)]

use super::column::ColumnInput;
use super::row::RowColumns;
use crate::artifact::Model;
use crate::error::{OnnxFault, Result};
use crate::feature::{Kind, Recipe, watched_recipes};

impl<'a> RowColumns<'a> {
    /// Those of a model.
    ///
    /// # Errors
    /// [`OnnxFault`] for the first column that ONNX cannot express.
    pub(super) fn of(model: &'a Model) -> Result<Self, OnnxFault> {
        let all = |kinds: &'a [Kind]| kinds.iter().map(input).collect::<Result<Vec<_>, _>>();
        let (learned, given) = (all(model.features().kinds())?, all(model.features().given())?);
        let watched = watched_recipes(&model.watched(), &model.metadata().columns).into_iter().map(|recipe| {
            let is_value = |text: &str| recipe.constant.as_deref() == Some(text);
            let input = ColumnInput::new(&recipe.name, &recipe.data_type, recipe.missing, &is_value)?;
            Ok((recipe, input))
        });
        Ok(Self { learned, given, watched: watched.collect::<Result<_, OnnxFault>>()? })
    }
}

/// How a column is encoded, and its input.
fn input(kind: &Kind) -> Result<(Recipe<'_>, ColumnInput), OnnxFault> {
    let (name, recipe) = (kind.column().name(), kind.recipe());
    let column = || name.to_owned();
    let Some(data_type) = kind.type_at_fit() else {
        return Err(OnnxFault::Type { column: column(), data_type: kind.data_type().to_owned() });
    };
    let within = |text: &str, [least, most]: [f64; 2]| text.parse().is_ok_and(|it: f64| (least..=most).contains(&it));
    let input = match &recipe {
        Recipe::Category { other: None, .. } => return Err(OnnxFault::HashedCategory { column: column() }),
        Recipe::Time { zone: Some(zone), offset: None, cycles, .. } if !cycles.is_empty() => {
            return Err(OnnxFault::NamedZone { column: column(), zone: (*zone).to_owned() });
        }
        Recipe::Number { scaling, .. } => {
            let is_value = |text: &str| within(text, [scaling.min, scaling.max]);
            ColumnInput::new(name, &data_type, kind.missing(), &is_value)?
        }
        Recipe::Vector { length, learned } => {
            let is_value = |text: &str| learned.iter().any(|(_, scaling)| within(text, [scaling.min, scaling.max]));
            ColumnInput::list(name, &data_type, *length, kind.missing(), &is_value)?
        }
        Recipe::Category { classes, .. } => {
            ColumnInput::new(name, &data_type, kind.missing(), &|text| classes.contains_key(text))?
        }
        Recipe::Group { names } => {
            ColumnInput::new(name, &data_type, kind.missing(), &|text| names.iter().any(|name| name == text))?
        }
        Recipe::Flag | Recipe::Time { .. } | Recipe::TimeOfDay => {
            ColumnInput::new(name, &data_type, kind.missing(), &|_| false)?
        }
    };
    Ok((recipe, input))
}
