//! What differs from the paper's architecture: for all domains, and for some.

mod checks;

pub(super) use checks::Inputs;

use std::collections::BTreeMap;

use super::context::Context;
use super::domains::Domains;
use super::head::Head;
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::{
    Architecture, BatchNorm, Choice, Composition, Crossing, DomainId, DomainSet,
    ExpertArchitecture, List, LogitBias, LogitScale, Norm, Override, Tower,
};
use super::value::{self, Form, SettingValue};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Statement;

const FORM: &str = "architecture { … }` or `architecture on NAME { … }";

pub(super) static ARCHITECTURE: SettingsTable = SettingsTable {
    owner: "`architecture`",
    settings: &[
        setting("deep", Form::Sizes),
        setting("routing", Form::Sizes),
        setting("shallow", Form::Sizes),
        setting("shallow_width", Form::Whole(1)),
        setting("task_shared", Form::Whole(0)),
        setting("domain_shared", Form::Whole(0)),
        setting("shared_deep", Form::Sizes),
        setting("composition", Form::Choice(Composition::WORDS)),
        setting("cross", Form::Crossing),
        setting("norm", Form::Choice(Norm::WORDS)),
        setting("batch_norm", Form::Choice(BatchNorm::WORDS)),
        setting("se_reduction", Form::WholeOrNone(1)),
        setting("logit_scale", Form::Choice(LogitScale::WORDS)),
        setting("logit_bias", Form::Choice(LogitBias::WORDS)),
    ],
};

/// What may differ by domain: neither what both towers share nor what all domains of one do.
pub(super) static ARCHITECTURE_ON: SettingsTable = SettingsTable {
    owner: "`architecture on`",
    settings: &[
        setting("deep", Form::Sizes),
        setting("routing", Form::Sizes),
        setting("shallow", Form::Sizes),
        setting("task_shared", Form::Whole(0)),
        setting("composition", Form::Choice(Composition::WORDS)),
        setting("cross", Form::Crossing),
        setting("norm", Form::Choice(Norm::WORDS)),
        setting("batch_norm", Form::Choice(BatchNorm::WORDS)),
        setting("se_reduction", Form::WholeOrNone(1)),
    ],
};

pub(super) static CROSS: SettingsTable = SettingsTable {
    owner: "`cross`",
    settings: &[
        setting("rank", Form::Whole(1)),
        setting("depth", Form::Whole(1)),
    ],
};

/// The largest count of shared experts: a count is a number of modules, not a width.
const MOST_EXPERTS: usize = 64;

type Place = (Tower, DomainId);

/// The settings of one statement.
struct Part<'s> {
    /// Domains that it is for; `None`: for all of both towers.
    on: Option<Vec<Place>>,
    settings: Settings<'s>,
    /// Those of its `cross { … }`.
    cross: Settings<'s>,
}

/// The architecture with the statements that it comes from.
pub(super) struct Declared<'s> {
    pub architecture: Architecture,
    parts: Vec<Part<'s>>,
    /// Where a domain's own settings stand.
    own: BTreeMap<(Place, &'static str), Span>,
}

/// The paper's architecture (§2.1), with the spec's settings in place of its own.
pub(super) fn read<'s>(
    context: &mut Context<'_>,
    statements: impl Iterator<Item = &'s Statement>,
    domains: &Domains,
) -> Declared<'s> {
    let parts = read_parts(context, statements, domains);
    let mut declared = Declared {
        architecture: Architecture::PAPER,
        own: own_settings(context, &parts, domains),
        parts,
    };
    if let Some(part) = declared.parts.iter().find(|part| part.on.is_none()) {
        for_all(&mut declared.architecture, part);
    }
    declared.architecture.overrides = overrides(&declared.architecture.expert, &declared.parts);
    declared.report_widths(context, domains);
    declared
}

fn read_parts<'s>(
    context: &mut Context<'_>,
    statements: impl Iterator<Item = &'s Statement>,
    domains: &Domains,
) -> Vec<Part<'s>> {
    let mut parts = Vec::new();
    let mut for_all: Option<Span> = None;
    for statement in statements {
        context.refuse_doc(statement);
        let mut head = Head::new(statement, FORM);
        let on = head.peek().map(|_| read_on(context, &mut head, domains));
        if let (None, Some(first)) = (&on, for_all) {
            report_twice(context, statement.head, first);
            continue;
        }
        let block = context.require_block(statement, FORM);
        let table = match on {
            Some(_) => &ARCHITECTURE_ON,
            None => &ARCHITECTURE,
        };
        let settings = Settings::read(context, block, table);
        check_counts(context, &settings);
        let cross = Settings::read(context, settings.block("cross"), &CROSS);
        if on.is_none() {
            for_all = Some(statement.head);
        }
        // Names that are not known have been complained about; their settings are for no domain.
        let on = on.map(Option::unwrap_or_default);
        parts.push(Part {
            on,
            settings,
            cross,
        });
    }
    parts
}

/// The domains after `on`.
fn read_on(
    context: &mut Context<'_>,
    head: &mut Head<'_>,
    domains: &Domains,
) -> Option<Vec<Place>> {
    head.keyword(context, "on")?;
    let names = value::names(context, head)?;
    head.end(context);
    let places: Vec<Option<Place>> = names
        .iter()
        .map(|name| domains.resolve(context, name))
        .collect();
    places.into_iter().collect()
}

