//! Cells: the surfaces and products that a task is on.

use crate::diagnostics::nouns;
use crate::sema::context::Context;
use crate::sema::declare::domains::{Domains, noun};
use crate::sema::sentence::enumerate;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::Setting;
use crate::sema::spec::{DomainId, Tower};
use crate::syntax::ast::Word;

/// The cells of a task, surfaces × products, both ascending and neither empty as long as the axis
/// is known.
pub(in crate::sema) struct Cells {
    pub surfaces: Vec<DomainId>,
    pub products: Vec<DomainId>,
}

impl Cells {
    /// Whether some cell is of both.
    pub fn meets(&self, other: &Self) -> bool {
        let common = |one: &[DomainId], other: &[DomainId]| {
            one.iter().any(|id| other.binary_search(id).is_ok())
        };
        common(&self.surfaces, &other.surfaces) && common(&self.products, &other.products)
    }

    /// The cells that the setting `on` names; of an axis that it does not name, all. `None` if a name cannot
    /// be resolved.
    pub fn read(
        context: &mut Context<'_>,
        settings: &Settings<'_>,
        on: &Setting<Vec<Word>>,
        domains: &Domains,
    ) -> Option<Self> {
        let mut cells = Self {
            surfaces: Vec::new(),
            products: Vec::new(),
        };
        if settings.get(on).is_some() {
            let names = settings.of(on)?;
            let resolved: Vec<Option<(Tower, DomainId)>> = names
                .iter()
                .map(|name| domains.resolve(context, name))
                .collect();
            for found in resolved {
                let (tower, id) = found?;
                cells.of_mut(tower).push(id);
            }
        }
        for tower in Tower::ALL {
            let ids = cells.of_mut(tower);
            if ids.is_empty() {
                *ids = domains.all(tower);
            }
            ids.sort();
        }
        Some(cells)
    }

    /// The domains of one axis.
    pub fn of(&self, tower: Tower) -> &[DomainId] {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    fn of_mut(&mut self, tower: Tower) -> &mut Vec<DomainId> {
        match tower {
            Tower::Query => &mut self.surfaces,
            Tower::Item => &mut self.products,
        }
    }

    /// Whether a task of these cells is on a domain.
    pub fn has(&self, tower: Tower, id: DomainId) -> bool {
        self.of(tower).binary_search(&id).is_ok()
    }

    /// What lies outside of `outer`, in words; `None` if nothing does.
    pub fn outside(&self, outer: &Cells, domains: &Domains) -> Option<String> {
        let on = |tower: Tower| {
            let beyond = self.of(tower).iter().filter(|id| !outer.has(tower, **id));
            let names: Vec<&str> = beyond.map(|id| domains.name(tower, *id)).collect();
            let nouns = nouns(names.len(), noun(tower));
            (!names.is_empty()).then(|| format!("{nouns} {}", enumerate(names, 5)))
        };
        let parts: Vec<String> = Tower::ALL.into_iter().filter_map(on).collect();
        (!parts.is_empty()).then(|| parts.join(" nor on "))
    }

    /// The `on` that keeps these cells within `outer`; `None` if none is left.
    pub fn within(&self, outer: &Cells, domains: &Domains) -> Option<String> {
        let mut names = Vec::new();
        for tower in Tower::ALL {
            let kept = self.of(tower).iter().filter(|id| outer.has(tower, **id));
            let kept: Vec<&str> = kept.map(|id| domains.name(tower, *id)).collect();
            if kept.is_empty() {
                return None;
            }
            if kept.len() < domains.all(tower).len() {
                names.extend(kept);
            }
        }
        match names[..] {
            [name] => Some(format!("on {name}")),
            _ => Some(format!("on [{}]", names.join(", "))),
        }
    }
}
