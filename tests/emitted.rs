//! The static data of the generated crates, compiled: spec and plan equal the compiler's values.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

// Generated code names the runtime's crate, which only hands on the types of the schema.
extern crate self as mtmd;

/// The schema as the runtime declares it.
mod schema {
    pub use mtmd_schema::*;

    #[derive(Debug)]
    pub struct Schema {
        pub spec: Spec,
        pub spec_hash: &'static str,
        pub weights_hash: &'static str,
        pub graph_hash: &'static str,
        pub graph: &'static str,
    }
}

use mtmdc::plan::lower;
use schema::Schema;
use schema::plan::Plan;
use support::specs;

/// The data of the crates, with the names of their models.
macro_rules! crates {
    ($($name:ident: $schema:ident $schema_path:literal, $plan:ident $plan_path:literal;)*) => {
        $(
            #[path = $schema_path]
            mod $schema;
            #[path = $plan_path]
            mod $plan;
        )*

        const CRATES: &[(&str, Schema, Plan)] = &[
            $((stringify!($name), $schema::SCHEMA, $plan::PLAN)),*
        ];
    };
}

crates! {
    kuairand: kuairand_schema "../generated/kuairand/src/schema.rs", kuairand_plan "../generated/kuairand/src/plan.rs";
    marketplace: marketplace_schema "../generated/marketplace/src/schema.rs", marketplace_plan "../generated/marketplace/src/plan.rs";
    minimal: minimal_schema "../generated/minimal/src/schema.rs", minimal_plan "../generated/minimal/src/plan.rs";
    network: network_schema "../generated/network/src/schema.rs", network_plan "../generated/network/src/plan.rs";
    pinterest: pinterest_schema "../generated/pinterest/src/schema.rs", pinterest_plan "../generated/pinterest/src/plan.rs";
    travel: travel_schema "../generated/travel/src/schema.rs", travel_plan "../generated/travel/src/plan.rs";
    video: video_schema "../generated/video/src/schema.rs", video_plan "../generated/video/src/plan.rs";
}

#[test]
fn a_crate_holds_what_the_compiler_has() {
    let graphs = specs::graphs();
    for (name, schema, plan) in CRATES {
        let graph = graphs
            .iter()
            .find(|graph| graph.spec.name == *name)
            .unwrap();
        assert_eq!(schema.spec, graph.spec, "{name}");
        assert_eq!(
            [schema.spec_hash, schema.weights_hash, schema.graph_hash],
            [&graph.spec_hash, &graph.weights_hash, &*graph.hash()],
            "{name}"
        );
        assert_eq!(schema.graph, graph.to_yaml(), "{name}");
        assert!(*plan == lower(graph), "the plan of {name}");
    }
    assert_eq!(CRATES.len(), specs::all().len());
}