fn report_twice(context: &mut Context<'_>, again: Span, first: Span) {
    context.report(
        Diagnostic::new(
            Code::E0205,
            "`architecture` is given twice",
            again,
            "given again here",
        )
        .label(first, "first given here")
        .help("join their blocks, or say which domains one is for: `architecture on NAME { … }`"),
    );
}

fn check_counts(context: &mut Context<'_>, settings: &Settings<'_>) {
    for name in ["task_shared", "domain_shared"] {
        let Some(given) = settings.get(name) else {
            continue;
        };
        if settings.size(name).is_some_and(|size| size > MOST_EXPERTS) {
            let message = format!("`{name}` is at most {MOST_EXPERTS}");
            context.report(
                Diagnostic::new(Code::E0305, message, given.span, "too many experts")
                    .note("it is a number of experts; their widths are `deep` and `shared_deep`"),
            );
        }
    }
}

/// Where each domain's own settings stand. Reports one that a domain has twice.
fn own_settings(
    context: &mut Context<'_>,
    parts: &[Part<'_>],
    domains: &Domains,
) -> BTreeMap<(Place, &'static str), Span> {
    let mut own = BTreeMap::new();
    let mut reported = Vec::new();
    for part in parts {
        for (given, &(tower, domain)) in part
            .settings
            .all()
            .iter()
            .flat_map(|given| part.on.iter().flatten().map(move |place| (given, place)))
        {
            let key = ((tower, domain), given.name);
            let first = *own.entry(key).or_insert(given.span);
            if first == given.span || reported.contains(&given.span) {
                continue;
            }
            reported.push(given.span);
            let name = domains.name(tower, domain);
            let message = format!("`{}` is given twice for `{name}`", given.name);
            context.report(
                Diagnostic::new(Code::E0530, message, given.span, "given again here")
                    .label(first, "first given here")
                    .help("keep one of them, or name other domains"),
            );
        }
    }
    own
}

/// The settings of `architecture { … }`.
fn for_all(architecture: &mut Architecture, part: &Part<'_>) {
    let settings = &part.settings;
    for_some(&mut architecture.expert, part);
    if let Some(width) = settings.size("shallow_width") {
        architecture.shallow_width = width;
    }
    if let Some(count) = settings.size("domain_shared") {
        architecture.domain_shared = count;
    }
    architecture.shared_deep = settings
        .sizes("shared_deep")
        .map_or_else(|| architecture.expert.deep.clone(), Into::into);
    choose(
        &mut architecture.logit_scale,
        settings.choice("logit_scale"),
    );
    choose(&mut architecture.logit_bias, settings.choice("logit_bias"));
}

/// The settings that may differ by domain.
fn for_some(expert: &mut ExpertArchitecture, part: &Part<'_>) {
    let settings = &part.settings;
    let sizes = |to: &mut List<usize>, name| choose(to, settings.sizes(name).map(Into::into));
    sizes(&mut expert.deep, "deep");
    sizes(&mut expert.routing, "routing");
    sizes(&mut expert.shallow, "shallow");
    if let Some(count) = settings.size("task_shared") {
        expert.task_shared = count;
    }
    choose(&mut expert.composition, settings.choice("composition"));
    choose(&mut expert.norm, settings.choice("norm"));
    choose(&mut expert.batch_norm, settings.choice("batch_norm"));
    match settings.value("se_reduction") {
        Some(SettingValue::None) => expert.se_reduction = None,
        Some(_) => expert.se_reduction = settings.size("se_reduction"),
        None => {}
    }
    expert.crossing = crossing(&expert.crossing, part);
}

/// Takes a value that is given.
fn choose<T>(to: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *to = given;
    }
}

/// The crossing of a statement. What its `cross { … }` leaves out stays as it was.
fn crossing(before: &Crossing, part: &Part<'_>) -> Crossing {
    let (rank, depth) = match *before {
        Crossing::Dcn { rank, depth } => (rank, depth),
        Crossing::None | Crossing::Mlp(_) => (Crossing::RANK, Crossing::DEPTH),
    };
    match part.settings.value("cross") {
        Some(SettingValue::None) => Crossing::None,
        Some(SettingValue::Sizes(widths)) => Crossing::Mlp(widths.clone().into()),
        Some(SettingValue::Block(_)) => Crossing::Dcn {
            rank: part.cross.size("rank").unwrap_or(rank),
            depth: part.cross.size("depth").unwrap_or(depth),
        },
        _ => before.clone(),
    }
}

/// The domains that differ from all others, those of one architecture together.
fn overrides(base: &ExpertArchitecture, parts: &[Part<'_>]) -> List<Override> {
    let mut experts: BTreeMap<Place, ExpertArchitecture> = BTreeMap::new();
    for part in parts {
        for place in part.on.iter().flatten() {
            for_some(experts.entry(*place).or_insert_with(|| base.clone()), part);
        }
    }
    let mut groups: Vec<(Tower, ExpertArchitecture, Vec<DomainId>)> = Vec::new();
    for ((tower, domain), expert) in experts {
        let same = |group: &&mut (Tower, ExpertArchitecture, Vec<DomainId>)| {
            group.0 == tower && group.1 == expert
        };
        match groups.iter_mut().find(same) {
            Some((_, _, domains)) => domains.push(domain),
            None if expert != *base => groups.push((tower, expert, vec![domain])),
            None => {}
        }
    }
    let group = |(tower, expert, domains): (Tower, ExpertArchitecture, Vec<DomainId>)| Override {
        tower,
        domains: domains.into_iter().collect::<DomainSet>(),
        expert,
    };
    groups.into_iter().map(group).collect()
}
