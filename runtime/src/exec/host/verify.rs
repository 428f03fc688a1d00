//! What must be true of a plan before it runs. The executor writes through the views of a plan without
//! asking again, so a plan that breaks one of these rules stops here, with the operation that breaks it.

#![expect(
    clippy::indexing_slicing,
    reason = "ids are held to the lists first, and a wrong one stops with a message"
)]

use std::ops::Range;

use mtmd_schema::plan::{
    Elements, HeadPlan, Op, Parameter, Plan, Program, Scope, Storage, TowerPlan, View, Write,
};
use mtmd_schema::{Axis, Tower};

use super::intervals::{Intervals, overlap};
use super::widths;
use crate::bug::check;

/// Holds a plan to its rules.
pub fn verify(plan: &Plan) {
    let mut parameters = Disjoint::default();
    let mut statistics = Disjoint::default();
    for tower in Tower::ALL {
        let name = tower.name();
        verify_tower(plan, tower, &mut parameters, &mut statistics);
        parameters.within(plan.parameters, name);
        statistics.within(plan.statistics, name);
    }
    for (task, head) in plan.heads.iter().enumerate() {
        verify_head(plan, task, head);
        if let Some(bias) = head.bias {
            parameters.insert(bias..bias + 1, "a head's bias");
        }
    }
    parameters.within(plan.parameters, "heads");
}

/// Elements of a flat array, each of one owner.
#[derive(Default)]
struct Disjoint(Intervals);

impl Disjoint {
    fn insert(&mut self, range: Range<usize>, of: &str) {
        check!(
            !self.0.meets(&range),
            "{of} is laid over elements {range:?} of another"
        );
        self.0.insert(range);
    }

    fn within(&self, length: usize, of: &str) {
        let end = self.0.iter().map(|range| range.end).max().unwrap_or(0);
        check!(end <= length, "{of} ends at {end} of {length} elements");
    }
}

fn verify_head(plan: &Plan, task: usize, head: &HeadPlan) {
    if let Some(parent) = head.given {
        check!(parent.0 < task, "task {task} is before its parent");
    }
    for tower in Tower::ALL {
        let columns = head.column..head.column + head.width;
        check!(
            columns.end <= plan.tower(tower).width,
            "task {task} has columns {columns:?} of the {} tower",
            tower.name()
        );
        for program in plan.tower(tower).programs.iter() {
            for output in program
                .outputs
                .iter()
                .filter(|output| output.task.0 == task)
            {
                check!(
                    output.column == head.column && output.width == head.width,
                    "two embeddings of task {task}"
                );
            }
        }
    }
}

fn verify_tower(plan: &Plan, tower: Tower, parameters: &mut Disjoint, statistics: &mut Disjoint) {
    let (tower, name) = (plan.tower(tower), tower.name());
    let shared = Parameter::span(&tower.shared);
    parameters.insert(shared.clone(), "the parameters that a tower shares");
    disjoint(&tower.shared, shared);
    for (at, program) in tower.programs.iter().enumerate() {
        for block in 0..program.domains.len() {
            parameters.insert(program.parameters.range(block), "a block");
            statistics.insert(program.statistics.range(block), "a block");
        }
        disjoint(&program.own, 0..program.parameters.stride);
        disjoint(&program.running, 0..program.statistics.stride);
        for output in program.outputs.iter() {
            check!(
                output.task.0 < plan.heads.len() && output.column + output.width <= tower.width,
                "program {at} of the {name} tower has an output that its tower has not"
            );
        }
        Passes::new(tower, program, format!("program {at} of the {name} tower")).verify();
    }
    // A program may leave a shared parameter alone, such as the vector of a field that its domains have.
    let mut written = Intervals::default();
    for program in tower.programs.iter() {
        for range in shared_gradients(program).iter() {
            written.insert(range);
        }
    }
    all_written(&written, &tower.shared, &format!("the {name} tower"));
    check!(
        tower.domains.len() <= Axis::MAX_DOMAINS,
        "the {name} tower has {} domains",
        tower.domains.len()
    );
    for (domain, place) in tower.domains.iter().enumerate() {
        let program = tower.programs.get(place.program);
        let at = program.and_then(|program| program.domains.get(place.block));
        check!(
            at.is_some_and(|at| at.0 == domain),
            "domain {domain} of the {name} tower runs where another does"
        );
    }
}

