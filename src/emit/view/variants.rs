//! Domains as Rust names.

use crate::plan::Plan;
use crate::sema::spec::DomainId;

/// The enum of an axis and its variants.
#[derive(Clone, Copy)]
pub(super) struct Variants<'a> {
    pub(super) name: &'static str,
    names: &'a [String],
}

impl<'a> Variants<'a> {
    pub(super) fn surfaces(plan: &'a Plan) -> Self {
        Self {
            name: "Surface",
            names: &plan.surfaces,
        }
    }

    pub(super) fn products(plan: &'a Plan) -> Self {
        Self {
            name: "Product",
            names: &plan.products,
        }
    }
}

/// The indices of some domains of an axis, by name.
pub(super) fn domains(domains: &[DomainId], variants: Variants) -> String {
    let name = variants.name;
    if domains.len() == variants.names.len() {
        return format!("{name}::ALL");
    }
    let variants = domains.iter().filter_map(|id| variants.names.get(id.0));
    slice(variants.map(|variant| format!("{name}::{variant}.index()")))
}

/// A literal of a slice.
pub(super) fn slice(items: impl Iterator<Item = String>) -> String {
    format!("&[{}]", items.collect::<Vec<_>>().join(", "))
}
