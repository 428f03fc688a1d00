//! A plan without operations: what tests of this room and of the optimiser are about.

use mtmd_schema::constants::{BATCH_NORM_MOMENTUM, NORM_EPS};
use mtmd_schema::plan::{
    Blocks, Buffer, BufferId, HeadPlan, Init, Parameter, Place, Plan, Program, Storage, TowerPlan,
};
use mtmd_schema::{DomainId, list, text};

use super::ParameterIndex;

fn parameter(name: &'static str, shape: &'static [usize], offset: usize, init: Init) -> Parameter {
    Parameter {
        name: text(name),
        shape: list(shape),
        offset,
        init,
    }
}

fn program(
    domains: &'static [DomainId],
    (parameters, statistics): (Blocks, Blocks),
    own: Vec<Parameter>,
    running: Vec<Parameter>,
) -> Program {
    Program {
        domains: list(domains),
        parameters,
        statistics,
        own: own.into(),
        running: running.into(),
        fields: list(&[]),
        embedded: 0,
        buffers: vec![Buffer {
            width: 0,
            storage: Storage::Saved(0),
        }]
        .into(),
        saved: 0,
        scratch: 0,
        input: BufferId(0),
        input_gradient: None,
        output: BufferId(0),
        output_gradient: BufferId(0),
        outputs: list(&[]),
        forward: list(&[]),
        backward: list(&[]),
        sources: list(&[]),
        backward_of: list(&[]),
    }
}

const fn blocks(start: usize, stride: usize) -> Blocks {
    Blocks { start, stride }
}

const fn place(program: usize, block: usize) -> Place {
    Place { program, block }
}

/// Surfaces `feed`, `related` and `search`, of which the first and the last are alike; one product
/// `shop`; tasks `click` and `buy`. There is padding in and between all blocks.
pub fn plan() -> Plan {
    let linear = |at, fan_in| {
        vec![
            parameter("deep.linear.weight", &[2, 3], at, Init::Uniform(fan_in)),
            parameter("deep.norm.weight", &[2], at + 8, Init::Ones),
            parameter("deep.linear.bias", &[2], at + 12, Init::Uniform(fan_in)),
        ]
    };
    let running = vec![
        parameter("adapt.norm.running_mean", &[1], 0, Init::Zeros),
        parameter("adapt.norm.running_var", &[1], 1, Init::Ones),
    ];
    Plan {
        parameters: 120,
        statistics: 12,
        norm_eps: NORM_EPS,
        batch_norm_momentum: BATCH_NORM_MOMENTUM,
        query: TowerPlan {
            width: 0,
            nodes: list(&[]),
            shared: vec![
                parameter("expert.0.linear.weight", &[1, 3], 0, Init::Uniform(3)),
                parameter("missing", &[3], 4, Init::Zeros),
            ]
            .into(),
            programs: vec![
                program(
                    &[DomainId(0), DomainId(2)],
                    (blocks(16, 16), blocks(0, 4)),
                    linear(0, 3),
                    running.clone(),
                ),
                program(
                    &[DomainId(1)],
                    (blocks(48, 20), blocks(8, 2)),
                    linear(4, 3),
                    running,
                ),
            ]
            .into(),
            domains: vec![place(0, 0), place(1, 0), place(0, 1)].into(),
        },
        item: TowerPlan {
            width: 0,
            nodes: list(&[]),
            shared: list(&[]),
            programs: vec![program(
                &[DomainId(0)],
                (blocks(80, 16), blocks(12, 0)),
                linear(0, 3),
                vec![],
            )]
            .into(),
            domains: vec![place(0, 0)].into(),
        },
        heads: vec![head(Some(112)), head(Some(113))].into(),
    }
}

fn head(bias: Option<usize>) -> HeadPlan {
    HeadPlan {
        column: 0,
        width: 0,
        scale: 1.0,
        bias,
        given: None,
        weight: 1.0,
    }
}

/// Its index.
pub fn index(plan: &Plan) -> ParameterIndex<'_> {
    ParameterIndex::new(
        plan,
        ["feed", "related", "search"],
        ["shop"],
        ["click", "buy"],
    )
}
