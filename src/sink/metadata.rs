//! The key-value metadata of an output: the input's keys are kept, and those that describe the schema are updated, so
//! that every reader sees the output's columns.

use std::collections::HashMap;

use ::parquet::arrow::ARROW_SCHEMA_META_KEY;
use ::parquet::file::metadata::KeyValue;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};

use crate::source::encoded_arrow_schema;

const PANDAS: &str = "pandas";
const HUGGING_FACE: &str = "huggingface";
const SPARK: &str = "org.apache.spark.sql.parquet.row.metadata";

/// Whole schemas that readers check a file against. They are dropped: new columns make them wrong, and no data is lost.
const SCHEMAS: [&str; 3] = ["parquet.avro.schema", "avro.schema", "iceberg.schema"];

/// GeoParquet, which names its columns.
const GEO: &str = "geo";

/// The output's metadata: the keys of `input`, updated for a file with the columns of `output`, of which `new` are new.
///
/// `own` are this program's keys; they replace keys of the same name. The metadata of `output` is the copy in the
/// input's Arrow schema, where pyarrow looks for it; it is updated as well.
pub(crate) fn update(input: &[KeyValue], output: &Schema, new: &Schema, own: &[(String, String)]) -> Vec<KeyValue> {
    let mut keys = Vec::new();
    for KeyValue { key, value } in input {
        let value = match (key.as_str(), value) {
            (name, _) if own.iter().any(|(own, _)| own == name) => continue,
            (ARROW_SCHEMA_META_KEY, _) => Some(arrow_schema(output, new, own)),
            (_, value) => match update_value(key, value.as_deref(), output, new) {
                Ok(value) => value,
                Err(DropReason::Incomplete) => {
                    tracing::info!("metadata key {key:?} describes the columns without the new ones; it is dropped");
                    continue;
                }
                Err(DropReason::Unknown) => {
                    tracing::warn!(
                        "metadata key {key:?} describes the columns in a form not known here; it is dropped"
                    );
                    continue;
                }
            },
        };
        keys.push(KeyValue { key: key.clone(), value });
    }
    keys.extend(own.iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) }));
    keys
}

/// Why a key is dropped.
enum DropReason {
    /// It describes all columns and cannot be extended.
    Incomplete,
    /// It has an unknown form.
    Unknown,
}

/// The value of an input's key for the output.
fn update_value(key: &str, value: Option<&str>, output: &Schema, new: &Schema) -> Result<Option<String>, DropReason> {
    match (key, value) {
        (key, _) if SCHEMAS.contains(&key) => Err(DropReason::Incomplete),
        (PANDAS | HUGGING_FACE | SPARK | GEO, Some(text)) => {
            described(key, text, output, new).map(Some).ok_or(DropReason::Unknown)
        }
        (_, value) => Ok(value.map(str::to_owned)),
    }
}

/// The output's stored Arrow schema. If it had no metadata it gets none: the file's own metadata has the keys.
fn arrow_schema(output: &Schema, new: &Schema, own: &[(String, String)]) -> String {
    let stored = output.metadata().iter().filter_map(|(key, value)| {
        let value = update_value(key, Some(value), output, new).ok()??;
        Some((key.clone(), value))
    });
    let mut metadata: HashMap<String, String> = stored.collect();
    if !metadata.is_empty() {
        metadata.extend(own.iter().cloned());
    }
    encoded_arrow_schema(&Schema::new_with_metadata(output.fields().clone(), metadata))
}

/// Updates another program's description of the schema: removes dropped columns and adds new ones.
fn described(key: &str, text: &str, output: &Schema, new: &Schema) -> Option<String> {
    let mut document: Value = serde_json::from_str(text).ok()?;
    let is_kept = |name: &Value| name.as_str().is_none_or(|name| output.field_with_name(name).is_ok());
    match key {
        PANDAS => {
            let levels = document.get("column_indexes").and_then(Value::as_array).map_or(1, Vec::len);
            // An index column is either a name or, for a range, an object.
            document.get_mut("index_columns")?.as_array_mut()?.retain(is_kept);
            let columns = document.get_mut("columns")?.as_array_mut()?;
            columns.retain(|column| is_kept(column.get("field_name").or(column.get("name")).unwrap_or(&Value::Null)));
            for column in columns.iter_mut() {
                update_order(column, output);
            }
            let described: Vec<String> = columns.iter().filter_map(field_name).map(str::to_owned).collect();
            let is_new = |field: &Field| new.field_with_name(field.name()).is_ok();
            for field in output.fields().iter().filter(|field| !described.contains(field.name())) {
                // pandas reads multi-level names from here; for others, a missing name is taken from the file.
                if is_new(field) || levels > 1 {
                    let (pandas, numpy) = pandas(field.data_type())?;
                    columns.push(json!({"name": pandas_name(field.name(), levels), "field_name": field.name(), "pandas_type": pandas, "numpy_type": numpy, "metadata": null}));
                }
            }
            // The types of the column names. They may be numbers; the new names are strings.
            let names = document.get_mut("column_indexes").and_then(Value::as_array_mut);
            for level in names.into_iter().flatten().filter(|level| !new.fields().is_empty() && !is_string(level)) {
                let encoding = json!({"encoding": "UTF-8"});
                let name = if levels > 1 { level["name"].clone() } else { Value::Null };
                *level = json!({"name": name, "field_name": name, "pandas_type": "unicode", "numpy_type": "object", "metadata": encoding});
            }
        }
        GEO => {
            document
                .get("columns")?
                .as_object()?
                .keys()
                .all(|name| output.field_with_name(name).is_ok())
                .then_some(())?;
        }
        HUGGING_FACE => {
            let info = document.get_mut("info")?.as_object_mut()?;
            let Some(features) = info.get_mut("features").filter(|features| !features.is_null()) else {
                // It does not describe columns.
                return Some(text.to_owned());
            };
            let features = features.as_object_mut()?;
            features.retain(|name, _| output.field_with_name(name).is_ok());
            for field in new.fields() {
                features.insert(field.name().clone(), hugging_face(field.data_type())?);
            }
        }
        _ => {
            let fields = document.get_mut("fields")?.as_array_mut()?;
            fields.retain(|field| is_kept(&field["name"]));
            for field in new.fields() {
                fields.push(spark_field(field)?);
            }
        }
    }
    Some(document.to_string())
}

