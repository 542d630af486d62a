//! Whether a model is good, in words: measured on calibration rows, which took no part in training.

use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{Health, Model, Scale};

use crate::cli::fit::health;
use crate::cli::output::list;

/// How a model's reconstruction compares with PCA of the same width.
#[derive(Clone, Copy)]
enum Rating {
    Better(f64),
    Equal,
    Worse(f64),
    /// No latent dimension is active.
    Collapsed,
    /// The PCA leaves no error to compare with.
    Exact,
    /// The rows are too wide for a PCA.
    NotCompared,
    /// No rows were held out.
    NotMeasured,
}

impl Rating {
    fn of(health: Option<&Health>) -> Self {
        let Some(health) = health else { return Self::NotMeasured };
        // Less of a difference may be chance.
        let notable = f64::max(0.02, 0.7 / (health.rows as f64).sqrt());
        match health.gain_over_pca() {
            _ if health.active() == 0 => Self::Collapsed,
            None if health.is_exact_for_pca() => Self::Exact,
            None => Self::NotCompared,
            Some(gain) if gain >= notable => Self::Better(gain),
            Some(gain) if gain > -notable => Self::Equal,
            Some(gain) => Self::Worse(-gain),
        }
    }

    /// One word for programs.
    fn word(self) -> &'static str {
        match self {
            Self::Better(_) => "better",
            Self::Equal => "equal",
            Self::Worse(_) => "worse",
            Self::Collapsed => "collapsed",
            Self::Exact => "exact",
            Self::NotCompared => "not_compared",
            Self::NotMeasured => "not_measured",
        }
    }
}

/// The verdict in one line, and what limits it, if anything does.
pub(crate) fn lines(model: &Model) -> Vec<(&'static str, String)> {
    let health = model.metadata().health.as_ref();
    let rows = HumanCount(health.map_or(0, |health| health.rows));
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let pca = format!("that of PCA with {} components, on {rows} unseen rows", model.metadata().network.latent_dim);
    let rating = match Rating::of(health) {
        Rating::Better(gain) => format!("good: the reconstruction error is {} below {pca}", percent(gain)),
        Rating::Equal => format!("fair: the reconstruction error is about {pca}"),
        Rating::Worse(loss) => format!("poor: the reconstruction error is {} above {pca}", percent(loss)),
        Rating::Collapsed => "poor: posterior collapse, the latents say nothing of the rows".to_owned(),
        Rating::Exact => {
            "not compared: a PCA of as many components rebuilds the rows exactly; fewer latents would say more"
                .to_owned()
        }
        Rating::NotCompared => format!("not compared: the rows are too wide for a PCA; measured on {rows} unseen rows"),
        Rating::NotMeasured => "not measured: no rows were held out".to_owned(),
    };
    let hardly = health.map(Health::hardly_learned).filter(|columns| !columns.is_empty());
    let hardly = hardly.map(|columns| format!("hardly learned: {}", list(&columns)));
    let p_values = model.metadata().scoring.shortcoming();
    let limits = [hardly, p_values].into_iter().flatten().map(|limit| ("", limit));
    std::iter::once(("verdict", rating)).chain(limits).collect()
}

/// What may be done about it, a line each.
pub(crate) fn advice(model: &Model) -> Vec<String> {
    let metadata = model.metadata();
    let (health, history, training) = (metadata.health.as_ref(), &metadata.history, &metadata.training);
    let error = match Rating::of(health) {
        Rating::Worse(_) | Rating::Equal => {
            Some("a larger --latent-dim, more --epochs, or --beta 0.1 may lower the reconstruction error".to_owned())
        }
        Rating::Collapsed => health.and_then(health::advice),
        Rating::NotMeasured => Some("a larger --val-fraction holds out rows to measure on".to_owned()),
        _ => None,
    };
    // With neighbours the last epoch is kept, whichever is best.
    let longer = (history.best_epoch == training.epochs && !history.refit && training.neighbors == 0)
        .then(|| format!("the best epoch is the last of {}: more --epochs may help", training.epochs));
    let hardly = health.filter(|health| !health.hardly_learned().is_empty()).map(|_| {
        let scale = if training.scale == Scale::Standard { "" } else { "--scale standard, " };
        format!("{scale}--map COL=asinh or a larger --latent-dim may learn the columns hardly learned")
    });
    [error, longer, hardly].into_iter().flatten().collect()
}

/// The verdict for a program.
pub(crate) fn json(model: &Model) -> Value {
    let health = model.metadata().health.as_ref();
    json!({
        "rating": Rating::of(health).word(),
        "gain_over_pca": health.and_then(Health::gain_over_pca),
        "hardly_learned": health.map(Health::hardly_learned).unwrap_or_default(),
        "p_values": model.metadata().scoring.shortcoming(),
        "advice": advice(model),
    })
}
