//! The rows of a source with some columns replaced and others added: copied from a Parquet file, or encoded again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::failed;
use crate::artifact::Model;
use crate::batch::{BatchSlice, BatchSlicer};
use crate::config::OutputConfig;
use crate::error::Result;
use crate::output::{FileCounts, Output, WriteRows};
use crate::pipeline::{Reservation, Route, Rows, Run};
use crate::sequence::Windower;
use crate::sink::{
    Destination, Medium, NewColumns, OutputColumn, RowWriter, Splice, SpliceSink, cast_to_schema, output_schema,
};
use crate::source::{ParquetSource, Source};
use crate::storage::Target;

/// Which columns are replaced and added.
pub(super) struct Replacement<'a> {
    pub(super) model: &'a Model,
    pub(super) config: &'a OutputConfig,
    /// The columns to read.
    pub(super) read: &'a [String],
    /// The columns to write: those that have the name of an input column take its place, the others follow.
    pub(super) new: SchemaRef,
    /// Rows of a batch.
    pub(super) batch_rows: usize,
    /// Bytes of a batch that waits to be written.
    pub(super) batch_bytes: usize,
    /// The windows that each input begins with, if rows are in order. Their columns are read after the others.
    pub(super) windows: Option<Windower>,
}

/// The replacement of the columns of some outputs under way.
struct ReplaceJob<'a, 'r, W, S, T> {
    plan: Replacement<'a>,
    run: &'a mut Run<'r>,
    /// Makes the new columns of a batch of the columns that are read, and measures something of its rows.
    work: W,
    /// What was measured of all rows so far.
    sum: S,
    /// Adds what was measured of some.
    take: T,
    rows: u64,
}

/// The columns of an output.
struct OutputColumns {
    /// In order: those of the input by their place among the names, and new ones by their place in `new`.
    columns: Vec<OutputColumn>,
    /// The new columns of the replacement, by index.
    new: Vec<usize>,
}

/// An output whose rows are encoded.
struct WholeRows {
    columns: Vec<OutputColumn>,
    /// The new columns of the replacement, by index.
    new: Vec<usize>,
    /// The columns that are carried, then others that are read.
    needed: Vec<String>,
    /// The columns that are read for the replacement, by their indexes in `needed` and the windows after it.
    read: Vec<usize>,
    schema: SchemaRef,
    /// Where the rows come from, for messages.
    path: PathBuf,
}

/// New columns, and what was measured of their rows.
struct Replaced<C, M> {
    columns: C,
    rows: usize,
    measure: M,
}

impl<C, M> Rows for Replaced<C, M> {
    fn rows(&self) -> usize {
        self.rows
    }
}

impl Replacement<'_> {
    /// Makes the new columns of each batch by `work`, adds what it measures to `sum` by
    /// `take`, and returns the number of rows and the sum.
    pub(super) fn write<M: Send + 'static, S: Clone>(
        self,
        source: &Source,
        output: Output,
        run: &mut Run<'_>,
        work: impl Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
        sum: S,
        take: impl Fn(&mut S, M),
    ) -> Result<(u64, S, FileCounts)> {
        let (config, hash, stop) = (self.config, self.model.hash(), run.stopper().clone());
        let mut job = ReplaceJob { plan: self, run, work, sum, take, rows: 0 };
        let files = output.write(source, config, hash, &stop, &mut job)?;
        Ok((job.rows, job.sum, files))
    }

    /// The columns of an output of input columns with these names. New columns with one of the `hidden` names are left out.
    fn columns(&self, names: &[String], hidden: &[String]) -> OutputColumns {
        let mut new = Vec::new();
        let mut next = |column| {
            new.push(column);
            OutputColumn::New(new.len() - 1)
        };
        let mut columns = Vec::new();
        for (carried, name) in names.iter().enumerate() {
            columns.push(match self.new.index_of(name) {
                Ok(column) => next(column),
                Err(_) => OutputColumn::Carried(carried),
            });
        }
        let absent = |column: &usize| {
            let name = self.new.field(*column).name();
            !names.contains(name) && !hidden.contains(name)
        };
        columns.extend((0..self.new.fields().len()).filter(absent).map(next));
        OutputColumns { columns, new }
    }
}

