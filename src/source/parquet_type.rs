//! Parquet types taken apart: the same column with other leaves.

use ::parquet::errors::Result;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// The schema of a single column.
pub(crate) fn alone(column: TypePtr) -> Result<SchemaDescriptor> {
    Ok(SchemaDescriptor::new(Type::group_type_builder("schema").with_fields(vec![column]).build()?.into()))
}

/// A column whose leaves are what `leaf` makes of them, in order.
pub(crate) fn with_leaves(column: &Type, leaf: &mut dyn FnMut(&Type) -> Result<Type>) -> Result<Type> {
    let Type::GroupType { basic_info, fields } = column else { return leaf(column) };
    let fields = fields.iter().map(|field| with_leaves(field, leaf).map(TypePtr::new)).collect::<Result<_>>()?;
    let group = Type::group_type_builder(column.name())
        .with_converted_type(basic_info.converted_type())
        .with_logical_type(basic_info.logical_type_ref().cloned())
        .with_id(basic_info.has_id().then(|| basic_info.id()))
        .with_fields(fields);
    if basic_info.has_repetition() { group.with_repetition(basic_info.repetition()).build() } else { group.build() }
}

/// A column whose leaves have no numbers and may all be null, to be held against another's.
pub(super) fn anonymous(column: &Type) -> Result<Type> {
    with_leaves(column, &mut |leaf| {
        in_place_of(&Type::primitive_type_builder(leaf.name(), leaf.get_physical_type()).with_length(12).build()?, leaf)
    })
}

/// A leaf of another's values with its own name, number and repetition.
pub(crate) fn in_place_of(leaf: &Type, values: &Type) -> Result<Type> {
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

/// A leaf of plain bytes or numbers: the same values without their meaning.
pub(super) fn opaque(leaf: &Type) -> Result<Type> {
    let plain = Type::primitive_type_builder(leaf.name(), leaf.get_physical_type());
    let plain = match *leaf {
        Type::PrimitiveType { type_length, .. } => plain.with_length(type_length),
        Type::GroupType { .. } => plain,
    };
    in_place_of(leaf, &plain.build()?)
}
