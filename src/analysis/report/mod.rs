//! Report pages: the scores and latents of a scored file and, with its model, what the model learned.

mod cluster_images;
mod clusters;
mod comparison;
mod distribution;
mod headline;
mod history;
mod html;
mod latent_images;
mod latent_names;
mod latent_plane;
mod model;
mod odd_rows;
mod oddest;
mod page;
mod periods;
mod reasons;
mod row_colors;
mod row_images;
mod sampled_rows;
mod sentence;
mod table_survey;
mod training_comparison;
mod traversals;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use self::comparison::comparison_report;
use self::latent_plane::LatentPlane;
use self::odd_rows::OddRows;
use super::figure::Figure;
use super::label::LabelColumn;
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
    /// The column of labels: 1, true, yes or anomaly for an anomaly, 0, false, no or normal otherwise; or `COL=VALUE`, where rows
    /// with this value are anomalies.
    pub label: Option<String>,
    /// The column that colours rows in latent space. `None`: the label, or else the cluster, or else the score.
    pub color: Option<String>,
    /// The two dimensions of the latent space to show. `None`: those whose posterior mean varies most.
    pub dimensions: Option<[usize; 2]>,
    /// Width and height of the image that a row's learned and constant numbers form, in their order: rows, clusters and places in
    /// latent space are shown as images.
    pub image: Option<[usize; 2]>,
    /// The columns to show of listed rows. Empty: those that identify rows, and those that the reasons mention.
    pub show: Vec<String>,
    /// The column of dates or times by which odd rows are counted. `None`: of several files the file, of one its first such
    /// column.
    pub time: Option<String>,
    /// Rows of highest score to list, 1 to 1000.
    pub top: usize,
    /// The date on the page. `None`: no date, so that the same input always gives the same bytes.
    pub date: Option<String>,
    /// The model's name on the page, such as that of its file.
    pub model_name: Option<String>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self {
            label: None,
            color: None,
            dimensions: None,
            image: None,
            show: Vec::new(),
            time: None,
            top: Self::TOP,
            date: None,
            model_name: None,
        }
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
    /// The page: one HTML file without external resources, whole without its script.
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
    tracing::info!("report: reading the scores of {} rows", source.rows());
    let survey = table_survey::survey(source, &columns, config, stop)?;
    tracing::info!("report: finding why rows are odd");
    let odd = OddRows::read(source, &columns, &survey, model, stop)?;
    let groups = odd.groups();
    let listed = oddest::ListedRows::read(source, &columns, (&survey, &odd, &groups), model, config, stop)?;
    let periods = survey.history.periods().filter(|_| columns.is_anomaly.is_some());
    let summary = headline::summary(&survey, &odd, periods.as_ref());
    let mut page = page::ReportPage::new(source, &survey, model, config, summary);
    if periods.is_some() || !odd.rows.is_empty() {
        page.section("causes-and-times", "When and why", "");
    }
    match &periods {
        Some((unit, periods)) => history::show(&mut page, *unit, periods)?,
        None if columns.is_anomaly.is_none() => {
            page.leave_out("odd rows over time: the file does not say which rows are anomalies".to_owned());
        }
        None => page.leave_out("odd rows over time: a single file without two different dates".to_owned()),
    }
    listed.show_groups(&mut page, &survey, &groups)?;
    listed.show(&mut page, source, &columns, &survey, model, config)?;
    tracing::info!("report: reading a sample of {} columns", source.schema().fields().len());
    let sample = sampled_rows::sample(source, &columns, model, stop)?;
    stop.check()?;
    page.scores(&columns, &survey)?;
    page.what_if(&survey)?;
    let influences = model.map(Model::influences).unwrap_or_default();
    // Single pixels of an image name nothing: images do.
    let names = if config.image.is_some() { Vec::new() } else { latent_names::latent_names(&influences) };
    let plane = LatentPlane::of(source.path(), &columns, &survey, &sample, config)?;
    let images = config.image.and_then(|size| Some((model?, size)));
    page.plane(match &plane {
        Some(plane) => {
            let seen = vec!["see What lies where".to_owned(); columns.latents.len()];
            let titles = plane.titles(&columns, if images.is_some() { &seen } else { &names });
            Some(plane.scatter(source, &columns, (&survey, &sample), titles, model, stop)?)
        }
        None => None,
    })?;
    if let (Some(plane), Some(images)) = (&plane, images) {
        latent_images::show(&mut page, plane, (source.path(), &columns, &sample), images)?;
    }
    clusters::show(&mut page, source, &columns, &sample, (config, model), stop)?;
    match model {
        Some(model) => {
            if source.metadata_value(MODEL_KEY).is_some_and(|hash| hash != model.hash()) {
                page.leave_out(
                    "scores of this model: the file was written with another model, whose hash differs".to_owned(),
                );
            }
            model::latents(&mut page, model, &names)?;
            stop.check()?;
            traversals::show(&mut page, model, &influences, config)?;
            tracing::info!("report: comparing columns with the training data");
            training_comparison::show(&mut page, source, model, &sample, config.image.is_some(), stop)?;
            model::training(&mut page, model)?;
        }
        None => {
            let images = if config.image.is_some() { "images, " } else { "" };
            page.leave_out(format!(
                "{images}training, KL divergence by dimension, traversals, columns against training: these need the model, -m"
            ));
        }
    }
    Ok(page.finish(survey.rows, sample.rows.len() as u64, survey.anomalies))
}

