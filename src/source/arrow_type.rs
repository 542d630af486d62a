//! The Arrow types that the columns of a Parquet file are read as: those its writer stored, as far as every value survives
//! them.
//!
//! - INT96 is read in the unit that is stored, or else in microseconds, as DuckDB and Spark have it: nanoseconds end in 2262,
//!   and 9999-12-31 is a usual way to say "never".
//! - INTERVAL is read as its 12 bytes, as pyarrow reads it: Arrow's intervals hold its months, or its days.
//! - A dictionary of values that the reader has no dictionaries of is read as those values; others have keys of 32 bits at
//!   least, since row groups and files are merged.

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, parquet_to_arrow_schema};
use ::parquet::basic::{ConvertedType, Type as Physical};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::arrow_schema::{of_type, readable_key, stored_arrow_schema, with_children};
use super::guarded;
use super::parquet_type::{alone, anonymous, opaque, with_leaves};
use super::wide_keys::wide_type;
use crate::error::{Foreign, Place};
use crate::storage::PositionalFile;

/// How a top-level column is stored: its Parquet type, and the Arrow type that the file's writer says it has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredType {
    pub(crate) parquet: TypePtr,
    pub(crate) arrow: Option<FieldRef>,
}

impl StoredType {
    /// Whether the values of two columns mean the same, whatever number and repetition each column has.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let plain = |stored: &Self| anonymous(&stored.parquet).ok();
        plain(self) == plain(other)
    }
}

/// A file's metadata as its columns are read.
pub(super) struct TypedColumn {
    /// The Arrow schema that its writer stored.
    pub(super) stored: Option<SchemaRef>,
    pub(super) arrow: ArrowReaderMetadata,
    pub(super) options: ArrowReaderOptions,
}

/// The metadata of a file, loaded without its stored Arrow schema, with the types of that. A damaged or contradicting one is
/// no reason to refuse sound Parquet.
pub(super) fn typed(
    file: &PositionalFile,
    loaded: ArrowReaderMetadata,
    options: &ArrowReaderOptions,
    place: impl Fn() -> Place,
) -> crate::error::Result<TypedColumn> {
    let metadata = loaded.metadata().clone();
    let of_file = metadata.file_metadata();
    let stored = guarded(&place, || Ok::<_, Foreign>(stored_arrow_schema(of_file.key_value_metadata())));
    let stored = stored.ok().flatten();
    let with = |stored: Option<&Schema>| {
        guarded(&place, || -> Result<_> {
            let ReadAs { schema, opaque } = read_as(of_file, stored)?;
            let options = options.clone().with_schema(schema.into());
            let Some(opaque) = opaque else {
                return Ok((ArrowReaderMetadata::try_new(metadata.clone(), options.clone())?, options));
            };
            let options = options.with_parquet_schema(opaque.into());
            Ok((ArrowReaderMetadata::load(file, options.clone())?, options))
        })
    };
    let (arrow, options) = with(stored.as_ref()).or_else(|_| with(None))?;
    Ok(TypedColumn { stored: stored.map(SchemaRef::new), arrow, options })
}

/// How a file is read.
struct ReadAs {
    schema: Schema,
    /// The file's own schema without the meaning of values that are read as bytes, if there are any.
    opaque: Option<SchemaDescriptor>,
}

