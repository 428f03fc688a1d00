//! Trees put together: the files of a spec, and a variant laid over its spec.

use super::ast::{Atom, AtomKind, Block, File, Statement};

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
    /// `tasks`: by their first word, the name.
    Tasks,
    /// Settings and domains: by their first word.
    Words,
}

/// A statement `without NAME` of a variant that removes nothing.
#[derive(Debug)]
pub struct Vain<'s> {
    /// The name.
    pub atom: &'s Atom,
    /// What it could have named.
    pub names: Vec<String>,
}

/// Lays the statements of a variant over those of its spec: a setting replaces the spec's, a
/// declaration is changed, `without NAME` removes one, anything else is added.
pub fn overlay<'s>(base: &[Statement], over: &'s [Statement]) -> (Vec<Statement>, Vec<Vain<'s>>) {
    let mut vain = vec![];
    let statements = lay(Level::File, base, over, &mut vain);
    (statements, vain)
}

fn lay<'s>(
    level: Level,
    base: &[Statement],
    over: &'s [Statement],
    vain: &mut Vec<Vain<'s>>,
) -> Vec<Statement> {
    let mut result = base.to_vec();
    // Who is changed twice: the second time it is added, and so complained about.
    let mut changed: Vec<String> = vec![];
    let removes =
        |statement: &&Statement| statement.word.text == "without" && statement.block.is_none();
    // Wherever it stands: what is removed and declared as well is declared anew.
    for statement in over.iter().filter(removes) {
        remove(level, &mut result, statement, vain);
    }
    for statement in over.iter().filter(|statement| !removes(statement)) {
        let key = key(level, statement);
        let place = result.iter().position(|old| self::key(level, old) == key);
        let place = place.filter(|_| !changed.contains(&key));
        changed.push(key);
        match place.and_then(|place| result.get_mut(place)) {
            Some(old) => *old = change(level, old, statement, vain),
            None => result.push(statement.clone()),
        }
    }
    result
}

fn remove<'s>(
    level: Level,
    result: &mut Vec<Statement>,
    statement: &'s Statement,
    vain: &mut Vec<Vain<'s>>,
) {
    for atom in flat(&statement.atoms) {
        let AtomKind::Word(name) = &atom.kind else {
            continue;
        };
        match result.iter().position(|old| name_of(level, old) == name) {
            Some(place) => {
                result.remove(place);
            }
            None => vain.push(Vain {
                atom,
                names: result
                    .iter()
                    .map(|old| name_of(level, old).to_owned())
                    .collect(),
            }),
        }
    }
}

/// The atoms, those of lists one by one.
fn flat(atoms: &[Atom]) -> impl Iterator<Item = &Atom> {
    atoms.iter().flat_map(|atom| match &atom.kind {
        AtomKind::List(items) => items.iter(),
        _ => std::slice::from_ref(atom).iter(),
    })
}

/// One statement after another one has changed it.
fn change<'s>(
    level: Level,
    old: &Statement,
    new: &'s Statement,
    vain: &mut Vec<Vain<'s>>,
) -> Statement {
    // A declaration's name alone says only what is changed; a setting takes the old one's place.
    let keeps = match level {
        Level::Features => new.block.is_some() && new.atoms.len() <= 1,
        Level::File if new.word.text == "table" => new.block.is_some() && new.atoms.len() <= 1,
        Level::File | Level::Tasks => new.block.is_some() && new.atoms.is_empty(),
        Level::Words => false,
    };
    let atoms = if keeps { &old.atoms } else { &new.atoms };
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
        (before, None) if level != Level::Words => before.clone(),
        (_, block) => block.clone(),
    };
    Statement {
        doc: new.doc.clone().or_else(|| old.doc.clone()),
        atoms: atoms.clone(),
        block,
        damaged: old.damaged || new.damaged,
        ..new.clone()
    }
}

fn inner(level: Level, statement: &Statement) -> Level {
    match (level, &*statement.word.text) {
        (Level::File, "query" | "item") => Level::Features,
        (Level::File, "tasks") => Level::Tasks,
        _ => Level::Words,
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
        Level::Tasks | Level::Words => statement.word.text.clone(),
    }
}

/// What `without` calls a statement.
fn name_of(level: Level, statement: &Statement) -> &str {
    match level {
        Level::File if statement.word.text == "table" => first_word(statement),
        Level::Features => first_word(statement),
        Level::File | Level::Tasks | Level::Words => &statement.word.text,
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
