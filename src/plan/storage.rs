//! Memory of a program: what the backward pass reads is saved for every row, everything else
//! shares scratch memory, where buffers that are not alive at the same time overlap.

use mtmd_schema::bug;
use std::ops::RangeInclusive;

use mtmd_schema::plan::{Buffer, BufferId, Op, Storage};

/// The memory of a program.
#[derive(Debug)]
pub struct Memory {
    /// Its buffers.
    pub buffers: Vec<Buffer>,
    /// Columns of all saved buffers.
    pub saved: usize,
    /// Columns of scratch memory.
    pub scratch: usize,
}

/// Operations between whose first and last one a buffer is in use, in each of the two passes.
#[derive(Debug, Clone, Default)]
struct Life([Option<(usize, usize)>; 2]);

impl Life {
    fn at(&mut self, pass: usize, op: usize) {
        let (first, last) = self.0[pass].unwrap_or((op, op));
        self.0[pass] = Some((first.min(op), last.max(op)));
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|lives| match lives {
            (Some((first, last)), Some((start, end))) => first <= end && start <= last,
            (None, _) | (_, None) => false,
        })
    }
}

/// Gives every buffer a place. `widths` are the columns of all buffers, `saved` the buffers that
/// live from the forward to the backward pass; the output lives to the end of the forward pass,
/// its gradient from the start of the backward pass and the input's gradient to its end.
pub fn place(
    widths: &[usize],
    passes: [&[Op]; 2],
    saved: &[BufferId],
    output: BufferId,
    (output_gradient, input_gradient): (BufferId, Option<BufferId>),
) -> Memory {
    let mut lives = vec![Life::default(); widths.len()];
    for (pass, ops) in passes.into_iter().enumerate() {
        for (at, op) in ops.iter().enumerate() {
            let read = op.reads().into_iter();
            for view in read.chain(op.writes().into_iter().map(|target| target.to)) {
                lives[view.buffer.0].at(pass, at + 1);
            }
        }
    }
    let [forward, backward] = passes.map(<[Op]>::len);
    lives[output.0].at(0, forward + 1);
    lives[output_gradient.0].at(1, 0);
    if let Some(gradient) = input_gradient {
        lives[gradient.0].at(1, backward + 1);
    }
    let mut storage: Vec<Option<Storage>> = vec![None; widths.len()];
    let mut columns = 0;
    for buffer in saved {
        storage[buffer.0] = Some(Storage::Saved(columns));
        columns += widths[buffer.0];
    }
    let scratch = scratch(widths, &lives, &mut storage);
    let buffers = widths.iter().zip(storage).map(|(width, storage)| Buffer {
        width: *width,
        storage: storage.unwrap_or_else(|| bug!("a buffer has no place")),
    });
    Memory {
        buffers: buffers.collect(),
        saved: columns,
        scratch,
    }
}

/// Places the buffers that are not saved, the widest first, each at the first column where it
/// meets no other that lives at the same time; returns the columns of all.
fn scratch(widths: &[usize], lives: &[Life], storage: &mut [Option<Storage>]) -> usize {
    let mut order: Vec<usize> = (0..widths.len())
        .filter(|at| storage[*at].is_none())
        .collect();
    order.sort_by_key(|at| (std::cmp::Reverse(widths[*at]), *at));
    let mut placed: Vec<(usize, RangeInclusive<usize>)> = vec![];
    let mut end = 0;
    for buffer in order {
        let width = widths[buffer];
        let mut taken: Vec<&RangeInclusive<usize>> = placed
            .iter()
            .filter(|(other, _)| lives[*other].overlaps(&lives[buffer]))
            .map(|(_, columns)| columns)
            .collect();
        taken.sort_by_key(|columns| *columns.start());
        let mut start = 0;
        for columns in taken {
            if start + width <= *columns.start() {
                break;
            }
            start = start.max(columns.end() + 1);
        }
        if width > 0 {
            placed.push((buffer, start..=start + width - 1));
        }
        storage[buffer] = Some(Storage::Scratch(start));
        end = end.max(start + width);
    }
    end
}
