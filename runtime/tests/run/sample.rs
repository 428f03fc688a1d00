//! A small model: two surfaces, two products, a scored task and an action that depends on it, on one product only.

use std::sync::LazyLock;

use mtmd::schema::{Compiled, Schema};

use crate::lowered;

const _: mtmd::Version_0_1_0 = mtmd::Version_0_1_0;

/// The model.
pub fn model() -> &'static Compiled {
    static MODEL: LazyLock<&'static Compiled> = LazyLock::new(|| changed(|_| ()));
    &MODEL
}

/// Its schema.
pub static SAMPLE: LazyLock<&'static Schema> = LazyLock::new(|| &model().schema);

/// The model with a schema that differs in what the plan does not know.
pub fn changed(change: impl FnOnce(&mut Schema)) -> &'static Compiled {
    let mut model = lowered::compiled(include_str!("sample.mtmd"));
    let schema = &mut model.schema;
    (schema.spec_hash, schema.weights_hash) = ("spec-1", "weights-1");
    schema.graph_hash = "graph-1";
    schema.graph =
        "model: sample\nquery.feed.ctr.deep: FFN 24, 12\nitem.shop.ctr.deep: FFN 24, 12\n";
    change(schema);
    Box::leak(Box::new(model))
}
