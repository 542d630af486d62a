//! The headline of a report in words: how many rows are odd, since when, and because of which columns.

use super::html::{brief, percent, with_separators};
use super::odd_rows::OddRows;
use super::periods::{Unit, change};
use super::table_survey::{MOST_ODD, TableSurvey};
use crate::analysis::escape::escaped;
use crate::analysis::figure::Period;

/// Columns named as causes.
const CAUSES: usize = 3;

/// The headline as text.
pub(super) fn headline(survey: &TableSurvey) -> String {
    let rows = with_separators(survey.rows);
    match (survey.rows, survey.anomalies) {
        (0, _) => "The file has no rows".to_owned(),
        (_, None) => format!("{rows} scored {}", plural(survey.rows, "row")),
        (_, Some(0)) => format!("None of {rows} {} is odd", plural(survey.rows, "row")),
        (_, Some(1)) => format!("1 of {rows} {} is odd", plural(survey.rows, "row")),
        (all, Some(odd)) => format!("{} of {rows} {} are odd", with_separators(odd), plural(all, "row")),
    }
}

/// Sentences below the headline, as HTML.
pub(super) fn summary(survey: &TableSurvey, odd: &OddRows, periods: Option<&(Unit, Vec<Period>)>) -> Vec<String> {
    let mut sentences = Vec::new();
    match survey.anomalies {
        None if survey.rows > 0 => sentences.push(
            "The file does not say which rows are anomalies, so this page is about those of highest score.".to_owned(),
        ),
        Some(count) if count > 0 => {
            sentences.push(format!("That is {} of the rows.", percent(count as f64 / survey.rows.max(1) as f64)));
            sentences.extend(periods.map(|(unit, periods)| since(*unit, periods)));
        }
        _ => {}
    }
    sentences.extend(causes(survey, odd));
    if survey.missing > 0 {
        let are = if survey.missing == 1 { "row has" } else { "rows have" };
        sentences.push(format!(
            "{} {are} no score, since all their learned values are missing.",
            with_separators(survey.missing)
        ));
    }
    sentences
}

/// Since when rows are odd; or, without a clear start, when most are.
pub(super) fn since(unit: Unit, periods: &[Period]) -> String {
    let name = |period: &Period| format!("<b>{}</b>", escaped(&brief(&period.name)));
    if let Some((at, before, since)) = change(periods) {
        return format!(
            "Since {}, {} of the rows are odd; before, it was {}.",
            name(&periods[at]),
            percent(since),
            percent(before)
        );
    }
    let most = periods.iter().reduce(|most, it| if it.odd > most.odd { it } else { most });
    let most = most.map_or(String::new(), |most| {
        format!(
            " The {} with the most is {}: {} of {} rows.",
            unit.name(),
            name(most),
            with_separators(most.odd),
            with_separators(most.rows)
        )
    });
    format!("There is no clear rise over time.{most}")
}

/// The columns that are most often the main reason.
fn causes(survey: &TableSurvey, odd: &OddRows) -> Option<String> {
    let main = odd.main_columns();
    let counted = odd.rows.len() as u64;
    let named: Vec<String> = main
        .iter()
        .take(CAUSES)
        .map(|(column, rows)| {
            format!("<b>{}</b> ({} {})", escaped(&brief(column)), with_separators(*rows), plural(*rows, "row"))
        })
        .collect();
    let (last, others) = named.split_last()?;
    let list = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let which = match survey.anomalies {
        None => format!("The {counted} rows of highest score stand out"),
        Some(all) if counted < all && all > MOST_ODD as u64 => {
            format!("The {} odd rows of highest score are odd", with_separators(counted))
        }
        Some(all) if counted < all => format!("{} of them have reasons: they are odd", with_separators(counted)),
        Some(1) => "It is odd".to_owned(),
        Some(_) => "They are odd".to_owned(),
    };
    Some(format!("{which} mostly because of {list}."))
}

/// A noun after a count.
pub(super) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
