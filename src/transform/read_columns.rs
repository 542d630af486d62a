//! Which columns a transform reads, and how it makes the windows of rows in order.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::artifact::Model;
use crate::config::{SourceConfig, TransformConfig};
use crate::error::{Error, Place, Result};
use crate::feature::Features;
use crate::pipeline::Stop;
use crate::sequence::{Windower, windowed};
use crate::source::{Batches, Source};

impl Model {
    /// The windows that each input begins with, those of the history, if the rows are learned in order.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a history that the model does not take, and those of its rows.
    pub(super) fn windower(&self, config: &TransformConfig, stop: &Stop) -> Result<Option<Windower>> {
        let Some(sequence) = self.metadata().sequence.clone().map(Arc::new) else {
            let Some(value) = config.history.first().cloned() else { return Ok(None) };
            let range = "left out, since the model learned no rows in order";
            return Err(Error::OptionRange { option: "history", value, range });
        };
        if config.history.is_empty() {
            return Ok(Some(Windower::new(&sequence)));
        }
        let history = self.typed(&Source::open(&config.history, &SourceConfig::new(), stop)?);
        Windower::after(&sequence, &history).map(Some)
    }

    /// The columns of rows with this schema, once they have their windows.
    pub(super) fn with_windows(&self, schema: &SchemaRef) -> SchemaRef {
        self.metadata().sequence.as_ref().map_or_else(|| schema.clone(), |sequence| sequence.with_windows(schema))
    }

    /// Checks that rows of `path` with this schema can be in order, if the model needs it.
    ///
    /// # Errors
    /// [`Error::MissingFeature`], [`Error::WrongType`] and [`Error::NameClash`].
    pub(super) fn check_order(&self, schema: &Schema, path: &Path) -> Result<()> {
        self.metadata().sequence.as_ref().map_or(Ok(()), |sequence| sequence.check(schema, path))
    }

    /// The columns of the input from which these features are made.
    pub(super) fn read_columns(&self, features: &Features) -> Vec<String> {
        let mut columns = features.columns();
        if let Some(sequence) = &self.metadata().sequence {
            let windows: HashSet<String> = sequence.window_names().collect();
            columns.retain(|name| !windows.contains(name));
            let known: HashSet<String> = columns.iter().cloned().collect();
            columns.extend(sequence.read_columns().into_iter().filter(|name| !known.contains(name)));
        }
        columns
    }

    /// Where the columns of these features are in rows of the columns `read`, once they have their windows.
    pub(super) fn places(&self, features: &Features, read: &[String]) -> Vec<usize> {
        let windows = self.metadata().sequence.iter().flat_map(|sequence| sequence.window_names());
        let places: HashMap<String, usize> = read.iter().cloned().chain(windows).zip(0..).collect();
        features.columns().iter().filter_map(|column| places.get(column).copied()).collect()
    }

    /// Reads columns of a source, with the windows after them, each file from these on.
    pub(super) fn stream(
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
    pub(super) fn stream_features(
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
pub(super) fn project(batch: &RecordBatch, places: &[usize]) -> Result<RecordBatch> {
    batch.project(places).map_err(unreadable)
}

fn unreadable(source: ArrowError) -> Error {
    Error::Read { place: Place::file("rows"), source: source.into() }
}
