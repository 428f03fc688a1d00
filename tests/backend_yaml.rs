//! `graph.yaml` read by a YAML parser alone: the shapes of all weights follow from it, and with
//! them every number that the file states. Nothing here uses the compiler's own arithmetic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use serde_yaml::Value;
use std::collections::BTreeMap;
use support::specs::{self, SpecFile};

/// The committed graphs of all specs, with their names.
fn graphs() -> Vec<(String, String)> {
    let graph = |spec: SpecFile| {
        let path = format!("generated/{}/graph.yaml", spec.name);
        (spec.name, specs::read(&path).unwrap())
    };
    specs::all().into_iter().map(graph).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_sequence().unwrap().iter().map(number).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

fn names(value: &Value) -> Vec<&str> {
    list(value).map(|name| name.as_str().unwrap()).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_mapping()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.as_str().unwrap(), value))
}

/// Where a node has LayerNorm.
fn norm(node: &Value) -> &str {
    node.get("norm")
        .map_or("pre", |norm| norm.as_str().unwrap())
}

/// Shapes of the weight and the bias of a LayerNorm over a width.
fn layer_norm(node: &Value, width: u64) -> Vec<Vec<u64>> {
    match norm(node) {
        "none" => vec![],
        _ => vec![vec![width]; 2],
    }
}

/// Shapes of the weights of a node's FFN, and its output width.
fn ffn(node: &Value, widths: &str) -> (Vec<Vec<u64>>, u64) {
    let mut shapes = vec![];
    let mut last = number(&node["in"]);
    for width in numbers(&node[widths]) {
        shapes.extend([vec![width, last], vec![width]]);
        shapes.extend(layer_norm(node, width));
        last = width;
    }
    (shapes, last)
}

/// Shapes of the weights that a row meets in a node, by the definitions of the file.
fn shapes(node: &Value) -> Vec<Vec<u64>> {
    let (input, output) = (number(&node["in"]), number(&node["out"]));
    match node["kind"].as_str().unwrap() {
        "batch_norm" => vec![vec![output]; 2],
        "squeeze_excitation" => {
            let (fields, hidden) = (number(&node["fields"]), number(&node["hidden"]));
            vec![
                vec![hidden, fields],
                vec![hidden],
                vec![fields, hidden],
                vec![fields],
            ]
        }
        "ffn" | "domain_shared" => ffn(node, "widths").0,
        "routing" | "shallow" => {
            let (mut shapes, last) = ffn(node, "hidden");
            shapes.extend([vec![output, last], vec![output]]);
            shapes
        }
        "cross" => {
            let mut shapes = layer_norm(node, output);
            for _ in 0..number(&node["depth"]) {
                let rank = number(&node["rank"]);
                shapes.extend([vec![rank, output], vec![output, rank], vec![output]]);
            }
            shapes
        }
        "compose" => layer_norm(node, output),
        "mlp" => {
            let (shapes, last) = ffn(node, "widths");
            let width = if norm(node) == "pre" { input } else { last };
            [layer_norm(node, width), shapes].concat()
        }
        "linear" => vec![vec![output, input], vec![output]],
        "vector" | "missing" => vec![vec![output]],
        "concat" => vec![],
        kind => panic!("unknown kind {kind}"),
    }
}

fn parameters(node: &Value) -> u64 {
    let own = node["kind"] != "domain_shared";
    if own {
        shapes(node)
            .iter()
            .map(|shape| shape.iter().product::<u64>())
            .sum()
    } else {
        0
    }
}

fn flops(node: &Value) -> u64 {
    let matrices = shapes(node).into_iter().filter(|shape| shape.len() == 2);
    matrices
        .map(|shape| 2 * shape.iter().product::<u64>())
        .sum()
}

fn output(node: &Value) -> u64 {
    match node.get("widths") {
        Some(widths) => *numbers(widths).last().unwrap(),
        None => number(&node["out"]),
    }
}

