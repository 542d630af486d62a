//! The rows of highest score, with the columns that explain their scores.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatchIterator};
use arrow::datatypes::Float32Type;

use super::html::{Cell, brief, number_cell, table, text_cell};
use super::page::ReportPage;
use super::row_images::{row_images, stretch_contrast};
use super::sampled_rows::{SampledRows, failed, read_rows, texts};
use super::table_survey::TableSurvey;
use super::{ReportConfig, ScoredColumns};
use crate::analysis::escape::escaped;
use crate::analysis::figure::{ImageRow, image_grid, short};
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::decode::Decoder;
use crate::error::Result;
use crate::pipeline::{Run, Stop};
use crate::source::ParquetSource;

/// Largest number of carried columns shown, to identify rows.
const CARRIED: usize = 4;

/// Columns that explain a row's score.
const REASONS: usize = 3;

/// Lists the rows of highest score.
pub(super) fn show(
    page: &mut ReportPage,
    source: &ParquetSource,
    columns: &ScoredColumns,
    survey: &TableSurvey,
    model: Option<&Model>,
    config: &ReportConfig,
    stop: &Stop,
) -> Result<()> {
    if survey.top.is_empty() {
        return Ok(());
    }
    let schema = source.schema();
    let plain = |name: &&String| schema.field_with_name(name).is_ok_and(|field| !field.data_type().is_nested());
    let carried = columns.carried.iter().filter(|name| Some(*name) != columns.label.as_ref()).filter(plain);
    let carried: Vec<&String> = carried.take(4 * CARRIED).collect();
    let learned_or_constant = model.map(|model| model.rebuilt_columns()).transpose()?;
    let learned_or_constant: Vec<String> =
        learned_or_constant.iter().flat_map(|it| it.fields()).map(|field| field.name().clone()).collect();
    let learned = model.map(|model| model.features().columns()).unwrap_or_default();
    let is_present = |name: &String| schema.field_with_name(name).is_ok();
    let wanted = [&columns.p_value, &columns.label, &columns.top_features].into_iter().flatten().cloned();
    let wanted = wanted.chain(carried.iter().map(|name| (*name).clone())).chain(columns.latents.iter().cloned());
    let wanted = wanted.chain(learned.iter().chain(&learned_or_constant).filter(|name| is_present(name)).cloned());
    let mut order: Vec<u64> = survey.top.iter().map(|(_, row)| *row).collect();
    order.sort_unstable();
    let rows = read_rows(source, wanted, order, stop)?;
    // The index of each listed row among those that were read.
    let places: Vec<usize> = survey.top.iter().map(|(_, row)| rows.rows.partition_point(|other| other < row)).collect();

    let reasons = match (&columns.top_features, model) {
        (Some(name), _) => rows.column(name).cloned(),
        (None, Some(model)) if learned.iter().all(is_present) => explain_rows(model, &rows, stop)?,
        _ => None,
    };
    let about = "The rows of highest score, counted from 0 in the order of the file";
    page.section("The oddest rows", &match reasons {
        Some(_) => format!("{about}, with the columns that raise it most: the share of the score, the value, and what was expected."),
        None => format!("{about}."),
    });
    if reasons.is_none() {
        page.leave_out("why rows are odd: transform --explain 3 adds that, or give the model, -m".to_owned());
    }
    let text = |name: &String| rows.column(name).map(|column| texts(source.path(), name, column)).transpose();
    let p = columns.p_value.as_ref().map(text).transpose()?.flatten();
    let labels = columns.label.as_ref().map(text).transpose()?.flatten();
    let mut known = Vec::new();
    for name in carried {
        let values = text(name)?.unwrap_or_default();
        // A constant column does not identify rows.
        if known.len() < CARRIED && values.iter().any(|value| *value != values[0]) {
            known.push((name, values));
        }
    }
    let reasons = reasons.map(|reasons| reason_lists(&reasons)).transpose()?;
    let mut heads = vec!["row", columns.score.as_str()];
    heads.extend(p.as_ref().map(|_| "p-value"));
    heads.extend(columns.label.as_deref());
    heads.extend(known.iter().map(|(name, _)| name.as_str()));
    heads.extend(reasons.as_ref().map(|_| "why"));
    let line = |((score, row), &place): (&(f64, u64), &usize)| {
        let mut line = vec![Cell::Number(row.to_string()), number_cell(Some(*score))];
        let short_number = |text: &Option<String>| number_cell(text.as_ref().and_then(|text| text.parse().ok()));
        line.extend(p.iter().map(|p| short_number(&p[place])));
        let cell =
            |texts: &Vec<Option<String>>| text_cell(brief(texts.get(place).and_then(Option::as_deref).unwrap_or("")));
        line.extend(labels.iter().chain(known.iter().map(|(_, values)| values)).map(cell));
        line.extend(reasons.iter().map(|reasons| Cell::Html(reasons[place].clone())));
        line
    };
    let lines: Vec<_> = survey.top.iter().zip(&places).map(line).collect();
    page.html(&table("the rows of highest score", &heads, &lines));
    if let (Some(size), Some(model)) = (config.image, model) {
        images(page, model, &rows, &places, columns, &learned_or_constant, size)?;
    }
    Ok(())
}

