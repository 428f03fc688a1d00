//! The graphs of a model as ONNX files: one for each domain of a tower, from features to the tasks' vectors, and one for each
//! set of tasks that exists on a cell, from the vectors to probabilities.
//!
//! They are written from the plan's forward programs, in operators of opset 17. The weights stay in the exported
//! `model.safetensors`, to whose bytes the files refer.

mod columns;
mod graph;
mod heads;
mod inputs;
mod parameters;
mod program;
pub mod proto;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use prost::Message as _;

use crate::bug::bug;
use crate::error::{Error, Result};
use crate::export::slice::Slice;
use crate::params::{ParameterIndex, Reader};
use crate::schema::plan::{Program, View};
use crate::schema::{Compiled, DomainId, Schema, TableLookup, TaskId, Tower};
use columns::Columns;
use graph::{Dim, Graph};
use parameters::Parameters;
use program::Lowering;
use proto::{
    EXTERNAL, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};

/// Version of the operators.
pub const OPSET: i64 = 17;
/// Version of the file format.
const IR_VERSION: i64 = 8;
/// Bytes of weights in a file: a file of protobuf has less than 2^31, the graph among them.
const MOST_BYTES: usize = 2_000_000_000;

/// A graph, and the name of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxFile {
    /// Name of the file.
    pub name: String,
    /// What it computes.
    pub role: Role,
    graph: GraphProto,
}

/// What a graph computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// The vectors of a domain.
    Tower(Tower, DomainId),
    /// The probabilities of some tasks, those of these cells.
    Pair(Vec<TaskId>, Vec<(DomainId, DomainId)>),
}

/// How the values of weights are stored.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// In the weights file of this name, whose arrays are at these bytes.
    Beside(&'a str, &'a BTreeMap<String, Range<u64>>),
    /// In the ONNX file; they are read from the weights file at this path.
    Embedded(&'a Path),
}

/// The graphs of a slice.
pub fn files(
    model: &Compiled,
    index: &ParameterIndex<'_>,
    slice: &Slice,
    lookup: TableLookup,
) -> Vec<OnnxFile> {
    let towers = Tower::ALL.into_iter().flat_map(|tower| {
        let domains = slice.domains(tower).iter();
        domains.map(move |&domain| OnnxFile {
            name: format!(
                "{}.{}.onnx",
                tower.name(),
                domain_name(&model.schema, tower, domain)
            ),
            role: Role::Tower(tower, domain),
            graph: tower_graph(model, index, (tower, domain), slice, lookup),
        })
    });
    towers.chain(pairs(model, slice)).collect()
}

/// The name of a domain.
pub fn domain_name(schema: &Schema, tower: Tower, domain: DomainId) -> &str {
    &schema.axis(tower).domain(domain).name
}

/// The graph of a domain: an output `TASK.vector` for each task of the slice that it has.
fn tower_graph(
    model: &Compiled,
    index: &ParameterIndex<'_>,
    (tower, domain): (Tower, DomainId),
    slice: &Slice,
    lookup: TableLookup,
) -> GraphProto {
    let Compiled { schema, plan } = model;
    let (program, block) = program_of(model, tower, domain);
    let mut graph = Graph::default();
    let mut columns = Columns::new(program.buffers.len());
    let rows = inputs::add(&mut graph, &mut columns, (schema, tower), program, lookup);
    let parameters = Parameters::new(index, (tower, domain), (program, block));
    let mut lowering = Lowering {
        graph: &mut graph,
        columns,
        parameters: &parameters,
        rows,
        eps: plan.norm_eps,
    };
    lowering.forward(program);
    for output in program
        .outputs
        .iter()
        .filter(|it| slice.tasks.contains(&it.task))
    {
        let view = View {
            buffer: program.output,
            start: output.start,
            width: output.width,
        };
        let vector = lowering.read(view);
        let task = &schema.task(output.task).name;
        let dims = [Dim::batch(), Dim::Fixed(output.width)];
        let doc = format!("the {} vector of `{task}`", tower.name());
        lowering
            .graph
            .output(&format!("{task}.vector"), &vector, &dims, doc);
    }
    let name = format!("{}.{}", tower.name(), domain_name(schema, tower, domain));
    graph.finish(name)
}

/// The program of a domain, and the domain's block there.
fn program_of(model: &Compiled, tower: Tower, domain: DomainId) -> (&Program, usize) {
    let tower = model.plan.tower(tower);
    let place = tower.domains.get(domain.0);
    let program = place.and_then(|place| Some((tower.programs.get(place.program)?, place.block)));
    match program {
        Some(program) => program,
        None => bug!("domain {} has no program", domain.0),
    }
}

