//! Learns the structure of the rows of a table with a variational autoencoder (VAE), and writes every row back with a few
//! latent columns, a reconstruction error and an anomaly score.
//!
//! # The way of a row
//!
//! 1. A [`Source`] reads rows from Parquet, Arrow IPC, CSV and NDJSON files, from stdin, or from any
//!    [`RecordBatchReader`](arrow::array::RecordBatchReader).
//! 2. A [`FitConfig`] fits a [`Model`]: it chooses the columns to learn, scales them, and trains the network.
//!    [`FitConfig::plan`] tells what a fit would do.
//! 3. [`Model::save`] writes the model to one file, and [`Model::load`] reads it.
//! 4. [`Model::transform_to`] writes every row with its new columns; [`Model::transform`] does the same between two
//!    record-batch readers.
//!
//! A model also fills missing values ([`Model::impute`]), rebuilds rows from their latents ([`Model::reconstruct`]), draws
//! new rows ([`Model::generate`]), and compares data with its training data ([`Model::drift`]).
//!
//! # Fit a model to files
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (points, model_file) = (folder.path().join("points.csv"), folder.path().join("points.safetensors"));
//! # let rows = (0..300).map(|n| format!("{},{}\n", n as f64 / 7.0, (n as f64).sin()));
//! # std::fs::write(&points, format!("x,y\n{}", rows.collect::<String>()))?;
//! use vaepipe::{Device, FitConfig, Run, Source, SourceConfig, Stop};
//!
//! let source = Source::open([points], &SourceConfig::new(), &Stop::new())?;
//! let config = FitConfig::new().latent_dim(1).epochs(5).seed(7);
//! let table = config.table(&source, &std::env::temp_dir())?;
//! let model = config.fit(&table, Device::Cpu, &mut Run::new())?.model;
//! model.save(model_file)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Transform a file
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let [points, model_file, scored] = ["points.csv", "points.safetensors", "scored.parquet"].map(|it| folder.path().join(it));
//! # let rows = (0..300).map(|n| format!("{},{}\n", n as f64 / 7.0, (n as f64).sin()));
//! # std::fs::write(&points, format!("x,y\n{}", rows.collect::<String>()))?;
//! use vaepipe::{Device, Model, Run, Source, SourceConfig, Stop, TransformConfig};
//!
//! # let source = Source::open([&points], &SourceConfig::new(), &Stop::new())?;
//! # let config = vaepipe::FitConfig::new().latent_dim(1).epochs(2);
//! # config.fit(&config.table(&source, folder.path())?, Device::Cpu, &mut vaepipe::Run::new())?.model.save(&model_file)?;
//! let model = Model::load(model_file, Device::Cpu)?;
//! let source = Source::open([points], &SourceConfig::new(), &Stop::new())?;
//! let done = model.transform_to(&source, scored, &TransformConfig::new(), &mut Run::new())?;
//! assert_eq!(done.rows, 300);
//! # Ok(())
//! # }
//! ```
//!
//! # Fit and transform rows in memory
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use vaepipe::arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchIterator};
//! use vaepipe::{Device, FitConfig, Run, Source};
//!
//! let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..300).map(|n| f64::from(n) / 7.0)));
//! let y: ArrayRef = Arc::new(Float64Array::from_iter_values((0..300).map(|n| f64::from(n).sin())));
//! let rows = RecordBatch::try_from_iter([("x", x), ("y", y)])?;
//! let reader = || RecordBatchIterator::new([Ok(rows.clone())], rows.schema());
//!
//! let config = FitConfig::new().latent_dim(1).epochs(2);
//! let table = config.table(&Source::from_batches(reader()), &std::env::temp_dir())?;
//! let model = config.fit(&table, Device::Cpu, &mut Run::new())?.model;
//! for batch in model.transform(reader())? {
//!     assert!(batch?.column_by_name("anomaly_score").is_some());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `vaepipe`; a library needs none of it |
//! | `analysis` | yes | SQL predicates ([`SourceConfig::predicate`]), `evaluate` and `report` |
//! | `cloud` | yes | inputs, outputs and models in object stores: `s3://`, `gs://`, `az://`, `https://` |
//! | `delta` | yes | Delta tables by their log; without it they are refused |
//! | `cuda` | no | training and scoring on a CUDA device; needs the CUDA toolkit |
//!
//! # Errors
//!
//! Functions return [`Error`]: its message says what is wrong and where, its [`kind`](Error::kind) says which class of
//! failure it is, and its source is the error of the operating system, reader or tensor library. Readers of record batches
//! return it within [`ArrowError::ExternalError`](arrow::error::ArrowError::ExternalError). An output appears whole or not at
//! all.
//!
//! # Determinism
//!
//! On the CPU, the same rows, options and seed give the same model and the same scores, bit for bit on one build and CPU
//! model, for any number of threads, row groups or files. The scores of a row do not depend on other rows.
#![warn(missing_docs, missing_debug_implementations)]

