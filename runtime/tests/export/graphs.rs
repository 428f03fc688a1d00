//! The ONNX files' structure.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mtmd::export::onnx::proto::{
    FLOAT, GraphProto, INT64, ModelProto, TensorProto, ValueInfoProto,
};
use mtmd::export::{Settings, onnx::OPSET};
use mtmd::schema::{Compiled, FeatureKind, Input, TableLookup, Tower};
use prost::Message as _;

use crate::models::{Model, WHOLE, of_architectures, of_inputs, of_specs};
use crate::weights::arrays;

/// The model in a file.
pub fn read(path: &Path) -> ModelProto {
    let bytes = fs::read(path).expect("a file");
    ModelProto::decode(&*bytes).expect("an ONNX file")
}

/// Name, type of elements and shape of an input or output, as in `ad: 7 [batch]`.
fn show(info: &ValueInfoProto) -> String {
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|it| it.tensor_type.as_ref())
        .expect("a tensor");
    let dims = tensor
        .shape
        .as_ref()
        .expect("a shape")
        .dim
        .iter()
        .map(|dim| match (&dim.dim_param, dim.dim_value) {
            (Some(name), None) => name.clone(),
            (None, Some(size)) => size.to_string(),
            both => panic!("{both:?}"),
        });
    let dims: Vec<String> = dims.collect();
    format!("{}: {} [{}]", info.name, tensor.elem_type, dims.join(", "))
}

fn shown(infos: &[ValueInfoProto]) -> BTreeSet<String> {
    infos.iter().map(show).collect()
}

/// The inputs that a domain's graph must have.
fn expected_inputs(
    model: &Compiled,
    tower: Tower,
    domain: usize,
    lookup: TableLookup,
) -> BTreeSet<String> {
    let mut inputs = BTreeSet::new();
    let features = model.schema.features(tower).iter();
    for feature in features.filter(|feature| feature.domains.iter().any(|it| it.0 == domain)) {
        let name = &feature.name;
        let input = match (&feature.kind, lookup) {
            (FeatureKind::Embedded { table, .. }, TableLookup::Outside) => {
                format!(
                    "{name}: {FLOAT} [batch, {}]",
                    model.schema.table(*table).dim
                )
            }
            (FeatureKind::Embedded { input, .. }, TableLookup::Inside) => match input {
                Input::One { .. } | Input::Buckets { .. } => format!("{name}: {INT64} [batch]"),
                Input::List { weights, .. } => {
                    let length = format!("[batch, {name}.length]");
                    if weights.is_some() {
                        inputs.insert(format!("{name}.weights: {FLOAT} {length}"));
                    }
                    format!("{name}: {INT64} {length}")
                }
            },
            (FeatureKind::Vector { width }, _) => format!("{name}: {FLOAT} [batch, {width}]"),
            (FeatureKind::Number(_), _) => format!("{name}: {FLOAT} [batch]"),
        };
        inputs.insert(input);
    }
    inputs
}

/// Every value is made before it is read, once; every tensor refers to its whole array in the weights file, or holds it.
fn check_graph(graph: &GraphProto, folder: &Path, embed: bool) -> BTreeSet<String> {
    let weights = arrays(&folder.join("model.safetensors"));
    let bytes = fs::read(folder.join("model.safetensors")).expect("weights");
    let inputs = graph.input.iter().map(|info| &info.name);
    let tensors = graph.initializer.iter().map(|tensor| &tensor.name);
    let mut made: BTreeSet<&String> = BTreeSet::new();
    for name in inputs.chain(tensors) {
        assert!(made.insert(name), "{name} is made twice");
    }
    for node in &graph.node {
        for input in &node.input {
            assert!(made.contains(input), "{} reads {input}", node.name);
        }
        for output in &node.output {
            assert!(made.insert(output), "{output} is made twice");
        }
    }
    assert!(graph.output.iter().all(|info| made.contains(&info.name)));
    let mut keys = BTreeSet::new();
    for tensor in &graph.initializer {
        let Some((shape, values)) = weights.get(&tensor.name) else {
            assert!(tensor.name.starts_with("/constant_"), "{}", tensor.name);
            continue;
        };
        let dims: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        assert_eq!(
            (tensor.data_type, &tensor.dims),
            (FLOAT, &dims),
            "{}",
            tensor.name
        );
        let stored = match embed {
            true => tensor.raw_data.clone().expect("values"),
            false => external(tensor, &bytes),
        };
        let expected: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert!(stored == expected, "{} has other values", tensor.name);
        keys.insert(tensor.name.clone());
    }
    keys
}

