//! The repository's specs, compiled, and specs of any size.

use std::fs;
use std::path::{Path, PathBuf};

use mtmd_schema::Spec;
use mtmd_schema::plan::Plan;
use mtmdc::diagnostics::{Levels, render_text};
use mtmdc::driver::check::{Checked, check_files};
use mtmdc::graph::{Graph, build};
use mtmdc::plan::lower;
use mtmdc::source::Source;

/// A file of `specs/`.
#[derive(Debug, Clone)]
pub struct SpecFile {
    /// The name of the file without its ending, and of its model.
    pub name: String,
    /// The path from the repository's root, such as `specs/minimal.mtmd`.
    pub path: String,
    /// The whole file.
    pub text: String,
}

impl SpecFile {
    /// The file as the compiler reads it.
    pub fn source(&self) -> Source {
        Source::new(&*self.path, &*self.text)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names in a folder of the repository, sorted: of folders, or of files without their ending.
fn names(folder: &str, ending: Option<&str>) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| match ending {
        None => path.is_dir(),
        Some(ending) => path.extension().is_some_and(|found| found == ending),
    });
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = paths.map(name).collect();
    names.sort();
    names
}

fn files(folder: &str) -> Vec<SpecFile> {
    let file = |name: String| {
        let path = format!("{folder}/{name}.mtmd");
        let text = read(&path).unwrap();
        SpecFile { name, path, text }
    };
    let files = names(folder, Some("mtmd")).into_iter().map(file);
    files.collect()
}

/// Every spec of the repository, by name. Each has a folder in `generated/`, and there are no others.
pub fn all() -> Vec<SpecFile> {
    let specs = files("specs");
    let names: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
    assert_eq!(names, self::names("generated", None));
    specs
}

/// The files that specs use. They are not whole specs.
pub fn parts() -> Vec<SpecFile> {
    files("specs/common")
}

/// The spec of this name.
pub fn named(name: &str) -> SpecFile {
    let mut specs = all().into_iter();
    specs.find(|spec| spec.name == name).expect("a spec's name")
}

/// Reads a file by its path from the repository's root, as `check_files` and `compile_files` need it.
pub fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| error.to_string())
}

/// Checks a source. It may use files of the repository.
pub fn checked(source: Source) -> Checked {
    check_files(source, &read, &Levels::default())
}

/// Checks a source that must be without errors and warnings.
pub fn sound(source: Source) -> Spec {
    let checked = checked(source);
    let messages = render_text(&checked.source, &checked.diagnostics, false);
    assert!(messages.is_empty(), "{messages}\n{}", checked.source.text());
    checked.spec.expect("a whole spec")
}

/// The graph of a spec's text, which may have warnings. Files that it uses are in `specs/`.
pub fn graph(text: &str) -> Graph {
    let checked = checked(Source::new("specs/test.mtmd", text));
    let messages = render_text(&checked.source, &checked.diagnostics, false);
    build(&checked.spec.unwrap_or_else(|| panic!("{messages}")))
}

/// The graphs of every spec of the repository and of its variants.
pub fn graphs() -> Vec<Graph> {
    let of_file = |file: SpecFile| {
        let checked = checked(file.source());
        let variants = checked.variants.into_iter().map(|variant| variant.spec);
        let specs = [checked.spec].into_iter().chain(variants);
        specs.map(|spec| build(&spec.unwrap())).collect::<Vec<_>>()
    };
    all().into_iter().flat_map(of_file).collect()
}

/// The spec of a file's text and those of its variants, which may have warnings. Files that it uses are in the repository.
pub fn with_variants(path: &str, text: &str) -> Vec<Spec> {
    let checked = checked(Source::new(path, text));
    let messages = render_text(&checked.source, &checked.diagnostics, false);
    let variants = checked.variants.into_iter().map(|variant| variant.spec);
    let specs = [checked.spec].into_iter().chain(variants);
    let sound = |spec: Option<Spec>| spec.unwrap_or_else(|| panic!("{messages}"));
    specs.map(sound).collect()
}

/// The graph of a spec and its plan.
pub fn lowered_spec(spec: &Spec) -> (Graph, Plan) {
    let graph = build(spec);
    let plan = lower(&graph);
    (graph, plan)
}

/// The graph of a spec's text and its plan. Files that it uses are in `specs/`.
pub fn lowered(text: &str) -> (Graph, Plan) {
    let graph = graph(text);
    let plan = lower(&graph);
    (graph, plan)
}

/// The text of a spec with this many surfaces, products and tasks. Every tenth surface has a number that it shares with two
/// others, every tenth product its own.
pub fn large(surfaces: usize, products: usize, tasks: usize) -> String {
    let mut lines = vec!["model large".to_owned()];
    lines.push("surfaces from \"surface\" {".to_owned());
    lines.extend((0..surfaces).map(|id| format!("  s{id} = {id}")));
    lines.push("}\nproducts from \"product\" {".to_owned());
    lines.extend((0..products).map(|id| format!("  p{id} = {id}")));
    lines.push("}\ntasks {\n  t0 from \"hw_0\"".to_owned());
    lines.extend(
        (1..tasks).map(|id| format!("  t{id} from \"hw_{id}\" {{ embedding 32, given t0 }}")),
    );
    lines.push(
        "}\nquery {\n  id user_id { rows 100_000, dim 16 }\n  number clicks { log }".to_owned(),
    );
    for id in (0..surfaces).step_by(10) {
        let on: Vec<String> = (id..surfaces.min(id + 3))
            .map(|id| format!("s{id}"))
            .collect();
        lines.push(format!("  number own{id} {{ on [{}] }}", on.join(", ")));
    }
    lines.push("}\nitem {\n  id ad_id { rows 100_000, dim 16 }\n  number price { log }".to_owned());
    let own = (0..products).step_by(10);
    lines.extend(own.map(|id| format!("  number its_own{id} {{ on p{id} }}")));
    lines.push("}\n".to_owned());
    lines.join("\n")
}
