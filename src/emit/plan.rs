//! `plan.rs`: the plan as Rust, laid out for review. Each program is its own constant, under a
//! comment that lists the domains that run it; each operation, parameter or buffer is one line.

use super::docs;
use super::literal::laid_out;
use crate::reflect::{Reflected, Struct, reflect};
use crate::sema::enumerate;
use mtmd_schema::plan::{Plan, Program};
use mtmd_schema::{Spec, Tower};

/// The type of a program, as a [`Struct`] names it.
const PROGRAM: &str = "Program";

/// Most domains or tasks that a comment names one by one.
const NAMED: usize = 12;

/// The items of the file.
pub(super) fn items(spec: &Spec, plan: &Plan) -> String {
    let programs: Vec<(Tower, usize, &Program)> = Tower::ALL
        .into_iter()
        .flat_map(|tower| {
            let programs = (1..).zip(plan.tower(tower).programs.iter());
            programs.map(move |(number, program)| (tower, number, program))
        })
        .collect();
    let names = programs
        .iter()
        .map(|(tower, number, _)| name(*tower, *number));
    let (mut frame, mut bodies) = (reflect(plan), vec![]);
    take_programs(&mut frame, &mut names.clone(), &mut bodies);
    assert_eq!(bodies.len(), programs.len(), "each program is a constant");
    let mut text = format!(
        "/// How the model runs. `mtmdc graph --format plan` prints it with the names of the weights.\n\
         pub const PLAN: Plan = {};\n",
        laid_out(&frame)
    );
    for (((tower, _, program), name), body) in programs.iter().zip(names).zip(&bodies) {
        text.push('\n');
        for line in docs::lines(&title(spec, *tower, program)) {
            text += &format!("/// {line}\n");
        }
        text += &format!("const {name}: Program = {};\n", laid_out(body));
    }
    text
}

/// Replaces the programs by constants of these names, and hands the programs over in their order.
fn take_programs(
    value: &mut Reflected,
    names: &mut impl Iterator<Item = String>,
    bodies: &mut Vec<Reflected>,
) {
    match value {
        Reflected::Struct(Struct { name: PROGRAM, .. }) => {
            if let Some(name) = names.next() {
                bodies.push(std::mem::replace(value, Reflected::Constant(name)));
            }
        }
        Reflected::Struct(Struct { fields, .. }) => {
            let values = fields.iter_mut().map(|(_, value)| value);
            values.for_each(|value| take_programs(value, names, bodies));
        }
        Reflected::List(items) => {
            let items = items.iter_mut();
            items.for_each(|item| take_programs(item, names, bodies));
        }
        // The count of the bodies reveals a program that is elsewhere.
        _ => {}
    }
}

/// Name of a program's constant.
fn name(tower: Tower, number: usize) -> String {
    format!("{}_PROGRAM_{number}", tower.name().to_uppercase())
}

/// What runs a program.
fn title(spec: &Spec, tower: Tower, program: &Program) -> String {
    let domains = program.domains.iter();
    let domains = domains.map(|id| spec.axis(tower).domain(*id));
    let domains = enumerate(domains.map(|domain| &*domain.name), NAMED);
    let tasks = program.outputs.iter();
    let tasks = tasks.map(|output| spec.task(output.task));
    let tasks = enumerate(tasks.map(|task| &*task.name), NAMED);
    let word = match program.outputs.len() {
        1 => "task",
        _ => "tasks",
    };
    format!(
        "Domain Experts of the {} tower for {domains}: {word} {tasks}.",
        tower.name()
    )
}
