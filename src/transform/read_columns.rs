//! Which columns a transform reads, and how it makes the windows of rows in order.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::artifact::Model;
use crate::config::{OrderConfig, SourceConfig};
use crate::error::{Error, Place, Result};
use crate::feature::Features;
use crate::pipeline::Stop;
use crate::sequence::{Sorter, Windower, windowed};
use crate::source::{Batches, Source};

impl Model {
    /// The windows that each input begins with, those of the history, if the rows are learned in order. A history is read with
    /// the options of the `rows` after it.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for options that the model does not take, and those of the rows of the history.
    pub(crate) fn windower(&self, config: &OrderConfig, rows: &SourceConfig, stop: &Stop) -> Result<Option<Windower>> {
        self.windower_bridging(&[], config, rows, stop)
    }

    /// The same, which tells of missing numbers in these columns of the sequence what the rows on both sides lead to expect.
    ///
    /// # Errors
    /// As [`windower`](Self::windower).
    pub(crate) fn windower_bridging(
        &self,
        columns: &[usize],
        config: &OrderConfig,
        rows: &SourceConfig,
        stop: &Stop,
    ) -> Result<Option<Windower>> {
        let Some(sequence) = self.metadata().sequence.clone().map(Arc::new) else {
            let history = config.history.first().map(|path| ("history", path.clone()));
            let Some((option, value)) = history.or(config.sort.then(|| ("sort", "true".to_owned()))) else {
                return Ok(None);
            };
            let range = "left out, since the model learned no rows in order";
            return Err(Error::OptionRange { option, value, range });
        };
        let sorter = config.sort.then(|| Sorter::new(std::env::temp_dir(), config.memory));
        let windower = Windower::new(&sequence, sorter).bridging(columns);
        if config.history.is_empty() {
            return Ok(Some(windower));
        }
        let whole = SourceConfig { keep_going: false, ..rows.clone() };
        let history = self.typed(&Source::open(&config.history, &whole, stop)?);
        windower.after(&history).map(Some)
    }

    /// The columns of rows with this schema, once they have their windows.
    pub(crate) fn with_windows(&self, schema: &SchemaRef) -> SchemaRef {
        self.metadata().sequence.as_ref().map_or_else(|| schema.clone(), |sequence| sequence.with_windows(schema))
    }

    /// Checks that rows of `path` with this schema can be in order, if the model needs it.
    ///
    /// # Errors
    /// [`Error::MissingFeature`], [`Error::WrongType`] and [`Error::NameClash`].
    pub(crate) fn check_order(&self, schema: &Schema, path: &Path) -> Result<()> {
        self.metadata().sequence.as_ref().map_or(Ok(()), |sequence| sequence.check(schema, path))
    }

    /// The columns of the input from which these features are made.
    pub(crate) fn read_columns(&self, features: &Features) -> Vec<String> {
        let mut columns = features.columns();
        if let Some(sequence) = &self.metadata().sequence {
            let windows: HashSet<String> = sequence.added_names().collect();
            columns.retain(|name| !windows.contains(name));
            let known: HashSet<String> = columns.iter().cloned().collect();
            columns.extend(sequence.read_columns().into_iter().filter(|name| !known.contains(name)));
        }
        columns
    }

    /// Where the columns of these features are in rows of the columns `read`, once they have their windows.
    pub(crate) fn places(&self, features: &Features, read: &[String]) -> Vec<usize> {
        let windows = self.metadata().sequence.iter().flat_map(|sequence| sequence.added_names());
        let places: HashMap<String, usize> = read.iter().cloned().chain(windows).zip(0..).collect();
        features.columns().iter().filter_map(|column| places.get(column).copied()).collect()
    }

    /// Reads columns of a source, with the windows after them, each file from these on.
    pub(crate) fn stream(
        &self,
        source: &Source,
        windows: Option<&Windower>,
        columns: &[String],
        batch_rows: usize,
    ) -> Result<Batches> {
        match windows {
            Some(windows) => Ok(windowed(windows.for_file(source.path()), source, columns, batch_rows)?.batches),
            None => Ok(source.stream(columns, batch_rows)?.batches),
        }
    }

    /// Reads the columns of these features, in their order.
    pub(crate) fn stream_features(
        &self,
        source: &Source,
        windows: Option<&Windower>,
        features: &Features,
        batch_rows: usize,
    ) -> Result<Batches> {
        let read = self.read_columns(features);
        let (batches, places) = (self.stream(source, windows, &read, batch_rows)?, self.places(features, &read));
        Ok(Box::new(batches.map(move |batch| project(&batch?, &places))))
    }
}

/// The columns at these places.
pub(crate) fn project(batch: &RecordBatch, places: &[usize]) -> Result<RecordBatch> {
    batch.project(places).map_err(unreadable)
}

/// An Arrow error in rows without a place.
pub(super) fn unreadable(source: ArrowError) -> Error {
    Error::Read { place: Place::file("rows"), source: source.into() }
}
