//! HTML, and nothing in it that is not escaped.

use std::fmt::Write;

use crate::analysis::escape::escaped;

/// A table's cell.
pub(super) enum Cell {
    Text(String),
    Number(String),
    /// Made by this program, of escaped parts.
    Html(String),
}

/// A text cell.
pub(super) fn word(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A number's cell; empty for none.
pub(super) fn number(value: Option<f64>) -> Cell {
    Cell::Number(value.map_or(String::new(), crate::analysis::figure::short))
}

/// A table with a caption for who does not see where it stands.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table><caption>{0}</caption><thead><tr>",
        escaped(caption)
    );
    let is_number = |n: usize| rows.iter().any(|row| matches!(row.get(n), Some(Cell::Number(_))));
    for (n, head) in heads.iter().enumerate() {
        let class = if is_number(n) { " class=\"n\"" } else { "" };
        let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escaped(head));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            let _ = match cell {
                Cell::Text(text) => write!(html, "<td>{}</td>", escaped(text)),
                Cell::Number(text) => write!(html, "<td class=\"n\">{}</td>", escaped(text)),
                Cell::Html(inner) => write!(html, "<td>{inner}</td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Numbers of a figure, folded away.
pub(super) fn folded(summary: &str, inner: &str) -> String {
    format!("<details><summary>{}</summary>\n{inner}</details>\n", escaped(summary))
}

/// A text, cut if it is long.
pub(super) fn brief(text: &str) -> String {
    const MOST: usize = 60;
    match text.chars().count() > MOST {
        true => text.chars().take(MOST - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p > 0.0 && p < 0.1 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}
