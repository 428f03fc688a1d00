//! Keys of parameters.

/// Key of a parameter: the fields that lead to it, joined by dots, without those that a graph path does not name:
///
/// - `layers` of a layer, so that a sequence of layers reads as in PyTorch's `Sequential`;
/// - `copies` of [`Experts`](crate::layers::Experts): a place in it is a number of the field before it, from the second
///   place on: `shared.expert.copies.0` is `shared.expert`, `shared.expert.copies.1` is `shared.expert2`;
/// - the field that holds [`Domains`](crate::layers::Domains), whose own fields are the domains.
#[derive(Debug, Clone, Default)]
pub struct Path {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
enum Segment {
    Name(String),
    Hidden,
    Copies,
    Copy(usize),
}

impl Path {
    /// A path that starts with `prefix`; from the root if that is empty.
    pub fn starting(prefix: &str) -> Self {
        let segments = prefix.split('.').filter(|s| !s.is_empty());
        Self {
            segments: segments.map(|s| Segment::Name(s.to_owned())).collect(),
        }
    }

    /// Goes into a field, as burn's `ModuleVisitor` names it and what holds it.
    pub fn enter(&mut self, name: &str, container: &str) {
        let segment = match (self.segments.last_mut(), container, name) {
            (Some(field), "Domains", _) => {
                *field = Segment::Hidden;
                Segment::Name(name.to_owned())
            }
            (Some(Segment::Copies), "Vec", _) => Segment::Copy(name.parse().unwrap_or_default()),
            (_, "Struct:Experts", "copies") => Segment::Copies,
            (_, "Struct:Cross" | "Struct:Ffn" | "Struct:Routing" | "Struct:Shallow", "layers") => {
                Segment::Hidden
            }
            _ => Segment::Name(name.to_owned()),
        };
        self.segments.push(segment);
    }

    /// Comes out of the field entered last.
    pub fn exit(&mut self) {
        self.segments.pop();
    }

    /// The key.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Name(name) => {
                    if !key.is_empty() {
                        key.push('.');
                    }
                    key.push_str(name);
                }
                Segment::Copy(place @ 1..) => key.push_str(&(place + 1).to_string()),
                Segment::Hidden | Segment::Copies | Segment::Copy(0) => {}
            }
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    fn key(fields: &[(&str, &str)]) -> String {
        let mut path = Path::default();
        for (name, container) in fields {
            path.enter(name, container);
        }
        path.key()
    }

    #[test]
    fn fields_that_the_graph_does_not_name_are_left_out() {
        let copy = |place| {
            key(&[
                ("query", "Struct:Model"),
                ("shared", "Struct:QueryTower"),
                ("expert", "Struct:DomainShared"),
                ("copies", "Struct:Experts"),
                (place, "Vec"),
                ("layers", "Struct:Ffn"),
                ("1", "Vec"),
                ("linear", "Struct:FfnLayer"),
            ])
        };
        assert_eq!(copy("0"), "query.shared.expert.1.linear");
        assert_eq!(copy("1"), "query.shared.expert2.1.linear");
    }

    #[test]
    fn domains_and_tasks_may_have_the_names_of_such_fields() {
        let path = key(&[
            ("item", "Struct:Model"),
            ("product_experts", "Struct:ItemTower"),
            ("layers", "Domains"),
            ("copies", "Struct:ProductExpert"),
        ]);
        assert_eq!(path, "item.layers.copies");
    }
}
