//! The front end on whole specs: what is sound checks, order and comments mean nothing, and no
//! text whatever makes it panic or stall.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what is wrong by failing"
)]

use std::time::{Duration, Instant};

use mtmdc::diagnostics::{render_json, render_text};
use mtmdc::driver::check::{Checked, check};
use mtmdc::sema::spec::{Feature, FeatureKind, Index, Spec, Split, Text};
use mtmdc::source::Source;
use mtmdc::syntax::ast::{File, Statement};
use mtmdc::syntax::parse;

const SPECS: [(&str, &str); 4] = [
    ("kuairand", include_str!("../specs/kuairand.mtmd")),
    ("marketplace", include_str!("../specs/marketplace.mtmd")),
    ("minimal", include_str!("../specs/minimal.mtmd")),
    ("pinterest", include_str!("../specs/pinterest.mtmd")),
];

/// Checks a text that must be without errors and warnings.
fn sound(name: &str, text: &str) -> Spec {
    let source = Source::new(name, text);
    let Checked {
        spec, diagnostics, ..
    } = check(&source);
    assert!(
        diagnostics.is_empty(),
        "{}\n{text}",
        render_text(&source, &diagnostics, false)
    );
    spec.unwrap()
}

fn spec(name: &str) -> Spec {
    let (_, text) = SPECS.iter().find(|(other, _)| *other == name).unwrap();
    sound(name, text)
}

#[test]
fn the_specs_are_sound() {
    for (name, text) in SPECS {
        assert_eq!(sound(name, text).name, name);
    }
}

/// The shortest spec, whole: every default is in it.
#[test]
fn defaults() {
    insta::assert_debug_snapshot!(spec("minimal"));
}

#[test]
fn parents_come_before_their_children() {
    let names = |spec: &Spec| {
        spec.tasks
            .iter()
            .map(|task| task.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&spec("marketplace")),
        ["click", "add", "checkout", "relevance"]
    );
    assert_eq!(names(&spec("pinterest")), ["ctr", "gctr", "octr"]);
    for (name, text) in SPECS {
        let spec = sound(name, text);
        for (place, task) in spec.tasks.iter().enumerate() {
            assert!(
                task.given.is_none_or(|parent| parent.0 < place),
                "{name}: {}",
                task.name
            );
        }
    }
}

#[test]
fn features_find_their_tables() {
    let spec = spec("kuairand");
    let table = |feature: &Feature| match feature.kind {
        FeatureKind::Embedded { table, .. } => Some(&spec.tables[table.0]),
        FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
    };
    for feature in spec.query.iter().chain(spec.item.iter()) {
        let Some(table) = table(feature) else {
            continue;
        };
        let shared = ["watch_seq", "like_seq", "video_id"].contains(&&*feature.name);
        assert_eq!(table.name, if shared { "videos" } else { &*feature.name });
        assert_eq!(table.shared, shared);
    }
    let video_type = spec
        .tables
        .iter()
        .find(|table| table.name == "video_type")
        .unwrap();
    assert_eq!(video_type.rows, 3);
    assert!(matches!(&video_type.index, Index::Values(values) if values.len() == 2));
    let hour = spec
        .query
        .iter()
        .find(|feature| feature.name == "hour")
        .unwrap();
    assert_eq!(hour.column, "hourmin");
    assert_eq!(
        table(hour).unwrap().index,
        Index::Vocabulary { min_count: 1 }
    );
}

/// Specs say on which line a thing stands; nothing else in them depends on the order.
fn without_lines(mut spec: Spec) -> Spec {
    spec.surfaces.place = Text::default();
    spec.products.place = Text::default();
    for task in spec.tasks.to_mut() {
        task.place = Text::default();
    }
    for feature in spec.query.to_mut().iter_mut().chain(spec.item.to_mut()) {
        feature.place = Text::default();
    }
    if let Split::Column { place, .. } = &mut spec.rows.split {
        *place = Text::default();
    }
    if let Some(request) = &mut spec.rows.request {
        request.place = Text::default();
    }
    spec
}

/// Splitmix64: the tests need numbers that are the same everywhere, not good ones.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Prints a tree with the statements of every block shuffled, and comments thrown in.
struct Shuffler<'a> {
    source: &'a Source,
    random: Random,
}

