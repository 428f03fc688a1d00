//! A small model, written by hand: two towers with two kinds of Domain Expert each, three tasks.

use mtmd_schema::plan::{
    Activate, Address, Blocks, Buffer, BufferId, Field, HeadPlan, Init, LayerNorm, Linear, Mix,
    NormPlace, Op, Output, Parameter, Place, Plan, Program, Scope, Storage, Target, TowerPlan,
    View, Write,
};
use mtmd_schema::{DomainId, FeatureId, TaskId};

use super::fixture::EPS;

/// Columns that come from tables.
pub const EMBEDDED: usize = 6;
/// Numbers of the Domain Experts with BatchNorm.
const NUMBERS: usize = 2;
/// Columns that all domains of a tower have.
const CANONICAL: usize = EMBEDDED + NUMBERS;
/// Columns of an expert.
const HIDDEN: usize = 9;
/// Columns of an embedding: emb_deep and emb_shallow.
const DEEP: usize = 3;
const WIDTH: usize = DEEP + 1;

/// The domains of each tower with their tasks. The first ones have BatchNorm, the last one has not.
pub const QUERY: [&[usize]; 3] = [&[0, 1, 2], &[0, 1, 2], &[0, 2]];
pub const ITEM: [&[usize]; 2] = [&[0, 1, 2], &[0, 1]];

/// The model's plan.
pub fn plan() -> Plan {
    let mut next = 0;
    let mut statistics = 0;
    let mut tower = |domains: &[&[usize]]| tower(domains, &mut next, &mut statistics);
    let (query, item) = (tower(&QUERY), tower(&ITEM));
    let heads = [(None, true, 1.0), (Some(0), true, 0.5), (None, false, 2.0)];
    let head = |(task, (given, biased, weight)): (usize, (Option<usize>, bool, f64))| HeadPlan {
        column: task * WIDTH,
        width: WIDTH,
        scale: 0.7,
        bias: biased.then_some(next + task),
        given: given.map(TaskId),
        weight,
    };
    let heads: Vec<HeadPlan> = heads.into_iter().enumerate().map(head).collect();
    Plan {
        parameters: next + 3,
        statistics,
        norm_eps: EPS,
        batch_norm_momentum: 0.1,
        query,
        item,
        heads: heads.into(),
    }
}

fn tower(domains: &[&[usize]], next: &mut usize, statistics: &mut usize) -> TowerPlan {
    let mut shared = Names::new(Scope::Tower, *next);
    let tower = Shares {
        missing: shared.parameter("missing", NUMBERS),
        weight: shared.parameter("expert.weight", HIDDEN * CANONICAL),
        bias: shared.parameter("expert.bias", HIDDEN),
        norm: ["expert.norm.weight", "expert.norm.bias"].map(|name| shared.parameter(name, HIDDEN)),
    };
    *next = shared.next;
    let (last, first) = domains.split_last().unwrap();
    let mut programs = Vec::new();
    for (tasks, ids, normalised) in [
        (first[0], 0..first.len(), true),
        (*last, first.len()..domains.len(), false),
    ] {
        let mut program = Builder::new(normalised).program(tasks, tower);
        program.domains = ids.clone().map(DomainId).collect();
        // A gap behind each block is padding.
        program.parameters.start = *next;
        program.parameters.stride += 2;
        *next += ids.len() * program.parameters.stride + 1;
        program.statistics.start = *statistics;
        *statistics += ids.len() * program.statistics.stride;
        programs.push(program);
    }
    let place = |domain: usize| match domain == first.len() {
        true => Place {
            program: 1,
            block: 0,
        },
        false => Place {
            program: 0,
            block: domain,
        },
    };
    TowerPlan {
        width: 3 * WIDTH,
        nodes: Vec::new().into(),
        shared: shared.parameters.into(),
        programs: programs.into(),
        domains: (0..domains.len()).map(place).collect(),
    }
}

/// Parameters one after another.
struct Names {
    scope: Scope,
    next: usize,
    parameters: Vec<Parameter>,
}

