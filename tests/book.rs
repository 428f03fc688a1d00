//! The book's pages are all in its summary, links between them lead somewhere, and what they say of specs and commands
//! holds: `tests/common/page.rs` runs them. The tables of the reference are those of the declarations:
//! `tests/common/reference.rs` makes them. `BOOK=write cargo test --release --test book` writes what commands print, and
//! the tables.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken book fails the test"
)]

#[path = "common/page.rs"]
mod page;
#[path = "common/reference.rs"]
mod reference;

use mtmdc::sema::tables_of_settings;
use page::Page;
use reference::{Marked, places};
use std::fs;
use std::path::{Path, PathBuf};

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages
}

/// Targets of `[…](target)` that are files of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.starts_with("http") && !target.contains(' '))
}

/// The anchors of the headings, as mdBook has them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter_map(|line| line.strip_prefix('#'));
    titles.map(|title| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    })
}

#[test]
fn every_page_is_in_the_summary() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src");
    let summary = fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = links(&summary).map(|link| source.join(link)).collect();
    for page in pages(&source) {
        assert!(
            page.ends_with("SUMMARY.md") || listed.contains(&page),
            "{} is not in SUMMARY.md",
            page.display()
        );
    }
}

#[test]
fn every_declaration_is_in_a_table_of_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut marked = vec![];
    for page in pages(&root.join("book/src")) {
        let page = places(&fs::read_to_string(page).unwrap());
        marked.extend(page.into_iter().map(|(marked, _)| marked));
    }
    assert!(marked.contains(&Marked::Statements) && marked.contains(&Marked::Kinds));
    for table in tables_of_settings() {
        let holds =
            |marked: &Marked| matches!(marked, Marked::Settings(tables) if tables.contains(&table));
        assert!(
            marked.iter().any(holds),
            "no page has `<!-- settings of {} -->`",
            table.owner
        );
    }
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = pages(&root.join("book/src"));
    texts.push(root.join("README.md"));
    let mut count = 0;
    for page in texts {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            let leads = target.exists()
                && (heading.is_empty()
                    || headings(&fs::read_to_string(&target).unwrap()).any(|one| one == heading));
            assert!(leads, "{}: `{link}` leads nowhere", page.display());
            count += 1;
        }
    }
    assert!(count > 40, "the links were not found");
}

#[test]
fn the_drawing_of_the_paper_s_model_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("specs/pinterest.mtmd")).unwrap();
    let source = mtmdc::source::Source::new("pinterest.mtmd", text);
    let spec = mtmdc::driver::check::check(&source)
        .spec
        .expect("a good spec");
    let drawn = mtmdc::graph::build(&spec).to_svg();
    let committed = fs::read_to_string(root.join("book/src/pinterest.svg")).unwrap();
    assert!(
        drawn == committed,
        "run `mtmdc graph specs/pinterest.mtmd --format svg -o book/src/pinterest.svg`"
    );
}

/// Runs the pages of the book whose commands build no crate, or those that do.
fn run_pages(slow: bool) -> (usize, usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mtmdc = Path::new(env!("CARGO_BIN_EXE_mtmdc"));
    let target = mtmdc.parent().unwrap().parent().unwrap();
    let (mut specs, mut commands) = (0, 0);
    let source = root.join("book/src");
    let mut texts = pages(&source);
    texts.push(root.join("README.md"));
    // The pages of codes have specs with a mistake; tests/diagnostics.rs checks them.
    texts.retain(|path| !path.starts_with(source.join("errors")));
    for path in texts {
        let page = Page::open(&path, root, mtmdc);
        if page.is_slow() == slow {
            let done = if slow {
                page.run(Some(target))
            } else {
                page.run(None)
            };
            specs += done.0;
            commands += done.1;
        }
    }
    (specs, commands)
}

#[test]
fn specs_and_commands_do_what_the_pages_say() {
    let (specs, commands) = run_pages(false);
    assert!(specs > 20 && commands > 10, "{specs} {commands}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "trains: cargo test --release")]
fn so_do_those_that_train() {
    let (_, commands) = run_pages(true);
    assert!(commands > 10, "{commands}");
}
