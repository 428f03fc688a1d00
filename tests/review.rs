//! What helps a reviewer: the diff with the fates of weights, the pictures, the report.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/shop.rs"]
mod shop;

use mtmd_schema::transfer::Fate;
use mtmdc::graph::diff::{Diff, DimensionFit, Lineage, diff};
use mtmdc::graph::{Dim, Graph, NodeInput, NodeKind};
use shop::{OLD, graph, graphs, new};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use support::run::{Program, outcome};

#[test]
fn weights_add_up_to_the_parameters() {
    for graph in graphs() {
        let weights = graph.weights();
        let trained = weights.iter().filter(|weight| weight.trained);
        let sum: u128 = trained.map(mtmdc::graph::Weight::size).sum();
        assert_eq!(
            sum,
            graph.totals.dense + graph.totals.tables,
            "{}",
            graph.spec.name
        );
        let keys: BTreeSet<&str> = weights.iter().map(|weight| &*weight.key).collect();
        assert_eq!(keys.len(), weights.len());
    }
}

#[test]
fn a_spec_does_not_differ_from_itself() {
    for graph in graphs() {
        let found = diff(&graph, &graph);
        assert_eq!(found.changes, []);
        assert_eq!(found.fates.dropped, []);
        for planned in &found.fates.weights {
            let kept = matches!(&planned.lineage, Lineage::Copied { from, fate: Fate::Kept, .. }
                if *from == planned.weight.key);
            assert!(kept, "{planned:?}");
        }
    }
}

/// What a warm start relies on, for all pairs of models: pieces lie inside, nothing is copied to
/// one place twice, every old weight is continued or dropped.
#[test]
fn fates_are_whole() {
    let mut graphs = graphs();
    graphs.extend([graph(OLD), graph(&new())]);
    for old in &graphs {
        let shapes = old.weights();
        let shape = |key: &str| {
            let mut weights = shapes.iter();
            weights.find(|weight| weight.key == key).unwrap().shape()
        };
        for new in &graphs {
            let found = diff(old, new);
            let same = old.spec_hash == new.spec_hash;
            assert_eq!(
                found.changes.is_empty(),
                same,
                "{} {}",
                old.spec.name,
                new.spec.name
            );
            assert_eq!(found.fates.weights.len(), new.weights().len());
            let mut used = BTreeSet::new();
            for planned in &found.fates.weights {
                if let Lineage::Copied {
                    from, dims, fate, ..
                } = &planned.lineage
                {
                    let seeded = *fate == Fate::Seeded;
                    assert!(
                        seeded || used.insert(from.clone()),
                        "{from} is continued twice"
                    );
                    lies_inside(&shape(from), &planned.weight.shape(), dims);
                }
            }
            let dropped = found.fates.dropped.iter().map(|weight| &weight.key);
            let ends = used.iter().chain(dropped).collect::<BTreeSet<_>>();
            assert_eq!(ends.len(), shapes.len());
        }
    }
}

fn lies_inside(old: &[usize], new: &[usize], dims: &[DimensionFit]) {
    assert_eq!((old.len(), new.len()), (dims.len(), dims.len()));
    for ((old, new), fit) in old.iter().zip(new).zip(dims) {
        let DimensionFit::Pieces(pieces) = fit else {
            continue;
        };
        let mut filled = 0;
        for piece in pieces {
            assert!(piece.to >= filled && piece.width > 0);
            filled = piece.to + piece.width;
            assert!(
                filled <= *new && piece.from + piece.width <= *old,
                "{pieces:?}"
            );
        }
    }
}

fn lineage<'a>(found: &'a Diff, key: &str) -> &'a Lineage {
    let mut weights = found.fates.weights.iter();
    let planned = weights.find(|planned| planned.weight.key == key);
    &planned.unwrap_or_else(|| panic!("no weight {key}")).lineage
}

#[track_caller]
fn assert_fate(found: &Diff, key: &str, expected: Fate, source: &str) {
    match lineage(found, key) {
        Lineage::Copied { from, fate, .. } => assert_eq!((*fate, &**from), (expected, source)),
        Lineage::Fresh { note } => panic!("{key} is new: {note}"),
    }
}

