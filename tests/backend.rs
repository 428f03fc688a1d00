//! The back end on whole specs: graphs, generated crates, drawings.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use mtmdc::diagnostics::{Levels, render_text};
use mtmdc::driver::compile::{Artefacts, compile_files};
use mtmdc::graph::{Graph, Node, NodeInput, Role, TowerGraph};
use mtmdc::source::Source;
use serde_yaml::Value;
use std::fs;
use std::path::Path;
use support::rng::Rng;
use support::shuffle::shuffled;
use support::specs::{self, SpecFile};

/// Every kind of feature, vocabulary and cell, as small as can be.
const SMALL: &str = include_str!("backend/small.mtmd");

fn build(name: &str, text: &str) -> Artefacts {
    let source = Source::new(format!("specs/{name}.mtmd"), text);
    let outcome = compile_files(source, &specs::read, &Levels::default(), None);
    let rendered = render_text(&outcome.source, &outcome.diagnostics, false);
    outcome.artefacts.unwrap_or_else(|| panic!("{rendered}"))
}

fn graph(name: &str, text: &str) -> Graph {
    build(name, text).graph
}

/// Names and texts of all specs, and the small one.
fn texts() -> Vec<(String, String)> {
    let specs = specs::all().into_iter().map(|spec| (spec.name, spec.text));
    let small = ("small".to_owned(), SMALL.to_owned());
    specs.chain([small]).collect()
}

#[test]
fn the_committed_crates_are_what_the_specs_compile_to() {
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    for SpecFile { name, text, .. } in specs::all() {
        for file in build(&name, &text).files().unwrap() {
            let path = generated.join(&name).join(file.path);
            let committed = fs::read_to_string(&path).unwrap();
            assert!(
                committed == file.text,
                "{} is stale: run `mtmdc build specs/{name}.mtmd`",
                path.display()
            );
        }
    }
}

#[test]
fn a_small_drawing() {
    insta::assert_snapshot!("small_svg", graph("small", SMALL).to_svg());
}

#[test]
fn builds_are_deterministic() {
    for (name, text) in texts() {
        assert_eq!(
            build(&name, &text).files().unwrap(),
            build(&name, &text).files().unwrap()
        );
    }
}

#[test]
fn order_and_comments_do_not_change_the_graph() {
    for (name, text) in texts() {
        let source = Source::new(&*name, &*text);
        let shuffled = shuffled(&source, &mut Rng::new(5));
        assert_ne!(shuffled, text);
        let (graph, again) = (graph(&name, &text), graph(&name, &shuffled));
        assert_eq!(graph.to_yaml(), again.to_yaml());
        assert_eq!(graph.to_svg(), again.to_svg());
    }
}

#[test]
fn a_surface_like_another_changes_a_few_lines() {
    let old = specs::named("pinterest").text;
    let new = old.replace("home_feed    = 0", "home_feed    = 0\n  board        = 9");
    let (old, new) = (
        graph("pinterest", &old).to_yaml(),
        graph("pinterest", &new).to_yaml(),
    );
    let only = |a: &str, b: &str| {
        let mut rest: Vec<String> = b.lines().map(str::to_owned).collect();
        let mut only = vec![];
        for line in a.lines() {
            match rest.iter().position(|other| other == line) {
                Some(place) => drop(rest.remove(place)),
                None => only.push(line.to_owned()),
            }
        }
        only
    };
    let (removed, added) = (only(&old, &new), only(&new, &old));
    assert!(
        removed.len() <= 5 && added.len() <= 6,
        "-{removed:#?}\n+{added:#?}"
    );
    assert!(
        added.contains(&"    - domains: [board, home_feed]".to_owned()),
        "{added:#?}"
    );
}

#[test]
fn the_yaml_holds_the_whole_graph() {
    for (name, text) in texts() {
        let graph = graph(&name, &text);
        let yaml: Value = serde_yaml::from_str(&graph.to_yaml()).unwrap();
        assert_eq!(yaml["spec_hash"].as_str(), Some(graph.spec_hash.as_str()));
        for tower in [&graph.query, &graph.item] {
            let written = &yaml[tower.name()];
            assert_nodes(&graph, tower, &tower.shared, &written["shared"]);
            let experts = written["experts"].as_sequence().unwrap();
            assert_eq!(experts.len(), tower.experts.len());
            for (expert, written) in tower.experts.iter().zip(experts) {
                assert_nodes(&graph, tower, &expert.nodes, &written["nodes"]);
                assert_eq!(written["width"].as_u64(), Some(expert.width as u64));
                let domains = written["domains"].as_sequence().unwrap();
                assert_eq!(domains.len(), expert.domains.len());
            }
        }
    }
}