impl Names {
    fn new(scope: Scope, next: usize) -> Self {
        Self {
            scope,
            next,
            parameters: Vec::new(),
        }
    }

    fn parameter(&mut self, name: &str, count: usize) -> Address {
        let offset = self.next;
        self.next += count;
        self.parameters.push(Parameter {
            name: name.to_owned().into(),
            shape: vec![count].into(),
            offset,
            init: Init::Zeros,
        });
        Address {
            scope: self.scope,
            offset,
        }
    }
}

/// Parameters that the domains of a tower share.
#[derive(Clone, Copy)]
struct Shares {
    missing: Address,
    weight: Address,
    bias: Address,
    norm: [Address; 2],
}

struct Builder {
    normalised: bool,
    names: Names,
    buffers: Vec<Buffer>,
    saved: usize,
    scratch: usize,
    forward: Vec<Op>,
    backward: Vec<Op>,
}

impl Builder {
    fn new(normalised: bool) -> Self {
        Self {
            normalised,
            names: Names::new(Scope::Own, 0),
            buffers: Vec::new(),
            saved: 0,
            scratch: 0,
            forward: Vec::new(),
            backward: Vec::new(),
        }
    }

    fn buffer(&mut self, width: usize, storage: Storage) -> View {
        self.buffers.push(Buffer { width, storage });
        View {
            buffer: BufferId(self.buffers.len() - 1),
            start: 0,
            width,
        }
    }

    fn saved(&mut self, width: usize) -> View {
        self.saved += width;
        self.buffer(width, Storage::Saved(self.saved - width))
    }

    fn scratch(&mut self, width: usize) -> View {
        self.scratch += width;
        self.buffer(width, Storage::Scratch(self.scratch - width))
    }

    fn parameter(&mut self, name: &str, count: usize) -> Address {
        self.names.parameter(name, count)
    }

