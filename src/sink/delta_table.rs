//! A new Delta table: a data file, and the commit that makes a table of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::parquet::file::reader::Length;
use arrow::array::{ArrayRef, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::TryIntoKernel;
use delta_kernel::schema::SchemaRef;
use delta_kernel::transaction::CommitResult;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::{FileMeta, KernelError, try_parse_uri};
use delta_kernel_default_engine::build_add_file_metadata;
use delta_kernel_default_engine::parquet::DataFileMetadata;

use crate::error::{Error, Place, Result, Unsupported};
use crate::source::{ParquetFile, catch_decoder_panic, map_children, open_engine};
use crate::storage::{PositionalFile, is_url, list};

/// The name of the data file.
const DATA_FILE: &str = "part-00000.parquet";

/// Who commits, as the log has it.
const WRITER: &str = concat!("vaepipe/", env!("CARGO_PKG_VERSION"));

/// A table that is being made. Dropped before its commit, it leaves nothing in the directory.
pub(crate) struct NewDeltaTable {
    folder: PathBuf,
    schema: SchemaRef,
    /// Whether the directory was made for it.
    made: bool,
    committed: bool,
}

impl NewDeltaTable {
    /// Checks that rows with this schema may become a table, and makes its directory.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a column of a type that Delta lacks, and a directory that is not empty; [`Error::Io`].
    pub(crate) fn create(folder: &Path, schema: &Schema) -> Result<Self> {
        if let Some(field) = schema.fields().iter().find(|field| !is_delta_type(field.data_type())) {
            return Err(Error::Unsupported {
                place: Place::column(folder, field.name()),
                what: Unsupported::DeltaColumn,
            });
        }
        let schema = Schema::new(schema.fields().iter().map(logged).collect::<Vec<_>>());
        let schema: delta_kernel::schema::StructType =
            catch_decoder_panic(|| Place::file(folder), || (&schema).try_into_kernel())?;
        let mut table = Self { folder: folder.to_owned(), schema: Arc::new(schema), made: false, committed: false };
        let is_empty = if is_url(folder) {
            list(folder, &|_| false, &|_| true).map_err(Error::io("open", folder))?.is_empty()
        } else {
            table.made = !folder.exists();
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            fs::read_dir(folder).map_err(Error::io("open", folder))?.next().is_none()
        };
        if !is_empty {
            return Err(Error::Unsupported { place: Place::file(folder), what: Unsupported::FilledDirectory });
        }
        Ok(table)
    }

    /// Where its data belongs.
    pub(crate) fn data_file(&self) -> PathBuf {
        self.folder.join(DATA_FILE)
    }

    /// Makes a table of the data file.
    ///
    /// # Errors
    /// [`Error::Write`], also if the directory became a table meanwhile.
    pub(crate) fn commit(mut self) -> Result<()> {
        let size = PositionalFile::open(&self.data_file())?.len();
        let rows = ParquetFile::open(&self.data_file())?.rows();
        let (engine, root) = open_engine(&self.folder)?;
        let commit = || -> std::result::Result<(), KernelError> {
            let committer = Box::new(FileSystemCommitter::new());
            let mut transaction = create_table(&root, self.schema.clone(), WRITER, true).build(&engine, committer)?;
            let context = transaction.write_state()?.write_context_builder().build()?;
            let rows: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(rows).ok()]));
            let statistics = StructArray::from(vec![(Arc::new(Field::new("numRecords", DataType::Int64, true)), rows)]);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = i64::try_from(now.as_millis()).unwrap_or_default();
            let file = FileMeta::new(try_parse_uri(&root)?.join(DATA_FILE)?, now, size);
            transaction.add_files(build_add_file_metadata(DataFileMetadata::new(file, statistics), &context)?);
            match transaction.commit(&engine)? {
                CommitResult::Committed(_) => Ok(()),
                CommitResult::Conflicted(_) => Err(KernelError::generic("another table was made there")),
                CommitResult::Retryable(failed) => Err(failed.error),
            }
        };
        catch_decoder_panic(|| Place::file(&self.folder), commit).map_err(|error| match error {
            Error::Read { source, .. } => Error::Write { path: self.folder.clone(), source },
            error => error,
        })?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for NewDeltaTable {
    fn drop(&mut self) {
        if !self.committed && !is_url(&self.folder) {
            // What is not there, or not empty, stays as it is.
            let _ = fs::remove_file(self.data_file());
            if self.made {
                let _ = fs::remove_dir(self.folder.join("_delta_log"));
                let _ = fs::remove_dir(&self.folder);
            }
        }
    }
}

/// Whether Delta has a type for each value, as Parquet stores it.
fn is_delta_type(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Date32 => true,
        T::Binary | T::LargeBinary | T::BinaryView | T::Decimal128(_, 0..) => true,
        T::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _) => true,
        T::Dictionary(_, values) => is_delta_type(values),
        T::Struct(fields) => fields.iter().all(|field| is_delta_type(field.data_type())),
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) | T::Map(item, _) => {
            is_delta_type(item.data_type())
        }
        other => other.is_string(),
    }
}

/// The field as the log has it: times with a zone are in UTC, as in Parquet, and any value may be missing.
fn logged(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::Map(..) => field.data_type().clone(),
        data_type => map_children(data_type, &mut logged),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}