#[test]
fn weights_go_where_they_belong() {
    let found = diff(&graph(OLD), &graph(&new()));
    let kept = "heads.click.bias";
    assert_fate(&found, kept, Fate::Kept, kept);
    // The surface `feed` is called `home`.
    assert_fate(
        &found,
        "query.home.click.deep.0.linear.weight",
        Fate::Renamed,
        "query.feed.click.deep.0.linear.weight",
    );
    // A feature comes in.
    let grown = "query.search.click.deep.0.linear.weight";
    assert_fate(&found, grown, Fate::Grown, grown);
    // Twice the rows of a hash: each row seeds two. Another count: values hash elsewhere.
    assert_fate(
        &found,
        "tables.user.weight",
        Fate::Grown,
        "tables.user.weight",
    );
    let fresh = |key: &str| matches!(lineage(&found, key), Lineage::Fresh { .. });
    assert!(fresh("tables.ad.weight"));
    assert!(fresh("query.pins.click.deep.0.linear.weight"));
    // The surface `reels` is like `home`, which was called `feed`.
    assert_fate(
        &found,
        "query.reels.click.deep.0.linear.weight",
        Fate::Seeded,
        "query.feed.click.deep.0.linear.weight",
    );
    // Rows of values are found by value.
    let Lineage::Copied { dims, .. } = lineage(&found, "tables.country.weight") else {
        panic!("the table of countries is new")
    };
    let DimensionFit::Pieces(pieces) = &dims[0] else {
        panic!("{dims:?}")
    };
    let places = pieces
        .iter()
        .map(|piece| (piece.to, piece.from, piece.width));
    let places: Vec<(usize, usize, usize)> = places.collect();
    assert_eq!(places, [(0, 0, 1), (2, 1, 2)]);
    let Lineage::Copied { dims, .. } = lineage(&found, "tables.shop.weight") else {
        panic!("the table of shops is new")
    };
    assert_eq!(dims[0], DimensionFit::ByValue { others: None });
    let dropped = found.fates.dropped.iter().map(|weight| &*weight.key);
    let dropped: Vec<&str> = dropped.collect();
    assert!(dropped.contains(&"heads.buy.bias") && dropped.contains(&"tables.ad.weight"));
    assert!(
        !dropped
            .iter()
            .any(|key| key.starts_with("query.feed.click"))
    );
}

/// A feature's name is its tower's alone: one that is renamed leaves the other tower as it is.
#[test]
fn a_feature_is_renamed_in_its_tower() {
    let old = OLD.replace("number   age     {", "number age from \"age\" {");
    let new = old
        .replace("number age from", "number ad from")
        .replace("id       user    {", "id reader from \"user\" {");
    let found = diff(&graph(&old), &graph(&new));
    let places = found.changes.iter().map(|change| &*change.place);
    assert_eq!(
        places.collect::<BTreeSet<_>>(),
        BTreeSet::from(["table reader", "query feature ad", "query feature reader"])
    );
    assert_eq!(found.fates.dropped, []);
    assert_fate(&found, "tables.ad.weight", Fate::Kept, "tables.ad.weight");
    assert_fate(
        &found,
        "tables.reader.weight",
        Fate::Renamed,
        "tables.user.weight",
    );
    for key in [
        "query.feed.click.deep.0.linear.weight",
        "item.video.click.deep.0.linear.weight",
    ] {
        assert_fate(&found, key, Fate::Kept, key);
    }
}

/// A new domain starts as the nearest one of its chain that the old model has.
#[test]
fn like_goes_on_to_a_domain_of_the_old_model() {
    let home = OLD.replace("feed = 0,", "home = 0,");
    let new = home.replace(
        "search = 1",
        "search = 1, reels = 2 like home, stories = 3 like reels, clips = 4 like stories",
    );
    // The second has renamed the end of the chain, the third has its middle already.
    for (old, clips) in [
        (&home, "home"),
        (&OLD.to_owned(), "feed"),
        (
            &home.replace("search = 1", "search = 1, stories = 3"),
            "stories",
        ),
    ] {
        let found = diff(&graph(old), &graph(&new));
        let key = |domain| format!("query.{domain}.click.deep.0.linear.weight");
        assert_fate(&found, &key("clips"), Fate::Seeded, &key(clips));
    }
}