/// Explains the rows' scores by the model.
fn explain_rows(model: &Model, rows: &SampledRows, stop: &Stop) -> Result<Option<ArrayRef>> {
    let (mut config, learned) = (TransformConfig::new(), model.features().columns());
    config.explain = REASONS;
    // A prefix that no column has: the rows may already have columns of a transform.
    config.prefix = "\0".to_owned();
    let places = learned.iter().filter_map(|name| rows.batch.schema_ref().index_of(name).ok()).collect::<Vec<_>>();
    let failed = |source| failed("".as_ref(), "", source);
    let batch = rows.batch.project(&places).map_err(failed)?;
    let reader = RecordBatchIterator::new([Ok(batch.clone())], batch.schema());
    let mut scored = Vec::new();
    for batch in model.transform_with(reader, &config, &Run::new().stop(stop))? {
        scored.push(batch.map_err(failed)?);
    }
    let Some(first) = scored.first() else { return Ok(None) };
    let all = arrow::compute::concat_batches(&first.schema(), &scored).map_err(failed)?;
    Ok(all.column_by_name("\0top_features").cloned())
}

/// Formats explanations as HTML lists.
fn reason_lists(reasons: &ArrayRef) -> Result<Vec<String>> {
    let Some(lists) = reasons.as_list_opt::<i32>() else { return Ok(vec![String::new(); reasons.len()]) };
    let reason_lists = |list: ArrayRef| -> Option<String> {
        let parts = list.as_struct_opt()?;
        let share = parts.column_by_name("contribution")?.as_primitive_opt::<Float32Type>()?;
        let [feature, value, expected] =
            ["feature", "value", "expected"].map(|name| parts.column_by_name(name)?.as_string_opt::<i32>());
        let (feature, value, expected) = (feature?, value?, expected?);
        let text = |texts: &arrow::array::StringArray, n: usize| match texts.is_valid(n) {
            // Shorten long decimals.
            true => match texts.value(n).parse::<f64>() {
                Ok(number) if texts.value(n).contains('.') => short(number),
                _ => escaped(&brief(whole_seconds(texts.value(n)))),
            },
            false => "nothing".to_owned(),
        };
        let item = |n: usize| {
            let (share, column) = (100.0 * share.value(n), escaped(&brief(feature.value(n))));
            format!(
                "<li><b>{column}</b> {} <small>expected {} · {share:.0} %</small></li>",
                text(value, n),
                text(expected, n)
            )
        };
        Some(format!("<ul>{}</ul>", (0..list.len()).take(REASONS).map(item).collect::<String>()))
    };
    Ok(lists.iter().map(|list| list.and_then(reason_lists).unwrap_or_default()).collect())
}

/// A time without its fraction of a second; anything else as it is.
fn whole_seconds(text: &str) -> &str {
    let is_time = text.len() > 20 && text.as_bytes()[10] == b'T' && text.as_bytes()[19] == b'.';
    if is_time { &text[..19] } else { text }
}

/// Shows the rows of highest score as images, above the images that the model expects.
fn images(
    page: &mut ReportPage,
    model: &Model,
    rows: &SampledRows,
    places: &[usize],
    columns: &ScoredColumns,
    learned_or_constant: &[String],
    size: [usize; 2],
) -> Result<()> {
    const SHOWN: usize = 9;
    let given: Vec<ArrayRef> = learned_or_constant.iter().filter_map(|name| rows.column(name).cloned()).collect();
    let latents = columns.latents.iter().filter_map(|name| rows.column(name));
    let latents: Vec<_> = latents.filter_map(|column| column.as_primitive_opt::<Float32Type>()).collect();
    if given.len() < learned_or_constant.len() || latents.len() != model.metadata().network.latent_dim {
        page.leave_out("the oddest rows as images: the file lacks their columns, or latents of this model".to_owned());
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
    let shown = &places[..places.len().min(SHOWN)];
    let of = |from: usize| shown.iter().map(|place| all[from + place].clone()).collect();
    let image_rows =
        [ImageRow { name: "row".to_owned(), images: of(0) }, ImageRow { name: "expected".to_owned(), images: of(n) }];
    let heads: Vec<String> = shown.iter().map(|place| rows.rows[*place].to_string()).collect();
    let about = format!("The {} oddest rows as images, above what the model expects of them.", shown.len());
    page.figure(image_grid(("oddest", "The oddest rows", about), &heads, &image_rows, size)?, "");
    Ok(())
}
