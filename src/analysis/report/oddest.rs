//! The oddest rows, one sentence each, and groups of odd rows.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Float32Type;

use super::headline::plural;
use super::html::{Cell, brief, number_cell, percent, table, text_cell, with_separators};
use super::odd_rows::{OddGroup, OddRows};
use super::page::ReportPage;
use super::row_images::{pixel_columns, row_images, stretch_contrast};
use super::sampled_rows::{SampledRows, failed, read_rows, texts};
use super::sentence::{Phrasebook, readable};
use super::table_survey::TableSurvey;
use super::{ReportConfig, ScoredColumns};
use crate::analysis::figure::{Bar, ImageRow, Paint, bars, image_grid};
use crate::artifact::Model;
use crate::decode::Decoder;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Largest numbers of columns shown by themselves: those that identify rows, and those that the reasons mention.
const IDENTIFYING: usize = 3;
const MENTIONED: usize = 4;

/// Carried columns among which those that identify rows are looked for.
const LOOKED_AT: usize = 16;

/// Largest numbers of groups in the table, and of bars.
const GROUPS: usize = 10;
const BARS: usize = 10;

/// The rows that are listed, with the values that are shown of them.
pub(super) struct ListedRows<'a> {
    rows: SampledRows,
    odd: &'a OddRows,
    phrases: Phrasebook<'a>,
    /// The values of columns as text, read when they were first shown.
    texts: BTreeMap<String, Vec<Option<String>>>,
    /// The columns shown by themselves.
    shown: Vec<String>,
    /// The learned and constant columns, if rows are images.
    pixels: Vec<String>,
}

