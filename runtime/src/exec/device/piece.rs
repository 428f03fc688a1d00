//! From operations to pieces of work, as launches take them.

use std::ops::Range;

use mtmd_schema::plan::{
    Activate, Address, LayerNorm, Linear, Mix, NormPlace, Op, Program, Scope, Storage, Target,
    View, Write,
};

use super::kernels::words::{NONE, OWN, SIDE, activate, light, product};
use crate::bug::{bug, check, zip_equal};
use crate::exec::host::is_narrow;

/// The kernel that does a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `kernels::light`.
    Light,
    /// `kernels::activate`, forward.
    Activate,
    /// `kernels::activate`, backward.
    ActivateBack,
    /// `kernels::product`.
    Product,
    /// `kernels::weight`.
    Weight,
    /// `kernels::sums`: no piece's, but what comes after all of them.
    Sums,
}

/// Work on the rows of one program that is done in one launch.
#[derive(Debug)]
pub struct Piece {
    /// Columns of a row's memory that it reads.
    pub reads: Vec<Range<usize>>,
    /// Columns of a row's memory that it writes.
    pub writes: Vec<Range<usize>>,
    /// What is to be done.
    pub work: PieceWork,
}

/// What a piece does.
#[derive(Debug)]
pub enum PieceWork {
    /// Items of a kernel that works on rows, each as many words as the kernel's items have.
    Rows(Kind, Vec<Vec<u32>>),
    /// A gradient of matrices.
    Weight(WeightGradient),
}

impl PieceWork {
    /// The kernel.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Rows(kind, _) => *kind,
            Self::Weight(_) => Kind::Weight,
        }
    }
}

/// The gradient of the matrices of linear maps.
#[derive(Debug, Clone, Copy)]
pub struct WeightGradient {
    /// The maps: `from` their input, `to` the gradient of their output.
    pub maps: Linear,
    /// How it is written.
    pub write: Write,
    /// First column of the first map's input in a row's memory.
    pub input: usize,
    /// First column of the first map's output gradient in a row's memory.
    pub gradient: usize,
}

/// Columns of the sums over a tile's rows, and the parameters whose gradients they are.
#[derive(Debug, Default)]
pub struct Sums {
    /// Columns so far.
    pub columns: usize,
    /// Parameters: the first, how many, and the first column.
    pub of: Vec<(Address, usize, usize)>,
}

impl Sums {
    /// Columns for a parameter's gradient.
    fn add(&mut self, first: Address, width: usize) -> u32 {
        let column = self.columns;
        self.columns += width;
        self.of.push((first, width, column));
        word(column)
    }
}

/// A number as a word; larger ones than it has room for belong to a plan that no device has memory for.
pub fn word(value: usize) -> u32 {
    match u32::try_from(value) {
        Ok(word) if word < OWN => word,
        _ => bug!("{value} in a table of a device"),
    }
}

/// An address as a word.
fn address(address: Address) -> u32 {
    match address.scope {
        Scope::Own => OWN + word(address.offset),
        Scope::Tower => word(address.offset),
    }
}

/// Lowers the operations of one program.
#[derive(Debug)]
pub struct Lowering<'a> {
    program: &'a Program,
    /// What is summed over tiles.
    pub sums: Sums,
    pieces: Vec<Piece>,
}

impl<'a> Lowering<'a> {
    /// Of a program.
    pub fn new(program: &'a Program) -> Self {
        Self {
            program,
            sums: Sums::default(),
            pieces: Vec::new(),
        }
    }

    /// The pieces of some operations, in their order.
    pub fn pieces(&mut self, ops: &[Op]) -> Vec<Piece> {
        ops.iter().for_each(|op| self.op(op));
        std::mem::take(&mut self.pieces)
    }

