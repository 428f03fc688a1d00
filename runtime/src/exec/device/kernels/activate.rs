//! Bias, LayerNorm and leaky ReLU of a group of columns, forward and backward.

use cubecl::prelude::*;

use super::words::{NONE, TILE, activate};
use super::{LANES, LINES, Work, leaky, leaky_back, over_lanes, place, work};

/// A group of columns, as its item tells of it.
#[derive(CubeType, Clone, Copy)]
struct Group {
    from: usize,
    width: usize,
    into: usize,
    place: u32,
    slope: f32,
    has_bias: bool,
    bias: usize,
    weight: usize,
    shift: usize,
}

#[cube]
fn group(words: &[u32], work: &Work) -> Group {
    let bias = words[work.item + activate::BIAS];
    let norm = words[work.item + activate::PLACE];
    let mut at_bias = 0usize;
    let mut weight = 0usize;
    let mut shift = 0usize;
    if bias != NONE {
        at_bias = place(bias, work.own);
    }
    if norm != activate::PLAIN {
        weight = place(words[work.item + activate::WEIGHT], work.own);
        shift = place(words[work.item + activate::SHIFT], work.own);
    }
    Group {
        from: words[work.item + activate::FROM] as usize,
        width: words[work.item + activate::WIDTH] as usize,
        into: words[work.item + activate::INTO] as usize,
        place: norm,
        slope: f32::reinterpret(words[work.item + activate::SLOPE]),
        has_bias: bias != NONE,
        bias: at_bias,
        weight,
        shift,
    }
}

/// A column of the input with its bias.
#[cube]
fn shifted(group: &Group, parameters: &[f32], memory: &[f32], base: usize, x: usize) -> f32 {
    let mut value = memory[base + group.from + x];
    if group.has_bias {
        value += parameters[group.bias + x];
    }
    value
}

/// What is normalised.
#[cube]
fn before_norm(group: &Group, parameters: &[f32], memory: &[f32], base: usize, x: usize) -> f32 {
    let value = shifted(group, parameters, memory, base, x);
    if group.place == activate::POST {
        leaky(value, group.slope)
    } else {
        value
    }
}

/// Mean and 1/√(variance + ε) of a row's group, found by the units of a line.
#[derive(CubeType, Clone, Copy)]
struct Moments {
    mean: f32,
    scale: f32,
}

#[cube]
fn moments(
    group: &Group,
    parameters: &[f32],
    memory: &[f32],
    shared: &mut [f32],
    base: usize,
    inside: bool,
    eps: f32,
) -> Moments {
    let count = f32::cast_from(group.width as u32);
    let mut sum = 0.0f32;
    if inside {
        for x in range_stepped(UNIT_POS_X as usize, group.width, LANES) {
            sum += before_norm(group, parameters, memory, base, x);
        }
    }
    let mean = over_lanes(shared, sum) / count;
    let mut squares = 0.0f32;
    if inside {
        for x in range_stepped(UNIT_POS_X as usize, group.width, LANES) {
            let centred = before_norm(group, parameters, memory, base, x) - mean;
            squares += centred * centred;
        }
    }
    let variance = over_lanes(shared, squares) / count;
    Moments {
        mean,
        scale: 1.0f32 / (variance + eps).sqrt(),
    }
}

/// `act(norm(from + bias))`, or `norm(act(from + bias))`.
#[cube(launch)]
pub fn forward(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    memory: &mut [f32],
    header: u32,
    stride: u32,
    eps: f32,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, activate::WORDS);
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    if work.any {
        let group = group(words, &work);
        for first in range_stepped(0usize, TILE, LINES) {
            let row = first + UNIT_POS_Y as usize;
            let inside = row < work.rows;
            let base = work.memory + row * stride;
            let mut mean = 0.0f32;
            let mut scale = 1.0f32;
            if group.place != activate::PLAIN {
                let found = moments(&group, parameters, &*memory, &mut shared, base, inside, eps);
                mean = found.mean;
                scale = found.scale;
            }
            if inside {
                for x in range_stepped(UNIT_POS_X as usize, group.width, LANES) {
                    let mut value = before_norm(&group, parameters, &*memory, base, x);
                    if group.place != activate::PLAIN {
                        let normal = (value - mean) * scale;
                        value = normal * parameters[group.weight + x] + parameters[group.shift + x];
                    }
                    if group.place != activate::POST {
                        value = leaky(value, group.slope);
                    }
                    memory[base + group.into + x] = value;
                }
            }
        }
    }
}

