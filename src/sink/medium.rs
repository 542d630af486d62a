//! The formats that rows are written in, and the names of files that tell them.

use std::path::Path;

use crate::config::StreamFormat;
use crate::error::{Error, Place, Result, Unsupported};

/// Extensions of other formats: a file of this name does not become Parquet.
const OTHERS: [&str; 14] =
    ["json", "txt", "xls", "xlsx", "xml", "orc", "avro", "arrows", "gz", "bz2", "xz", "zst", "lz4", "zip"];

/// The format of written rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Batches in memory, which hold every type.
    Memory,
    Ipc,
    Parquet,
    Csv {
        delimiter: u8,
    },
    Ndjson,
}

impl Medium {
    /// The format of a file, by its extension.
    pub(crate) fn of(path: &Path) -> Self {
        match extension(path).as_str() {
            "arrow" | "feather" | "ipc" => Self::Ipc,
            _ => Self::of_text(path).unwrap_or(Self::Parquet),
        }
    }

    /// The format of a stream; Arrow IPC unless another is asked for.
    pub(crate) fn of_stream(format: Option<StreamFormat>) -> Self {
        match format {
            None | Some(StreamFormat::Arrow) => Self::Ipc,
            Some(StreamFormat::Csv) => Self::Csv { delimiter: b',' },
            Some(StreamFormat::Tsv) => Self::Csv { delimiter: b'\t' },
            Some(StreamFormat::Ndjson) => Self::Ndjson,
        }
    }

    fn of_text(path: &Path) -> Option<Self> {
        let stem = if is_gzip(path) { Path::new(path.file_stem()?) } else { path };
        match extension(stem).as_str() {
            "csv" => Some(Self::Csv { delimiter: b',' }),
            "tsv" => Some(Self::Csv { delimiter: b'\t' }),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// Whether it is text, which has no place for metadata.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Csv { .. } | Self::Ndjson)
    }
}

/// Checks that the name of an output is not that of a format that is not written.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn check_output_name(path: &Path) -> Result<()> {
    if OTHERS.contains(&extension(path).as_str()) && Medium::of_text(path).is_none() {
        return Err(Error::Unsupported { place: Place::file(path), what: Unsupported::OutputName });
    }
    Ok(())
}

/// Whether a file is compressed, by its extension.
pub(super) fn is_gzip(path: &Path) -> bool {
    extension(path) == "gz"
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        let csv = |delimiter| Medium::Csv { delimiter };
        for (name, medium) in [
            ("a.parquet", Medium::Parquet),
            ("a", Medium::Parquet),
            ("csv", Medium::Parquet),
            ("a.FEATHER", Medium::Ipc),
            ("a.csv", csv(b',')),
            ("b.csv/a.tsv.gz", csv(b'\t')),
            ("a.JSONL", Medium::Ndjson),
            ("a.ndjson.gz", Medium::Ndjson),
        ] {
            assert_eq!(Medium::of(Path::new(name)), medium, "{name}");
            assert!(check_output_name(Path::new(name)).is_ok(), "{name}");
        }
        for name in ["a.json", "a.gz", "a.parquet.gz", "a.csv.zst", "a.xlsx", "s3://b/a.TXT"] {
            assert!(check_output_name(Path::new(name)).is_err(), "{name}");
        }
    }
}
