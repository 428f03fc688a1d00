//! The plan of whole specs: its arithmetic against finite differences, its layout, its printed form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/shop.rs"]
mod shop;

#[path = "plan/interpret.rs"]
mod interpret;

use std::collections::BTreeSet;

use interpret::{Run, Values};
use mtmd_schema::plan::{
    Elements, Init, Op, Parameter, Plan, Program, Scope, Source as NodeSource, TowerPlan,
};
use mtmdc::diagnostics::Levels;
use mtmdc::driver::compile::compile_files;
use mtmdc::graph::Graph;
use mtmdc::plan::lower;
use mtmdc::source::Source;

/// Rows of a run: more than one, for BatchNorm.
const ROWS: usize = 3;

/// Numbers in [-1, 1) that depend on a seed alone.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2.0_f64.powi(-52) - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }
}

fn towers(plan: &Plan) -> [&TowerPlan; 2] {
    [&plan.query, &plan.item]
}

/// Parameters like those of a new model, norms and biases a little off.
fn parameters(plan: &Plan, draws: &mut Draws) -> Vec<f64> {
    let mut values = vec![0.0; plan.parameters];
    let mut fill = |parameter: &Parameter, start: usize| {
        for value in &mut values[start..start + parameter.len()] {
            let draw = draws.next();
            *value = match parameter.init {
                Init::Zeros => 0.25 * draw,
                Init::Ones => 1.0 + 0.25 * draw,
                Init::Uniform(fan_in) => draw / (fan_in as f64).sqrt(),
            };
        }
    };
    for tower in towers(plan) {
        for parameter in tower.shared.iter() {
            fill(parameter, parameter.offset);
        }
        for program in tower.programs.iter() {
            for block in 0..program.domains.len() {
                let start = program.parameters.start + block * program.parameters.stride;
                for parameter in program.own.iter() {
                    fill(parameter, start + parameter.offset);
                }
            }
        }
    }
    values
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    assert_eq!(one.len(), other.len(), "lengths");
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

fn along(values: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    values
        .iter()
        .zip(direction)
        .map(|(x, d)| x + step * d)
        .collect()
}

/// The slope of a weighted sum of the output along a direction of all parameters and inputs, by the
/// backward program and by differences of the forward program.
fn check_gradient(plan: &Plan, program: &Program, name: &str) {
    let mut draws = Draws(name.len() as u64);
    let own = program.parameters.start + (program.domains.len() - 1) * program.parameters.stride;
    let values = |parameters| Values { parameters, own };
    let parameters = parameters(plan, &mut draws);
    let width = program.buffers[program.input.0].width;
    let input = draws.take(ROWS * width);
    let weights = draws.take(ROWS * program.buffers[program.output.0].width);

    let held = values(parameters.clone());
    let mut run = Run::new(plan, program, &held, &input, ROWS);
    let to_input = run.backward(&weights);
    for parameter in program.own.iter() {
        let start = own + parameter.offset;
        let gradient = &run.gradient[start..start + parameter.len()];
        assert!(
            gradient.iter().all(|g| g.is_finite()),
            "{name}: {} has no gradient",
            parameter.name
        );
    }
    let gradient: Vec<f64> = run
        .gradient
        .iter()
        .map(|g| if g.is_nan() { 0.0 } else { *g })
        .collect();

    let to_parameters = draws.take(plan.parameters);
    let mut to_inputs = vec![0.0; input.len()];
    for row in to_inputs.chunks_mut(width) {
        row[..program.embedded].copy_from_slice(&draws.take(program.embedded));
    }
    let embedded: Vec<f64> = to_inputs
        .chunks(width)
        .flat_map(|row| &row[..program.embedded])
        .copied()
        .collect();
    let slope = dot(&gradient, &to_parameters)
        + if to_input.is_empty() {
            0.0
        } else {
            dot(&to_input, &embedded)
        };
    let loss = |step: f64| {
        let values = values(along(&parameters, &to_parameters, step));
        let input = along(&input, &to_inputs, step);
        dot(
            &Run::new(plan, program, &values, &input, ROWS).output(),
            &weights,
        )
    };
    let step = 1e-7;
    let difference = (loss(step) - loss(-step)) / (2.0 * step);
    let error = (slope - difference).abs() / difference.abs().max(1.0);
    assert!(
        error < 1e-5,
        "{name}: slope {slope}, by differences {difference}"
    );
}

/// The slope of a weighted sum of the output along a direction of each parameter alone, the program's own and the shared ones.
/// In float64, differences over this step are off by about 1e-9, and none here crosses a kink.
fn check_parameters(plan: &Plan, tower: &TowerPlan, program: &Program, name: &str) {
    let mut draws = Draws(name.len() as u64);
    let own = program.parameters.start + (program.domains.len() - 1) * program.parameters.stride;
    let parameters = parameters(plan, &mut draws);
    let input = draws.take(ROWS * program.buffers[program.input.0].width);
    let weights = draws.take(ROWS * program.buffers[program.output.0].width);
    let held = Values {
        parameters: parameters.clone(),
        own,
    };
    let mut run = Run::new(plan, program, &held, &input, ROWS);
    run.backward(&weights);
    let places = program.own.iter().map(|it| (it, own + it.offset));
    for (parameter, start) in places.chain(tower.shared.iter().map(|it| (it, it.offset))) {
        let direction = draws.take(parameter.len());
        let gradient = &run.gradient[start..start + parameter.len()];
        // What the program does not reach has none.
        let terms = gradient.iter().zip(&direction);
        let terms = terms.map(|(g, d)| if g.is_nan() { 0.0 } else { g * d });
        let terms: Vec<f64> = terms.collect();
        let slope: f64 = terms.iter().sum();
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        let step = 1e-6;
        let loss = |step: f64| {
            let mut moved = parameters.clone();
            for (value, d) in moved[start..].iter_mut().zip(&direction) {
                *value += step * d;
            }
            let values = Values {
                parameters: moved,
                own,
            };
            let output = Run::new(plan, program, &values, &input, ROWS).output();
            dot(&output, &weights)
        };
        let difference = (loss(step) - loss(-step)) / (2.0 * step);
        let error = (slope - difference).abs();
        assert!(
            error <= 1e-7 * size + 1e-8,
            "{name}: {}: slope {slope}, by differences {difference}, at {size}",
            parameter.name
        );
    }
}

/// The graphs of small models of architectures that no spec has.
fn small_graphs() -> Vec<Graph> {
    let compiled = |variant: Option<&str>| {
        let text = std::fs::read_to_string("tests/parity/graphs/small.mtmd").unwrap();
        let read = |_: &str| Err("no files".to_owned());
        compile_files(
            Source::new("small.mtmd", text),
            &read,
            &Levels::default(),
            variant,
        )
    };
    let variants = compiled(None).variants.into_iter().map(Some);
    let all = [None].into_iter().chain(variants);
    all.map(|name| compiled(name.as_deref()).artefacts.unwrap().graph)
        .collect()
}

/// Every parameter of every program of architectures that no spec has.
#[test]
fn gradients_of_each_parameter_agree_with_finite_differences() {
    for graph in small_graphs() {
        let plan = lower(&graph);
        for (tower, name) in towers(&plan).into_iter().zip(["query", "item"]) {
            for (index, program) in tower.programs.iter().enumerate() {
                let name = format!("{} {name} {index}", graph.spec.name);
                check_gradient(&plan, program, &name);
                check_parameters(&plan, tower, program, &name);
            }
        }
    }
}

/// Every program of every spec, at full size.
#[test]
fn gradients_agree_with_finite_differences() {
    let shops = [shop::graph(shop::OLD), shop::graph(&shop::new())];
    for graph in shop::graphs().into_iter().chain(shops) {
        let plan = lower(&graph);
        for (tower, name) in towers(&plan).into_iter().zip(["query", "item"]) {
            for (index, program) in tower.programs.iter().enumerate() {
                check_gradient(
                    &plan,
                    program,
                    &format!("{} {name} {index}", graph.spec.name),
                );
            }
        }
    }
}

/// Keys and shapes of all dense weights, by the plan.
fn keys(graph: &Graph, plan: &Plan) -> BTreeSet<(String, Vec<usize>)> {
    let mut keys = BTreeSet::new();
    let axes = [&graph.spec.surfaces, &graph.spec.products];
    for ((tower, name), axis) in towers(plan).into_iter().zip(["query", "item"]).zip(axes) {
        for parameter in tower.shared.iter() {
            keys.insert((
                format!("{name}.shared.{}", parameter.name),
                parameter.shape.to_vec(),
            ));
        }
        for program in tower.programs.iter() {
            for domain in program.domains.iter() {
                let domain = &axis.domains[domain.0].name;
                for parameter in program.own.iter().chain(program.running.iter()) {
                    let key = format!("{name}.{domain}.{}", parameter.name);
                    assert!(
                        keys.insert((key, parameter.shape.to_vec())),
                        "two of a name"
                    );
                }
            }
        }
    }
    for (task, head) in graph.spec.tasks.iter().zip(plan.heads.iter()) {
        if head.bias.is_some() {
            keys.insert((format!("heads.{}.bias", task.name), vec![1]));
        }
    }
    keys
}

#[test]
fn the_flat_arrays_hold_the_weights_of_the_graph_and_no_two_overlap() {
    for graph in shop::graphs().into_iter().chain(small_graphs()) {
        let plan = lower(&graph);
        let weights = graph.weights();
        let dense = weights
            .iter()
            .filter(|weight| !weight.key.starts_with("tables."));
        let expected: BTreeSet<(String, Vec<usize>)> = dense
            .map(|weight| (weight.key.to_string(), weight.shape()))
            .collect();
        assert_eq!(keys(&graph, &plan), expected, "{}", graph.spec.name);
        let mut taken = vec![false; plan.parameters];
        let mut take = |start: usize, len: usize, name: &str| {
            for taken in &mut taken[start..start + len] {
                assert!(!*taken, "{}: {name} overlaps another", graph.spec.name);
                *taken = true;
            }
        };
        for head in plan.heads.iter() {
            take(
                head.bias.unwrap_or(0),
                usize::from(head.bias.is_some()),
                "a bias",
            );
        }
        for tower in towers(&plan) {
            for parameter in tower.shared.iter() {
                take(parameter.offset, parameter.len(), &parameter.name);
            }
            for program in tower.programs.iter() {
                for block in 0..program.domains.len() {
                    let start = program.parameters.start + block * program.parameters.stride;
                    for parameter in program.own.iter() {
                        assert!(parameter.offset + parameter.len() <= program.parameters.stride);
                        take(start + parameter.offset, parameter.len(), &parameter.name);
                    }
                }
            }
        }
    }
}

/// Paths of the nodes whose parameters have these elements.
fn owners<'a>(
    tower: &'a TowerPlan,
    program: &'a Program,
    elements: &[Elements],
) -> BTreeSet<&'a str> {
    let mut owners = BTreeSet::new();
    for elements in elements {
        let range = elements.range();
        let scope = elements.first.scope;
        let parameters = match scope {
            Scope::Own => &program.own,
            Scope::Tower => &tower.shared,
        };
        let met = |parameter: &&Parameter| {
            let other = parameter.range();
            range.start < other.end && other.start < range.end
        };
        for parameter in parameters.iter().filter(met) {
            let nodes = tower.nodes.iter().filter(|node| {
                let rest = parameter.name.strip_prefix(&*node.path);
                node.scope == scope
                    && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            // `adapt.norm.weight` is of `adapt.norm`, not of `adapt`.
            let node = nodes.max_by_key(|node| node.path.len()).unwrap();
            owners.insert(&*node.path);
        }
    }
    owners
}

/// What a profile shows: operations have the nodes whose weights they use, and all columns of an output are some node's.
#[test]
fn every_operation_has_the_nodes_that_it_is_lowered_from() {
    let shops = [shop::graph(shop::OLD), shop::graph(&shop::new())];
    for graph in shop::graphs()
        .into_iter()
        .chain(small_graphs())
        .chain(shops)
    {
        let plan = lower(&graph);
        for tower in towers(&plan) {
            let paths: BTreeSet<_> = tower
                .nodes
                .iter()
                .map(|node| (&node.path, node.scope))
                .collect();
            assert_eq!(paths.len(), tower.nodes.len(), "each path once");
            for program in tower.programs.iter() {
                let path = |source: &NodeSource| &*tower.nodes[source.node.0].path;
                for (op, sources) in program.forward_sources() {
                    let columns: usize = sources.iter().map(|source| source.columns).sum();
                    assert_eq!(columns, op.writes()[0].to.width, "{op:?}");
                    let nodes: BTreeSet<&str> = sources.iter().map(path).collect();
                    let owners = owners(tower, program, &op.parameters());
                    assert!(owners.is_empty() || owners == nodes, "{op:?} of {nodes:?}");
                }
                for (op, sources) in program.backward_sources() {
                    let nodes: BTreeSet<&str> = sources.iter().map(path).collect();
                    let gradients: Vec<Elements> = op
                        .gradients()
                        .into_iter()
                        .map(|(elements, _)| elements)
                        .collect();
                    for elements in [op.parameters(), gradients] {
                        let owners = owners(tower, program, &elements);
                        assert!(owners.is_empty() || owners == nodes, "{op:?} of {nodes:?}");
                    }
                }
            }
        }
    }
}

/// What the fusion is for: few operations.
#[test]
fn experts_run_as_wide_products_and_batches() {
    let graphs = shop::graphs();
    let pinterest = graphs
        .iter()
        .find(|graph| graph.spec.name == "pinterest")
        .unwrap();
    let plan = lower(pinterest);
    for program in plan.query.programs.iter().chain(plan.item.programs.iter()) {
        let linear = program.forward.iter().filter_map(|op| match op {
            Op::Linear(linear) => Some((linear.batch, linear.inputs, linear.outputs)),
            _ => None,
        });
        let linear: Vec<_> = linear.collect();
        let tasks = program.outputs.len();
        // Deep experts of the tasks, the task-shared one, the routings.
        let wide = (
            1,
            program.buffers[program.input.0].width,
            (tasks + 1) * 512 + tasks * 128,
        );
        assert!(linear.contains(&wide), "{linear:?}");
        assert!(linear.contains(&(tasks + 1, 512, 256)), "{linear:?}");
        assert!(linear.contains(&(tasks + 1, 128, 128)), "{linear:?}");
        assert!(linear.contains(&(tasks, 128, 64)), "{linear:?}");
        assert!(linear.contains(&(tasks, 384, 64)), "{linear:?}");
        // Nothing is run by task but what differs by task.
        let all = program.forward.len() + program.backward.len();
        assert!(all < 75 + 40 * tasks, "{all} operations");
    }
}

/// A spec and its plan.
#[test]
fn a_small_plan_whole() {
    let graph = shop::graph(shop::OLD);
    let plan = mtmdc::plan::print(&graph, &lower(&graph));
    insta::assert_snapshot!("small", format!("{}\n{plan}", shop::OLD));
}
