//! Report pages: the scores and latents of a scored file and, with its model, what the model learned.

mod anomalies;
mod distribution;
mod html;
mod latent_plane;
mod model;
mod page;
mod row_images;
mod sampled_rows;
mod table_survey;
mod training_comparison;
mod traversals;

use std::path::{Path, PathBuf};

use super::figure::Figure;
use super::scored_columns::ranked_by;
use crate::artifact::{MODEL_KEY, Model};
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::{ParquetSource, near_names};
use crate::storage::{Target, commit_bytes};

/// Options of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportConfig {
    /// The column of labels: 1 or true for an anomaly, 0 or false otherwise.
    pub label: Option<String>,
    /// The column that colours rows in latent space. `None`: the label, or else the score.
    pub color: Option<String>,
    /// The two dimensions of the latent space to show. `None`: those whose posterior mean varies most.
    pub dimensions: Option<[usize; 2]>,
    /// Width and height of the image that a row's learned and constant numbers form, in their order.
    pub image: Option<[usize; 2]>,
    /// Rows of highest score to list, 1 to 1000.
    pub top: usize,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { label: None, color: None, dimensions: None, image: None, top: Self::TOP }
    }
}

impl ReportConfig {
    /// Default number of rows to list.
    pub const TOP: usize = 20;

    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for the first option outside it.
    pub fn check(&self) -> Result<()> {
        let fault = |option, value: String, range| Err(Error::OptionRange { option, value, range });
        if !(1..=1000).contains(&self.top) {
            return fault("top", self.top.to_string(), "1 to 1000");
        }
        match self.image {
            Some([wide, high]) if !(1..=1024).contains(&wide) || !(1..=1024).contains(&high) => {
                fault("image", format!("{wide}x{high}"), "1x1 to 1024x1024")
            }
            _ => Ok(()),
        }
    }
}

/// A report page and its figures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Rows of the file.
    pub rows: u64,
    /// Rows in the plots and shares: all, or a deterministic sample.
    pub sampled: u64,
    /// Number of anomalies; absent without a column `is_anomaly`.
    pub anomalies: Option<u64>,
    /// What could not be shown, and why.
    pub left_out: Vec<String>,
    html: String,
    figures: Vec<Figure>,
}

impl Report {
    /// The page: one HTML file without scripts or external resources.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// The figures by name, as SVG files on a white background.
    pub fn figures(&self) -> impl Iterator<Item = (&str, String)> {
        self.figures.iter().map(|figure| (figure.name.as_str(), figure.file()))
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `force`, [`Error::TargetNotFile`], [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        commit_bytes(&Target::check(path.as_ref(), force, [])?, self.html.as_bytes())
    }

    /// Writes each figure to `folder` as `NAME.svg`; creates the folder if it does not exist. Returns the paths.
    ///
    /// # Errors
    /// As [`save`](Self::save), before anything is written.
    pub fn save_figures(&self, folder: impl AsRef<Path>, force: bool) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let paths: Vec<PathBuf> = self.figures.iter().map(|it| folder.join(&it.name).with_extension("svg")).collect();
        let targets: Vec<Target> = paths.iter().map(|path| Target::check(path, force, [])).collect::<Result<_>>()?;
        for (target, figure) in targets.iter().zip(&self.figures) {
            commit_bytes(target, figure.file().as_bytes())?;
        }
        Ok(paths)
    }
}

/// Makes a report of a scored file and, if given, its model.
///
/// # Memory usage
/// A few thousand rows for a file of any size: scores and latents are read twice in batches, the learned columns only
/// for a sample.
///
/// # Errors
/// [`Error::UnknownColumn`] for a column that the file does not have, [`Error::WrongType`] for one with a wrong type or
/// values, [`Error::OptionRange`], and the errors of the source.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{Device, Model, ParquetSource, ReportConfig, Stop, report};
/// let (scored, model) = (ParquetSource::open(["scored.parquet"])?, Model::load("vae.safetensors", Device::Cpu)?);
/// report(&scored, Some(&model), &ReportConfig::new(), &Stop::new())?.save("report.html", false)?;
/// # Ok(())
/// # }
/// ```
pub fn report(source: &ParquetSource, model: Option<&Model>, config: &ReportConfig, stop: &Stop) -> Result<Report> {
    config.check()?;
    let columns = ScoredColumns::of(source, config)?;
    let survey = table_survey::survey(source, &columns, config, stop)?;
    let mut page = page::ReportPage::new(source, &survey, model);
    let sample = sampled_rows::sample(source, &columns, model, stop)?;
    page.scores(&columns, &survey)?;
    page.plane(latent_plane::plane(source, &columns, &survey, &sample, config, stop)?)?;
    anomalies::show(&mut page, source, &columns, &survey, model, config, stop)?;
    match model {
        Some(model) => {
            if source.metadata_value(MODEL_KEY).is_some_and(|hash| hash != model.hash()) {
                page.leave_out(
                    "scores of this model: the file was written with another model, whose hash differs".to_owned(),
                );
            }
            model::latents(&mut page, model)?;
            traversals::show(&mut page, model, config)?;
            training_comparison::show(&mut page, source, model, &sample, config.image.is_some())?;
            model::training(&mut page, model)?;
        }
        None => page.leave_out(
            "training, KL divergence by dimension, traversals, columns against training: these need the model, -m"
                .to_owned(),
        ),
    }
    Ok(page.finish(&survey, sample.rows.len() as u64))
}

/// The columns of a scored file by their role.
struct ScoredColumns {
    score: String,
    latents: Vec<String>,
    p_value: Option<String>,
    is_anomaly: Option<String>,
    top_features: Option<String>,
    label: Option<String>,
    color: Option<String>,
    /// Columns neither learned nor added; they identify rows.
    carried: Vec<String>,
}

impl ScoredColumns {
    fn of(source: &ParquetSource, config: &ReportConfig) -> Result<Self> {
        let schema = source.schema();
        let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let require = |selection, name: &str| match all.contains(&name) {
            true => Ok(name.to_owned()),
            false => {
                let near = near_names(name, all.iter().copied());
                Err(Error::UnknownColumn { selection, name: name.to_owned(), near })
            }
        };
        let (score, prefix) = ranked_by(source);
        let score = require("scored", &score)?;
        let new = |name: &str| Some(format!("{prefix}{name}")).filter(|name| all.contains(&name.as_str()));
        let latents: Vec<String> = (0..).map_while(|n| new(&format!("z_{n}"))).collect();
        if let Some(chosen) = config.dimensions
            && let Some(out_of_range) = chosen.into_iter().find(|dimension| *dimension >= latents.len())
        {
            let range = "two of the latent dimensions, from 0";
            return Err(Error::OptionRange { option: "dimensions", value: out_of_range.to_string(), range });
        }
        let features = super::scored_columns::features(source, &prefix);
        let is_carried =
            |name: &&&str| !features.iter().any(|it| it == *name) && !super::scored_columns::is_new(name, &prefix);
        Ok(Self {
            latents,
            p_value: new("p_value"),
            is_anomaly: new("is_anomaly"),
            top_features: new("top_features"),
            label: config.label.as_deref().map(|name| require("label", name)).transpose()?,
            color: config.color.as_deref().map(|name| require("color", name)).transpose()?,
            carried: all.iter().filter(is_carried).map(|name| (*name).to_owned()).collect(),
            score,
        })
    }
}