/// The name in the file of a column that pandas describes.
fn field_name(column: &Value) -> Option<&str> {
    column.get("field_name").or(column.get("name"))?.as_str()
}

/// Sets a category's `ordered` flag to that of the output's type, which may have lost the order.
fn update_order(column: &mut Value, output: &Schema) {
    let ordered = field_name(column).and_then(|name| output.field_with_name(name).ok()?.dict_is_ordered());
    if let (Some(ordered), Some(flag)) = (ordered, column.get_mut("metadata").and_then(|it| it.get_mut("ordered"))) {
        *flag = ordered.into();
    }
}

/// The name of a new column among names with `levels` levels: pandas stores the tuple's Python repr.
fn pandas_name(name: &str, levels: usize) -> String {
    if levels < 2 {
        return name.to_owned();
    }
    let quoted: String = name
        .chars()
        .map(|c| match c {
            '\\' | '\'' => format!("\\{c}"),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("('{quoted}'{})", ", ''".repeat(levels - 1))
}

/// Whether the column names of a level are strings.
fn is_string(level: &Value) -> bool {
    ["unicode", "string", "empty"].map(Value::from).contains(&level["pandas_type"])
}

/// The names of a type in pandas and numpy.
fn pandas(data_type: &DataType) -> Option<(String, &'static str)> {
    Some(match data_type {
        DataType::Int32 => ("int32".to_owned(), "int32"),
        DataType::Int64 => ("int64".to_owned(), "int64"),
        DataType::Date32 => ("date".to_owned(), "object"),
        DataType::Float32 => ("float32".to_owned(), "float32"),
        DataType::Float64 => ("float64".to_owned(), "float64"),
        // numpy's bool has no nulls.
        DataType::Boolean => ("bool".to_owned(), "object"),
        DataType::Utf8 => ("unicode".to_owned(), "object"),
        DataType::Struct(_) => ("object".to_owned(), "object"),
        DataType::List(item) | DataType::FixedSizeList(item, _) => {
            (format!("list[{}]", pandas(item.data_type())?.0), "object")
        }
        _ => return None,
    })
}

/// A type as Hugging Face datasets describes it.
fn hugging_face(data_type: &DataType) -> Option<Value> {
    let value = |dtype: &str| Some(json!({"dtype": dtype, "_type": "Value"}));
    match data_type {
        DataType::Int32 => value("int32"),
        DataType::Int64 => value("int64"),
        DataType::Float32 => value("float32"),
        DataType::Float64 => value("float64"),
        DataType::Boolean => value("bool"),
        DataType::Utf8 => value("string"),
        DataType::List(item) => Some(json!([hugging_face(item.data_type())?])),
        DataType::FixedSizeList(item, length) => {
            Some(json!({"feature": hugging_face(item.data_type())?, "length": length, "_type": "Sequence"}))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| Some((field.name().clone(), hugging_face(field.data_type())?)));
            Some(Value::Object(fields.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// A column as Spark describes it.
fn spark_field(field: &Field) -> Option<Value> {
    let data_type = spark(field.data_type())?;
    Some(json!({"name": field.name(), "type": data_type, "nullable": field.is_nullable(), "metadata": {}}))
}

fn spark(data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Int32 => json!("integer"),
        DataType::Int64 => json!("long"),
        DataType::Float32 => json!("float"),
        DataType::Float64 => json!("double"),
        DataType::Boolean => json!("boolean"),
        DataType::Utf8 => json!("string"),
        DataType::List(item) | DataType::FixedSizeList(item, _) => {
            json!({"type": "array", "elementType": spark(item.data_type())?, "containsNull": item.is_nullable()})
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| spark_field(field));
            json!({"type": "struct", "fields": fields.collect::<Option<Vec<_>>>()?})
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Fields;

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|&name| Field::new(name, DataType::Float32, true)).collect::<Vec<_>>())
    }

    fn updated_value(key: &str, value: Value) -> Option<Value> {
        let input = [KeyValue { key: key.to_owned(), value: Some(value.to_string()) }];
        let keys = update(&input, &schema(&["a", "z_0"]), &schema(&["z_0"]), &[]);
        keys.first().map(|key| serde_json::from_str(key.value.as_deref().unwrap()).unwrap())
    }

    #[test]
    fn every_type_of_a_new_column_has_a_name_everywhere() {
        let list = |item: Arc<Field>| [DataType::List(item.clone()), DataType::FixedSizeList(item, 2)];
        let reasons = Fields::from(vec![Field::new("feature", DataType::Utf8, true)]);
        let plain = [DataType::Int32, DataType::Int64, DataType::Float32, DataType::Float64, DataType::Boolean];
        let lists = [DataType::Float32, DataType::Struct(reasons)].map(|item| Arc::new(Field::new("item", item, true)));
        for data_type in plain.into_iter().chain([DataType::Utf8]).chain(lists.into_iter().flat_map(list)) {
            let known = (pandas(&data_type).is_some(), hugging_face(&data_type).is_some(), spark(&data_type).is_some());
            assert_eq!(known, (true, true, true), "{data_type}");
        }
    }

    #[test]
    fn foreign_schemas_lose_dropped_columns_and_gain_new_ones() {
        let column = |name: &str| json!({"name": name, "field_name": name, "pandas_type": "float32", "numpy_type": "float32", "metadata": null});
        let before = json!({"index_columns": ["gone", {"kind": "range"}], "columns": [column("a"), column("gone")]});
        let after = json!({"index_columns": [{"kind": "range"}], "columns": [column("a"), column("z_0")]});
        assert_eq!(updated_value(PANDAS, before), Some(after));

        let names = |kind: &str| json!([{"name": null, "pandas_type": kind}]);
        let pandas = |names: Value| json!({"index_columns": [], "columns": [], "column_indexes": names});
        let after = updated_value(PANDAS, pandas(names("int64"))).unwrap();
        assert_eq!(after["column_indexes"][0]["pandas_type"], "unicode");
        let columns = json!([{"name": "('a', '1')", "field_name": "a"}]);
        let levels = json!([names("unicode")[0], {"name": "L", "pandas_type": "int64"}]);
        let before = json!({"index_columns": [], "columns": columns, "column_indexes": levels});
        let after = updated_value(PANDAS, before).unwrap();
        assert_eq!(after["columns"][1]["name"], "('z_0', '')");
        let level = |at: usize| [&after["column_indexes"][at]["name"], &after["column_indexes"][at]["pandas_type"]];
        assert_eq!((level(0), level(1)), ([&Value::Null, &json!("unicode")], [&json!("L"), &json!("unicode")]));
        assert_eq!(pandas_name("a'\n\\", 3), r"('a\'\x0a\\', '', '')");
        assert_eq!(updated_value(PANDAS, pandas(names("string"))).unwrap()["column_indexes"], names("string"));

        let geo = |column: &str| json!({"primary_column": column, "columns": {column: {}}});
        assert_eq!((updated_value(GEO, geo("a")), updated_value(GEO, geo("gone"))), (Some(geo("a")), None));
        assert_eq!(updated_value(SCHEMAS[0], json!({"fields": []})), None);

        let before = json!({"info": {"features": {"a": {"dtype": "int8", "_type": "Value"}, "gone": {}}}});
        let after = json!({"info": {"features": {"a": {"dtype": "int8", "_type": "Value"}, "z_0": {"dtype": "float32", "_type": "Value"}}}});
        assert_eq!(updated_value(HUGGING_FACE, before), Some(after));

        assert_eq!(updated_value(HUGGING_FACE, json!({"info": {}})), Some(json!({"info": {}})));

        let field = |name: &str| json!({"name": name, "type": "float", "nullable": true, "metadata": {}});
        let before = json!({"type": "struct", "fields": [field("a"), field("gone")]});
        let after = json!({"type": "struct", "fields": [field("a"), field("z_0")]});
        assert_eq!(updated_value(SPARK, before), Some(after));
    }

    #[test]
    fn a_description_of_unknown_form_is_dropped_and_other_keys_stay() {
        assert_eq!(updated_value(PANDAS, json!([1, 2])), None);
        assert_eq!(updated_value("mine", json!({"a": 1})), Some(json!({"a": 1})));
    }

    #[test]
    fn our_keys_replace_those_of_an_earlier_run() {
        let input = [KeyValue { key: "vaepipe.seed".to_owned(), value: Some("1".to_owned()) }];
        let own = [("vaepipe.seed".to_owned(), "2".to_owned())];
        let keys = update(&input, &schema(&["a"]), &schema(&[]), &own);
        assert_eq!(keys, [KeyValue { key: "vaepipe.seed".to_owned(), value: Some("2".to_owned()) }]);
    }
}
