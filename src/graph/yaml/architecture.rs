//! The architecture as it stands in `graph.yaml`: the paper's widths and knobs always, what the
//! paper does not know only where it is said, and of a domain's own only what differs.

use super::{Flow, Writer, axis, names, norm_name, string};
use crate::sema::spec::{
    Architecture, Composition, Crossing, DomainId, ExpertArchitecture, LogitScale, Override, Spec,
    Tower,
};

pub(super) fn write(out: &mut Writer, spec: &Spec) {
    let architecture = &spec.architecture;
    let expert = &architecture.expert;
    out.block("architecture", "the nodes below follow from it");
    out.flow(2, "deep", &Flow::list(&expert.deep));
    out.flow(2, "routing", &Flow::list(&expert.routing));
    out.flow(2, "shallow", &Flow::list(&expert.shallow));
    out.entry(2, "shallow_width", architecture.shallow_width);
    out.entry(2, "cross", crossing(&expert.crossing));
    out.entry(2, "se_reduction", reduction(expert));
    let standard = ExpertArchitecture {
        deep: expert.deep.clone(),
        routing: expert.routing.clone(),
        shallow: expert.shallow.clone(),
        crossing: expert.crossing.clone(),
        se_reduction: expert.se_reduction,
        ..ExpertArchitecture::default()
    };
    for (key, value) in differences(expert, &standard) {
        out.entry(2, key, value);
    }
    for (key, value) in common(architecture) {
        out.entry(2, key, value);
    }
    overrides(out, spec);
}

/// What all domains share, where it is not the default.
fn common(architecture: &Architecture) -> Vec<(&'static str, String)> {
    let standard = Architecture::default();
    let mut entries = Vec::new();
    if architecture.domain_shared != standard.domain_shared {
        entries.push(("domain_shared", architecture.domain_shared.to_string()));
    }
    if architecture.domain_shared > 0 && architecture.shared_deep != architecture.expert.deep {
        let widths = Flow::list(&architecture.shared_deep);
        entries.push(("shared_deep", widths.to_string()));
    }
    if architecture.logit_scale == LogitScale::None {
        entries.push(("logit_scale", "none".to_owned()));
    }
    if !architecture.logit_bias {
        entries.push(("logit_bias", "none".to_owned()));
    }
    entries
}

/// What is said of some domains alone; those of which the same is said stand together.
fn overrides(out: &mut Writer, spec: &Spec) {
    let mut groups: Vec<(Vec<DomainId>, &Override)> = Vec::new();
    for one in &spec.architecture.overrides {
        let same = |(_, other): &&mut (Vec<DomainId>, &Override)| {
            other.tower == one.tower && other.expert == one.expert
        };
        match groups.iter_mut().find(same) {
            Some((domains, _)) => domains.push(one.domain),
            None => groups.push((vec![one.domain], one)),
        }
    }
    if groups.is_empty() {
        return;
    }
    out.line(2, "overrides:");
    for (domains, one) in groups {
        let axis = match one.tower {
            Tower::Query => "surfaces",
            Tower::Item => "products",
        };
        let names = Flow::names(names(self::axis(spec, one.tower), &domains));
        let map = Flow::map().with(axis, names);
        let differences = differences(&one.expert, &spec.architecture.expert);
        let map = differences
            .into_iter()
            .fold(map, |map, (key, value)| map.with(key, value));
        out.item(4, &map);
    }
}

/// Keys and values of what is not as in `other`.
fn differences(
    expert: &ExpertArchitecture,
    other: &ExpertArchitecture,
) -> Vec<(&'static str, String)> {
    let list = |widths: &[usize]| Flow::list(widths).to_string();
    let mut entries = Vec::new();
    let mut add = |differs: bool, key, value: String| {
        if differs {
            entries.push((key, value));
        }
    };
    add(expert.deep != other.deep, "deep", list(&expert.deep));
    add(
        expert.routing != other.routing,
        "routing",
        list(&expert.routing),
    );
    add(
        expert.shallow != other.shallow,
        "shallow",
        list(&expert.shallow),
    );
    add(
        expert.task_shared != other.task_shared,
        "task_shared",
        expert.task_shared.to_string(),
    );
    let composition = match expert.composition {
        Composition::Concat => "concat",
        Composition::Sum => "sum",
    };
    add(
        expert.composition != other.composition,
        "composition",
        composition.to_owned(),
    );
    add(
        expert.crossing != other.crossing,
        "cross",
        crossing(&expert.crossing),
    );
    add(
        expert.norm != other.norm,
        "norm",
        norm_name(expert.norm).to_owned(),
    );
    let batch_norm = if expert.batch_norm { "domain" } else { "none" };
    add(
        expert.batch_norm != other.batch_norm,
        "batch_norm",
        batch_norm.to_owned(),
    );
    add(
        expert.se_reduction != other.se_reduction,
        "se_reduction",
        reduction(expert),
    );
    entries
}

fn crossing(crossing: &Crossing) -> String {
    match crossing {
        Crossing::Dcn { rank, depth } => Flow::map()
            .with("rank", rank)
            .with("depth", depth)
            .to_string(),
        Crossing::None => string("none"),
        Crossing::Mlp(widths) => Flow::map().with("mlp", Flow::list(widths)).to_string(),
    }
}

fn reduction(expert: &ExpertArchitecture) -> String {
    expert
        .se_reduction
        .map_or_else(|| "none".to_owned(), |reduction| reduction.to_string())
}