impl<M: Send + 'static, W, S: Clone, T> WriteRows for ReplaceJob<'_, '_, W, S, T>
where
    W: Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
    T: Fn(&mut S, M),
{
    fn history(&self) -> Vec<&Path> {
        self.plan.windows.iter().flat_map(Windower::files).collect()
    }

    #[cfg(feature = "delta")]
    fn schema(&self, source: &Source) -> Result<SchemaRef> {
        Ok(self.plan.encoded(source, false, Medium::Parquet)?.schema)
    }

    fn write(&mut self, source: &Source, destination: Destination, in_directory: bool) -> Result<()> {
        let sorts = self.plan.windows.as_mut().is_some_and(|windows| windows.sorts_beside(&destination));
        let file = source.copied_parquet_file(&self.plan.config.encoding, in_directory).filter(|_| !sorts);
        let before = (self.rows, self.sum.clone());
        let written = match (file, destination) {
            (Some(file), Destination::File(target)) if Medium::of(target.path()) == Medium::Parquet => {
                self.splice(&file, target, &source.partition_columns())
            }
            (_, destination) => self.general(source, destination, in_directory),
        };
        // The next file may be written: the rows of this one are in no output.
        if written.is_err() {
            (self.rows, self.sum) = before;
        }
        written
    }
}

impl<M: Send + 'static, W, S, T> ReplaceJob<'_, '_, W, S, T>
where
    W: Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
    T: Fn(&mut S, M),
{
    /// Copies a Parquet file, but for the new columns.
    fn splice(&mut self, file: &ParquetSource, target: Target, keys: &[String]) -> Result<()> {
        let plan = &self.plan;
        let OutputColumns { columns, new: order } = plan.columns(&file.file_columns(), keys);
        let new = Arc::new(plan.new.project(&order).map_err(failed)?);
        let metadata = plan.model.keys(None);
        let splice = Splice { columns, new, metadata: &metadata };
        let sink = SpliceSink::create(file, &splice, target, self.run.stopper().clone())?;
        let rows = file.scan(plan.read, plan.batch_rows);
        let rows: Box<dyn Iterator<Item = Result<(usize, RecordBatch)>> + Send> = match &plan.windows {
            Some(windows) => windows.for_file(file.path()).add_each(rows),
            None => Box::new(rows),
        };
        let batches = (0..).zip(rows).map(|(seq, batch)| Ok((seq, batch?)));
        let work = self.work.clone();
        let replace = move |(seq, (row_group, batch)): (u64, (usize, RecordBatch))| {
            let (new, measure) = work(&batch)?;
            let batch = new.project(&order).map_err(failed)?;
            let rows = batch.num_rows();
            Ok(Replaced { columns: NewColumns { seq, row_group, batch }, rows, measure })
        };
        let (rows, sum, take) = (&mut self.rows, &mut self.sum, &self.take);
        self.run.carry(&Route::new(plan.batch_bytes), batches, replace, |replaced| {
            sink.write(&mut replaced.map(|replaced| {
                let replaced = replaced?;
                *rows += replaced.rows as u64;
                take(sum, replaced.measure);
                Ok(replaced.columns)
            }))
        })
    }

    /// Writes rows of any source to any output.
    fn general(&mut self, source: &Source, destination: Destination, in_directory: bool) -> Result<()> {
        let medium = destination.medium(&self.plan.config.encoding);
        let encoded = self.plan.encoded(source, in_directory, medium)?;
        let stored = match medium {
            Medium::Parquet => source.stored_types(&encoded.names()),
            _ => Vec::new(),
        };
        let schema = encoded.schema.clone();
        let mut writer = RowWriter::create(destination, schema, &stored, &self.plan.config.encoding)?;
        let route = Route::new(self.plan.batch_bytes);
        let slices = self.plan.slices(source, &encoded, &route)?;
        let (rows, sum, take) = (&mut self.rows, &mut self.sum, &self.take);
        self.run.carry(&route, slices, encoded.replace(self.work.clone()), |replaced| {
            for replaced in replaced {
                let Replaced { columns: (batch, _reservation), rows: height, measure } = replaced?;
                *rows += height as u64;
                take(sum, measure);
                writer.write(&batch)?;
            }
            writer.finish()
        })
    }
}

