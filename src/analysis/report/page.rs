//! The report page: sections of figures and tables.

use std::fmt::Write;

use super::html::{folded, number_cell, percent, table, text_cell};
use super::table_survey::TableSurvey;
use super::{Report, ScoredColumns};
use crate::analysis::escape::escaped;
use crate::analysis::figure::{Figure, Scatter, css, histogram, scatter, short};
use crate::artifact::Model;
use crate::error::Result;
use crate::source::ParquetSource;

const STYLE: &str = include_str!("style.css");
const TEMPLATE: &str = include_str!("page.html");

/// A builder of a report page.
pub(super) struct ReportPage {
    title: String,
    /// Sentences below the title.
    about: Vec<String>,
    /// Key figures: (name, value).
    tiles: Vec<(&'static str, String)>,
    body: String,
    /// Whether a grid of figures is open.
    grid: bool,
    figures: Vec<Figure>,
    left_out: Vec<String>,
}

impl ReportPage {
    pub(super) fn new(source: &ParquetSource, survey: &TableSurvey, model: Option<&Model>) -> Self {
        let files = source.paths().count();
        let name = |path: &std::path::Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let title = name(source.path()).unwrap_or_else(|| source.path().display().to_string());
        let title = if files > 1 { format!("{title} and {} more", files - 1) } else { title };
        let mut tiles = vec![("rows", with_separators(survey.rows))];
        if let Some(anomalies) = survey.anomalies {
            tiles.push(("anomalies", with_separators(anomalies)));
            tiles.push(("of the rows", percent(anomalies as f64 / survey.rows.max(1) as f64)));
        }
        if let Some(labelled) = survey.labelled {
            tiles.push(("labelled anomalies", with_separators(labelled)));
        }
        tiles.push(("latent dimensions", survey.latents.len().to_string()));
        let mut about = Vec::new();
        if let Some(model) = model {
            let metadata = model.metadata();
            if let Some(health) = &metadata.health {
                tiles.push(("of them active", health.active().to_string()));
            }
            about.push(format!(
                "Model {} learned {} columns from {} rows.",
                &model.hash()[..12],
                metadata.features.len(),
                with_separators(metadata.provenance.rows)
            ));
        }
        if survey.missing > 0 {
            about.push(format!(
                "{} rows have no score, since all their learned values are missing.",
                with_separators(survey.missing)
            ));
        }
        Self { title, about, tiles, body: String::new(), grid: false, figures: Vec::new(), left_out: Vec::new() }
    }

    /// Lists something as not shown.
    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    /// Starts a section.
    pub(super) fn section(&mut self, title: &str, about: &str) {
        self.close_grid();
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(title));
        if !about.is_empty() {
            let _ = writeln!(self.body, "<p>{}</p>", escaped(about));
        }
    }

    /// Adds HTML.
    pub(super) fn html(&mut self, html: &str) {
        self.close_grid();
        self.body.push_str(html);
    }

    /// Adds a figure to the grid, with HTML below it.
    pub(super) fn figure(&mut self, figure: Figure, below: &str) {
        if !self.grid {
            self.body.push_str("<div class=\"grid\">\n");
            self.grid = true;
        }
        let (title, about) = (escaped(&figure.title), escaped(&figure.about));
        let _ = writeln!(
            self.body,
            "<figure>\n<figcaption>{title}</figcaption>\n{}\n<p aria-hidden=\"true\">{about}</p>\n{below}</figure>",
            figure.inline()
        );
        self.figures.push(figure);
    }

    fn close_grid(&mut self) {
        if std::mem::take(&mut self.grid) {
            self.body.push_str("</div>\n");
        }
    }

