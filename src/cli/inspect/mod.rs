//! `vaepipe inspect`.

mod data;
pub(crate) mod latents;
mod model;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use vaepipe::{Device, Error, FitConfig, Model, Run, Source, SourceConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::fit::{SortFlag, keys};
use crate::cli::flags::run::Workers;
use crate::cli::output;
use crate::cli::output::progress::FitProgress;
use crate::cli::settings::Invocation;

/// Describe a model, or what a fit would do with data
///
/// Example: vaepipe inspect flights.parquet --exclude year
///
/// For data, inspect takes the flags of fit, reads the columns once, and trains nothing. It shows what a fit with the same
/// flags would do.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Inspect {
    /// Files, directories, or globs in quotes, read as one table; - is stdin. Or one model
    #[arg(value_name = "DATA|MODEL", conflicts_with = "model")]
    paths: Vec<PathBuf>,
    /// The model file; only if no data is named
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    /// The result on stdout: text, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: output::OutputFormat,
    /// Of a model, tell what each dimension of its latent space moves and goes with
    #[arg(long, help_heading = "Output")]
    latents: bool,
    #[command(flatten)]
    workers: Workers,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    order: SortFlag,
    #[command(flatten)]
    config: FitConfig,
}

/// What a file is, by its first bytes.
enum FileContent {
    Data,
    Model,
}

impl Inspect {
    pub(crate) fn run(self, invocation: &Invocation, context: &Context) -> Result<(), Failure> {
        let Self { mut paths, model, summary: format, latents, workers: Workers { threads }, rows, order, mut config } =
            self;
        config.sort = order.sort;
        config.check()?;
        Run::new().threads(threads).check()?;
        let contents = paths.iter().map(|path| content(path)).collect::<Result<Vec<_>, _>>()?;
        if paths.is_empty() {
            paths.push(model);
        } else if contents.iter().all(|content| matches!(content, FileContent::Data)) {
            if latents {
                return Err(Failure::usage("--latents is of a model; that is data"));
            }
            let source = Source::open(&paths, &rows, &context.signals.stop)?;
            let table = config.table(&source, &config.spool_dir.clone().unwrap_or_else(std::env::temp_dir))?;
            let mut progress = FitProgress::new(None);
            let mut run =
                Run::new().stop(&context.signals.stop).threads(threads).on_progress(|event| progress.take(event));
            let plan = config.plan(&table, &mut run);
            drop(run);
            progress.finish()?;
            let plan = plan?;
            let flags = given(invocation);
            let files: Vec<&Path> = source.paths().collect();
            return data::print(&paths, &files, &plan, format, !flags.is_empty());
        }
        let [path] = paths.as_slice() else {
            return Err(Failure::usage("a model is inspected by itself: name one file"));
        };
        if let Some(flag) = given(invocation).first() {
            let flag = flag.replace('_', "-");
            return Err(Failure::usage(format!(
                "--{flag} decides what a fit makes of data; {} is a model",
                path.display()
            )));
        }
        let model = Model::load(path, Device::Cpu)?;
        if latents { latents::print(path, &model, format) } else { model::print(path, &model, format) }
    }
}

/// Looks at how a file begins. What begins like neither is taken by its name; whoever reads it says what is wrong.
fn content(path: &Path) -> Result<FileContent, Error> {
    let io = |action| move |source| Error::Io { path: path.to_owned(), action, source };
    let named =
        if path.extension().is_some_and(|it| it == "safetensors") { FileContent::Model } else { FileContent::Data };
    // Before opening: that of a pipe would wait for its other end. A name that is none of a file may be a glob.
    if !std::fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return Ok(named);
    }
    let mut file = File::open(path).map_err(io("open"))?;
    let mut start = Vec::new();
    file.by_ref().take(9).read_to_end(&mut start).map_err(io("read"))?;
    match start.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => Ok(FileContent::Data),
        // safetensors: the length of a JSON object, and the object.
        [.., b'{'] if start.len() == 9 => Ok(FileContent::Model),
        _ => Ok(named),
    }
}

/// The flags of a fit that are given on the command line, by key.
fn given(invocation: &Invocation) -> Vec<String> {
    keys().into_iter().filter(|key| invocation.is_given(key)).collect()
}
