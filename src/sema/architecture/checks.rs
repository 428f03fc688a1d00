//! What no statement can see alone: widths that must agree, and settings that change nothing.

use super::{Declared, Part, Place};
use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::domains::Domains;
use crate::sema::settings::Given;
use crate::sema::spec::{Composition, DomainId, Feature, FeatureKind, Tower};
use crate::sema::value::SettingValue;
use crate::source::Span;

/// The features of both towers.
pub(in crate::sema) struct Inputs<'f> {
    pub query: &'f [Feature],
    pub item: &'f [Feature],
}

impl Inputs<'_> {
    fn any(&self, (tower, domain): Place, holds: impl Fn(&FeatureKind) -> bool) -> bool {
        let features = match tower {
            Tower::Query => self.query,
            Tower::Item => self.item,
        };
        features
            .iter()
            .any(|feature| feature.domains.binary_search(&domain).is_ok() && holds(&feature.kind))
    }
}

impl Declared<'_> {
    /// A sum needs vectors of one width.
    pub(super) fn report_widths(&self, context: &mut Context<'_>, domains: &Domains) {
        let architecture = &self.architecture;
        let shared = architecture.shared_deep.last().copied();
        let mut reported: Vec<Option<Span>> = Vec::new();
        for place in places(domains) {
            let (tower, domain) = place;
            let expert = architecture.expert(tower, domain);
            let own = expert.deep.last().copied();
            let (Some(own), Some(shared)) = (own, shared) else {
                continue;
            };
            let adds = expert.composition == Composition::Sum && architecture.domain_shared > 0;
            let at = self.applying(place, "composition");
            if !adds || own == shared || reported.contains(&at) {
                continue;
            }
            reported.push(at);
            let Some(at) = at else { continue };
            let name = domains.name(tower, domain);
            let message = format!("the experts of `{name}` have two widths, which cannot be added");
            let label = format!("adds {own} columns and {shared}");
            let mut diagnostic = Diagnostic::new(Code::E0531, message, at, label);
            let deep = self.applying(place, "deep");
            if let Some(deep) = deep {
                diagnostic = diagnostic.label(deep, format!("the domain's own experts: {own}"));
            }
            let base = self.base("shared_deep").or_else(|| self.base("deep"));
            if let Some(base) = base.filter(|base| Some(*base) != deep) {
                diagnostic = diagnostic.label(base, format!("the domain-shared expert: {shared}"));
            }
            context.report(diagnostic.help(
                "let `deep` and `shared_deep` end in the same width, or compose by `concat`",
            ));
        }
    }

    /// Settings that change no Domain Expert.
    pub(in crate::sema) fn report_idle(
        &self,
        context: &mut Context<'_>,
        domains: &Domains,
        inputs: &Inputs<'_>,
    ) {
        for part in &self.parts {
            let on: Vec<Place> = match &part.on {
                Some(on) => on.clone(),
                None => places(domains).collect(),
            };
            for given in part.settings.all() {
                if let Some(reason) = self.idle(part, given, &on, inputs) {
                    let message = format!("`{}` changes nothing here", given.name);
                    context.report(
                        Diagnostic::new(Code::W0530, message, given.span, "without effect")
                            .note(reason)
                            .maybe("remove it", given.span, ""),
                    );
                }
            }
        }
    }

    /// Why a setting changes nothing; `None` if it changes something.
    fn idle(
        &self,
        part: &Part<'_>,
        given: &Given<'_>,
        on: &[Place],
        inputs: &Inputs<'_>,
    ) -> Option<String> {
        let name = given.name;
        if on.is_empty() || given.value.is_none() {
            return None;
        }
        let shares = self.architecture.domain_shared > 0;
        let reason = match name {
            "shared_deep" if !shares => "no tower has a domain-shared expert: `domain_shared` is 0",
            "routing" | "composition" => "every task has one expert there, its deep expert",
            "shallow" => "no feature there is `shallow`",
            "batch_norm" => "no feature there is a number",
            _ => "no domain is left that it is for",
        };
        // What a domain has of its own takes the place of what all have, but for what the domain-shared experts
        // or its own crossing take from there.
        let seeds_shared = match name {
            "deep" => shares && self.base("shared_deep").is_none(),
            "norm" => shares,
            _ => false,
        };
        let replaced = |place: &Place| {
            part.on.is_none()
                && !seeds_shared
                && self.own.contains_key(&(*place, name))
                && !(name == "cross" && self.crosses_as(part, *place))
        };
        let idle = |place: &Place| match name {
            "shared_deep" => !shares,
            "routing" | "composition" => self.architecture.experts(place.0, place.1) == 1,
            "shallow" => !inputs.any(*place, |kind| {
                matches!(kind, FeatureKind::Embedded { shallow: true, .. })
            }),
            "batch_norm" => !inputs.any(*place, |kind| matches!(kind, FeatureKind::Number(_))),
            _ => false,
        };
        if on.iter().all(replaced) {
            return Some(format!(
                "every domain has a `{name}` of its own in an `architecture on`"
            ));
        }
        on.iter()
            .all(|place| replaced(place) || idle(place))
            .then(|| reason.to_owned())
    }

    /// Whether a domain's own `cross { … }` leaves out what `part` says of it.
    fn crosses_as(&self, part: &Part<'_>, place: Place) -> bool {
        let own = self.parts.iter().find(|own| {
            let on = own.on.iter().flatten().any(|other| *other == place);
            on && matches!(own.settings.value("cross"), Some(SettingValue::Block(_)))
        });
        own.is_some_and(|own| {
            ["rank", "depth"]
                .iter()
                .any(|word| part.cross.get(word).is_some() && own.cross.get(word).is_none())
        })
    }

    /// Where the setting stands that applies to a domain.
    fn applying(&self, place: Place, name: &'static str) -> Option<Span> {
        self.own
            .get(&(place, name))
            .copied()
            .or_else(|| self.base(name))
    }

    /// Where a setting for all domains stands.
    fn base(&self, name: &str) -> Option<Span> {
        let mut for_all = self.parts.iter().filter(|part| part.on.is_none());
        for_all.find_map(|part| part.settings.get(name).map(|given| given.span))
    }
}

/// All domains of both towers.
fn places(domains: &Domains) -> impl Iterator<Item = Place> {
    [Tower::Query, Tower::Item].into_iter().flat_map(|tower| {
        let all: Vec<DomainId> = domains.all(tower);
        all.into_iter().map(move |domain| (tower, domain))
    })
}