    /// Adds the histogram of scores.
    pub(super) fn scores(&mut self, columns: &ScoredColumns, survey: &TableSurvey) -> Result<()> {
        let TableSurvey { score, scores, threshold, above_range, .. } = survey;
        self.section("Scores and latents", "");
        if score.count == 0 {
            self.leave_out("the histogram of scores: no row has one".to_owned());
            return Ok(());
        }
        let mut about = format!(
            "{} of {} rows, from {} to {}, on average {}.",
            columns.score,
            with_separators(score.count),
            short(score.min),
            short(score.max),
            short(score.mean)
        );
        match (threshold, survey.anomalies) {
            (Some(least), Some(count)) => {
                let _ = write!(about, " {} rows from {} on are anomalies.", with_separators(count), short(*least));
            }
            (_, Some(_)) => about.push_str(" No row is an anomaly."),
            _ => about.push_str(" The file does not say which rows are anomalies."),
        }
        if *above_range > 0 {
            let _ = write!(about, " The last bar has {} rows with higher scores.", with_separators(*above_range));
        }
        let rows = (0..scores.counts.len()).filter(|&bin| scores.counts[bin] > 0).map(|bin| {
            let edges = scores.edges(bin);
            let mut row = vec![
                number_cell(Some(edges.start)),
                number_cell(Some(edges.end)),
                number_cell(Some(scores.counts[bin] as f64)),
            ];
            if survey.labelled.is_some() {
                row.push(number_cell(Some(scores.labelled[bin] as f64)));
            }
            row
        });
        let heads = ["from", "to", "rows", "labelled"];
        let heads = if survey.labelled.is_some() { &heads[..] } else { &heads[..3] };
        let rows = table("rows by score", heads, &rows.collect::<Vec<_>>());
        self.figure(histogram(scores, &columns.score, *threshold, about)?, &folded("Numbers", &rows));
        Ok(())
    }

    /// Adds the scatter plot of latent space.
    pub(super) fn plane(&mut self, plane: Option<(Scatter, String)>) -> Result<()> {
        match plane {
            Some((plane, about)) => self.figure(scatter(&plane, about)?, ""),
            None => self.leave_out("latent space: the file has no column z_0, or no row in it".to_owned()),
        }
        Ok(())
    }

    /// Renders the page.
    pub(super) fn finish(mut self, survey: &TableSurvey, sampled: u64) -> Report {
        self.close_grid();
        if !self.left_out.is_empty() {
            let rows: Vec<_> = self.left_out.iter().map(|what| format!("<li>{}</li>", escaped(what))).collect();
            let _ = writeln!(self.body, "<h2>Not shown</h2>\n<ul>{}</ul>", rows.join("\n"));
        }
        let tiles = self
            .tiles
            .iter()
            .map(|(what, value)| format!("<div><b>{}</b><span>{}</span></div>", escaped(value), escaped(what)));
        let (title, about) = (escaped(&self.title), escaped(&self.about.join(" ")));
        // Texts may contain the template's placeholders; only those of the template itself are replaced.
        let html = fill_template(&|word| match word {
            "VERSION" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            "TITLE" => Some(title.clone()),
            "ABOUT" => Some(about.clone()),
            "TILES" => Some(tiles.clone().collect()),
            "LIGHT" => Some(css(0)),
            "DARK" => Some(css(1)),
            "STYLE" => Some(STYLE.to_owned()),
            "BODY" => Some(self.body.clone()),
            _ => None,
        });
        Report {
            rows: survey.rows,
            sampled,
            anomalies: survey.anomalies,
            left_out: self.left_out,
            html,
            figures: self.figures,
        }
    }
}

/// The template with its placeholders, words in capitals, replaced.
fn fill_template(of: &dyn Fn(&str) -> Option<String>) -> String {
    let mut html = String::new();
    let mut rest = TEMPLATE;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |end| start + end);
        html.push_str(&rest[..start]);
        html.push_str(of(&rest[start..end]).as_deref().unwrap_or(&rest[start..end]));
        rest = &rest[end..];
    }
    html.push_str(rest);
    html
}

/// Formats a count with thousands separators.
pub(super) fn with_separators(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

/// A table of settings.
pub(super) fn settings(caption: &str, values: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let rows = values
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| vec![text_cell(key.clone()), text_cell(text(value))]);
    table(caption, &["setting", "value"], &rows.collect::<Vec<_>>())
}
