//! Trees put together: the files of a spec, and a variant laid over its spec.

use super::ast::{Atom, AtomKind, Block, File, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// Blocks that may stand in several files of a spec: their statements add up.
const JOINED: [&str; 3] = ["tasks", "query", "item"];

/// One tree of a spec's root file and the files that it uses.
pub fn join(mut root: File, parts: Vec<File>) -> File {
    for part in parts {
        let mut joined: Vec<String> = vec![];
        root.damaged |= part.damaged;
        root.stray_docs.extend(part.stray_docs);
        for statement in part.statements {
            let word = &statement.word.text;
            // A second block of one file is a mistake, and stays one.
            let joins = JOINED.contains(&&**word) && !joined.contains(word);
            let other = root
                .statements
                .iter_mut()
                .find(|other| joins && other.word.text == *word);
            match (other, &statement) {
                (
                    Some(Statement {
                        block: Some(block), ..
                    }),
                    Statement {
                        block: Some(more), ..
                    },
                ) if statement.atoms.is_empty() => {
                    joined.push(word.clone());
                    block.statements.extend(more.statements.iter().cloned());
                    block.damaged |= more.damaged;
                }
                _ => {
                    if JOINED.contains(&&**word) {
                        joined.push(word.clone());
                    }
                    root.statements.push(statement);
                }
            }
        }
    }
    root
}

/// What the statements of a block are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The file: by their word, `table` and `architecture on` by what follows it too.
    File,
    /// `query` and `item`: by the name after the kind.
    Features,
    /// `surfaces`, `products` and `tasks`: by their first word, the name.
    Names,
    /// Settings: by their first word.
    Settings,
}

/// A statement `without NAME` of a variant that removes nothing.
#[derive(Debug)]
pub struct Vain {
    /// The name.
    pub atom: Atom,
    /// What it could have named.
    pub names: Vec<String>,
}

/// Lays the statements of a variant over those of its spec: a setting replaces the spec's, a
/// declaration is changed, `without NAME` removes one, anything else is added.
pub fn overlay(base: &[Statement], over: &[Statement]) -> (Vec<Statement>, Vec<Vain>) {
    let mut vain = vec![];
    let statements = match over.iter().any(is_override) {
        true => lay(Level::File, &by_domain(base), &by_domain(over), &mut vain),
        false => lay(Level::File, base, over, &mut vain),
    };
    (statements, vain)
}

/// Whether a statement is `architecture on …`.
fn is_override(statement: &Statement) -> bool {
    statement.word.text == "architecture" && !statement.atoms.is_empty()
}

/// The statements with one `architecture on` for each domain: a variant may name one domain of a list, or
/// several that the spec has apart.
fn by_domain(statements: &[Statement]) -> Vec<Statement> {
    let mut result: Vec<Statement> = vec![];
    for statement in statements {
        let names = flat(&statement.atoms).skip(1);
        if !is_override(statement) || names.clone().count() == 0 {
            result.push(statement.clone());
            continue;
        }
        for name in names {
            let on = statement.atoms.iter().take(1).chain([name]);
            let single = Statement {
                atoms: on.cloned().collect(),
                ..statement.clone()
            };
            let key = key(Level::File, &single);
            let mut others = result.iter_mut();
            let other = others.find(|other| self::key(Level::File, other) == key);
            match (other.and_then(|other| other.block.as_mut()), &single.block) {
                (Some(block), Some(more)) => {
                    block.statements.extend(more.statements.iter().cloned());
                    block.damaged |= more.damaged;
                }
                _ => result.push(single),
            }
        }
    }
    result
}

fn lay(
    level: Level,
    base: &[Statement],
    over: &[Statement],
    vain: &mut Vec<Vain>,
) -> Vec<Statement> {
    let mut result = base.to_vec();
    let removes =
        |statement: &&Statement| statement.word.text == "without" && statement.block.is_none();
    // Wherever it stands: what is removed and declared as well is declared anew.
    for statement in over.iter().filter(removes) {
        remove(level, &mut result, statement, vain);
    }
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, statement) in result.iter().enumerate() {
        places.entry(key(level, statement)).or_insert(place);
    }
    for statement in over.iter().filter(|statement| !removes(statement)) {
        // What is changed twice is added the second time, and so complained about.
        let place = places.remove(&key(level, statement));
        match place.and_then(|place| result.get_mut(place)) {
            Some(old) => *old = change(level, old, statement, vain),
            None => result.push(statement.clone()),
        }
    }
    result
}