/// The columns of a scored file by their role.
struct ScoredColumns {
    score: String,
    latents: Vec<String>,
    p_value: Option<String>,
    is_anomaly: Option<String>,
    top_features: Option<String>,
    label: Option<LabelColumn>,
    color: Option<String>,
    cluster: Option<String>,
    /// What is before the names of the columns that the transform added.
    prefix: String,
    /// The column of dates or times by which rows are counted.
    time: Option<String>,
    /// Columns neither learned nor added; they identify rows.
    carried: Vec<String>,
    /// All columns of the file.
    all: HashSet<String>,
}

impl ScoredColumns {
    fn of(source: &ParquetSource, config: &ReportConfig) -> Result<Self> {
        let schema = source.schema();
        let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let names: HashSet<String> = all.iter().map(|name| (*name).to_owned()).collect();
        let require = |selection, name: &str| match names.contains(name) {
            true => Ok(name.to_owned()),
            false => {
                let near = near_names(name, all.iter().copied());
                Err(Error::UnknownColumn { selection, name: name.to_owned(), near })
            }
        };
        let (score, prefix) = ranked_by(source);
        let score = require("scored", &score)?;
        let new = |name: &str| Some(format!("{prefix}{name}")).filter(|name| names.contains(name));
        let latents: Vec<String> = (0..).map_while(|n| new(&format!("z_{n}"))).collect();
        if let Some(chosen) = config.dimensions
            && let Some(out_of_range) = chosen.into_iter().find(|dimension| *dimension >= latents.len())
        {
            let range = "two of the latent dimensions, from 0";
            return Err(Error::OptionRange { option: "dimensions", value: out_of_range.to_string(), range });
        }
        let features: HashSet<String> = super::scored_columns::features(source, &prefix).into_iter().collect();
        let is_expected = |name: &str| {
            let of = |end| name.strip_suffix(end).is_some_and(|column| names.contains(column));
            ["_expected", "_low", "_high"].into_iter().any(of)
        };
        let is_new = |name: &str| super::scored_columns::is_new(name, &prefix) || is_expected(name);
        let is_carried = |name: &&&str| !features.contains(**name) && !is_new(name);
        config.show.iter().try_for_each(|name| require("show", name).map(drop))?;
        let time = config.time.as_deref().map(|name| require("time", name)).transpose()?;
        let label = config.label.as_deref().map(|label| LabelColumn::find(label, &all)).transpose()?;
        Ok(Self {
            latents,
            p_value: new("p_value"),
            is_anomaly: new("is_anomaly"),
            top_features: new("top_features"),
            label,
            color: config.color.as_deref().map(|name| require("color", name)).transpose()?,
            cluster: new("cluster"),
            time: periods::time_column(source, time),
            carried: all.iter().filter(is_carried).map(|name| (*name).to_owned()).collect(),
            all: names.clone(),
            score,
            prefix: prefix.clone(),
        })
    }

    /// The name of the column of labels.
    fn label(&self) -> Option<&String> {
        self.label.as_ref().map(|label| &label.name)
    }

    /// Whether the file has a column.
    fn has(&self, name: &str) -> bool {
        self.all.contains(name)
    }
}