/// What a column's gradient is made of, before the norm's part of it.
#[derive(CubeType, Clone, Copy)]
struct Inner {
    /// The column, normalised.
    normal: f32,
    /// The gradient of the norm's output.
    gradient: f32,
}

#[cube]
fn inner(
    words: &[u32],
    work: &Work,
    group: &Group,
    parameters: &[f32],
    memory: &[f32],
    base: usize,
    x: usize,
    mean: f32,
    scale: f32,
) -> Inner {
    let gradient = memory[base + words[work.item + activate::GRADIENT] as usize + x];
    let normal = (before_norm(group, parameters, memory, base, x) - mean) * scale;
    let mut inner = gradient;
    if group.place == activate::PRE {
        let output = normal * parameters[group.weight + x] + parameters[group.shift + x];
        inner = leaky_back(gradient, output, group.slope);
    }
    Inner {
        normal,
        gradient: inner,
    }
}

/// From the gradient of [`forward`]'s output to that of its input, and the sums over the tile's rows of those of its
/// parameters. First the units of a line find what a row's columns have in common; then each unit goes down columns of
/// its own.
#[cube(launch)]
pub fn backward(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    memory: &mut [f32],
    sums: &mut [f32],
    header: u32,
    stride: u32,
    sum_columns: u32,
    eps: f32,
) {
    let stride = stride as usize;
    let sum_columns = sum_columns as usize;
    let work = work(words, tiles, header, stride, activate::WORDS);
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    // By row of the tile.
    let mut means = Shared::<[f32]>::new_slice(TILE);
    let mut scales = Shared::<[f32]>::new_slice(TILE);
    let mut levels = Shared::<[f32]>::new_slice(TILE);
    let mut slants = Shared::<[f32]>::new_slice(TILE);
    if work.any {
        let group = group(words, &work);
        let count = f32::cast_from(group.width as u32);
        if group.place != activate::PLAIN {
            for first in range_stepped(0usize, TILE, LINES) {
                let row = first + UNIT_POS_Y as usize;
                let inside = row < work.rows;
                let base = work.memory + row * stride;
                let found = moments(&group, parameters, &*memory, &mut shared, base, inside, eps);
                let mut level = 0.0f32;
                let mut slant = 0.0f32;
                if inside {
                    for x in range_stepped(UNIT_POS_X as usize, group.width, LANES) {
                        let inner = inner(
                            words,
                            &work,
                            &group,
                            parameters,
                            &*memory,
                            base,
                            x,
                            found.mean,
                            found.scale,
                        );
                        let before = inner.gradient * parameters[group.weight + x];
                        level += before;
                        slant += before * inner.normal;
                    }
                }
                let level = over_lanes(&mut shared, level) / count;
                let slant = over_lanes(&mut shared, slant) / count;
                if UNIT_POS_X == 0 {
                    means[row] = found.mean;
                    scales[row] = found.scale;
                    levels[row] = level;
                    slants[row] = slant;
                }
            }
        }
        sync_cube();
        let add = words[work.item + activate::ADD] == 1u32;
        let into_sums = CUBE_POS_X as usize * sum_columns;
        for x in range_stepped(UNIT_POS as usize, group.width, LANES * LINES) {
            let mut by_bias = 0.0f32;
            let mut by_weight = 0.0f32;
            let mut by_shift = 0.0f32;
            for row in 0..work.rows {
                let base = work.memory + row * stride;
                let mut gradient =
                    memory[base + words[work.item + activate::GRADIENT] as usize + x];
                if group.place != activate::PLAIN {
                    let inner = inner(
                        words,
                        &work,
                        &group,
                        parameters,
                        &*memory,
                        base,
                        x,
                        means[row],
                        scales[row],
                    );
                    by_weight += inner.gradient * inner.normal;
                    by_shift += inner.gradient;
                    let before = inner.gradient * parameters[group.weight + x];
                    gradient = (before - levels[row] - inner.normal * slants[row]) * scales[row];
                }
                if group.place != activate::PRE {
                    let value = shifted(&group, parameters, &*memory, base, x);
                    gradient = leaky_back(gradient, value, group.slope);
                }
                by_bias += gradient;
                if add {
                    memory[base + group.into + x] += gradient;
                } else {
                    memory[base + group.into + x] = gradient;
                }
            }
            if group.has_bias {
                sums[into_sums + words[work.item + activate::BIAS_SUMS] as usize + x] = by_bias;
            }
            if group.place != activate::PLAIN {
                sums[into_sums + words[work.item + activate::WEIGHT_SUMS] as usize + x] = by_weight;
                sums[into_sums + words[work.item + activate::SHIFT_SUMS] as usize + x] = by_shift;
            }
        }
    }
}