/// Features, tasks and groups may share a name: every weight reads as many inputs as its node.
#[test]
fn names_of_features_and_tasks_do_not_change_what_a_node_reads() {
    let text = "model twins\nsurfaces from \"s\" { a = 0 }\nproducts from \"p\" { b = 0 }\n\
        tasks { click from \"c\" { embedding 6 }, numbers from \"n\" { embedding 5 } }\n\
        query { id task_shared { rows 9, dim 3, shallow }, id click { rows 9, dim 4, shallow }\n\
        id numbers { rows 9, dim 2, shallow }, id embedded { rows 9, dim 7, shallow }\n\
        number adapt {}, number vectors {} }\nitem { id ad { rows 9, dim 2 } }\n";
    let mut graphs = graphs();
    graphs.push(graph(text));
    for graph in graphs {
        let weights = graph.weights();
        let shapes = weights.iter().map(|weight| (&*weight.key, weight.shape()));
        let shapes: BTreeMap<&str, Vec<usize>> = shapes.collect();
        for (tower, axis) in [
            (&graph.query, &graph.spec.surfaces),
            (&graph.item, &graph.spec.products),
        ] {
            for expert in &tower.experts {
                let domain = &axis.domains[expert.domains[0].0].name;
                for node in &expert.nodes {
                    let input = match &node.kind {
                        NodeKind::Ffn(ffn) => ffn.input,
                        NodeKind::Routing(routing) => routing.hidden.input,
                        NodeKind::Shallow(shallow) => shallow.hidden.input,
                        NodeKind::Linear(linear) => linear.input,
                        _ => continue,
                    };
                    let node = node.role.path(&graph.spec);
                    let path = format!("{}.{domain}.{node}", tower.name());
                    let tensors = ["0.linear.weight", "output.weight", "weight"];
                    let mut keys = tensors.iter().map(|tensor| format!("{path}.{tensor}"));
                    let shape = keys.find_map(|key| shapes.get(&*key)).unwrap();
                    assert_eq!(shape[1], input, "{path}");
                }
            }
        }
    }
}

/// What comes in along the inputs is named as such, so that a warm start can begin at 0 there.
#[test]
fn inputs_and_units_are_told_apart() {
    let graph = graph(OLD);
    let weights = graph.weights();
    let first = "query.feed.click.deep.0.linear.weight";
    let first = weights.iter().find(|weight| weight.key == first).unwrap();
    assert!(matches!(&first.dims[..], [Dim::Units(_), Dim::Inputs(parts)] if parts.len() == 3));
}

