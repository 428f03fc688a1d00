//! A spec of any size, with features of all domains and of some.

/// Text of a spec of so many surfaces, products and tasks: every tenth surface has a number that it shares with two
/// others, every tenth product one of its own.
pub fn spec(surfaces: usize, products: usize, tasks: usize) -> String {
    let mut lines = vec!["model large".to_owned()];
    lines.push("surfaces from \"surface\" {".to_owned());
    lines.extend((0..surfaces).map(|id| format!("  s{id} = {id}")));
    lines.push("}\nproducts from \"product\" {".to_owned());
    lines.extend((0..products).map(|id| format!("  p{id} = {id}")));
    lines.push("}\ntasks {\n  t0 from \"hw_0\"".to_owned());
    lines.extend(
        (1..tasks).map(|id| format!("  t{id} from \"hw_{id}\" {{ embedding 32, given t0 }}")),
    );
    lines.push(
        "}\nquery {\n  id user_id { rows 100_000, dim 16 }\n  number clicks { log }".to_owned(),
    );
    for id in (0..surfaces).step_by(10) {
        let on: Vec<String> = (id..surfaces.min(id + 3))
            .map(|id| format!("s{id}"))
            .collect();
        lines.push(format!("  number own{id} {{ on [{}] }}", on.join(", ")));
    }
    lines.push("}\nitem {\n  id ad_id { rows 100_000, dim 16 }\n  number price { log }".to_owned());
    let own = (0..products).step_by(10);
    lines.extend(own.map(|id| format!("  number its_own{id} {{ on p{id} }}")));
    lines.push("}\n".to_owned());
    lines.join("\n")
}