/// That parameters are within a range, each with elements of its own.
fn disjoint(parameters: &[Parameter], within: Range<usize>) {
    let mut all = Disjoint::default();
    for parameter in parameters {
        let range = parameter.range();
        check!(
            within.start <= range.start && range.end <= within.end,
            "{} has elements {range:?} of {within:?}",
            parameter.name
        );
        all.insert(range, &parameter.name);
    }
}

/// A program's two passes, as far as they are verified.
struct Passes<'a> {
    program: &'a Program,
    /// Elements of the tower's shared parameters.
    shared: Range<usize>,
    /// By buffer: columns that hold what was written to them.
    written: Vec<Intervals>,
    /// Gradients of own parameters that were written.
    own: Intervals,
    /// Gradients of shared parameters that were written.
    tower: Intervals,
    /// Where it is, for messages.
    place: String,
}

/// The shared parameters whose gradients a program writes.
pub fn shared_gradients(program: &Program) -> Intervals {
    let mut all = Intervals::default();
    for op in program.backward.iter() {
        for (elements, _) in op.gradients() {
            if elements.first.scope == Scope::Tower {
                all.insert(elements.range());
            }
        }
    }
    all
}

/// That the gradient of every element of these parameters is written.
fn all_written(written: &Intervals, parameters: &[Parameter], place: &str) {
    for parameter in parameters {
        check!(
            written.covers(&parameter.range()),
            "{place}: nothing writes the gradient of {}",
            parameter.name
        );
    }
}

impl<'a> Passes<'a> {
    fn new(tower: &TowerPlan, program: &'a Program, place: String) -> Self {
        Self {
            program,
            shared: Parameter::span(&tower.shared),
            written: vec![Intervals::default(); program.buffers.len()],
            own: Intervals::default(),
            tower: Intervals::default(),
            place,
        }
    }

    fn verify(mut self) {
        let program = self.program;
        for (id, buffer) in program.buffers.iter().enumerate() {
            let (column, region) = match buffer.storage {
                Storage::Saved(column) => (column, program.saved),
                Storage::Scratch(column) => (column, program.scratch),
            };
            check!(
                column + buffer.width <= region,
                "{}: buffer {id} is outside its region",
                self.place
            );
        }
        let ids = [
            Some(program.input),
            Some(program.output),
            Some(program.output_gradient),
        ];
        for id in ids.into_iter().chain([program.input_gradient]).flatten() {
            check!(
                id.0 < program.buffers.len(),
                "{}: buffer {} of {}",
                self.place,
                id.0,
                program.buffers.len()
            );
        }
        let width = program.buffers[program.input.0].width;
        let all = |start, width, buffer| View {
            buffer,
            start,
            width,
        };
        self.write(all(0, width, program.input));
        self.pass("forward", &program.forward);
        for output in program.outputs.iter() {
            self.read(all(output.start, output.width, program.output));
        }
        for (id, buffer) in program.buffers.iter().enumerate() {
            if matches!(buffer.storage, Storage::Scratch(_)) {
                self.written[id] = Intervals::default();
            }
        }
        for output in program.outputs.iter() {
            self.write(all(output.start, output.width, program.output_gradient));
        }
        self.pass("backward", &program.backward);
        check!(
            program.embedded == 0 || program.input_gradient.is_some(),
            "{}: embedded fields without gradient",
            self.place
        );
        if let Some(gradient) = program.input_gradient {
            self.read(all(0, program.embedded, gradient));
        }
        all_written(&self.own, &program.own, &self.place);
    }

