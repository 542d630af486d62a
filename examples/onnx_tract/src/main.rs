//! Scores of rows by tract, an ONNX runtime in Rust, without vaepipe.
//!
//!     vaepipe export model.onnx -m vae.safetensors --summary json > model.json
//!     cargo run --manifest-path examples/onnx_tract/Cargo.toml -- model.onnx model.json < rows.ndjson
//!
//! A row is a JSON object of numbers, Booleans, strings and lists; times are integers as the file describes them.

use std::error::Error;
use std::io::{BufRead, stdin};

use serde_json::{Map, Value, json};
use tract_onnx::prelude::*;

type Row = Map<String, Value>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, described] = arguments.as_slice() else { return Err("usage: onnx_tract MODEL.onnx MODEL.json".into()) };
    // `vaepipe export --summary json` prints the inputs and outputs; the metadata of the file has the inputs as well.
    let described: Value = serde_json::from_str(&std::fs::read_to_string(described)?)?;
    let [inputs, outputs] = ["inputs", "outputs"].map(|key| described[key].as_array().cloned().unwrap_or_default());
    let rows = stdin().lock().lines().map(|line| Ok(serde_json::from_str(&line?)?));
    let rows: Vec<Row> = rows.collect::<Result<_, Box<dyn Error>>>()?;
    let given = inputs.iter().map(|input| tensor(&rows, input));
    let given: Vec<Tensor> = given.collect::<Result<_, Box<dyn Error>>>()?;
    // Typed and not optimised: tract's passes for masks of attention can take minutes over a graph with many conditions.
    let model = tract_onnx::onnx().model_for_path(file)?.into_typed()?.into_runnable()?;
    let found = model.run(given.into_iter().map(Tensor::into_tvalue).collect())?;
    let columns: Vec<Vec<Value>> = found.iter().map(|values| by_row(values)).collect::<TractResult<_>>()?;
    for row in 0..rows.len() {
        let named = outputs
            .iter()
            .zip(&columns)
            .map(|(name, column)| (name.as_str().unwrap_or_default().to_owned(), column[row].clone()));
        println!("{}", Value::Object(named.collect()));
    }
    Ok(())
}

/// The rows as one input, `[rows]`, or `[rows, length]` of a list.
fn tensor(rows: &[Row], input: &Value) -> Result<Tensor, Box<dyn Error>> {
    let name = input["name"].as_str().ok_or("an input has no name")?;
    let length = input["length"].as_u64().map(|length| length as usize);
    let mut shape = vec![rows.len()];
    shape.extend(length);
    let mut values = Vec::with_capacity(shape.iter().product());
    for row in rows {
        match (row.get(name).unwrap_or(&Value::Null), length) {
            (Value::Array(list), Some(length)) if list.len() == length => values.extend(list.iter().cloned()),
            (_, Some(length)) => values.extend(std::iter::repeat_n(Value::Null, length)),
            (value, None) => values.push(value.clone()),
        }
    }
    // What stands for a missing value, which JSON says as null.
    let mark = match &input["missing"] {
        Value::String(mark) if mark == "NaN" => Value::Null,
        Value::String(mark) if input["type"] == "string" => json!(mark),
        Value::String(mark) => serde_json::from_str(mark)?,
        _ if values.contains(&Value::Null) => {
            return Err(format!("{name}: a value is missing, and nothing can stand for it").into());
        }
        _ => Value::Null,
    };
    values.iter_mut().filter(|value| value.is_null()).for_each(|value| *value = mark.clone());
    let floats = || values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN));
    let integers = || values.iter().map(|value| value.as_i64().unwrap_or_default());
    Ok(match input["type"].as_str().unwrap_or_default() {
        "float" => of(&shape, floats().map(|value| value as f32))?,
        "double" => of(&shape, floats())?,
        "float16" => of(&shape, floats().map(|value| value as f32))?.cast_to::<f16>()?.into_owned(),
        "bool" => of(&shape, values.iter().map(|value| value == &json!(true)))?,
        "string" => of(&shape, values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()))?,
        "int8" => of(&shape, integers().map(|value| value as i8))?,
        "int16" => of(&shape, integers().map(|value| value as i16))?,
        "int32" => of(&shape, integers().map(|value| value as i32))?,
        "int64" => of(&shape, integers())?,
        "uint8" => of(&shape, integers().map(|value| value as u8))?,
        "uint16" => of(&shape, integers().map(|value| value as u16))?,
        "uint32" => of(&shape, integers().map(|value| value as u32))?,
        "uint64" => of(&shape, values.iter().map(|value| value.as_u64().unwrap_or_default()))?,
        other => return Err(format!("{name}: {other} is not read here").into()),
    })
}

/// Values as a tensor of this shape.
fn of<T: Datum>(shape: &[usize], values: impl Iterator<Item = T>) -> TractResult<Tensor> {
    tensor1(&values.collect::<Vec<T>>()).into_shape(shape)
}

/// What each row got: a number, a decision, or a list.
fn by_row(values: &Tensor) -> TractResult<Vec<Value>> {
    let plain: Vec<Value> = match values.datum_type() {
        DatumType::Bool => values.to_plain_array_view::<bool>()?.iter().map(|&value| json!(value)).collect(),
        DatumType::F32 => values.to_plain_array_view::<f32>()?.iter().map(|&value| json!(value)).collect(),
        _ => {
            let values = values.cast_to::<f64>()?;
            values.to_plain_array_view::<f64>()?.iter().map(|&value| json!(value)).collect()
        }
    };
    Ok(match values.shape() {
        [_, width] => plain.chunks(*width).map(|row| json!(row)).collect(),
        _ => plain,
    })
}