impl Replacement<'_> {
    /// The rows with the new columns that `work` makes of each batch.
    pub(super) fn read<M: Send + 'static>(
        self,
        source: &Source,
        run: &Run<'_>,
        work: impl Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
    ) -> Result<Box<dyn RecordBatchReader + Send>> {
        let encoded = self.encoded(source, false, Medium::Memory)?;
        let route = Route::new(self.batch_bytes);
        let slices = self.slices(source, &encoded, &route)?;
        let schema = encoded.schema.clone();
        let replaced = run.spread(&route, slices, encoded.replace(work))?;
        let batches = replaced.map(|replaced| replaced.map(|replaced| replaced.columns.0));
        let batches = batches.map(|batch| batch.map_err(|error| ArrowError::ExternalError(Box::new(error))));
        Ok(Box::new(RecordBatchIterator::new(batches, schema)))
    }

    /// How rows of `source` are encoded as whole batches.
    fn encoded(&self, source: &Source, in_directory: bool, medium: Medium) -> Result<WholeRows> {
        let input = source.schema();
        let (names, hidden) = match in_directory {
            true => (source.stored_in_file(), source.partition_columns()),
            false => (input.fields().iter().map(|field| field.name().clone()).collect(), Vec::new()),
        };
        let OutputColumns { columns, new } = self.columns(&names, &hidden);
        let field = |column: &OutputColumn| -> Result<FieldRef> {
            Ok(match *column {
                OutputColumn::Carried(place) => Arc::new(input.field_with_name(&names[place]).map_err(failed)?.clone()),
                OutputColumn::New(place) => self.new.fields()[new[place]].clone(),
            })
        };
        let fields: Vec<FieldRef> = columns.iter().map(field).collect::<Result<_>>()?;
        let added = self.new.fields().iter().filter(|field| input.index_of(field.name()).is_err()).cloned();
        let added = Schema::new(added.collect::<Vec<_>>());
        let schema = output_schema(&input, &fields, &added, &self.model.keys(None), medium);
        let carried = columns.iter().filter_map(|column| match *column {
            OutputColumn::Carried(place) => Some(names[place].clone()),
            OutputColumn::New(_) => None,
        });
        let mut needed: Vec<String> = carried.collect();
        for name in self.read {
            if !needed.contains(name) {
                needed.push(name.clone());
            }
        }
        let place = |name: &String| needed.iter().position(|needed| needed == name);
        let windows = self.windows.iter().flat_map(|windows| windows.sequence().added_names());
        let bridged = self.windows.as_ref().map_or(0, |windows| 2 * windows.bridged());
        let windows = (needed.len()..).take(windows.count() + bridged);
        let read = self.read.iter().filter_map(place).chain(windows).collect();
        Ok(WholeRows { columns, new, needed, read, schema, path: source.display_name().to_owned() })
    }

    fn slices(&self, source: &Source, encoded: &WholeRows, route: &Route) -> Result<BatchSlicer> {
        let batches = self.model.stream(source, self.windows.as_ref(), &encoded.needed, self.batch_rows)?;
        Ok(BatchSlicer::new(batches, self.batch_rows, route.budget()))
    }
}

impl WholeRows {
    /// The names of the columns.
    fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Makes the output's rows of slices of the columns that are needed, and measures something of them.
    fn replace<M>(
        self,
        work: impl Fn(&RecordBatch) -> Result<(RecordBatch, M)> + Clone + Send + 'static,
    ) -> impl Fn(BatchSlice) -> Result<Replaced<(RecordBatch, Arc<Reservation>), M>> + Clone + Send {
        let Self { columns, new: order, read, schema, path, .. } = self;
        move |slice: BatchSlice| {
            let BatchSlice { rows: batch, reservation, .. } = slice;
            let (new, measure) = work(&batch.project(&read).map_err(failed)?)?;
            let mut carried = batch.columns().iter();
            let arrays = columns.iter().filter_map(|column| match *column {
                OutputColumn::Carried(_) => carried.next().cloned(),
                OutputColumn::New(place) => Some(new.column(order[place]).clone()),
            });
            let rows = batch.num_rows();
            Ok(Replaced { columns: (cast_to_schema(&schema, arrays, rows, &path)?, reservation), rows, measure })
        }
    }
}
