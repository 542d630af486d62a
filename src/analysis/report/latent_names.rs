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

/// A dimension with its meaning, as a title of at most `most` characters: with as many columns as there is room for.
pub(super) fn titled(dimension: usize, names: &[String], most: usize) -> String {
    let mut meaning = names.get(dimension).map_or("", String::as_str);
    loop {
        let title = if meaning.is_empty() { format!("z_{dimension}") } else { format!("z_{dimension}: {meaning}") };
        match meaning.rsplit_once(", ").filter(|_| title.chars().count() > most) {
            Some((first, _)) => meaning = first,
            None => return title,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_as_many_columns_as_there_is_room_for() {
        let names = ["more mass, less flipper".to_owned(), String::new()];
        let titles = [28, 27, 3].map(|most| titled(0, &names, most));
        assert_eq!(titles, ["z_0: more mass, less flipper", "z_0: more mass", "z_0: more mass"]);
        assert_eq!([titled(1, &names, 9), titled(2, &names, 9)], ["z_1", "z_2"]);
    }
}