fn remove(level: Level, result: &mut Vec<Statement>, without: &Statement, vain: &mut Vec<Vain>) {
    for atom in flat(&without.atoms) {
        let AtomKind::Word(name) = &atom.kind else {
            continue;
        };
        let stays = |old: &Statement| {
            level == Level::File && ["model", "use", "allow"].contains(&&*old.word.text)
        };
        let before = result.len();
        result.retain(|old| stays(old) || name_of(level, old) != name);
        if result.len() == before {
            let names = result.iter().filter(|old| !stays(old));
            let names: BTreeSet<&str> = names.map(|old| name_of(level, old)).collect();
            vain.push(Vain {
                atom: atom.clone(),
                names: names.into_iter().map(str::to_owned).collect(),
            });
        }
    }
}

/// The atoms, those of lists one by one.
fn flat(atoms: &[Atom]) -> impl Iterator<Item = &Atom> + Clone {
    atoms.iter().flat_map(|atom| match &atom.kind {
        AtomKind::List(items) => items.iter(),
        _ => std::slice::from_ref(atom).iter(),
    })
}

/// One statement after another one has changed it.
fn change(level: Level, old: &Statement, new: &Statement, vain: &mut Vec<Vain>) -> Statement {
    let block = match (&old.block, &new.block) {
        (Some(before), Some(block)) => Some(Block {
            statements: lay(
                inner(level, new),
                &before.statements,
                &block.statements,
                vain,
            ),
            damaged: before.damaged || block.damaged,
            span: block.span,
        }),
        (before, None) if level != Level::Settings => before.clone(),
        (_, block) => block.clone(),
    };
    Statement {
        doc: new.doc.clone().or_else(|| old.doc.clone()),
        atoms: head(level, old, new),
        block,
        damaged: old.damaged || new.damaged,
        ..new.clone()
    }
}

/// The head of a changed statement. A setting takes the old one's place; of a declaration the parts that are not given
/// stay: the width of a vector, the column of a feature, the values of a domain and what it is like.
fn head(level: Level, old: &Statement, new: &Statement) -> Vec<Atom> {
    match level {
        Level::Settings => new.atoms.clone(),
        Level::File if new.atoms.is_empty() => old.atoms.clone(),
        Level::File => new.atoms.clone(),
        Level::Features | Level::Names => {
            let (before, mut given) = (parts(level, &old.atoms), parts(level, &new.atoms));
            let name_alone = level == Level::Features
                && given.get(&Part::Name).is_some_and(|part| part.len() == 1);
            if name_alone && old.word.text == new.word.text {
                given.remove(&Part::Name);
            }
            for (part, atoms) in before {
                given.entry(part).or_insert(atoms);
            }
            given.into_values().flatten().cloned().collect()
        }
    }
}

/// A part of a declaration's head, in the order of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// What stands first: a feature's name, and the width of a vector.
    Name,
    Equals,
    From,
    Like,
}

/// The parts of a declaration's head.
fn parts(level: Level, atoms: &[Atom]) -> BTreeMap<Part, Vec<&Atom>> {
    let mut parts: BTreeMap<Part, Vec<&Atom>> = BTreeMap::new();
    let mut part = Part::Name;
    for (place, atom) in atoms.iter().enumerate() {
        // A feature may be called as a part is.
        let is_name = level == Level::Features && place == 0;
        part = match &atom.kind {
            AtomKind::Equals => Part::Equals,
            AtomKind::Word(word) if word == "from" && !is_name => Part::From,
            AtomKind::Word(word) if word == "like" && !is_name => Part::Like,
            _ => part,
        };
        parts.entry(part).or_default().push(atom);
    }
    parts
}

fn inner(level: Level, statement: &Statement) -> Level {
    match (level, &*statement.word.text) {
        (Level::File, "query" | "item") => Level::Features,
        (Level::File, "surfaces" | "products" | "tasks") => Level::Names,
        _ => Level::Settings,
    }
}

fn key(level: Level, statement: &Statement) -> String {
    match level {
        Level::File => match &*statement.word.text {
            "table" => format!("table {}", first_word(statement)),
            "architecture" => format!("architecture {:?}", names(&statement.atoms)),
            word => word.to_owned(),
        },
        Level::Features => first_word(statement).to_owned(),
        Level::Names | Level::Settings => statement.word.text.clone(),
    }
}

/// What `without` calls a statement.
fn name_of(level: Level, statement: &Statement) -> &str {
    match level {
        Level::File if statement.word.text == "table" => first_word(statement),
        Level::Features => first_word(statement),
        Level::File | Level::Names | Level::Settings => &statement.word.text,
    }
}

fn first_word(statement: &Statement) -> &str {
    match statement.atoms.first().map(|atom| &atom.kind) {
        Some(AtomKind::Word(name)) => name,
        _ => "",
    }
}

fn names(atoms: &[Atom]) -> Vec<&str> {
    let mut names: Vec<&str> = flat(atoms)
        .filter_map(|atom| match &atom.kind {
            AtomKind::Word(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names
}
