//! What a file holds: by its first bytes, and text, which has none of its own, by its name.

use std::path::Path;

/// A format rows are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Parquet,
    /// An Arrow IPC file: batches between two words, with a table of contents after them.
    IpcFile,
    IpcStream,
    Csv {
        gzip: bool,
    },
    Ndjson {
        gzip: bool,
    },
}

/// Bytes that tell.
pub(super) const TELLING: usize = 8;

/// What an Arrow IPC file begins with, padded.
const IPC_FILE: &[u8] = b"ARROW1\0\0";

impl FileFormat {
    /// The format of a file that begins with `start`. What looks like none is taken for Parquet, whose reader says what is
    /// wrong with it.
    pub(super) fn of(path: &Path, start: &[u8]) -> Self {
        match start {
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            _ if start.starts_with(IPC_FILE) => Self::IpcFile,
            // The length of a message follows, after a mark since 2019.
            [0xff, 0xff, 0xff, 0xff, ..] => Self::IpcStream,
            _ if is_unmarked_stream(start) => Self::IpcStream,
            _ => Self::by_name(path, start.starts_with(&[0x1f, 0x8b])).unwrap_or(Self::Parquet),
        }
    }

    fn by_name(path: &Path, gzip: bool) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv { gzip }),
            "ndjson" | "jsonl" => Some(Self::Ndjson { gzip }),
            _ => None,
        }
    }
}

/// Whether a file begins as an Arrow IPC stream did until 2019: with the length of the schema's message, a multiple of 8
/// with itself, and the place in it where the message's table is. Text has other bytes there.
fn is_unmarked_stream(start: &[u8]) -> bool {
    const MOST_BYTES: u32 = 1 << 24;
    let word = |at: usize| Some(u32::from_le_bytes(*start.get(at..)?.first_chunk()?));
    let (Some(length), Some(table)) = (word(0), word(4)) else { return false };
    length < MOST_BYTES && length % 8 == 4 && (4..length).contains(&table)
}

/// The name of a file's counterpart in a mirrored directory: of what is written as Parquet and was none, the extension
/// changes.
pub(super) fn mirrored(within: &Path, format: Option<FileFormat>) -> std::path::PathBuf {
    match format {
        Some(FileFormat::Parquet | FileFormat::IpcFile) => within.to_owned(),
        Some(FileFormat::Csv { .. } | FileFormat::Ndjson { .. }) => {
            let name = within.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let stem = name.strip_suffix(".gz").unwrap_or(name);
            within.with_file_name(stem).with_extension("parquet")
        }
        Some(FileFormat::IpcStream) | None => within.with_extension("parquet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_goes_before_the_name() {
        let of = |name: &str, start: &[u8]| FileFormat::of(Path::new(name), start);
        assert_eq!(of("a.csv", b"PAR1...."), FileFormat::Parquet);
        assert_eq!(of("a.parquet", IPC_FILE), FileFormat::IpcFile);
        assert_eq!(of("a", &[0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0]), FileFormat::IpcStream);
        assert_eq!(of("a", &[0x2c, 3, 0, 0, 0x10, 0, 0, 0]), FileFormat::IpcStream, "as of Arrow 0.14");
        assert_eq!(of("a.csv", b"1,2\n3,4\n"), FileFormat::Csv { gzip: false });
        assert_eq!(of("a.csv.gz", &[0x1f, 0x8b, 8, 0]), FileFormat::Csv { gzip: true });
        assert_eq!(of("a.csv.gz", b"x,y"), FileFormat::Csv { gzip: false });
        assert_eq!(of("a.NDJSON", b"{"), FileFormat::Ndjson { gzip: false });
        assert_eq!((of("a.txt", b"x"), of("csv", b"")), (FileFormat::Parquet, FileFormat::Parquet));
    }

    #[test]
    fn a_counterpart_keeps_its_place() {
        let name = |within: &str, format| mirrored(Path::new(within), Some(format)).display().to_string();
        assert_eq!(name("y=1/a.csv.gz", FileFormat::Csv { gzip: true }), "y=1/a.parquet");
        assert_eq!(name("y=1/a.b.ndjson", FileFormat::Ndjson { gzip: false }), "y=1/a.b.parquet");
        assert_eq!(name("y=1/part-0", FileFormat::Parquet), "y=1/part-0");
        assert_eq!(name("a.arrow", FileFormat::IpcFile), "a.arrow");
    }
}
