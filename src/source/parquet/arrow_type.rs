//! Chooses the Arrow types for the columns of a Parquet file: the types its writer stored, unless they would lose a value.
//!
//! - INT96 is read in the stored unit, or else in microseconds, as in DuckDB and Spark: nanoseconds end in 2262, and
//!   9999-12-31 often means "never".
//! - INTERVAL is read as its 12 bytes, as in pyarrow: each Arrow interval holds only its months or its days.
//! - A dictionary that the reader does not support is read as its values. Others have keys of at least 32 bits, since row
//!   groups and files are merged.

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, parquet_to_arrow_schema};
use ::parquet::basic::{ConvertedType, Type as Physical};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::datatypes::{DataType, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::arrow_schema::{schema_key, stored_arrow_schema};
use super::parquet_type::{map_leaves, single_column_schema, without_annotations, without_ids};
use crate::error::{Foreign, Place};
use crate::source::wide_keys::wide_type;
use crate::source::{catch_decoder_panic, map_children, with_type};
use crate::storage::PositionalFile;

/// How a top-level column is stored: its Parquet type, and the Arrow type that the file's writer declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredType {
    pub(crate) parquet: TypePtr,
    pub(crate) arrow: Option<FieldRef>,
}

impl StoredType {
    /// Whether two columns have the same type, apart from field ids and nullability.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let normalized = |stored: &Self| without_ids(&stored.parquet).ok();
        normalized(self) == normalized(other)
    }
}

/// A file's metadata with the chosen Arrow types.
pub(super) struct TypedMetadata {
    /// The Arrow schema that the writer stored.
    pub(super) stored: Option<SchemaRef>,
    pub(super) arrow: ArrowReaderMetadata,
    pub(super) options: ArrowReaderOptions,
}

/// Adds Arrow types to metadata that was loaded without the stored Arrow schema. A damaged or contradictory schema does not
/// make a valid file unreadable.
pub(super) fn with_arrow_types(
    file: &PositionalFile,
    loaded: ArrowReaderMetadata,
    options: &ArrowReaderOptions,
    place: impl Fn() -> Place,
) -> crate::error::Result<TypedMetadata> {
    let metadata = loaded.metadata().clone();
    let file_metadata = metadata.file_metadata();
    let stored =
        catch_decoder_panic(&place, || Ok::<_, Foreign>(stored_arrow_schema(file_metadata.key_value_metadata())));
    let stored = stored.ok().flatten();
    let apply = |stored: Option<&Schema>| {
        catch_decoder_panic(&place, || -> Result<_> {
            let ChosenTypes { schema, opaque } = choose_types(file_metadata, stored)?;
            let options = options.clone().with_schema(schema.into());
            let Some(opaque) = opaque else {
                return Ok((ArrowReaderMetadata::try_new(metadata.clone(), options.clone())?, options));
            };
            let options = options.with_parquet_schema(opaque.into());
            Ok((ArrowReaderMetadata::load(file, options.clone())?, options))
        })
    };
    let (arrow, options) = apply(stored.as_ref()).or_else(|_| apply(None))?;
    Ok(TypedMetadata { stored: stored.map(SchemaRef::new), arrow, options })
}

/// The schema that a file is read with.
struct ChosenTypes {
    schema: Schema,
    /// The file's Parquet schema with plain bytes for columns read as bytes, if there are any.
    opaque: Option<SchemaDescriptor>,
}

/// Chooses the types of a file's columns, given the `stored` schema.
fn choose_types(file: &FileMetaData, stored: Option<&Schema>) -> Result<ChosenTypes> {
    let own = file.schema_descr().root_schema();
    let all = reader_fields(file.schema_descr(), stored.map(|schema| schema.fields().to_vec())).ok();
    let columns = own.get_fields().iter().enumerate().map(|(place, root)| {
        let stored = stored.and_then(|schema| stored_field(schema, place, root.name()));
        match &all {
            Some(fields) => lossless_column(root, fields[place].clone(), stored),
            None => read_column(root, stored),
        }
    });
    let (fields, roots): (Vec<FieldRef>, Vec<TypePtr>) = columns.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let keys = file.key_value_metadata().into_iter().flatten();
    let keys = keys.filter(|key| key.key != ARROW_SCHEMA_META_KEY);
    let mut metadata = stored.map(|schema| schema.metadata().clone()).unwrap_or_default();
    metadata.extend(keys.filter_map(|key| Some((key.key.clone(), key.value.clone()?))));
    let opaque = if roots.iter().zip(own.get_fields()).all(|(read, own)| TypePtr::ptr_eq(read, own)) {
        None
    } else {
        let root = Type::group_type_builder(own.name()).with_fields(roots).build()?;
        Some(SchemaDescriptor::new(root.into()))
    };
    Ok(ChosenTypes { schema: Schema::new_with_metadata(fields, metadata), opaque })
}

/// Finds the stored field of a column: the one at its index if the name matches, or else the one with its name.
pub(super) fn stored_field<'a>(stored: &'a Schema, place: usize, name: &str) -> Option<&'a FieldRef> {
    let fields = stored.fields();
    let here = fields.get(place).filter(|field| field.name() == name);
    here.or_else(|| fields.iter().find(|field| field.name() == name))
}

