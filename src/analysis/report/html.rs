//! HTML tables and text, always escaped.

use std::fmt::Write;

use crate::analysis::escape::escaped;

/// A table cell.
pub(super) enum Cell {
    Text(String),
    Number(String),
    /// HTML made by this program from escaped parts.
    Html(String),
}

/// A text cell.
pub(super) fn text_cell(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A number cell; empty for `None`.
pub(super) fn number_cell(value: Option<f64>) -> Cell {
    Cell::Number(value.map_or(String::new(), crate::analysis::figure::short))
}

/// A table with a caption for screen readers. On a narrow screen, the rows of a wide one become cards.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Cell>]) -> String {
    const NARROW: usize = 4;
    let is_wide = heads.len() > NARROW;
    let class = if is_wide { " class=\"cards\"" } else { "" };
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table{class}><caption>{0}</caption><thead><tr>",
        escaped(caption)
    );
    let is_number = |n: usize| rows.iter().any(|row| matches!(row.get(n), Some(Cell::Number(_))));
    for (n, head) in heads.iter().enumerate() {
        let class = if is_number(n) { " class=\"n\"" } else { "" };
        // A long name may break after an underscore.
        let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escaped(head).replace('_', "_<wbr>"));
    }
    html.push_str("</tr></thead><tbody>\n");
    let labels: Vec<String> = heads
        .iter()
        .map(|head| if is_wide { format!(" data-l=\"{}\"", escaped(head)) } else { String::new() })
        .collect();
    for row in rows {
        html.push_str("<tr>");
        for (cell, label) in row.iter().zip(&labels) {
            let _ = match cell {
                Cell::Text(text) => write!(html, "<td{label}>{}</td>", escaped(text)),
                Cell::Number(text) => write!(html, "<td class=\"n\"{label}>{}</td>", escaped(text)),
                Cell::Html(inner) => write!(html, "<td class=\"h\"{label}>{inner}</td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// A collapsed section.
pub(super) fn folded(summary: &str, inner: &str) -> String {
    format!("<details><summary>{}</summary>\n{inner}</details>\n", escaped(summary))
}

/// Truncates a long text.
pub(super) fn brief(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.chars().count() > MAX_CHARS {
        true => text.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
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

/// Formats a count with thousands separators.
pub(super) fn with_separators(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}