#[test]
fn diffs_read_well() {
    let found = diff(&graph(OLD), &graph(&new()));
    insta::assert_snapshot!("diff_text", found.to_text());
    insta::assert_snapshot!("diff_markdown", found.to_markdown());
    let json: serde_json::Value = serde_json::from_str(&found.to_json()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(
        json["weights"].as_array().unwrap().len(),
        found.fates.weights.len()
    );
    let mut weights = json["weights"].as_array().unwrap().iter();
    let grown = weights.find(|weight| weight["key"] == "query.search.click.deep.0.linear.weight");
    insta::assert_snapshot!(
        "diff_weight",
        serde_json::to_string_pretty(grown.unwrap()).unwrap()
    );
}

#[test]
fn pictures_and_reports_read_well() {
    let graph = graph(OLD);
    insta::assert_snapshot!("dot", graph.to_dot());
    insta::assert_snapshot!("mermaid", graph.to_mermaid());
    insta::assert_snapshot!("report", graph.report_text());
    let html = graph.report_html();
    assert!(html.contains("<svg ") && !html.contains("http://www.w3.org/1999"));
    assert_eq!(
        html.matches("<table>").count(),
        html.matches("</table>").count()
    );
}

/// Names from specs cannot break out of the formats.
#[test]
fn every_spec_has_pictures_and_a_report() {
    for graph in graphs() {
        let dot = graph.to_dot();
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
        let mermaid = graph.to_mermaid();
        let opened = mermaid.matches("subgraph ").count();
        let closed = mermaid.lines().filter(|line| line.trim() == "end").count();
        assert_eq!(opened, closed);
        assert!(
            graph
                .report_markdown()
                .starts_with(&format!("# {}\n", graph.spec.name))
        );
    }
}

/// A picture shows what nodes read, however the features are named.
#[test]
fn features_named_like_nodes_do_not_change_a_picture() {
    let picture = |[first, second]: [&str; 2]| {
        let text = format!(
            "model twins\nsurfaces from \"s\" {{ a = 0 }}\nproducts from \"p\" {{ b = 0 }}\n\
             tasks {{ save from \"c\" {{}} }}\n\
             query {{ id {first} {{ rows 9, dim 4, shallow }}, id {second} {{ rows 9, dim 4, shallow }} }}\n\
             item {{ id ad {{ rows 9, dim 4 }} }}\n"
        );
        let graph = graph(&text);
        (graph.to_mermaid(), graph.to_dot())
    };
    assert_eq!(picture(["adapt", "save"]), picture(["user", "words"]));
}

/// A node reads only nodes before it, so a graph has no cycle.
#[test]
fn nodes_are_in_the_order_of_computation() {
    for graph in graphs() {
        let towers = [&graph.query, &graph.item].into_iter();
        for expert in towers.flat_map(|tower| &tower.experts) {
            for (place, node) in expert.nodes.iter().enumerate() {
                let scale = node.kind.scaled_by().map(NodeInput::Node);
                for input in node.inputs.iter().copied().chain(scale) {
                    let NodeInput::Node(id) = input else { continue };
                    assert!(id.0 < place, "{:?} reads {input:?}", node.role);
                }
            }
        }
    }
}

const MTMDC: Program = Program {
    exe: env!("CARGO_BIN_EXE_mtmdc"),
};

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let mut command = Command::new("git");
    let command = command.current_dir(folder).args(identity).args(arguments);
    let (code, _, stderr) = outcome(command);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn revisions_and_variants_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let specs = folder.join("specs");
    std::fs::create_dir_all(specs.join("parts")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(specs.join(name), text).unwrap();
    let (head, item) = OLD.split_once("item {").unwrap();
    let (item, tail) = item.split_once("}\narch").unwrap();
    let root = format!(
        "{head}use \"parts/item.mtmd\"\narch{tail}\nvariant wide {{ tasks {{ click {{ embedding 32 }} }} }}\n"
    );
    write("shop.mtmd", &root);
    write("parts/item.mtmd", &format!("item {{{item}}}\n"));
    git(folder, &["init", "-q"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "first"]);
    write(
        "parts/item.mtmd",
        &format!("item {{{item}  number stars {{}}\n}}\n"),
    );

    let diff = "diff specs/shop.mtmd --git HEAD --format json";
    let diff: Vec<&str> = diff.split(' ').collect();
    let found: serde_json::Value = serde_json::from_str(&MTMDC.ok(folder, &diff)).unwrap();
    let changes = found["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["place"], "item feature stars");
    // From another folder, and of a variant of both.
    let arguments = ["diff", "shop.mtmd", "--git", "HEAD", "--variant", "wide"];
    let text = MTMDC.ok(&specs, &arguments);
    assert!(
        text.contains("new: item feature stars") && !text.contains("embedding 16"),
        "{text}"
    );
    // A spec against its variant.
    let text = MTMDC.ok(&specs, &["diff", "shop.mtmd", "--variant", "wide"]);
    assert!(text.contains("task click: embedding 16 → 32"), "{text}");
    // Nothing to compare with, and a revision that is not there.
    assert_eq!(MTMDC.run(&specs, &["diff", "shop.mtmd"]).0, 2);
    let (code, _, stderr) = MTMDC.run(&specs, &["diff", "shop.mtmd", "--git", "nowhere"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("in revision `nowhere`"), "{stderr}");
}

/// The example of the book is what the command prints.
#[test]
fn the_book_s_diff_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("book/src/review.md")).unwrap();
    let (_, block) = page.split_once("```console\n$ mtmdc ").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    let (command, expected) = block.split_once('\n').unwrap();
    let arguments: Vec<&str> = command.split(' ').collect();
    let printed = MTMDC.ok(root, &arguments);
    assert!(
        printed.trim_end() == expected,
        "put this into book/src/review.md:\n{printed}"
    );
}

/// However many Domain Experts and fields there are, a picture has so much to show.
#[test]
fn pictures_fold_what_is_many() {
    let domains: Vec<String> = (0..40).map(|index| format!("s{index} = {index}")).collect();
    let features = (0..40).map(|index| format!("  number n{index} {{ on s{index} }}\n"));
    let vectors = (0..60).map(|index| format!("  vector image_{index} 4\n"));
    let text = format!(
        "model many\nsurfaces from \"s\" {{ {} }}\nproducts from \"p\" {{ a = 0 }}\n\
         tasks {{ t from \"l\" {{}} }}\nquery {{\n{}}}\nitem {{\n{}}}\n",
        domains.join(", "),
        features.collect::<String>(),
        vectors.collect::<String>()
    );
    let graph = graph(&text);
    assert_eq!(graph.query.experts.len(), 40);
    let svg = graph.to_svg();
    assert!(svg.contains("25 more Domain Experts"));
    assert!(!svg.contains(">image_9<") && svg.contains(">image_10<"));
    assert!(graph.to_dot().contains("and 25 more"));
    assert!(graph.to_mermaid().contains("and 25 more"));
}

/// What a folder of weights tells of them is enough for the plan of a warm start.
#[test]
fn a_graph_is_read_back_from_its_file() {
    let mut graphs = graphs();
    graphs.extend([graph(OLD), graph(&new())]);
    for written in &graphs {
        let files = |table: &str| {
            let table = written.spec.tables.iter().find(|it| it.name == table)?;
            match &table.index {
                mtmdc::sema::spec::Index::Lines { lines, .. } => Some(lines.to_string()),
                _ => None,
            }
        };
        let read = Graph::from_yaml(&written.to_yaml(), &files).unwrap();
        assert_eq!(read.spec_hash, written.spec_hash);
        assert_eq!(mtmdc::graph::meaning_hash(&read.spec), written.spec_hash);
        assert_eq!(read.weights(), written.weights(), "{}", written.spec.name);
        let found = diff(&read, written);
        assert_eq!((&*found.changes, &*found.fates.dropped), (&[][..], &[][..]));
    }
}

#[test]
fn a_graph_file_that_was_edited_is_refused() {
    let written = graph(OLD);
    let read = |text: &str| Graph::from_yaml(text, &|_| None).unwrap_err();
    let yaml = written.to_yaml();
    assert!(read(&yaml.replace("dim: 8", "dim: 6")).contains("edited"));
    assert!(read(&yaml.replace("mtmd: 2", "mtmd: 3")).contains("layout 3"));
    assert!(read("surfaces: [").contains("line"));
    assert!(read(&yaml.replace("\ntasks:", "\nnothing:")).contains("tasks"));
}

/// The nodes of a file are compared with those that this version builds from its declarations.
#[test]
fn a_graph_file_with_other_nodes_is_refused() {
    let written = graph(OLD);
    let yaml = written.to_yaml();
    let refused = |from: &str, to: &str| {
        let edited = yaml.replacen(from, to, 1);
        assert!(edited != yaml, "{from}");
        Graph::from_yaml(&edited, &|_| None).unwrap_err()
    };
    let version = refused("blocks: 1", "blocks: 2");
    assert!(
        version.contains("version 2") && version.contains("version 1"),
        "{version}"
    );
    for (from, to, found) in [
        (
            "expert: { kind: ffn, in: 13, widths: [16, 8]",
            "expert: { kind: ffn, in: 13, widths: [16, 9]",
            "`query.shared.expert.widths` is [16, 9], but this version writes [16, 8]",
        ),
        (
            "click.deep: { kind: ffn, inputs: [adapt]",
            "click.deep: { kind: ffn, inputs: [task_shared]",
            "`query.experts.feed.nodes.click.deep.inputs` is [task_shared], but this version writes [adapt]",
        ),
        (
            "click.shallow: { kind: shallow, features: [country]",
            "click.shallow: { kind: shallow, inputs: [country]",
            "`query.experts.feed.nodes.click.shallow.features` is missing, but this version writes [country]",
        ),
        (
            "buy.shallow: {",
            "buy.deeper: {",
            "`query.experts.feed.nodes.buy.shallow` is missing, but this version writes a mapping",
        ),
        (
            "task_shared: {",
            "task_shared2: { kind: concat, out: 1 }\n        task_shared: {",
            "`query.experts.feed.nodes.task_shared2` is a mapping, but this version writes no such entry",
        ),
        (
            "vectors: []",
            "vectors: [country]",
            "`query.experts.feed.vectors` is [country], but this version writes []",
        ),
        (
            "  click: { in: 20,",
            "  click: { in: 20, scale: none,",
            "`heads.click.scale` is none, but this version writes no such entry",
        ),
        (
            "\ntotals:\n  cells: 6",
            "\ntotals:\n  cells: 7",
            "`totals.cells` is 7, but this version writes 6",
        ),
        (
            "\ntotals:",
            "\nnote: mine\n\ntotals:",
            "`note` is mine, but this version writes no such entry",
        ),
        (
            "\nquery:",
            "\nbudget:\n  parametres: 5\n  candidates: 1000\n\nquery:",
            "`budget`: `parametres` is unknown",
        ),
        (
            "\nquery:",
            "\nbudget:\n  candidates: 1000\n\nquery:",
            "`budget` is a mapping, but this version writes no such entry",
        ),
        (
            "shallow: true }",
            "shalow: true }",
            "`country` of `features`: `shalow` is unknown",
        ),
        (
            "depth: 1",
            "dept: 1",
            "`architecture`: `expert`: `dept` is unknown",
        ),
    ] {
        let message = refused(from, to);
        assert_eq!(
            message,
            format!("{found}: it was edited, or another version wrote it")
        );
    }
}

/// An override contains what differs, and nothing else.
#[test]
fn an_unknown_entry_of_an_override_is_refused() {
    let written = graph(&format!(
        "{OLD}\narchitecture on feed {{ task_shared 2 }}\n"
    ));
    let yaml = written.to_yaml();
    let edited = yaml.replacen(
        "expert: { task_shared: 2 }",
        "expert: { task_shared: 2, rnk: 3 }",
        1,
    );
    assert!(edited != yaml);
    assert_eq!(
        Graph::from_yaml(&edited, &|_| None).unwrap_err(),
        "`architecture.overrides.feed.expert.rnk` is 3, but this version writes no such entry: \
         it was edited, or another version wrote it"
    );
}

/// A value of another type is reported by its place.
#[test]
fn a_graph_file_with_other_types_is_refused() {
    let yaml = graph(OLD).to_yaml();
    for (from, to, found) in [
        (
            "rows: 1000,",
            "rows: many,",
            "`ad` of `tables`: `rows` is not a whole number",
        ),
        (
            "- { name: feed,",
            "- { name: 7,",
            "a `name` in `surfaces.domains` is not a string",
        ),
        (
            "\nspec_hash: \"",
            "\nspec_hash: [] # \"",
            "`spec_hash` is not a string",
        ),
        (
            "\n  expert:\n",
            "\n  export:\n",
            "`expert` of `architecture` is not a mapping",
        ),
    ] {
        let edited = yaml.replacen(from, to, 1);
        assert!(edited != yaml, "{from}");
        assert_eq!(Graph::from_yaml(&edited, &|_| None).unwrap_err(), found);
    }
}

/// What a node reads is told apart by its key, not by its name.
#[test]
fn features_and_nodes_of_one_name_are_told_apart_in_the_file() {
    let text = "model twins\nsurfaces from \"s\" { a = 0 }\nproducts from \"p\" { b = 0 }\n\
        tasks { save from \"c\" {} }\n\
        query { id adapt { rows 9, dim 4, shallow }, id save { rows 9, dim 4, shallow } }\n\
        item { id ad { rows 9, dim 4 } }\n";
    let yaml: serde_yaml::Value = serde_yaml::from_str(&graph(text).to_yaml()).unwrap();
    let nodes = &yaml["query"]["experts"][0]["nodes"];
    let names = |node: &str, key: &str| {
        let list = nodes[node].get(key).and_then(|list| list.as_sequence());
        let names = list.map(|list| list.iter().map(|name| name.as_str().unwrap()));
        names.map(Vec::from_iter)
    };
    assert_eq!(
        names("save.shallow", "features"),
        Some(vec!["adapt", "save"])
    );
    assert_eq!(names("save.shallow", "inputs"), None);
    assert_eq!(names("save.deep", "inputs"), Some(vec!["adapt"]));
    assert_eq!(names("save.deep", "features"), None);
}

/// Weights fit a spec that trains or judges in another way, and no other.
#[test]
fn the_weights_hash_is_that_of_what_the_weights_mean() {
    let hash = |text: &str| graph(text).weights_hash;
    let same = [
        OLD.replace("model shop", "model other"),
        format!("{OLD}\ntraining {{ epochs 7, dense {{ lr 1e-4 }} }}"),
        format!("{OLD}\nrows {{ bad skip }}\nevaluation {{ buckets 5 }}"),
        format!("{OLD}\nsplit by \"day\" {{ train 1 .. 5, test 6 }}"),
    ];
    for text in same {
        assert_ne!(graph(&text).spec_hash, graph(OLD).spec_hash, "{text}");
        assert_eq!(hash(&text), hash(OLD), "{text}");
    }
    assert_ne!(hash(&new()), hash(OLD));
    let different = [
        ("log", "clip [0, 9]"),
        ("dim 8", "dim 12"),
        ("rows 1_001", "rows 1_003"),
        ("= 0", "= 7"),
    ];
    for (from, to) in different {
        let text = OLD.replacen(from, to, 1);
        assert_ne!(text, OLD, "{from}");
        assert_ne!(hash(&text), hash(OLD), "{from} → {to}");
    }
}
