//! The flags that decide a model.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use vaepipe::{Activation, FitConfig, LatentDim, MapOf, Preset, SCORES, Scale, VectorScale};

/// Flags that decide the model.
#[derive(Debug, Args)]
pub(crate) struct FitFlags {
    /// Learn only these columns: names, globs, or re:REGEX
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    columns: Vec<String>,
    /// Do not learn these columns; they are still written by a transform
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    exclude: Vec<String>,
    /// Learn these columns as categories: integers, and strings that look like identifiers, which are hashed
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    categorical: Vec<String>,
    /// Most words of a category told apart; the rest and the unseen share one class [default: 64]
    #[arg(long, value_name = "N", help_heading = "Columns")]
    max_categories: Option<usize>,
    /// Bend skewed numbers before they are scaled: COL=asinh, log1p, quantile, auto or none
    #[arg(long, value_delimiter = ',', value_name = "COL=CURVE,...", help_heading = "Columns")]
    map: Vec<MapOf>,
    /// How the numbers of a vector are scaled: each for itself, or all as one [default: element]
    #[arg(long, value_parser = words::<VectorScale>(VectorScale::WORDS), help_heading = "Columns")]
    vector_scale: Option<VectorScale>,
    /// Tell the encoder what is missing, of the columns with missing values [default: true]
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Columns"
    )]
    missing_indicator: Option<bool>,
    /// How numbers are scaled [default: minmax; with --preset anomaly asinh]
    #[arg(long, value_parser = words::<Scale>(Scale::WORDS), help_heading = "Columns")]
    scale: Option<Scale>,
    /// Defaults for a purpose: reduce for latents of every row, anomaly for scores [default: reduce]
    #[arg(long, value_parser = words::<Preset>(Preset::WORDS), help_heading = "Model")]
    preset: Option<Preset>,
    /// Width of the latent space; auto searches for the smallest that validation rows need [default: by the number of features]
    #[arg(long, value_name = "auto|K", help_heading = "Model")]
    latent_dim: Option<LatentDim>,
    /// Widths of the encoder's hidden layers, like 256,128; the decoder mirrors them; "none" for a linear model
    /// [default: by the number of features]
    #[arg(long, value_name = "N,...", value_parser = hidden, help_heading = "Model")]
    hidden: Option<Hidden>,
    /// Networks to train, one after the other, whose scores are averaged; latents are the first one's [default: 1]
    #[arg(long, value_name = "N", help_heading = "Model")]
    members: Option<usize>,
    /// The score that anomaly_score holds and that p-values are of [default: elbo]
    #[arg(long, value_name = "NAME", value_parser = scores(&[]), help_heading = "Anomalies")]
    anomaly_score: Option<String>,
    /// Nonlinearity of the hidden layers [default: silu]
    #[arg(long, value_parser = words::<Activation>(Activation::WORDS), help_heading = "Model")]
    activation: Option<Activation>,
    /// Most passes over the rows [default: by the number of rows]
    #[arg(long, value_name = "N", help_heading = "Training")]
    epochs: Option<usize>,
    /// Most rows of a gradient step [default: by the number of rows]
    #[arg(long, value_name = "N", help_heading = "Training")]
    batch_size: Option<usize>,
    /// Highest learning rate of Adam [default: 0.004; with --preset anomaly 0.002]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    lr: Option<f64>,
    /// Weight of the KL term [default: 1]
    #[arg(long, value_name = "WEIGHT", help_heading = "Training")]
    beta: Option<f64>,
    /// Share of the steps over which the KL weight rises from 0 [default: 0.3]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    kl_warmup: Option<f64>,
    /// Nats of KL a latent dimension carries free of charge [default: 0]
    #[arg(long, value_name = "NATS", help_heading = "Training")]
    free_bits: Option<f64>,
    /// Largest global gradient norm; 0 is off [default: 10 times the number of features]
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    clip_norm: Option<f64>,
    /// Share of each batch, that of highest loss, left out of the gradient [default: 0; with --preset
    /// anomaly 0.2]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    trim: Option<f64>,
    /// Share of the known values that each step hides from the encoder, or auto [default: 0.1 if a learned column
    /// misses values in the training rows, else 0]
    #[arg(long, value_name = "auto|SHARE", value_parser = mask_rate, help_heading = "Training")]
    mask_rate: Option<MaskRate>,
    /// Epochs without improvement before training stops; 0 trains them all [default: 30 % of the epochs, at least 10;
    /// with --preset anomaly 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    patience: Option<usize>,
    /// Share of rows held out of training, half for validation and half for calibration [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    val_fraction: Option<f64>,
    /// Rows shuffled together [default: all while they take at most 2 GiB, else as many as take 512 MiB]
    #[arg(long, value_name = "N", help_heading = "Training")]
    shuffle_rows: Option<u64>,
    /// Rows that take part at most, drawn from all of them [default: as many as the steps can reach]
    #[arg(long, value_name = "N", help_heading = "Training")]
    sample: Option<u64>,
    /// Gradient steps at most [default: 50000, unless --epochs is given]
    #[arg(long, value_name = "N", help_heading = "Training")]
    max_steps: Option<usize>,
    /// Memory for rows, like 512MiB; changes no number: rows that do not fit are kept in a scratch file, and a page of a
    /// column that does not is refused [default: 2GiB for encoded rows, and up to 320MiB on their way]
    #[arg(long, value_name = "SIZE", help_heading = "Run")]
    memory: Option<ByteSize>,
    /// Folder of scratch files: rows that do not fit in memory, and stdin, CSV and Arrow, which are kept to be read again
    /// [default: that of the model or output]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    spool_dir: Option<PathBuf>,
    /// Decides initial weights, order, noise, sample and held-out rows
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Training")]
    seed: u64,
}

