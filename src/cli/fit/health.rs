//! The health of a model as text.

use vaepipe::{ColumnHealth, Dimension, Health, Measure, NeighborPreservation};

use crate::cli::output::shown;
use crate::cli::output::table::{in_lines, table_of, to_the_right};

/// The health in one line.
pub(crate) fn line(health: &Health) -> String {
    let principal = match health.principal_error {
        Some(error) => format!(" (PCA of the same width: {error:.4})"),
        None => String::new(),
    };
    format!(
        "{} of {} dimensions active, ELBO {:.4} nats a row (log-likelihood {:.4}, KL {:.4}), error {:.4}{principal}",
        health.active(),
        health.dimensions.len(),
        health.elbo(),
        health.log_likelihood,
        health.kl,
        health.error
    )
}

/// How well the latents keep the nearest neighbours of rows, in one line.
pub(crate) fn neighbors(health: &Health) -> Option<String> {
    let NeighborPreservation { neighbors, trustworthiness, continuity, overlap, .. } = health.neighbors.first()?;
    Some(format!(
        "{:.1} % of the {neighbors} nearest neighbours are kept, trustworthiness {trustworthiness:.4}, continuity {continuity:.4}",
        100.0 * overlap
    ))
}

/// The table of how well neighbours are kept.
pub(crate) fn neighbor_table(preserved: &[NeighborPreservation]) -> String {
    let mut table = table_of(["neighbours", "trustworthiness", "continuity", "overlap"]);
    for NeighborPreservation { neighbors, trustworthiness, continuity, overlap, .. } in preserved {
        let [first, second, third] = [trustworthiness, continuity, overlap].map(|share| format!("{share:.4}"));
        table.add_row([neighbors.to_string(), first, second, third]);
    }
    to_the_right(&mut table, 0..=3);
    if preserved.is_empty() { String::new() } else { in_lines(&table) }
}

/// Warns of posterior collapse.
pub(crate) fn warn(health: &Health) {
    if let Some(advice) = advice(health).filter(|_| health.active() == 0) {
        tracing::warn!("{advice}");
    }
}

/// Advises what to change if dimensions are inactive.
pub(crate) fn advice(health: &Health) -> Option<String> {
    let (active, all) = (health.active(), health.dimensions.len());
    match (active, all - active) {
        (_, 0) => None,
        (0, _) => Some(
            "posterior collapse: no latent dimension is active; more --epochs, a lower --beta, --free-bits 0.1 or a longer \
             --kl-warmup may help"
                .to_owned(),
        ),
        (_, idle) => Some(format!(
            "{idle} of {all} latent dimensions {}; --latent-dim {active} would do as well, or --free-bits 0.1 may \
             help",
            if idle == 1 { "is inactive" } else { "are inactive" }
        )),
    }
}

/// The table of dimensions, by falling KL.
pub(crate) fn dimensions(health: &Health) -> String {
    const SHOWN: usize = 32;
    let mut order: Vec<(usize, &Dimension)> = health.dimensions.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.kl.total_cmp(&a.kl));
    let mut table = table_of(["dimension", "KL", "variance of the mean", ""]);
    for (n, dimension) in order.iter().take(SHOWN) {
        let idle = if dimension.is_active() { "" } else { "inactive" };
        table.add_row([
            format!("z_{n}"),
            format!("{:.3}", dimension.kl),
            format!("{:.3}", dimension.variance),
            idle.to_owned(),
        ]);
    }
    to_the_right(&mut table, 1..=2);
    more(in_lines(&table), order.len(), SHOWN)
}

/// The table of reconstructed columns, the worst first.
pub(crate) fn columns(health: &Health) -> String {
    const SHOWN: usize = 32;
    let gain = |it: &ColumnHealth| it.gain().unwrap_or(f64::INFINITY);
    let mut order: Vec<&ColumnHealth> = health.columns.iter().collect();
    order.sort_by(|a, b| gain(a).total_cmp(&gain(b)));
    let mut table = table_of(["rebuilt", "how well", ""]);
    for column in order.iter().take(SHOWN) {
        let value = column.value.map_or("unknown".to_owned(), |value| match column.measure {
            Measure::R2 => format!("R² {value:.3}"),
            _ => format!("{:.1} % right", 100.0 * value),
        });
        let baseline = column.baseline.filter(|_| column.measure == Measure::Accuracy);
        let baseline =
            baseline.map_or(String::new(), |share| format!("{:.1} % by the most frequent value", 100.0 * share));
        table.add_row([shown(&column.column), value, baseline]);
    }
    more(in_lines(&table), order.len(), SHOWN)
}

fn more(mut text: String, all: usize, shown: usize) -> String {
    if all > shown {
        text.push_str(&format!("(and {} more)\n", all - shown));
    }
    text
}
