//! `vaepipe report`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use vaepipe::{Model, ReportConfig, Source, SourceConfig, report};

use crate::cli::Context;
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::cli::flags::run::{RunFlags, folder};
use crate::cli::output::{self, percent};

/// Write an HTML page about odd rows: how many, since when, and why
///
/// Example: vaepipe report scored.parquet -m vae.safetensors
///
/// The page is one HTML file that loads nothing: a headline, odd rows over time, what makes rows odd, the oddest rows with a
/// sentence each, scores and latents. With -m also what each dimension means, the columns compared with the training data, and
/// how the training went. Several files are compared with each other.
///
/// The page has the date of the run in UTC, or that of the variable SOURCE_DATE_EPOCH, in seconds since 1970. Apart from that
/// the same input gives the same bytes.
#[derive(Debug, Args)]
pub(crate) struct ReportCommand {
    /// Files, directories, or globs in quotes that a transform wrote, read as one table; - is stdin
    #[arg(required = true, value_name = "SCORED")]
    scored: Vec<PathBuf>,
    /// The page to write
    #[arg(short, long, default_value = "report.html", value_name = "FILE", help_heading = "Output")]
    output: PathBuf,
    /// The model the scores are of [default: none; what needs it is left out]
    #[arg(short, long, value_name = "FILE", help_heading = "Run")]
    model: Option<PathBuf>,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    flags: ReportFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// Flags that decide the output.
#[derive(Debug, Args)]
struct ReportFlags {
    /// The column of known anomalies: 1, true, yes or anomaly for one, 0, false, no or normal for none; or COL=VALUE, where rows
    /// of this value are anomalies
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    label: Option<String>,
    /// Colour rows in latent space by this column [default: the label, or else the cluster, or else the score]
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    color: Option<String>,
    /// Show these two dimensions of the latent space, from 0 [default: those that vary most]
    #[arg(long, value_name = "I,J", value_parser = pair, help_heading = "Columns")]
    dimensions: Option<Pair>,
    /// Show rows as images of this width and height: the learned and constant numbers in their order
    #[arg(long, value_name = "WxH", value_parser = size, help_heading = "Columns")]
    image: Option<Size>,
    /// Show these columns of the listed rows [default: those that identify rows, and those that reasons mention]
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    show: Vec<String>,
    /// Count odd rows by the day of this column [default: by file; of one file, its first date or time]
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    time: Option<String>,
    /// Rows of highest score to list
    #[arg(long, default_value_t = ReportConfig::TOP, value_name = "N", help_heading = "Output")]
    top: usize,
    /// Write each figure as an SVG file to this directory, too
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    svg: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// Two dimensions of the latent space.
#[derive(Debug, Clone, Copy)]
struct Pair([usize; 2]);

fn pair(text: &str) -> Result<Pair, String> {
    let parts = text.split_once(',').and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    parts.map(Pair).ok_or_else(|| "the numbers of two dimensions, as in 0,3".to_owned())
}

/// The size of an image.
#[derive(Debug, Clone, Copy)]
struct Size([usize; 2]);

fn size(text: &str) -> Result<Size, String> {
    let parts = text.split_once('x').and_then(|(wide, high)| Some([wide.parse().ok()?, high.parse().ok()?]));
    parts.map(Size).ok_or_else(|| "a width and a height, as in 28x28".to_owned())
}

impl ReportCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { scored, output, model, rows, flags, run } = self;
        let ReportFlags { label, color, dimensions, image, show, time, top, svg, force } = flags;
        let mut config = ReportConfig::new();
        config.label = label;
        config.color = color;
        config.dimensions = dimensions.map(|Pair(dimensions)| dimensions);
        config.image = image.map(|Size(size)| size);
        config.show = show;
        config.time = time;
        config.top = top;
        config.date = Some(clock::now()?.chars().take(10).collect());
        let name = model.as_deref().and_then(Path::file_name);
        config.model_name = name.map(|name| name.to_string_lossy().into_owned());
        config.check()?;
        let source = Source::open(&scored, &rows, &context.signals.stop)?;
        let _lock = run.writing.claim(&output, force, source.paths().chain(model.as_deref()), context)?;
        if let Some(folder) = svg.as_deref().filter(|_| !force) {
            check_empty(folder)?;
        }
        let model = model.map(|path| Model::load(path, run.device)).transpose()?;
        let report = report(&source.table(&folder(&output))?, model.as_ref(), &config, &context.signals.stop)?;
        report.save(&output, force)?;
        let written = svg.as_ref().map(|folder| report.save_figures(folder, force)).transpose()?;
        let about = format!("{}, {}", output.display(), HumanBytes(report.html().len() as u64));
        let mut lines = vec![("wrote", about)];
        if let (Some(folder), Some(paths)) = (&svg, &written) {
            lines.push(("", format!("{} figures to {}", paths.len(), folder.display())));
        }
        let sampled = match report.sampled < report.rows {
            true => format!(", of which {} are drawn", HumanCount(report.sampled)),
            false => String::new(),
        };
        lines.push(("rows", format!("{}{sampled}", HumanCount(report.rows))));
        if let Some(anomalies) = report.anomalies {
            let share = percent(anomalies as f64 / report.rows.max(1) as f64);
            lines.push(("anomalies", format!("{}, {share}", HumanCount(anomalies))));
        }
        for (n, what) in report.left_out.iter().enumerate() {
            lines.push((if n == 0 { "not shown" } else { "" }, what.clone()));
        }
        let json = json!({
            "rows": report.rows,
            "sampled": report.sampled,
            "anomalies": report.anomalies,
            "bytes": report.html().len(),
            "figures": report.figures().map(|(name, _)| name).collect::<Vec<_>>(),
            "not_shown": report.left_out,
        });
        output::print(run.writing.summary, context.quiet, &lines, &json)
    }
}

/// Refuses a directory with figures in it before the work.
fn check_empty(folder: &Path) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let figure = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|it| it == "svg"));
    Ok(figure.map_or(Ok(()), |path| crate::storage::check_target(path, false, []))?)
}
