//! What `inspect` says of a model.

use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use vaepipe::{Epoch, History, Init, Model, Tags, Training};

use crate::cli::failure::Failure;
use crate::cli::feedback;
use crate::cli::fit::summary::{clusters, elements, network, parameters, refit, scores};
use crate::cli::fit::{health, verdict};
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, describe_order, grouped, labelled, list, shown, visible};

/// Prints what the model at `path` holds.
pub(crate) fn print(path: &Path, model: &Model, format: OutputFormat) -> Result<(), Failure> {
    let (metadata, bytes) = (model.metadata(), model.to_bytes().len() as u64);
    if format == OutputFormat::Json {
        let json = json!({
            "model": path.display().to_string(),
            "bytes": bytes,
            "sha256": model.hash(),
            "parameters": parameters(model),
            "verdict": verdict::json(model),
            "reviewed_scores": model.reviewed_scores(),
            "metadata": metadata,
        });
        return output::stdout(&format!("{json}\n"));
    }
    let rows = &metadata.provenance;
    let mut lines = vec![
        ("model", format!("{}, {}, sha256 {}", path.display(), HumanBytes(bytes), model.hash())),
        (
            "written",
            format!("by vaepipe {}, format {}{}", rows.vaepipe_version, metadata.format_version, at(&rows.tags)),
        ),
        ("network", network(&metadata.network, &metadata.training, elements(model), parameters(model))),
        (
            "rows",
            format!(
                "{}: {} training, {} validation, {} calibration, {} empty",
                HumanCount(rows.rows),
                HumanCount(rows.training_rows),
                HumanCount(rows.validation_rows),
                HumanCount(rows.calibration_rows),
                HumanCount(rows.empty_rows)
            ),
        ),
        ("training", training(&metadata.training)),
        ("history", history(&metadata.history)),
    ];
    lines.extend(metadata.sequence.as_ref().map(|sequence| ("order", describe_order(sequence))));
    lines.extend((!rows.tags.data.is_empty()).then(|| ("data", data(&rows.tags))));
    lines.extend(rows.init.as_ref().map(|init| ("base", base(init, rows.tags.base.as_deref()))));
    lines.extend(rows.tags.note.as_ref().map(|note| ("note", visible(note))));
    let mut sections = vec![epochs(&metadata.history), features(model), given(model), carried(model)];
    if let Some(health) = &metadata.health {
        lines.push(("latents", health::line(health)));
        lines.extend(health::advice(health).filter(|_| health.active() > 0).map(|advice| ("", advice)));
        sections.extend([
            health::dimensions(health),
            health::neighbor_table(&health.neighbors),
            health::columns(health),
        ]);
    }
    lines.extend(metadata.clusters.as_ref().map(|found| ("clusters", clusters(found))));
    lines.extend(scores(model));
    lines.extend(verdict::lines(model));
    lines.extend(verdict::advice(model).into_iter().map(|advice| ("", advice)));
    lines.extend(feedback::line(model).map(|line| ("feedback", line)));
    sections.push(feedback::table(model));
    let mut text = labelled(&lines);
    for section in sections.iter().filter(|section| !section.is_empty()) {
        text.push('\n');
        text.push_str(section);
    }
    output::stdout(&text)
}

/// The time of the fit, if it is known.
fn at(tags: &Tags) -> String {
    tags.time.as_ref().map(|time| format!(", fitted at {}", visible(time))).unwrap_or_default()
}

/// The names of the data.
fn data(tags: &Tags) -> String {
    list(&tags.data.iter().map(String::as_str).collect::<Vec<_>>())
}

fn base(init: &Init, name: Option<&str>) -> String {
    let name = name.map(|name| format!("{}, ", visible(name))).unwrap_or_default();
    let note = init.tags.note.as_ref().map(|note| format!("; its note: {}", visible(note))).unwrap_or_default();
    let before = init.held_out_loss.map_or("not measured".to_owned(), |loss| format!("{loss:.4} nats a row"));
    let scaling = if init.refit_scaling { ", scaled by the new rows" } else { "" };
    let time = at(&init.tags);
    format!("{name}model {}{time}, calibration loss before training {before}{scaling}{note}", init.model)
}

fn training(training: &Training) -> String {
    let Training { preset, scale, epochs, batch_size, lr, beta, kl_warmup, trim, seed, .. } = training;
    format!(
        "preset {preset}, scale {scale}, at most {epochs} epochs, batches of {batch_size}, learning rate {lr}, KL weight \
         {beta} after a warm-up of {kl_warmup}, trim {trim}, seed {seed}"
    )
}

fn history(history: &History) -> String {
    let loss = |loss: Option<f64>| loss.map_or("none".to_owned(), |loss| format!("{loss:.4}"));
    format!(
        "{} epochs, best {}, validation loss {}, calibration loss {}, {} roll-backs{}",
        history.epochs.len(),
        history.best_epoch,
        loss(history.validation_loss()),
        loss(history.held_out_loss),
        history.rollbacks,
        refit(history)
    )
}

/// A few epochs: the first, the best, the last, and some between.
fn epochs(history: &History) -> String {
    const SHOWN: usize = 10;
    let last = history.epochs.len();
    let step = last.div_ceil(SHOWN).max(1);
    let shown = |epoch: &&Epoch| {
        let epoch = epoch.epoch;
        epoch == 1 || epoch == last || epoch == history.best_epoch || epoch.is_multiple_of(step)
    };
    let mut table = table_of(["epoch", "loss", "validation", "KL", ""]);
    for epoch in history.epochs.iter().filter(shown) {
        table.add_row([
            epoch.epoch.to_string(),
            format!("{:.4}", epoch.train_loss),
            epoch.validation_loss.map_or(String::new(), |loss| format!("{loss:.4}")),
            format!("{:.3}", epoch.kl),
            if epoch.epoch == history.best_epoch { "best" } else { "" }.to_owned(),
        ]);
    }
    to_the_right(&mut table, 0..=3);
    in_lines(&table)
}

fn features(model: &Model) -> String {
    let mut table = table_of(["learned", "as"]);
    for feature in &model.metadata().features {
        table.add_row([shown(feature.column().name()), feature.describe()]);
    }
    in_lines(&table)
}

fn given(model: &Model) -> String {
    let mut table = table_of(["given", "as"]);
    for feature in &model.metadata().given {
        table.add_row([shown(feature.column().name()), feature.describe_given()]);
    }
    if model.metadata().given.is_empty() { String::new() } else { in_lines(&table) }
}

fn carried(model: &Model) -> String {
    let groups = grouped(&model.metadata().carried);
    groups.iter().map(|(columns, reason)| format!("not learned: {columns}: {reason}\n")).collect()
}
