//! One axis: its domains with their values, `others` and `like`.

use std::collections::BTreeMap;

use super::{AxisDeclaration, noun, plural};
use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::{Context, doc};
use crate::sema::cursor::{Cursor, holds_number};
use crate::sema::cycles::cycles;
use crate::sema::literals::raw::{self, Raw, repeated};
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::Namespace;
use crate::sema::settings::value;
use crate::sema::spec::{Axis, Domain, DomainId, Others, Text as SpecText, Tower, Value};
use crate::sema::spelling::suggest;
use crate::sema::symbols::Inside;
use crate::source::Span;
use crate::syntax::ast::{AtomKind, Statement, Word};

const MAX_DOMAINS: usize = Axis::MAX_DOMAINS;

/// A domain with the place of its name.
struct Declared {
    domain: Domain,
    place: Span,
    like: Option<Word>,
}

pub(super) fn read_axis(
    context: &mut Context<'_>,
    tower: Tower,
    statement: Option<&Statement>,
) -> AxisDeclaration {
    let Some(statement) = statement else {
        return AxisDeclaration::unknown();
    };
    context.refuse_doc(statement);
    let form = match tower {
        Tower::Query => "surfaces from \"COLUMN\" { … }",
        Tower::Item => "products from \"COLUMN\" { … }",
    };
    let mut cursor = Cursor::new(statement, form);
    let column = cursor
        .keyword(context, "from")
        .and_then(|()| cursor.text(context, "a column in quotes"));
    if column.is_some() {
        cursor.end(context);
    }
    let Some(block) = context.require_block(statement, form) else {
        return AxisDeclaration::unknown();
    };
    context.index.block(block.span, Inside::Domains(tower));
    let mut reader = AxisReader {
        tower,
        names: Namespace::new(),
        others: None,
        declared: Vec::new(),
        values: Vec::new(),
        numbers: block
            .statements
            .iter()
            .any(|inner| holds_number(&inner.atoms)),
    };
    for inner in &block.statements {
        reader.statement(context, inner);
    }
    reader.report_values(context);
    if reader.declared.is_empty() && !block.damaged {
        context.report(
            Diagnostic::new(
                Code::E0308,
                format!("`{}` declares no {}", plural(tower), noun(tower)),
                statement.head,
                "",
            )
            .help(format!(
                "declare at least one: `{} = 0`",
                if tower == Tower::Query {
                    "home_feed"
                } else {
                    "standard"
                }
            )),
        );
    }
    reader
        .declared
        .sort_by(|a, b| a.domain.name.cmp(&b.domain.name));
    let complete = !block.damaged && !reader.declared.is_empty();
    reader.resolve_likes(context, complete);
    let places = reader
        .declared
        .iter()
        .map(|declared| declared.place)
        .collect();
    let domains: Vec<Domain> = reader
        .declared
        .into_iter()
        .map(|declared| declared.domain)
        .collect();
    if let Some(place) = domains.get(MAX_DOMAINS) {
        let message = format!(
            "an axis has at most {MAX_DOMAINS} domains, and `{}` is one too many",
            place.name
        );
        context.report(Diagnostic::new(
            Code::E0305,
            message,
            statement.head,
            "too many domains",
        ));
    }
    let axis = Axis {
        column: column
            .as_ref()
            .map(|column| column.text.clone().into())
            .unwrap_or_default(),
        domains: domains.into(),
        others: reader.others.map_or(Others::DEFAULT, |(others, _)| others),
        place: context.place(statement.head).into(),
    };
    AxisDeclaration {
        column,
        axis,
        places,
        complete,
    }
}

struct AxisReader {
    tower: Tower,
    names: Namespace,
    others: Option<(Others, Span)>,
    declared: Vec<Declared>,
    /// All raw values, each with the place of its domain in `declared`.
    values: Vec<(usize, Raw)>,
    /// Whether some of them are numbers.
    numbers: bool,
}

impl AxisReader {
    fn statement(&mut self, context: &mut Context<'_>, statement: &Statement) {
        if statement.word.text == "others" {
            self.others(context, statement);
        } else {
            self.domain(context, statement);
        }
    }

    fn others(&mut self, context: &mut Context<'_>, statement: &Statement) {
        let form = "others skip` or `others error";
        context.refuse_doc(statement);
        context.refuse_block(statement, form);
        let mut cursor = Cursor::new(statement, form);
        if let Some((_, first)) = self.others {
            context.report(
                Diagnostic::new(
                    Code::E0205,
                    "`others` is given twice",
                    statement.head,
                    "given again here",
                )
                .label(first, "first given here")
                .help("keep one of them"),
            );
            return;
        }
        let others = value::choice(context, &mut cursor);
        if others.is_some() {
            cursor.end(context);
        }
        // A word that is not a choice has been reported.
        let others = others.unwrap_or(Others::DEFAULT);
        self.others = Some((others, statement.head));
    }

