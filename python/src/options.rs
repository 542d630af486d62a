//! Keyword arguments as options: the flags of the program, with underscores.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyString};
use vaepipe::cli::embed::{OptionFault, OptionValue, Options, describe};

use crate::error::{option_exception, usage};

/// Reads keyword arguments by `read`; those that are `None` take their default.
pub(crate) fn read<T>(
    options: Option<&Bound<'_, PyDict>>,
    read: impl FnOnce(&Options) -> Result<T, OptionFault>,
) -> PyResult<T> {
    let mut all = Options::new();
    for (name, value) in options.into_iter().flatten() {
        if !value.is_none() {
            let name: String = name.extract()?;
            let value = value_of(&value).map_err(|error| usage(format!("{name}: {error}")))?;
            all.push((name, value));
        }
    }
    read(&all).map_err(option_exception)
}

/// The options of a command, as `(name, what it takes, words, help)`.
#[pyfunction]
pub(crate) fn options(command: &str) -> Vec<(String, &'static str, Vec<String>, String)> {
    describe(command).into_iter().map(|doc| (doc.name, doc.takes, doc.words, doc.help)).collect()
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<OptionValue> {
    if let Ok(switch) = value.cast::<PyBool>() {
        return Ok(OptionValue::Switch(switch.is_true()));
    }
    if let Ok(map) = value.cast::<PyDict>() {
        let pair = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok(format!("{}={}", key.str()?, word(&value)?));
        return Ok(OptionValue::Words(map.iter().map(pair).collect::<PyResult<_>>()?));
    }
    let is_word = value.is_instance_of::<PyString>() || value.hasattr("__fspath__")?;
    if !is_word && let Ok(items) = value.try_iter() {
        return Ok(OptionValue::Words(items.map(|item| word(&item?)).collect::<PyResult<_>>()?));
    }
    Ok(OptionValue::Words(vec![word(value)?]))
}

/// A value as the command line has it.
fn word(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.hasattr("__fspath__")? {
        return value.call_method0("__fspath__")?.extract();
    }
    // The shortest text that is the same number; that of numpy's own types is another.
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(number.value().to_string());
    }
    Ok(value.str()?.to_string())
}