/// Widths of a tower's features.
fn field_widths<'a>(graph: &'a Value, tower: &str) -> BTreeMap<&'a str, u64> {
    let dim = |feature: &Value| {
        let table = list(&graph["tables"]).find(|table| table["name"] == feature["table"]);
        number(&table.unwrap()["dim"])
    };
    let width = |feature: &Value| match feature["kind"].as_str().unwrap() {
        "embedded" => dim(feature),
        "vector" => number(&feature["width"]),
        "number" => 1,
        kind => panic!("unknown kind {kind}"),
    };
    let features = list(&graph[tower]["features"]);
    features
        .map(|feature| (feature["name"].as_str().unwrap(), width(feature)))
        .collect()
}

/// Checks a Domain Expert: its parameters and operations of a row.
fn check_expert(graph: &Value, tower: &str, expert: &Value) -> (u64, u64) {
    let fields = field_widths(graph, tower);
    let group = |name: &str| names(&expert[name]).iter().map(|name| fields[name]).sum();
    // Outputs of the nodes so far.
    let mut widths: BTreeMap<&str, u64> = BTreeMap::new();
    let missing = &graph[tower]["shared"]["missing"];
    let stand_in: u64 = names(&missing["features"])
        .iter()
        .map(|name| fields[name])
        .sum();
    assert_eq!(stand_in, number(&missing["out"]));
    let mut sums = (0, 0);
    for (path, node) in entries(&expert["nodes"]) {
        let features = names(&node["features"])
            .into_iter()
            .map(|name| fields[name]);
        let groups = names(&node["groups"]).into_iter().map(group);
        let inputs = names(&node["inputs"]).into_iter().map(|name| widths[name]);
        let inputs: Vec<u64> = inputs.collect();
        let summed = node.get("composition").is_some_and(|it| it == "sum");
        let read: u64 = match summed {
            true => {
                assert!(inputs.iter().all(|width| *width == inputs[0]), "{path}");
                inputs[0]
            }
            false => features.chain(groups).chain(inputs).sum(),
        };
        match node["kind"].as_str().unwrap() {
            "domain_shared" => {
                assert_eq!(number(&node["in"]), fields.values().sum::<u64>());
                let shared = names(&node["shared"]);
                let expert = &graph[tower]["shared"][shared[0]];
                assert_eq!(
                    (&expert["in"], &expert["widths"]),
                    (&node["in"], &node["widths"])
                );
                let missing = shared.get(1).copied();
                assert_eq!(missing.is_some(), stand_in > 0, "{path}");
                assert!(missing.is_none_or(|missing| missing == "missing"));
            }
            "vector" => {}
            "cross" | "compose" | "squeeze_excitation" | "batch_norm" | "concat" => {
                assert_eq!(read, number(&node["out"]), "{path}");
            }
            _ => assert_eq!(read, number(&node["in"]), "{path}"),
        }
        assert_eq!(parameters(node), number(&node["parameters"]), "{path}");
        assert_eq!(flops(node), number(&node["flops"]), "{path}");
        sums = (sums.0 + parameters(node), sums.1 + flops(node));
        widths.insert(path, output(node));
    }
    assert_eq!(widths["adapt"], number(&expert["width"]));
    assert_eq!(
        sums,
        (number(&expert["parameters"]), number(&expert["flops"]))
    );
    sums
}

#[test]
fn every_number_follows_from_the_shapes() {
    for (name, text) in graphs() {
        let graph: Value = serde_yaml::from_str(&text).unwrap();
        let mut dense = 0;
        for tower in ["query", "item"] {
            let mut worst = 0;
            for (_, node) in entries(&graph[tower]["shared"]) {
                assert_eq!(parameters(node), number(&node["parameters"]));
                dense += parameters(node);
            }
            for expert in list(&graph[tower]["experts"]) {
                let (parameters, flops) = check_expert(&graph, tower, expert);
                dense += parameters * names(&expert["domains"]).len() as u64;
                worst = worst.max(flops);
            }
            let stated = &graph["totals"]["flops"][format!("{tower}_row").as_str()];
            assert_eq!(worst, number(stated), "{name}");
        }
        for (_, head) in entries(&graph["heads"]) {
            let biases = u64::from(head.get("bias").is_none_or(|bias| bias != "none"));
            assert_eq!(biases, number(&head["parameters"]), "{name}");
            dense += biases;
        }
        let tables: u64 = list(&graph["tables"])
            .map(|table| number(&table["rows"]) * number(&table["dim"]))
            .sum();
        let stated = &graph["totals"]["parameters"];
        assert_eq!(dense, number(&stated["dense"]), "{name}");
        assert_eq!(tables, number(&stated["tables"]), "{name}");
        assert_eq!(dense + tables, number(&stated["all"]), "{name}");
    }
}