// The house, from the ground up; imports point only downward.
mod config;
mod error;
mod numerics;
mod pipeline;
mod storage;

mod feature;
#[cfg(feature = "analysis")]
mod frame;
mod sink;
mod source;

mod batch;
mod model;
mod sequence;

mod artifact;
mod drift;
mod score;

mod decode;
mod export;
mod fit;
mod output;
mod transform;

#[cfg(feature = "analysis")]
mod analysis;
mod compare;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;

// The program names the library as every other program does.
#[cfg(feature = "cli")]
extern crate self as vaepipe;

/// The Arrow implementation whose types this library takes and returns, version 60. With this re-export a program need not
/// depend on the same version itself.
pub use arrow;

pub use config::{
    Activation, BadLines, ClusterCount, Codec, CompareConfig, CsvConfig, DecimalMark, Decision, Direction, DirectionOf,
    Encoding, ExplainRows, ExportConfig, FitConfig, Gap, GenerateConfig, GivenValue, IfNewer, ImputeConfig,
    InputFormat, LatentDim, LatentShape, LogicalType, Map, MapOf, OrderConfig, OutputConfig, ParseGapError, Preset,
    ReconstructConfig, Scale, SourceConfig, StreamFormat, Tags, Training, TransformConfig, TraverseConfig, TypeOf,
    VectorScale,
};
pub use error::{
    AlphaTooLow, DeviceFault, Error, ErrorKind, Foreign, ModelFault, OnnxFault, OrderFault, ParseChoiceError, Place,
    Result, TypesDiffer, Unsupported, Worse,
};
pub use output::{Output, UnreadableFile};
pub use pipeline::{Epoch, Progress, Run, Stop};
pub use storage::Lock;

pub use feature::{Carried, Column, ColumnType, InputColumn, Kind, OrderedPair, ValueIssues, Values};
pub use sink::ipc_schema;
pub use source::{ColumnTree, ParquetSource, Source, silence_decoder_panics};

pub use model::{Device, Network, Weight};
pub use sequence::{Forecast, RowClock, Sequence, Variogram};

pub use artifact::{
    Clusters, ColumnHealth, Dimension, Health, History, Init, Measure, Metadata, Model, Provenance, Reviewed,
    ReviewedRow,
};
pub use drift::{Drift, Shift};
pub use score::{NeighborPreservation, SCORES, Score, ScoreComponents, ScoreEquivalents, Scoring, Tail, Verdict};

pub use decode::{Imputed, Influence, Reconstructed};
pub use export::{OnnxFile, OnnxInput};
pub use fit::{Fitted, Plan, PlannedColumn, PlannedModel};
pub use transform::{
    LabelQuality, LabelSeparation, LatentQuality, LogLikelihood, NeighborAccuracy, RowReason, ScoreQuantiles,
    Transformed,
};

pub use compare::{
    AtPValue, BothCounts, ColumnChange, ColumnUse, ComparedColumn, ComparedRow, ModelComparison, RowComparison,
    RowUnderModel, ValueComparison,
};

#[cfg(feature = "analysis")]
pub use analysis::{
    AlertCounts, AlertsAt, AtThreshold, Best, EvaluateConfig, Evaluation, EventDetection, Per, PeriodUnit, Ranked,
    Report, ReportConfig, SeriesConfig, SeriesSummary, Spread, Thresholds, ThresholdsConfig, Top, Vus,
    comparison_report, evaluate, report, thresholds,
};

/// Tests the Rust code in the book.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct BookDoctests;
