//! A transform to a new Delta table.

use std::path::Path;

use super::job::TransformJob;
use crate::error::Result;
use crate::sink::{Destination, Medium, NewDeltaTable};
use crate::source::Source;
use crate::storage::{Target, check_outside};

impl TransformJob<'_, '_> {
    /// Writes the rows to one file. The commit comes last, so that a run that fails leaves no table.
    pub(super) fn delta_table(&mut self, source: &Source, folder: &Path) -> Result<()> {
        check_outside(folder, source.directories())?;
        let plan = self.model.output_plan(source, false, self.config, Medium::Parquet)?;
        let table = NewDeltaTable::create(folder, &plan.schema)?;
        let target = Target::check(&table.data_file(), false, source.paths())?;
        self.general(source, Destination::File(target), false)?;
        self.totals.files = 1;
        table.commit(self.totals.rows())
    }
}
