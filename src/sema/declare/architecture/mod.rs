//! Settings that differ from the paper's architecture, for all domains or for some.

mod checks;

pub(in crate::sema) use checks::Inputs;

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::declare::domains::Domains;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Cross, Defaulted, OneOf, OrNone, Setting};
use crate::sema::settings::forms::{AnySetting, SettingsTable};
use crate::sema::settings::value;
use crate::sema::spec::{
    Architecture, BatchNorm, Composition, Crossing, DomainId, DomainSet, ExpertArchitecture, List,
    LogitBias, LogitScale, Norm, Override, Tower,
};
use crate::source::Span;
use crate::syntax::ast::Statement;

const FORM: &str = "architecture { … }` or `architecture on NAME { … }";

const PAPER: &Architecture = &Architecture::PAPER;
const EXPERT: &ExpertArchitecture = &ExpertArchitecture::PAPER;

static DEEP: Defaulted<Vec<usize>> = Setting::sizes("deep")
    .help("deep and task-shared experts, and the domain-shared ones unless `shared_deep` is given")
    .default(borrowed(&EXPERT.deep));
static ROUTING: Defaulted<Vec<usize>> = Setting::sizes("routing")
    .help("hidden layers of the routing")
    .default(borrowed(&EXPERT.routing));
static SHALLOW: Defaulted<Vec<usize>> = Setting::sizes("shallow")
    .help("hidden layers of the shallow expert")
    .default(borrowed(&EXPERT.shallow));
static SHALLOW_WIDTH: Defaulted<usize> = Setting::size("shallow_width", 1)
    .help("size of emb_shallow")
    .default(PAPER.shallow_width);
static TASK_SHARED: Defaulted<usize> = Setting::size("task_shared", 0)
    .help("how many experts the tasks of a Domain Expert share, from 0 to 64")
    .default(EXPERT.task_shared);
static DOMAIN_SHARED: Defaulted<usize> = Setting::size("domain_shared", 0)
    .help("how many experts the domains of each tower share, from 0 to 64")
    .default(PAPER.domain_shared);
static SHARED_DEEP: Setting<Vec<usize>> = Setting::sizes("shared_deep")
    .help("domain-shared experts; their norm is that of all domains")
    .without("`deep` of all domains");
static COMPOSITION: Defaulted<OneOf<Composition>> = Setting::choice("composition")
    .help(
        "the weighted outputs of the experts side by side, or added up, which needs experts \
         of one width",
    )
    .default(EXPERT.composition);
static CROSS: Setting<Cross<'static>> = Setting::crossing("cross", &CROSS_BLOCK)
    .help("low-rank DCN V2; an FFN of these widths instead; or no crossing")
    .without("DCN V2, see below");
static NORM: Defaulted<OneOf<Norm>> = Setting::choice("norm")
    .help(
        "FFN layers: Linear, LayerNorm, LeakyReLU; Linear, LeakyReLU, LayerNorm; or Linear, \
         LeakyReLU. Composition: LayerNorm before the crossing, after it, or not",
    )
    .default(EXPERT.norm);
static BATCH_NORM: Defaulted<OneOf<BatchNorm>> = Setting::choice("batch_norm")
    .help("the domain's own BatchNorm of the numbers, or numbers as they are")
    .default(EXPERT.batch_norm);
static SE_REDUCTION: Defaulted<OrNone<usize>> = Setting::size_or_none("se_reduction", 1)
    .help(
        "hidden size of the Squeeze-and-Excitation is max(1, fields / N); with `none` fields \
         are not scaled",
    )
    .default(EXPERT.se_reduction);
static LOGIT_SCALE: Defaulted<OneOf<LogitScale>> = Setting::choice("logit_scale")
    .help("z = q·i / sqrt(N + `shallow_width`), or q·i")
    .default(PAPER.logit_scale);
static LOGIT_BIAS: Defaulted<OneOf<LogitBias>> = Setting::choice("logit_bias")
    .help("a bias for each task's logit, or none")
    .default(PAPER.logit_bias);

static RANK: Defaulted<usize> = Setting::size("rank", 1)
    .help("rank of the crossing's weights")
    .default(Crossing::RANK);
static DEPTH: Defaulted<usize> = Setting::size("depth", 1)
    .help("number of crossing layers")
    .default(Crossing::DEPTH);

