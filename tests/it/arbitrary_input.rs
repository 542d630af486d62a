//! Arbitrary bytes and words as input: they are accepted or refused, without a panic.
//!
//! Here some seconds of mutations of sound ones; `tests/fuzz/run.sh` searches on with a fuzzer.

use std::path::PathBuf;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use vaepipe::{Device, FitConfig, Model, ParquetSource, Run, Source, SourceConfig, Stop, TransformConfig};

use crate::tables::{curve, write};

/// A folder for the files that are read.
struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

static ROWS: LazyLock<RecordBatch> = LazyLock::new(|| curve(60));

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let place = Place(tempfile::tempdir().unwrap());
    write(&place.path("rows.parquet"), &ROWS, 20);
    place
});

/// A model file.
pub fn model(bytes: &[u8]) {
    let path = PLACE.path("strange.safetensors");
    std::fs::write(&path, bytes).unwrap();
    if let Ok(model) = Model::load(&path, Device::Cpu) {
        let _ = model.transform_batch(&ROWS, &TransformConfig::new());
    }
}

/// An Arrow stream or file.
pub fn stream(bytes: &[u8]) {
    let path = PLACE.path("strange.arrow");
    std::fs::write(&path, bytes).unwrap();
    let mut config = SourceConfig::new();
    config.allow_missing_eos = bytes.len().is_multiple_of(2);
    if let Ok(source) = Source::open([path], &config, &Stop::new()) {
        let _ = source.table(PLACE.0.path());
    }
}

/// A condition on rows.
pub fn predicate(bytes: &[u8]) {
    let mut config = SourceConfig::new();
    config.predicate = Some(String::from_utf8_lossy(bytes).into_owned());
    if let Ok(source) = Source::open([PLACE.path("rows.parquet")], &config, &Stop::new()) {
        let _ = source.table(PLACE.0.path());
    }
}

/// A target's name, what it does with bytes, and bytes to begin with.
type Seed = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

/// Sound ones of each kind, for the mutations to begin with.
pub fn seeds() -> [Seed; 3] {
    let path = PLACE.path("sound.safetensors");
    let source = ParquetSource::open([PLACE.path("rows.parquet")]).unwrap();
    let config = FitConfig::new().hidden([4]).latent_dim(2).epochs(1);
    let fitted = config.fit(&source, Device::Cpu, &mut Run::new()).unwrap();
    fitted.model.save(&path).unwrap();
    let streams = [None, Some(CompressionType::ZSTD), Some(CompressionType::LZ4_FRAME)].map(|codec| {
        let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &ROWS.schema(), options).unwrap();
        writer.write(&ROWS.slice(0, 30)).unwrap();
        writer.write(&ROWS.slice(30, 30)).unwrap();
        writer.into_inner().unwrap()
    });
    let conditions = [
        "id > 10 AND flag",
        "name LIKE 'row 1%' OR x0 IS NULL",
        "CASE WHEN x1 BETWEEN -1 AND 1.5e2 THEN NOT flag ELSE id IN (1, 2, 3) END",
        "ABS(x2 - x3) / 2 <= 0.25 AND UPPER(name) <> 'ROW 7'",
        "CAST(id AS VARCHAR) = '7' OR ROUND(x0, 1) = 0.5 OR LENGTH(name) % 2 = 1",
    ];
    [
        ("model", model, vec![std::fs::read(path).unwrap()]),
        ("stream", stream, streams.into()),
        ("predicate", predicate, conditions.map(|sql| sql.as_bytes().to_vec()).into()),
    ]
}
