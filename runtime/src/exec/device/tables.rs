//! The words that launches read, as they are written.

use std::collections::BTreeMap;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Field, Plan, Program};

use super::piece::word;
use crate::bug::bug;

/// A program and its tower.
#[derive(Debug)]
pub struct DeviceProgram<'p> {
    /// The program.
    pub program: &'p Program,
    /// Its tower.
    pub tower: Tower,
}

/// All programs, those of the query tower first.
pub fn programs(plan: &Plan) -> Vec<DeviceProgram<'_>> {
    let of = |tower| {
        let programs = plan.tower(tower).programs.iter();
        programs.map(move |program| DeviceProgram { program, tower })
    };
    Tower::ALL.into_iter().flat_map(of).collect()
}

/// The index of a domain's program among those of both towers.
pub fn program_index(plan: &Plan, tower: Tower, domain: usize) -> usize {
    let Some(place) = plan.tower(tower).domains.get(domain) else {
        bug!("no domain {domain} of the {} tower", tower.name());
    };
    match tower {
        Tower::Query => place.program,
        Tower::Item => plan.query.programs.len() + place.program,
    }
}

/// The fields of a program that come from tables.
pub fn slots(program: &Program) -> Vec<&Field> {
    let fields = program.fields.iter();
    fields
        .filter(|field| field.start < program.embedded)
        .collect()
}

/// A domain's index among those of both towers.
pub fn domain_index(plan: &Plan, tower: Tower, domain: usize) -> usize {
    match tower {
        Tower::Query => domain,
        Tower::Item => plan.query.domains.len() + domain,
    }
}

/// The words so far, of a plan and its programs.
#[derive(Debug)]
pub struct Words<'a, 'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// Its programs, those of the query tower first.
    pub programs: &'a [DeviceProgram<'p>],
    /// The words.
    pub words: Vec<u32>,
}

impl Words<'_, '_> {
    /// Writes a header and the items of every program, each of as many words; says where the header is, and the most
    /// items of a program.
    pub fn rows_table(&mut self, items: &BTreeMap<usize, Vec<Vec<u32>>>) -> (u32, usize) {
        let header = self.words.len();
        self.words.resize(header + 2 * self.programs.len(), 0);
        let mut most = 0;
        for (&program, items) in items {
            let first = word(self.words.len());
            let Some([at, count]) = self
                .words
                .get_mut(header + 2 * program..header + 2 * program + 2)
            else {
                bug!("program {program} of {}", self.programs.len());
            };
            (*at, *count) = (first, word(items.len()));
            most = most.max(items.len());
            self.words.extend(items.iter().flatten());
        }
        (word(header), most)
    }

    /// The domains of a program among those of both towers, and where their own parameters start.
    pub fn domains(&self, program: usize) -> Vec<(usize, usize)> {
        let Some(of) = self.programs.get(program) else {
            bug!("no program {program}");
        };
        let domains = of.program.domains.iter().enumerate();
        let domain = |(block, domain): (usize, &mtmd_schema::DomainId)| {
            let index = domain_index(self.plan, of.tower, domain.0);
            (index, of.program.parameters.at(block))
        };
        domains.map(domain).collect()
    }
}
