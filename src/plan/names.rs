//! Rust identifiers from the names of a spec.
//!
//! A spec's names are `snake_case` and no keywords, so they are fields as they stand. Types and
//! variants lose the underscores, whereby two names can become one: the later is numbered.

/// Types that generated code names, beside those that the plan claims.
const TYPES: [&str; 31] = [
    "Adaptation",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Device",
    "DomainInput",
    "DomainShared",
    "Err",
    "Ffn",
    "Head",
    "Heads",
    "ItemTower",
    "Layout",
    "Model",
    "Module",
    "None",
    "Ok",
    "Option",
    "Product",
    "QueryTower",
    "Schema",
    "SharedExperts",
    "Some",
    "Surface",
    "Task",
    "TaskEmbeddings",
    "TaskExpert",
    "Tower",
    "TowerInput",
    "TowerOutput",
];

/// Identifiers of one namespace.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: Vec<String>,
}

impl Names {
    /// The namespace of the generated model's types.
    pub(super) fn of_types() -> Self {
        Self {
            taken: TYPES.map(str::to_owned).into(),
        }
    }

    /// The name itself if it is free, else with `suffix`, else with the first number that is free.
    pub(super) fn claim(&mut self, name: String, suffix: &str) -> String {
        let suffixed = format!("{name}{suffix}");
        let numbered = (2..).map(|number| format!("{suffixed}{number}"));
        let free = [name, suffixed.clone()]
            .into_iter()
            .chain(numbered)
            .find(|candidate| !self.taken.contains(candidate))
            .unwrap_or_default();
        self.taken.push(free.clone());
        free
    }
}

/// `home_feed` → `HomeFeed`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    let joined: String = words.collect();
    if joined.starts_with(|first: char| first.is_ascii_alphabetic()) {
        joined
    } else {
        format!("N{joined}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_capitalised() {
        for (name, expected) in [
            ("home_feed", "HomeFeed"),
            ("tab0", "Tab0"),
            ("_x", "X"),
            ("_1", "N1"),
            ("a_1b", "A1b"),
        ] {
            assert_eq!(pascal(name), expected);
        }
    }

    #[test]
    fn names_never_collide() {
        let mut names = Names::default();
        let claimed = ["a_1", "a1", "a__1"].map(|name| names.claim(pascal(name), ""));
        assert_eq!(claimed, ["A1", "A12", "A13"]);
        let mut types = Names::of_types();
        assert_eq!(
            types.claim("TaskExpert".to_owned(), "DomainExpert"),
            "TaskExpertDomainExpert"
        );
        assert_eq!(types.claim("Heads".to_owned(), "Model"), "HeadsModel");
    }
}
