//! Surfaces and products: the domains of the two towers.

mod axis;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::literals::Text;
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::Namespace;
use crate::sema::sentence::enumerate;
use crate::sema::spec::{Axis, DomainId, Others, Tower, list, text};
use crate::sema::spelling::closest;
use crate::source::Span;
use crate::syntax::ast::{Statement, Word};
use axis::read_axis;

/// A declared axis, with the places of its domains.
pub(in crate::sema) struct AxisDeclaration {
    pub axis: Axis,
    /// The column of its values.
    pub column: Option<Text>,
    /// Place of each domain's name.
    pub places: Vec<Span>,
    /// Whether all domains are known.
    pub complete: bool,
}

/// Both axes.
pub(in crate::sema) struct Domains {
    query: AxisDeclaration,
    item: AxisDeclaration,
}

/// The words for an axis.
pub(in crate::sema) fn noun(tower: Tower) -> &'static str {
    match tower {
        Tower::Query => "surface",
        Tower::Item => "product",
    }
}

fn plural(tower: Tower) -> &'static str {
    match tower {
        Tower::Query => "surfaces",
        Tower::Item => "products",
    }
}

impl Domains {
    pub fn read(
        context: &mut Context<'_>,
        surfaces: Option<&Statement>,
        products: Option<&Statement>,
    ) -> Self {
        let query = read_axis(context, Tower::Query, surfaces);
        let item = read_axis(context, Tower::Item, products);
        let domains = Self { query, item };
        domains.report_shared_names(context);
        domains
    }

    pub fn axis(&self, tower: Tower) -> &AxisDeclaration {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }

    pub fn into_axes(self) -> (Axis, Axis) {
        (self.query.axis, self.item.axis)
    }

    /// The domain of a name, of either axis.
    pub fn find(&self, name: &str) -> Option<(Tower, DomainId)> {
        let on = |tower| self.axis(tower).find(name).map(|id| (tower, id));
        on(Tower::Query).or_else(|| on(Tower::Item))
    }

    /// All domains of an axis.
    pub fn all(&self, tower: Tower) -> Vec<DomainId> {
        (0..self.axis(tower).axis.domains.len())
            .map(DomainId)
            .collect()
    }

    /// Name of a domain.
    pub fn name(&self, tower: Tower, id: DomainId) -> &str {
        self.axis(tower)
            .axis
            .domains
            .get(id.0)
            .map_or("", |domain| &*domain.name)
    }

    /// Resolves a name of an `on`. Reports one that is unknown, unless a declaration that could
    /// not be read may have declared it.
    pub fn resolve(&self, context: &mut Context<'_>, name: &Word) -> Option<(Tower, DomainId)> {
        let found = self.find(&name.text);
        if let Some((tower, _)) = found {
            context.index.refer(NameKind::domain(tower), name);
        }
        if found.is_none() && self.query.complete && self.item.complete {
            context.report(self.unknown(name, &Tower::ALL));
        }
        found
    }

    /// A name that no axis out of `towers` has.
    pub fn unknown(&self, name: &Word, towers: &[Tower]) -> Diagnostic {
        let nouns: Vec<&str> = towers.iter().map(|tower| noun(*tower)).collect();
        let message = format!("there is no {} `{}`", nouns.join(" or "), name.text);
        let mut diagnostic = Diagnostic::new(Code::E0203, message, name.span, "unknown name");
        let names = towers.iter().flat_map(|tower| self.axis(*tower).names());
        if let Some(candidate) = closest(&name.text, names) {
            return diagnostic.fix(format!("did you mean `{candidate}`?"), name.span, candidate);
        }
        for tower in towers {
            let names = enumerate(self.axis(*tower).names(), 12);
            diagnostic = diagnostic.note(format!("{}: {names}", plural(*tower)));
        }
        diagnostic
    }

    /// A name must identify its axis, and generated code has one namespace for both.
    fn report_shared_names(&self, context: &mut Context<'_>) {
        let mut types = Namespace::new();
        for (name, span) in self.query.named_places() {
            types.declare_type(
                context,
                &Word {
                    text: name.to_owned(),
                    span,
                },
            );
        }
        for (name, span) in self.item.named_places() {
            match self
                .query
                .find(name)
                .and_then(|id| self.query.places.get(id.0))
            {
                Some(surface) => context.report(
                    Diagnostic::new(
                        Code::E0406,
                        format!("`{name}` is both a surface and a product"),
                        span,
                        "a product",
                    )
                    .label(*surface, "a surface")
                    .help("rename one of them, so that `on` is never ambiguous"),
                ),
                None => types.declare_type(
                    context,
                    &Word {
                        text: name.to_owned(),
                        span,
                    },
                ),
            }
        }
    }
}

impl AxisDeclaration {
    /// An axis about which nothing is known.
    fn unknown() -> Self {
        let axis = Axis {
            column: text(""),
            domains: list(&[]),
            others: Others::DEFAULT,
            place: text(""),
        };
        Self {
            axis,
            column: None,
            places: Vec::new(),
            complete: false,
        }
    }

    /// Domains are sorted by name.
    pub fn find(&self, name: &str) -> Option<DomainId> {
        self.axis
            .domains
            .binary_search_by(|domain| (*domain.name).cmp(name))
            .ok()
            .map(DomainId)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.axis.domains.iter().map(|domain| &*domain.name)
    }

    pub fn named_places(&self) -> impl Iterator<Item = (&str, Span)> {
        self.names().zip(self.places.iter().copied())
    }
}