    /// Columns of a row's memory: saved buffers, then scratch.
    pub fn columns(&self, view: View) -> Range<usize> {
        let Some(buffer) = self.program.buffers.get(view.buffer.0) else {
            bug!("buffer {} of another program", view.buffer.0);
        };
        let base = match buffer.storage {
            Storage::Saved(column) => column,
            Storage::Scratch(column) => self.program.saved + column,
        };
        check!(view.start + view.width <= buffer.width, "{view:?}");
        let start = base + view.start;
        start..start + view.width
    }

    fn at(&self, view: View) -> u32 {
        word(self.columns(view).start)
    }

    fn push(&mut self, kind: Kind, reads: &[View], writes: &[View], items: Vec<Vec<u32>>) {
        let columns = |views: &[View]| views.iter().map(|view| self.columns(*view)).collect();
        let piece = Piece {
            reads: columns(reads),
            writes: columns(writes),
            work: PieceWork::Rows(kind, items),
        };
        self.pieces.push(piece);
    }

    /// An item of [`light`].
    fn light(&mut self, reads: &[View], writes: &[View], words: &[(usize, u32)]) {
        let mut item = vec![0; light::WORDS];
        fill(&mut item, words);
        self.push(Kind::Light, reads, writes, vec![item]);
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Copy { from, into } => self.scale(*from, None, *into),
            Op::Repeat { parameter, to } => self.repeat(address(*parameter), *to),
            Op::Clear { to } => self.repeat(NONE, *to),
            Op::BatchNorm {
                from,
                to,
                weight,
                bias,
                mean,
                variance,
            } => {
                let words = [
                    (light::OP, light::BATCH_NORM),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::BY, address(*weight)),
                    (light::THIRD, address(*bias)),
                    (light::INTO, self.at(*to)),
                    (light::MORE, word(*mean)),
                    (light::ADD, word(*variance)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Linear(maps) => self.linear(maps.merged()),
            Op::Activate(layer) => self.activate(layer),
            Op::Sigmoid { from, to } => {
                let words = [
                    (light::OP, light::SIGMOID),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.at(*to)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Softmax { from, to, width } => {
                let words = [
                    (light::OP, light::SOFTMAX),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.at(*to)),
                    (light::MORE, word(*width)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Means { parts, to } => {
                for (column, part) in parts.iter().enumerate() {
                    let to = to.columns(column, 1);
                    let words = [
                        (light::OP, light::MEAN),
                        (light::WIDTH, word(part.width)),
                        (light::FROM, self.at(*part)),
                        (light::INTO, self.at(to)),
                    ];
                    self.light(&[*part], &[to], &words);
                }
            }
            Op::Mix(mix) => self.mix(mix),
            Op::Cross { first, by, x, to } => {
                let words = [
                    (light::OP, light::CROSS),
                    (light::WIDTH, word(to.width)),
                    (light::FROM, self.at(*first)),
                    (light::BY, self.at(*by)),
                    (light::THIRD, self.at(*x)),
                    (light::INTO, self.at(*to)),
                ];
                self.light(&[*first, *by, *x], &[*to], &words);
            }
            Op::SumRows { .. }
            | Op::BatchNormBack { .. }
            | Op::LinearInput { .. }
            | Op::LinearWeight { .. }
            | Op::ActivateBack { .. }
            | Op::SigmoidBack { .. }
            | Op::SoftmaxBack { .. }
            | Op::MeansBack { .. }
            | Op::MixBack { .. }
            | Op::CrossBack { .. } => self.back(op),
        }
    }

    /// Gradients.
    fn back(&mut self, op: &Op) {
        match op {
            // Whether it is set or added to makes no difference: all sums of a parameter are put together.
            Op::SumRows { from, to, write: _ } => {
                let words = [
                    (light::OP, light::SUM_ROWS),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.sums.add(*to, from.width)),
                ];
                self.light(&[*from], &[], &words);
            }
            Op::BatchNormBack {
                gradient,
                from,
                weight,
                bias,
                mean,
                variance,
            } => {
                let words = [
                    (light::OP, light::BATCH_NORM_BACK),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*from)),
                    (light::INTO, self.sums.add(*weight, from.width)),
                    (light::THIRD, self.sums.add(*bias, from.width)),
                    (light::MORE, word(*mean)),
                    (light::ADD, word(*variance)),
                ];
                self.light(&[*gradient, *from], &[], &words);
            }
            Op::LinearInput {
                linear: maps,
                write,
            } => self.linear_input(maps.merged(), *write),
            Op::LinearWeight {
                linear: maps,
                write,
            } => self.linear_weight(maps.merged(), *write),
            Op::ActivateBack {
                activate,
                gradient,
                into,
            } => self.activate_back(activate, *gradient, *into),
            Op::SigmoidBack {
                output,
                gradient,
                into,
            } => {
                let words = [
                    (light::OP, light::SIGMOID_BACK),
                    (light::WIDTH, word(output.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*output)),
                    (light::INTO, self.at(into.to)),
                    (light::ADD, adds(into.write)),
                ];
                self.light(&[*output, *gradient], &[into.to], &words);
            }
            Op::SoftmaxBack {
                output,
                gradient,
                width,
                into,
            } => {
                let words = [
                    (light::OP, light::SOFTMAX_BACK),
                    (light::WIDTH, word(output.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*output)),
                    (light::INTO, self.at(into.to)),
                    (light::ADD, adds(into.write)),
                    (light::MORE, word(*width)),
                ];
                self.light(&[*output, *gradient], &[into.to], &words);
            }
            Op::MeansBack { gradient, into } => {
                for (column, into) in into.iter().enumerate() {
                    let Some(Target { to, write }) = *into else {
                        continue;
                    };
                    let gradient = gradient.columns(column, 1);
                    let words = [
                        (light::OP, light::MEAN_BACK),
                        (light::WIDTH, word(to.width)),
                        (light::FROM, self.at(gradient)),
                        (light::INTO, self.at(to)),
                        (light::ADD, adds(write)),
                    ];
                    self.light(&[gradient], &[to], &words);
                }
            }
            Op::MixBack {
                mix,
                gradient,
                into,
                into_by,
            } => self.mix_back(mix, *gradient, into, *into_by),
            Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => {
                let [a, b] = [into_first, into_by].map(|into| adds(into.write));
                let c = into_x.map_or(0, |into| adds(into.write));
                let words = [
                    (light::OP, light::CROSS_BACK),
                    (light::WIDTH, word(first.width)),
                    (light::FROM, self.at(*first)),
                    (light::BY, self.at(*by)),
                    (light::MORE, self.at(*gradient)),
                    (light::INTO, self.at(into_first.to)),
                    (light::THIRD, self.at(into_by.to)),
                    (light::INTO_X, into_x.map_or(NONE, |into| self.at(into.to))),
                    (light::ADD, a | b << 1 | c << 2),
                ];
                let writes = [Some(*into_first), Some(*into_by), *into_x];
                let writes: Vec<View> = writes.into_iter().flatten().map(|into| into.to).collect();
                self.light(&[*first, *by, *gradient], &writes, &words);
            }
            _ => bug!("not a gradient's operation: {op:?}"),
        }
    }

    /// `into = from`, times a column if there is one.
    fn scale(&mut self, from: View, by: Option<View>, into: Target) {
        let words = [
            (light::OP, light::SCALE),
            (light::WIDTH, word(from.width)),
            (light::FROM, self.at(from)),
            (light::BY, by.map_or(NONE, |by| self.at(by))),
            (light::INTO, self.at(into.to)),
            (light::ADD, adds(into.write)),
        ];
        let reads: Vec<View> = by.into_iter().chain([from]).collect();
        self.light(&reads, &[into.to], &words);
    }

    fn repeat(&mut self, parameter: u32, to: View) {
        let words = [
            (light::OP, light::REPEAT),
            (light::WIDTH, word(to.width)),
            (light::BY, parameter),
            (light::INTO, self.at(to)),
        ];
        self.light(&[], &[to], &words);
    }

    fn mix(&mut self, mix: &Mix) {
        let mut start = 0;
        for (place, part) in mix.parts.iter().enumerate() {
            let write = match mix.sum && place > 0 {
                true => Write::Add,
                false => Write::Set,
            };
            let to = mix.to.columns(start, part.width);
            let by = mix.by.map(|by| by.columns(place, 1));
            self.scale(*part, by, Target { to, write });
            if !mix.sum {
                start += part.width;
            }
        }
    }

    fn mix_back(
        &mut self,
        mix: &Mix,
        gradient: View,
        into: &[Option<Target>],
        into_by: Option<Target>,
    ) {
        let mut start = 0;
        for (place, (part, into)) in zip_equal(&*mix.parts, into).enumerate() {
            let gradient = gradient.columns(start, part.width);
            if !mix.sum {
                start += part.width;
            }
            if let Some(Target { to, write }) = into_by {
                let to = to.columns(place, 1);
                let words = [
                    (light::OP, light::DOT),
                    (light::WIDTH, word(part.width)),
                    (light::FROM, self.at(*part)),
                    (light::BY, self.at(gradient)),
                    (light::INTO, self.at(to)),
                    (light::ADD, adds(write)),
                ];
                self.light(&[*part, gradient], &[to], &words);
            }
            if let Some(into) = into {
                let by = mix.by.map(|by| by.columns(place, 1));
                self.scale(gradient, by, *into);
            }
        }
    }

    fn linear(&mut self, maps: Linear) {
        let items = (0..maps.batch).flat_map(|map| {
            let matrix = address(maps.weight_of(map).first);
            let bias = maps
                .bias
                .map(|bias| address(bias) + word(map * maps.outputs));
            blocks(maps.outputs).map(move |block| (map, matrix, bias, block))
        });
        let items = items.map(|(map, matrix, bias, block)| {
            let output = maps.output(map).columns(block.start, block.len());
            let mut item = vec![0; product::WORDS];
            let words = [
                (product::FROM, self.at(maps.input(map))),
                (product::INPUTS, word(maps.inputs)),
                (product::INTO, self.at(output)),
                (product::OUTPUTS, word(block.len())),
                (product::WEIGHT, matrix + word(block.start * maps.inputs)),
                (product::BY_OUTPUT, word(maps.inputs)),
                (product::BY_INPUT, 1),
                (
                    product::BIAS,
                    bias.map_or(NONE, |bias| bias + word(block.start)),
                ),
                (product::WIDE, wide(&maps)),
            ];
            fill(&mut item, &words);
            item
        });
        let items = items.collect();
        self.push(Kind::Product, &[maps.read()], &[maps.to], items);
    }

    fn linear_input(&mut self, maps: Linear, write: Write) {
        let items = (0..maps.batch).flat_map(|map| {
            let matrix = address(maps.weight_of(map).first);
            blocks(maps.inputs).map(move |block| (map, matrix, block))
        });
        let items = items.map(|(map, matrix, block)| {
            let input = maps.input(map).columns(block.start, block.len());
            let mut item = vec![0; product::WORDS];
            let words = [
                (product::FROM, self.at(maps.output(map))),
                (product::INPUTS, word(maps.outputs)),
                (product::INTO, self.at(input)),
                (product::OUTPUTS, word(block.len())),
                (product::WEIGHT, matrix + word(block.start)),
                (product::BY_OUTPUT, 1),
                (product::BY_INPUT, word(maps.inputs)),
                (product::BIAS, NONE),
                (product::ADD, adds(write)),
                (product::WIDE, wide(&maps)),
            ];
            fill(&mut item, &words);
            item
        });
        let items = items.collect();
        let outputs = outputs(&maps);
        self.push(Kind::Product, &[outputs], &[maps.read()], items);
    }

    fn linear_weight(&mut self, maps: Linear, write: Write) {
        let reads = [maps.read(), outputs(&maps)].map(|view| self.columns(view));
        let [input, gradient] = reads.each_ref().map(|columns| columns.start);
        self.pieces.push(Piece {
            reads: reads.to_vec(),
            writes: Vec::new(),
            work: PieceWork::Weight(WeightGradient {
                maps,
                write,
                input,
                gradient,
            }),
        });
    }

    /// The items of a layer, one per group, and where each group starts.
    fn groups(&self, layer: &Activate, into: View) -> Vec<Vec<u32>> {
        let (place, weight, shift) = match layer.norm {
            None => (activate::PLAIN, 0, 0),
            Some(LayerNorm {
                weight,
                bias,
                place,
            }) => {
                let place = match place {
                    NormPlace::Pre => activate::PRE,
                    NormPlace::Post => activate::POST,
                };
                (place, address(weight), address(bias))
            }
        };
        let mut start = 0;
        let of = |&width: &usize| {
            let at = word(start);
            let mut item = vec![0; activate::WORDS];
            let words = [
                (activate::FROM, self.at(layer.from) + at),
                (activate::WIDTH, word(width)),
                (activate::INTO, self.at(into) + at),
                (
                    activate::BIAS,
                    layer.bias.map_or(NONE, |bias| address(bias) + at),
                ),
                (activate::WEIGHT, weight + at),
                (activate::SHIFT, shift + at),
                (activate::PLACE, place),
                (activate::SLOPE, (layer.slope as f32).to_bits()),
            ];
            fill(&mut item, &words);
            start += width;
            item
        };
        layer.groups.iter().map(of).collect()
    }

    fn activate(&mut self, layer: &Activate) {
        let items = self.groups(layer, layer.to);
        self.push(Kind::Activate, &[layer.from], &[layer.to], items);
    }

    fn activate_back(&mut self, layer: &Activate, gradient: View, into: Target) {
        let mut items = self.groups(layer, into.to);
        let width = layer.from.width;
        let bias = layer.bias.map(|bias| self.sums.add(bias, width));
        let norm = layer.norm.map(|LayerNorm { weight, bias, .. }| {
            let [weight, bias] = [weight, bias].map(|first| self.sums.add(first, width));
            (weight, bias)
        });
        let gradient_at = self.at(gradient);
        let mut start = 0;
        for (item, &width) in zip_equal(&mut items, &*layer.groups) {
            let at = word(start);
            let (weight, shift) = norm.unwrap_or_default();
            let words = [
                (activate::GRADIENT, gradient_at + at),
                (activate::ADD, adds(into.write)),
                (activate::BIAS_SUMS, bias.unwrap_or_default() + at),
                (activate::WEIGHT_SUMS, weight + at),
                (activate::SHIFT_SUMS, shift + at),
            ];
            fill(item, &words);
            start += width;
        }
        let reads = [gradient, layer.from];
        self.push(Kind::ActivateBack, &reads, &[into.to], items);
    }
}

/// Sets words of an item.
fn fill(item: &mut [u32], words: &[(usize, u32)]) {
    for &(at, word) in words {
        match item.get_mut(at) {
            Some(to) => *to = word,
            None => bug!("word {at} of an item of {}", item.len()),
        }
    }
}

/// Whether a result is added, as a word.
fn adds(write: Write) -> u32 {
    u32::from(write == Write::Add)
}

/// Whether the sides of a product may be rounded, as a word.
fn wide(maps: &Linear) -> u32 {
    u32::from(!is_narrow(maps))
}

/// Outputs of all maps.
fn outputs(maps: &Linear) -> View {
    View {
        width: maps.batch * maps.outputs,
        ..maps.to
    }
}

/// Columns, [`SIDE`] at a time.
pub fn blocks(columns: usize) -> impl Iterator<Item = Range<usize>> {
    (0..columns)
        .step_by(SIDE)
        .map(move |start| start..columns.min(start + SIDE))
}
