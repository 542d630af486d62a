//! A finished ONNX file.

#![forbid(unsafe_code)]

use std::path::Path;

use prost::Message;
use serde::Serialize;

use super::column::{ColumnInput, MissingMark};
use super::graph::GraphBuilder;
use super::schema::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::error::{OnnxFault, Result};
use crate::storage::{Target, commit_bytes};

/// The largest file, less than 2 GiB: protobuf's limit.
const MOST_BYTES: usize = i32::MAX as usize;

/// The version of `ai.onnx.ml`, since which a label encoder maps words to integers.
const ML_VERSION: i64 = 2;

/// A model as an ONNX file.
#[derive(Debug, Clone)]
pub struct OnnxFile {
    bytes: Vec<u8>,
    inputs: Vec<OnnxInput>,
    outputs: Vec<String>,
}

/// An input of an ONNX file: a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OnnxInput {
    /// The name of the column and of the input.
    pub name: String,
    /// The type of its elements, by its name in ONNX.
    #[serde(rename = "type")]
    pub element_type: String,
    /// The length of a list; the shape is `[rows, length]`, and `[rows]` of any other column.
    pub length: Option<usize>,
    /// What stands for a missing value, as text: `NaN`, an integer or a word. `None` if no value can be missing.
    pub missing: Option<String>,
    /// What the integers of a time count.
    pub unit: Option<&'static str>,
}

impl OnnxInput {
    pub(super) fn of(column: &ColumnInput) -> Self {
        let missing = match &column.missing {
            MissingMark::Nan => Some("NaN".to_owned()),
            MissingMark::Integer(mark) => Some(mark.to_string()),
            MissingMark::Word(word) => Some(word.clone()),
            MissingMark::Never => None,
        };
        let element_type = format!("{:?}", column.element_type).to_lowercase();
        Self { name: column.name.clone(), element_type, length: column.width, missing, unit: column.unit }
    }
}

impl OnnxFile {
    /// Encodes a graph as a file of operators of this version, with metadata.
    ///
    /// # Errors
    /// [`OnnxFault::TooLarge`].
    pub(super) fn new(
        graph: GraphBuilder,
        inputs: Vec<OnnxInput>,
        opset: usize,
        metadata: Vec<(String, String)>,
    ) -> Result<Self, OnnxFault> {
        let outputs = graph.outputs();
        let operators = [("", opset as i64), ("ai.onnx.ml", ML_VERSION)];
        let operators = operators.map(|(domain, version)| OperatorSetIdProto { domain: domain.to_owned(), version });
        let ir_version = match opset {
            ..15 => 7,
            15..19 => 8,
            19..21 => 9,
            21..23 => 10,
            23.. => 11,
        };
        let model = ModelProto {
            ir_version,
            producer_name: "vaepipe".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: "Latents and anomaly scores of the rows of a table".to_owned(),
            graph: Some(graph.finish("vaepipe")),
            opset_import: operators.into(),
            metadata_props: metadata.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect(),
        };
        if model.encoded_len() > MOST_BYTES {
            return Err(OnnxFault::TooLarge { bytes: model.encoded_len() as u64 });
        }
        Ok(Self { bytes: model.encode_to_vec(), inputs, outputs })
    }

    /// The bytes of the file. The same model and options give the same bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The inputs.
    pub fn inputs(&self) -> &[OnnxInput] {
        &self.inputs
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Writes the file atomically; replaces an existing one only if `force`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written, [`Error::TargetExists`](crate::Error::TargetExists), and
    /// [`Error::TargetNotFile`](crate::Error::TargetNotFile) if the path is a directory or device.
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        commit_bytes(&Target::check(path.as_ref(), force, [])?, &self.bytes)
    }
}
