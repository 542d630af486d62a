//! Detects a file's format: by its first bytes, or by its name for text, which has no signature.

use std::path::Path;

use crate::config::InputFormat;

/// A format that rows are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Parquet,
    /// Batches between two signatures, followed by a footer.
    IpcFile,
    IpcStream,
    Csv {
        gzip: bool,
    },
    /// CSV whose delimiter is a tab.
    Tsv {
        gzip: bool,
    },
    Ndjson {
        gzip: bool,
    },
}

/// First bytes of a file that identify its format.
pub(crate) const SIGNATURE_BYTES: usize = 8;

/// The signature of an Arrow IPC file, padded.
const IPC_FILE: &[u8] = b"ARROW1\0\0";

impl FileFormat {
    /// Detects the format of a file that begins with `start`: by that, else as `given`, else by its name; `None` if none of
    /// these tells one.
    pub(crate) fn detect(path: &Path, start: &[u8], given: Option<InputFormat>) -> Option<Self> {
        let given = || given.map(|given| Self::given(given, start));
        Self::by_signature(start).or_else(given).or_else(|| Self::by_name(path, is_gzip(start)))
    }

    /// Whether it is text.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Csv { .. } | Self::Tsv { .. } | Self::Ndjson { .. })
    }

    /// Detects the format of stdin, which has no name.
    pub(crate) fn detect_stdin(start: &[u8], given: Option<InputFormat>) -> Self {
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        match given {
            Some(given) => Self::given(given, start),
            None if text.trim_ascii_start().starts_with(b"{") => Self::Ndjson { gzip: false },
            None => Self::by_signature(start).unwrap_or(Self::IpcStream),
        }
    }

    /// Whether files of a format that a user gives are often called so, though others are, too: those of a directory are read.
    pub(crate) fn may_be_called(format: InputFormat, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match format {
            InputFormat::Ndjson => extension == "json",
            InputFormat::Csv | InputFormat::Tsv => ["txt", "dat", "tab"].contains(&extension),
            InputFormat::Arrow | InputFormat::Parquet => false,
        }
    }

    /// The format as a user gives it.
    fn given(format: InputFormat, start: &[u8]) -> Self {
        let gzip = is_gzip(start);
        match format {
            InputFormat::Arrow if start.starts_with(IPC_FILE) => Self::IpcFile,
            InputFormat::Arrow => Self::IpcStream,
            InputFormat::Parquet => Self::Parquet,
            InputFormat::Csv => Self::Csv { gzip },
            InputFormat::Tsv => Self::Tsv { gzip },
            InputFormat::Ndjson => Self::Ndjson { gzip },
        }
    }

    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::IpcFile => "an Arrow IPC file",
            Self::IpcStream => "an Arrow IPC stream",
            Self::Csv { .. } | Self::Tsv { .. } => "CSV",
            Self::Ndjson { .. } => "NDJSON",
        }
    }

    fn by_signature(start: &[u8]) -> Option<Self> {
        match start {
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Parquet),
            _ if start.starts_with(IPC_FILE) => Some(Self::IpcFile),
            // Since 2019 a continuation marker comes before the length of a message.
            [0xff, 0xff, 0xff, 0xff, ..] => Some(Self::IpcStream),
            _ if is_unmarked_stream(start) => Some(Self::IpcStream),
            _ => None,
        }
    }

    fn by_name(path: &Path, gzip: bool) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv { gzip }),
            "tsv" => Some(Self::Tsv { gzip }),
            "ndjson" | "jsonl" => Some(Self::Ndjson { gzip }),
            // Their content should have told; the reader says what is wrong with it.
            "parquet" | "parq" | "pq" | "arrow" | "arrows" | "feather" | "ipc" => Some(Self::Parquet),
            _ => None,
        }
    }
}

fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Whether a file begins as an Arrow IPC stream did until 2019: the length of the schema message, a multiple of 8 with its
/// own four bytes, and the offset of the table in the message. Text has other bytes there.
fn is_unmarked_stream(start: &[u8]) -> bool {
    const MAX_BYTES: u32 = 1 << 24;
    let word = |at: usize| Some(u32::from_le_bytes(*start.get(at..)?.first_chunk()?));
    let (Some(length), Some(table)) = (word(0), word(4)) else { return false };
    length < MAX_BYTES && length % 8 == 4 && (4..length).contains(&table)
}

