//! A transform of lines of JSON, each written as soon as it is read: for stream processors.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::Transformed;
use super::job::TransformJob;
use super::line_worker::{LineWorker, ScoredLines};
use super::new_columns::NewColumnMaker;
use crate::artifact::Model;
use crate::config::{BadLines, SourceConfig, TransformConfig};
use crate::error::{Error, Place, Result, Unsupported};
use crate::feature::InputColumn;
use crate::output::{FileCounts, Output};
use crate::pipeline::{Route, Run, StreamWriter};
use crate::sink::{LineWriter, tell_lost};
use crate::source::{JsonRows, LineChunk, LineSource};
use crate::storage::{Target, check_outside};

/// Bytes of the lines that are read at once, and of their results, about.
const CHUNK_BYTES: usize = 1 << 18;

impl Model {
    /// Writes each line of NDJSON files or stdin, named `-`, to `output` with the new columns as its last keys. Other keys are
    /// written as they are. The lines that can be read without waiting are scored together; a stream is flushed after them.
    ///
    /// A value has the type that the model learned if that holds it as it is written, and else its own; a key that a line
    /// lacks is null. What is written for a line does not depend on other lines. The encoding of outputs is that of their name.
    ///
    /// # Errors
    /// [`BadLine`](Error::BadLine) for a line that is no object, has the key of a new column, or has a value that the model
    /// cannot read, unless [`bad_lines`](crate::CsvConfig::bad_lines) skips these: all lines before it are written to a
    /// stream. Those of [`transform_to`](Self::transform_to) about options and outputs.
    pub fn transform_lines<P: AsRef<Path>>(
        &self,
        inputs: impl IntoIterator<Item = P>,
        source: &SourceConfig,
        output: impl Into<Output>,
        config: &TransformConfig,
        run: &mut Run<'_>,
    ) -> Result<Transformed> {
        config.check_unwritten()?;
        run.check()?;
        self.check_unordered(Unsupported::SingleLines)?;
        let lines = LineSource::open(inputs, run.stopper())?;
        let (worker, decides) = self.line_worker(config, source.csv.bad_lines == Some(BadLines::Skip))?;
        let mut job = TransformJob::new(self, config, source, run)?;
        let to = match output.into() {
            Output::Stream(to) => LineWriter::Stream(Box::new(StreamWriter::new(to, job.run.stopper())?)),
            #[cfg(feature = "delta")]
            Output::Delta(path) => {
                return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::LinesDeltaTable });
            }
            Output::Folder(path) => {
                return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::LinesDirectory });
            }
            Output::File(path) => {
                LineWriter::check_name(&path)?;
                if config.output.skips(&path, lines.paths(), self.hash())? {
                    return Ok(job.finish(FileCounts::kept(), decides));
                }
                check_outside(&path, lines.directories())?;
                LineWriter::create(Target::check(&path, config.output.replaces(), lines.paths())?)?
            }
        };
        let stop = job.run.stopper().clone();
        let written = job.lines(lines.chunks(), worker, to);
        if let Err(Error::Io { .. }) = written {
            // A stop interrupts a blocked write, which then fails.
            stop.check()?;
        }
        written?;
        Ok(job.finish(FileCounts::one(), decides))
    }

    /// The worker that scores lines, and whether it decides which are anomalies.
    fn line_worker(&self, config: &TransformConfig, skips: bool) -> Result<(LineWorker, bool)> {
        let watched: Vec<String> = self.watched().into_iter().map(|watched| watched.name).collect();
        let stored = &self.metadata().columns;
        // JSON has no type of a watched column, but that of its values.
        let named = watched.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true)));
        let others = stored.iter().filter(|column| !watched.contains(&column.column)).filter_map(|column| {
            Some(Arc::new(Field::new(&column.column, InputColumn::top_type_of(stored, &column.column)?, true)))
        });
        let features = self.watching(&Schema::new(named.chain(others).collect::<Vec<FieldRef>>()));
        let maker = NewColumnMaker::new(self, &features, config)?;
        if maker.levels().is_some() {
            return Err(Error::Unsupported { place: Place::file("lines"), what: Unsupported::FalseDiscoveryRate });
        }
        if config.counts_alerts() {
            return Err(Error::Unsupported { place: Place::file("lines"), what: Unsupported::AlertCounts });
        }
        let wanted = |name: String| {
            let data_type = features.type_of(&name).or_else(|| {
                InputColumn::top_type_of(stored, &name).filter(|_| !watched.contains(&name)).map(|it| plain(&it))
            });
            (name, data_type)
        };
        let rows = JsonRows::new(features.columns().into_iter().map(wanted).collect());
        let decides = maker.decides();
        Ok((LineWorker::new(self, &features, maker, rows, config, skips)?, decides))
    }
}

impl TransformJob<'_, '_> {
    /// Scores and writes lines.
    fn lines(
        &mut self,
        chunks: impl Iterator<Item = Result<LineChunk>> + Send + 'static,
        worker: LineWorker,
        mut to: LineWriter,
    ) -> Result<()> {
        let (totals, route) = (&mut self.totals, Route::new(CHUNK_BYTES));
        let (mut skipped, mut first_skipped, encoder) = (0_u64, None, worker.encoder.clone());
        let mut next_row = 0;
        let chunks = chunks.map(move |chunk| {
            let chunk = chunk?;
            let first_row = next_row;
            next_row += chunk.lines();
            Ok((first_row, chunk))
        });
        let work = move |(first_row, chunk): (u64, LineChunk)| worker.score(first_row, &chunk);
        self.run.carry(&route, chunks, work, |scored| {
            for lines in scored {
                let ScoredLines { text, counts, skipped: here, bad } = lines?;
                counts.iter().for_each(|counts| totals.add(counts));
                to.write(&text)?;
                skipped += here.len() as u64;
                first_skipped = first_skipped.take().or(here.into_iter().next());
                bad.map_or(Ok(()), Err)?;
            }
            to.finish()
        })?;
        if let Some(first) = first_skipped {
            tracing::warn!("lines skipped: {skipped}; the first is {first}");
        }
        tell_lost(Path::new("lines"), &encoder);
        Ok(())
    }
}

/// A type without dictionaries, which JSON lacks.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::Struct(fields) => {
            let field = |field: &FieldRef| {
                Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())).with_nullable(true))
            };
            DataType::Struct(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}
