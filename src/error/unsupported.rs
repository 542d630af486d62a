//! What this version does not support.

#![forbid(unsafe_code)]

/// Something that an input or output needs, or a caller asks for, and that this version does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// An output whose name tells a format that is not written.
    #[error("an output of this name")]
    OutputName,
    /// Lines of JSON in an output whose name tells another format.
    #[error("lines of JSON in an output of this name")]
    LinesOutputName,
    /// Lines of JSON in a directory.
    #[error("a directory as output of lines")]
    LinesDirectory,
    /// Lines of JSON in a Delta table.
    #[error("a Delta table as output of lines")]
    LinesDeltaTable,
    /// An output at a web server.
    #[error("an output on a web server")]
    WebOutput,
    /// An output of the rows of several files.
    #[error("a transform of several files into one")]
    ManyFilesIntoOne,
    /// A Delta table where files are.
    #[error("a new Delta table in a directory that is not empty")]
    FilledDirectory,
    /// A Delta table of rows that no input has.
    #[error("rows that no input has, in a Delta table,")]
    NewRowsDeltaTable,
    /// Keeping a text file by the hash of the model, which it does not hold.
    #[error("the hash of the model, by which outputs are kept, in a text file")]
    ModelHashInText,
    /// Filling a column that the model did not learn.
    #[error("filling a column that the model did not learn")]
    FillUnlearned,
    /// A false discovery rate of rows that come once.
    #[error("a false discovery rate, which takes two passes,")]
    FalseDiscoveryRate,
    /// Alerts of groups of rows that come one by one.
    #[error("counting the alerts of groups")]
    AlertCounts,
    /// Single lines of rows in order.
    #[error("scoring single lines")]
    SingleLines,
    /// Sorting rows that come batch by batch.
    #[error("sorting the rows of one batch")]
    SortedBatch,
    /// Two passes over rows that come once.
    #[error("reading the rows twice")]
    RowsTwice,
    /// Two passes over a stream.
    #[error("reading a stream twice")]
    StreamTwice,
    /// Two passes over a stream with a column that the copy of it cannot hold.
    #[error("reading a stream twice with a column of this type")]
    StreamColumnTwice,
    /// A user or password in a URL.
    #[error("a user or password in a URL")]
    UrlUser,
    /// A query in a URL.
    #[error("a query in a URL")]
    UrlQuery,
    /// A directory where a file is read.
    #[error("a directory as input")]
    DirectoryInput,
    /// A pipe or device where a file is read.
    #[error("a pipe or device as input")]
    PipeInput,
    /// Directories within directories.
    #[error("a directory nested more than 32 levels")]
    NestedDirectory,
    /// An Iceberg table.
    #[error("an Iceberg table")]
    IcebergTable,
    /// A Hudi table.
    #[error("a Hudi table")]
    HudiTable,
    /// A Delta table, in a build without them.
    #[error("a Delta table in this build")]
    DeltaTable,
    /// A Delta table as Parquet files.
    #[error("a Delta table as a `ParquetSource`")]
    DeltaAsParquet,
    /// Two columns of one name.
    #[error("reading a column that shares its name with another one")]
    SameName,
    /// A column that Parquet cannot hold.
    #[error("a column of this type in a Parquet file")]
    ParquetColumn,
    /// A column that Delta tables cannot hold.
    #[error("a type that Delta does not have, in a Delta table,")]
    DeltaColumn,
    /// A column that CSV cannot hold.
    #[error("a column of this type in CSV")]
    CsvColumn,
    /// A column that NDJSON cannot hold.
    #[error("a column of this type in NDJSON")]
    NdjsonColumn,
    /// Categories in another order than before.
    #[error("an order of categories that differs from that of earlier rows (cast the column to string)")]
    CategoryOrder,
    /// An encrypted Parquet file.
    #[error("an encrypted file")]
    EncryptedFile,
    /// An encrypted column of a Parquet file.
    #[error("an encrypted column")]
    EncryptedColumn,
    /// A Parquet column within too many groups.
    #[error("a column in more than 100 nested groups")]
    NestedColumn,
    /// A Parquet group of no columns.
    #[error("a group without columns")]
    EmptyGroup,
    /// A Parquet file that refers to another one.
    #[error("a column chunk in another file")]
    ChunkElsewhere,
    /// A Parquet column of a logical type that came later.
    #[error("copying a column with an unknown logical type")]
    UnknownLogicalType,
    /// Arrow data of the other byte order.
    #[error("the other byte order")]
    ByteOrder,
    /// Arrow data of an early version.
    #[error("an Arrow format version before 0.8")]
    OldArrow,
    /// Arrow data of an early compression.
    #[error("the experimental compression of Arrow 0.17")]
    OldCompression,
}

impl Unsupported {
    /// Whether the call asks for it, and not the data.
    pub(super) fn is_usage(self) -> bool {
        matches!(
            self,
            Self::OutputName
                | Self::LinesOutputName
                | Self::LinesDirectory
                | Self::LinesDeltaTable
                | Self::WebOutput
                | Self::ManyFilesIntoOne
                | Self::FilledDirectory
                | Self::NewRowsDeltaTable
                | Self::ModelHashInText
                | Self::FillUnlearned
                | Self::FalseDiscoveryRate
                | Self::AlertCounts
                | Self::UrlUser
                | Self::UrlQuery
        )
    }
}
