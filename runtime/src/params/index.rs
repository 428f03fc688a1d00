//! What is where in the flat arrays.

use std::collections::BTreeSet;
use std::ops::Range;

use mtmd_schema::plan::{Init, Parameter, Plan, Program, TowerPlan};
use mtmd_schema::{DomainId, TaskId, Tower, key};

use crate::bug::{bug, check};

/// Keys, shapes and places of all parameters and running statistics.
///
/// It holds the names of domains and tasks and nothing per parameter: entries are made as they are
/// iterated.
#[derive(Debug, Clone)]
pub struct ParameterIndex<'a> {
    plan: &'a Plan,
    surfaces: Vec<&'a str>,
    products: Vec<&'a str>,
    tasks: Vec<&'a str>,
}

/// Parameters that get a gradient in the same steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the domains of a tower share. Keys: `TOWER.shared.NAME`.
    Shared(Tower),
    /// A domain's own. Keys: `TOWER.DOMAIN.NAME`.
    Domain(Tower, DomainId),
    /// A task's head. Key: `heads.TASK.bias`.
    Head(TaskId),
}

/// One of the two flat arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Array {
    /// [`super::Params::values`].
    Values,
    /// [`super::Params::statistics`].
    Statistics,
}

/// A parameter, or a running statistic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it belongs to.
    pub part: Part,
    /// Its key is that of the part, a dot and this: see [`ParameterIndex::key`].
    pub name: &'a str,
    /// The array that it is in.
    pub array: Array,
    /// Its elements there.
    pub range: Range<usize>,
    /// Shape, row-major.
    pub shape: &'a [usize],
    /// First values.
    pub init: Init,
}

impl<'a> ParameterIndex<'a> {
    /// The index of a plan; names are those of the domains and tasks by id.
    ///
    /// # Panics
    /// If names are missing, or the plan's parameters overlap or leave their array: bugs of the
    /// compiler.
    pub fn new(
        plan: &'a Plan,
        surfaces: impl IntoIterator<Item = &'a str>,
        products: impl IntoIterator<Item = &'a str>,
        tasks: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let index = Self {
            plan,
            surfaces: surfaces.into_iter().collect(),
            products: products.into_iter().collect(),
            tasks: tasks.into_iter().collect(),
        };
        index.verify();
        index
    }