/// A graph for each set of tasks that exists on a cell of the slice: `pair.onnx`, or `pair.1.onnx` and so on.
fn pairs(model: &Compiled, slice: &Slice) -> Vec<OnnxFile> {
    let mut sets: BTreeMap<Vec<TaskId>, Vec<(DomainId, DomainId)>> = BTreeMap::new();
    for &surface in &slice.surfaces {
        for &product in &slice.products {
            let tasks = slice.tasks.iter().copied().filter(|task| {
                let task = model.schema.task(*task);
                task.is_on(Tower::Query, surface) && task.is_on(Tower::Item, product)
            });
            let tasks: Vec<TaskId> = tasks.collect();
            if !tasks.is_empty() {
                sets.entry(tasks).or_default().push((surface, product));
            }
        }
    }
    let one = sets.len() == 1;
    let file = |(number, (tasks, cells)): (usize, (Vec<TaskId>, _))| OnnxFile {
        name: match one {
            true => "pair.onnx".to_owned(),
            false => format!("pair.{number}.onnx"),
        },
        graph: heads::graph(model, &tasks),
        role: Role::Pair(tasks, cells),
    };
    (1..).zip(sets).map(file).collect()
}

impl OnnxFile {
    /// Keys of the arrays that the graph reads.
    pub fn keys(&self) -> BTreeSet<&str> {
        let stored = self
            .graph
            .initializer
            .iter()
            .filter(|tensor| is_stored(tensor));
        stored.map(|tensor| &*tensor.name).collect()
    }

    /// Writes the file into a folder. `metadata` is what it says of its model.
    ///
    /// # Errors
    /// A file that the system refuses, and embedded weights that are too large for one.
    pub fn write(
        mut self,
        folder: &Path,
        weights: Weights<'_>,
        metadata: &[(&str, &str)],
    ) -> Result<()> {
        let path = folder.join(&self.name);
        let mut stored = self
            .graph
            .initializer
            .iter_mut()
            .filter(|tensor| is_stored(tensor));
        match weights {
            Weights::Beside(location, places) => {
                stored.for_each(|tensor| refer(tensor, location, places));
            }
            Weights::Embedded(from) => {
                let bytes = stored
                    .by_ref()
                    .map(|tensor| 4 * elements(tensor))
                    .sum::<usize>();
                if bytes > MOST_BYTES {
                    return Err(too_large(&path, bytes));
                }
                let mut reader = Reader::open(from)?;
                let stored = self
                    .graph
                    .initializer
                    .iter_mut()
                    .filter(|tensor| is_stored(tensor));
                stored.for_each(|tensor| embed(tensor, &mut reader));
            }
        }
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "mtmdc".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: OPSET,
            }],
            metadata_props: metadata.iter().map(entry).collect(),
        };
        fs::write(&path, model.encode_to_vec())
            .map_err(|source| Error::file(&path, "write it", source))
    }
}

fn is_stored(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(EXTERNAL)
}

fn elements(tensor: &TensorProto) -> usize {
    tensor.dims.iter().map(|size| *size as usize).product()
}

/// Lets a tensor be bytes of the weights file.
fn refer(tensor: &mut TensorProto, location: &str, places: &BTreeMap<String, Range<u64>>) {
    let Some(place) = places.get(&tensor.name) else {
        bug!("`{}` is not written", tensor.name);
    };
    let length = place.end - place.start;
    let entries = [
        ("location", location.to_owned()),
        ("offset", place.start.to_string()),
        ("length", length.to_string()),
    ];
    let entries = entries.map(|(key, value)| StringStringEntryProto {
        key: key.to_owned(),
        value,
    });
    tensor.external_data = entries.to_vec();
}

/// Copies the values of the weights file into a tensor.
fn embed(tensor: &mut TensorProto, from: &mut Reader) {
    let shape: Vec<usize> = tensor.dims.iter().map(|size| *size as usize).collect();
    let mut bytes = Vec::with_capacity(4 * elements(tensor));
    let found = from.pieces(&tensor.name, &shape, |values| {
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    });
    if !found {
        bug!("`{}` is not written", tensor.name);
    }
    tensor.raw_data = Some(bytes);
    tensor.data_location = None;
}

fn too_large(path: &Path, bytes: usize) -> Error {
    Error::usage(
        path.display().to_string(),
        format!("{bytes} bytes of weights are too many for one ONNX file"),
        "omit `--embed`, or add `--tables outside`",
    )
}
