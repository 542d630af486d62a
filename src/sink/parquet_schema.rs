//! The Parquet schema of columns that are encoded again: the annotations of a carried column are kept, such as UUID,
//! JSON, GEOMETRY or field ids; everything else follows from the Arrow types.

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::errors::Result;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::datatypes::{FieldRef, Schema};

use crate::source::{
    StoredType, encoded_arrow_schema, is_ordered, map_leaves, single_column_schema, wide_field, with_parquet_units,
    with_values_of,
};

/// The name of the schema's root, as the library writes it.
const ROOT: &str = "arrow_schema";

/// The schemas of a Parquet output.
pub(super) struct ParquetSchema {
    pub(super) descriptor: SchemaDescriptor,
    /// The Arrow schema to store; `None` if the columns come from files without one.
    pub(super) arrow: Option<String>,
}

/// The types of a column in the output.
struct WrittenColumn {
    parquet: TypePtr,
    arrow: FieldRef,
}

/// The field of a new column that replaces a stored one. Times are in Parquet's units unless the stored type has no
/// annotation. Categories lose their order, since they are written in the order of the rows.
pub(super) fn replacement_field(field: &FieldRef, stored: Option<&StoredType>) -> FieldRef {
    let leaves = stored.and_then(|stored| single_column_schema(stored.parquet.clone()).ok());
    let unannotated = leaves.is_some_and(|leaves| leaves.columns().iter().all(|leaf| is_unannotated(leaf.self_type())));
    let field = if unannotated { field.clone() } else { with_parquet_units(field) };
    if !is_ordered(&field) {
        return field;
    }
    tracing::warn!("column {:?}: the order of its categories is not kept where values change", field.name());
    field.as_ref().clone().with_dict_is_ordered(false).into()
}

/// The schema of an output file; columns with a `stored` type come from Parquet files and keep its annotations.
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

/// The stored type of a column, with leaves changed where values cannot be written to them; `None` if the shape
/// differs.
fn as_stored(stored: &StoredType, field: &FieldRef, plain: &TypePtr) -> Result<Option<WrittenColumn>> {
    let (own, written) = (single_column_schema(stored.parquet.clone())?, single_column_schema(plain.clone())?);
    if own.num_columns() != written.num_columns() {
        return Ok(None);
    }
    let (mut leaf, mut replaced) = (0.., false);
    let parquet = map_leaves(&stored.parquet, &mut |own| {
        let written = written.column(leaf.next().unwrap_or_default());
        if accepts_values_of(own, written.self_type()) {
            return Ok(own.clone());
        }
        replaced = true;
        if own.get_physical_type() == Physical::INT96 {
            let unit = written.logical_type_ref().map(|it| format!("{it:?}")).unwrap_or_default();
            tracing::info!("column {:?}: INT96 is written as {unit}", field.name());
        }
        with_values_of(own, written.self_type())
    })?;
    let parquet = TypePtr::new(with_repetition_of(&parquet, plain)?);
    let changed = single_column_schema(parquet.clone())?;
    let levels = |of: &SchemaDescriptor| -> Vec<(i16, i16)> {
        of.columns().iter().map(|column| (column.max_def_level(), column.max_rep_level())).collect()
    };
    if levels(&changed) != levels(&written) {
        return Ok(None);
    }
    let arrow = match &stored.arrow {
        Some(arrow) if !replaced => {
            let arrow = arrow.as_ref().clone().with_nullable(field.is_nullable());
            wide_field(&arrow.into())
        }
        _ => field.clone(),
    };
    Ok(Some(WrittenColumn { parquet, arrow }))
}

/// Whether the values that the library would write to the leaf `written` can be written unchanged to the leaf `own`.
fn accepts_values_of(own: &Type, written: &Type) -> bool {
    let (
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. },
        Type::PrimitiveType {
            physical_type: written_physical,
            type_length: written_length,
            scale: written_scale,
            precision: written_precision,
            ..
        },
    ) = (own, written)
    else {
        return false;
    };
    let written_info = written.get_basic_info();
    let is_fixed = *physical_type == Physical::FIXED_LEN_BYTE_ARRAY;
    let is_decimal = written_info.converted_type() == ConvertedType::DECIMAL;
    // A stored number without annotation that is a time in the Arrow schema is written as a time.
    let gains =
        matches!(physical_type, Physical::INT32 | Physical::INT64) && is_unannotated(own) && !is_unannotated(written);
    physical_type == written_physical
        && (!is_fixed || type_length == written_length)
        && (!is_decimal || (scale, precision) == (written_scale, written_precision))
        && !gains
        && time_unit(own) == time_unit(written)
        && agree_on_utc(own, written)
}

/// Whether two timestamps are both in UTC, or both not, as far as their annotations tell.
fn agree_on_utc(own: &Type, written: &Type) -> bool {
    match (own.get_basic_info().logical_type_ref(), written.get_basic_info().logical_type_ref()) {
        (Some(LogicalType::Timestamp(own)), Some(LogicalType::Timestamp(written))) => {
            own.is_adjusted_to_u_t_c == written.is_adjusted_to_u_t_c
        }
        _ => true,
    }
}

/// The unit of a time, if a leaf is one.
fn time_unit(leaf: &Type) -> Option<TimeUnit> {
    let info = leaf.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Timestamp(time) | LogicalType::Time(time)), _) => Some(time.unit),
        (_, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIME_MILLIS) => Some(TimeUnit::MILLIS),
        (_, ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIME_MICROS) => Some(TimeUnit::MICROS),
        _ => None,
    }
}

/// Whether a leaf has no annotation of its values.
fn is_unannotated(leaf: &Type) -> bool {
    let info = leaf.get_basic_info();
    info.logical_type_ref().is_none() && info.converted_type() == ConvertedType::NONE
}

/// A type with the repetition of another.
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
