//! The Domain Experts of one struct.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use crate::schema::Axis;

/// The Domain Experts of a tower that have the same tasks and so one struct, by domain. To what visits the model each
/// is a field of the name of its domain ([`crate::weights::Path`] leaves out the field that holds them all), so a
/// thousand domains cost the Rust compiler no more than one.
#[derive(Debug, Clone)]
pub struct Domains<E> {
    experts: Vec<(Domain, E)>,
}

#[derive(Debug, Clone, Copy)]
struct Domain {
    index: usize,
    name: &'static str,
}

impl<E> Domains<E> {
    /// The experts of these domains of an axis, made by `expert` from the domain's index; those that the axis does not
    /// have are left out.
    pub fn new(axis: &'static Axis, domains: &[usize], expert: impl Fn(usize) -> E) -> Self {
        let experts = domains.iter().filter_map(|&index| {
            let name = &*axis.domains.get(index)?.name;
            Some((Domain { index, name }, expert(index)))
        });
        Self {
            experts: experts.collect(),
        }
    }

    /// Index of the domain and its expert, in the schema's order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &E)> {
        let experts = self.experts.iter();
        experts.map(|(domain, expert)| (domain.index, expert))
    }

    fn map_each(self, mut change: impl FnMut(&'static str, E) -> E) -> Self {
        let experts = self.experts.into_iter();
        Self {
            experts: experts
                .map(|(domain, expert)| (domain, change(domain.name, expert)))
                .collect(),
        }
    }
}

/// What a visitor is told of the container.
const CONTAINER: &str = "Domains";

impl<E: Module> Module for Domains<E> {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (domain, expert) in &self.experts {
            visitor.enter_module(domain.name, CONTAINER);
            expert.visit(visitor);
            visitor.exit_module(domain.name, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.map_each(|name, expert| {
            mapper.enter_module(name, CONTAINER);
            let expert = expert.map(mapper);
            mapper.exit_module(name, CONTAINER);
            expert
        })
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_each(|_, expert| expert.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_each(|_, expert| expert.fork(device))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let experts = self.experts.iter();
        experts.fold(devices, |devices, (_, expert)| {
            expert.collect_devices(devices)
        })
    }

    fn valid(&self) -> Self {
        let experts = self.experts.iter();
        Self {
            experts: experts
                .map(|(domain, expert)| (*domain, expert.valid()))
                .collect(),
        }
    }

    fn train(self) -> Self {
        self.map_each(|_, expert| expert.train())
    }

    fn materialize(self) -> Self {
        self.map_each(|_, expert| expert.materialize())
    }
}

impl<E: ModuleDisplay> ModuleDisplayDefault for Domains<E> {
    fn content(&self, content: Content) -> Option<Content> {
        let experts = self.experts.iter();
        experts
            .fold(content, |content, (domain, expert)| {
                content.add(domain.name, expert)
            })
            .optional()
    }
}

impl<E: ModuleDisplay> ModuleDisplay for Domains<E> {}
