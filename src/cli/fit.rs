//! `vaepipe fit`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser};
use serde_json::{Value, json};
use vaepipe::{Activation, Epoch, Error, FitConfig, Fitted, ParquetSource, Preset, Scale};

use super::Common;
use super::exit::Failure;
use super::output::{self, count, seconds};
use super::signal::Signals;

/// Train a VAE on Parquet files and write it to one model file
///
/// Example: vaepipe fit january.parquet february.parquet --exclude 'label*'
///
/// Columns are chosen, typed and scaled, the network is sized, and training stops by itself. Numbers and Booleans are
/// learned; every other column is carried through a transform untouched.
#[derive(Debug, Args)]
pub(super) struct Fit {
    /// Parquet files, read as one table
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The model file to write
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE")]
    model: PathBuf,
    /// Replace an existing model file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: FitFlags,
}

/// Flags that decide the model.
#[derive(Debug, Args)]
pub(super) struct FitFlags {
    /// Learn only these columns: names, globs, or re:REGEX
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    columns: Vec<String>,
    /// Do not learn these columns; they are still written by a transform
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    exclude: Vec<String>,
    /// How numbers are scaled [default: the preset's]
    #[arg(long, value_parser = words::<Scale>(Scale::WORDS), help_heading = "Columns")]
    scale: Option<Scale>,
    /// Defaults for a purpose: reduce for latents of every row, anomaly for scores
    #[arg(long, default_value_t, value_parser = words::<Preset>(Preset::WORDS), help_heading = "Model")]
    preset: Preset,
    /// Width of the latent space [default: by the number of features]
    #[arg(long, value_name = "K", help_heading = "Model")]
    latent_dim: Option<usize>,
    /// Widths of the encoder's hidden layers, like 256,128; the decoder mirrors them; "none" for a linear model
    /// [default: by the number of features]
    #[arg(long, value_name = "N,...", value_parser = hidden, help_heading = "Model")]
    hidden: Option<Hidden>,
    /// Nonlinearity of the hidden layers [default: the preset's]
    #[arg(long, value_parser = words::<Activation>(Activation::WORDS), help_heading = "Model")]
    activation: Option<Activation>,
    /// Most passes over the rows [default: by the number of rows]
    #[arg(long, value_name = "N", help_heading = "Training")]
    epochs: Option<usize>,
    /// Most rows of a gradient step [default: by the number of rows]
    #[arg(long, value_name = "N", help_heading = "Training")]
    batch_size: Option<usize>,
    /// Highest learning rate of Adam [default: the preset's]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    lr: Option<f64>,
    /// Weight of the KL term [default: the preset's]
    #[arg(long, value_name = "WEIGHT", help_heading = "Training")]
    beta: Option<f64>,
    /// Share of the steps over which the KL weight rises from 0 [default: the preset's]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    kl_warmup: Option<f64>,
    /// Nats of KL a latent dimension carries free of charge [default: the preset's]
    #[arg(long, value_name = "NATS", help_heading = "Training")]
    free_bits: Option<f64>,
    /// Largest global gradient norm; 0 is off [default: the preset's]
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    clip_norm: Option<f64>,
    /// Share of each batch, that of highest loss, left out of the gradient [default: the preset's]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    trim: Option<f64>,
    /// Epochs without improvement before training stops; 0 trains them all [default: the preset's]
    #[arg(long, value_name = "N", help_heading = "Training")]
    patience: Option<usize>,
    /// Share of rows held out of training; half of them choose the weights [default: the preset's]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    val_fraction: Option<f64>,
    /// Rows shuffled together [default: all while they take at most 2 GiB, else as many as take 512 MiB]
    #[arg(long, value_name = "N", help_heading = "Training")]
    shuffle_rows: Option<u64>,
    /// Decides initial weights, order, noise and held-out rows
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Training")]
    seed: u64,
}

#[derive(Debug, Clone)]
struct Hidden(Vec<usize>);

fn hidden(text: &str) -> Result<Hidden, String> {
    if text == "none" {
        return Ok(Hidden(Vec::new()));
    }
    let width = |width: &str| width.trim().parse().map_err(|_| format!("{width:?} is not a width"));
    text.split(',').map(width).collect::<Result<_, _>>().map(Hidden)
}

/// A parser of an enum's words that lists them in the help.
fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

impl FitFlags {
    /// The library's configuration.
    pub(super) fn config(self, threads: Option<usize>) -> FitConfig {
        // Field by field: a new flag cannot be forgotten.
        let Self {
            columns,
            exclude,
            scale,
            preset,
            latent_dim,
            hidden,
            activation,
            epochs,
            batch_size,
            lr,
            beta,
            kl_warmup,
            free_bits,
            clip_norm,
            trim,
            patience,
            val_fraction,
            shuffle_rows,
            seed,
        } = self;
        let mut config = FitConfig::new().preset(preset).columns(columns).exclude(exclude).seed(seed);
        config.scale = scale;
        config.latent_dim = latent_dim;
        config.hidden = hidden.map(|Hidden(widths)| widths);
        config.activation = activation;
        config.epochs = epochs;
        config.batch_size = batch_size;
        config.lr = lr;
        config.beta = beta;
        config.kl_warmup = kl_warmup;
        config.free_bits = free_bits;
        config.clip_norm = clip_norm;
        config.trim = trim;
        config.patience = patience;
        config.val_fraction = val_fraction;
        config.shuffle_rows = shuffle_rows;
        config.threads = threads;
        config
    }
}

