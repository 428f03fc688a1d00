//! The plan as text: one line per operation, with the weights that it reads.

use mtmd_schema::bug;
use std::fmt::Write;

use mtmd_schema::plan::{
    Address, BufferId, Linear, Op, Parameter, Plan, Program, Scope, Storage, Target, TowerPlan,
    View,
};

use crate::graph::Graph;
use crate::sema::spec::Axis;

/// Prints a plan, with the names of the graph that it was lowered from.
pub fn print(graph: &Graph, plan: &Plan) -> String {
    let spec = &graph.spec;
    let mut text = format!(
        "plan of {}: {} parameters, {} running statistics\n\nheads:\n",
        spec.name, plan.parameters, plan.statistics
    );
    for (task, head) in spec.tasks.iter().zip(plan.heads.iter()) {
        let bias = head
            .bias
            .map_or(String::new(), |bias| format!(" + p[{bias}]"));
        let given = head.given.map_or(String::new(), |parent| {
            format!(", given {}", spec.tasks[parent.0].name)
        });
        let columns = columns(head.column, head.width);
        let scale = head.scale;
        line(
            &mut text,
            1,
            format_args!("{}: {columns} · {scale:.6}{bias}{given}", task.name),
        );
    }
    for (name, tower, axis) in [
        ("query", &plan.query, &spec.surfaces),
        ("item", &plan.item, &spec.products),
    ] {
        print_tower(&mut text, name, tower, axis);
    }
    text
}

fn line(text: &mut String, indent: usize, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:width$}{line}", "", width = 2 * indent);
}

fn columns(start: usize, width: usize) -> String {
    format!("[{start}..{}]", start + width)
}

fn print_tower(text: &mut String, name: &str, tower: &TowerPlan, axis: &Axis) {
    line(text, 0, format_args!("\n{name}: {} columns", tower.width));
    if !tower.shared.is_empty() {
        line(text, 1, format_args!("shared:"));
        tower
            .shared
            .iter()
            .for_each(|parameter| print_parameter(text, 2, parameter));
    }
    for program in tower.programs.iter() {
        let domains = program
            .domains
            .iter()
            .map(|domain| axis.domains[domain.0].name.as_ref());
        let domains: Vec<&str> = domains.collect();
        line(text, 1, format_args!("program of {}:", domains.join(", ")));
        let (parameters, statistics) = (program.parameters, program.statistics);
        line(
            text,
            2,
            format_args!(
                "blocks: parameters from {} by {}, statistics from {} by {}",
                parameters.start, parameters.stride, statistics.start, statistics.stride
            ),
        );
        line(
            text,
            2,
            format_args!(
                "memory of a row: {} saved, {} scratch",
                program.saved, program.scratch
            ),
        );
        line(text, 2, format_args!("parameters:"));
        program
            .own
            .iter()
            .for_each(|parameter| print_parameter(text, 3, parameter));
        if !program.running.is_empty() {
            line(text, 2, format_args!("statistics:"));
            program
                .running
                .iter()
                .for_each(|parameter| print_parameter(text, 3, parameter));
        }
        line(text, 2, format_args!("buffers:"));
        for (index, buffer) in program.buffers.iter().enumerate() {
            let storage = match buffer.storage {
                Storage::Saved(column) => format!("saved at {column}"),
                Storage::Scratch(column) => format!("scratch at {column}"),
            };
            let role = role(program, BufferId(index));
            line(
                text,
                3,
                format_args!("b{index}: {} columns, {storage}{role}", buffer.width),
            );
        }
        for (title, ops) in [
            ("forward", &program.forward),
            ("backward", &program.backward),
        ] {
            line(text, 2, format_args!("{title}:"));
            let printer = Printer { tower, program };
            ops.iter()
                .for_each(|op| line(text, 3, format_args!("{}", printer.op(op))));
        }
    }
}

fn role(program: &Program, buffer: BufferId) -> &'static str {
    if buffer == program.input {
        ", input"
    } else if Some(buffer) == program.input_gradient {
        ", gradient of the input"
    } else if buffer == program.output {
        ", output"
    } else if buffer == program.output_gradient {
        ", gradient of the output"
    } else {
        ""
    }
}

