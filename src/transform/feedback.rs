//! What people say of rows becomes part of a model.

#![forbid(unsafe_code)]

use std::path::Path;

use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::DataType;

use super::explain::Explainer;
use super::file_rows::FileRows;
use super::general::learned_route;
use super::read_columns::{project, unreadable};
use super::row_scorer::reasons;
use crate::artifact::{Model, ReviewedRow};
use crate::batch::{Batch, BatchSlicer, batch_rows};
use crate::config::OrderConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::score::{COMBINED, NOT_COMBINED, RowPlaces, Verdict};
use crate::source::{Source, named_field};

/// Most reviewed rows: each row that is scored is compared with all of them.
const MOST: usize = 4096;

/// What is said of more of them.
const TOO_MANY: &str = "it learns from at most 4,096 reviewed rows";

/// The words of verdicts in messages.
const WORDS: &str = "normal, anomaly or nothing; or Booleans, true for an anomaly";

impl Model {
    /// Checks that a source has a column of verdicts.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] and [`Error::WrongType`].
    pub fn check_verdict(source: &Source, verdict: &str) -> Result<()> {
        let schema = source.schema();
        let field = named_field(&schema, "verdict", verdict)?;
        let plain = match field.data_type() {
            DataType::Dictionary(_, values) => values,
            other => other,
        };
        match plain {
            DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(()),
            other => Err(Error::WrongType {
                place: Place::column(source.path(), verdict),
                found: other.to_string().into(),
                expected: WORDS.into(),
            }),
        }
    }

    /// The model whose scores follow what people say of the rows of `source`: the column `verdict` holds `normal` or
    /// `anomaly`, or a Boolean that is true for an anomaly, and nothing for a row that nobody looked at. Rows like a normal one
    /// score lower, those like an anomaly score higher, and p-values stay valid. A row that is reviewed again has the newer
    /// verdict. Rows in order are read with those before them, so that a source holds these, too.
    ///
    /// # Errors
    /// [`Error::NoFeedback`] if the anomaly score is another than `combined`, or the model stores no calibration rows;
    /// [`Error::UnknownColumn`] and [`Error::WrongType`] for the verdicts, [`Error::WrongValue`] for other words;
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the source does not have the learned columns; those of the
    /// source.
    pub fn with_feedback(&self, source: &Source, verdict: &str, stop: &Stop) -> Result<Self> {
        self.check_feedback()?;
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        let schema = source.schema();
        Self::check_verdict(source, verdict)?;
        model.check_columns(source)?;
        let features = model.watching(&model.with_windows(&schema));
        let mut read = model.read_columns(&features);
        if !read.iter().any(|name| name == verdict) {
            read.push(verdict.to_owned());
        }
        let place = read.iter().position(|name| name == verdict);
        let place = place.expect("the column is read");
        let places = model.places(&features, &read);
        let explainer = Explainer::new(features.clone(), &COMBINED, 1, &self.metadata().scoring.directions);
        let rows_at_once = batch_rows(features.layout());
        let windows = model.windower(&OrderConfig::default(), source.config(), stop)?;
        let batches = model.stream(source, windows.as_ref(), &read, rows_at_once)?;
        let mut learning = Learning::of(self);
        let (files, mut before) = (FileRows::of(source, &read[..1])?, 0);
        for slice in BatchSlicer::new(batches, rows_at_once, learned_route(&features).budget()) {
            stop.check()?;
            let rows = slice?.rows;
            let verdicts = verdicts(source, verdict, rows.column(place), before)?;
            let which: Vec<u32> = (0..).zip(&verdicts).filter(|(_, it)| it.is_some()).map(|(row, _)| row).collect();
            let first = before;
            before += rows.num_rows() as u64;
            if which.is_empty() {
                continue;
            }
            let learned = project(&rows, &places)?;
            let some = take_record_batch(&learned, &UInt32Array::from(which.clone())).map_err(unreadable)?;
            let (batch, _) = Batch::encode(&features, &some)?;
            let batch = model.scorer().one_sided(&batch, &COMBINED)?;
            let encoded = model.scorer().rows(&batch)?;
            let scores = encoded.score_without_feedback(&COMBINED)?;
            let (of_batch, reasons) = (encoded.places()?, reasons(&explainer.top_features(&encoded, &some)?));
            for (n, ((row, score), reasons)) in which.into_iter().zip(scores).zip(reasons).enumerate() {
                let (path, number) = files.locate(first + u64::from(row));
                let (file, number) = (name(path), number + 1);
                let (Some(verdict), Some(score)) = (verdicts[row as usize], score) else {
                    tracing::warn!("{file}, row {number}: has no known value, and teaches nothing");
                    continue;
                };
                let reason = reasons.into_iter().next().map(|reason| (reason.feature, reason.value));
                let (feature, value) = reason.map_or((None, None), |(feature, value)| (Some(feature), value));
                let score = score.min(f32::MAX);
                learning.add(ReviewedRow { verdict, file, row: number, score, feature, value }, &of_batch, n)?;
            }
        }
        Ok(learning.learned_by(self))
    }

