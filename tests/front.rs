//! The front end on whole specs: what is sound checks, order and comments mean nothing, and no
//! text whatever makes it panic or stall.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what is wrong by failing"
)]

use std::time::Duration;

use mtmdc::diagnostics::{render_json, render_text};
use mtmdc::driver::check::{Checked, check};
use mtmdc::sema::spec::{Feature, FeatureKind, Index, Spec, Split, Text};
use mtmdc::source::{Source, Span};
use support::rng::Rng;
use support::shuffle::shuffled;
use support::specs::{self, sound};
use support::time::fastest;

fn spec(name: &str) -> Spec {
    sound(specs::named(name).source())
}

#[test]
fn the_specs_are_sound() {
    for file in specs::all() {
        assert_eq!(sound(file.source()).name, file.name);
    }
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
    for file in specs::all() {
        let spec = sound(file.source());
        for (place, task) in spec.tasks.iter().enumerate() {
            assert!(
                task.given.is_none_or(|parent| parent.0 < place),
                "{}: {}",
                file.name,
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

#[test]
fn order_and_comments_mean_nothing() {
    for spec in specs::all() {
        let expected = without_lines(sound(spec.source()));
        let mut random = Rng::new(5);
        for _ in 0..40 {
            let shuffled = shuffled(&spec.source(), &mut random);
            assert_ne!(shuffled, spec.text);
            let again = sound(Source::new(&*spec.path, &*shuffled));
            assert_eq!(without_lines(again), expected, "{shuffled}");
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
fn mutated(text: &str, random: &mut Rng) -> String {
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
    let Checked {
        spec,
        diagnostics,
        source,
        ..
    } = specs::checked(Source::new("specs/mutant.mtmd", text));
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
            // Both ends are in one file, between characters.
            let (_, file) = source.file(span.start);
            for end in [span.start, span.end] {
                let before = source.slice(Span::new(file.start, end));
                assert_eq!(
                    before.len(),
                    end - file.start,
                    "{span:?} of {diagnostic:?} in {text}"
                );
            }
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
    let mut random = Rng::new(7);
    let specs = specs::all();
    for round in 0..1_000 {
        survives(&mutated(&specs[round % specs.len()].text, &mut random));
    }
}

#[test]
fn no_prefix_panics() {
    for spec in specs::all() {
        for (end, _) in spec.text.char_indices().step_by(7) {
            survives(&spec.text[..end]);
        }
    }
}

#[test]
fn no_bytes_panic() {
    let mut random = Rng::new(11);
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

/// One mistake is one message: of 100 tokens, fewer than three that are left out of a sound spec lead
/// to two messages. (A line end left out after a doc comment does: the comment then holds a statement.)
#[test]
fn a_missing_token_does_not_cascade() {
    let (mut mutants, mut cascades) = (0_usize, Vec::new());
    for spec in specs::all() {
        let tokens = tokens(&spec.text);
        for place in (0..tokens.len()).step_by(4) {
            let mutant = [&tokens[..place], &tokens[place + 1..]].concat().concat();
            let checked = specs::checked(Source::new(&*spec.path, mutant));
            let messages = checked.diagnostics.len();
            mutants += 1;
            if messages > 1 {
                cascades.push((spec.name.clone(), place, tokens[place].to_owned(), messages));
            }
        }
    }
    assert!(
        mutants > 500 && 100 * cascades.len() < 3 * mutants,
        "{mutants}: {cascades:?}"
    );
}

/// A machine-applicable fix is right: applying it never leaves the same error at the same place.
#[test]
fn sure_fixes_mend() {
    for spec in specs::all() {
        let mut random = Rng::new(3);
        for _ in 0..200 {
            let mutant = mutated(&spec.text, &mut random);
            let before = specs::checked(Source::new(&*spec.path, &*mutant));
            for diagnostic in before.diagnostics {
                let Some(fix) = &diagnostic.fix else { continue };
                if fix.applicability != mtmdc::diagnostics::Applicability::MachineApplicable {
                    continue;
                }
                let mut mended = mutant.clone();
                for edit in fix.edits.iter().rev() {
                    mended.replace_range(edit.span.start..edit.span.end, &edit.replacement);
                }
                let after = specs::checked(Source::new(&*spec.path, &*mended));
                let same = after.diagnostics.iter().find(|other| {
                    other.primary.span == diagnostic.primary.span
                        && other.message == diagnostic.message
                });
                assert!(same.is_none(), "{diagnostic:?}\n{mended}");
            }
        }
    }
}

/// Eight times the text takes about eight times the time, whatever the text. A quadratic step would
/// take 64 times.
#[test]
fn time_is_linear() {
    let check = |what: &str, make: &dyn Fn(usize) -> String, length: usize| {
        let [short, long] = [length / 8, length].map(|length| {
            let text = make(length);
            fastest(2, || survives(&text))
        });
        assert!(long < Duration::from_secs(30), "{what:?} takes {long:?}");
        // Times below a millisecond are too short to compare.
        let short = short.max(Duration::from_millis(1));
        assert!(long < 20 * short, "{what:?}: {short:?}, then {long:?}");
    };
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
        check(piece, &|length| piece.repeat(length / piece.len()), 100_000);
    }
    let tasks = |count: usize| {
        let task = |n| format!("t{n} from \"a\" {{ given t{}, on x{n} }}\n", n + 1);
        let tasks: String = (0..count).map(task).collect();
        format!("tasks {{ {tasks} }}")
    };
    check("tasks", &tasks, 5_000);
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
