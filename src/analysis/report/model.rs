//! Report sections on the model: training and latent dimensions.

use super::html::{Cell, folded, number_cell, table, text_cell};
use super::latent_names::titled;
use super::page::{ReportPage, settings};
use crate::analysis::figure::{Bar, EpochCurve, Paint, bars, curves, short};
use crate::artifact::Model;
use crate::error::Result;

/// Largest number of dimensions shown, chosen by KL divergence.
const DIMENSIONS: usize = 24;

const EXPLAIN_KL: &str = "The model describes a row by these few numbers. KL divergence says how much a dimension tells about a row, in nats: 0 is \
     nothing, 0.7 nats is one yes-or-no answer. ELBO is a bound on the logarithm of a row's probability: higher is better.";
const EXPLAIN_NAMES: &str = " The words beside a dimension say what goes with a larger value of it.";

/// Shows the training curves and settings.
pub(super) fn training(page: &mut ReportPage, model: &Model) -> Result<()> {
    let metadata = model.metadata();
    let history = &metadata.history;
    page.section("training", "Training", "How the loss fell while the model was trained: on the training rows, and on validation rows that it does not learn from. A loss is in nats a row; lower is better. KL is the part of it that the latents cost.");
    let points = |of: fn(&crate::pipeline::Epoch) -> Option<f64>| {
        let known = history.epochs.iter().filter_map(move |epoch| Some((epoch.epoch as f64, of(epoch)?)));
        known.filter(|(_, loss)| loss.is_finite()).collect::<Vec<_>>()
    };
    let all = [
        EpochCurve { name: "training rows", paint: Paint::Second, points: points(|epoch| Some(epoch.train_loss)) },
        EpochCurve { name: "validation rows", paint: Paint::Main, points: points(|epoch| epoch.validation_loss) },
    ];
    let all: Vec<EpochCurve> = all.into_iter().filter(|curve| !curve.points.is_empty()).collect();
    let step = history.epochs.len().div_ceil(20).max(1);
    let shown =
        history.epochs.iter().filter(|it| it.epoch % step == 0 || it.epoch == 1 || it.epoch == history.best_epoch);
    let rows = shown.map(|epoch| {
        vec![
            number_cell(Some(epoch.epoch as f64)),
            number_cell(Some(epoch.train_loss)),
            number_cell(epoch.validation_loss),
            number_cell(Some(epoch.kl)),
        ]
    });
    let numbers = table("losses by epoch", &["epoch", "training", "validation", "KL"], &rows.collect::<Vec<_>>());
    let mut below = folded("Numbers", &numbers);
    let config = [
        ("The network", serde_json::to_value(&metadata.network)),
        ("Training settings", serde_json::to_value(&metadata.training)),
        ("Rows", serde_json::to_value(&metadata.provenance)),
    ];
    for (caption, values) in config {
        below.push_str(&folded(caption, &settings(caption, &values.unwrap_or_default())));
    }
    page.figure(curves(&all, history.best_epoch)?, &below);
    Ok(())
}

/// Shows the KL divergence of each latent dimension.
pub(super) fn latents(page: &mut ReportPage, model: &Model, names: &[String]) -> Result<()> {
    page.section(
        "latent-dimensions",
        "Latent dimensions",
        &format!("{EXPLAIN_KL}{}", if names.is_empty() { "" } else { EXPLAIN_NAMES }),
    );
    let Some(health) = &model.metadata().health else {
        page.leave_out("KL divergence by dimension: the fit had no calibration rows to measure it".to_owned());
        return Ok(());
    };
    let mut order: Vec<usize> = (0..health.dimensions.len()).collect();
    order.sort_by(|&a, &b| health.dimensions[b].kl.total_cmp(&health.dimensions[a].kl));
    let bar = |&n: &usize| {
        let dimension = health.dimensions[n];
        let paint = if dimension.is_active() { Paint::Main } else { Paint::Muted };
        let (name, label) = (titled(n, names, 30), format!("{} nats", short(dimension.kl)));
        Bar { name, value: dimension.kl.max(0.0), label, paint }
    };
    let shown = order.len().min(DIMENSIONS);
    let mut about = format!(
        "{} of {} dimensions are active. ELBO of calibration rows {} = {} - KL {} nats. Reconstruction error {}, lower is better",
        health.active(),
        health.dimensions.len(),
        short(health.elbo()),
        short(health.log_likelihood),
        short(health.kl),
        short(health.error),
    );
    if let Some(principal) = health.principal_error {
        about.push_str(&format!("; of PCA of the same width {}", short(principal)));
    }
    about.push('.');
    if shown < order.len() {
        about.push_str(&format!(" Shown: the first {shown}."));
    }
    let figure =
        bars(("kl", "KL divergence by dimension", about), &order[..shown].iter().map(bar).collect::<Vec<_>>(), None)?;
    let row = |&n: &usize| -> Vec<Cell> {
        let dimension = health.dimensions[n];
        let active = if dimension.is_active() { "yes" } else { "no" };
        vec![
            text_cell(format!("z_{n}")),
            number_cell(Some(dimension.kl)),
            number_cell(Some(dimension.variance)),
            text_cell(active),
        ]
    };
    let heads = ["dimension", "KL, nats", "variance of the mean", "active"];
    let numbers = table("dimensions", &heads, &order.iter().map(row).collect::<Vec<_>>());
    page.figure(figure, &folded("Numbers", &numbers));
    Ok(())
}
