//! Single edits of sound specs: each is rejected where it was made, or means what it says.
//!
//! `cargo test --release --test mutation -- --nocapture` prints the figures of the book
//! (`book/src/measurements.md`) and every miss.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_precision_loss,
    reason = "a test says what is wrong by failing"
)]

use cpu_time::ThreadTime;
use mtmdc::diagnostics::{Diagnostic, Levels, Severity};
use mtmdc::driver::check::{Checked, check_files};
use mtmdc::graph;
use mtmdc::source::Source;
use mtmdc::syntax::ast::{Atom, AtomKind, Statement};
use mtmdc::syntax::parse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use support::rng::Rng;
use support::specs::{self, SpecFile};

/// Mutants of each kind and spec.
const EACH: usize = if cfg!(debug_assertions) { 12 } else { 150 };

/// A spec after one edit.
struct Mutant {
    text: String,
    /// Offsets of the mutant at which something is not what it was.
    edited: Vec<usize>,
}

fn replaced(text: &str, place: Range<usize>, new: &str) -> Mutant {
    Mutant {
        text: [&text[..place.start], new, &text[place.end..]].concat(),
        edited: vec![place.start, place.start + new.len()],
    }
}

/// Tokens outside of comments, by place: words, numbers, strings and marks.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut tokens = vec![];
    let mut rest = 0;
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    while let Some(first) = text[rest..].chars().next() {
        let start = rest;
        let length = match first {
            '/' if text[start..].starts_with("//") => {
                rest += text[start..].find('\n').unwrap_or(text.len() - start);
                continue;
            }
            '"' => text[start + 1..].find('"').map_or(1, |end| end + 2),
            '.' if text[start..].starts_with("..") => 2,
            c if is_part(c) => {
                let word = &text[start..];
                let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
                word.find("..").unwrap_or(end).min(end)
            }
            c => c.len_utf8(),
        };
        rest = start + length;
        if !first.is_whitespace() {
            tokens.push(start..rest);
        }
    }
    tokens
}

/// Places of all statements, those in blocks too.
fn statements(list: &[Statement], places: &mut Vec<Range<usize>>) {
    for statement in list {
        let span = statement.span();
        places.push(span.start..span.end);
        if let Some(block) = &statement.block {
            statements(&block.statements, places);
        }
    }
}

const KINDS: [&str; 9] = [
    "token dropped",
    "token doubled",
    "tokens swapped",
    "letter changed",
    "brace lost",
    "number negated",
    "statement moved",
    "statement doubled",
    "unknown reference",
];

/// A mutant of a kind; `None` if the dice fall where it makes none.
fn mutate(kind: &str, text: &str, random: &mut Rng) -> Option<Mutant> {
    let tokens = tokens(text);
    let place = random.below(tokens.len());
    let token = tokens[place].clone();
    let word = &text[token.clone()];
    let is_word = word.starts_with(|c: char| c.is_alphabetic());
    match kind {
        "token dropped" => Some(replaced(text, token, "")),
        "token doubled" => Some(replaced(text, token, &format!("{word} {word}"))),
        "tokens swapped" => {
            let next = tokens.get(place + 1)?.clone();
            let between = &text[token.end..next.start];
            let swapped = [&text[next.clone()], between, word].concat();
            Some(replaced(text, token.start..next.end, &swapped))
        }
        "letter changed" => {
            let at = random.below(word.len());
            let letter = char::from(b'a' + random.below(26) as u8);
            let old = word[at..].chars().next()?;
            (is_word && old != letter).then(|| {
                replaced(
                    text,
                    token.start + at..token.start + at + 1,
                    &letter.to_string(),
                )
            })
        }
        "brace lost" => ["{", "}", "[", "]"]
            .contains(&word)
            .then(|| replaced(text, token, "")),
        "number negated" => word
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| replaced(text, token, &format!("-{word}"))),
        "statement moved" => moved(text, random, true),
        "statement doubled" => moved(text, random, false),
        _ => {
            let before = place
                .checked_sub(1)
                .map(|before| &text[tokens[before].clone()])?;
            let declares = place == 1 || text[..token.start].ends_with("\ntable ");
            (is_word && !declares && ["given", "on", "table"].contains(&before))
                .then(|| replaced(text, token, "zebra"))
        }
    }
}