impl Shuffler<'_> {
    fn file(&mut self, file: &File) -> String {
        self.statements(&file.statements)
    }

    fn statements(&mut self, statements: &[Statement]) -> String {
        let mut order: Vec<&Statement> = statements.iter().collect();
        self.random.shuffle(&mut order);
        order
            .into_iter()
            .map(|statement| self.statement(statement))
            .collect()
    }

    fn statement(&mut self, statement: &Statement) -> String {
        let doc = statement.doc.iter().flat_map(|doc| doc.text.lines());
        let doc: String = doc.map(|line| format!("/// {line}\n")).collect();
        let block = statement.block.as_ref().map(|block| {
            let open = if self.random.below(2) == 0 {
                "{"
            } else {
                "{ // of a block {"
            };
            format!(" {open}\n{}}}", self.statements(&block.statements))
        });
        let comment = ["", "// } \"", "//// no doc comment"][self.random.below(3)];
        let end = ["\n", " // the end\n", ",\n", ",\n\n"][self.random.below(4)];
        let head = self.source.slice(statement.head);
        format!("{doc}{comment}\n{head}{}{end}", block.unwrap_or_default())
    }
}

#[test]
fn order_and_comments_mean_nothing() {
    for (name, text) in SPECS {
        let expected = without_lines(sound(name, text));
        let source = Source::new(name, text);
        let file = parse(&source).file;
        for seed in 0..40 {
            let shuffled = Shuffler {
                source: &source,
                random: Random(seed),
            }
            .file(&file);
            assert_ne!(shuffled, text);
            assert_eq!(
                without_lines(sound(name, &shuffled)),
                expected,
                "{shuffled}"
            );
        }
    }
}

/// Words, numbers, marks and spaces of a text, in order.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        ' ' | '\t' => 1,
        _ => 2,
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let places: Vec<(usize, char)> = text.char_indices().collect();
    for pair in places.windows(2) {
        if kind(pair[0].1) != kind(pair[1].1) || kind(pair[1].1) == 2 {
            tokens.push(&text[start..pair[1].0]);
            start = pair[1].0;
        }
    }
    tokens.push(&text[start..]);
    tokens
}

/// A text with a few tokens deleted, doubled, swapped or replaced.
fn mutated(text: &str, random: &mut Random) -> String {
    const STRANGERS: [&str; 16] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "//",
        "///",
        "\n",
        "=",
        "..",
        "é",
        "\u{0}",
        "\u{1b}[31m",
        "\u{2028}",
        "1e999",
        "-",
    ];
    let mut tokens: Vec<String> = tokens(text).into_iter().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let (place, other) = (random.below(tokens.len()), random.below(tokens.len()));
        match random.below(5) {
            0 => tokens[place].clear(),
            1 => tokens[place] = tokens[place].repeat(2),
            2 => tokens.swap(place, other),
            3 => tokens[place] = STRANGERS[random.below(STRANGERS.len())].to_owned(),
            _ => {
                let end = random.below(tokens.len());
                tokens.truncate(end.max(1));
            }
        }
    }
    tokens.concat()
}

/// Checks and renders a text, and holds what is true of every text.
fn survives(text: &str) {
    let source = Source::new("mutant.mtmd", text);
    let Checked {
        spec, diagnostics, ..
    } = check(&source);
    let fatal = mtmdc::diagnostics::has_errors(&diagnostics);
    assert_eq!(spec.is_none(), fatal, "{text}");
    for diagnostic in &diagnostics {
        let edits = diagnostic
            .fix
            .iter()
            .flat_map(|fix| &fix.edits)
            .map(|edit| edit.span);
        let labels = diagnostic.secondary.iter().map(|label| label.span);
        for span in labels.chain(edits).chain([diagnostic.primary.span]) {
            assert!(
                text.get(span.start..span.end).is_some(),
                "{span:?} of {diagnostic:?} in {text}"
            );
        }
    }
    let rendered = render_text(&source, &diagnostics, false);
    assert_eq!(rendered.is_empty(), diagnostics.is_empty());
    assert!(
        !rendered.contains('\u{1b}'),
        "no escape reaches the terminal: {rendered}"
    );
    assert_eq!(
        render_json(&source, &diagnostics).lines().count(),
        diagnostics.len()
    );
}

#[test]
fn no_text_panics() {
    let mut random = Random(7);
    for round in 0..1_000 {
        let (_, text) = SPECS[round % SPECS.len()];
        survives(&mutated(text, &mut random));
    }
}

#[test]
fn no_prefix_panics() {
    for (_, text) in SPECS {
        for (end, _) in text.char_indices().step_by(7) {
            survives(&text[..end]);
        }
    }
}

