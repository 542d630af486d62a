//! A graph in the making: nodes, constants, inputs and outputs, with names that say what they are.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use super::schema::{
    AttributeProto, AttributeType, DimensionProto, ElementType, Extent, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The dimension of the rows.
const ROWS: &str = "rows";

/// Constants of so many bytes at most are stored once, however often they are used.
const MOST_SHARED_BYTES: usize = 64;

/// The name of a tensor in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tensor(String);

/// An attribute of a node.
pub(super) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

/// A graph in the making.
#[derive(Default)]
pub(super) struct GraphBuilder {
    proto: GraphProto,
    /// What the nodes that are added are part of.
    section: String,
    /// How often each name is asked for.
    names: HashMap<String, usize>,
    /// Small constants, by type, shape and bytes.
    shared: HashMap<(ElementType, Vec<i64>, Vec<u8>), Tensor>,
    /// Weights, by the name that they are asked for.
    weights: HashMap<String, Tensor>,
}

impl GraphBuilder {
    /// Nodes that are added from now on are part of `section`, such as `encoder.0`.
    pub(super) fn section(&mut self, section: impl Into<String>) {
        self.section = section.into();
    }

    fn unique(&mut self, name: String) -> String {
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }

    /// An input `[rows]`, or `[rows, width]` of a list.
    pub(super) fn input(&mut self, name: &str, of: ElementType, width: Option<usize>, about: String) -> Tensor {
        self.names.insert(name.to_owned(), 1);
        self.proto.input.push(value_info(name, of, width, about));
        Tensor(name.to_owned())
    }