/// A statement that stands where another one starts, too or instead.
fn moved(text: &str, random: &mut Rng, instead: bool) -> Option<Mutant> {
    let mut places = vec![];
    statements(&parse(&Source::new("a", text)).file.statements, &mut places);
    let from = places[random.below(places.len())].clone();
    let to = places[random.below(places.len())].start;
    if from.contains(&to) {
        return None;
    }
    let copy = format!("{}\n", &text[from.clone()]);
    let mut edited = vec![to, to + copy.len()];
    let mut mutant = [&text[..to], &copy, &text[to..]].concat();
    let from = match from.start >= to {
        true => from.start + copy.len()..from.end + copy.len(),
        false => from,
    };
    if instead {
        mutant.replace_range(from.clone(), "");
        if from.start < to {
            edited = edited.into_iter().map(|at| at - from.len()).collect();
        }
        edited.push(from.start);
    } else {
        edited.extend([from.start, from.end]);
    }
    Some(Mutant {
        text: mutant,
        edited,
    })
}

/// A file that edits are made in, and the spec that shows what they do: itself, or one that uses it.
struct Subject {
    file: String,
    root: String,
    text: String,
}

impl Subject {
    fn new(file: SpecFile, root: String) -> Self {
        Self {
            file: file.path,
            root,
            text: file.text,
        }
    }

    /// Checks the spec with another text of the file.
    fn check(&self, text: &str) -> Checked {
        let read = |path: &str| match path == self.file {
            true => Ok(text.to_owned()),
            false => specs::read(path),
        };
        let root = Source::new(self.root.as_str(), read(&self.root).unwrap());
        check_files(root, &read, &Levels::default())
    }

    /// The line of the file that a message is about; `None` if it is about another file.
    fn line(&self, checked: &Checked, diagnostic: &Diagnostic) -> Option<u32> {
        let at = diagnostic.primary.span.start;
        let (file, _) = checked.source.file(at);
        (file == self.file).then(|| checked.source.line(at))
    }

    fn parse(&self, text: &str) -> Vec<Statement> {
        parse(&Source::new(self.file.as_str(), text))
            .file
            .statements
    }
}

/// The specs and the files that they use.
fn subjects() -> Vec<Subject> {
    let whole = specs::all().into_iter().map(|spec| {
        let root = spec.path.clone();
        Subject::new(spec, root)
    });
    let network = || "specs/network.mtmd".to_owned();
    let parts = specs::parts().into_iter();
    let mut subjects: Vec<Subject> = whole
        .chain(parts.map(|part| Subject::new(part, network())))
        .collect();
    subjects.sort_by(|one, other| one.file.cmp(&other.file));
    subjects
}

/// What a sound spec means, its variants too; and where its data lies.
fn meaning(checked: &Checked) -> Vec<String> {
    let variants = checked.variants.iter().flat_map(|variant| &variant.spec);
    let specs = checked.spec.iter().chain(variants);
    specs
        .map(|spec| format!("{:?} {}", spec.data, graph::build(spec).to_yaml()))
        .collect()
}

/// The tree with everything sorted whose order means nothing.
fn unordered(list: &[Statement]) -> Vec<String> {
    let atom = |atom: &Atom| match &atom.kind {
        AtomKind::List(items) => {
            let mut items: Vec<String> = items
                .iter()
                .map(|item| format!("{:?}", item.kind))
                .collect();
            items.sort();
            items.concat()
        }
        AtomKind::Number(number) => format!("{:?} {:?}", number.whole, number.real + 0.0),
        other => format!("{other:?}"),
    };
    let mut texts: Vec<String> = list
        .iter()
        .map(|statement| {
            let mut atoms: Vec<String> = statement.atoms.iter().map(atom).collect();
            if atoms.iter().any(|atom| atom == "And") {
                atoms.sort();
            }
            let block = statement.block.as_ref();
            let inner = block.map(|block| unordered(&block.statements));
            format!("{} {atoms:?} {inner:?}", statement.word.text)
        })
        .collect();
    texts.sort();
    texts
}

#[derive(Default)]
struct Figures {
    mutants: usize,
    rejected: usize,
    /// Rejected, with no error on an edited line or beside one.
    far: usize,
    /// Rejected, with an error elsewhere too.
    cascades: usize,
    /// Accepted, and the graph shows it.
    shown: usize,
    /// Accepted, and the same but for an order that means nothing.
    same: usize,
    /// Accepted, with a warning that says so.
    warned: usize,
    /// Accepted, and nothing shows it.
    silent: usize,
}