    /// The model without what people said of some rows, by their numbers from 1 in the order of
    /// [`Metadata::feedback`](crate::Metadata::feedback). Without any row left it is the model that the fit made.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a number that no row has.
    pub fn without_feedback(&self, rows: &[usize]) -> Result<Self> {
        let old = Learning::of(self);
        let known = old.rows.len();
        if let Some(row) = rows.iter().find(|row| !(1..=known).contains(*row)) {
            let range =
                if known == 0 { "left out, since the model has no feedback" } else { "the number of a reviewed row" };
            return Err(Error::OptionRange { option: "forget", value: row.to_string(), range });
        }
        let mut learning = Learning::default();
        for (n, row) in old.rows.into_iter().enumerate().filter(|(n, _)| !rows.contains(&(n + 1))) {
            learning.add(row, &old.places, n)?;
        }
        Ok(learning.learned_by(self))
    }

    /// The anomaly score, in nats, that each reviewed row has with the feedback.
    pub fn reviewed_scores(&self) -> Vec<f32> {
        let reviewed = self.metadata().feedback.iter().flat_map(|reviewed| &reviewed.rows);
        let with = |(n, row): (usize, &ReviewedRow)| {
            self.scorer().feedback().map_or(row.score, |feedback| feedback.score(row.score, &feedback.rows, n))
        };
        reviewed.enumerate().map(with).collect()
    }

    /// Checks that the model can take feedback.
    ///
    /// # Errors
    /// [`Error::NoFeedback`].
    pub fn check_feedback(&self) -> Result<()> {
        let scoring = &self.metadata().scoring;
        let reason = match self.reference() {
            Some(_) => return Ok(()),
            None if scoring.anomaly_score != COMBINED.name => NOT_COMBINED,
            None if scoring.calibration.is_none() => "it has no calibration rows",
            None => "an older version made it",
        };
        Err(Error::NoFeedback(reason))
    }
}

/// Reviewed rows, old and new.
#[derive(Default)]
struct Learning {
    rows: Vec<ReviewedRow>,
    places: RowPlaces,
    /// The rows that were reviewed before and have no newer verdict yet.
    old: Vec<usize>,
}

impl Learning {
    /// What a model has learned.
    fn of(model: &Model) -> Self {
        let rows = model.metadata().feedback.as_ref().map(|reviewed| reviewed.rows.clone()).unwrap_or_default();
        let places = model.scorer().feedback().map(|feedback| feedback.rows.clone()).unwrap_or_default();
        Self { old: (0..rows.len()).collect(), rows, places }
    }

    /// Adds a row, which is in the `place` of a row of others, or replaces what was said of it before.
    ///
    /// # Errors
    /// [`Error::NoFeedback`] for too many rows.
    fn add(&mut self, row: ReviewedRow, places: &RowPlaces, place: usize) -> Result<()> {
        let same =
            |&known: &usize| self.places.place(known) == places.place(place) && self.rows[known].score == row.score;
        match self.old.iter().position(same) {
            Some(at) => {
                let known = self.old.remove(at);
                self.rows[known] = row;
            }
            None if self.rows.len() >= MOST => return Err(Error::NoFeedback(TOO_MANY)),
            None => {
                self.places.push(places, place);
                self.rows.push(row);
            }
        }
        Ok(())
    }

    /// The model that has learned it.
    fn learned_by(self, model: &Model) -> Model {
        model.with_reviewed(self.rows, self.places)
    }
}

/// The verdicts of rows, which come after so many others.
fn verdicts(source: &Source, name: &str, column: &ArrayRef, before: u64) -> Result<Vec<Option<Verdict>>> {
    if let Some(booleans) = column.as_boolean_opt() {
        let of = |anomaly: bool| if anomaly { Verdict::Anomaly } else { Verdict::Normal };
        return Ok(booleans.iter().map(|it| it.map(of)).collect());
    }
    let texts = cast(column, &DataType::Utf8).map_err(unreadable)?;
    let of = |(row, text): (u64, Option<&str>)| match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(word) if word.eq_ignore_ascii_case("normal") => Ok(Some(Verdict::Normal)),
        Some(word) if word.eq_ignore_ascii_case("anomaly") => Ok(Some(Verdict::Anomaly)),
        Some(word) => Err(Error::WrongValue {
            place: Place::column(source.path(), name),
            found: format!("{word:?} in row {}", before + row + 1).into(),
            expected: WORDS.into(),
        }),
    };
    (0..).zip(texts.as_string::<i32>()).map(of).collect()
}

/// The name of a file, without its folder.
fn name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}
