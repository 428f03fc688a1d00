//! `plan.rs`: the plan as Rust, laid out for review. A program is a constant of its own, under a
//! comment that says which domains run it; an operation, parameter or buffer is a line.

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
    let mut text = format!(
        "/// How the model runs. `mtmdc graph --format plan` prints it with the names of the weights.\n\
         pub const PLAN: Plan = {};\n",
        laid_out(&frame(plan))
    );
    for tower in Tower::ALL {
        for (number, program) in (1..).zip(plan.tower(tower).programs.iter()) {
            text.push('\n');
            for line in docs::lines(&title(spec, tower, program)) {
                text += &format!("/// {line}\n");
            }
            let (name, value) = (name(tower, number), laid_out(&reflect(program)));
            text += &format!("const {name}: Program = {value};\n");
        }
    }
    text
}

/// The plan whose programs are constants.
fn frame(plan: &Plan) -> Reflected {
    let names = Tower::ALL.into_iter().flat_map(|tower| {
        let count = plan.tower(tower).programs.len();
        (1..=count).map(move |number| name(tower, number))
    });
    let (mut names, mut frame) = (names, reflect(plan));
    name_programs(&mut frame, &mut names);
    assert!(names.next().is_none(), "each program is named");
    frame
}

fn name_programs(value: &mut Reflected, names: &mut impl Iterator<Item = String>) {
    if let Reflected::Struct(Struct { name: PROGRAM, .. }) = value {
        let name = names.next();
        assert!(name.is_some(), "there is a name for each program");
        *value = Reflected::Constant(name.unwrap_or_default());
        return;
    }
    match value {
        Reflected::List(items) => items.iter_mut().for_each(|item| name_programs(item, names)),
        Reflected::Struct(Struct { fields, .. }) => {
            let values = fields.iter_mut().map(|(_, value)| value);
            values.for_each(|value| name_programs(value, names));
        }
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
    let domains = domains.filter_map(|id| spec.axis(tower).domains.get(id.0));
    let domains = enumerate(domains.map(|domain| &*domain.name), NAMED);
    let tasks = program.outputs.iter();
    let tasks = tasks.filter_map(|output| spec.tasks.get(output.task.0));
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