    /// BatchNorm of the numbers, two experts and the tower's own, routed and summed, a cross layer, and
    /// for each task a linear map beside a learned number.
    fn program(mut self, tasks: &[usize], tower: Shares) -> Program {
        let numbers = if self.normalised { NUMBERS } else { 1 };
        let input = self.saved(EMBEDDED + numbers);
        let from_tables = input.columns(0, EMBEDDED);
        let canonical = self.saved(CANONICAL);
        self.forward.push(Op::Copy {
            from: from_tables,
            into: Target::set(canonical.columns(0, EMBEDDED)),
        });
        let rest = canonical.columns(EMBEDDED, NUMBERS);
        let batch_norm = ["norm.weight", "norm.bias"];
        let norm = match self.normalised {
            true => Some(batch_norm.map(|name| self.parameter(name, NUMBERS))),
            false => None,
        };
        let raw = input.columns(EMBEDDED, numbers);
        self.forward.push(match norm {
            Some([weight, bias]) => Op::BatchNorm {
                from: raw,
                to: rest,
                weight,
                bias,
                mean: 0,
                variance: NUMBERS,
            },
            None => Op::Repeat {
                parameter: tower.missing,
                to: rest,
            },
        });
        let x = if self.normalised { canonical } else { input };

        let z = self.saved(2 * HIDDEN);
        let a = self.saved(2 * HIDDEN);
        let weight = self.parameter("deep.weight", 2 * HIDDEN * x.width);
        let deep = map(x, z, weight, None);
        let layer = self.layer("deep", (z, a), vec![HIDDEN; 2]);
        let zs = self.saved(HIDDEN);
        let shared = self.saved(HIDDEN);
        let expert = map(canonical, zs, tower.weight, None);
        let expert_layer = Activate {
            from: zs,
            to: shared,
            groups: vec![HIDDEN].into(),
            bias: Some(tower.bias),
            norm: Some(LayerNorm {
                weight: tower.norm[0],
                bias: tower.norm[1],
                place: NormPlace::Post,
            }),
            slope: 0.2,
        };
        let r = self.saved(3);
        let s = self.saved(3);
        let weight = self.parameter("routing.weight", 3 * x.width);
        let bias = self.parameter("routing.bias", 3);
        let routing = map(x, r, weight, Some(bias));
        let c = self.saved(HIDDEN);
        let mix = Mix {
            parts: vec![a.columns(0, HIDDEN), a.columns(HIDDEN, HIDDEN), shared].into(),
            by: Some(s),
            sum: true,
            to: c,
        };
        let n = self.saved(HIDDEN);
        let norm_layer = Activate {
            bias: None,
            slope: 1.0,
            ..self.layer("cross.norm", (c, n), vec![HIDDEN])
        };
        let [v, u, y] = [3, HIDDEN, HIDDEN].map(|width| self.saved(width));
        let weight = self.parameter("cross.down.weight", 3 * HIDDEN);
        let down = map(n, v, weight, None);
        let weight = self.parameter("cross.up.weight", 3 * HIDDEN);
        let bias = self.parameter("cross.up.bias", HIDDEN);
        let up = map(v, u, weight, Some(bias));
        let output = self.saved(WIDTH * tasks.len());
        self.forward.extend([
            Op::Linear(deep),
            Op::Activate(layer.clone()),
            Op::Linear(expert),
            Op::Activate(expert_layer.clone()),
            Op::Linear(routing),
            Op::Softmax {
                from: r,
                to: s,
                width: 3,
            },
            Op::Mix(mix.clone()),
            Op::Activate(norm_layer.clone()),
            Op::Linear(down),
            Op::Linear(up),
            Op::Cross {
                first: n,
                by: u,
                x: n,
                to: y,
            },
        ]);

        let to_output = self.scratch(output.width);
        let to_y = self.scratch(HIDDEN);
        for place in 0..tasks.len() {
            let to = output.columns(place * WIDTH, DEEP);
            let weight = self.parameter(&format!("{place}.embedding.weight"), DEEP * HIDDEN);
            let bias = self.parameter(&format!("{place}.embedding.bias"), DEEP);
            let parameter = self.parameter(&format!("{place}.shallow"), 1);
            let linear = map(y, to, weight, Some(bias));
            self.forward.push(Op::Linear(linear));
            let to = output.columns(place * WIDTH + DEEP, 1);
            self.forward.push(Op::Repeat { parameter, to });
            let from = to_output.columns(place * WIDTH + DEEP, 1);
            let write = Write::Set;
            self.backward.push(Op::SumRows {
                from,
                to: parameter,
                write,
            });
            let gradient = to_output.columns(place * WIDTH, DEEP);
            let write = if place == 0 { Write::Set } else { Write::Add };
            self.map_back(linear, gradient, Some((to_y, write)));
        }
        let to_u = self.scratch(HIDDEN);
        self.backward.push(Op::CrossBack {
            first: n,
            by: u,
            gradient: to_y,
            into_first: Target {
                to: to_y,
                write: Write::Add,
            },
            into_by: Target::set(to_u),
            into_x: None,
        });
        let to_v = self.scratch(3);
        self.map_back(up, to_u, Some((to_v, Write::Set)));
        self.map_back(down, to_v, Some((to_y, Write::Add)));
        let [to_c, to_a, to_shared, to_s, to_x] =
            [HIDDEN, 2 * HIDDEN, HIDDEN, 3, x.width].map(|width| self.scratch(width));
        let parts = [
            to_a.columns(0, HIDDEN),
            to_a.columns(HIDDEN, HIDDEN),
            to_shared,
        ];
        self.backward.extend([
            Op::ActivateBack {
                activate: norm_layer,
                gradient: to_y,
                into: Target::set(to_c),
            },
            Op::MixBack {
                mix,
                gradient: to_c,
                into: parts.map(|to| Some(Target::set(to))).to_vec().into(),
                into_by: Some(Target::set(to_s)),
            },
            Op::SoftmaxBack {
                output: s,
                gradient: to_s,
                width: 3,
                into: Target::set(to_s),
            },
        ]);
        self.map_back(routing, to_s, Some((to_x, Write::Set)));
        for (activate, gradient) in [(layer, to_a), (expert_layer, to_shared)] {
            self.backward.push(Op::ActivateBack {
                activate,
                gradient,
                into: Target::set(gradient),
            });
        }
        self.map_back(deep, to_a, Some((to_x, Write::Add)));
        let to_input = self.scratch(EMBEDDED);
        let copy = |from: View, write| Op::Copy {
            from: from.columns(0, EMBEDDED),
            into: Target {
                to: to_input,
                write,
            },
        };
        match norm {
            Some([weight, bias]) => {
                self.map_back(expert, to_shared, Some((to_x, Write::Add)));
                self.backward.push(Op::BatchNormBack {
                    gradient: to_x.columns(EMBEDDED, NUMBERS),
                    from: raw,
                    weight,
                    bias,
                    mean: 0,
                    variance: NUMBERS,
                });
                self.backward.push(copy(to_x, Write::Set));
            }
            None => {
                let to_canonical = self.scratch(CANONICAL);
                self.map_back(expert, to_shared, Some((to_canonical, Write::Set)));
                self.backward.push(Op::SumRows {
                    from: to_canonical.columns(EMBEDDED, NUMBERS),
                    to: tower.missing,
                    write: Write::Set,
                });
                self.backward.push(copy(to_x, Write::Set));
                self.backward.push(copy(to_canonical, Write::Add));
            }
        }
        let outputs = tasks.iter().enumerate().map(|(place, &task)| Output {
            task: TaskId(task),
            start: place * WIDTH,
            column: task * WIDTH,
            width: WIDTH,
        });
        Program {
            domains: Vec::new().into(),
            parameters: Blocks {
                start: 0,
                stride: self.names.next,
            },
            statistics: Blocks {
                start: 0,
                stride: if self.normalised { 2 * NUMBERS } else { 0 },
            },
            own: self.names.parameters.into(),
            running: Vec::new().into(),
            fields: vec![Field {
                feature: FeatureId(0),
                start: 0,
                width: input.width,
            }]
            .into(),
            embedded: EMBEDDED,
            buffers: self.buffers.into(),
            saved: self.saved,
            scratch: self.scratch,
            input: input.buffer,
            input_gradient: Some(to_input.buffer),
            output: output.buffer,
            output_gradient: to_output.buffer,
            outputs: outputs.collect(),
            forward: self.forward.into(),
            backward: self.backward.into(),
            sources: Vec::new().into(),
            backward_of: Vec::new().into(),
        }
    }