/// The types of a file's columns, of which its writer stored these.
fn read_as(file: &FileMetaData, stored: Option<&Schema>) -> Result<ReadAs> {
    let own = file.schema_descr().root_schema();
    let whole = read(file.schema_descr(), stored.map(|schema| schema.fields().to_vec())).ok();
    let columns = own.get_fields().iter().enumerate().map(|(place, root)| {
        let hint = stored.and_then(|schema| hint(schema, place, root.name()));
        match &whole {
            Some(fields) => settled(root, fields[place].clone(), hint),
            None => column(root, hint),
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
    Ok(ReadAs { schema: Schema::new_with_metadata(fields, metadata), opaque })
}

/// The stored field of a column: the one in its place if it has its name, or else the one of its name.
pub(super) fn hint<'a>(stored: &'a Schema, place: usize, name: &str) -> Option<&'a FieldRef> {
    let fields = stored.fields();
    let here = fields.get(place).filter(|field| field.name() == name);
    here.or_else(|| fields.iter().find(|field| field.name() == name))
}

/// One column of a file whose stored schema contradicts it: what contradicts a column is no reason to forget what is
/// stored of the others.
fn column(root: &TypePtr, hint: Option<&FieldRef>) -> Result<(FieldRef, TypePtr)> {
    let plain = hint.map(|hint| of_type(hint, without_nested_dictionaries(hint.data_type())));
    for hint in [hint.cloned(), plain].into_iter().flatten() {
        if let Ok(field) = read_alone(root, Some(&hint)) {
            return settled(root, field, Some(&hint));
        }
    }
    settled(root, read_alone(root, None)?, None)
}

/// A column that the reader reads as `field`, read so that every value survives; and its Parquet type, which is another than
/// `root` if values are read as bytes.
fn settled(root: &TypePtr, field: FieldRef, hint: Option<&FieldRef>) -> Result<(FieldRef, TypePtr)> {
    let stored = hint.map(|hint| leaves(hint.data_type())).unwrap_or_default();
    let descriptor = alone(root.clone())?;
    let said = |leaf: usize| stored.get(leaf).filter(|_| stored.len() == descriptor.num_columns());
    let is_opaque = |leaf: usize| {
        let is_interval = descriptor.column(leaf).converted_type() == ConvertedType::INTERVAL;
        is_interval && !matches!(said(leaf), Some(DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime)))
    };
    let (root, field) = if (0..descriptor.num_columns()).any(is_opaque) {
        let mut leaf = 0..;
        let opened = with_leaves(root, &mut |column| {
            let place = leaf.next().unwrap_or_default();
            if is_opaque(place) { opaque(column) } else { Ok(column.clone()) }
        })?;
        let opened = TypePtr::new(opened);
        let field = read_alone(&opened, hint)?;
        (opened, field)
    } else {
        (root.clone(), field)
    };
    let mut leaf = 0..;
    let data_type = with_arrow_leaves(field.data_type(), &mut |data_type| {
        let place = leaf.next().unwrap_or_default();
        match descriptor.columns().get(place) {
            Some(column) => readable(column.physical_type(), data_type, said(place)),
            None => data_type.clone(),
        }
    });
    Ok((of_type(&field, data_type), root))
}

/// The fields that the reader reads columns as.
fn read(columns: &SchemaDescriptor, stored: Option<Vec<FieldRef>>) -> Result<Fields> {
    let key = stored.map(|fields| vec![readable_key(fields)]);
    let fields = parquet_to_arrow_schema(columns, key.as_ref())?.fields().clone();
    let all = fields.len() == columns.root_schema().get_fields().len();
    all.then_some(fields).ok_or_else(|| ParquetError::General("a group without columns".to_owned()))
}

/// The field of a single column.
fn read_alone(root: &TypePtr, hint: Option<&FieldRef>) -> Result<FieldRef> {
    Ok(read(&alone(root.clone())?, hint.map(|hint| vec![hint.clone()]))?[0].clone())
}

/// A leaf's type, which is what the reader has for it, or else one that the reader can read and that holds every value.
fn readable(physical: Physical, data_type: &DataType, said: Option<&DataType>) -> DataType {
    match (physical, data_type) {
        (Physical::INT96, DataType::Dictionary(_, values)) => readable(physical, values, said),
        (Physical::INT96, DataType::Timestamp(TimeUnit::Nanosecond, zone)) => match said {
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

/// The types of the columns that a type is stored in, in order.
fn leaves(data_type: &DataType) -> Vec<DataType> {
    let mut leaves = Vec::new();
    with_arrow_leaves(data_type, &mut |leaf| {
        leaves.push(leaf.clone());
        leaf.clone()
    });
    leaves
}

/// A type whose leaves are what `leaf` makes of them, in order.
fn with_arrow_leaves(data_type: &DataType, leaf: &mut dyn FnMut(&DataType) -> DataType) -> DataType {
    if !data_type.is_nested() {
        return leaf(data_type);
    }
    with_children(data_type, &mut |child| of_type(child, with_arrow_leaves(child.data_type(), leaf)))
}

/// A type of which dictionaries of lists and structs, which Parquet does not have, are the values these stand for.
fn without_nested_dictionaries(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) if values.is_nested() => without_nested_dictionaries(values),
        other => with_children(other, &mut |child| of_type(child, without_nested_dictionaries(child.data_type()))),
    }
}

/// A schema whose strings are views.
pub(super) fn all_viewed(schema: &Schema) -> Schema {
    let fields: Vec<FieldRef> = schema.fields().iter().map(viewed).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// A field whose strings are views.
fn viewed(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Dictionary(_, values) if values.is_string() => DataType::Utf8View,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed).collect()),
        _ => return field.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()).into()
}
