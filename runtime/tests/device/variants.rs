//! Plans of architectures that no spec has.

use mtmd_schema::plan::Plan;

use crate::lowered;

#[path = "../../../tests/common/shop.rs"]
#[expect(dead_code, reason = "only the text of a spec is of use here")]
mod shop;

/// What the `architecture` of a small spec declares instead.
const ARCHITECTURES: &[&str] = &[
    "norm post",
    "norm none",
    "norm post, composition sum",
    "norm none, composition sum, cross mlp [12, 6]",
    "cross mlp [12, 6], task_shared 2, domain_shared 3, shared_deep [20, 8]",
    "norm post, cross mlp [12], domain_shared 2",
    "cross none, se_reduction none, batch_norm none",
    "cross { rank 3, depth 3 }, shallow_width 1, task_shared 3",
    "norm post, cross { rank 3, depth 2 }, composition sum, se_reduction 1",
    "task_shared 0, domain_shared 0, logit_scale none, logit_bias none",
    "task_shared 0, routing [8, 4], shallow [8, 4]",
];

/// All of them by name.
pub fn plans() -> impl Iterator<Item = (&'static str, Plan)> {
    ARCHITECTURES.iter().map(|&what| (what, plan(what)))
}

/// The plan of a small spec of three surfaces, two products and three tasks, with these architecture settings.
pub fn plan(architecture: &str) -> Plan {
    let mut settings = vec![
        "deep [16, 8]",
        "routing [8]",
        "shallow [8]",
        "shallow_width 4",
    ];
    let said = |setting: &str, what: &str| what.split(", ").any(|part| part.starts_with(setting));
    settings.retain(|setting| {
        let name = setting.split(' ').next().unwrap();
        !said(&format!("{name} "), architecture)
    });
    if !said("cross ", architecture) {
        settings.push("cross { rank 2 }");
    }
    if !architecture.is_empty() {
        settings.push(architecture);
    }
    let edits = [
        (
            "architecture { deep [16, 8], routing [8], shallow [8], shallow_width 4, cross { rank 2 } }",
            &*format!(
                "architecture {{ {} }}\narchitecture on video {{ task_shared 0, batch_norm none }}",
                settings.join(", ")
            ),
        ),
        (
            "feed = 0, search = 1",
            "feed = 0, search = 1, pins = 2, home = 3",
        ),
        (
            "  number   age     { log }",
            "  number   age     { log }\n  number   visits  { log, on search }\n  vector   image   5 { on [feed, pins] }",
        ),
        (
            "  number price { log }",
            "  number price { log, on standard }",
        ),
    ];
    let text = edits.iter().fold(shop::OLD.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    lowered::compiled(&text).plan
}
