//! A small spec and what became of it, and the graphs of all specs.

use mtmdc::driver::check::check_files;
use mtmdc::graph::{Graph, build};
use mtmdc::source::Source;

/// A shop of two surfaces and two products.
pub const OLD: &str = r#"
model shop
surfaces from "surface" { feed = 0, search = 1 }
products from "product" { standard = "std", video = "vid" }
tasks {
  click from "hw_click" { embedding 16 }
  buy   from action "clicked" & "bought" { embedding 8, given click, on standard }
}
query {
  id       user    { rows 1_001, dim 8 }
  category country { values ["de", "fr"], dim 4, shallow }
  number   age     { log }
}
item {
  id     ad    { rows 1_000, dim 8 }
  id     shop  { rows 500, dim 4, vocabulary 2 }
  number price { log }
}
architecture { deep [16, 8], routing [8], shallow [8], shallow_width 4, cross { rank 2 } }
"#;

/// A surface is added and another renamed, a feature comes in, tables grow, a task goes.
pub fn new() -> String {
    OLD.replace(
        "feed = 0, search = 1",
        "home = 0, reels = 2 like home, pins = 3, search = 1",
    )
    .replace(
        "  buy   from action \"clicked\" & \"bought\" { embedding 8, given click, on standard }\n",
        "  like  from action \"liked\" { embedding 8 }\n",
    )
    .replace("rows 1_001", "rows 2_001")
    .replace("rows 1_000", "rows 1_500")
    .replace("rows 500", "rows 800")
    .replace("[\"de\", \"fr\"]", "[\"at\", \"de\", \"fr\"]")
    .replace(
        "  number   age     { log }",
        "  number   age     { log }\n  number   visits  { log, on search }",
    )
}

/// The graph of a text.
pub fn graph(text: &str) -> Graph {
    let read = |_: &str| Err("no files".to_owned());
    graph_of(Source::new("shop.mtmd", text), &read, None)
}

fn graph_of(
    source: Source,
    read: &dyn Fn(&str) -> Result<String, String>,
    variant: Option<&str>,
) -> Graph {
    let checked = check_files(source, read, &mtmdc::diagnostics::Levels::default());
    let spec = match variant {
        None => checked.spec,
        Some(name) => {
            let mut variants = checked.variants.into_iter();
            variants.find(|found| found.name == name).unwrap().spec
        }
    };
    build(&spec.unwrap_or_else(|| panic!("{:?}", checked.diagnostics)))
}

/// Every spec of the repository, with its variants.
pub fn graphs() -> Vec<Graph> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let mut paths: Vec<_> = std::fs::read_dir("specs").unwrap().collect();
    paths.sort_by_key(|entry| entry.as_ref().unwrap().path());
    let mut graphs = vec![];
    for entry in paths {
        let path = entry.unwrap().path().display().to_string();
        if !path.ends_with(".mtmd") {
            continue;
        }
        let source = || Source::new(&*path, read(&path).unwrap());
        let checked = check_files(source(), &read, &mtmdc::diagnostics::Levels::default());
        graphs.push(build(&checked.spec.unwrap()));
        for variant in checked.variants {
            graphs.push(graph_of(source(), &read, Some(&variant.name)));
        }
    }
    assert!(graphs.len() >= 6);
    graphs
}
