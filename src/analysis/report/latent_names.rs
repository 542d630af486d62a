//! What latent dimensions mean, in a few words: "less distance, less air_time".

use super::html::brief;
use crate::decode::Influence;

/// Columns named of a dimension.
const NAMED: usize = 2;

/// Smallest effect of a column to be named: its change by a step of 1, in standard deviations.
const MIN_EFFECT: f64 = 0.15;

/// What happens where each dimension is larger, by the columns that it changes most; empty for one that changes nothing.
pub(super) fn latent_names(influences: &[Vec<Influence>]) -> Vec<String> {
    influences.iter().map(|of_dimension| latent_name(of_dimension)).collect()
}

fn latent_name(influences: &[Influence]) -> String {
    let mut named = Vec::<&str>::new();
    let mut words = Vec::new();
    for influence in influences {
        if named.len() >= NAMED || influence.relative_effect.abs() < MIN_EFFECT {
            break;
        }
        if named.contains(&influence.column.as_str()) {
            continue;
        }
        named.push(&influence.column);
        let part = influence.part.as_ref().map_or(String::new(), |part| format!(" {part}"));
        let more = if influence.relative_effect > 0.0 { "more" } else { "less" };
        words.push(format!("{more} {}{part}", brief(&influence.column)));
    }
    words.join(", ")
}

/// A dimension with its meaning, as a title.
pub(super) fn titled(dimension: usize, names: &[String]) -> String {
    match names.get(dimension).filter(|name| !name.is_empty()) {
        Some(name) => format!("z_{dimension}: {name}"),
        None => format!("z_{dimension}"),
    }
}
