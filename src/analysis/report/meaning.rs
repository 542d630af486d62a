//! What each dimension of the latent space means: what the decoder expects along it.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;

use super::ReportConfig;
use super::html::{Cell, brief, table, word};
use super::page::ReportPage;
use super::pixels::{pixels, stretched};
use super::sampled_rows::{failed, numbers, texts};
use crate::analysis::figure::{ImageStrip, sheet, short};
use crate::artifact::Model;
use crate::config::TraverseConfig;
use crate::error::Result;

/// Dimensions shown, of more those with the greatest KL divergence; and columns of each.
const DIMENSIONS: usize = 16;
const COLUMNS: usize = 4;

/// Columns that a step of 1 moves by less than this part of their standard deviation are not worth a line.
const LEAST: f64 = 0.05;

/// Walks along each dimension, as images or as values of the columns that it moves most.
pub(super) fn show(page: &mut ReportPage, model: &Model, config: &ReportConfig) -> Result<()> {
    let mut order: Vec<usize> = (0..model.metadata().network.latent_dim).collect();
    if let Some(health) = &model.metadata().health {
        order.sort_by(|&a, &b| health.dimensions[b].kl.total_cmp(&health.dimensions[a].kl));
    }
    let all = order.len();
    order.truncate(DIMENSIONS);
    if order.len() < all {
        page.leave_out(format!("walks along {} dimensions of less KL divergence", all - order.len()));
    }
    match config.image {
        Some(size) => images(page, model, &order, size),
        None => values(page, model, &order),
    }
}

/// The walk along every dimension, a row a place, without the columns that say where.
fn walk(model: &Model, steps: usize) -> Result<RecordBatch> {
    let mut config = TraverseConfig::new();
    config.steps = steps;
    // No column of a table is called like these.
    config.prefix = "\0".to_owned();
    let rows = model.traverse(&config)?;
    let columns: Vec<usize> = (2..rows.num_columns()).collect();
    rows.project(&columns).map_err(|source| failed("".as_ref(), "", source))
}

fn images(page: &mut ReportPage, model: &Model, order: &[usize], size: [usize; 2]) -> Result<()> {
    const STEPS: usize = 9;
    let mut images = pixels(walk(model, STEPS)?.columns(), size)?;
    stretched(&mut images);
    let strips: Vec<ImageStrip> = order
        .iter()
        .map(|&n| ImageStrip { name: format!("z_{n}"), images: images[n * STEPS..(n + 1) * STEPS].to_vec() })
        .collect();
    let heads: Vec<String> = (0..STEPS).map(|step| short(6.0 * step as f64 / (STEPS - 1) as f64 - 3.0)).collect();
    let about = "What the decoder expects along each dimension from -3 to 3 while the others are 0.".to_owned();
    page.figure(sheet(("traversals", "Along each dimension", about), &heads, &strips, size)?, "");
    Ok(())
}

fn values(page: &mut ReportPage, model: &Model, order: &[usize]) -> Result<()> {
    const STEPS: usize = 5;
    let (rows, influences) = (walk(model, STEPS)?, model.influences());
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    let mut idle = Vec::new();
    for &n in order {
        let mut seen = Vec::<&str>::new();
        for influence in &influences[n] {
            let name = influence.column.as_str();
            if seen.len() >= COLUMNS || influence.relative_effect.abs() < LEAST {
                break;
            }
            if seen.contains(&name) {
                continue;
            }
            let places = match rows.column_by_name(name) {
                Some(column) => along(name, &column.slice(n * STEPS, STEPS))?,
                None => None,
            };
            let first = if seen.is_empty() { format!("z_{n}") } else { String::new() };
            let part = influence.part.as_ref().map_or(String::new(), |part| format!(" {part}"));
            let places = places.unwrap_or_else(|| vec![String::new(); STEPS]);
            let mut line = vec![word(first), word(brief(&format!("{name}{part}")))];
            line.extend(places.into_iter().map(|place| Cell::Number(brief(&place))));
            line.push(Cell::Number(format!("{:+.2}", influence.relative_effect)));
            line.push(Cell::Number(format!("{:+.2}", influence.rank_correlation)));
            lines.push(line);
            seen.push(name);
        }
        if seen.is_empty() {
            idle.push(format!("z_{n}"));
        }
    }
    let heads = ["", "column", "z = -3", "-1.5", "0", "1.5", "3", "in deviations", "rank corr."];
    page.html(
        "<h3>Along each dimension</h3>\n<p>What the decoder expects while the other dimensions are 0, of the columns that \
         move most; by how many of their standard deviations a step of 1 moves them, and their rank correlation with rows' latents.</p>\n",
    );
    page.html(&table("what the decoder expects along each dimension", &heads, &lines));
    if !idle.is_empty() {
        page.leave_out(format!("walks along {}, which move nothing", idle.join(", ")));
    }
    Ok(())
}

/// The values of a column in short; none of lists.
fn along(name: &str, column: &ArrayRef) -> Result<Option<Vec<String>>> {
    let path = std::path::Path::new("");
    if column.data_type().is_nested() {
        return Ok(None);
    }
    if column.data_type().is_floating() || matches!(column.data_type(), DataType::Decimal128(..)) {
        let values = numbers(path, name, column)?;
        return Ok(Some(values.into_iter().map(|value| value.map_or(String::new(), short)).collect()));
    }
    let texts = texts(path, name, column)?.into_iter().map(Option::unwrap_or_default);
    // Of a time, its minute.
    let most = if column.data_type().is_temporal() { 16 } else { usize::MAX };
    Ok(Some(texts.map(|text| text.chars().take(most).collect()).collect()))
}
