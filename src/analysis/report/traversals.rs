//! Latent traversals: what the decoder expects along each latent dimension.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;

use super::ReportConfig;
use super::html::{Cell, brief, table, text_cell};
use super::page::ReportPage;
use super::row_images::{row_images, stretch_contrast};
use super::sampled_rows::{failed, numbers, texts};
use crate::analysis::figure::{ImageRow, image_grid, short};
use crate::artifact::Model;
use crate::config::TraverseConfig;
use crate::decode::Influence;
use crate::error::Result;

/// Largest numbers of dimensions, chosen by KL divergence, and of columns of each.
const DIMENSIONS: usize = 16;
const COLUMNS: usize = 4;

/// Smallest effect of a column to be listed: its change by a step of 1, in standard deviations.
const MIN_EFFECT: f64 = 0.05;

/// Shows traversals of each dimension, as images or as values of the columns that change most.
pub(super) fn show(
    page: &mut ReportPage,
    model: &Model,
    influences: &[Vec<Influence>],
    config: &ReportConfig,
) -> Result<()> {
    let mut order: Vec<usize> = (0..model.metadata().network.latent_dim).collect();
    if let Some(health) = &model.metadata().health {
        order.sort_by(|&a, &b| health.dimensions[b].kl.total_cmp(&health.dimensions[a].kl));
    }
    let all = order.len();
    order.truncate(DIMENSIONS);
    if order.len() < all {
        page.leave_out(format!("traversals of {} dimensions with less KL divergence", all - order.len()));
    }
    match config.image {
        Some(size) => images(page, model, &order, size),
        None => values(page, model, influences, &order),
    }
}

/// The traversals of all dimensions, one row per step, without the columns for dimension and step.
fn traverse(model: &Model, steps: usize) -> Result<RecordBatch> {
    let mut config = TraverseConfig::new();
    config.steps = steps;
    // A prefix that no column has.
    config.prefix = "\0".to_owned();
    let rows = model.traverse(&config)?;
    let columns: Vec<usize> = (2..rows.num_columns()).collect();
    rows.project(&columns).map_err(|source| failed("".as_ref(), "", source))
}

fn images(page: &mut ReportPage, model: &Model, order: &[usize], size: [usize; 2]) -> Result<()> {
    const STEPS: usize = 9;
    let mut images = row_images(traverse(model, STEPS)?.columns(), size)?;
    stretch_contrast(&mut images);
    let image_rows: Vec<ImageRow> = order
        .iter()
        .map(|&n| ImageRow { name: format!("z_{n}"), images: images[n * STEPS..(n + 1) * STEPS].to_vec() })
        .collect();
    let heads: Vec<String> = (0..STEPS).map(|step| short(6.0 * step as f64 / (STEPS - 1) as f64 - 3.0)).collect();
    let about = "What the model expects when one dimension goes from -3 to 3 and the others stay 0.".to_owned();
    page.figure(image_grid(("traversals", "Along each dimension", about), &heads, &image_rows, size)?, "");
    Ok(())
}

fn values(page: &mut ReportPage, model: &Model, influences: &[Vec<Influence>], order: &[usize]) -> Result<()> {
    const STEPS: usize = 5;
    let rows = traverse(model, STEPS)?;
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    let mut inactive = Vec::new();
    for &n in order {
        let mut shown_columns = Vec::<&str>::new();
        for influence in &influences[n] {
            let name = influence.column.as_str();
            if shown_columns.len() >= COLUMNS || influence.relative_effect.abs() < MIN_EFFECT {
                break;
            }
            if shown_columns.contains(&name) {
                continue;
            }
            let places = match rows.column_by_name(name) {
                Some(column) => short_values(name, &column.slice(n * STEPS, STEPS))?,
                None => None,
            };
            let first = format!("z_{n}");
            let part = influence.part.as_ref().map_or(String::new(), |part| format!(" {part}"));
            let places = places.unwrap_or_else(|| vec![String::new(); STEPS]);
            let mut line = vec![text_cell(first), text_cell(brief(&format!("{name}{part}")))];
            line.extend(places.into_iter().map(|place| Cell::Number(brief(&place))));
            line.push(Cell::Number(format!("{:+.2}", influence.relative_effect)));
            line.push(Cell::Number(format!("{:+.2}", influence.rank_correlation)));
            lines.push(line);
            shown_columns.push(name);
        }
        if shown_columns.is_empty() {
            inactive.push(format!("z_{n}"));
        }
    }
    let heads = ["latent", "column", "z = -3", "-1.5", "0", "1.5", "3", "effect", "rank correlation"];
    page.html(
        "<h3>Along each dimension</h3>\n<p>What the model expects of the columns that change most when one dimension goes from -3 \
         to 3 and the others stay 0. Effect: the change by a step of 1, in standard deviations of the column. Rank \
         correlation: 1 if the column rises wherever the latent rises, -1 if it falls.</p>\n",
    );
    page.html(&table("what the decoder expects along each dimension", &heads, &lines));
    if !inactive.is_empty() {
        page.leave_out(format!("traversals of {}, which change no column", inactive.join(", ")));
    }
    Ok(())
}

/// The values of a column as short texts; `None` for lists.
fn short_values(name: &str, column: &ArrayRef) -> Result<Option<Vec<String>>> {
    let path = std::path::Path::new("");
    if column.data_type().is_nested() {
        return Ok(None);
    }
    if column.data_type().is_floating() || matches!(column.data_type(), DataType::Decimal128(..)) {
        let values = numbers(path, name, column)?;
        return Ok(Some(values.into_iter().map(|value| value.map_or(String::new(), short)).collect()));
    }
    let texts = texts(path, name, column)?.into_iter().map(Option::unwrap_or_default);
    // Times up to the minute.
    let most = if column.data_type().is_temporal() { 16 } else { usize::MAX };
    Ok(Some(texts.map(|text| text.chars().take(most).collect()).collect()))
}
