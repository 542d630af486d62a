//! The columns of which only one side of what is expected is odd, and their elements of the row vector.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;

use super::selections::{matches, names};
use super::{Column, Features, Kind};
use crate::config::{Direction, FitConfig};
use crate::error::{Error, Result};
use crate::source::Selection;

/// The learned columns with a direction, by name; among them the means over rows before of such columns.
///
/// # Errors
/// [`Error::UnknownColumn`] for a name that is not in `schema`, [`Error::NotLearnable`] for the name of a column that is not
/// learned as a number or a list of numbers, [`Error::BadPattern`].
pub(crate) fn directions(
    features: &Features,
    schema: &Schema,
    config: &FitConfig,
    windows: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, Direction>> {
    let leaves = Column::leaves(schema);
    let all: Vec<&Column> = leaves.iter().map(|(column, _)| column).collect();
    let mut found = BTreeMap::new();
    for of in &config.direction {
        let selection = Selection::parse("direction", std::slice::from_ref(&of.columns))?;
        selection.check(all.iter().flat_map(|column| [column.top(), column.name()]))?;
        for column in all.iter().filter(|column| matches(&selection, column)) {
            let kind = features.kinds().iter().find(|kind| kind.column().name() == column.name());
            if kind.is_some_and(has_sides) {
                found.insert(column.name().to_owned(), of.direction);
            } else if names(&selection, column) {
                let as_what = kind.map_or("it is not learned".to_owned(), |kind| format!("it is {}", kind.describe()));
                let reason = format!(" by one side: {as_what}");
                return Err(Error::NotLearnable { selection: "direction", column: column.name().to_owned(), reason });
            }
        }
    }
    for (of, window) in windows {
        let is_learned = features.kinds().iter().any(|kind| kind.column().name() == window && has_sides(kind));
        if let Some(&direction) = found.get(&of).filter(|_| is_learned) {
            found.insert(window, direction);
        }
    }
    Ok(found)
}

/// Whether higher and lower mean something for its values.
fn has_sides(kind: &Kind) -> bool {
    matches!(kind, Kind::Number(_) | Kind::Vector(_))
}

impl Features {
    /// The elements of the columns with a direction, ascending, each with its sign; `None` if a column is not one of them.
    pub(crate) fn directed(&self, directions: &BTreeMap<String, Direction>) -> Option<Vec<(usize, f32)>> {
        let mut elements = Vec::new();
        for (column, direction) in directions {
            let feature = self.kinds().iter().position(|kind| kind.column().name() == column && has_sides(kind))?;
            elements.extend(self.elements(feature).map(|element| (element, direction.sign())));
        }
        elements.sort_unstable_by_key(|(element, _)| *element);
        Some(elements)
    }
}
