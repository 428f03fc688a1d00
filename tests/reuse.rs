//! Specs of several files, their variants, budgets and lints, and fixes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what is wrong by failing"
)]

use mtmdc::diagnostics::{
    Applicability, Code, Diagnostic, Level, Levels, has_errors, render_github, render_text,
};
use mtmdc::driver::check::{Checked, check, check_files};
use mtmdc::driver::compile::compile_files;
use mtmdc::driver::fix::fix;
use mtmdc::graph;
use mtmdc::graph::diff::diff;
use mtmdc::source::Source;
use std::fs;
use std::path::Path;
use support::specs;

const BASE: &str = r#"model small
surfaces from "surface" { feed = 0, search = 1 }
products from "product" { standard = "std" }
tasks { ctr from action "is_click" }
query { id user_id { rows 10_000, dim 16 }, number age { log } }
item { id ad_id { rows 10_000, dim 16 } }
"#;

fn network() -> Source {
    specs::named("network").source()
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code.id())
        .collect()
}

fn with(text: &str) -> Checked {
    check(&Source::new("small.mtmd", format!("{BASE}{text}")))
}

/// The graph of `specs/network.mtmd` is the committed one. A variant differs only in what it declares.
#[test]
fn files_and_variants_make_graphs() {
    let graph = |variant| {
        let outcome = compile_files(network(), &specs::read, &Levels::default(), variant);
        assert!(
            outcome.diagnostics.is_empty(),
            "{}",
            render_text(&outcome.source, &outcome.diagnostics, false)
        );
        outcome.artefacts.unwrap().graph
    };
    let base = graph(None);
    let committed = specs::read("generated/network/graph.yaml").unwrap();
    assert!(base.to_yaml() == committed, "generated/network is stale");
    let changes = diff(&base, &graph(Some("small"))).to_text();
    insta::assert_snapshot!("network_small", changes);
    let no_cross = graph(Some("no_cross")).to_yaml();
    assert!(no_cross.contains("crossing: none"));
}

/// What is split over files means what it means in one.
#[test]
fn files_change_nothing_but_the_place() {
    let split = check_files(network(), &specs::read, &Levels::default());
    let own = specs::read("specs/network.mtmd").unwrap();
    let own: String = own
        .lines()
        .filter(|line| !line.starts_with("use "))
        .fold(String::new(), |text, line| text + line + "\n");
    let members = specs::read("specs/common/members.mtmd").unwrap();
    let companies = specs::read("specs/common/companies.mtmd").unwrap();
    let inner = |text: &str, word: &str| {
        let start = text.find(word).unwrap() + word.len();
        text[start..].trim_end().trim_end_matches('}').to_owned()
    };
    let table = "table companies { rows 200_000, dim 16 }\n";
    let own = own
        .replace(
            "query {\n  vector",
            &format!("query {{{}\n  vector", inner(&members, "query {")),
        )
        .replace(
            "item {\n  id     job_id",
            &format!("item {{{}\n  id     job_id", inner(&companies, "item {")),
        );
    let one = check(&Source::new("one.mtmd", own + table));
    let (split, one) = (split.spec.unwrap(), one.spec.unwrap());
    assert_eq!(graph::meaning_hash(&split), graph::meaning_hash(&one));
}

#[test]
fn a_part_is_checked_alone_and_not_built() {
    for part in specs::parts() {
        let source = part.source();
        let checked = check_files(source.clone(), &specs::read, &Levels::default());
        assert!(checked.part && checked.spec.is_none());
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        let outcome = compile_files(source, &specs::read, &Levels::default(), None);
        assert!(outcome.artefacts.is_none() && has_errors(&outcome.diagnostics));
    }
    let broken = check(&Source::new(
        "part.mtmd",
        "query { id a { rows 10, dimm 4 } }",
    ));
    assert_eq!(codes(&broken), ["E0202"]);
}