/// `None` is for the data to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaskRate(Option<f64>);

fn mask_rate(text: &str) -> Result<MaskRate, String> {
    match text {
        "auto" => Ok(MaskRate(None)),
        share => share
            .parse()
            .map(|share| MaskRate(Some(share)))
            .map_err(|_| format!("{text:?} is neither auto nor a share")),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Hidden(Vec<usize>);

fn hidden(text: &str) -> Result<Hidden, String> {
    if text == "none" {
        return Ok(Hidden(Vec::new()));
    }
    let width = |width: &str| width.trim().parse().map_err(|_| format!("{width:?} is not a width"));
    text.split(',').map(width).collect::<Result<_, _>>().map(Hidden)
}

/// A parser of an enum's words that lists them in the help.
pub(crate) fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = vaepipe::ParseChoiceError> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// A parser of the scores' names, and of some words more, that tells what each is.
pub(crate) fn scores(more: &[&'static str]) -> PossibleValuesParser {
    let scores = SCORES.iter().map(|score| PossibleValue::new(score.name).help(score.about));
    PossibleValuesParser::new(more.iter().map(|&word| PossibleValue::new(word)).chain(scores))
}

impl FitFlags {
    /// The library's configuration.
    pub(crate) fn config(self) -> FitConfig {
        // Field by field: a new flag cannot be forgotten.
        let Self {
            columns,
            exclude,
            categorical,
            max_categories,
            map,
            vector_scale,
            missing_indicator,
            scale,
            preset,
            latent_dim,
            hidden,
            members,
            anomaly_score,
            activation,
            epochs,
            batch_size,
            lr,
            beta,
            kl_warmup,
            free_bits,
            clip_norm,
            trim,
            mask_rate,
            patience,
            val_fraction,
            shuffle_rows,
            sample,
            max_steps,
            memory,
            spool_dir,
            seed,
        } = self;
        let mut config = FitConfig::new().columns(columns).exclude(exclude).seed(seed);
        config.preset = preset;
        config.categorical = categorical;
        config.max_categories = max_categories;
        config.map = map;
        config.vector_scale = vector_scale;
        config.missing_indicator = missing_indicator;
        config.mask_rate = mask_rate.and_then(|MaskRate(share)| share);
        config.scale = scale;
        config.latent_dim = latent_dim;
        config.members = members;
        config.hidden = hidden.map(|Hidden(widths)| widths);
        config.anomaly_score = anomaly_score;
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
        config.sample = sample;
        config.max_steps = max_steps;
        config.memory = memory.map(|size| size.as_u64());
        config.spool_dir = spool_dir;
        config
    }
}
