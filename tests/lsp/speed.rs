//! How long a keystroke takes in a spec of 2,000 lines.

use super::client::Client;
use mtmdc::driver::check::check;
use mtmdc::source::Source;
use serde_json::json;
use std::fmt::Write;
use std::time::{Duration, Instant};

const URI: &str = "file:///specs/large.mtmd";
const LINES: usize = 2_000;
const KEYSTROKES: usize = 40;

/// What a keystroke may take, from the change to its diagnostics and then to the completions.
/// Without optimisation only that it ends is asserted.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5_000 } else { 50 });

/// Checks of the whole text that a keystroke may take as long as, on a machine where that is more.
const CHECKS: u32 = 3;

/// A spec of so many lines: features, most of them, on a dozen surfaces and six products.
fn spec() -> String {
    let mut text = String::from("model large\n");
    let mut axis = |word: &str, name: &str, count: usize| {
        writeln!(text, "{word} from \"{name}\" {{").unwrap();
        for place in 0..count {
            writeln!(text, "  {name}_{place} = {place}").unwrap();
        }
        text.push_str("}\n");
    };
    axis("surfaces", "feed", 12);
    axis("products", "ads", 6);
    text.push_str("tasks {\n  t0 from \"t0\"\n");
    for task in 1..8 {
        writeln!(text, "  t{task} from \"t{task}\" {{ given t{} }}", task - 1).unwrap();
    }
    text.push_str("}\nquery {\n");
    let mut feature = 0;
    while text.lines().count() < LINES - 3 {
        writeln!(
            text,
            "  category c{feature} {{ dim 8, on [feed_{}, feed_0] }}",
            feature % 11 + 1
        )
        .unwrap();
        feature += 1;
    }
    text.push_str("}\nitem { id ad { rows 100, dim 8 } }\n");
    assert!(text.lines().count() >= LINES - 1);
    text
}

#[test]
fn a_keystroke_in_two_thousand_lines_is_answered_at_once() {
    let text = spec();
    let mut client = Client::start();
    client.open(URI, &text);
    let line = text.lines().count() - 100;
    let column = "  category c".len();
    let mut taken = vec![];
    for version in 0..KEYSTROKES {
        let place = json!({ "line": line, "character": column });
        let next = json!({ "line": line, "character": column + 1 });
        // One keystroke breaks the name, the next one mends it: the diagnostics change each time.
        let change = match version % 2 {
            0 => json!({ "range": { "start": place, "end": place }, "text": "X" }),
            _ => json!({ "range": { "start": place, "end": next }, "text": "" }),
        };
        let start = Instant::now();
        client.change(URI, version as i64 + 2, json!([change]));
        assert_eq!(client.diagnostics(URI).len(), (version + 1) % 2);
        let at = json!({ "line": line, "character": 3 });
        let items = client.ask("completion", URI, at, json!({})).unwrap();
        assert_eq!(items.as_array().unwrap().len(), 5);
        taken.push(start.elapsed());
    }
    client.stop();
    taken.sort();
    let (median, worst) = (taken[taken.len() / 2], taken[taken.len() - 1]);
    println!(
        "{} lines: a keystroke to diagnostics and completions takes {:.1} ms (median of {KEYSTROKES}), {:.1} ms at worst",
        text.lines().count(),
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3
    );
    // The faster half: a busy machine may hold up some, and that is not the server's time.
    let quick = taken[taken.len() / 4];
    // On a machine that is slow as a whole, the limit is that of its own speed.
    let check = checked_in(&text);
    println!(
        "a check of the text takes {:.1} ms",
        check.as_secs_f64() * 1e3
    );
    let limit = LIMIT.max(check * CHECKS);
    assert!(
        quick < limit,
        "a quarter takes {quick:?} or less, the limit is {limit:?}"
    );
}

/// The time of a check of the text, the fastest of some.
fn checked_in(text: &str) -> Duration {
    let check = |_| {
        let source = Source::new("large.mtmd", text);
        let start = Instant::now();
        assert!(check(&source).spec.is_some());
        start.elapsed()
    };
    (0..10).map(check).min().unwrap()
}
