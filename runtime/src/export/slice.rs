//! The part of a model that is exported: all of it, or a surface or product alone.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::schema::{Axis, DomainId, Feature, FeatureKind, Schema, TableId, TaskId, Tower};

/// Surfaces, products, and the tasks that exist on a cell of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Ascending.
    pub surfaces: Vec<DomainId>,
    /// Ascending.
    pub products: Vec<DomainId>,
    /// Ascending: parents before their children.
    pub tasks: Vec<TaskId>,
    /// Whether a surface or a product is named.
    pub is_part: bool,
}

impl Slice {
    /// The slice of the surface and the product of these names; without a name, of all of them.
    ///
    /// # Errors
    /// A name that the spec does not declare, and a slice without a task.
    pub fn new(schema: &Schema, surface: Option<&str>, product: Option<&str>) -> Result<Self> {
        let mut slice = Self {
            surfaces: domains(&schema.surfaces, "--surface", surface)?,
            products: domains(&schema.products, "--product", product)?,
            tasks: Vec::new(),
            is_part: surface.is_some() || product.is_some(),
        };
        let tasks = schema.tasks.iter().enumerate();
        let tasks = tasks.filter(|(_, task)| {
            let exists = |tower| {
                let mut domains = slice.domains(tower).iter();
                domains.any(|domain| task.is_on(tower, *domain))
            };
            Tower::ALL.into_iter().all(exists)
        });
        slice.tasks = tasks.map(|(task, _)| TaskId(task)).collect();
        match slice.tasks.is_empty() {
            false => Ok(slice),
            true => Err(Error::usage(
                "--surface and --product",
                "no task exists on this surface and this product",
                "choose a surface and a product that have a task in common",
            )),
        }
    }

    /// The domains of a tower.
    pub fn domains(&self, tower: Tower) -> &[DomainId] {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    /// The features of a tower that one of the domains has, by index.
    pub fn features<'s>(
        &'s self,
        schema: &'s Schema,
        tower: Tower,
    ) -> impl Iterator<Item = (usize, &'s Feature)> {
        let features = schema.features(tower).iter().enumerate();
        features.filter(move |(_, feature)| {
            let mut domains = self.domains(tower).iter();
            domains.any(|domain| feature.domains.has(*domain))
        })
    }

    /// The tables of these features, ascending.
    pub fn tables(&self, schema: &Schema) -> BTreeSet<TableId> {
        let features = Tower::ALL
            .into_iter()
            .flat_map(|tower| self.features(schema, tower));
        let tables = features.filter_map(|(_, feature)| match feature.kind {
            FeatureKind::Embedded { table, .. } => Some(table),
            FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
        });
        tables.collect()
    }
}

fn domains(axis: &Axis, option: &str, name: Option<&str>) -> Result<Vec<DomainId>> {
    let all = axis.domains.iter().enumerate();
    let found: Vec<DomainId> = all
        .filter(|(_, domain)| name.is_none_or(|name| domain.name == name))
        .map(|(id, _)| DomainId(id))
        .collect();
    if found.is_empty() {
        let names: Vec<&str> = axis.domains.iter().map(|domain| &*domain.name).collect();
        return Err(Error::usage(
            option,
            format!("the spec does not declare `{}`", name.unwrap_or_default()),
            format!("choose one of {}", names.join(", ")),
        ));
    }
    Ok(found)
}
