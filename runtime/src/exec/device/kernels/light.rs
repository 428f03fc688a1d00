//! Operations on columns of a row by themselves, or on few of them.

use cubecl::prelude::*;

use super::words::{NONE, light, tile};
use super::{LANES, LINES, Work, place, work};

/// Rows, parameters and moments, as the operations read them.
#[cube(launch)]
pub fn run(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    moments: &[f32],
    memory: &mut [f32],
    sums: &mut [f32],
    header: u32,
    stride: u32,
    sum_columns: u32,
) {
    let stride = stride as usize;
    let sum_columns = sum_columns as usize;
    let work = work(words, tiles, header, stride, light::WORDS);
    if work.any {
        let op = words[work.item + light::OP];
        if op == light::SCALE {
            scale(words, memory, &work, stride);
        } else if op == light::REPEAT {
            repeat(words, parameters, memory, &work, stride);
        } else if op == light::BATCH_NORM {
            batch_norm(words, tiles, parameters, moments, memory, &work, stride);
        } else if op == light::SIGMOID {
            sigmoid(words, memory, &work, stride);
        } else if op == light::SOFTMAX {
            softmax(words, memory, &work, stride);
        } else if op == light::MEAN {
            mean(words, memory, &work, stride);
        } else if op == light::CROSS {
            cross(words, memory, &work, stride);
        } else if op == light::SUM_ROWS {
            sum_rows(words, &*memory, sums, &work, stride, sum_columns);
        } else if op == light::BATCH_NORM_BACK {
            batch_norm_back(
                words,
                tiles,
                moments,
                &*memory,
                sums,
                &work,
                stride,
                sum_columns,
            );
        } else if op == light::SIGMOID_BACK {
            sigmoid_back(words, memory, &work, stride);
        } else if op == light::SOFTMAX_BACK {
            softmax_back(words, memory, &work, stride);
        } else if op == light::MEAN_BACK {
            mean_back(words, memory, &work, stride);
        } else if op == light::DOT {
            dot(words, memory, &work, stride);
        } else {
            cross_back(words, memory, &work, stride);
        }
    }
}

/// The word of an item as a column or a number of columns.
#[cube]
fn get(words: &[u32], work: &Work, #[comptime] word: usize) -> usize {
    words[work.item + word] as usize
}

/// Writes a result, or adds it.
#[cube]
fn put(memory: &mut [f32], at: usize, value: f32, add: bool) {
    if add {
        memory[at] += value;
    } else {
        memory[at] = value;
    }
}

/// Whether the first result is added.
#[cube]
fn adds(words: &[u32], work: &Work) -> bool {
    words[work.item + light::ADD] == 1u32
}

#[cube]
fn scale(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let from = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    let by = words[work.item + light::BY];
    let add = adds(words, work);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        let mut factor = 1.0f32;
        if by != NONE {
            factor = memory[base + by as usize];
        }
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let value = memory[base + from + x] * factor;
            put(memory, base + into + x, value, add);
        }
    }
}

#[cube]
fn repeat(words: &[u32], parameters: &[f32], memory: &mut [f32], work: &Work, stride: usize) {
    let into = get(words, work, light::INTO);
    let by = words[work.item + light::BY];
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let mut value = 0.0f32;
            if by != NONE {
                value = parameters[place(by, work.own) + x];
            }
            memory[base + into + x] = value;
        }
    }
}

/// A column without mean and of variance 1.
#[cube]
fn normal(words: &[u32], moments: &[f32], work: &Work, start: usize, x: usize, value: f32) -> f32 {
    let mean = start + get(words, work, light::MORE) + x;
    let scale = start + get(words, work, light::ADD) + x;
    (value - moments[mean]) * moments[scale]
}

#[cube]
fn batch_norm(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    moments: &[f32],
    memory: &mut [f32],
    work: &Work,
    stride: usize,
) {
    let from = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    let weight = place(words[work.item + light::BY], work.own);
    let bias = place(words[work.item + light::THIRD], work.own);
    let start = tiles[work.tile + tile::MOMENTS] as usize;
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let normal = normal(words, moments, work, start, x, memory[base + from + x]);
            memory[base + into + x] = normal * parameters[weight + x] + parameters[bias + x];
        }
    }
}

#[cube]
fn sigmoid(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let from = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            memory[base + into + x] = 1.0f32 / (1.0f32 + (-memory[base + from + x]).exp());
        }
    }
}

/// A unit for each group of a row.
#[cube]
fn softmax(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let from = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    let width = get(words, work, light::MORE);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let groups = get(words, work, light::WIDTH) / width;
        for group in range_stepped(UNIT_POS_X as usize, groups, LANES) {
            let base = work.memory + row * stride + group * width;
            let mut most = memory[base + from];
            for x in 1..width {
                most = most.max(memory[base + from + x]);
            }
            let mut sum = 0.0f32;
            for x in 0..width {
                let power = (memory[base + from + x] - most).exp();
                memory[base + into + x] = power;
                sum += power;
            }
            for x in 0..width {
                memory[base + into + x] /= sum;
            }
        }
    }
}

/// A unit for each row.
#[cube]
fn mean(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let from = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    let width = get(words, work, light::WIDTH);
    let row = UNIT_POS as usize;
    if row < work.rows {
        let base = work.memory + row * stride;
        let mut sum = 0.0f32;
        for x in 0..width {
            sum += memory[base + from + x];
        }
        memory[base + into] = sum / f32::cast_from(width as u32);
    }
}