/// The sizes of a constant.
const fn borrowed(sizes: &'static List<usize>) -> &'static [usize] {
    match sizes {
        List::Borrowed(sizes) => sizes,
        List::Owned(sizes) => sizes.as_slice(),
    }
}

pub(in crate::sema) static ARCHITECTURE: SettingsTable = SettingsTable {
    owner: "`architecture`",
    empty_is_idle: true,
    settings: &[
        &DEEP,
        &ROUTING,
        &SHALLOW,
        &SHALLOW_WIDTH,
        &TASK_SHARED,
        &DOMAIN_SHARED,
        &SHARED_DEEP,
        &COMPOSITION,
        &CROSS,
        &NORM,
        &BATCH_NORM,
        &SE_REDUCTION,
        &LOGIT_SCALE,
        &LOGIT_BIAS,
    ],
};

/// What may differ by domain: neither what both towers share nor what all domains of one do.
pub(in crate::sema) static ARCHITECTURE_ON: SettingsTable = SettingsTable {
    owner: "`architecture on`",
    empty_is_idle: true,
    settings: &[
        &DEEP,
        &ROUTING,
        &SHALLOW,
        &TASK_SHARED,
        &COMPOSITION,
        &CROSS,
        &NORM,
        &BATCH_NORM,
        &SE_REDUCTION,
    ],
};

pub(in crate::sema) static CROSS_BLOCK: SettingsTable = SettingsTable {
    owner: "`cross`",
    empty_is_idle: true,
    settings: &[&RANK, &DEPTH],
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
    cross: Option<Settings<'s>>,
}

/// The architecture with the statements that it comes from.
pub(in crate::sema) struct Declared<'s> {
    pub architecture: Architecture,
    parts: Vec<Part<'s>>,
    /// Where a domain's own settings are.
    own: BTreeMap<(Place, &'static str), Span>,
}

/// The paper's architecture (§2.1), with the spec's settings applied.
pub(in crate::sema) fn read<'s>(
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
        let mut cursor = Cursor::new(statement, FORM);
        let on = cursor
            .peek()
            .map(|_| read_on(context, &mut cursor, domains));
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
        let cross = settings.inner(context, &CROSS);
        if on.is_none() {
            for_all = Some(statement.head);
        }
        // Unknown names have been reported; their settings apply to no domain.
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
    cursor: &mut Cursor<'_>,
    domains: &Domains,
) -> Option<Vec<Place>> {
    cursor.keyword(context, "on")?;
    let names = value::names(context, cursor)?;
    cursor.end(context);
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
    for setting in [&TASK_SHARED, &DOMAIN_SHARED] {
        if !settings.takes(setting) {
            continue;
        }
        let Some(given) = settings.get(setting) else {
            continue;
        };
        if settings.of(setting).is_some_and(|size| size > MOST_EXPERTS) {
            let message = format!("`{}` is at most {MOST_EXPERTS}", setting.name());
            context.report(
                Diagnostic::new(Code::E0305, message, given.span, "too many experts")
                    .note("it is a number of experts; their widths are `deep` and `shared_deep`"),
            );
        }
    }
}

/// Where each domain's own settings are. Reports one that a domain has twice.
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
            let key = ((tower, domain), given.name());
            let first = *own.entry(key).or_insert(given.span);
            if first == given.span || reported.contains(&given.span) {
                continue;
            }
            reported.push(given.span);
            let name = domains.name(tower, domain);
            let message = format!("`{}` is given twice for `{name}`", given.name());
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
    architecture.shallow_width = settings.value(&SHALLOW_WIDTH);
    architecture.domain_shared = settings.value(&DOMAIN_SHARED);
    architecture.shared_deep = match settings.of(&SHARED_DEEP) {
        Some(sizes) => sizes.to_vec().into(),
        None => architecture.expert.deep.clone(),
    };
    architecture.logit_scale = settings.value(&LOGIT_SCALE);
    architecture.logit_bias = settings.value(&LOGIT_BIAS);
}

/// The settings that may differ by domain.
fn for_some(expert: &mut ExpertArchitecture, part: &Part<'_>) {
    let settings = &part.settings;
    let sizes =
        |setting: &Defaulted<Vec<usize>>| settings.of(setting).map(|sizes| sizes.to_vec().into());
    choose(&mut expert.deep, sizes(&DEEP));
    choose(&mut expert.routing, sizes(&ROUTING));
    choose(&mut expert.shallow, sizes(&SHALLOW));
    choose(&mut expert.task_shared, settings.of(&TASK_SHARED));
    choose(&mut expert.composition, settings.of(&COMPOSITION));
    choose(&mut expert.norm, settings.of(&NORM));
    choose(&mut expert.batch_norm, settings.of(&BATCH_NORM));
    choose(&mut expert.se_reduction, settings.of(&SE_REDUCTION));
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
    let given = |setting| part.cross.as_ref().and_then(|cross| cross.of(setting));
    match part.settings.of(&CROSS) {
        Some(Cross::None) => Crossing::None,
        Some(Cross::Mlp(widths)) => Crossing::Mlp(widths.to_vec().into()),
        Some(Cross::Dcn) => Crossing::Dcn {
            rank: given(&RANK).unwrap_or(rank),
            depth: given(&DEPTH).unwrap_or(depth),
        },
        None => before.clone(),
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
