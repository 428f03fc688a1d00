//! The weights of each kind of node, as `definitions.yaml` has them.

use super::{Dim, NodeKind, Part, Weight};
use crate::sema::spec::{Composition, Crossing, Norm};
use std::rc::Rc;

pub(super) fn node_weights(
    path: &str,
    kind: &NodeKind,
    inputs: &Rc<[Part]>,
    routed: Vec<Part>,
) -> Vec<Weight> {
    let inputs = Rc::clone(inputs);
    match kind {
        NodeKind::BatchNorm { .. } => {
            let mut weights = norm(path, &inputs);
            for name in ["running_mean", "running_var"] {
                let mut statistic =
                    weight(format!("{path}.{name}"), vec![Dim::Units(inputs.clone())]);
                statistic.trained = false;
                weights.push(statistic);
            }
            weights
        }
        NodeKind::SqueezeExcitation { hidden, .. } => {
            let fields = inputs.iter().map(|field| part(Rc::clone(&field.name), 1));
            let fields: Rc<[Part]> = fields.collect();
            let mut weights = linear(&format!("{path}.squeeze"), &fields, &plain(*hidden));
            weights.extend(linear(&format!("{path}.excite"), &plain(*hidden), &fields));
            weights
        }
        NodeKind::Ffn { widths, norm, .. } => ffn(path, inputs, widths, *norm).0,
        NodeKind::Routing { hidden, norm, .. } => {
            let (mut weights, last) = ffn(path, inputs, hidden, *norm);
            weights.extend(linear(&format!("{path}.output"), &last, &routed.into()));
            weights
        }
        NodeKind::Shallow {
            hidden,
            output,
            norm,
            ..
        } => {
            let (mut weights, last) = ffn(path, inputs, hidden, *norm);
            weights.extend(linear(&format!("{path}.output"), &last, &plain(*output)));
            weights
        }
        NodeKind::Cross {
            composition,
            width,
            crossing,
            norm,
            ..
        } => cross(
            path,
            composed(*composition, *width, inputs),
            crossing,
            *norm,
        ),
        NodeKind::Linear { output, .. } => linear(path, &inputs, &plain(*output)),
        NodeKind::Vector { width } => {
            vec![weight(
                format!("{path}.vector"),
                vec![Dim::Units(plain(*width))],
            )]
        }
        // The weights of the first are the tower's own, the second has none.
        NodeKind::DomainShared { .. } | NodeKind::Concat { .. } => vec![],
    }
}

/// What a composition puts out.
pub(super) fn composed(composition: Composition, width: usize, inputs: Rc<[Part]>) -> Rc<[Part]> {
    match composition {
        Composition::Concat => inputs,
        Composition::Sum => plain(width),
    }
}

/// What a crossing puts out.
pub(super) fn crossed(inputs: Rc<[Part]>, crossing: &Crossing) -> Rc<[Part]> {
    match crossing {
        Crossing::Mlp(widths) => widths.last().map_or(inputs, |width| plain(*width)),
        Crossing::Dcn { .. } | Crossing::None => inputs,
    }
}

fn cross(path: &str, inputs: Rc<[Part]>, crossing: &Crossing, place: Norm) -> Vec<Weight> {
    let normalised = match place {
        Norm::Pre => Some(inputs.clone()),
        Norm::Post => Some(crossed(inputs.clone(), crossing)),
        Norm::None => None,
    };
    let normalised = normalised.into_iter();
    let mut weights: Vec<Weight> = normalised
        .flat_map(|units| norm(&format!("{path}.norm"), &units))
        .collect();
    match crossing {
        Crossing::None => {}
        Crossing::Mlp(widths) => {
            weights.extend(ffn(&format!("{path}.mlp"), inputs, widths, place).0);
        }
        Crossing::Dcn { rank, depth } => {
            for layer in 0..*depth {
                let rank = plain(*rank);
                let down = vec![Dim::Units(rank.clone()), Dim::Inputs(inputs.clone())];
                weights.push(weight(format!("{path}.{layer}.down.weight"), down));
                weights.extend(linear(&format!("{path}.{layer}.up"), &rank, &inputs));
            }
        }
    }
    weights
}

/// The weights of an FFN, and what it puts out.
fn ffn(
    path: &str,
    mut inputs: Rc<[Part]>,
    widths: &[usize],
    place: Norm,
) -> (Vec<Weight>, Rc<[Part]>) {
    let mut weights = vec![];
    for (layer, width) in widths.iter().enumerate() {
        let units = plain(*width);
        weights.extend(linear(&format!("{path}.{layer}.linear"), &inputs, &units));
        match place {
            Norm::Pre | Norm::Post => {
                weights.extend(norm(&format!("{path}.{layer}.norm"), &units));
            }
            Norm::None => {}
        }
        inputs = units;
    }
    (weights, inputs)
}

fn linear(path: &str, inputs: &Rc<[Part]>, units: &Rc<[Part]>) -> Vec<Weight> {
    let matrix = vec![Dim::Units(units.clone()), Dim::Inputs(inputs.clone())];
    vec![
        weight(format!("{path}.weight"), matrix),
        weight(format!("{path}.bias"), vec![Dim::Units(units.clone())]),
    ]
}

fn norm(path: &str, units: &Rc<[Part]>) -> Vec<Weight> {
    let named = |name| weight(format!("{path}.{name}"), vec![Dim::Units(units.clone())]);
    vec![named("weight"), named("bias")]
}

pub(super) fn weight(key: String, dims: Vec<Dim>) -> Weight {
    Weight {
        key,
        dims: dims.into(),
        trained: true,
    }
}

pub(super) fn part(name: impl Into<Rc<str>>, width: usize) -> Part {
    Part {
        name: name.into(),
        width,
    }
}

/// A dimension whose entries are all alike.
pub(super) fn plain(width: usize) -> Rc<[Part]> {
    [part("", width)].into()
}
