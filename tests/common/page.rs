//! A page of the book, run: its specs are checked, its files written and its commands carried out, top to bottom, in a
//! folder of its own that starts with the repository's `specs`.
//!
//! | block | what is done |
//! |---|---|
//! | `mtmd` | a whole spec: no message is given of it |
//! | `mtmd,part` | statements laid over the reference's example as a variant: no message, and they change the model |
//! | `mtmd,wrong` | a spec with a mistake, for a command to find |
//! | any language with `file=PATH` | written to that file |
//! | `console` | lines that start with `$ ` are run by a shell, what follows each is what it prints |
//! | `console,fails` | the same, of commands that exit with 1 |
//! | `console,slow` | the same, of commands that build a crate: in release tests alone |
//!
//! In what a command prints, a line `...` stands for any lines and `[..]` for any text of a line; in slow blocks numbers with
//! a point may be off by a tenth. With `BOOK=write` the page gets what its commands print instead, unless that is in
//! agreement, its specs as `mtmdc fmt` has them, and its tables of the reference as the declarations have them.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use mtmdc::diagnostics::{Levels, render_text};
use mtmdc::driver::check::check_files;
use mtmdc::source::Source;
use mtmdc::syntax::format;
use support::run::outcome;

use crate::reference;

/// What a part is laid over.
const EXAMPLE: &str = include_str!("../../book/src/language/example.mtmd");

/// A fenced block.
struct Block {
    /// The words after the fence.
    info: Vec<String>,
    /// Line of the page on which its text starts, from 0.
    line: usize,
    text: String,
}

impl Block {
    fn is(&self, language: &str) -> bool {
        self.info.first().is_some_and(|word| word == language)
    }

    fn has(&self, word: &str) -> bool {
        self.info.iter().skip(1).any(|other| other == word)
    }

    fn file(&self) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix("file="))
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = vec![];
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.split(',').map(|word| word.trim().to_owned()).collect(),
                    line: number + 1,
                    text: String::new(),
                });
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A command and what it prints.
struct Step {
    command: String,
    /// Lines of the page that hold the output.
    lines: Range<usize>,
    output: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    for (number, line) in block.text.lines().enumerate() {
        let place = block.line + number + 1;
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                lines: place..place,
                output: vec![],
            }),
            (None, Some(step)) => {
                step.output.push(line.to_owned());
                step.lines.end = place;
            }
            (None, None) => panic!("line {place}: a `console` block starts with `$ `"),
        }
    }
    steps
}

/// Whether lines are as a pattern has them; `roughly` if numbers may be off.
fn agree(pattern: &[String], lines: &[&str], roughly: bool) -> bool {
    match (pattern.split_first(), lines.split_first()) {
        (None, found) => found.is_none(),
        (Some((first, rest)), _) if first == "..." => {
            (0..=lines.len()).any(|skipped| agree(rest, &lines[skipped..], roughly))
        }
        (Some((first, rest)), Some((line, lines))) => {
            let same = text_agrees(first, line) || roughly && roughly_agrees(first, line);
            same && agree(rest, lines, roughly)
        }
        (Some(_), None) => false,
    }
}

/// What was trained depends on the machine in its last digits, and they on each other: numbers with a point may be off
/// by a tenth, and then the columns.
fn roughly_agrees(pattern: &str, line: &str) -> bool {
    let number = |word: &str| word.trim_matches(['(', ')', ',']).parse::<f64>();
    let near = |one: &str, other: &str| match (number(one), number(other)) {
        (Ok(one), Ok(other)) => (one - other).abs() <= 0.1 + 0.1 * one.abs(),
        _ => false,
    };
    let same = |(one, other): (&str, &str)| one == other || (one.contains('.') && near(one, other));
    let (one, other) = (pattern.split_whitespace(), line.split_whitespace());
    one.clone().count() == other.clone().count() && one.zip(other).all(same)
}

