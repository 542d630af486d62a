//! Parquet schema types with some of their leaves replaced.

use ::parquet::errors::Result;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// A schema of one column.
pub(crate) fn single_column_schema(column: TypePtr) -> Result<SchemaDescriptor> {
    Ok(SchemaDescriptor::new(Type::group_type_builder("schema").with_fields(vec![column]).build()?.into()))
}

/// A column whose leaves are replaced by `leaf`, in order.
pub(crate) fn map_leaves(column: &Type, leaf: &mut dyn FnMut(&Type) -> Result<Type>) -> Result<Type> {
    let Type::GroupType { basic_info, fields } = column else { return leaf(column) };
    let fields = fields.iter().map(|field| map_leaves(field, leaf).map(TypePtr::new)).collect::<Result<_>>()?;
    let group = Type::group_type_builder(column.name())
        .with_converted_type(basic_info.converted_type())
        .with_logical_type(basic_info.logical_type_ref().cloned())
        .with_id(basic_info.has_id().then(|| basic_info.id()))
        .with_fields(fields);
    if basic_info.has_repetition() { group.with_repetition(basic_info.repetition()).build() } else { group.build() }
}

/// A column whose leaves have no field ids and are nullable, for comparison with another column.
pub(super) fn without_ids(column: &Type) -> Result<Type> {
    map_leaves(column, &mut |leaf| {
        with_values_of(
            &Type::primitive_type_builder(leaf.name(), leaf.get_physical_type()).with_length(12).build()?,
            leaf,
        )
    })
}

/// A leaf with the value type of another; name, field id and repetition stay.
pub(crate) fn with_values_of(leaf: &Type, values: &Type) -> Result<Type> {
    let (own, info) = (leaf.get_basic_info(), values.get_basic_info());
    let Type::PrimitiveType { physical_type, type_length, scale, precision, .. } = *values else {
        return Ok(leaf.clone());
    };
    Type::primitive_type_builder(leaf.name(), physical_type)
        .with_repetition(own.repetition())
        .with_id(own.has_id().then(|| own.id()))
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_length(type_length)
        .with_precision(precision)
        .with_scale(scale)
        .build()
}

/// A leaf of plain bytes or numbers, without converted and logical type.
pub(super) fn without_annotations(leaf: &Type) -> Result<Type> {
    let plain = Type::primitive_type_builder(leaf.name(), leaf.get_physical_type());
    let plain = match *leaf {
        Type::PrimitiveType { type_length, .. } => plain.with_length(type_length),
        Type::GroupType { .. } => plain,
    };
    with_values_of(leaf, &plain.build()?)
}
