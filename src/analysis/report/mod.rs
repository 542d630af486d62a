//! One page that shows what a transform wrote and, given its model, what the model learned.

mod against;
mod anomalies;
mod html;
mod meaning;
mod model;
mod page;
mod pixels;
mod plane;
mod sampled_rows;
mod spread;
mod table_survey;

use std::path::{Path, PathBuf};

use super::figure::Figure;
use super::scored::ranked_by;
use crate::artifact::Model;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::{ParquetSource, near_names};
use crate::storage::{Target, commit_bytes};

/// What a report shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportConfig {
    /// The column of known anomalies: 1 or true is one, 0 or false is none.
    pub label: Option<String>,
    /// The column that colours rows in latent space. `None`: the label, or else the score.
    pub color: Option<String>,
    /// The two dimensions of the latent space to show. `None`: those whose posterior mean varies most.
    pub dimensions: Option<[usize; 2]>,
    /// Width and height of the image that a row's learned and constant numbers are, in their order, if they are one.
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
    /// Rows listed, unless more or fewer are asked for.
    pub const TOP: usize = 20;

    /// Everything as the file has it.
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

/// A page, and its figures by themselves.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that single marks and shares stand for: all, or a sample that is the same each time.
    pub sampled: u64,
    /// Rows that are anomalies; absent if the file does not say.
    pub anomalies: Option<u64>,
    /// What could not be shown, and why.
    pub left_out: Vec<String>,
    html: String,
    figures: Vec<Figure>,
}

impl Report {
    /// The page: one HTML file without scripts, that loads nothing.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// The figures by name, as SVG files on white ground.
    pub fn figures(&self) -> impl Iterator<Item = (&str, String)> {
        self.figures.iter().map(|figure| (figure.name.as_str(), figure.file()))
    }

    /// Writes the page, whole or not at all; fails with [`TargetExists`](crate::Error::TargetExists) and other errors
    /// of the output.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `force`, [`Error::TargetNotFile`], [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        commit_bytes(&Target::check(path.as_ref(), force, [])?, self.html.as_bytes())
    }

    /// Writes each figure to `folder`, which is made if need be, as `NAME.svg`; their paths.
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

/// Looks at what a transform wrote, and at the model it was written with, if that is given.
///
/// # Memory usage
/// Some thousand rows, whatever the file has: scores and latents are read twice, in batches; the columns that the model
/// learned are read of a sample.
///
/// # Errors
/// [`Error::UnknownColumn`] for a column that is not there, [`Error::WrongType`] for one that is not what it has to be,
/// [`Error::OptionRange`], and the source's.
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
    page.plane(plane::plane(source, &columns, &survey, &sample, config, stop)?)?;
    anomalies::show(&mut page, source, &columns, &survey, model, config, stop)?;
    match model {
        Some(model) => {
            if source.key("vaepipe.model").is_some_and(|hash| hash != model.hash()) {
                page.leave_out("the scores are another model's: the file names one with another hash".to_owned());
            }
            model::latents(&mut page, model)?;
            meaning::show(&mut page, model, config)?;
            against::show(&mut page, source, model, &sample, config.image.is_some())?;
            model::training(&mut page, model)?;
        }
        None => page.leave_out(
            "training, KL divergence by dimension, what dimensions mean, columns against training: these are in the \
             model, -m"
                .to_owned(),
        ),
    }
    Ok(page.finish(&survey, sample.rows.len() as u64))
}

/// The columns of a scored file by what they are.
struct ScoredColumns {
    score: String,
    latents: Vec<String>,
    p_value: Option<String>,
    is_anomaly: Option<String>,
    top_features: Option<String>,
    label: Option<String>,
    color: Option<String>,
    /// Those that were neither learned nor added: what rows are known by.
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
            && let Some(beyond) = chosen.into_iter().find(|dimension| *dimension >= latents.len())
        {
            let range = "two of the latent dimensions, from 0";
            return Err(Error::OptionRange { option: "dimensions", value: beyond.to_string(), range });
        }
        let features = super::scored::features(source, &prefix);
        let is_carried = |name: &&&str| !features.iter().any(|it| it == *name) && !super::scored::is_new(name, &prefix);
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
