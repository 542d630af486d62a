//! The user's column selections: columns to learn, to exclude, to give, to learn as categories, or to transform by a curve.

use arrow::datatypes::Schema;

use super::{Carried, Column};
use crate::config::{FitConfig, Map, Scale};
use crate::error::Result;
use crate::source::Selection;

/// The column selections of a fit, checked against the schema.
pub(super) struct Selections {
    pub(super) columns: Selection,
    pub(super) exclude: Selection,
    pub(super) given: Selection,
    pub(super) categorical: Selection,
    maps: Vec<(Selection, Map)>,
}

impl Selections {
    /// Parses the selections of `config`.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`](crate::Error::UnknownColumn) for a name that is not in `schema`,
    /// [`Error::BadPattern`](crate::Error::BadPattern).
    pub(super) fn new(schema: &Schema, config: &FitConfig) -> Result<Self> {
        let leaves = Column::leaves(schema);
        let mut names: Vec<&str> = leaves.iter().flat_map(|(column, _)| [column.top(), column.name()]).collect();
        names.dedup();
        let parse = |kind, items: &[String]| -> Result<Selection> {
            let selection = Selection::parse(kind, items)?;
            selection.check(names.iter().copied())?;
            Ok(selection)
        };
        // Without what is to be given, another model would be fitted: a pattern has to match, too.
        let given = Selection::parse("given", &config.given)?;
        given.require(names.iter().copied())?;
        let map_of = |map: Map, columns: &String| Ok((parse("map", std::slice::from_ref(columns))?, map));
        Ok(Self {
            columns: parse("columns", &config.columns)?,
            exclude: parse("exclude", &config.exclude)?,
            given,
            categorical: parse("categorical", &config.categorical)?,
            maps: config.map.iter().map(|of| map_of(of.map, &of.columns)).collect::<Result<_>>()?,
        })
    }

    /// The curve selected for a column, if any: the last of several.
    pub(super) fn map(&self, column: &Column) -> Option<Map> {
        self.maps.iter().rev().find(|(selection, _)| matches(selection, column)).map(|(_, map)| *map)
    }

    /// The curve of a column: the selected one, or that of the scale.
    pub(super) fn map_or_default(&self, column: &Column, scale: Scale) -> Map {
        self.map(column).unwrap_or(if scale == Scale::Asinh { Map::Asinh } else { Map::None })
    }

    /// Whether a curve is selected for a column by name, not by a pattern.
    pub(super) fn names_map(&self, column: &Column) -> bool {
        self.maps.iter().any(|(selection, _)| names(selection, column))
    }
}

/// The columns that the user gives and that are carried all the same.
///
/// # Errors
/// [`Error::BadPattern`](crate::Error::BadPattern).
pub(crate) fn not_given<'a>(schema: &Schema, config: &FitConfig, carried: &'a [Carried]) -> Result<Vec<&'a Carried>> {
    let given = Selection::parse("given", &config.given)?;
    let leaves: Vec<Column> = Column::leaves(schema).into_iter().map(|(column, _)| column).collect();
    let is_given =
        |carried: &&Carried| leaves.iter().any(|leaf| leaf.name() == carried.column && matches(&given, leaf));
    Ok(carried.iter().filter(is_given).collect())
}

/// Whether a selection matches a column or its top-level column, by name or pattern.
pub(super) fn matches(selection: &Selection, column: &Column) -> bool {
    selection.matches(column.name()) || selection.matches(column.top())
}

/// Whether a selection has a column or its top-level column by name, not by a pattern.
pub(super) fn names(selection: &Selection, column: &Column) -> bool {
    selection.names(column.name()) || selection.names(column.top())
}