impl Figures {
    fn add(&mut self, subject: &Subject, meant: &[String], mutant: &Mutant) -> Option<&str> {
        let started = ThreadTime::now();
        let checked = subject.check(&mutant.text);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}: {}", mutant.text);
        self.mutants += 1;
        let text = Source::new("", mutant.text.as_str());
        let near = |line: Option<u32>| {
            let mut lines = mutant.edited.iter().map(|at| text.line(*at));
            line.is_some_and(|line| lines.any(|edited| edited.abs_diff(line) <= 1))
        };
        let lines = |severity| {
            let all = checked.diagnostics.iter();
            let found = all.filter(move |found| found.severity == severity);
            found.map(|found| subject.line(&checked, found))
        };
        if lines(Severity::Error).next().is_some() {
            self.rejected += 1;
            self.cascades += usize::from(!lines(Severity::Error).all(near));
            let far = !lines(Severity::Error).any(near);
            self.far += usize::from(far);
            return far.then_some("far");
        }
        let tree = |text: &str| unordered(&subject.parse(text));
        if meaning(&checked) != meant {
            self.shown += 1;
        } else if tree(&subject.text) == tree(&mutant.text) {
            self.same += 1;
        } else if lines(Severity::Warning).any(near) {
            self.warned += 1;
        } else {
            self.silent += 1;
            return Some("silent");
        }
        None
    }
}

#[test]
fn every_edit_is_rejected_where_it_is_or_means_what_it_says() {
    let mut figures: BTreeMap<&str, Figures> = BTreeMap::new();
    for subject in subjects() {
        let meant = meaning(&subject.check(&subject.text));
        let mut seen = BTreeSet::new();
        let mut random = Rng::new(1);
        for kind in KINDS {
            let mut made = 0;
            let mut tries = 0;
            while made < EACH && tries < 50 * EACH {
                tries += 1;
                let Some(mutant) = mutate(kind, &subject.text, &mut random) else {
                    continue;
                };
                if mutant.text == subject.text || !seen.insert(mutant.text.clone()) {
                    continue;
                }
                made += 1;
                let figures = figures.entry(kind).or_default();
                if let Some(miss) = figures.add(&subject, &meant, &mutant) {
                    show(miss, kind, &subject, &mutant);
                }
            }
        }
    }
    report(&figures);
}

fn show(miss: &str, kind: &str, subject: &Subject, mutant: &Mutant) {
    let before = subject.text.lines().collect::<Vec<_>>();
    let changed = mutant.text.lines().find(|line| !before.contains(line));
    let source = Source::new("", mutant.text.as_str());
    let place = source.line(mutant.edited[0]);
    let checked = subject.check(&mutant.text);
    let first = checked.diagnostics.first().map(|found| {
        let line = checked.source.line(found.primary.span.start);
        format!("{} at {line}: {}", found.code, found.message)
    });
    println!(
        "{miss}: {kind}, {}:{place}: {changed:?} {first:?}",
        subject.file
    );
}

fn report(figures: &BTreeMap<&str, Figures>) {
    println!(
        "{:18} {:>7} {:>8} {:>6} {:>8} {:>6} {:>6} {:>6} {:>6}",
        "edit", "mutants", "rejected", "there", "cascades", "shown", "same", "warned", "silent"
    );
    let (mut rejected, mut far, mut accepted, mut silent, mut cascades) = (0, 0, 0, 0, 0);
    for (kind, found) in figures {
        let there = 100.0 * (1.0 - found.far as f64 / found.rejected.max(1) as f64);
        println!(
            "{kind:18} {:>7} {:>8} {there:>5.1}% {:>8} {:>6} {:>6} {:>6} {:>6}",
            found.mutants,
            found.rejected,
            found.cascades,
            found.shown,
            found.same,
            found.warned,
            found.silent
        );
        rejected += found.rejected;
        far += found.far;
        cascades += found.cascades;
        accepted += found.mutants - found.rejected;
        silent += found.silent;
    }
    let there = 1.0 - far as f64 / rejected as f64;
    println!(
        "all: {} mutants, {rejected} rejected, {:.2} % of them where the edit is, {cascades} with messages elsewhere too; {silent} of {accepted} accepted without a sign",
        rejected + accepted,
        100.0 * there
    );
    // The mutants are the same in every run: these are the figures of today. A smaller sample has others.
    if cfg!(debug_assertions) {
        assert!(there >= 0.97, "{there}");
        assert!(silent * 100 <= 2 * accepted, "{silent} of {accepted}");
    } else {
        assert!(there >= 0.994, "{there}");
        assert!(silent <= 5, "{silent} of {accepted}");
        assert!(cascades <= 337, "{cascades}");
    }
}