#[cube]
fn cross(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let first = get(words, work, light::FROM);
    let by = get(words, work, light::BY);
    let x0 = get(words, work, light::THIRD);
    let into = get(words, work, light::INTO);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let product = memory[base + first + x] * memory[base + by + x];
            memory[base + into + x] = product + memory[base + x0 + x];
        }
    }
}

/// A unit for each column.
#[cube]
fn sum_rows(
    words: &[u32],
    memory: &[f32],
    sums: &mut [f32],
    work: &Work,
    stride: usize,
    sum_columns: usize,
) {
    let from = get(words, work, light::FROM);
    let into = CUBE_POS_X as usize * sum_columns + get(words, work, light::INTO);
    for x in range_stepped(
        UNIT_POS as usize,
        get(words, work, light::WIDTH),
        LANES * LINES,
    ) {
        let mut sum = 0.0f32;
        for row in 0..work.rows {
            sum += memory[work.memory + row * stride + from + x];
        }
        sums[into + x] = sum;
    }
}

/// A unit for each column.
#[cube]
fn batch_norm_back(
    words: &[u32],
    tiles: &[u32],
    moments: &[f32],
    memory: &[f32],
    sums: &mut [f32],
    work: &Work,
    stride: usize,
    sum_columns: usize,
) {
    let gradient = get(words, work, light::FROM);
    let from = get(words, work, light::BY);
    let sum = CUBE_POS_X as usize * sum_columns;
    let into_weight = sum + get(words, work, light::INTO);
    let into_bias = sum + get(words, work, light::THIRD);
    let start = tiles[work.tile + tile::MOMENTS] as usize;
    for x in range_stepped(
        UNIT_POS as usize,
        get(words, work, light::WIDTH),
        LANES * LINES,
    ) {
        let mut weight = 0.0f32;
        let mut bias = 0.0f32;
        for row in 0..work.rows {
            let base = work.memory + row * stride + x;
            let by = memory[base + gradient];
            weight += by * normal(words, moments, work, start, x, memory[base + from]);
            bias += by;
        }
        sums[into_weight + x] = weight;
        sums[into_bias + x] = bias;
    }
}

#[cube]
fn sigmoid_back(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let gradient = get(words, work, light::FROM);
    let output = get(words, work, light::BY);
    let into = get(words, work, light::INTO);
    let add = adds(words, work);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let y = memory[base + output + x];
            let value = memory[base + gradient + x] * y * (1.0f32 - y);
            put(memory, base + into + x, value, add);
        }
    }
}

/// A unit for each group of a row.
#[cube]
fn softmax_back(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let gradient = get(words, work, light::FROM);
    let output = get(words, work, light::BY);
    let into = get(words, work, light::INTO);
    let width = get(words, work, light::MORE);
    let add = adds(words, work);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let groups = get(words, work, light::WIDTH) / width;
        for group in range_stepped(UNIT_POS_X as usize, groups, LANES) {
            let base = work.memory + row * stride + group * width;
            let mut mean = 0.0f32;
            for x in 0..width {
                mean += memory[base + gradient + x] * memory[base + output + x];
            }
            for x in 0..width {
                let value = memory[base + output + x] * (memory[base + gradient + x] - mean);
                put(memory, base + into + x, value, add);
            }
        }
    }
}

#[cube]
fn mean_back(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let gradient = get(words, work, light::FROM);
    let into = get(words, work, light::INTO);
    let width = get(words, work, light::WIDTH);
    let add = adds(words, work);
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        let share = memory[base + gradient] / f32::cast_from(width as u32);
        for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
            put(memory, base + into + x, share, add);
        }
    }
}

/// A unit for each row.
#[cube]
fn dot(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let from = get(words, work, light::FROM);
    let by = get(words, work, light::BY);
    let into = get(words, work, light::INTO);
    let row = UNIT_POS as usize;
    if row < work.rows {
        let base = work.memory + row * stride;
        let mut sum = 0.0f32;
        for x in 0..get(words, work, light::WIDTH) {
            sum += memory[base + from + x] * memory[base + by + x];
        }
        put(memory, base + into, sum, adds(words, work));
    }
}

/// Each column's three results one after another, as a later one may add to an earlier one.
#[cube]
fn cross_back(words: &[u32], memory: &mut [f32], work: &Work, stride: usize) {
    let gradient = get(words, work, light::MORE);
    let first = get(words, work, light::FROM);
    let by = get(words, work, light::BY);
    let add = words[work.item + light::ADD];
    let into_x = words[work.item + light::INTO_X];
    for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
        let base = work.memory + row * stride;
        for x in range_stepped(UNIT_POS_X as usize, get(words, work, light::WIDTH), LANES) {
            let slope = memory[base + gradient + x];
            let by_first = slope * memory[base + by + x];
            let by_by = slope * memory[base + first + x];
            let into = base + get(words, work, light::INTO) + x;
            put(memory, into, by_first, add & 1u32 != 0u32);
            let into = base + get(words, work, light::THIRD) + x;
            put(memory, into, by_by, add & 2u32 != 0u32);
            if into_x != NONE {
                put(
                    memory,
                    base + into_x as usize + x,
                    slope,
                    add & 4u32 != 0u32,
                );
            }
        }
    }
}
