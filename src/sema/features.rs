//! Features: the inputs of a tower.

use super::context::{Context, doc, enumerate};
use super::derived::{self, ColumnSource};
use super::domains::{Domains, noun};
use super::head::{Head, Text};
use super::index::Inside;
use super::kinds::{Kind, STANDARDISE, find_kind};
use super::names::{Kind as NameKind, Namespace};
use super::raw::Raw;
use super::settings::Settings;
use super::spec::{
    Derive, DomainId, Feature, FeatureKind, Index, Input, Pool, RawValue, Standardise, TableId,
    Tower,
};
use super::tables::{Defaults, Shape, Tables, read_shape};
use super::value::{self, Value};
use crate::diagnostics::{Code, Diagnostic};
use crate::syntax::ast::{AtomKind, Statement, Word};

/// Rows of a category's table unless it says otherwise.
const CATEGORY_ROWS: usize = 256;

/// A declared feature.
pub(super) struct FeatureDeclaration {
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

#[derive(PartialEq)]
enum DeclaredKind {
    Embedded {
        table: String,
        input: Input,
        shallow: bool,
    },
    Vector {
        width: usize,
    },
    Number {
        default: f64,
        clip: Option<(f64, f64)>,
        log: bool,
        standardise: Option<Standardise>,
    },
}

/// The features of a tower.
pub(super) struct Features {
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
        Head::new(statement, form).end(context);
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
        let mut head = Head::new(statement, kind.form()).spelt(spelling);
        let name = head.name(context, "the feature's name");
        let width = if kind == Kind::Vector && !head.failed() {
            value::whole(context, &mut head, "width", 1)
        } else {
            None
        };
        let source = read_column(context, &mut head);
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
            Kind::Number if settings.flag("bucketise") => {
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
            weights: settings.text("weights").cloned(),
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
        let Some(given) = settings.get("on") else {
            return Some(domains.all(self.tower));
        };
        let Some(Value::Names(names)) = &given.value else {
            return None;
        };
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
            FeatureKind::Number { .. } => 2,
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
            DeclaredKind::Vector { .. } | DeclaredKind::Number { .. } => return false,
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
            DeclaredKind::Number {
                default,
                clip,
                log,
                standardise,
            } => FeatureKind::Number {
                default,
                clip,
                log,
                standardise,
            },
        };
        Feature {
            name: self.name.text,
            doc: self.doc,
            column: self.column.text,
            derive: self.derive,
            kind,
            domains: self.domains.unwrap_or_default(),
            place: self.place,
        }
    }
}

