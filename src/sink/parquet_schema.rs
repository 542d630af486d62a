//! The Parquet schema of columns that are encoded anew: what a carried column's own says of its values stays, be it UUID,
//! JSON, GEOMETRY, or a number of the field; the rest is as Arrow's types are written.

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::basic::{ConvertedType, Repetition, Type as Physical};
use ::parquet::errors::Result;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::datatypes::{FieldRef, Schema};

use crate::source::{
    StoredType, encoded_arrow_schema, is_ordered, map_leaves, single_column_schema, wide_field, with_parquet_units,
    with_values_of,
};

/// The name of the root of schemas that are made here, as the library has it.
const ROOT: &str = "arrow_schema";

/// How columns are written.
pub(super) struct ParquetSchema {
    pub(super) descriptor: SchemaDescriptor,
    /// The Arrow schema to be stored; none if the columns come from files without one.
    pub(super) arrow: Option<String>,
}

/// A column as it is written.
struct WrittenColumn {
    parquet: TypePtr,
    arrow: FieldRef,
}

/// The field of a column that takes the place of one that is stored so, in Parquet's units unless that is a bare number, too.
/// Its categories have no order, since they are written in the order that rows have them in.
pub(super) fn in_place(field: &FieldRef, stored: Option<&StoredType>) -> FieldRef {
    let leaves = stored.and_then(|stored| single_column_schema(stored.parquet.clone()).ok());
    let bare = leaves.is_some_and(|leaves| leaves.columns().iter().all(|leaf| is_bare(leaf.self_type())));
    let field = if bare { field.clone() } else { with_parquet_units(field) };
    if !is_ordered(&field) {
        return field;
    }
    tracing::warn!("column {:?}: the order of its categories is not kept where values change", field.name());
    field.as_ref().clone().with_dict_is_ordered(false).into()
}

/// The schema of a file of these columns, of which some come from Parquet files, where they are stored so.
pub(super) fn parquet_schema(schema: &Schema, stored: &[Option<StoredType>]) -> Result<ParquetSchema> {
    let plain = ArrowSchemaConverter::new().convert(schema)?;
    let columns = schema.fields().iter().zip(plain.root_schema().get_fields()).enumerate();
    let columns = columns.map(|(place, (field, plain))| {
        let of_arrow = || WrittenColumn { parquet: plain.clone(), arrow: field.clone() };
        let Some(stored) = stored.get(place).and_then(Option::as_ref) else { return Ok(of_arrow()) };
        Ok(as_stored(stored, field, plain)?.unwrap_or_else(|| {
            tracing::warn!(
                "column {:?}: is written as {}, without its own Parquet type",
                field.name(),
                field.data_type()
            );
            of_arrow()
        }))
    });
    let (parquet, arrow): (Vec<TypePtr>, Vec<FieldRef>) =
        columns.collect::<Result<Vec<_>>>()?.into_iter().map(|column| (column.parquet, column.arrow)).unzip();
    let root = Type::group_type_builder(ROOT).with_fields(parquet).build()?;
    let mut from_files = stored.iter().flatten().peekable();
    let without = from_files.peek().is_some() && from_files.all(|stored| stored.arrow.is_none());
    let arrow = Schema::new_with_metadata(arrow, schema.metadata().clone());
    Ok(ParquetSchema {
        descriptor: SchemaDescriptor::new(root.into()),
        arrow: (!without).then(|| encoded_arrow_schema(&arrow)),
    })
}

/// A column as it is stored, with leaves that its values can be written to; none if their shape is another.
fn as_stored(stored: &StoredType, field: &FieldRef, plain: &TypePtr) -> Result<Option<WrittenColumn>> {
    let (own, anew) = (single_column_schema(stored.parquet.clone())?, single_column_schema(plain.clone())?);
    if own.num_columns() != anew.num_columns() {
        return Ok(None);
    }
    let (mut leaf, mut replaced) = (0.., false);
    let parquet = map_leaves(&stored.parquet, &mut |own| {
        let anew = anew.column(leaf.next().unwrap_or_default());
        if is_written_to(own, anew.self_type()) {
            return Ok(own.clone());
        }
        replaced = true;
        if own.get_physical_type() == Physical::INT96 {
            let unit = anew.logical_type_ref().map(|it| format!("{it:?}")).unwrap_or_default();
            tracing::info!("column {:?}: INT96 is encoded anew as {unit}", field.name());
        }
        with_values_of(own, anew.self_type())
    })?;
    let parquet = TypePtr::new(with_repetition_of(&parquet, plain)?);
    let mended = single_column_schema(parquet.clone())?;
    let levels = |of: &SchemaDescriptor| -> Vec<(i16, i16)> {
        of.columns().iter().map(|column| (column.max_def_level(), column.max_rep_level())).collect()
    };
    if levels(&mended) != levels(&anew) {
        return Ok(None);
    }
    let arrow = match &stored.arrow {
        Some(said) if !replaced => {
            let said = said.as_ref().clone().with_nullable(field.is_nullable());
            wide_field(&said.into())
        }
        _ => field.clone(),
    };
    Ok(Some(WrittenColumn { parquet, arrow }))
}

/// Whether the values that the library would write to the leaf `anew` are the same in the leaf `own`.
fn is_written_to(own: &Type, anew: &Type) -> bool {
    let (
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. },
        Type::PrimitiveType {
            physical_type: physical_anew,
            type_length: length_anew,
            scale: scale_anew,
            precision: precision_anew,
            ..
        },
    ) = (own, anew)
    else {
        return false;
    };
    let info_anew = anew.get_basic_info();
    let is_fixed = *physical_type == Physical::FIXED_LEN_BYTE_ARRAY;
    let is_decimal = info_anew.converted_type() == ConvertedType::DECIMAL;
    // A number that Arrow's schema says is a time is written as one.
    let gains = matches!(physical_type, Physical::INT32 | Physical::INT64) && is_bare(own) && !is_bare(anew);
    physical_type == physical_anew
        && (!is_fixed || type_length == length_anew)
        && (!is_decimal || (scale, precision) == (scale_anew, precision_anew))
        && !gains
}

/// Whether nothing is said of what values mean.
fn is_bare(leaf: &Type) -> bool {
    let info = leaf.get_basic_info();
    info.logical_type_ref().is_none() && info.converted_type() == ConvertedType::NONE
}

/// A type that is as optional as another.
fn with_repetition_of(column: &Type, other: &Type) -> Result<Type> {
    let (info, repetition) = (column.get_basic_info(), other.get_basic_info().repetition());
    if info.repetition() == repetition || info.repetition() == Repetition::REPEATED {
        return Ok(column.clone());
    }
    match column {
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            Type::primitive_type_builder(column.name(), *physical_type)
                .with_length(*type_length)
                .with_precision(*precision)
                .with_scale(*scale)
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_id(info.has_id().then(|| info.id()))
                .with_repetition(repetition)
                .build()
        }
        Type::GroupType { fields, .. } => Type::group_type_builder(column.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_id(info.has_id().then(|| info.id()))
            .with_fields(fields.clone())
            .with_repetition(repetition)
            .build(),
    }
}
