//! Features: the inputs of a tower.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::{Context, doc};
use crate::sema::cursor::Cursor;
use crate::sema::declare::derived::{self, ColumnSource};
use crate::sema::declare::domains::{Domains, noun};
use crate::sema::declare::inputs::{DeclaredKind, read_buckets, read_embedded, read_number};
use crate::sema::declare::kinds::{BUCKETISE, Kind, ON, WEIGHTS, find_kind};
use crate::sema::declare::tables::Tables;
use crate::sema::literals::Text;
use crate::sema::literals::number;
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::Namespace;
use crate::sema::sentence::enumerate;
use crate::sema::settings::Settings;
use crate::sema::spec::{Derive, DomainId, Feature, FeatureKind, Input, TableId, Tower};
use crate::sema::symbols::Inside;
use crate::syntax::ast::{AtomKind, Statement, Word};

/// A declared feature.
pub(in crate::sema) struct FeatureDeclaration {
    pub name: Word,
    doc: String,
    /// The column, at the place that names it.
    pub column: Text,
    /// Column of the weights of a list's entries.
    pub weights: Option<Text>,
    derive: Option<Derive>,
    kind: DeclaredKind,
    /// `None` if the names of `on` could not all be resolved.
    pub domains: Option<Vec<DomainId>>,
    place: String,
}

/// The features of a tower.
pub(in crate::sema) struct Features {
    pub tower: Tower,
    pub declared: Vec<FeatureDeclaration>,
    /// Whether all features are known.
    pub complete: bool,
}

impl Features {
    pub fn read(
        context: &mut Context<'_>,
        tower: Tower,
        statement: Option<&Statement>,
        domains: &Domains,
        tables: &mut Tables,
    ) -> Self {
        let mut features = Self {
            tower,
            declared: Vec::new(),
            complete: false,
        };
        let Some(statement) = statement else {
            return features;
        };
        let form = if tower == Tower::Query {
            "query { … }"
        } else {
            "item { … }"
        };
        context.refuse_doc(statement);
        Cursor::new(statement, form).end(context);
        let Some(block) = context.require_block(statement, form) else {
            return features;
        };
        features.complete = !block.damaged;
        context.index.block(block.span, Inside::Features(tower));
        let mut names = Namespace::new();
        for inner in &block.statements {
            features.read_one(context, inner, domains, tables, &mut names);
        }
        if features.declared.is_empty() && features.complete {
            features.complete = false;
            context.report(
                Diagnostic::new(
                    Code::E0308,
                    format!("`{}` declares no feature", statement.word.text),
                    statement.head,
                    "",
                )
                .help("declare at least one: `id user_id { rows 10_000, dim 16 }`"),
            );
        }
        features.report_domains_without_feature(context, domains);
        features
    }

    fn read_one(
        &mut self,
        context: &mut Context<'_>,
        statement: &Statement,
        domains: &Domains,
        tables: &mut Tables,
        names: &mut Namespace,
    ) {
        let Some((kind, spelling)) = find_kind(context, statement) else {
            self.complete = false;
            return;
        };
        let mut cursor = Cursor::new(statement, kind.form())
            .spelt(spelling)
            // The width of a vector is between the two.
            .with_column(kind != Kind::Vector);
        let name = cursor.name(context, "the feature's name");
        let width = if kind == Kind::Vector && !cursor.failed() {
            number::whole(context, &mut cursor, "width", 1)
        } else {
            None
        };
        let source = read_column(context, &mut cursor);
        let settings = Settings::read(context, statement.block.as_ref(), kind.settings());
        let on = self.read_domains(context, &settings, domains);
        let Some(name) = name else {
            self.complete = false;
            return;
        };
        if !names.declare(context, &name, NameKind::Feature(self.tower)) {
            return;
        }
        let damaged =
            statement.damaged || statement.block.as_ref().is_some_and(|block| block.damaged);
        let (derive, column) = derived::read(context, kind, source, &settings);
        let kind = match kind {
            Kind::Id | Kind::Ids | Kind::Category => {
                read_embedded(context, kind, &name, &settings, damaged, tables)
            }
            Kind::Number if settings.get(&BUCKETISE).is_some() => {
                read_buckets(context, &name, &settings, tables)
            }
            Kind::Vector => DeclaredKind::Vector {
                width: width
                    .and_then(|width| usize::try_from(width).ok())
                    .unwrap_or(1),
            },
            Kind::Number => read_number(context, &settings),
        };
        let column = column.unwrap_or_else(|| Text {
            text: name.text.clone(),
            span: name.span,
        });
        let place = context.place(statement.head);
        self.declared.push(FeatureDeclaration {
            name,
            doc: doc(statement),
            column,
            weights: settings.if_taken(&WEIGHTS).cloned(),
            derive,
            kind,
            domains: on,
            place,
        });
    }

