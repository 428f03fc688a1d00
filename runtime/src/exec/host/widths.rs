//! That the widths of an operation's views agree.

#![expect(
    clippy::indexing_slicing,
    reason = "a buffer that is none stops with a message"
)]

use mtmd_schema::plan::{Activate, Linear, Mix, Op, Program, Target, View};

use crate::bug::check;

/// Holds an operation to its widths.
pub fn verify(op: &Op, program: &Program, place: &str) {
    let same = |views: &[View]| {
        let mut pairs = views.windows(2);
        check!(
            views[0].width > 0 && pairs.all(|pair| pair[0].width == pair[1].width),
            "{place}: widths of {views:?}"
        );
    };
    let statistics = |from: View, at: [usize; 2]| {
        let ends = at.map(|at| at + from.width);
        check!(
            ends.iter().all(|end| *end <= program.statistics.stride),
            "{place}: statistics outside their block"
        );
        check!(
            from.buffer == program.input && from.start >= program.embedded,
            "{place}: BatchNorm reads other columns than the data's"
        );
    };
    let groups = |view: View, width: usize| {
        check!(
            width > 0 && view.width.is_multiple_of(width),
            "{place}: {} columns in groups of {width}",
            view.width
        );
    };
    match op {
        Op::Copy { from, into } => same(&[*from, into.to]),
        Op::Repeat { to, .. } | Op::Clear { to } => same(&[*to]),
        Op::BatchNorm {
            from,
            to,
            mean,
            variance,
            ..
        } => {
            same(&[*from, *to]);
            statistics(*from, [*mean, *variance]);
        }
        Op::Linear(maps)
        | Op::LinearInput { linear: maps, .. }
        | Op::LinearWeight { linear: maps, .. } => linear(maps, place),
        Op::Activate(layer) => {
            same(&[layer.from, layer.to]);
            activate(layer, place);
        }
        Op::Sigmoid { from, to } => same(&[*from, *to]),
        Op::Softmax { from, to, width } => {
            same(&[*from, *to]);
            groups(*from, *width);
        }
        Op::Means { parts, to } => {
            parts.iter().for_each(|part| same(&[*part]));
            count(parts.len(), *to, place);
        }
        Op::Mix(parts) => {
            mix(parts, parts.to, place);
        }
        Op::Cross { first, by, x, to } => same(&[*first, *by, *x, *to]),
        Op::SumRows { from, .. } => same(&[*from]),
        Op::BatchNormBack {
            gradient,
            from,
            mean,
            variance,
            ..
        } => {
            same(&[*gradient, *from]);
            statistics(*from, [*mean, *variance]);
        }
        Op::ActivateBack {
            activate: layer,
            gradient,
            into,
        } => {
            same(&[layer.from, *gradient, into.to]);
            activate(layer, place);
        }
        Op::SigmoidBack {
            output,
            gradient,
            into,
        } => same(&[*output, *gradient, into.to]),
        Op::SoftmaxBack {
            output,
            gradient,
            width,
            into,
        } => {
            same(&[*output, *gradient, into.to]);
            groups(*output, *width);
        }
        Op::MeansBack { gradient, into } => count(into.len(), *gradient, place),
        Op::MixBack {
            mix: parts,
            gradient,
            into,
            into_by,
        } => {
            mix(parts, *gradient, place);
            check!(
                into.len() == parts.parts.len() && (into_by.is_none() || parts.by.is_some()),
                "{place}: gradients of other parts than there are"
            );
            let pairs = into.iter().zip(parts.parts.iter());
            for (into, part) in pairs.filter_map(|(into, part)| into.zip(Some(part))) {
                same(&[into.to, *part]);
            }
            if let Some(Target { to, .. }) = into_by {
                count(parts.parts.len(), *to, place);
            }
        }
        Op::CrossBack {
            first,
            by,
            gradient,
            into_first,
            into_by,
            into_x,
        } => {
            same(&[*first, *by, *gradient, into_first.to, into_by.to]);
            if let Some(into) = into_x {
                same(&[*gradient, into.to]);
            }
        }
    }
}

fn linear(maps: &Linear, place: &str) {
    let Linear {
        batch,
        inputs,
        outputs,
        ..
    } = *maps;
    check!(
        batch > 0 && inputs > 0 && outputs > 0,
        "{place}: an empty map"
    );
    check!(
        maps.from.width == inputs && maps.to.width == batch * outputs,
        "{place}: {batch} maps of [{outputs}, {inputs}] from {} to {} columns",
        maps.from.width,
        maps.to.width
    );
    check!(
        maps.from.buffer != maps.to.buffer,
        "{place}: linear maps within one buffer"
    );
}

fn activate(layer: &Activate, place: &str) {
    let all: usize = layer.groups.iter().sum();
    check!(
        all == layer.from.width && layer.groups.iter().all(|width| *width > 0),
        "{place}: groups of {all} columns in {}",
        layer.from.width
    );
    check!(layer.slope >= 0.0, "{place}: a slope of {}", layer.slope);
}

/// One column each.
fn count(parts: usize, columns: View, place: &str) {
    check!(
        parts == columns.width && parts > 0,
        "{place}: {parts} parts in {} columns",
        columns.width
    );
}

fn mix(mix: &Mix, to: View, place: &str) {
    if let Some(by) = mix.by {
        count(mix.parts.len(), by, place);
    }
    let mut widths = mix.parts.iter().map(|part| part.width);
    check!(
        match mix.sum {
            true => widths.len() > 0 && widths.all(|width| width == to.width),
            false => widths.sum::<usize>() == to.width,
        },
        "{place}: parts of other widths than {}",
        to.width
    );
}
