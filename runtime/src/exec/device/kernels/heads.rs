//! From the towers' embeddings to the loss and back (paper §2.3): the arithmetic of `exec::host`'s heads, in float32.
//!
//! Everything of one row of the batch is in five arrays, one after another, each `[tasks, rows]`: logits, which become
//! their gradients, ln P, ln(1 - P), and the gradients of both.

use cubecl::prelude::*;

use super::words::{NONE, head, output, pair, tile};
use super::{LANES, LINES, over_cube, over_lanes, work};

/// ln 2.
const LN_2: f32 = std::f32::consts::LN_2;

/// Each task's logits, `scale · q·i + bias`: a line of units for each row of the batch. `pairs` begins with the words of
/// the rows.
#[cube(launch)]
pub fn logits(
    words: &[u32],
    pairs: &[u32],
    parameters: &[f32],
    memory: &[f32],
    scores: &mut [f32],
    heads: u32,
    tasks: u32,
    rows: u32,
    stride: u32,
) {
    let (heads, tasks) = (heads as usize, tasks as usize);
    let (rows, stride) = (rows as usize, stride as usize);
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let columns = heads + tasks * head::WORDS;
    let row = CUBE_POS_X as usize * LINES + UNIT_POS_Y as usize;
    for task in 0..tasks {
        let of = heads + task * head::WORDS;
        let mut product = 0.0f32;
        if row < rows {
            let at = row * pair::WORDS;
            let query = pairs[at + pair::QUERY_PROGRAM] as usize * tasks + task;
            let item = pairs[at + pair::ITEM_PROGRAM] as usize * tasks + task;
            let (query, item) = (words[columns + query], words[columns + item]);
            if query != NONE && item != NONE {
                let query = pairs[at + pair::QUERY] as usize * stride + query as usize;
                let item = pairs[at + pair::ITEM] as usize * stride + item as usize;
                let width = words[of + head::WIDTH] as usize;
                for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                    product += memory[query + x] * memory[item + x];
                }
            }
        }
        let product = over_lanes(&mut shared, product);
        if row < rows && UNIT_POS_X == 0 {
            let mut logit = product * f32::reinterpret(words[of + head::SCALE]);
            let bias = words[of + head::BIAS];
            if bias != NONE {
                logit += parameters[bias as usize];
            }
            scores[task * rows + row] = logit;
        }
    }
}

/// The loss of each task and its derivatives by the logits; a unit for each row of the batch. `labels` are those of each
/// task and row, 0 where there is none, and then the rows' shares in the mean. Sums over the rows of a cube go to `sums`:
/// KL(label ‖ P) of each task, then the derivatives by its logits.
#[cube(launch)]
pub fn losses(
    words: &[u32],
    labels: &[f32],
    scores: &mut [f32],
    sums: &mut [f32],
    heads: u32,
    tasks: u32,
    rows: u32,
) {
    let (heads, tasks, rows) = (heads as usize, tasks as usize, rows as usize);
    let all = tasks * rows;
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let into = CUBE_POS_X as usize * 2 * tasks;
    let row = CUBE_POS_X as usize * (LANES * LINES) + UNIT_POS as usize;
    for task in 0..tasks {
        let mut loss = 0.0f32;
        if row < rows {
            let of = heads + task * head::WORDS;
            let at = task * rows + row;
            let logit = scores[at];
            let mut lp = log_sigmoid(logit);
            let mut lq = log_sigmoid(-logit);
            let given = words[of + head::GIVEN];
            if given != NONE {
                let parent = given as usize * rows + row;
                let above = scores[all + parent];
                let down = above + lq;
                lp += above;
                // Each formula is used where it is exact.
                if lp < -LN_2 {
                    lq = log1p(-lp.exp());
                } else {
                    lq = log_add_exp(scores[2 * all + parent], down);
                }
            }
            let (label, share) = (labels[at], labels[all + at]);
            if share > 0.0f32 {
                loss = share * divergence(label, lp, lq);
            }
            let weight = share * f32::reinterpret(words[of + head::WEIGHT]);
            scores[all + at] = lp;
            scores[2 * all + at] = lq;
            scores[3 * all + at] = -weight * label;
            scores[4 * all + at] = -weight * (1.0f32 - label);
        }
        let loss = over_cube(&mut shared, loss);
        if UNIT_POS == 0 {
            sums[into + task] = loss;
        }
    }
    for back in 0..tasks {
        let task = tasks - 1 - back;
        let mut by_logit = 0.0f32;
        if row < rows {
            let at = task * rows + row;
            let logit = scores[at];
            let by_lp = scores[3 * all + at];
            let by_lq = scores[4 * all + at];
            let given = words[heads + task * head::WORDS + head::GIVEN];
            let mut by_down = by_lq;
            if given != NONE {
                let parent = given as usize * rows + row;
                let lq = scores[2 * all + at];
                let down = scores[all + parent] + log_sigmoid(-logit);
                by_down = by_lq * (down - lq).exp();
                let beside = by_lq * (scores[2 * all + parent] - lq).exp();
                scores[3 * all + parent] += by_lp + by_down;
                scores[4 * all + parent] += beside;
            }
            by_logit = by_lp * sigmoid(-logit) - by_down * sigmoid(logit);
            scores[at] = by_logit;
        }
        let sum = over_cube(&mut shared, by_logit);
        if UNIT_POS == 0 {
            sums[into + tasks + task] = sum;
        }
    }
}