    /// Keeps a name for an output; `false` if an input has it.
    pub(super) fn reserve(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned(), 1).is_none()
    }

    /// Gives out a tensor `[rows]`, or `[rows, width]`, as `name`.
    pub(super) fn output(&mut self, name: &str, from: &Tensor, of: ElementType, width: Option<usize>, about: &str) {
        self.section = "output".to_owned();
        self.push("", "Identity", &[from], Vec::new(), name.to_owned());
        self.proto.output.push(value_info(name, of, width, about.to_owned()));
    }

    /// The names of the outputs.
    pub(super) fn outputs(&self) -> Vec<String> {
        self.proto.output.iter().map(|output| output.name.clone()).collect()
    }

    fn push(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[&Tensor],
        attributes: Vec<(&str, Attribute)>,
        output: String,
    ) -> Tensor {
        let name = format!("{}/{op}", self.section);
        let name = self.unique(name);
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|input| input.0.clone()).collect(),
            output: vec![output.clone()],
            name,
            op_type: op.to_owned(),
            attribute: attributes.into_iter().map(|(name, value)| value.named(name)).collect(),
            domain: domain.to_owned(),
        });
        Tensor(output)
    }

    /// Adds a node of one output.
    pub(super) fn op(&mut self, op: &str, inputs: &[&Tensor]) -> Tensor {
        self.op_with(op, inputs, Vec::new())
    }

    /// Adds a node of one output, with attributes.
    pub(super) fn op_with(&mut self, op: &str, inputs: &[&Tensor], attributes: Vec<(&str, Attribute)>) -> Tensor {
        let output = self.unique(format!("{}:{op}", self.section));
        self.push("", op, inputs, attributes, output)
    }

    /// Adds a node of the operators for machine learning, `ai.onnx.ml`.
    pub(super) fn ml_op(&mut self, op: &str, inputs: &[&Tensor], attributes: Vec<(&str, Attribute)>) -> Tensor {
        let output = self.unique(format!("{}:{op}", self.section));
        self.push("ai.onnx.ml", op, inputs, attributes, output)
    }

    /// Adds a node of two outputs.
    pub(super) fn op_of_two(
        &mut self,
        op: &str,
        inputs: &[&Tensor],
        attributes: Vec<(&str, Attribute)>,
    ) -> [Tensor; 2] {
        let first = self.op_with(op, inputs, attributes);
        let second = self.unique(format!("{}:{op}", self.section));
        if let Some(node) = self.proto.node.last_mut() {
            node.output.push(second.clone());
        }
        [first, Tensor(second)]
    }

    /// The tensor as another type.
    pub(super) fn cast(&mut self, from: &Tensor, to: ElementType) -> Tensor {
        self.op_with("Cast", &[from], vec![("to", Attribute::Int(to as i64))])
    }

    /// Tensors side by side, `[rows, widths]`; one as it is.
    pub(super) fn beside(&mut self, parts: &[Tensor]) -> Tensor {
        match parts {
            [one] => one.clone(),
            parts => {
                let parts: Vec<&Tensor> = parts.iter().collect();
                self.op_with("Concat", &parts, vec![("axis", Attribute::Int(1))])
            }
        }
    }

    /// `[rows]` as `[rows, 1]`.
    pub(super) fn column(&mut self, from: &Tensor) -> Tensor {
        let axis = self.ints(&[1]);
        self.op("Unsqueeze", &[from, &axis])
    }

    /// The sum over the last axis, which stays with the size 1 if it is kept.
    pub(super) fn sum(&mut self, from: &Tensor, keeps: bool) -> Tensor {
        let axis = self.ints(&[-1]);
        self.op_with("ReduceSum", &[from, &axis], vec![("keepdims", Attribute::Int(keeps.into()))])
    }

    /// Logits less the logarithm of the sum of their exponentials, over the last axis; as simple operators, since `LogSoftmax` of
    /// tract is -infinity where a probability underflows.
    pub(super) fn log_softmax(&mut self, logits: &Tensor) -> Tensor {
        // The largest is an attribute's matter up to version 17, and an input's from 18: one operator serves all.
        let one = self.ints(&[1]);
        let [most, _] = self.op_of_two("TopK", &[logits, &one], vec![("axis", Attribute::Int(-1))]);
        let below = self.op("Sub", &[logits, &most]);
        let powers = self.op("Exp", &[&below]);
        let sum = self.sum(&powers, true);
        let log = self.op("Log", &[&sum]);
        self.op("Sub", &[&below, &log])
    }

    /// Columns `from` to before `to` of `[rows, width]`.
    pub(super) fn columns(&mut self, all: &Tensor, from: usize, to: usize) -> Tensor {
        let [from, to, axis] = [from as i64, to as i64, 1].map(|n| self.ints(&[n]));
        self.op("Slice", &[all, &from, &to, &axis])
    }

    /// Rows of a table, or columns with axis 1, by their numbers.
    pub(super) fn gather(&mut self, table: &Tensor, at: &Tensor, axis: i64) -> Tensor {
        self.op_with("Gather", &[table, at], vec![("axis", Attribute::Int(axis))])
    }

    /// A constant `[n]` of 32-bit floats.
    pub(super) fn floats(&mut self, values: &[f32]) -> Tensor {
        self.float_table(values, &[values.len()])
    }

    /// A constant of 32-bit floats.
    pub(super) fn float_table(&mut self, values: &[f32], shape: &[usize]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(None, ElementType::Float, shape, bytes)
    }

    /// A constant of 32-bit floats with a name, which is stored once: a weight.
    pub(super) fn weight(&mut self, name: &str, values: &[f32], shape: &[usize]) -> Tensor {
        if let Some(known) = self.weights.get(name) {
            return known.clone();
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let weight = self.constant(Some(name), ElementType::Float, shape, bytes);
        self.weights.insert(name.to_owned(), weight.clone());
        weight
    }

    /// A constant `[n]` of 64-bit floats.
    pub(super) fn doubles(&mut self, values: &[f64]) -> Tensor {
        self.double_table(values, &[values.len()])
    }

    /// A constant of 64-bit floats.
    pub(super) fn double_table(&mut self, values: &[f64], shape: &[usize]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(None, ElementType::Double, shape, bytes)
    }

    /// A constant `[n]` of 64-bit integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(None, ElementType::Int64, &[values.len()], bytes)
    }

    fn constant(&mut self, name: Option<&str>, of: ElementType, shape: &[usize], bytes: Vec<u8>) -> Tensor {
        let dims: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let key = (name.is_none() && bytes.len() <= MOST_SHARED_BYTES).then(|| (of, dims.clone(), bytes.clone()));
        if let Some(known) = key.as_ref().and_then(|key| self.shared.get(key)) {
            return known.clone();
        }
        let name = name.map_or_else(|| format!("{}:constant", self.section), str::to_owned);
        let name = self.unique(name);
        let tensor = TensorProto { dims, data_type: of as i32, name: name.clone(), raw_data: bytes };
        self.proto.initializer.push(tensor);
        if let Some(key) = key {
            self.shared.insert(key, Tensor(name.clone()));
        }
        Tensor(name)
    }

    /// The finished graph.
    pub(super) fn finish(self, name: &str) -> GraphProto {
        GraphProto { name: name.to_owned(), ..self.proto }
    }
}

impl Attribute {
    fn named(self, name: &str) -> AttributeProto {
        let name = name.to_owned();
        let of = |r#type: AttributeType| AttributeProto { name, r#type: r#type as i32, ..AttributeProto::default() };
        match self {
            Self::Int(value) => AttributeProto { i: Some(value), ..of(AttributeType::Int) },
            Self::Ints(values) => AttributeProto { ints: values, ..of(AttributeType::Ints) },
            Self::Strings(values) => AttributeProto { strings: values, ..of(AttributeType::Strings) },
        }
    }
}

fn value_info(name: &str, of: ElementType, width: Option<usize>, about: String) -> ValueInfoProto {
    let dim = |value| DimensionProto { value: Some(value) };
    let rows = dim(Extent::DimParam(ROWS.to_owned()));
    let width = width.map(|width| dim(Extent::DimValue(width as i64)));
    let shape = TensorShapeProto { dim: [rows].into_iter().chain(width).collect() };
    let tensor_type = TensorTypeProto { elem_type: of as i32, shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor_type) });
    ValueInfoProto { name: name.to_owned(), r#type, doc_string: about }
}
