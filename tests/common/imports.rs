//! Which file of a crate imports which, read from the sources.
//!
//! A path is followed as the compiler follows it: through modules, and through the names that a `use` brings into a module,
//! so that an import of a re-exported name is one of the file that declares it. What a module takes from the modules below
//! it is left out: it declares them, and shows what they do as its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The segments of a path; of a module, from the crate's root.
type Segments = Vec<String>;

/// What a file says of other modules.
#[derive(Default)]
struct Module {
    /// Names that a `use` brings in, with their paths.
    names: BTreeMap<String, Segments>,
    /// Paths that the file names, but for those that it re-exports.
    paths: Vec<Segments>,
}

/// The modules of a crate, each a file.
pub struct Crate(BTreeMap<Segments, Module>);

impl Crate {
    pub fn read(source: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut folders = vec![source.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    modules.insert(module_of(source, &path), Module::read(&text));
                }
            }
        }
        Self(modules)
    }

    /// Files that import each other in circles, by module; each circle in order.
    pub fn circles(&self) -> BTreeSet<Vec<String>> {
        let graph: BTreeMap<&Segments, BTreeSet<&Segments>> = self
            .0
            .keys()
            .map(|module| (module, self.imports(module)))
            .collect();
        let reached: BTreeMap<&Segments, BTreeSet<&Segments>> = graph
            .keys()
            .map(|module| (*module, reach(&graph, module)))
            .collect();
        let circle = |module: &&Segments| {
            let round = reached[module].iter();
            let round = round.filter(|other| reached[**other].contains(module));
            round.map(|other| other.join("::")).collect::<Vec<_>>()
        };
        let circles = graph.keys().map(circle);
        circles.filter(|circle| circle.len() > 1).collect()
    }

    /// Number of imports, so that a test sees that some were found.
    pub fn count(&self) -> usize {
        self.0.keys().map(|module| self.imports(module).len()).sum()
    }

    fn imports(&self, module: &Segments) -> BTreeSet<&Segments> {
        let paths = self.0[module].paths.iter();
        let targets = paths.filter_map(|path| self.file_of(module, path));
        targets
            .filter(|target| !target.is_empty() && !target.starts_with(module))
            .collect()
    }

    /// The module whose file declares what a path names in a module; `None` for what another crate declares.
    fn file_of(&self, module: &Segments, path: &[String]) -> Option<&Segments> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.below(&vec![], rest),
            "self" => self.below(module, rest),
            "super" => {
                let parent = module.split_last()?.1.to_vec();
                match rest.first() {
                    Some(next) if next == "super" => self.file_of(&parent, rest),
                    _ => self.below(&parent, rest),
                }
            }
            _ if self.has(module, first) || self.binding(module, path).is_some() => {
                self.below(module, path)
            }
            _ => None,
        }
    }

    fn below(&self, module: &Segments, path: &[String]) -> Option<&Segments> {
        let (own, found) = self.0.get_key_value(module)?;
        let Some((first, rest)) = path.split_first() else {
            return Some(own);
        };
        if self.has(module, first) {
            let child = [&module[..], std::slice::from_ref(first)].concat();
            return self.below(&child, rest);
        }
        match found.names.get(first) {
            Some(target) if target.first() != Some(first) => {
                self.file_of(module, &[&target[..], rest].concat())
            }
            Some(_) => None,
            None => Some(own),
        }
    }

    fn has(&self, module: &Segments, child: &String) -> bool {
        let child = [&module[..], std::slice::from_ref(child)].concat();
        self.0.contains_key(&child)
    }

    fn binding(&self, module: &Segments, path: &[String]) -> Option<&Segments> {
        let target = self.0[module].names.get(path.first()?)?;
        (target.first() != path.first()).then_some(target)
    }
}

impl Module {
    fn read(text: &str) -> Self {
        let text = text.split("\nmod tests {").next().unwrap();
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.starts_with("//"));
        let mut module = Self::default();
        let mut rest = String::new();
        // A `use` and whether it is public, up to its semicolon.
        let mut open: Option<(bool, String)> = None;
        for line in lines {
            if open.is_none() {
                open = use_tree(line).map(|(public, _)| (public, String::new()));
                if open.is_none() {
                    rest.push_str(line);
                    rest.push('\n');
                    continue;
                }
            }
            let (_, tree) = open.as_mut().unwrap();
            tree.push_str(use_tree(line).map_or(line, |(_, tree)| tree));
            if line.ends_with(';') {
                let (public, tree) = open.take().unwrap();
                let mut leaves = vec![];
                flatten(&[], tree.trim_end_matches(';'), &mut leaves);
                for (path, name) in leaves {
                    module.names.insert(name, path.clone());
                    module.paths.extend((!public).then_some(path));
                }
            }
        }
        module.paths.extend(paths(&rest));
        module
    }
}

/// The tree of a `use` that starts on a line, and whether others see its names.
fn use_tree(line: &str) -> Option<(bool, &str)> {
    if let Some(tree) = line.strip_prefix("use ") {
        return Some((false, tree));
    }
    let rest = line.strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')')?.1,
        None => rest,
    };
    Some((true, rest.strip_prefix(" use ")?))
}

/// The paths of a `use` tree, each with the name that it brings in.
fn flatten(prefix: &[String], tree: &str, leaves: &mut Vec<(Segments, String)>) {
    let segments = |text: &str| {
        let names = text
            .split("::")
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let names = names.filter(|name| *name != "self" || prefix.is_empty());
        prefix
            .iter()
            .cloned()
            .chain(names.map(str::to_owned))
            .collect::<Segments>()
    };
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let prefix = segments(head);
        let group = group.strip_suffix('}').unwrap();
        let (mut depth, mut start) = (0, 0);
        for (place, character) in group.char_indices().chain([(group.len(), ',')]) {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = &group[start..place];
                    if !part.trim().is_empty() {
                        flatten(&prefix, part, leaves);
                    }
                    start = place + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, name) = match tree.split_once(" as ") {
        Some((path, name)) => (segments(path), name.trim().to_owned()),
        None => {
            let path = segments(tree);
            let name = path.last().unwrap().clone();
            (path, name)
        }
    };
    leaves.push((path, name));
}

/// The paths of two or more segments in code.
fn paths(code: &str) -> Vec<Segments> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code
        .split(|c| !is_part(c))
        .filter(|word| word.contains("::"));
    let path = |word: &str| -> Option<Segments> {
        let word = word.trim_matches(':');
        let path: Segments = word.split("::").map(str::to_owned).collect();
        (path.len() > 1 && path.iter().all(|segment| !segment.is_empty())).then_some(path)
    };
    words.filter_map(path).collect()
}

fn module_of(source: &Path, file: &Path) -> Segments {
    let relative = file.strip_prefix(source).unwrap().with_extension("");
    let mut module: Segments = relative
        .components()
        .map(|part| part.as_os_str().to_str().unwrap().to_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] || module == ["main"] {
        module.pop();
    }
    module
}

fn reach<'a>(
    graph: &BTreeMap<&'a Segments, BTreeSet<&'a Segments>>,
    from: &Segments,
) -> BTreeSet<&'a Segments> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Segments> = graph[from].iter().copied().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(&graph[module]);
        }
    }
    reached
}