/// Puts the sums of all cubes together: the tasks' losses, and the gradients of their biases.
#[cube(launch)]
pub fn totals(
    words: &[u32],
    sums: &[f32],
    gradient: &mut [f32],
    losses: &mut [f32],
    heads: u32,
    tasks: u32,
    cubes: u32,
) {
    let (heads, tasks) = (heads as usize, tasks as usize);
    for column in range_stepped(UNIT_POS as usize, 2 * tasks, LANES * LINES) {
        let mut sum = 0.0f32;
        for cube in 0..cubes as usize {
            sum += sums[cube * 2 * tasks + column];
        }
        if column < tasks {
            losses[column] = sum;
        } else {
            let bias = words[heads + (column - tasks) * head::WORDS + head::BIAS];
            if bias != NONE {
                gradient[bias as usize] = sum;
            }
        }
    }
}

/// Gradients of the embeddings of each row of both towers, from those of the logits. `pairs` are the words of the batch's
/// rows; from `starts` on, where the rows of each place start, and from `places` on, those rows. The embeddings are still
/// read while the gradients are written, so these have an array of their own.
#[cube(launch)]
pub fn gradients(
    words: &[u32],
    tiles: &[u32],
    pairs: &[u32],
    scores: &[f32],
    memory: &[f32],
    gradients: &mut [f32],
    header: u32,
    heads: u32,
    tasks: u32,
    rows: u32,
    starts: u32,
    places: u32,
    stride: u32,
) {
    let (heads, tasks) = (heads as usize, tasks as usize);
    let (rows, stride) = (rows as usize, stride as usize);
    let work = work(words, tiles, header, stride, output::WORDS);
    if work.any {
        let task = words[work.item + output::TASK] as usize;
        let into = words[work.item + output::INTO] as usize;
        let of_query = words[work.item + output::OF_QUERY] == 1u32;
        let of = heads + task * head::WORDS;
        let columns = heads + tasks * head::WORDS + task;
        let width = words[of + head::WIDTH] as usize;
        let scale = f32::reinterpret(words[of + head::SCALE]);
        let first = tiles[work.tile + tile::ROW] as usize;
        let all = words[work.item + output::ALL] as usize;
        let into = tiles[work.tile + tile::OUTPUTS] as usize + into;
        for line in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
            let start = pairs[starts as usize + first + line] as usize;
            let end = pairs[starts as usize + first + line + 1] as usize;
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                let mut sum = 0.0f32;
                for place in start..end {
                    let row = pairs[places as usize + place] as usize;
                    let at = row * pair::WORDS;
                    let mut other = pairs[at + pair::QUERY] as usize;
                    let mut program = pairs[at + pair::QUERY_PROGRAM] as usize;
                    if of_query {
                        other = pairs[at + pair::ITEM] as usize;
                        program = pairs[at + pair::ITEM_PROGRAM] as usize;
                    }
                    let column = words[columns + program * tasks];
                    if column != NONE {
                        let factor = scale * scores[task * rows + row];
                        sum += factor * memory[other * stride + column as usize + x];
                    }
                }
                gradients[into + line * all + x] = sum;
            }
        }
    }
}

/// KL(label ‖ P) in nats.
#[cube]
fn divergence(label: f32, lp: f32, lq: f32) -> f32 {
    let mut sum = 0.0f32;
    if label > 0.0f32 {
        sum += label * (label.ln() - lp);
    }
    let other = 1.0f32 - label;
    if other > 0.0f32 {
        sum += other * (other.ln() - lq);
    }
    sum
}

/// ln sigmoid(z).
#[cube]
fn log_sigmoid(z: f32) -> f32 {
    z.min(0.0f32) - log1p((-z.abs()).exp())
}

#[cube]
fn sigmoid(z: f32) -> f32 {
    1.0f32 / (1.0f32 + (-z).exp())
}

/// ln(1 + x), exact for small x too.
#[cube]
fn log1p(x: f32) -> f32 {
    let sum = 1.0f32 + x;
    let mut found = x;
    if sum != 1.0f32 {
        found = sum.ln() * (x / (sum - 1.0f32));
    }
    found
}

/// ln(eᵃ + eᵇ), exact where either is far below the other.
#[cube]
fn log_add_exp(a: f32, b: f32) -> f32 {
    a.max(b) + log1p((-(a - b).abs()).exp())
}