#[test]
fn mistakes_are_named_in_their_files() {
    let read = |path: &str| match path {
        "lib/a.mtmd" => Ok("use \"b.mtmd\"\ntable t { rows 10 }\n".to_owned()),
        "lib/b.mtmd" => Ok("item { number price { clip [3, 1] } }".to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    let text =
        format!("{BASE}use \"lib/a.mtmd\"\nuse \"lib/b.mtmd\"\narchitecture {{ deep [] }}\n");
    let checked = check_files(Source::new("small.mtmd", text), &read, &Levels::default());
    let shown = render_text(&checked.source, &checked.diagnostics, false);
    insta::assert_snapshot!(shown);
    let annotated = render_github(&checked.source, &checked.diagnostics);
    assert!(
        annotated.contains("::error file=lib/b.mtmd,line=1,endLine=1,col=28"),
        "{annotated}"
    );
}

#[test]
fn single_statements_of_two_files_are_one_too_many() {
    let read = |_: &str| Ok("training { epochs 1 }\nquery { number age }\n".to_owned());
    let text = format!("{BASE}use \"a.mtmd\"\ntraining {{ epochs 2 }}\n");
    let checked = check_files(Source::new("small.mtmd", text), &read, &Levels::default());
    assert_eq!(codes(&checked), ["E0205", "E0204"]);
    assert!(render_text(&checked.source, &checked.diagnostics, false).contains("--> a.mtmd"));
}

/// What a variant does not say of a declaration stays.
#[test]
fn what_is_not_given_stays() {
    let spec = |task: &str, feature: &str, surface: &str, on: &str| {
        format!(
            "model small\nsurfaces from \"s\" {{ feed = 0, search = 1, {surface} }}\n\
             products from \"p\" {{ std = \"std\" }}\n\
             tasks {{ see from \"seen\", {task} }}\n\
             query {{ id user {{ rows 9, dim 2 }}, {feature} }}\nitem {{ id ad {{ rows 9, dim 2 }} }}\n{on}"
        )
    };
    let task = "ctr from \"hw\" { given see, embedding 32, weight 2, action \"a\" }";
    let feature = "vector mood 64 from \"m\" { on feed }";
    let surface = "reels = 2 like feed";
    let on = "architecture on [feed, search] { deep [64], task_shared 2 }";
    let base = spec(task, feature, surface, on);
    let cases = [
        ("tasks { ctr from \"hw2\" }", base.replace("\"hw\"", "\"hw2\"")),
        ("query { vector mood 32 }", base.replace("mood 64", "mood 32")),
        ("query { vector mood from \"n\" }", base.replace("\"m\"", "\"n\"")),
        ("query { vector mood { on search } }", base.replace("{ on feed }", "{ on search }")),
        ("surfaces { reels = 3 }", base.replace("reels = 2", "reels = 3")),
        ("surfaces { reels like search }", base.replace("like feed", "like search")),
        (
            "architecture on search { deep [32] }",
            base.replace(
                on,
                "architecture on [feed, search] { task_shared 2 }\n\
                 architecture on feed { deep [64] }\narchitecture on search { deep [32] }",
            ),
        ),
        (
            "architecture on search { without deep }",
            base.replace(on, "architecture on [feed, search] { task_shared 2 }\narchitecture on feed { deep [64] }"),
        ),
    ];
    for (change, meant) in cases {
        let text = format!("{base}\nvariant v {{ {change} }}");
        let mut variant = variant_spec(check(&Source::new("small.mtmd", text)));
        let meant = check(&Source::new("small.mtmd", meant)).spec.unwrap();
        variant.name.clone_from(&meant.name);
        assert_eq!(
            graph::meaning_hash(&variant),
            graph::meaning_hash(&meant),
            "{change}"
        );
    }
}

fn variant_spec(checked: Checked) -> mtmdc::sema::spec::Spec {
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    checked.variants.into_iter().next().unwrap().spec.unwrap()
}

#[test]
fn a_variant_is_the_spec_that_one_would_write() {
    let pairs = [
        (
            "variant v { tasks { ctr { weight 3 } } }",
            BASE.replace("\"is_click\"", "\"is_click\" { weight 3 }"),
        ),
        (
            "variant v { tasks { ctr from \"score\" } }",
            BASE.replace("action \"is_click\"", "\"score\""),
        ),
        (
            "variant v { query { without age } }",
            BASE.replace(", number age { log }", ""),
        ),
        (
            "variant v { query { number age { without log, clip [1, 2] } } }",
            BASE.replace("{ log }", "{ clip [1, 2] }"),
        ),
        (
            "variant v { surfaces { reels = 7, without search } }",
            BASE.replace("search = 1", "reels = 7"),
        ),
        (
            "variant v { query { category age { dim 4 } } }",
            BASE.replace("number age { log }", "category age { dim 4, log }"),
        ),
        (
            "training { dense { lr 1e-2 } }\nvariant v { training { dense { weight_decay 0 } } }",
            format!("{BASE}training {{ dense {{ lr 1e-2, weight_decay 0 }} }}"),
        ),
        (
            "architecture { cross { rank 8 } }\nvariant v { architecture { cross none } }",
            format!("{BASE}architecture {{ cross none }}"),
        ),
        (
            "architecture { cross mlp [64] }\nvariant v { architecture { cross { rank 8 } } }",
            format!("{BASE}architecture {{ cross {{ rank 8 }} }}"),
        ),
    ];
    for (text, meant) in pairs {
        if meant.contains("category age { dim 4, log }") {
            assert_eq!(codes(&with(text)), ["E0307"], "what stays must still fit");
            continue;
        }
        let mut variant = variant_spec(with(text));
        let meant = check(&Source::new("meant.mtmd", meant)).spec.unwrap();
        assert_eq!(variant.name, "small_v");
        variant.name.clone_from(&meant.name);
        assert_eq!(
            graph::meaning_hash(&variant),
            graph::meaning_hash(&meant),
            "{text}"
        );
    }
}

#[test]
fn variants_repeat_nothing_of_their_spec() {
    let checked = with(
        "table lonely { rows 10, dim 2 }\nvariant a { training { epochs 3 } }\nvariant b { query { number height { lgo } } }",
    );
    assert_eq!(codes(&checked), ["W0501", "E0202"]);
    let note = &checked.diagnostics[1].notes;
    assert!(note.contains(&"in variant `b`".to_owned()), "{note:?}");
}

/// What is beyond its budget is not built, but one may look where the budget goes.
#[test]
fn what_is_beyond_its_budget_can_be_looked_at() {
    let text = format!("{BASE}budget {{ bytes_per_item 6 }}");
    let compiled = |beyond_budget| {
        let levels = Levels {
            beyond_budget,
            ..Levels::default()
        };
        let source = Source::new("small.mtmd", text.as_str());
        let outcome = compile_files(source, &specs::read, &levels, None);
        let messages = outcome.diagnostics.iter();
        let codes: Vec<&str> = messages.map(|message| message.code.id()).collect();
        assert_eq!(codes, ["E0572"]);
        outcome.artefacts.is_some()
    };
    assert!(compiled(true) && !compiled(false));
}

#[test]
fn variants_have_budgets() {
    let over =
        with("budget { bytes_per_item 600 }\nvariant wide { tasks { ctr { embedding 128 } } }");
    assert_eq!(codes(&over), ["E0572"]);
    assert!(over.spec.is_none());
    let more = with(
        "budget { bytes_per_item 600 }\nvariant wide { tasks { ctr { embedding 128 } }, budget { bytes_per_item 1_000 } }",
    );
    assert_eq!(codes(&more), [""; 0]);
}

#[test]
fn levels() {
    let text = format!("{BASE}table lonely {{ rows 10, dim 2 }}\n");
    let source = Source::new("small.mtmd", text);
    let under = |codes: &[(Code, Level)], deny_warnings| {
        let codes = codes.to_vec();
        let levels = Levels {
            codes,
            deny_warnings,
            ..Levels::default()
        };
        let checked = check_files(source.clone(), &|_| Err(String::new()), &levels);
        (checked.diagnostics.len(), checked.spec.is_some())
    };
    assert_eq!(under(&[], false), (1, true));
    assert_eq!(under(&[], true), (1, false));
    assert_eq!(under(&[(Code::W0501, Level::Allow)], true), (0, true));
    assert_eq!(under(&[(Code::W0501, Level::Error)], false), (1, false));
    assert_eq!(under(&[(Code::W0507, Level::Warning)], false), (3, true));
}

/// Every case of `tests/diagnostics`: what a sure fix mends is gone, nothing new comes, and a spec
/// that was sound means what it meant.
#[test]
fn fixes_mend_every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut mended = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "mtmd") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let source = Source::new("case.mtmd", text);
        let before = check(&source);
        let sure = |diagnostic: &&Diagnostic| {
            let fix = diagnostic.fix.as_ref();
            fix.is_some_and(|fix| fix.applicability == Applicability::MachineApplicable)
        };
        let count = before.diagnostics.iter().filter(sure).count();
        let no_files = |_: &str| Err(String::new());
        let fixed = fix(&source, &no_files, &Levels::default(), false);
        let after = &fixed.checked;
        assert_eq!(after.diagnostics.iter().filter(sure).count(), 0, "{path:?}");
        if count == 0 {
            assert!(fixed.texts.is_empty());
            continue;
        }
        mended += 1;
        for diagnostic in &after.diagnostics {
            assert!(
                before
                    .diagnostics
                    .iter()
                    .any(|old| old.message == diagnostic.message),
                "{path:?}: {diagnostic:?}"
            );
        }
        if let (Some(before), Some(after)) = (&before.spec, &after.spec) {
            assert_eq!(graph::meaning_hash(before), graph::meaning_hash(after));
        }
    }
    assert!(mended > 10, "{mended}");
}