#[test]
fn no_bytes_panic() {
    let mut random = Random(11);
    for _ in 0..500 {
        let length = random.below(400);
        let bytes: Vec<u8> = (0..length)
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        survives(&String::from_utf8_lossy(&bytes));
    }
    let marks: Vec<char> = "{}[]\"\\,=&./ \n-_ax1é".chars().collect();
    for _ in 0..1_000 {
        let length = random.below(200);
        survives(
            &(0..length)
                .map(|_| marks[random.below(marks.len())])
                .collect::<String>(),
        );
    }
}

/// One mistake is one message: hardly any single token that is left out of a sound spec leads to
/// two. (A line end left out after a doc comment does: the comment then holds a statement.)
#[test]
fn a_missing_token_does_not_cascade() {
    let (mut mutants, mut cascades) = (0_usize, Vec::new());
    for (name, text) in SPECS {
        let tokens = tokens(text);
        for place in (0..tokens.len()).step_by(4) {
            let mutant = [&tokens[..place], &tokens[place + 1..]].concat().concat();
            let messages = check(&Source::new(name, mutant)).diagnostics.len();
            mutants += 1;
            if messages > 1 {
                cascades.push((name, place, tokens[place], messages));
            }
        }
    }
    assert!(
        mutants > 500 && cascades.len() * 50 < mutants,
        "{mutants}: {cascades:?}"
    );
}

/// A machine-applicable fix is right: applying it never leaves the same error at the same place.
#[test]
fn sure_fixes_mend() {
    for (_, text) in SPECS {
        let mut random = Random(3);
        for _ in 0..200 {
            let mutant = mutated(text, &mut random);
            let before = check(&Source::new("a", mutant.as_str())).diagnostics;
            for diagnostic in before {
                let Some(fix) = &diagnostic.fix else { continue };
                if fix.applicability != mtmdc::diagnostics::Applicability::MachineApplicable {
                    continue;
                }
                let mut mended = mutant.clone();
                for edit in fix.edits.iter().rev() {
                    mended.replace_range(edit.span.start..edit.span.end, &edit.replacement);
                }
                let after = check(&Source::new("a", mended.as_str())).diagnostics;
                let same = after.iter().find(|other| {
                    other.primary.span == diagnostic.primary.span
                        && other.message == diagnostic.message
                });
                assert!(same.is_none(), "{diagnostic:?}\n{mended}");
            }
        }
    }
}

/// Twice the text takes about twice the time, whatever the text. A quadratic step would take
/// hours here.
#[test]
fn time_is_linear() {
    let repeats = [
        "x ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "[ [",
        "a {\n",
        "a [\n",
        "\n[ 1,",
        "}\n",
        "a\n",
        "{ }",
        "a = \n",
        "///\n",
        "\"\\",
        "a ,",
        "table t { rows 5, dim 4 }\n",
        "query { id a { tabel } }\n",
        "[[]]",
        "{ \" \n",
        " a { ] \n",
    ];
    for piece in repeats {
        let text = piece.repeat(100_000 / piece.len());
        let start = Instant::now();
        survives(&text);
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{piece:?} takes {:?}",
            start.elapsed()
        );
    }
    let tasks: String = (0..5_000)
        .map(|n| format!("t{n} from \"a\" {{ given t{}, on x{n} }}\n", n + 1))
        .collect();
    let start = Instant::now();
    survives(&format!("tasks {{ {tasks} }}"));
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

/// What is said of some domains may stand in any order and in any number of statements.
#[test]
fn the_order_of_architectures_means_nothing() {
    let spec = |architecture: &str| {
        format!(
            r#"
            model m
            surfaces from "s" {{ feed = 0, search = 1 }}
            products from "p" {{ ads = 0 }}
            tasks {{ ctr from action "c" }}
            query {{ id user {{ rows 10, dim 2 }}, number age }}
            item {{ id pin {{ rows 10, dim 2 }} }}
            {architecture}
            "#
        )
    };
    let meaning = |architecture: &str| {
        let spec = check(&Source::new("m", spec(architecture))).spec.unwrap();
        spec.architecture
    };
    let one = meaning(
        "architecture on [feed, ads] { deep [8], norm post }
         architecture on feed { cross { depth 2 } }
         architecture { deep [16, 8], cross { rank 4 } }",
    );
    let other = meaning(
        "architecture { cross { rank 4, depth 1 }, deep [16, 8], shared_deep [16, 8] }
         architecture on feed { norm post, deep [8], cross { rank 4, depth 2 } }
         architecture on search { deep [16, 8] }
         architecture on ads { norm post, deep [8] }",
    );
    assert_eq!(one, other);
    assert_eq!(one.overrides.len(), 2);
}