impl Fit {
    pub(super) fn run(self, common: &Common, signals: &Signals) -> Result<(), Failure> {
        let Self { inputs, model: path, force, flags } = self;
        let start = Instant::now();
        let source = ParquetSource::open(&inputs)?;
        vaepipe::check_target(&path, force, source.paths())?;
        let fitted = fit(flags.config(common.threads), &source, common, signals)?;
        fitted.model.save_new(&path, force)?;
        let total = start.elapsed().as_secs_f64();
        let next = format!("vaepipe transform {} OUTPUT{}", inputs[0].display(), model_flag(&path));
        let mut lines = lines(&fitted, total);
        lines.push(("model", path.display().to_string()));
        lines.push(("next", next));
        let mut json = summary(&fitted, total);
        json["model"] = json!(path.display().to_string());
        output::print(common, &lines, &json)
    }
}

fn model_flag(path: &Path) -> String {
    if path == Path::new("vae.safetensors") { String::new() } else { format!(" -m {}", path.display()) }
}

/// Fits and logs the epochs: the first, the last, and one every few seconds.
pub(super) fn fit(
    config: FitConfig,
    source: &ParquetSource,
    common: &Common,
    signals: &Signals,
) -> Result<Fitted, Error> {
    const EVERY: Duration = Duration::from_secs(5);
    let mut logged: Option<Instant> = None;
    let mut on_epoch = |epoch: &Epoch| {
        let Epoch { epoch, train_loss, validation_loss, kl } = epoch;
        let validation = validation_loss.map_or(String::new(), |loss| format!(", validation loss {loss:.4}"));
        let line = format!("epoch {epoch}: loss {train_loss:.4}{validation}, KL {kl:.3}");
        if logged.is_none_or(|logged| logged.elapsed() >= EVERY) {
            logged = Some(Instant::now());
            tracing::info!("{line}");
        } else {
            tracing::debug!("{line}");
        }
    };
    config.fit_watched(source, common.device, &signals.stop, &mut on_epoch)
}

/// What a person reads of a fit.
pub(super) fn lines(fitted: &Fitted, total: f64) -> Vec<(&'static str, String)> {
    let metadata = fitted.model.metadata();
    let (rows, network, history) = (&metadata.provenance, &metadata.network, &metadata.history);
    let features = metadata.features.len();
    let widths = |parts: &mut dyn Iterator<Item = usize>| parts.map(|n| n.to_string()).collect::<Vec<_>>().join("-");
    let mut encoder = std::iter::once(features).chain(network.hidden.iter().copied()).chain([network.latent_dim]);
    let parameters: usize = fitted.model.weights().values().map(|weight| weight.values.len()).sum();
    let loss = match (history.validation_loss(), history.held_out_loss) {
        (Some(chosen), Some(held_out)) => {
            format!("{chosen:.4} nats a row where it was chosen, {held_out:.4} on rows that chose nothing")
        }
        (Some(chosen), None) => format!("{chosen:.4} nats a row where it was chosen"),
        _ => "no rows were held out to measure it".to_owned(),
    };
    vec![
        (
            "learned",
            format!("{} of {} columns, {} rows", features, features + metadata.carried.len(), count(rows.rows)),
        ),
        (
            "rows",
            format!(
                "{} trained, {} chose the weights, {} chose nothing",
                count(rows.train_rows),
                count(rows.select_rows),
                count(rows.calibrate_rows)
            ),
        ),
        ("network", format!("{} and back, {} parameters", widths(&mut encoder), count(parameters as u64))),
        (
            "epochs",
            format!(
                "best {} of {} trained, {} at most",
                history.best_epoch,
                history.epochs.len(),
                metadata.training.epochs
            ),
        ),
        ("loss", loss),
        (
            "time",
            format!(
                "{total:.2} s, of which {:.2} s training at {} rows/s",
                fitted.train_seconds,
                count(rows_per_second(fitted) as u64)
            ),
        ),
    ]
}

/// The same for a program.
pub(super) fn summary(fitted: &Fitted, total: f64) -> Value {
    let metadata = fitted.model.metadata();
    let (rows, history) = (&metadata.provenance, &metadata.history);
    json!({
        "rows": rows.rows,
        "train_rows": rows.train_rows,
        "empty_rows": rows.empty_rows,
        "features": metadata.features.len(),
        "latent_dim": metadata.network.latent_dim,
        "hidden": metadata.network.hidden,
        "epochs": history.epochs.len(),
        "best_epoch": history.best_epoch,
        "validation_loss": history.validation_loss(),
        "held_out_loss": history.held_out_loss,
        "rollbacks": history.rollbacks,
        "seconds": {
            "statistics": seconds(fitted.statistics_seconds),
            "train": seconds(fitted.train_seconds),
            "total": seconds(total),
        },
        "rows_per_second": rows_per_second(fitted).round(),
    })
}

/// Training rows times epochs over the seconds of training, validation included.
fn rows_per_second(fitted: &Fitted) -> f64 {
    let metadata = fitted.model.metadata();
    metadata.provenance.train_rows as f64 * metadata.history.epochs.len() as f64 / fitted.train_seconds.max(1e-9)
}
