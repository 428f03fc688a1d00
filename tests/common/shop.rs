//! A small spec and what became of it, and the graphs of all specs.

#[allow(
    unused_imports,
    reason = "each test that has this module uses some of them"
)]
pub use support::specs::{graph, graphs};

/// A shop of two surfaces and two products.
pub const OLD: &str = r#"
model shop
surfaces from "surface" { feed = 0, search = 1 }
products from "product" { standard = "std", video = "vid" }
tasks {
  click from "hw_click" { embedding 16 }
  buy   from action "clicked" & "bought" { embedding 8, given click, on standard }
}
query {
  id       user    { rows 1_001, dim 8 }
  category country { values ["de", "fr"], dim 4, shallow }
  number   age     { log }
}
item {
  id     ad    { rows 1_000, dim 8 }
  id     shop  { rows 500, dim 4, vocabulary 2 }
  number price { log }
}
architecture { deep [16, 8], routing [8], shallow [8], shallow_width 4, cross { rank 2 } }
"#;

/// A surface is added and another renamed, a feature comes in, tables grow, a task goes.
pub fn new() -> String {
    OLD.replace(
        "feed = 0, search = 1",
        "home = 0, reels = 2 like home, pins = 3, search = 1",
    )
    .replace(
        "  buy   from action \"clicked\" & \"bought\" { embedding 8, given click, on standard }\n",
        "  like  from action \"liked\" { embedding 8 }\n",
    )
    .replace("rows 1_001", "rows 2_001")
    .replace("rows 1_000", "rows 1_500")
    .replace("rows 500", "rows 800")
    .replace("[\"de\", \"fr\"]", "[\"at\", \"de\", \"fr\"]")
    .replace(
        "  number   age     { log }",
        "  number   age     { log }\n  number   visits  { log, on search }",
    )
}
