//! The book's pages are all in its summary, and links between them lead somewhere.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken book fails the test"
)]

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
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = pages(&root.join("book/src"));
    texts.push(root.join("README.md"));
    let mut count = 0;
    for page in texts {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let target = page.parent().unwrap().join(link);
            assert!(
                target.exists(),
                "{}: `{link}` leads nowhere",
                page.display()
            );
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