/// Reads one column of a file whose stored schema contradicts some column, so that the other stored fields still count.
fn read_column(root: &TypePtr, stored: Option<&FieldRef>) -> Result<(FieldRef, TypePtr)> {
    let plain = stored.map(|stored| with_type(stored, without_nested_dictionaries(stored.data_type())));
    for stored in [stored.cloned(), plain].into_iter().flatten() {
        if let Ok(field) = reader_field(root, Some(&stored)) {
            return lossless_column(root, field, Some(&stored));
        }
    }
    lossless_column(root, reader_field(root, None)?, None)
}

/// Adjusts a column that the reader reads as `field` so that no value is lost. The Parquet type differs from `root` if values
/// are read as bytes.
fn lossless_column(root: &TypePtr, field: FieldRef, stored: Option<&FieldRef>) -> Result<(FieldRef, TypePtr)> {
    let stored_leaves = stored.map(|stored| leaf_types(stored.data_type())).unwrap_or_default();
    let descriptor = single_column_schema(root.clone())?;
    let has_all = stored_leaves.len() == descriptor.num_columns();
    let stored_leaf = |leaf: usize| stored_leaves.get(leaf).filter(|_| has_all);
    let is_opaque = |leaf: usize| {
        let is_interval = descriptor.column(leaf).converted_type() == ConvertedType::INTERVAL;
        let arrow = stored_leaf(leaf);
        is_interval && !matches!(arrow, Some(DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime)))
    };
    let (root, field) = if (0..descriptor.num_columns()).any(is_opaque) {
        let mut leaf = 0..;
        let opened = map_leaves(root, &mut |column| {
            let place = leaf.next().unwrap_or_default();
            if is_opaque(place) { without_annotations(column) } else { Ok(column.clone()) }
        })?;
        let opened = TypePtr::new(opened);
        let field = reader_field(&opened, stored)?;
        (opened, field)
    } else {
        (root.clone(), field)
    };
    let mut leaf = 0..;
    let data_type = map_leaf_types(field.data_type(), &mut |data_type| {
        let place = leaf.next().unwrap_or_default();
        match descriptor.columns().get(place) {
            Some(column) => lossless_leaf(column.physical_type(), data_type, stored_leaf(place)),
            None => data_type.clone(),
        }
    });
    Ok((with_type(&field, data_type), root))
}

/// The Arrow fields that the reader chooses for columns.
fn reader_fields(columns: &SchemaDescriptor, stored: Option<Vec<FieldRef>>) -> Result<Fields> {
    let key = stored.map(|fields| vec![schema_key(fields)]);
    let fields = parquet_to_arrow_schema(columns, key.as_ref())?.fields().clone();
    let all = fields.len() == columns.root_schema().get_fields().len();
    all.then_some(fields).ok_or_else(|| ParquetError::General("a group without columns".to_owned()))
}

/// The Arrow field that the reader chooses for one column.
fn reader_field(root: &TypePtr, stored: Option<&FieldRef>) -> Result<FieldRef> {
    let schema = single_column_schema(root.clone())?;
    Ok(reader_fields(&schema, stored.map(|stored| vec![stored.clone()]))?[0].clone())
}

/// The reader's type of a leaf, or else one that it can read and that holds every value.
fn lossless_leaf(physical: Physical, data_type: &DataType, stored: Option<&DataType>) -> DataType {
    match (physical, data_type) {
        (Physical::INT96, DataType::Dictionary(_, values)) => lossless_leaf(physical, values, stored),
        (Physical::INT96, DataType::Timestamp(TimeUnit::Nanosecond, zone)) => match stored {
            Some(DataType::Timestamp(..) | DataType::Dictionary(..)) => data_type.clone(),
            _ => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        },
        (_, DataType::Dictionary(_, values)) if **values == DataType::Null => DataType::Null,
        (Physical::BOOLEAN | Physical::FIXED_LEN_BYTE_ARRAY, DataType::Dictionary(_, values)) => (**values).clone(),
        (Physical::BYTE_ARRAY, DataType::Dictionary(_, values)) if !is_bytes(values) => (**values).clone(),
        _ => wide_type(data_type),
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView)
}

/// The leaf types of a data type, in order.
fn leaf_types(data_type: &DataType) -> Vec<DataType> {
    let mut leaves = Vec::new();
    map_leaf_types(data_type, &mut |leaf| {
        leaves.push(leaf.clone());
        leaf.clone()
    });
    leaves
}

/// A data type whose leaf types are replaced by `leaf`, in order.
fn map_leaf_types(data_type: &DataType, leaf: &mut dyn FnMut(&DataType) -> DataType) -> DataType {
    if !data_type.is_nested() {
        return leaf(data_type);
    }
    map_children(data_type, &mut |child| with_type(child, map_leaf_types(child.data_type(), leaf)))
}

/// A data type with plain values for dictionaries of lists and structs, which Parquet does not support.
fn without_nested_dictionaries(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) if values.is_nested() => without_nested_dictionaries(values),
        other => map_children(other, &mut |child| with_type(child, without_nested_dictionaries(child.data_type()))),
    }
}