    /// The domains that `on` names, all of this tower; without `on`, all.
    fn read_domains(
        &self,
        context: &mut Context<'_>,
        settings: &Settings<'_>,
        domains: &Domains,
    ) -> Option<Vec<DomainId>> {
        if settings.get(&ON).is_none() {
            return Some(domains.all(self.tower));
        }
        let names = settings.of(&ON)?;
        let resolved: Vec<Option<DomainId>> = names
            .iter()
            .map(|name| self.resolve(context, name, domains))
            .collect();
        let mut ids = resolved.into_iter().collect::<Option<Vec<DomainId>>>()?;
        ids.sort();
        Some(ids)
    }

    fn resolve(
        &self,
        context: &mut Context<'_>,
        name: &Word,
        domains: &Domains,
    ) -> Option<DomainId> {
        match domains.find(&name.text) {
            Some((tower, id)) if tower == self.tower => {
                context.index.refer(NameKind::domain(tower), name);
                return Some(id);
            }
            Some((tower, _)) => context.report(self.wrong_axis(name, tower, domains)),
            None if domains.axis(self.tower).complete => {
                context.report(domains.unknown(name, &[self.tower]))
            }
            None => {}
        }
        None
    }

    fn wrong_axis(&self, name: &Word, found: Tower, domains: &Domains) -> Diagnostic {
        let (own, other) = match self.tower {
            Tower::Query => ("query", "item"),
            Tower::Item => ("item", "query"),
        };
        let wants = noun(self.tower);
        let names = enumerate(domains.axis(self.tower).names(), 12);
        let message = format!(
            "`{}` is a {}, and a feature of `{own}` is on {wants}s",
            name.text,
            noun(found)
        );
        Diagnostic::new(
            Code::E0409,
            message,
            name.span,
            format!("expected a {wants}"),
        )
        .note(format!("the {wants}s are {names}"))
        .help(format!("name a {wants}, or move the feature to `{other}`"))
    }

    fn report_domains_without_feature(&self, context: &mut Context<'_>, domains: &Domains) {
        if !self.complete
            || self
                .declared
                .iter()
                .any(|feature| feature.domains.is_none())
        {
            return;
        }
        for (place, (name, span)) in domains.axis(self.tower).named_places().enumerate() {
            let has = |feature: &FeatureDeclaration| {
                feature
                    .domains
                    .as_ref()
                    .is_some_and(|ids| ids.binary_search(&DomainId(place)).is_ok())
            };
            if !self.declared.iter().any(has) {
                let own = noun(self.tower);
                context.report(
                    Diagnostic::new(
                        Code::E0404,
                        format!("{own} `{name}` has no feature"),
                        span,
                        "no feature's `on` names it",
                    )
                    .help(format!(
                        "add a feature for `{name}`, or let one have no `on`"
                    )),
                );
            }
        }
    }

    /// The checked features: embedded ones, vectors, numbers, each by name. `table_id` finds a
    /// table by its name.
    pub fn canonical(self, table_id: impl Fn(&str) -> TableId) -> Vec<Feature> {
        let mut features: Vec<Feature> = self
            .declared
            .into_iter()
            .map(|declared| declared.checked(&table_id))
            .collect();
        let rank = |feature: &Feature| match feature.kind {
            FeatureKind::Embedded { .. } => 0,
            FeatureKind::Vector { .. } => 1,
            FeatureKind::Number(_) => 2,
        };
        features.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        features
    }
}

impl FeatureDeclaration {
    /// Whether a row has any number of values.
    pub fn is_list(&self) -> bool {
        let input = match &self.kind {
            DeclaredKind::Embedded { input, .. } => input,
            DeclaredKind::Vector { .. } | DeclaredKind::Number(_) => return false,
        };
        matches!(input, Input::List { .. })
    }

    /// Whether another feature of the tower is the same input. Tables of their own make features
    /// different: one may be larger.
    pub fn reads_like(&self, other: &Self) -> bool {
        self.column.text == other.column.text
            && self.derive == other.derive
            && self.kind == other.kind
            && self.domains == other.domains
    }

    fn checked(self, table_id: impl Fn(&str) -> TableId) -> Feature {
        let kind = match self.kind {
            DeclaredKind::Embedded {
                table,
                input,
                shallow,
            } => FeatureKind::Embedded {
                table: table_id(&table),
                input,
                shallow,
            },
            DeclaredKind::Vector { width } => FeatureKind::Vector { width },
            DeclaredKind::Number(transform) => FeatureKind::Number(transform),
        };
        Feature {
            name: self.name.text.into(),
            doc: self.doc.into(),
            column: self.column.text.into(),
            derive: self.derive,
            kind,
            domains: self.domains.into_iter().flatten().collect(),
            place: self.place.into(),
        }
    }
}

/// `from "COLUMN"` or `from PART of "COLUMN"`.
fn read_column(context: &mut Context<'_>, cursor: &mut Cursor<'_>) -> Option<ColumnSource> {
    if cursor.failed() {
        return None;
    }
    let source = match cursor.peek() {
        Some(_) if cursor.is_word("from") => {
            cursor.next();
            let part = match cursor.peek() {
                Some(AtomKind::Word(_)) => Some(derived::part(context, cursor)?),
                _ => None,
            };
            let column = cursor.text(context, "a column in quotes")?;
            Some(ColumnSource { part, column })
        }
        _ => None,
    };
    cursor.end(context);
    source
}
