//! What no statement can see alone: widths that must agree, and settings that change nothing.

use super::{
    BATCH_NORM, COMPOSITION, CROSS, DEEP, DEPTH, Declared, NORM, Part, Place, RANK, ROUTING,
    SHALLOW, SHARED_DEEP,
};
use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::domains::Domains;
use crate::sema::settings::GivenSetting;
use crate::sema::settings::forms::AnySetting;
use crate::sema::spec::{Composition, DomainId, Feature, FeatureKind, Tower};
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
            let at = self.applying(place, &COMPOSITION);
            if !adds || own == shared || reported.contains(&at) {
                continue;
            }
            reported.push(at);
            let Some(at) = at else { continue };
            let name = domains.name(tower, domain);
            let message = format!("the experts of `{name}` have two widths, which cannot be added");
            let label = format!("adds {own} columns and {shared}");
            let mut diagnostic = Diagnostic::new(Code::E0531, message, at, label);
            let deep = self.applying(place, &DEEP);
            if let Some(deep) = deep {
                diagnostic = diagnostic.label(deep, format!("the domain's own experts: {own}"));
            }
            let base = self.base(&SHARED_DEEP).or_else(|| self.base(&DEEP));
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
                    let message = format!("`{}` changes nothing here", given.name());
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
        given: &GivenSetting<'_>,
        on: &[Place],
        inputs: &Inputs<'_>,
    ) -> Option<String> {
        let name = given.name();
        if on.is_empty() || !given.is_sound() {
            return None;
        }
        let shares = self.architecture.domain_shared > 0;
        let [shapes_shared, weighs, shallow, normalises] = [
            given.is(&SHARED_DEEP),
            given.is(&ROUTING) || given.is(&COMPOSITION),
            given.is(&SHALLOW),
            given.is(&BATCH_NORM),
        ];
        let reason = if shapes_shared && !shares {
            "no tower has a domain-shared expert: `domain_shared` is 0"
        } else if weighs {
            "every task has one expert there, its deep expert"
        } else if shallow {
            "no feature there is `shallow`"
        } else if normalises {
            "no feature there is a number"
        } else {
            "no domain is left that it is for"
        };
        // What a domain has of its own takes the place of what all have, but for what the domain-shared experts
        // or its own crossing take from there.
        let seeds_shared =
            shares && (given.is(&DEEP) && self.base(&SHARED_DEEP).is_none() || given.is(&NORM));
        let replaced = |place: &Place| {
            part.on.is_none()
                && !seeds_shared
                && self.own.contains_key(&(*place, name))
                && !(given.is(&CROSS) && self.crosses_as(part, *place))
        };
        let is_shallow =
            |kind: &FeatureKind| matches!(kind, FeatureKind::Embedded { shallow: true, .. });
        let is_number = |kind: &FeatureKind| matches!(kind, FeatureKind::Number(_));
        let idle = |place: &Place| {
            shapes_shared && !shares
                || weighs && self.architecture.experts(place.0, place.1) == 1
                || shallow && !inputs.any(*place, is_shallow)
                || normalises && !inputs.any(*place, is_number)
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
        let is_own = |own: &&Part<'_>| own.on.iter().flatten().any(|other| *other == place);
        let mut own = self.parts.iter().filter(is_own);
        let own = own.find_map(|own| own.cross.as_ref());
        let (Some(own), Some(cross)) = (own, &part.cross) else {
            return false;
        };
        [&RANK, &DEPTH]
            .into_iter()
            .any(|setting| cross.get(setting).is_some() && own.get(setting).is_none())
    }

    /// Where the setting stands that applies to a domain.
    fn applying(&self, place: Place, setting: &dyn AnySetting) -> Option<Span> {
        self.own
            .get(&(place, setting.name()))
            .copied()
            .or_else(|| self.base(setting))
    }

    /// Where a setting for all domains stands.
    fn base(&self, setting: &dyn AnySetting) -> Option<Span> {
        let mut for_all = self.parts.iter().filter(|part| part.on.is_none());
        for_all.find_map(|part| part.settings.get(setting).map(|given| given.span))
    }
}

/// All domains of both towers.
fn places(domains: &Domains) -> impl Iterator<Item = Place> {
    Tower::ALL.into_iter().flat_map(|tower| {
        let all: Vec<DomainId> = domains.all(tower);
        all.into_iter().map(move |domain| (tower, domain))
    })
}
