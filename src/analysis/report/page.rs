//! The report page: sections of figures and tables.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::headline::headline;
use super::html::{folded, number_cell, percent, table, text_cell, with_separators};
use super::table_survey::TableSurvey;
use super::{Report, ReportConfig, ScoredColumns};
use crate::analysis::escape::escaped;
use crate::analysis::figure::{Bar, Figure, Paint, Scatter, bars, css, histogram, scatter, short};
use crate::analysis::thresholds::P_VALUES;
use crate::artifact::Model;
use crate::error::Result;
use crate::source::ParquetSource;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const TEMPLATE: &str = include_str!("page.html");

const EXPLAIN_SCORES: &str = "The score says how unusual a row is for the model: the higher, the odder. A row is an anomaly from the threshold on. \
     Latents are the few numbers into which the model condenses a row.";

/// A builder of a report page.
pub(super) struct ReportPage {
    title: String,
    headline: String,
    /// Sentences below the headline, as HTML.
    summary: Vec<String>,
    /// What the page is about: (name, value).
    facts: Vec<(&'static str, String)>,
    /// Key figures: (name, value).
    tiles: Vec<(&'static str, String)>,
    /// The sections: (anchor, title).
    contents: Vec<(&'static str, String)>,
    body: String,
    /// Whether a grid of figures is open.
    grid: bool,
    figures: Vec<Figure>,
    left_out: Vec<String>,
}

impl ReportPage {
    pub(super) fn new(
        source: &ParquetSource,
        survey: &TableSurvey,
        model: Option<&Model>,
        config: &ReportConfig,
        summary: Vec<String>,
    ) -> Self {
        let files = source.paths().count();
        let name = |path: &std::path::Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let title = name(source.path()).unwrap_or_else(|| source.path().display().to_string());
        let title = if files > 1 { format!("{title} and {} more", files - 1) } else { title };
        let mut tiles = vec![("rows", with_separators(survey.rows))];
        if let Some(anomalies) = survey.anomalies {
            tiles.push(("odd rows", with_separators(anomalies)));
            tiles.push(("of the rows", percent(anomalies as f64 / survey.rows.max(1) as f64)));
        }
        if let Some(labelled) = survey.labelled {
            tiles.push(("labelled anomalies", with_separators(labelled)));
        }
        let mut facts = vec![(if files > 1 { "files" } else { "file" }, title.clone())];
        if let Some(model) = model {
            let metadata = model.metadata();
            let hash = &model.hash()[..12];
            facts
                .push(("model", config.model_name.as_ref().map_or(hash.to_owned(), |name| format!("{name} ({hash})"))));
            facts.push((
                "trained on",
                format!("{} rows, {} columns", with_separators(metadata.provenance.rows), metadata.features.len()),
            ));
        }
        facts.extend(config.date.clone().map(|date| ("date", date)));
        Self::titled(title, headline(survey), summary, facts, tiles)
    }

    /// A page without sections. Of the summary, each sentence is HTML.
    pub(super) fn titled(
        title: String,
        headline: String,
        summary: Vec<String>,
        facts: Vec<(&'static str, String)>,
        tiles: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            title,
            headline,
            summary,
            facts,
            tiles,
            contents: Vec::new(),
            body: String::new(),
            grid: false,
            figures: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Lists something as not shown.
    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    /// Starts a section; `anchor` is of letters, digits and hyphens.
    pub(super) fn section(&mut self, anchor: &'static str, title: &str, about: &str) {
        self.close_grid();
        self.contents.push((anchor, title.to_owned()));
        let _ = writeln!(self.body, "<h2 id=\"{anchor}\">{}</h2>", escaped(title));
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
        self.section("scores", "Scores and latents", EXPLAIN_SCORES);
        if score.count == 0 {
            self.leave_out("the histogram of scores: no row has one".to_owned());
            return Ok(());
        }
        let mut about = format!(
            "{} of {} rows, on a logarithmic axis: from {} to {}, on average {}.",
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

    /// Adds what other thresholds would make alerts, if rows have p-values.
    pub(super) fn what_if(&mut self, survey: &TableSurvey) -> Result<()> {
        let Some(counts) = survey.by_p_value.filter(|counts| counts.last().is_some_and(|most| *most > 0)) else {
            return Ok(());
        };
        let (each, of) = survey.history.days().map_or((1, ""), |days| (days, " a day"));
        let bar = |(most, count): (f64, u64)| {
            let value = count as f64 / each as f64;
            let label = if each > 1 { format!("{value:.1}{of}, {count} in all") } else { with_separators(count) };
            Bar { name: format!("p-value up to {most}"), value, label, paint: Paint::Main }
        };
        let all: Vec<Bar> = P_VALUES.into_iter().zip(counts).map(bar).collect();
        let about = format!(
            "Rows that would be anomalies{of} at other p-values. vaepipe thresholds tells the same by hour, week and group, and \
             finds the threshold for a number of alerts."
        );
        self.figure(bars(("what-if", "What if", about), &all, None)?, "");
        Ok(())
    }

    /// Adds the scatter plot of latent space.
    pub(super) fn plane(&mut self, plane: Option<(Scatter, String)>) -> Result<()> {
        match plane {
            Some((plane, about)) => self.figure(scatter(&plane, about)?, ""),
            None => self.leave_out(
                "latent space: the file has no column z_0, or no row in it; latents written as a list are not drawn"
                    .to_owned(),
            ),
        }
        Ok(())
    }

    /// Renders the page about so many rows, of which some are sampled and some are anomalies.
    pub(super) fn finish(mut self, rows: u64, sampled: u64, anomalies: Option<u64>) -> Report {
        self.close_grid();
        if !self.left_out.is_empty() {
            self.section("not-shown", "Not shown", "");
            let items: Vec<_> = self.left_out.iter().map(|what| format!("<li>{}</li>", escaped(what))).collect();
            let _ = writeln!(self.body, "<ul>{}</ul>", items.join("\n"));
        }
        let tiles = self
            .tiles
            .iter()
            .map(|(what, value)| format!("<div><b>{}</b><span>{}</span></div>", escaped(value), escaped(what)));
        let facts =
            self.facts.iter().map(|(what, value)| format!("<div><dt>{what}</dt><dd>{}</dd></div>", escaped(value)));
        let contents = self
            .contents
            .iter()
            .map(|(anchor, title)| format!("<li><a href=\"#{anchor}\">{}</a></li>", escaped(title)));
        let hash = STANDARD.encode(Sha256::digest(SCRIPT));
        // Texts may contain the template's placeholders; only those of the template itself are replaced.
        let html = fill_template(&|word| match word {
            "VERSION" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            "TITLE" => Some(escaped(&self.title)),
            "HEADLINE" => Some(escaped(&self.headline)),
            "SUMMARY" => Some(self.summary.join(" ")),
            "FACTS" => Some(facts.clone().collect()),
            "CONTENTS" => Some(contents.clone().collect()),
            "HASH" => Some(hash.clone()),
            "SCRIPT" => Some(SCRIPT.to_owned()),
            "TILES" => Some(tiles.clone().collect()),
            "LIGHT" => Some(css(0)),
            "DARK" => Some(css(1)),
            "STYLE" => Some(STYLE.to_owned()),
            "BODY" => Some(self.body.clone()),
            _ => None,
        });
        Report { rows, sampled, anomalies, left_out: self.left_out, html, figures: self.figures }
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
