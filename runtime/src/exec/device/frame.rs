//! What frames the operations of a plan: the fields that come in, what BatchNorms normalise by, heads, and the gradients
//! that go out.

use std::collections::BTreeMap;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Field, Op, Program, View};

use super::kernels::words::{NONE, gather, head, moment, output, tile, transfer};
use super::piece::{Lowering, buffer, fill, item, word};
use super::tables::{Words, domain_index, slots};
use crate::bug::zip_equal;
use crate::profile::Line;

/// The headers of transfers between rows' memory and arrays.
#[derive(Debug, Clone, Copy)]
pub struct Transfers {
    /// Fields, into the memory.
    pub fields: u32,
    /// Those that come from no table, into it.
    pub data: u32,
    /// Outputs, out of it.
    pub outputs: u32,
    /// Gradients of the outputs, into it.
    pub output_gradients: u32,
    /// Gradients of the embedded fields, out of it.
    pub embedded: u32,
}

/// The two launches of BatchNorms' moments.
#[derive(Debug, Clone)]
pub struct MomentLaunches {
    /// Of tiles: where the header is among the words, and the most items of a program.
    pub of_tiles: (u32, usize),
    /// Columns that a tile finds.
    pub columns: usize,
    /// Of domains: the first item, and how many there are.
    pub of_domains: (u32, usize),
    /// The nodes that they are of, by their part of the columns.
    pub shares: Vec<(Line, f64)>,
}

/// What the launches of heads read.
#[derive(Debug, Clone, Copy)]
pub struct HeadLaunches {
    /// The words of the heads, and after them the columns of the embeddings.
    pub heads: u32,
    /// The items of the embeddings' gradients: where the header is, and the most items of a program.
    pub gradients: (u32, usize),
}

impl Words<'_, '_> {
    pub fn transfers(&mut self, lowerings: &[Lowering<'_>]) -> Transfers {
        let mut table = |start: usize, view: &dyn Fn(&Program) -> Option<View>| {
            let mut items = BTreeMap::new();
            for (program, (lowering, of)) in zip_equal(lowerings, self.programs).enumerate() {
                if let Some(view) = view(of.program) {
                    let columns = lowering.columns(view);
                    let words = [
                        (transfer::COLUMN, word(columns.start)),
                        (transfer::WIDTH, word(columns.len())),
                        (transfer::START, word(start)),
                    ];
                    items.insert(program, vec![item(transfer::WORDS, &words)]);
                }
            }
            self.rows_table(&items).0
        };
        let whole = |program: &Program, id| {
            Some(View {
                buffer: id,
                start: 0,
                width: buffer(program, id).width,
            })
        };
        Transfers {
            fields: table(tile::FIELDS, &|program| whole(program, program.input)),
            data: table(tile::DATA, &|program| {
                let width = buffer(program, program.input).width - program.embedded;
                (width > 0).then_some(View {
                    buffer: program.input,
                    start: program.embedded,
                    width,
                })
            }),
            outputs: table(tile::OUTPUTS, &|program| whole(program, program.output)),
            output_gradients: table(tile::OUTPUTS, &|program| {
                whole(program, program.output_gradient)
            }),
            embedded: table(tile::EMBEDDED, &|program| {
                program.input_gradient.map(|buffer| View {
                    buffer,
                    start: 0,
                    width: program.embedded,
                })
            }),
        }
    }

    /// Fields that come from tables.
    pub fn gather(&mut self, lowerings: &[Lowering<'_>]) -> (u32, usize) {
        let mut items = BTreeMap::new();
        for (program, (lowering, of)) in zip_equal(lowerings, self.programs).enumerate() {
            let fields = slots(of.program);
            let item = |(place, field): (usize, &Field)| {
                let view = View {
                    buffer: of.program.input,
                    start: field.start,
                    width: field.width,
                };
                let words = [
                    (gather::COLUMN, lowering.at(view)),
                    (gather::WIDTH, word(field.width)),
                    (gather::FIELD, word(place)),
                    (gather::FIELDS, word(fields.len())),
                ];
                item(gather::WORDS, &words)
            };
            items.insert(
                program,
                fields.iter().copied().enumerate().map(item).collect(),
            );
        }
        self.rows_table(&items)
    }

    /// Columns that BatchNorms normalise.
    pub fn moments(&mut self, lowerings: &[Lowering<'_>]) -> MomentLaunches {
        let mut of_tiles = BTreeMap::new();
        let mut of_domains = Vec::new();
        let mut most = 0;
        for (program, (lowering, of)) in zip_equal(lowerings, self.programs).enumerate() {
            let mut items = Vec::new();
            let mut columns = 0;
            for norm in of.program.batch_norms() {
                let width = norm.from.width;
                items.push(vec![lowering.at(norm.from), word(width), word(columns)]);
                for (block, domain) in of.program.domains.iter().enumerate() {
                    let start = of.program.statistics.at(block);
                    for first in (0..width).step_by(moment::WIDTH_LIMIT) {
                        of_domains.push([
                            word(domain_index(self.plan, of.tower, domain.0)),
                            word((width - first).min(moment::WIDTH_LIMIT)),
                            word(columns + first),
                            word(columns + width + first),
                            word(start + norm.mean + first),
                            word(start + norm.variance + first),
                        ]);
                    }
                }
                columns += 2 * width;
            }
            most = most.max(columns);
            of_tiles.insert(program, items);
        }
        let norms = self.programs.iter().flat_map(|of| {
            let ops = of.program.forward_sources();
            let norms = ops.filter(|(op, _)| matches!(op, Op::BatchNorm { .. }));
            norms.flat_map(|(_, sources)| Line::of_sources(of.tower, sources))
        });
        let shares = Line::shares(norms);
        let first = word(self.words.len());
        self.words.extend(of_domains.iter().flatten());
        MomentLaunches {
            of_tiles: self.rows_table(&of_tiles),
            columns: most,
            of_domains: (first, of_domains.len()),
            shares,
        }
    }

    /// The heads, and where the embeddings are that they read.
    pub fn heads(&mut self, lowerings: &[Lowering<'_>]) -> HeadLaunches {
        let heads = word(self.words.len());
        for of in self.plan.heads.iter() {
            let words = [
                (head::WIDTH, word(of.width)),
                (head::SCALE, (of.scale as f32).to_bits()),
                (head::BIAS, of.bias.map_or(NONE, word)),
                (head::GIVEN, of.given.map_or(NONE, |parent| word(parent.0))),
                (head::WEIGHT, (of.weight as f32).to_bits()),
            ];
            self.words.extend(item(head::WORDS, &words));
        }
        let mut gradients = BTreeMap::new();
        for (program, (lowering, of)) in zip_equal(lowerings, self.programs).enumerate() {
            let mut columns = vec![NONE; self.plan.heads.len()];
            let mut items = Vec::new();
            for of_task in of.program.outputs.iter() {
                let view = View {
                    buffer: of.program.output,
                    start: of_task.start,
                    width: of_task.width,
                };
                fill(&mut columns, &[(of_task.task.0, lowering.at(view))]);
                let words = [
                    (output::TASK, word(of_task.task.0)),
                    (output::INTO, word(of_task.start)),
                    (output::OF_QUERY, u32::from(of.tower == Tower::Query)),
                    (
                        output::ALL,
                        word(buffer(of.program, of.program.output).width),
                    ),
                ];
                items.push(item(output::WORDS, &words));
            }
            self.words.extend(columns);
            gradients.insert(program, items);
        }
        HeadLaunches {
            heads,
            gradients: self.rows_table(&gradients),
        }
    }
}