impl<'a> ListedRows<'a> {
    /// Reads the rows of highest score and the first of each group.
    pub(super) fn read(
        source: &ParquetSource,
        columns: &ScoredColumns,
        (survey, odd, groups): (&TableSurvey, &'a OddRows, &[OddGroup]),
        model: Option<&'a Model>,
        config: &ReportConfig,
        stop: &Stop,
    ) -> Result<Self> {
        let groups = &groups[..groups.len().min(GROUPS)];
        let rows: BTreeSet<u64> =
            survey.top.iter().chain(groups.iter().map(|group| &group.first)).map(|(_, row)| *row).collect();
        let phrases = Phrasebook::new(model);
        let mut mentioned = BTreeMap::<&str, u64>::new();
        for reason in survey.top.iter().filter_map(|(_, row)| odd.reasons.get(row)).flatten() {
            *mentioned.entry(&reason.column).or_default() += 1;
        }
        let first: BTreeSet<&str> =
            rows.iter().filter_map(|row| Some(odd.reasons.get(row)?.first()?.column.as_str())).collect();
        let related: Vec<String> =
            first.into_iter().flat_map(|column| phrases.related(column)).map(str::to_owned).collect();
        let mut mentioned: Vec<(&str, u64)> = mentioned.into_iter().filter(|(name, _)| columns.has(name)).collect();
        mentioned.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mentioned = mentioned.into_iter().take(MENTIONED).map(|(name, _)| name.to_owned());
        let pixels: Vec<String> = match (config.image, model) {
            (Some(_), Some(model)) => pixel_columns(model, columns)?.unwrap_or_default(),
            _ => Vec::new(),
        };
        let schema = source.schema();
        let is_plain = |name: &&String| schema.field_with_name(name).is_ok_and(|field| !field.data_type().is_nested());
        let known = [columns.label(), columns.time.as_ref()].into_iter().flatten();
        let identifying =
            columns.time.iter().chain(columns.carried.iter().filter(|name| !known.clone().any(|it| it == *name)));
        let identifying: Vec<String> = identifying.filter(is_plain).take(LOOKED_AT).cloned().collect();
        let mut shown: Vec<String> = match config.show.is_empty() {
            true => identifying.iter().cloned().chain(mentioned).collect(),
            false => config.show.clone(),
        };
        let latents = columns.latents.iter().filter(|_| !pixels.is_empty()).cloned();
        let own = [columns.p_value.as_ref(), columns.label()].into_iter().flatten().cloned();
        let learned = model.filter(|_| !pixels.is_empty()).map(|model| model.features().columns()).unwrap_or_default();
        let learned = learned.into_iter().filter(|name| columns.has(name));
        let wanted = own.chain(shown.iter().cloned()).chain(related.into_iter().filter(|name| columns.has(name)));
        let wanted = wanted.chain(latents).chain(learned).chain(pixels.iter().cloned());
        let rows = read_rows(source, wanted, rows.into_iter().collect(), stop)?;
        let mut listed = Self { rows, odd, phrases, texts: BTreeMap::new(), shown: Vec::new(), pixels };
        for field in listed.rows.batch.schema().fields().iter().filter(|field| !field.data_type().is_nested()) {
            if let Some(column) = listed.rows.column(field.name()) {
                let texts = texts(source.path(), field.name(), column)?;
                listed.texts.insert(field.name().clone(), texts);
            }
        }
        if config.show.is_empty() {
            // A constant column does not identify rows.
            let values =
                |name: &String| listed.texts.get(name).map_or(0, |texts| texts.iter().collect::<BTreeSet<_>>().len());
            // The more different values, the better.
            let mut of_use: Vec<(usize, &String)> = identifying.iter().map(|name| (values(name), name)).collect();
            of_use.retain(|(values, _)| *values > 1 || listed.rows.rows.len() == 1);
            of_use.sort_by_key(|(values, name)| (columns.time.as_ref() != Some(name), std::cmp::Reverse(*values)));
            let of_use: Vec<String> = of_use.into_iter().take(IDENTIFYING).map(|(_, name)| name.clone()).collect();
            shown.retain(|name| of_use.contains(name) || !identifying.contains(name));
        }
        shown.retain(|name| listed.texts.contains_key(name));
        listed.shown = shown;
        Ok(listed)
    }

    fn place(&self, row: u64) -> usize {
        self.rows.rows.partition_point(|other| *other < row)
    }

    /// The value of a column as text; `None` if it is missing, or the column is not shown.
    fn text(&self, column: &str, row: u64) -> Option<String> {
        self.texts.get(column)?.get(self.place(row))?.clone()
    }

    /// A sentence about a row; empty without its reasons.
    fn sentence(&self, row: u64) -> String {
        let reasons = self.odd.reasons.get(&row).map_or(&[][..], Vec::as_slice);
        self.phrases.sentence(reasons, &|column| self.text(column, row))
    }

    /// Lists the rows of highest score.
    pub(super) fn show(
        &self,
        page: &mut ReportPage,
        source: &ParquetSource,
        columns: &ScoredColumns,
        survey: &TableSurvey,
        model: Option<&Model>,
        config: &ReportConfig,
    ) -> Result<()> {
        if survey.top.is_empty() {
            return Ok(());
        }
        let explained = !self.odd.reasons.is_empty();
        let why = match explained {
            true => {
                " The sentence says what is unusual: the value, and what the model expects of such a row, give or take \
                     the usual error (±). First reason: the part of the score that the first column makes."
            }
            false => "",
        };
        page.section("oddest-rows", "The oddest rows", &format!("The rows of highest score, the oddest first.{why}"));
        if !explained {
            let way = match model {
                None => "transform --explain 3 adds that, or give the model, -m",
                Some(model) if model.metadata().sequence.is_some() => "transform --explain 3 adds that",
                Some(_) => "transform --explain 3 adds that; the file lacks columns that the model learned",
            };
            page.leave_out(format!("why rows are odd: {way}"));
        }
        let files = source.files();
        let mut heads = vec!["row", columns.score.as_str()];
        if files.len() > 1 {
            heads.insert(0, "file");
        }
        heads.extend(explained.then_some("why"));
        heads.extend(columns.p_value.as_ref().map(|_| "p-value"));
        heads.extend(columns.label().map(String::as_str));
        heads.extend(self.shown.iter().map(String::as_str));
        heads.extend(explained.then_some("first reason"));
        let cell = |column: &String, row: u64| {
            let text = self.text(column, row).map_or(String::new(), |text| readable(&text));
            let is_number = text.parse::<f64>().is_ok();
            if is_number { Cell::Number(text) } else { text_cell(text) }
        };
        let line = |&(score, row): &(f64, u64)| {
            let mut line = vec![Cell::Number(row.to_string()), number_cell(Some(score))];
            if files.len() > 1 {
                let file = files.partition_point(|file| file.first_row <= row).saturating_sub(1);
                let name = files[file].path.file_name().map(|name| name.to_string_lossy().into_owned());
                line[0] = Cell::Number((row - files[file].first_row).to_string());
                line.insert(0, text_cell(brief(&name.unwrap_or_default())));
            }
            line.extend(explained.then(|| Cell::Html(self.sentence(row))));
            let p = columns.p_value.as_ref().map(|name| self.text(name, row).and_then(|text| text.parse().ok()));
            line.extend(p.map(number_cell));
            line.extend(columns.label().into_iter().chain(&self.shown).map(|column| cell(column, row)));
            if explained {
                let share = self.odd.reasons.get(&row).and_then(|reasons| reasons.first()).map(|reason| reason.share);
                line.push(Cell::Number(share.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share))));
            }
            line
        };
        let lines: Vec<_> = survey.top.iter().map(line).collect();
        page.html(&table("the rows of highest score", &heads, &lines));
        if let (Some(size), Some(model)) = (config.image, model) {
            self.images(page, model, columns, survey, size)?;
        }
        Ok(())
    }

    /// Shows the columns that make rows odd, and groups of odd rows with the same main columns.
    pub(super) fn show_groups(&self, page: &mut ReportPage, survey: &TableSurvey, groups: &[OddGroup]) -> Result<()> {
        let all = self.odd.rows.len() as u64;
        let main = self.odd.main_columns();
        if all == 0 {
            return Ok(());
        }
        let bar = |(column, rows): &(&str, u64)| Bar {
            name: (*column).to_owned(),
            value: *rows as f64,
            label: with_separators(*rows),
            paint: Paint::Main,
        };
        let which = match survey.anomalies {
            Some(_) => format!("{} odd {}", with_separators(all), plural(all, "row")),
            None => format!("{} {} of highest score", with_separators(all), plural(all, "row")),
        };
        let mut about = format!("The column that raises the score most, of {which}.");
        if main.len() > BARS {
            about.push_str(&format!(" Shown: the first {BARS} of {}.", main.len()));
        }
        let shown: Vec<Bar> = main.iter().take(BARS).map(bar).collect();
        page.figure(bars(("causes", "What makes rows odd", about), &shown, None)?, "");
        let line = |group: &OddGroup| {
            let columns: Vec<String> = group.columns.iter().map(|column| brief(column)).collect();
            vec![
                text_cell(columns.join(" + ")),
                Cell::Number(with_separators(group.rows)),
                Cell::Number(percent(group.rows as f64 / all as f64)),
                number_cell(Some(group.first.0)),
                Cell::Html(format!("Row {}: {}", group.first.1, self.sentence(group.first.1))),
            ]
        };
        let heads = ["main columns", "rows", "of these", "highest score", "the oddest of them"];
        let lines: Vec<_> = groups.iter().take(GROUPS).map(line).collect();
        page.html(&format!(
            "<h3>Groups of odd rows</h3>\n<p>Rows with the same one or two main columns often have the same cause.{}</p>\n{}",
            match groups.len().checked_sub(GROUPS) {
                Some(more) if more > 0 => format!(" The {GROUPS} largest of {} groups.", groups.len()),
                _ => String::new(),
            },
            table("groups of odd rows by their main columns", &heads, &lines)
        ));
        Ok(())
    }

    /// Shows the rows of highest score as images, above the images that the model expects.
    fn images(
        &self,
        page: &mut ReportPage,
        model: &Model,
        columns: &ScoredColumns,
        survey: &TableSurvey,
        size: [usize; 2],
    ) -> Result<()> {
        const SHOWN: usize = 9;
        let rows = &self.rows;
        let given: Vec<ArrayRef> = self.pixels.iter().filter_map(|name| rows.column(name).cloned()).collect();
        let latents = columns.latents.iter().filter_map(|name| rows.column(name));
        let latents: Vec<_> = latents.filter_map(|column| column.as_primitive_opt::<Float32Type>()).collect();
        if given.is_empty() || latents.len() != model.metadata().network.latent_dim {
            page.leave_out(
                "the oddest rows as images: the file lacks their columns, or latents of this model".to_owned(),
            );
            return Ok(());
        }
        let z: Vec<f32> =
            (0..rows.rows.len()).flat_map(|row| latents.iter().map(move |latent| latent.value(row))).collect();
        let decoder = Decoder::new(model);
        let expected = decoder.expected(&z, &decoder.given(&rows.batch)?)?;
        let expected = model.column_rebuilder()?.read(&decoder.features, &expected, rows.rows.len());
        let expected = row_images(&expected.map_err(|source| failed("".as_ref(), "", source))?, size)?;
        let mut all = row_images(&given, size)?;
        let n = all.len();
        all.extend(expected);
        stretch_contrast(&mut all);
        let shown: Vec<u64> = survey.top.iter().take(SHOWN).map(|(_, row)| *row).collect();
        let of = |from: usize| shown.iter().map(|row| all[from + self.place(*row)].clone()).collect();
        let image_rows = [
            ImageRow { name: "row".to_owned(), images: of(0) },
            ImageRow { name: "expected".to_owned(), images: of(n) },
        ];
        let heads: Vec<String> = shown.iter().map(u64::to_string).collect();
        let about = format!("The {} oddest rows as images, above what the model expects of them.", shown.len());
        page.figure(image_grid(("oddest", "The oddest rows", about), &heads, &image_rows, size)?, "");
        Ok(())
    }
}