/// The relative path of a file's output in a mirrored directory. An input that becomes Parquet gets that extension.
pub(crate) fn output_path(relative: &Path, format: Option<FileFormat>) -> std::path::PathBuf {
    match format {
        Some(FileFormat::Parquet | FileFormat::IpcFile) => relative.to_owned(),
        Some(FileFormat::Csv { .. } | FileFormat::Tsv { .. } | FileFormat::Ndjson { .. }) => {
            let name = relative.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let stem = name.strip_suffix(".gz").unwrap_or(name);
            relative.with_file_name(stem).with_extension("parquet")
        }
        Some(FileFormat::IpcStream) | None => relative.with_extension("parquet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_beats_the_name() {
        let detect = |name: &str, start: &[u8]| FileFormat::detect(Path::new(name), start, None).unwrap();
        assert_eq!(detect("a.csv", b"PAR1...."), FileFormat::Parquet);
        assert_eq!(detect("a.parquet", IPC_FILE), FileFormat::IpcFile);
        assert_eq!(detect("a", &[0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0]), FileFormat::IpcStream);
        assert_eq!(detect("a", &[0x2c, 3, 0, 0, 0x10, 0, 0, 0]), FileFormat::IpcStream, "as of Arrow 0.14");
        assert_eq!(detect("a.csv", b"1,2\n3,4\n"), FileFormat::Csv { gzip: false });
        assert_eq!(detect("a.csv.gz", &[0x1f, 0x8b, 8, 0]), FileFormat::Csv { gzip: true });
        assert_eq!(detect("a.csv.gz", b"x,y"), FileFormat::Csv { gzip: false });
        assert_eq!(detect("a.tsv", b"x\ty"), FileFormat::Tsv { gzip: false });
        assert_eq!(detect("a.csv", "\u{feff}x,y".as_bytes()), FileFormat::Csv { gzip: false });
        assert_eq!(detect("a.csv", b"\xff\xfex\0,\0y\0"), FileFormat::Csv { gzip: false }, "UTF-16");
        assert_eq!(detect("a.csv", b"\xfe\xff\0x\0,\0y"), FileFormat::Csv { gzip: false }, "UTF-16");
        assert_eq!(detect("a.NDJSON", b"{"), FileFormat::Ndjson { gzip: false });
        assert_eq!(detect("a.parquet", b"x"), FileFormat::Parquet);
        let none = |name: &str, start: &[u8]| FileFormat::detect(Path::new(name), start, None).is_none();
        assert!(none("a.txt", b"x") && none("csv", b"") && none("README.md", b"# A lake"));
    }

    #[test]
    fn what_a_user_says_beats_the_name_and_content_beats_both() {
        let detect = |start: &[u8]| FileFormat::detect(Path::new("a.ndjson"), start, Some(InputFormat::Csv)).unwrap();
        assert_eq!(detect(b"x,y"), FileFormat::Csv { gzip: false });
        assert_eq!(detect(b"PAR1...."), FileFormat::Parquet);
        let stdin = |start: &[u8]| FileFormat::detect_stdin(start, None);
        assert_eq!(stdin(b"\xef\xbb\xbf {\"a\""), FileFormat::Ndjson { gzip: false });
        assert_eq!(
            (stdin(b"PAR1...."), stdin(b"x,y"), stdin(b"")),
            (FileFormat::Parquet, FileFormat::IpcStream, FileFormat::IpcStream)
        );
        assert_eq!(FileFormat::detect_stdin(&[0x1f, 0x8b, 8], Some(InputFormat::Tsv)), FileFormat::Tsv { gzip: true });
    }

    #[test]
    fn an_output_keeps_its_relative_path() {
        let name = |relative: &str, format| output_path(Path::new(relative), Some(format)).display().to_string();
        assert_eq!(name("y=1/a.csv.gz", FileFormat::Csv { gzip: true }), "y=1/a.parquet");
        assert_eq!(name("y=1/a.b.ndjson", FileFormat::Ndjson { gzip: false }), "y=1/a.b.parquet");
        assert_eq!(name("y=1/part-0", FileFormat::Parquet), "y=1/part-0");
        assert_eq!(name("a.arrow", FileFormat::IpcFile), "a.arrow");
    }
}
