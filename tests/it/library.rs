//! The library's own interface, without the program.

use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::error::ArrowError;
use vaepipe::{Device, Error, FitConfig, Preset, Run, Source, SourceConfig, Stop};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// The rows in batches of 70.
fn reader(rows: &RecordBatch) -> impl RecordBatchReader + Send + use<> {
    let starts = (0..rows.num_rows()).step_by(70);
    let batches: Vec<_> = starts.map(|start| Ok(rows.slice(start, 70.min(rows.num_rows() - start)))).collect();
    RecordBatchIterator::new(batches, rows.schema())
}

#[test]
fn a_fit_from_batches_is_that_from_the_same_rows_in_a_file() {
    let (dir, rows, config) = (Workdir::new(), curve(600), FitConfig::new().epochs(2).latent_dim(2).hidden([8]));
    write(&dir.path("in.parquet"), &rows, 250);
    let file = Source::open([dir.path("in.parquet")], &SourceConfig::new(), &Stop::new()).unwrap();
    let fitted = |source: &Source| {
        let table = config.table(source, &dir.path("")).unwrap();
        config.fit(&table, Device::Cpu, &mut Run::new()).unwrap().model
    };
    let batches = Source::from_batches(reader(&rows));
    assert_eq!((batches.rows(), batches.paths().count()), (None, 0));
    assert_eq!(batches.schema(), rows.schema());
    assert_eq!(fitted(&batches).hash(), fitted(&file).hash());
    // They come once.
    let again = config.table(&batches, &dir.path("")).unwrap_err();
    assert_eq!(again.to_string(), "record batches: reading a stream twice is not supported");
}

#[test]
fn an_error_of_a_reader_ends_the_fit_with_it() {
    let rows = curve(100);
    let batches = vec![Ok(rows.clone()), Err(ArrowError::ComputeError("out of order".to_owned()))];
    let source = Source::from_batches(RecordBatchIterator::new(batches, rows.schema()));
    let error = source.table(&std::env::temp_dir()).unwrap_err();
    assert!(matches!(&error, Error::Read { source, .. } if source.to_string().contains("out of order")), "{error:?}");
}

#[test]
fn a_choice_that_cannot_be_parsed_is_a_typed_error() {
    let error = "fast".parse::<Preset>().unwrap_err();
    assert_eq!((error.text.as_str(), error.expected.as_str()), ("fast", "one of reduce, anomaly, map"));
    assert_eq!(error.to_string(), "not one of reduce, anomaly, map");
    let error = Error::from("gpu".parse::<Device>().unwrap_err());
    assert_eq!(error.to_string(), "device \"gpu\" is not one of auto, cpu, cuda, cuda:N");
    assert_eq!(error.kind(), vaepipe::ErrorKind::Usage);
}