    /// The plan.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// All parts that have a parameter: of the query tower what is shared, then by domain; the
    /// same of the item tower; then the heads.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<'a> {
        let plan = self.plan;
        let towers = Tower::ALL.into_iter().flat_map(|tower| {
            let tower_plan = plan.tower(tower);
            let shared = (!tower_plan.shared.is_empty()).then_some(Part::Shared(tower));
            let domains = (0..tower_plan.domains.len()).map(DomainId);
            let domains = domains.filter(|domain| !program(tower_plan, *domain).0.own.is_empty());
            let domains = domains.map(move |domain| Part::Domain(tower, domain));
            shared.into_iter().chain(domains)
        });
        let heads = plan.heads.iter().enumerate();
        let heads = heads.filter(|(_, head)| head.bias.is_some());
        towers.chain(heads.map(|(task, _)| Part::Head(TaskId(task))))
    }

    /// The parts with their elements of [`super::Params::values`], in the order of these.
    pub fn ranges(&self) -> Vec<(Part, Range<usize>)> {
        let parts = self.parts().map(|part| (part, self.range(part)));
        let mut ranges: Vec<_> = parts.collect();
        ranges.sort_by_key(|(_, range)| range.start);
        ranges
    }

    /// The elements of a part in [`super::Params::values`], padding between its parameters included.
    pub fn range(&self, part: Part) -> Range<usize> {
        match part {
            Part::Shared(tower) => Parameter::span(&self.plan.tower(tower).shared),
            Part::Domain(tower, domain) => {
                let (program, block) = program(self.plan.tower(tower), domain);
                shifted(Parameter::span(&program.own), program.parameters.at(block))
            }
            Part::Head(task) => {
                let bias = self.head_bias(task);
                bias..bias + 1
            }
        }
    }

    /// All entries, part by part. A domain's running statistics follow its parameters.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> {
        self.parts().flat_map(|part| self.of(part))
    }

    /// The entries of a part.
    pub fn of(&self, part: Part) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (own, start, running, running_start): (&[Parameter], _, &[Parameter], _) = match part {
            Part::Shared(tower) => (&self.plan.tower(tower).shared, 0, &[], 0),
            Part::Domain(tower, domain) => {
                let (program, block) = program(self.plan.tower(tower), domain);
                let start = program.parameters.at(block);
                (
                    &program.own,
                    start,
                    &program.running,
                    program.statistics.at(block),
                )
            }
            Part::Head(_) => (&[], 0, &[], 0),
        };
        let entry = move |array, start| {
            move |parameter: &'a Parameter| Entry {
                part,
                name: &parameter.name,
                array,
                range: shifted(parameter.range(), start),
                shape: &parameter.shape,
                init: parameter.init,
            }
        };
        let head = match part {
            Part::Head(task) => Some(Entry {
                part,
                name: key::BIAS,
                array: Array::Values,
                range: self.range(Part::Head(task)),
                shape: &[1],
                init: Init::Zeros,
            }),
            Part::Shared(_) | Part::Domain(..) => None,
        };
        let own = own.iter().map(entry(Array::Values, start));
        let running = running.iter().map(entry(Array::Statistics, running_start));
        own.chain(running).chain(head)
    }

    /// What the keys of a part's entries begin with.
    pub fn part_key(&self, part: Part) -> String {
        match part {
            Part::Shared(tower) => key::shared(tower),
            Part::Domain(tower, domain) => key::domain(tower, self.domain(tower, domain)),
            Part::Head(task) => key::head(self.task(task)),
        }
    }

    /// The key of an entry, which names it in files.
    pub fn key(&self, entry: &Entry<'_>) -> String {
        key::join(&self.part_key(entry.part), entry.name)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "ids are those of the plan, which has a name for each"
    )]
    fn domain(&self, tower: Tower, domain: DomainId) -> &'a str {
        match tower {
            Tower::Query => self.surfaces[domain.0],
            Tower::Item => self.products[domain.0],
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "ids are those of the plan, which has a name for each"
    )]
    fn task(&self, task: TaskId) -> &'a str {
        self.tasks[task.0]
    }

    #[expect(clippy::indexing_slicing, reason = "ids are those of the plan")]
    fn head_bias(&self, task: TaskId) -> usize {
        match self.plan.heads[task.0].bias {
            Some(bias) => bias,
            None => bug!("head {} has no bias", self.task(task)),
        }
    }

    /// Holds the plan to what this room relies on.
    fn verify(&self) {
        let plan = self.plan;
        let counts = |found: usize, names: &[&str], what: &str| {
            check!(
                found == names.len(),
                "the plan has {found} {what}, the spec {}",
                names.len()
            );
        };
        counts(plan.query.domains.len(), &self.surfaces, "surfaces");
        counts(plan.item.domains.len(), &self.products, "products");
        counts(plan.heads.len(), &self.tasks, "tasks");
        let programs = plan.query.programs.iter().chain(plan.item.programs.iter());
        for program in programs {
            require_apart(&program.own, program.parameters.stride);
            require_apart(&program.running, program.statistics.stride);
            require_distinct(program.own.iter().chain(program.running.iter()));
        }
        for shared in [&plan.query.shared, &plan.item.shared] {
            require_apart(shared, plan.parameters);
            require_distinct(shared.iter());
        }
        let mut end = 0;
        for (part, range) in self.ranges() {
            if range.start < end || range.end > plan.parameters {
                let key = self.part_key(part);
                bug!("{key} overlaps other parameters or leaves their array");
            }
            end = range.end;
        }
        let mut statistics: Vec<_> = self.statistics().collect();
        statistics.sort_by_key(|range| range.start);
        let mut end = 0;
        for range in statistics {
            if range.start < end || range.end > plan.statistics {
                bug!("running statistics overlap or leave their array");
            }
            end = range.end;
        }
    }

    /// The domains' blocks of running statistics.
    fn statistics(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let plan = self.plan;
        Tower::ALL.into_iter().flat_map(move |tower| {
            let tower = plan.tower(tower);
            let domains = (0..tower.domains.len()).map(DomainId);
            domains.map(|domain| {
                let (program, block) = program(tower, domain);
                shifted(
                    Parameter::span(&program.running),
                    program.statistics.at(block),
                )
            })
        })
    }
}

/// The program of a domain, and the domain's block there.
#[expect(
    clippy::indexing_slicing,
    reason = "a plan without the program of a domain is a bug of the compiler"
)]
fn program(tower: &TowerPlan, domain: DomainId) -> (&Program, usize) {
    let place = tower.domains[domain.0];
    let program = &tower.programs[place.program];
    if program.domains.get(place.block) != Some(&domain) {
        bug!("domain {} and its program disagree", domain.0);
    }
    (program, place.block)
}

/// A range that is relative to `start`.
fn shifted(range: Range<usize>, start: usize) -> Range<usize> {
    start + range.start..start + range.end
}

/// Requires the tensors of one holder to have distinct names, which are their keys in files.
fn require_distinct<'a>(parameters: impl Iterator<Item = &'a Parameter>) {
    let mut names = BTreeSet::new();
    for Parameter { name, .. } in parameters {
        check!(names.insert(name), "two tensors have the name {name}");
    }
}

/// Requires parameters to be disjoint, before `end`.
fn require_apart(parameters: &[Parameter], end: usize) {
    let mut sorted: Vec<&Parameter> = parameters.iter().collect();
    sorted.sort_by_key(|parameter| parameter.offset);
    let mut free = 0;
    for parameter in sorted {
        let range = parameter.range();
        if range.start < free || range.end > end {
            bug!(
                "{} overlaps another parameter or leaves its block",
                parameter.name
            );
        }
        free = range.end;
    }
}