fn print_parameter(text: &mut String, indent: usize, parameter: &Parameter) {
    let Parameter {
        name,
        shape,
        offset,
        ..
    } = parameter;
    line(text, indent, format_args!("{offset}: {name} {shape:?}"));
}

struct Printer<'a> {
    tower: &'a TowerPlan,
    program: &'a Program,
}

impl Printer<'_> {
    fn view(&self, view: View) -> String {
        let View {
            buffer,
            start,
            width,
        } = view;
        match (start, self.program.buffers[buffer.0].width == width) {
            (0, true) => format!("b{}", buffer.0),
            _ => format!("b{}{}", buffer.0, columns(start, width)),
        }
    }

    fn views(&self, views: &[View]) -> String {
        let views: Vec<String> = views.iter().map(|view| self.view(*view)).collect();
        views.join(", ")
    }

    fn target(&self, target: Target) -> String {
        self.written(target.to, target.write)
    }

    fn written(&self, to: View, write: mtmd_schema::plan::Write) -> String {
        match write {
            mtmd_schema::plan::Write::Set => format!("{} =", self.view(to)),
            mtmd_schema::plan::Write::Add => format!("{} +=", self.view(to)),
        }
    }

    fn targets(&self, targets: &[Option<Target>]) -> String {
        let target =
            |target: &Option<Target>| target.map_or("-".to_owned(), |target| self.target(target));
        let targets: Vec<String> = targets.iter().map(target).collect();
        targets.join(", ")
    }

    /// Names of the parameters from an address on, `len` elements.
    fn weights(&self, address: Address, len: usize) -> String {
        let (prefix, parameters) = match address.scope {
            Scope::Own => ("", &self.program.own),
            Scope::Tower => ("shared.", &self.tower.shared),
        };
        let covers = |parameter: &&Parameter| {
            parameter.offset < address.offset + len
                && address.offset < parameter.offset + parameter.len()
        };
        let names = parameters.iter().filter(covers);
        let names: Vec<String> = names
            .map(|parameter| format!("{prefix}{}", parameter.name))
            .collect();
        names.join(" + ")
    }

    fn maps(&self, linear: &Linear) -> String {
        let len = linear.batch * linear.outputs * linear.inputs;
        let weights = self.weights(linear.weight, len);
        let Linear {
            batch,
            inputs,
            outputs,
            ..
        } = linear;
        match batch {
            1 => format!("{inputs} → {outputs}: {weights}"),
            _ => format!("{batch} × ({inputs} → {outputs}): {weights}"),
        }
    }

    fn op(&self, op: &Op) -> String {
        match op {
            Op::Copy { from, into } => format!("{} copy {}", self.target(*into), self.view(*from)),
            Op::Repeat { parameter, to } => {
                let name = self.weights(*parameter, to.width);
                format!("{} = repeat {name}", self.view(*to))
            }
            Op::BatchNorm {
                from, to, weight, ..
            } => {
                let name = self.weights(*weight, to.width);
                format!(
                    "{} = batch_norm {}, {name}",
                    self.view(*to),
                    self.view(*from)
                )
            }
            Op::Linear(linear) => {
                let bias = linear.bias.map_or(String::new(), |bias| {
                    format!(" + {}", self.weights(bias, linear.batch * linear.outputs))
                });
                let (to, from) = (self.view(linear.to), self.view(linear.read()));
                format!("{to} = linear {from}, {}{bias}", self.maps(linear))
            }
            Op::Activate(activate) => {
                let (to, from) = (self.view(activate.to), self.view(activate.from));
                format!("{to} = activate {from}, {}", self.activation(activate))
            }
            Op::Sigmoid { from, to } => {
                format!("{} = sigmoid {}", self.view(*to), self.view(*from))
            }
            Op::Softmax { from, to, width } => {
                format!(
                    "{} = softmax {} by {width}",
                    self.view(*to),
                    self.view(*from)
                )
            }
            Op::Means { parts, to } => format!("{} = means {}", self.view(*to), self.views(parts)),
            Op::Mix(mix) => format!("{} = {}", self.view(mix.to), self.mix(mix)),
            Op::Cross { first, by, x, to } => {
                let [to, first, by, x] = [to, first, by, x].map(|view| self.view(*view));
                format!("{to} = {first} * {by} + {x}")
            }
            op => self.back(op),
        }
    }

    fn mix(&self, mix: &mtmd_schema::plan::Mix) -> String {
        let kind = if mix.sum { "sum" } else { "concat" };
        let by = mix
            .by
            .map_or(String::new(), |by| format!(" by {}", self.view(by)));
        format!("{kind} {}{by}", self.views(&mix.parts))
    }

    fn activation(&self, activate: &mtmd_schema::plan::Activate) -> String {
        let groups: Vec<String> = activate.groups.iter().map(ToString::to_string).collect();
        let norm = match activate.norm.map(|norm| norm.place) {
            None => "",
            Some(mtmd_schema::plan::NormPlace::Pre) => ", norm before",
            Some(mtmd_schema::plan::NormPlace::Post) => ", norm after",
        };
        let bias = if activate.bias.is_some() {
            ", bias"
        } else {
            ""
        };
        format!(
            "groups {}{bias}{norm}, slope {}",
            groups.join(" "),
            activate.slope
        )
    }

    fn back(&self, op: &Op) -> String {
        match op {
            Op::Clear { to } => format!("{} = 0", self.view(*to)),
            Op::SumRows { from, to, .. } => {
                format!(
                    "d {} = sum_rows {}",
                    self.weights(*to, from.width),
                    self.view(*from)
                )
            }
            Op::BatchNormBack {
                gradient,
                from,
                weight,
                ..
            } => {
                let name = self.weights(*weight, from.width);
                let (gradient, from) = (self.view(*gradient), self.view(*from));
                format!("d {name}, bias = batch_norm_back {gradient}, {from}")
            }
            Op::LinearInput { linear, write } => {
                let to = self.written(linear.read(), *write);
                format!(
                    "{to} linear_input {}, {}",
                    self.view(linear.to),
                    self.maps(linear)
                )
            }
            Op::LinearWeight { linear, .. } => {
                let (gradient, from) = (self.view(linear.to), self.view(linear.read()));
                format!("d linear_weight {gradient}, {from}, {}", self.maps(linear))
            }
            Op::ActivateBack {
                activate,
                gradient,
                into,
            } => {
                let (gradient, from) = (self.view(*gradient), self.view(activate.from));
                let activation = self.activation(activate);
                format!(
                    "{} activate_back {gradient}, {from}, {activation}",
                    self.target(*into)
                )
            }
            Op::SigmoidBack {
                output,
                gradient,
                into,
            } => {
                let (gradient, output) = (self.view(*gradient), self.view(*output));
                format!("{} sigmoid_back {gradient}, {output}", self.target(*into))
            }
            Op::SoftmaxBack {
                output,
                gradient,
                width,
                into,
            } => {
                let (gradient, output) = (self.view(*gradient), self.view(*output));
                format!(
                    "{} softmax_back {gradient}, {output} by {width}",
                    self.target(*into)
                )
            }
            Op::MeansBack { gradient, into } => {
                format!("{} means_back {}", self.targets(into), self.view(*gradient))
            }
            Op::MixBack {
                mix,
                gradient,
                into,
                into_by,
            } => {
                let by = into_by.map_or(String::new(), |into| format!("; {}", self.target(into)));
                let into = self.targets(into);
                format!(
                    "{into}{by} mix_back {}, {}",
                    self.view(*gradient),
                    self.mix(mix)
                )
            }
            Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => {
                let into = self.targets(&[Some(*into_first), Some(*into_by), *into_x]);
                let [gradient, first, by] = [gradient, first, by].map(|view| self.view(*view));
                format!("{into} cross_back {gradient}, {first}, {by}")
            }
            op => bug!("{op:?} is a forward operation"),
        }
    }
}