    fn layer(&mut self, name: &str, (from, to): (View, View), groups: Vec<usize>) -> Activate {
        let bias = (name == "deep").then(|| self.parameter("deep.bias", from.width));
        let norm = ["norm.weight", "norm.bias"]
            .map(|part| self.parameter(&format!("{name}.{part}"), from.width));
        Activate {
            from,
            to,
            groups: groups.into(),
            bias,
            norm: Some(LayerNorm {
                weight: norm[0],
                bias: norm[1],
                place: NormPlace::Pre,
            }),
            slope: 0.2,
        }
    }

    /// From the gradient of a map's output to those of its parameters and its input.
    fn map_back(&mut self, map: Linear, gradient: View, into: Option<(View, Write)>) {
        let linear = Linear {
            to: gradient,
            ..map
        };
        if let Some(bias) = map.bias {
            self.backward.push(Op::SumRows {
                from: gradient,
                to: bias,
                write: Write::Set,
            });
        }
        let write = Write::Set;
        self.backward.push(Op::LinearWeight { linear, write });
        if let Some((from, write)) = into {
            let linear = Linear { from, ..linear };
            self.backward.push(Op::LinearInput { linear, write });
        }
    }
}

fn map(from: View, to: View, weight: Address, bias: Option<Address>) -> Linear {
    Linear {
        from,
        from_step: 0,
        to,
        batch: 1,
        inputs: from.width,
        outputs: to.width,
        weight,
        bias,
    }
}