    fn domain(&mut self, context: &mut Context<'_>, statement: &Statement) {
        let form = "NAME = VALUE`, `NAME = [VALUE, VALUE]` or `NAME = VALUE like NAME";
        context.refuse_block(statement, form);
        let (values, like) = domain_values(context, statement, form, self.numbers);
        if !self
            .names
            .declare(context, &statement.word, NameKind::domain(self.tower))
        {
            return;
        }
        let place = self.declared.len();
        self.values
            .extend(values.iter().map(|raw| (place, raw.clone())));
        let mut values: Vec<Value> = values.into_iter().map(|raw| raw.value).collect();
        values.sort();
        let domain = Domain {
            name: statement.word.text.clone().into(),
            doc: doc(statement).into(),
            values: values.into(),
            like: None,
        };
        self.declared.push(Declared {
            domain,
            place: statement.word.span,
            like,
        });
    }

    /// Resolves every `like`; the domains are sorted by name.
    fn resolve_likes(&mut self, context: &mut Context<'_>, complete: bool) {
        let names: Vec<SpecText> = self
            .declared
            .iter()
            .map(|declared| declared.domain.name.clone())
            .collect();
        for declared in &mut self.declared {
            let Some(like) = &declared.like else { continue };
            match names.binary_search_by(|name| (**name).cmp(&like.text)) {
                Ok(place) => {
                    context.index.refer(NameKind::domain(self.tower), like);
                    declared.domain.like = Some(DomainId(place));
                }
                Err(_) if complete => {
                    let message = format!("there is no {} `{}`", noun(self.tower), like.text);
                    let diagnostic =
                        Diagnostic::new(Code::E0203, message, like.span, "unknown name");
                    let others = names.iter().map(|name| &**name);
                    let others = others.filter(|name| *name != declared.domain.name);
                    let what = format!("the {} are", plural(self.tower));
                    context.report(suggest(diagnostic, like, others, &what));
                }
                Err(_) => {}
            }
        }
        self.report_like_cycles(context);
    }

    /// Reports each cycle of `like` once, at its first place, and cuts it there.
    fn report_like_cycles(&mut self, context: &mut Context<'_>) {
        let likes: Vec<Option<usize>> = self
            .declared
            .iter()
            .map(|declared| declared.domain.like.map(|id| id.0))
            .collect();
        for cycle in cycles(&likes) {
            let first = cycle.into_iter().min().unwrap_or_default();
            let Some(declared) = self.declared.get_mut(first) else {
                continue;
            };
            declared.domain.like = None;
            let Some(like) = &declared.like else { continue };
            let name = &declared.domain.name;
            let message = if like.text == *name {
                format!("{} `{name}` is like itself", noun(self.tower))
            } else {
                format!(
                    "`{name}` is like `{}`, and that one, in the end, like `{name}`",
                    like.text
                )
            };
            context.report(
                Diagnostic::new(Code::E0550, message, like.span, "closes the circle")
                    .note("a domain is seeded with the weights of the one that it is like")
                    .help("remove this `like`"),
            );
        }
    }

    /// A raw value means one domain, and all are of one kind.
    fn report_values(&self, context: &mut Context<'_>) {
        raw::report_mixed(context, self.values.iter().map(|(_, raw)| raw));
        let mut owners: BTreeMap<&Value, (usize, Span)> = BTreeMap::new();
        for (place, raw) in &self.values {
            let shown = context.text(raw.span);
            match owners.get(&raw.value) {
                Some((owner, first)) if owner == place => {
                    context.report(repeated(&format!("value `{shown}`"), raw.span, *first));
                }
                Some((owner, first)) => {
                    let name = |place: usize| {
                        self.declared
                            .get(place)
                            .map_or("", |declared| &*declared.domain.name)
                    };
                    let message = format!("value `{shown}` means two {}", plural(self.tower));
                    context.report(
                        Diagnostic::new(
                            Code::E0405,
                            message,
                            raw.span,
                            format!("`{}` claims it too", name(*place)),
                        )
                        .label(*first, format!("`{}` claims it first", name(*owner)))
                        .help("give the value to one of them"),
                    );
                }
                None => {
                    owners.insert(&raw.value, (*place, raw.span));
                }
            }
        }
    }
}

/// The raw values after the `=`, and the name after `like`; none if they are not sound, which is
/// reported.
fn domain_values(
    context: &mut Context<'_>,
    statement: &Statement,
    form: &'static str,
    numbers: bool,
) -> (Vec<Raw>, Option<Word>) {
    let mut cursor = Cursor::new(statement, form);
    if statement.damaged || cursor.mark(context, &AtomKind::Equals).is_none() {
        return (Vec::new(), None);
    }
    let Some(atom) = cursor.next() else {
        cursor.fail(context, "a value or a list of values", None);
        return (Vec::new(), None);
    };
    let items = match &atom.kind {
        AtomKind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(atom),
    };
    if items.is_empty() {
        context.report(
            Diagnostic::new(
                Code::E0308,
                "this list is empty",
                atom.span,
                "expected at least one raw value",
            )
            .note("a domain without values has no rows"),
        );
    }
    let values = items
        .iter()
        .filter_map(|item| raw::raw_beside(context, item, numbers))
        .collect();
    let like = if cursor.is_word("like") {
        cursor.next();
        cursor.name(context, "the domain that it is like")
    } else {
        None
    };
    cursor.end(context);
    (values, like)
}
