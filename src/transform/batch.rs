//! A transform of one record batch in memory.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};

use super::group_alerts::{AlertCounter, AlertGroups, without_alerts};
use super::new_columns::NewColumnMaker;
use crate::artifact::Model;
use crate::batch::Batch;
use crate::config::{SourceConfig, TransformConfig};
use crate::error::{Error, Place, Result, Unsupported};
use crate::pipeline::Stop;

impl Model {
    /// The [new columns](Self::new_columns) of some rows, as [`transform`](Self::transform) writes them; on this thread.
    /// The columns may be in any order, among others. A false discovery rate is that of these rows, and so are the windows of
    /// rows in order.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the rows do not have the learned columns, [`Error::Read`] if
    /// their values cannot be read, and those of [`new_columns`](Self::new_columns).
    pub fn transform_batch(&self, rows: &RecordBatch, config: &TransformConfig) -> Result<RecordBatch> {
        config.check_unwritten()?;
        let path = Path::new("record batch");
        self.check_order(&rows.schema(), path)?;
        let rows = &match self.windower(&config.order, &SourceConfig::new(), &Stop::new())? {
            Some(windower) if windower.sorts() => {
                return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::SortedBatch });
            }
            Some(windower) => windower.for_file(path).add(rows)?,
            None => rows.clone(),
        };
        self.features().check(&rows.schema(), path)?;
        let features = &self.watching(&rows.schema());
        let mut maker = NewColumnMaker::new(self, features, config)?;
        let index = |name: &String| rows.schema().index_of(name);
        let indexes = features.columns().iter().map(index).collect::<Result<Vec<_>, _>>();
        let learned = indexes.and_then(|indexes| rows.project(&indexes));
        let learned =
            learned.map_err(|source| Error::Read { place: Place::file("record batch"), source: Box::new(source) })?;
        let (batch, _) = Batch::encode(features, &learned)?;
        if let Some(mut levels) = maker.levels() {
            maker.ranked(&batch)?.into_iter().for_each(|level| levels[level] += 1);
            maker.discover(&levels);
        }
        let new = maker.columns(&batch, Some(&learned), None)?.0;
        let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        config.check_groups(&rows.schema())?;
        let decision = maker.decision_column();
        let decided = new.column_by_name(&decision).and_then(|column| column.as_boolean_opt());
        let Some((groups, decided)) = AlertGroups::new(config, &names).zip(decided) else { return Ok(new) };
        let held_back = AlertCounter::new(config).held_back(groups.alerts(rows, decided)?);
        Ok(without_alerts(&new, &held_back, &decision))
    }
}
