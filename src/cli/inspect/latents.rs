//! What `inspect --latents` says of a model.

use std::path::Path;

use serde_json::{Value, json};
use vaepipe::{Influence, Model};

use crate::cli::failure::Failure;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, shown};

/// Prints what each dimension of the latent space moves, and what goes with it.
pub(crate) fn print(path: &Path, model: &Model, format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        let json = json!({ "model": path.display().to_string(), "latents": json(model) });
        return output::stdout(&format!("{json}\n"));
    }
    let (influences, health) = (model.influences(), &model.metadata().health);
    let mut order: Vec<usize> = (0..influences.len()).collect();
    if let Some(health) = health {
        order.sort_by(|&a, &b| health.dimensions[b].kl.total_cmp(&health.dimensions[a].kl));
    }
    let mut text = String::new();
    for n in order {
        let about = health.as_ref().map(|health| health.dimensions[n]);
        let about = about.map_or(String::new(), |it| {
            let idle = if it.is_active() { "" } else { ", inactive" };
            format!("  KL {:.3}, variance {:.3}{idle}", it.kl, it.variance)
        });
        text.push_str(&format!("z_{n}{about}\n{}\n", table(&influences[n])));
    }
    output::stdout(&text)
}

/// The same for a program: a list with an object for each dimension.
pub(crate) fn json(model: &Model) -> Value {
    let health = &model.metadata().health;
    let dimensions = model.influences().into_iter().enumerate().map(|(n, influences)| {
        let health = health.as_ref().map(|health| health.dimensions[n]);
        json!({ "latent": format!("z_{n}"), "health": health, "influences": influences })
    });
    dimensions.collect()
}

/// What a dimension moves most.
fn table(influences: &[Influence]) -> String {
    const SHOWN: usize = 8;
    let mut table = table_of(["", "when it rises by 1", "in deviations", "rank correlation"]);
    for influence in influences.iter().take(SHOWN) {
        let part = influence.part.as_ref().map_or(String::new(), |part| match part.starts_with('[') {
            true => part.clone(),
            false => format!(" {part}"),
        });
        let unit = influence.unit.map_or(String::new(), |unit| format!(" {unit}"));
        table.add_row([
            format!("  {}", shown(&format!("{}{part}", influence.column))),
            format!("{}{unit}", number(influence.effect)),
            format!("{:+.2}", influence.relative_effect),
            format!("{:+.2}", influence.rank_correlation),
        ]);
    }
    to_the_right(&mut table, 2..=3);
    in_lines(&table)
}

/// A signed number in four digits.
fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0".to_owned(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:+.2e}"),
        _ => format!("{value:+.*}", (3 - size.log10().floor() as i32).clamp(0, 6) as usize),
    }
}