fn text_agrees(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A page and the folder that it is run in.
pub struct Page {
    path: PathBuf,
    text: String,
    folder: PathBuf,
    /// The repository's specs.
    specs: PathBuf,
    /// The program.
    mtmdc: PathBuf,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

impl Page {
    /// Opens a page. Its folder lies outside of the repository, whose workspace it is not part of, and the same one
    /// each time, so that cargo knows again what a page builds.
    pub fn open(path: &Path, repository: &Path, mtmdc: &Path) -> Self {
        let name = path.file_stem().unwrap();
        let mut hasher = DefaultHasher::new();
        repository.hash(&mut hasher);
        let folder = format!("mtmdc-book-{:x}", hasher.finish());
        let folder = std::env::temp_dir().join(folder).join(name);
        Self {
            path: path.to_owned(),
            specs: repository.join("specs"),
            text: fs::read_to_string(path).unwrap(),
            folder,
            mtmdc: mtmdc.to_owned(),
        }
    }

    /// Whether some of its commands build a crate.
    pub fn is_slow(&self) -> bool {
        blocks(&self.text).iter().any(|block| block.has("slow"))
    }

    /// Runs the page; the number of specs and commands. What it builds goes to `target`; without one, the commands that
    /// build are left out.
    pub fn run(&self, target: Option<&Path>) -> (usize, usize) {
        let (mut specs, mut commands) = (0, 0);
        let mut stale: Vec<(Range<usize>, String)> = vec![];
        let _ = fs::remove_dir_all(&self.folder);
        copy(&self.specs, &self.folder.join("specs"));
        let mut folder = self.folder.clone();
        for block in blocks(&self.text) {
            if let Some(file) = block.file() {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &block.text).unwrap();
            }
            if block.is("mtmd") && !block.has("wrong") {
                let text = self.text(&block);
                let formatted = self.check(&block, &text);
                if formatted != text {
                    let lines = block.text.lines().count();
                    stale.push((block.line..block.line + lines, formatted));
                }
                specs += 1;
            } else if block.is("console") && (target.is_some() || !block.has("slow")) {
                for step in steps(&block) {
                    commands += 1;
                    if let Some(inner) = step.command.strip_prefix("cd ") {
                        folder.push(inner);
                        continue;
                    }
                    let output = self.command(&step, &folder, target, block.has("fails"));
                    let lines: Vec<&str> = output.lines().collect();
                    if !agree(&step.output, &lines, block.has("slow")) {
                        stale.push((step.lines, output));
                    }
                }
            }
        }
        stale.extend(self.stale_tables());
        stale.sort_by_key(|(lines, _)| lines.start);
        if std::env::var("BOOK").is_ok_and(|value| value == "write") {
            self.write(&stale);
        } else if let Some((lines, text)) = stale.first() {
            let place = lines.start + 1;
            panic!(
                "{}:{place}: `BOOK=write` makes of it\n{text}",
                self.path.display()
            );
        }
        (specs, commands)
    }

    /// The tables of the reference that are not those of the declarations.
    fn stale_tables(&self) -> Vec<(Range<usize>, String)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tables = reference::places(&self.text).into_iter();
        let tables = tables.map(|(marked, place)| (place, marked.table()));
        let is_stale = |(place, table): &(Range<usize>, String)| {
            !table.lines().eq(lines[place.clone()].iter().copied())
        };
        tables.filter(is_stale).collect()
    }

    /// Checks a spec; its text as the formatter has it.
    fn check(&self, block: &Block, text: &str) -> String {
        let read = |path: &str| {
            fs::read_to_string(self.folder.join(path)).map_err(|error| error.to_string())
        };
        let whole = match block.has("part") {
            true => format!("{EXAMPLE}\nvariant example {{\n{text}}}\n"),
            false => text.to_owned(),
        };
        let source = Source::new(block.file().unwrap_or("example.mtmd"), whole);
        let checked = check_files(source, &read, &Levels::default());
        let messages = render_text(&checked.source, &checked.diagnostics, false);
        let sound = messages.is_empty() && (checked.part || checked.spec.is_some());
        assert!(sound, "{}:{}:\n{messages}", self.path.display(), block.line);
        format(&Source::new("example.mtmd", text)).unwrap()
    }

    /// The text of a block, or of the file that it includes.
    fn text(&self, block: &Block) -> String {
        let include = block.text.trim().strip_prefix("{{#include ");
        match include.and_then(|rest| rest.strip_suffix("}}")) {
            Some(path) => fs::read_to_string(self.path.with_file_name(path)).unwrap(),
            None => block.text.clone(),
        }
    }

    fn command(&self, step: &Step, folder: &Path, target: Option<&Path>, fails: bool) -> String {
        let place = format!("{}:{}", self.path.display(), step.lines.start);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec 2>&1; {}", step.command)])
            .current_dir(folder)
            .env(
                "PATH",
                format!("{}:{path}", self.mtmdc.parent().unwrap().display()),
            )
            .env("NO_COLOR", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Reader")
            .env("GIT_AUTHOR_EMAIL", "reader@example.org")
            .env("GIT_COMMITTER_NAME", "Reader")
            .env("GIT_COMMITTER_EMAIL", "reader@example.org");
        if let Some(target) = target {
            command.env("CARGO_TARGET_DIR", target);
        }
        let (code, text, _) = outcome(&mut command);
        assert_eq!(
            code,
            i32::from(fails),
            "{place}: `{}`\n{text}",
            step.command
        );
        text.trim_end().to_owned()
    }

    fn write(&self, stale: &[(Range<usize>, String)]) {
        let mut lines: Vec<&str> = self.text.lines().collect();
        for (range, text) in stale.iter().rev() {
            lines.splice(range.clone(), text.lines());
        }
        fs::write(&self.path, lines.join("\n") + "\n").unwrap();
    }
}