/// `from "COLUMN"` or `from PART of "COLUMN"`.
fn read_column(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<ColumnSource> {
    if head.failed() {
        return None;
    }
    let source = match head.peek() {
        Some(_) if head.is_word("from") => {
            head.next();
            let part = match head.peek() {
                Some(AtomKind::Word(_)) => Some(derived::part(context, head)?),
                _ => None,
            };
            let column = head.text(context, "a column in quotes")?;
            Some(ColumnSource { part, column })
        }
        _ => None,
    };
    head.end(context);
    source
}

fn read_number(context: &mut Context<'_>, settings: &Settings<'_>) -> DeclaredKind {
    for name in ["dim", "shallow"] {
        if let Some(given) = settings.get(name) {
            let message = format!("`{name}` belongs to a number that is cut into buckets");
            context.report(
                Diagnostic::new(Code::E0307, message, given.span, "there is no `bucketise`")
                    .help(format!("remove `{name}`, or add `bucketise [X, X]`")),
            );
        }
    }
    let clip = match settings.value("clip") {
        Some(Value::Interval(low, high)) => Some((*low, *high)),
        _ => None,
    };
    DeclaredKind::Number {
        default: settings.real("default").unwrap_or(0.0),
        clip,
        log: settings.flag("log"),
        standardise: read_standardise(context, settings),
    }
}

fn read_standardise(context: &mut Context<'_>, settings: &Settings<'_>) -> Option<Standardise> {
    let given = settings.get("standardise")?;
    let Some(Value::Block(block)) = &given.value else {
        return Some(Standardise::Learned);
    };
    let moments = Settings::read(context, Some(block), &STANDARDISE);
    if let (Some(mean), Some(std)) = (moments.real("mean"), moments.real("std")) {
        return Some(Standardise::Given { mean, std });
    }
    for name in ["mean", "std"] {
        if moments.lacks(name) {
            let message = format!("this `standardise` has no `{name}`");
            context.report(
                Diagnostic::new(
                    Code::E0302,
                    message,
                    given.span,
                    format!("`{name}` is missing"),
                )
                .help(
                    "give both, or neither: `standardise` alone learns them from the training rows",
                ),
            );
        }
    }
    Some(Standardise::Learned)
}

/// A number that is cut into buckets, each a row of a table of its own.
fn read_buckets(
    context: &mut Context<'_>,
    name: &Word,
    settings: &Settings<'_>,
    tables: &mut Tables,
) -> DeclaredKind {
    let reason = "buckets are cut from the numbers as they stand in the data";
    settings.exclude(
        context,
        "bucketise",
        &["log", "clip", "standardise"],
        reason,
    );
    if settings.lacks("dim") {
        let message = format!("`{}` has no `dim`", name.text);
        context.report(
            Diagnostic::new(Code::E0302, message, name.span, "its buckets have no width")
                .note("each bucket is a row of a table; `dim` is the width of a row")
                .help("say it, as in `dim 4`"),
        );
    }
    let boundaries = match settings.value("bucketise") {
        Some(Value::Boundaries(boundaries)) => boundaries.clone(),
        _ => Vec::new(),
    };
    let shape = Shape {
        rows: boundaries.len() + 2,
        dim: settings.size("dim").unwrap_or(1),
        index: Index::Buckets,
        oov: 0,
        file: None,
    };
    tables.add_own(context, name, shape);
    DeclaredKind::Embedded {
        table: name.text.clone(),
        input: Input::Buckets {
            boundaries,
            default: settings.real("default"),
        },
        shallow: settings.flag("shallow"),
    }
}

fn read_embedded(
    context: &mut Context<'_>,
    kind: Kind,
    name: &Word,
    settings: &Settings<'_>,
    damaged: bool,
    tables: &mut Tables,
) -> DeclaredKind {
    let pool = match settings.choice("pool") {
        Some("sum") => Pool::Sum,
        _ => Pool::Mean,
    };
    let default = match settings.value("default") {
        Some(Value::Raw(raw)) => Some(raw),
        _ => None,
    };
    let table = match settings.get("table") {
        Some(given) => {
            let reason = "rows, width and vocabulary are those of the shared table";
            let own = ["rows", "dim", "vocabulary", "hash", "values", "oov"];
            settings.exclude(context, "table", &own, reason);
            match &given.value {
                Some(Value::Name(shared)) => {
                    tables.use_shared(context, shared);
                    if let (Some(default), Some(Index::Values(values))) =
                        (default, tables.shared_index(&shared.text))
                    {
                        report_default_outside(context, default, values);
                    }
                    shared.text.clone()
                }
                _ => String::new(),
            }
        }
        None => {
            let shape = read_own_shape(context, kind, name, settings, damaged);
            if let (Some(default), Index::Values(values)) = (default, &shape.index) {
                report_default_outside(context, default, values);
            }
            tables.add_own(context, name, shape);
            name.text.clone()
        }
    };
    let input = match kind {
        Kind::Ids => Input::List {
            pool,
            weights: settings.text("weights").map(|column| column.text.clone()),
            last: settings.size("last"),
        },
        _ => Input::One {
            default: default.map(|raw| raw.value.clone()),
        },
    };
    DeclaredKind::Embedded {
        table,
        input,
        shallow: settings.flag("shallow"),
    }
}

fn report_default_outside(context: &mut Context<'_>, default: &Raw, values: &[RawValue]) {
    // A vocabulary that could not be read is empty.
    if values.is_empty() || values.contains(&default.value) {
        return;
    }
    let shown = context.text(default.span);
    let message = format!("the default `{shown}` is not in the vocabulary");
    context.report(
        Diagnostic::new(Code::E0510, message, default.span, "not among the `values`")
            .note("a missing value would become one that no row has")
            .help("take one of the values, or add it to them; without `default` a missing value is the zero vector"),
    );
}

fn read_own_shape(
    context: &mut Context<'_>,
    kind: Kind,
    name: &Word,
    settings: &Settings<'_>,
    damaged: bool,
) -> Shape {
    if damaged && settings.value("dim").is_none() {
        return Shape::unknown();
    }
    let defaults = match kind {
        Kind::Category => Defaults {
            rows: Some(CATEGORY_ROWS),
            index: Index::Vocabulary { min_count: 1 },
        },
        _ => Defaults {
            rows: None,
            index: Index::Hash,
        },
    };
    read_shape(context, settings, name, &defaults)
}