/// The bytes that a tensor refers to.
fn external(tensor: &TensorProto, file: &[u8]) -> Vec<u8> {
    assert_eq!((tensor.data_location, &tensor.raw_data), (Some(1), &None));
    let entry = |name: &str| {
        let mut entries = tensor.external_data.iter();
        &entries
            .find(|entry| entry.key == name)
            .expect("an entry")
            .value
    };
    assert_eq!(entry("location"), "model.safetensors");
    let [offset, length] =
        ["offset", "length"].map(|name| entry(name).parse::<usize>().expect("a number"));
    file[offset..offset + length].to_vec()
}

/// All files of an export of a whole model.
fn check_export(model: &Model, name: &str, settings: Settings<'_>) {
    let folder = model.export(name, settings);
    let Compiled { schema, plan } = model.compiled;
    let mut keys = BTreeSet::new();
    for tower in Tower::ALL {
        for (domain, declared) in schema.axis(tower).domains.iter().enumerate() {
            let file = format!("{}.{}.onnx", tower.name(), declared.name);
            let read = read(&folder.join(&file));
            assert_eq!((read.ir_version, read.opset_import[0].version), (8, OPSET));
            let graph = read.graph.expect("a graph");
            let inputs = expected_inputs(model.compiled, tower, domain, settings.tables);
            assert_eq!(shown(&graph.input), inputs, "{file}");
            let place = plan.tower(tower).domains[domain];
            let outputs = plan.tower(tower).programs[place.program].outputs.iter();
            let outputs = outputs.map(|output| {
                let task = &schema.task(output.task).name;
                format!("{task}.vector: {FLOAT} [batch, {}]", output.width)
            });
            assert_eq!(shown(&graph.output), outputs.collect(), "{file}");
            keys.extend(check_graph(&graph, &folder, settings.embed));
        }
    }
    let entries = fs::read_dir(&folder).expect("a folder").flatten();
    let names = entries.map(|entry| entry.file_name().into_string().expect("a name"));
    for pair in names.filter(|name| name.starts_with("pair")) {
        let graph = read(&folder.join(pair)).graph.expect("a graph");
        keys.extend(check_graph(&graph, &folder, settings.embed));
    }
    let all = arrays(&folder.join("model.safetensors")).into_keys();
    let all =
        all.filter(|key| settings.tables == TableLookup::Inside || !key.starts_with("tables."));
    assert_eq!(
        keys,
        all.collect(),
        "{}: every array is read, and no other",
        schema.name
    );
}

#[test]
fn graphs_have_the_spec_s_inputs_and_tasks_and_all_weights() {
    let root = tempfile::tempdir().expect("a folder");
    for compiled in of_specs().into_iter().chain(of_architectures()) {
        let model = Model::new(root.path(), compiled, None);
        check_export(&model, "whole", WHOLE);
    }
}

#[test]
fn weights_may_be_embedded_and_tables_outside() {
    let root = tempfile::tempdir().expect("a folder");
    let model = Model::new(root.path(), of_inputs(), Some(crate::edges::rows()));
    check_export(
        &model,
        "embedded",
        Settings {
            embed: true,
            ..WHOLE
        },
    );
    let outside = Settings {
        tables: TableLookup::Outside,
        ..WHOLE
    };
    check_export(&model, "outside", outside);
}
