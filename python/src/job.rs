//! What makes the rows of a result: nothing is read before they are.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use vaepipe::arrow::array::RecordBatchIterator;
use vaepipe::arrow::datatypes::SchemaRef;
use vaepipe::arrow::error::ArrowError;
use vaepipe::cli::embed::summary;
use vaepipe::{
    Decision, GenerateConfig, ImputeConfig, Model, ReconstructConfig, Result, Run, Source, Stop, TransformConfig,
    TraverseConfig,
};

use crate::capsule::BoxedReader;

/// A command on a model.
pub(crate) struct Job {
    pub(crate) model: Arc<Model>,
    pub(crate) task: Task,
}

/// The command.
pub(crate) enum Task {
    Transform { source: Source, config: TransformConfig, schema: SchemaRef },
    Impute { source: Source, config: ImputeConfig },
    Reconstruct { source: Source, config: ReconstructConfig },
    Generate { rows: u64, config: GenerateConfig },
    Traverse(TraverseConfig),
}

impl Job {
    /// The columns, if they are known before any row is read.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        match &self.task {
            Task::Transform { schema, .. } => Some(schema.clone()),
            Task::Generate { config, .. } => self.model.drawn_columns(config).ok(),
            _ => None,
        }
    }

    /// The number of rows, if it is known.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.task {
            Task::Transform { source, .. } | Task::Impute { source, .. } | Task::Reconstruct { source, .. } => {
                source.rows()
            }
            Task::Generate { rows, .. } => Some(*rows),
            Task::Traverse(_) => None,
        }
    }

    /// Begins to make the rows.
    pub(crate) fn read(self, stop: &Stop, threads: Option<usize>) -> Result<BoxedReader> {
        let Self { model, task } = self;
        let mut run = Run::new().stop(stop).threads(threads);
        Ok(match task {
            Task::Transform { source, config, .. } => {
                let decision = model.metadata().scoring.decide(config.decision);
                // This one takes two passes.
                let source = match decision {
                    Decision::Fdr(_) => source.spooled(&std::env::temp_dir())?,
                    _ => source,
                };
                Box::new(model.transform_source(&source, &config, &mut run)?)
            }
            // The rows are read twice.
            Task::Impute { source, config } => {
                Box::new(model.impute_source(&source.spooled(&std::env::temp_dir())?, &config, &run)?)
            }
            Task::Reconstruct { source, config } => Box::new(model.reconstruct_source(&source, &config, &run)?),
            Task::Generate { rows, config } => {
                let batches = model.generate_batches(rows, &config)?;
                let batches = batches.map(|batch| batch.map_err(|error| ArrowError::ExternalError(Box::new(error))));
                Box::new(RecordBatchIterator::new(batches, model.drawn_columns(&config)?))
            }
            Task::Traverse(config) => {
                let rows = model.traverse(&config)?;
                let schema = rows.schema();
                Box::new(RecordBatchIterator::new([Ok(rows)], schema))
            }
        })
    }

    /// Writes the rows to a file, and gives the summary.
    pub(crate) fn write(self, path: &Path, force: bool, run: &mut Run<'_>) -> Result<Value> {
        let Self { model, task } = self;
        let start = Instant::now();
        Ok(match task {
            Task::Transform { source, mut config, .. } => {
                config.output.force = force;
                let done = model.transform_to(&source, path, &config, run)?;
                summary(&model, &config, &done, start.elapsed().as_secs_f64())
            }
            Task::Impute { source, mut config } => {
                config.output.force = force;
                let done = model.impute(&source.spooled(&std::env::temp_dir())?, path, &config, run)?;
                let filled: Vec<Value> =
                    (done.columns.iter()).map(|(column, filled)| json!({"column": column, "filled": filled})).collect();
                json!({"rows": done.rows, "columns": filled})
            }
            Task::Reconstruct { source, mut config } => {
                config.output.force = force;
                let done = model.reconstruct(&source, path, &config, run)?;
                json!({
                    "rows": done.rows,
                    "latent_bytes": done.latent_bytes,
                    "column_bytes": done.column_bytes,
                    "error": done.error,
                })
            }
            Task::Generate { rows, mut config } => {
                config.output.force = force;
                model.generate(rows, path, &config, run)?;
                json!({"rows": rows})
            }
            Task::Traverse(mut config) => {
                config.output.force = force;
                json!({"rows": model.write_traverse(path, &config, run.stopper())?})
            }
        })
    }
}
