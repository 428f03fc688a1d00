//! Linear maps, and layers' bias, norm and activation, as pieces.

use std::ops::Range;

use mtmd_schema::plan::{Activate, LayerNorm, Linear, NormPlace, Target, View, Write};

use super::kernels::words::{NONE, SIDE, activate, product};
use super::piece::{
    Kind, Lowering, Piece, PieceWork, WeightGradient, address, adds, fill, item, word,
};
use crate::bug::zip_equal;
use crate::exec::host::is_narrow;

impl Lowering<'_> {
    /// `to = from Wᵀ + bias` of all maps.
    pub fn linear(&mut self, maps: Linear) {
        let items = product_items(&maps, maps.outputs, |map, matrix, block: &Range<usize>| {
            let into = maps.output(map).columns(block.start, block.len());
            let first = map * maps.outputs + block.start;
            vec![
                (product::FROM, self.at(maps.input(map))),
                (product::INPUTS, word(maps.inputs)),
                (product::INTO, self.at(into)),
                (product::WEIGHT, matrix + word(block.start * maps.inputs)),
                (product::BY_OUTPUT, word(maps.inputs)),
                (product::BY_INPUT, 1),
                (
                    product::BIAS,
                    maps.bias.map_or(NONE, |bias| address(bias) + word(first)),
                ),
            ]
        });
        self.push(Kind::Product, &[maps.read()], &[maps.to], items);
    }

    /// Gradients of the maps' inputs: `from = to W`.
    pub fn linear_input(&mut self, maps: Linear, write: Write) {
        let items = product_items(&maps, maps.inputs, |map, matrix, block: &Range<usize>| {
            let into = maps.input(map).columns(block.start, block.len());
            vec![
                (product::FROM, self.at(maps.output(map))),
                (product::INPUTS, word(maps.outputs)),
                (product::INTO, self.at(into)),
                (product::WEIGHT, matrix + word(block.start)),
                (product::BY_OUTPUT, 1),
                (product::BY_INPUT, word(maps.inputs)),
                (product::BIAS, NONE),
                (product::ADD, adds(write)),
            ]
        });
        let outputs = outputs(&maps);
        self.push(Kind::Product, &[outputs], &[maps.read()], items);
    }

    /// Gradients of the maps' matrices.
    pub fn linear_weight(&mut self, maps: Linear, write: Write) {
        let reads = [maps.read(), outputs(&maps)].map(|view| self.columns(view));
        let [input, gradient] = reads.each_ref().map(|columns| columns.start);
        self.pieces.push(Piece {
            op: self.op,
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
        let place = match layer.norm.map(|norm| norm.place) {
            None => activate::PLAIN,
            Some(NormPlace::Pre) => activate::PRE,
            Some(NormPlace::Post) => activate::POST,
        };
        let mut start = 0;
        let of = |&width: &usize| {
            let at = word(start);
            let mut words = vec![
                (activate::FROM, self.at(layer.from) + at),
                (activate::WIDTH, word(width)),
                (activate::INTO, self.at(into) + at),
                (
                    activate::BIAS,
                    layer.bias.map_or(NONE, |bias| address(bias) + at),
                ),
                (activate::PLACE, place),
                (activate::SLOPE, (layer.slope as f32).to_bits()),
            ];
            if let Some(LayerNorm { weight, bias, .. }) = layer.norm {
                words.push((activate::WEIGHT, address(weight) + at));
                words.push((activate::SHIFT, address(bias) + at));
            }
            start += width;
            item(activate::WORDS, &words)
        };
        layer.groups.iter().map(of).collect()
    }

    /// Bias, LayerNorm, activation.
    pub fn activate(&mut self, layer: &Activate) {
        let items = self.groups(layer, layer.to);
        self.push(Kind::Activate, &[layer.from], &[layer.to], items);
    }

    /// Gradients of a layer's input, bias and norm.
    pub fn activate_back(&mut self, layer: &Activate, gradient: View, into: Target) {
        let mut items = self.groups(layer, into.to);
        let width = layer.from.width;
        let mut sums = Vec::new();
        if let Some(bias) = layer.bias {
            sums.push((activate::BIAS_SUMS, self.sums.add(bias, width)));
        }
        if let Some(LayerNorm { weight, bias, .. }) = layer.norm {
            sums.push((activate::WEIGHT_SUMS, self.sums.add(weight, width)));
            sums.push((activate::SHIFT_SUMS, self.sums.add(bias, width)));
        }
        let gradient_at = self.at(gradient);
        let mut start = 0;
        for (item, &width) in zip_equal(&mut items, &*layer.groups) {
            let at = word(start);
            let words = [
                (activate::GRADIENT, gradient_at + at),
                (activate::ADD, adds(into.write)),
            ];
            fill(item, &words);
            let sums: Vec<_> = sums.iter().map(|&(word, sum)| (word, sum + at)).collect();
            fill(item, &sums);
            start += width;
        }
        let reads = [gradient, layer.from];
        self.push(Kind::ActivateBack, &reads, &[into.to], items);
    }
}

/// The items of products with the matrix of each map, by blocks of the result's columns. `words` has what differs, by the
/// map, the address of its matrix, and the block.
fn product_items(
    maps: &Linear,
    columns: usize,
    words: impl Fn(usize, u32, &Range<usize>) -> Vec<(usize, u32)>,
) -> Vec<Vec<u32>> {
    let mut items = Vec::new();
    for map in 0..maps.batch {
        let matrix = address(maps.weight_of(map).first);
        for block in blocks(columns) {
            let mut words = words(map, matrix, &block);
            words.push((product::OUTPUTS, word(block.len())));
            words.push((product::WIDE, wide(maps)));
            items.push(item(product::WORDS, &words));
        }
    }
    items
}

/// Whether the sides of a product may be rounded, as a word.
pub fn wide(maps: &Linear) -> u32 {
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