    fn pass(&mut self, pass: &str, ops: &[Op]) {
        let program = self.place.clone();
        for (at, op) in ops.iter().enumerate() {
            self.place = format!("{program}, {pass} operation {at}");
            widths::verify(op, self.program, &self.place);
            check!(
                pass == "backward" || op.gradients().is_empty(),
                "{}: a gradient in the forward pass",
                self.place
            );
            self.op(op);
        }
        self.place = program;
    }

    fn op(&mut self, op: &Op) {
        let (reads, writes) = (op.reads(), op.writes());
        for read in &reads {
            self.read(*read);
        }
        for (at, target) in writes.iter().enumerate() {
            for read in &reads {
                let in_place = op.in_place() == Some(target.to) && target.to == *read;
                check!(
                    in_place || !self.overlap(target.to, *read),
                    "{}: it writes over {read:?}, which it reads",
                    self.place
                );
            }
            for earlier in &writes[..at] {
                let adds = target.write == Write::Add && target.to == earlier.to;
                check!(
                    adds || !self.overlap(target.to, earlier.to),
                    "{}: it writes {:?} twice",
                    self.place,
                    target.to
                );
            }
            if target.write == Write::Add {
                self.read(target.to);
            }
            self.write(target.to);
        }
        for elements in op.parameters() {
            self.within(elements);
        }
        for (elements, write) in op.gradients() {
            self.within(elements);
            let written = match elements.first.scope {
                Scope::Own => &mut self.own,
                Scope::Tower => &mut self.tower,
            };
            let range = elements.range();
            check!(
                match write {
                    Write::Set => !written.meets(&range),
                    Write::Add => written.covers(&range),
                },
                "{}: {write:?} of a parameter's gradient {range:?}",
                self.place
            );
            written.insert(range);
        }
    }

    /// That a view is of a buffer.
    fn view(&self, view: View) {
        let buffer = self.program.buffers.get(view.buffer.0);
        check!(
            buffer.is_some_and(|buffer| view.start + view.width <= buffer.width),
            "{}: {view:?} is of no buffer",
            self.place
        );
    }

    fn read(&self, view: View) {
        self.view(view);
        let columns = view.start..view.start + view.width;
        check!(
            self.written[view.buffer.0].covers(&columns),
            "{}: it reads {view:?}, which holds nothing",
            self.place
        );
    }

    fn write(&mut self, view: View) {
        self.view(view);
        for other in 0..self.program.buffers.len() {
            if other != view.buffer.0 && self.share(other, view.buffer.0) {
                self.written[other] = Intervals::default();
            }
        }
        self.written[view.buffer.0].insert(view.start..view.start + view.width);
    }

    /// Whether two buffers have memory in common.
    fn share(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|id| self.program.buffers[id]);
        let columns = |column: usize, width: usize| column..column + width;
        match (one.storage, other.storage) {
            (Storage::Saved(a), Storage::Saved(b)) | (Storage::Scratch(a), Storage::Scratch(b)) => {
                overlap(&columns(a, one.width), &columns(b, other.width))
            }
            (Storage::Saved(_), Storage::Scratch(_)) | (Storage::Scratch(_), Storage::Saved(_)) => {
                false
            }
        }
    }

    /// Whether two views have memory in common.
    fn overlap(&self, one: View, other: View) -> bool {
        match one.buffer == other.buffer {
            true => overlap(
                &(one.start..one.start + one.width),
                &(other.start..other.start + other.width),
            ),
            false => self.share(one.buffer.0, other.buffer.0),
        }
    }

    /// That parameters are those of the program.
    fn within(&self, elements: Elements) {
        let range = elements.range();
        let all = match elements.first.scope {
            Scope::Own => 0..self.program.parameters.stride,
            Scope::Tower => self.shared.clone(),
        };
        check!(
            all.start <= range.start && range.end <= all.end,
            "{}: parameters {range:?} of {all:?}",
            self.place
        );
    }
}
