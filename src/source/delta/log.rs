//! Reads the log of a Delta table: the files of its current version, their deleted rows, and their columns.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::expressions::Scalar;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::scan::{Scan, StatsOptions};
use delta_kernel::schema::{DataType, PrimitiveType};
use delta_kernel::table_features::ColumnMappingMode;
use delta_kernel::{Engine, KernelResult, Snapshot};

use super::column_mapping::{ColumnMapping, LoggedColumns};
use super::engine::open_engine;
use super::live_file::LiveFile;
use crate::error::{Error, Place, Result};
use crate::source::catch_decoder_panic;
use crate::source::inputs::{PartitionColumns, percent_decode};

/// The files of the current version of a table, sorted by path.
///
/// # Errors
/// [`Error::Io`] if the table is not there; [`Error::Read`] if its log cannot be read, or needs what the reader does not
/// support.
pub(crate) fn live_files(table: &Path) -> Result<Vec<LiveFile>> {
    let place = || Place::file(table);
    let (engine, root) = open_engine(table)?;
    let mut files = catch_decoder_panic(place, || {
        let snapshot = Snapshot::builder_for(&root).build(&engine)?;
        let scan = snapshot.scan_builder().with_stats(StatsOptions::none()).without_row_transforms().build()?;
        TableLog::new(scan)?.files(&engine, table)
    })?;
    if let Some(file) =
        files.iter().find(|file| !file.relative.components().all(|it| matches!(it, Component::Normal(_))))
    {
        let what = format!("its log names a file outside of it, {}", file.path.display());
        return Err(Error::Damaged { place: place(), what });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The log of a table, read up to its current version.
struct TableLog {
    scan: Scan,
    columns: Arc<LoggedColumns>,
    keys: Vec<PartitionKey>,
}

/// A partition column, the name by which the log gives its values, and the type of these.
struct PartitionKey {
    field: FieldRef,
    stored_name: String,
    data_type: PrimitiveType,
}

impl TableLog {
    fn new(scan: Scan) -> KernelResult<Self> {
        let table = scan.snapshot().table_configuration();
        let mode = table.column_mapping_mode();
        let (mut columns, mut keys) = (Vec::new(), Vec::new());
        for column in scan.logical_schema().fields() {
            let field: Field = column.try_into_arrow()?;
            match column.data_type() {
                DataType::Primitive(data_type) if table.metadata().partition_columns().contains(column.name()) => {
                    keys.push(PartitionKey {
                        field: Arc::new(Field::new(column.name(), field.data_type().clone(), true)),
                        stored_name: column.physical_name(mode).to_owned(),
                        data_type: data_type.clone(),
                    });
                }
                _ => columns.push(Arc::new(field)),
            }
        }
        let mapping = match mode {
            ColumnMappingMode::None => ColumnMapping::None,
            ColumnMappingMode::Name => ColumnMapping::Name,
            ColumnMappingMode::Id => ColumnMapping::Id,
        };
        Ok(Self { scan, columns: Arc::new(LoggedColumns { columns, mapping }), keys })
    }

    /// The live files; paths begin with that of the `table`, if they are in it.
    fn files(&self, engine: &dyn Engine, table: &Path) -> KernelResult<Vec<LiveFile>> {
        let mut found = Vec::new();
        for batch in self.scan.scan_metadata(engine)? {
            found = batch?.visit_scan_files(found, |found: &mut Vec<ScanFile>, file| found.push(file))?;
        }
        found.into_iter().map(|file| self.file(engine, table, file)).collect()
    }

    fn file(&self, engine: &dyn Engine, table: &Path, file: ScanFile) -> KernelResult<LiveFile> {
        let root = self.scan.table_root();
        let deleted = file.dv_info.get_row_indexes(engine, root)?.unwrap_or_default();
        let mut partition = PartitionColumns::default();
        for PartitionKey { field, stored_name, data_type } in &self.keys {
            // The protocol has an empty text for null, of any type ("Partition Value Serialization").
            let value = match file.partition_values.get(stored_name).filter(|text| !text.is_empty()) {
                None => Scalar::Null(data_type.clone().into()),
                Some(text) => data_type.parse_scalar(text)?,
            };
            partition.push(field.clone(), value.to_array(1)?);
        }
        let url = root.join(&file.path)?;
        let (path, relative) = match url.as_str().strip_prefix(root.as_str()).map(percent_decode) {
            Some(relative) => (table.join(&relative), PathBuf::from(relative)),
            // A clone shares files with the table that it was made of.
            None => {
                let text = match url.to_file_path() {
                    Ok(path) => path,
                    Err(()) => PathBuf::from(percent_decode(url.as_str())),
                };
                let name = text.file_name().map(PathBuf::from).unwrap_or_default();
                (text, name)
            }
        };
        Ok(LiveFile { path, relative, partition, deleted, columns: self.columns.clone() })
    }
}
