//! A graph on its way into an ONNX file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message as _;

use super::proto::{
    AttributeProto, DimensionProto, EXTERNAL, FLOAT, GraphProto, INT64, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::bug::bug;

/// A value of a graph, by its name. Names that the graph makes start with `/`, which no name of a spec and no key has.
pub type Value = String;

/// A dimension of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A size.
    Fixed(usize),
    /// A size that is known when the graph runs.
    Named(String),
}

/// The name of the dimension of rows.
pub const BATCH: &str = "batch";

impl Dim {
    /// The rows.
    pub fn batch() -> Self {
        Self::Named(BATCH.to_owned())
    }
}

/// A graph that is being built.
///
/// A node that is added twice, or a constant, is there once. What no output needs is left out when the graph is
/// [finished](Graph::finish).
#[derive(Debug, Default)]
pub struct Graph {
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    nodes: Vec<NodeProto>,
    /// Constants and weights, by name.
    initializers: BTreeMap<Value, TensorProto>,
    /// Names of nodes' outputs and of constants, by their encoding without a name.
    known: HashMap<Vec<u8>, Value>,
    /// By output, index of the node that makes it.
    makers: HashMap<Value, usize>,
}

impl Graph {
    /// Adds an input.
    pub fn input(&mut self, name: &str, elements: i32, dims: &[Dim], doc: String) -> Value {
        self.inputs.push(value_info(name, elements, dims, doc));
        name.to_owned()
    }

    /// Adds an output of float32, which gets the value.
    pub fn output(&mut self, name: &str, value: &str, dims: &[Dim], doc: String) {
        self.nodes.push(NodeProto {
            input: vec![value.to_owned()],
            output: vec![name.to_owned()],
            name: format!("/output/{name}"),
            op_type: "Identity".to_owned(),
            attribute: vec![],
        });
        self.outputs.push(value_info(name, FLOAT, dims, doc));
    }

    /// A float32 array of the weights file.
    pub fn weight(&mut self, key: &str, shape: &[usize]) -> Value {
        let tensor = TensorProto {
            data_location: Some(EXTERNAL),
            ..tensor(FLOAT, shape)
        };
        let known = self.initializers.entry(key.to_owned());
        known.or_insert(TensorProto {
            name: key.to_owned(),
            ..tensor
        });
        key.to_owned()
    }

    /// A constant of whole numbers.
    pub fn ints(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let raw_data = Some(bytes.collect());
        self.constant(TensorProto {
            raw_data,
            ..tensor(INT64, &[values.len()])
        })
    }

    /// A constant of numbers; without dimensions, a scalar.
    pub fn floats(&mut self, values: &[f32], shape: &[usize]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let raw_data = Some(bytes.collect());
        self.constant(TensorProto {
            raw_data,
            ..tensor(FLOAT, shape)
        })
    }

    fn constant(&mut self, tensor: TensorProto) -> Value {
        let next = format!("/constant_{}", self.initializers.len());
        let name = self.known.entry(tensor.encode_to_vec()).or_insert(next);
        let named = TensorProto {
            name: name.clone(),
            ..tensor
        };
        self.initializers.entry(name.clone()).or_insert(named);
        name.clone()
    }

    /// Adds a node with one output, which it returns.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[AttributeProto]) -> Value {
        let node = NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            op_type: op.to_owned(),
            attribute: attributes.to_vec(),
            ..NodeProto::default()
        };
        let key = node.encode_to_vec();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let name = format!("/{op}_{}", self.nodes.len());
        self.known.insert(key, name.clone());
        self.makers.insert(name.clone(), self.nodes.len());
        self.nodes.push(NodeProto {
            name: name.clone(),
            output: vec![name.clone()],
            ..node
        });
        name
    }

    /// The node that makes a value; `None` for inputs and initializers.
    pub fn maker(&self, value: &str) -> Option<&NodeProto> {
        self.nodes.get(*self.makers.get(value)?)
    }

    /// The graph, without what no output needs.
    pub fn finish(self, name: String) -> GraphProto {
        let mut needed: BTreeSet<Value> =
            self.outputs.iter().map(|info| info.name.clone()).collect();
        let mut nodes = self.nodes;
        nodes.reverse();
        nodes.retain(|node| {
            let wanted = node.output.iter().any(|output| needed.contains(output));
            if wanted {
                needed.extend(node.input.iter().cloned());
            }
            wanted
        });
        nodes.reverse();
        let mut inputs = self.inputs;
        inputs.retain(|info| needed.contains(&info.name));
        let initializers = self.initializers.into_values();
        GraphProto {
            node: nodes,
            name,
            initializer: initializers
                .filter(|tensor| needed.contains(&tensor.name))
                .collect(),
            input: inputs,
            output: self.outputs,
        }
    }
}

/// A whole number as the setting of an operator.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        f: None,
        kind: 2,
    }
}

/// A float as the setting of an operator.
pub fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(value as f32),
        i: None,
        kind: 1,
    }
}

fn tensor(data_type: i32, shape: &[usize]) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|size| int64(*size)).collect(),
        data_type,
        ..TensorProto::default()
    }
}

/// A size as ONNX has it.
pub fn int64(size: usize) -> i64 {
    match i64::try_from(size) {
        Ok(size) => size,
        Err(_) => bug!("a size of {size}"),
    }
}

fn value_info(name: &str, elements: i32, dims: &[Dim], doc_string: String) -> ValueInfoProto {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => DimensionProto {
            dim_value: Some(int64(*size)),
            dim_param: None,
        },
        Dim::Named(name) => DimensionProto {
            dim_value: None,
            dim_param: Some(name.clone()),
        },
    };
    let shape = TensorShapeProto {
        dim: dims.iter().map(dim).collect(),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: elements,
                shape: Some(shape),
            }),
        }),
        doc_string,
    }
}