fn assert_nodes(graph: &Graph, tower: &TowerGraph, nodes: &[Node], written: &Value) {
    let written = written.as_mapping().unwrap();
    assert_eq!(nodes.len(), written.len());
    for (node, (path, written)) in nodes.iter().zip(written) {
        assert_eq!(path.as_str(), Some(&*node.role.path(&graph.spec)));
        let cost = |key: &str| u128::from(written[key].as_u64().unwrap_or_default());
        assert_eq!(cost("parameters"), node.cost.parameters);
        assert_eq!(cost("flops"), node.cost.flops);
        if node.role == Role::Missing {
            // What it replaces, not what it reads.
            let features = tower.select(&tower.missing).map(|field| &*field.name);
            let written = written["features"].as_sequence().unwrap().iter();
            assert!(features.eq(written.map(|name| name.as_str().unwrap())));
            continue;
        }
        let list = |key: &'static str| {
            let names = written.get(key).and_then(Value::as_sequence);
            let names = names.into_iter().flatten();
            names.map(move |name| (key, name.as_str().unwrap().to_owned()))
        };
        let mut inputs = list("features").chain(list("groups")).chain(list("inputs"));
        let mut shared = list("shared").filter(|(_, name)| name == "missing");
        for read in &node.inputs {
            let (key, name) = match read {
                NodeInput::Field(id) => ("features", tower.field(*id).name.clone()),
                NodeInput::Group(group) => ("groups", group.name().to_owned()),
                NodeInput::Node(id) => ("inputs", nodes[id.0].role.path(&graph.spec)),
                NodeInput::SharedMissing => ("shared", "missing".to_owned()),
            };
            let found = match read {
                NodeInput::SharedMissing => shared.next(),
                _ => inputs.next(),
            };
            assert_eq!(found, Some((key, name)));
        }
        assert_eq!((inputs.next(), shared.next()), (None, None));
    }
}

#[test]
fn mutilated_specs_never_panic() {
    let mut random = Rng::new(1);
    let mut compiled = 0;
    for (name, text) in texts() {
        let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
        for _ in 0..60 {
            let mut mutilated = words.clone();
            for _ in 0..=random.below(3) {
                let from = random.below(mutilated.len());
                let to = random.below(mutilated.len());
                match random.below(3) {
                    0 => drop(mutilated.remove(from)),
                    1 => mutilated.swap(from, to),
                    _ => mutilated.insert(from, random.pick(&words)),
                }
            }
            let source = Source::new(format!("specs/{name}.mtmd"), mutilated.concat());
            let outcome = compile_files(source, &specs::read, &Levels::default(), None);
            if let Some(artefacts) = outcome.artefacts {
                artefacts.files().unwrap();
                artefacts.graph.to_svg();
                compiled += 1;
            }
        }
    }
    assert!(compiled > 5, "the back end was hardly reached: {compiled}");
}

#[test]
fn the_spec_hash_is_that_of_the_meaning() {
    let hash = |text: &str| graph("pinterest", text).spec_hash;
    let text = specs::named("pinterest").text;
    let same = [
        format!("\n\n// a comment\n{text}"),
        text.replace("/// What the user typed.", ""),
        text.replace("model pinterest", "model pinterest\ndata \"elsewhere\""),
        format!("{text}\ntraining {{ epochs 2 }}"),
    ];
    for other in same {
        assert_eq!(hash(&text), hash(&other));
    }
    let different = [
        format!("{text}\ntraining {{ epochs 3 }}"),
        text.replace("weight 2.0", "weight 2.5"),
        text.replace("country        { rows 256", "country        { rows 255"),
        text.replace("model pinterest", "model pinterest_2"),
        text.replace("number   clicks_7d      { log }", "number   clicks_7d"),
        text.replace("search       = [2, 3]", "search       = [2, 4]"),
    ];
    for other in different {
        assert_ne!(text, other);
        assert_ne!(hash(&text), hash(&other));
    }
}

#[test]
fn hostile_strings_reach_the_data_unchanged() {
    let column = "a \"b\" \\ {{ c }} {% d %} # é\u{2028}: - 'x'";
    let quoted = column.replace('\\', "\\\\").replace('"', "\\\"");
    let text = specs::named("minimal").text;
    let text = text
        .replace("id user_id {", &format!("id user_id from \"{quoted}\" {{"))
        .replace(
            "model minimal",
            "/// `code` [link] <b> */ {{ x }}\n/// - item\nmodel minimal",
        );
    let artefacts = build("minimal", &text);
    let yaml: Value = serde_yaml::from_str(&artefacts.graph.to_yaml()).unwrap();
    assert_eq!(
        yaml["query"]["features"][0]["column"].as_str(),
        Some(column)
    );
    let schema = artefacts
        .files()
        .unwrap()
        .into_iter()
        .find(|file| file.path == "src/schema.rs")
        .unwrap();
    let literal = format!("{column:?}");
    assert!(
        schema.text.contains(&format!("column: text({literal})")),
        "{}",
        schema.text
    );
}

#[test]
fn drawings_have_room_for_many_tasks() {
    let chain = |i: usize| match i {
        0 => "t0 from action \"a0\"".to_owned(),
        i => format!("t{i} from action \"a{i}\" {{ given t{} }}", (i - 1) / 2),
    };
    let tasks: Vec<String> = (0..30).map(chain).collect();
    let text = specs::named("minimal").text;
    let text = text.replace("ctr from action \"is_click\"", &tasks.join("\n"));
    let svg = graph("minimal", &text).to_svg();
    assert!(svg.contains(">t29<") && svg.contains("σ(z) · P(t14)"));
}