#[test]
fn every_domain_has_one_expert_with_its_features_and_tasks() {
    for (_, text) in graphs() {
        let graph: Value = serde_yaml::from_str(&text).unwrap();
        for (tower, axis) in [("query", "surfaces"), ("item", "products")] {
            let experts: Vec<&Value> = list(&graph[tower]["experts"]).collect();
            for domain in list(&graph[axis]["domains"]) {
                let domain = domain["name"].as_str().unwrap();
                let has = |expert: &&&Value| names(&expert["domains"]).contains(&domain);
                assert_eq!(experts.iter().filter(has).count(), 1);
                let expert = experts.iter().find(has).unwrap();
                let on = |holder: &&Value, key: &str| {
                    holder
                        .get(key)
                        .is_none_or(|domains| names(domains).contains(&domain))
                };
                let features = list(&graph[tower]["features"]).filter(|f| on(f, "domains"));
                let features: Vec<&str> = features.map(|f| f["name"].as_str().unwrap()).collect();
                let listed = ["embedded", "vectors", "numbers"].map(|key| names(&expert[key]));
                assert_eq!(listed.concat(), features);
                let tasks = list(&graph["tasks"]).filter(|task| on(task, axis));
                let tasks: Vec<&str> = tasks.map(|task| task["name"].as_str().unwrap()).collect();
                assert_eq!(names(&expert["tasks"]), tasks);
            }
        }
    }
}

#[test]
fn heads_and_served_bytes_follow_from_the_tasks() {
    for (_, text) in graphs() {
        let graph: Value = serde_yaml::from_str(&text).unwrap();
        let shallow = number(&graph["architecture"]["shallow_width"]);
        let mut served: BTreeMap<&str, u64> = BTreeMap::new();
        let mut cells = 0;
        for task in list(&graph["tasks"]) {
            let width = number(&task["embedding"]) + shallow;
            let head = &graph["heads"][task["name"].as_str().unwrap()];
            assert_eq!(
                (number(&head["in"]), number(&head["flops"])),
                (width, 2 * width)
            );
            assert_eq!(head.get("given"), task.get("given"));
            let all =
                |axis: &str| list(&graph[axis]["domains"]).map(|d| d["name"].as_str().unwrap());
            let on = |axis: &str| task.get(axis).map_or_else(|| all(axis).collect(), names);
            cells += on("surfaces").len() * on("products").len();
            for product in on("products") {
                *served.entry(product).or_default() += 4 * width;
            }
        }
        assert_eq!(cells as u64, number(&graph["totals"]["cells"]));
        let stated = entries(&graph["totals"]["bytes_per_item"]);
        assert!(
            stated
                .map(|(product, bytes)| (product, number(bytes)))
                .eq(served)
        );
    }
}

#[test]
fn constants_stand_in_it_once() {
    for (_, text) in graphs() {
        let constants: Value = serde_yaml::from_str(&text).unwrap();
        let constants = &constants["definitions"]["constants"];
        assert_eq!(constants["norm_eps"].as_f64(), Some(1e-5));
        assert_eq!(constants["leaky_relu_slope"].as_f64(), Some(0.2));
        assert_eq!(constants["batch_norm_momentum"].as_f64(), Some(0.1));
        for name in ["norm_eps:", "leaky_relu_slope:", "batch_norm_momentum:"] {
            assert_eq!(text.matches(name).count(), 1);
        }
    }
}
