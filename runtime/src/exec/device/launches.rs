//! The launches of a plan and the words that they read: what follows from the plan, made once.

use std::collections::{BTreeMap, BTreeSet};

use mtmd_schema::Tower;
use mtmd_schema::plan::{Address, Plan, Program, Scope, Source};

use super::frame::{HeadLaunches, MomentLaunches, Transfers};
use super::kernels::words::{activate, light, product, sum, weight};
use super::layers::{blocks, wide};
use super::piece::{Kind, Lowering, Piece, PieceWork, Sums, WeightGradient, adds, word};
use super::schedule::{Batch, PieceId, schedule};
use super::tables::{Words, programs};
use super::work::RowWork;
use crate::bug::{bug, check, zip_equal};
use crate::profile::{Line, Part};

/// What one launch does.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Its kernel.
    pub kind: Kind,
    /// Of a kernel that works on rows, where its header is among the words; else its first item.
    pub at: u32,
    /// Items: of a kernel that works on rows, the most of any program.
    pub items: usize,
    /// The nodes that it is of, by their part of the work, if all domains have as many rows.
    pub shares: Vec<(Line, f64)>,
}

/// Everything that follows from a plan.
#[derive(Debug)]
pub struct Launches {
    /// All tables.
    pub words: Vec<u32>,
    /// Forward.
    pub forward: Vec<Launch>,
    /// Backward.
    pub backward: Vec<Launch>,
    /// Columns of a row's memory.
    pub stride: usize,
    /// Columns of the sums of a tile.
    pub sum_columns: usize,
    /// The headers of the transfers.
    pub transfers: Transfers,
    /// The fields that come from tables: where the header is among the words, and the most of a program.
    pub gather: (u32, usize),
    /// What the moments of BatchNorms are found by.
    pub moments: MomentLaunches,
    /// What heads and loss are found by.
    pub heads: HeadLaunches,
    /// By program: what its operations do to a row.
    pub row_work: Vec<RowWork>,
}

impl Launches {
    /// Those of a plan.
    pub fn new(plan: &Plan) -> Self {
        let programs = programs(plan);
        let mut lowerings: Vec<Lowering<'_>> = programs
            .iter()
            .map(|of| Lowering::new(of.program))
            .collect();
        let mut build = Words {
            plan,
            programs: &programs,
            words: Vec::new(),
        };
        let transfers = build.transfers(&lowerings);
        let gather = build.gather(&lowerings);
        let moments = build.moments(&lowerings);
        let heads = build.heads(&lowerings);
        let forward = zip_equal(&mut lowerings, &programs)
            .map(|(lowering, of)| lowering.pieces(&of.program.forward));
        let forward: Vec<Vec<Piece>> = forward.collect();
        let backward = zip_equal(&mut lowerings, &programs)
            .map(|(lowering, of)| lowering.pieces(&of.program.backward));
        let backward: Vec<Vec<Piece>> = backward.collect();
        let row_work = zip_equal(&forward, &backward)
            .map(|(forward, backward)| RowWork::of(forward).and(RowWork::of(backward)));
        let row_work = row_work.collect();
        let forward = build.launches(&forward, forward_sources);
        let mut backward = build.launches(&backward, backward_sources);
        let sums: Vec<&Sums> = lowerings.iter().map(|lowering| &lowering.sums).collect();
        let sum_columns = sums.iter().map(|sums| sums.columns).max().unwrap_or(0);
        backward.extend(build.sums(&sums));
        let rows = programs
            .iter()
            .map(|of| of.program.saved + of.program.scratch);
        Self {
            words: build.words,
            forward,
            backward,
            stride: rows.max().unwrap_or(0),
            sum_columns,
            transfers,
            gather,
            moments,
            heads,
            row_work,
        }
    }
}

/// The nodes of each operation of a pass.
type Sources<'p> = fn(&'p Program) -> Vec<&'p [Source]>;

fn forward_sources(program: &Program) -> Vec<&[Source]> {
    program.forward_sources().map(|(_, of)| of).collect()
}

fn backward_sources(program: &Program) -> Vec<&[Source]> {
    program.backward_sources().map(|(_, of)| of).collect()
}

/// A piece of all programs' pieces.
fn piece(pieces: &[Vec<Piece>], (program, at): PieceId) -> &Piece {
    match pieces.get(program).and_then(|of| of.get(at)) {
        Some(piece) => piece,
        None => bug!("no piece {at} of program {program}"),
    }
}

impl<'p> Words<'_, 'p> {
    /// Writes items of a kernel that takes them one by one.
    fn items_table<const WORDS: usize>(&mut self, kind: Kind, items: &[[u32; WORDS]]) -> Launch {
        let at = word(self.words.len());
        self.words.extend(items.iter().flatten());
        Launch {
            kind,
            at,
            items: items.len(),
            shares: vec![(Line::Part(Part::Sums), 1.0)],
        }
    }

    /// The launches of all programs' pieces; `sources` finds those of each operation of a program.
    fn launches(&mut self, pieces: &[Vec<Piece>], sources: Sources<'p>) -> Vec<Launch> {
        let programs = self.programs;
        let tower = |program: usize| match programs.get(program) {
            Some(of) => of.tower,
            None => bug!("no program {program}"),
        };
        let sources: Vec<_> = programs.iter().map(|of| sources(of.program)).collect();
        let batches = schedule(pieces, tower);
        let launch = |batch: &Batch| {
            let entries = batch.entries.iter().flatten();
            let weights = entries.flat_map(|&id| {
                let piece = piece(pieces, id);
                let of = sources.get(id.0).and_then(|of| of.get(piece.op));
                let (Some(program), Some(of)) = (programs.get(id.0), of) else {
                    bug!("no operation {} of program {}", piece.op, id.0);
                };
                let domains = program.program.domains.len();
                let work = RowWork::of(std::slice::from_ref(piece)).weight() * domains;
                let all: usize = of.iter().map(|source| source.columns).sum();
                let part = work as f64 / all as f64;
                let lines = Line::of_sources(tower(id.0), of);
                lines.map(move |(line, columns)| (line, columns * part))
            });
            Launch {
                shares: Line::shares(weights),
                ..self.launch(batch, pieces)
            }
        };
        batches.iter().map(launch).collect()
    }

    fn launch(&mut self, batch: &Batch, pieces: &[Vec<Piece>]) -> Launch {
        if batch.kind == Kind::Weight {
            let mut items = Vec::new();
            for entry in &batch.entries {
                let gradients = entry.iter().map(|id| match &piece(pieces, *id).work {
                    PieceWork::Weight(gradient) => (id.0, *gradient),
                    PieceWork::Rows(..) => bug!("a gradient of a matrix is another kernel's"),
                });
                self.weight(&gradients.collect::<Vec<_>>(), &mut items);
            }
            return self.items_table(batch.kind, &items);
        }
        let mut items: BTreeMap<usize, Vec<Vec<u32>>> = BTreeMap::new();
        for id in batch.entries.iter().flatten() {
            match &piece(pieces, *id).work {
                PieceWork::Rows(_, of) => items.entry(id.0).or_default().extend(of.iter().cloned()),
                PieceWork::Weight(_) => bug!("a gradient of a matrix among items of rows"),
            }
        }
        let words = match batch.kind {
            Kind::Light => light::WORDS,
            Kind::Activate | Kind::ActivateBack => activate::WORDS,
            Kind::Product => product::WORDS,
            Kind::Weight | Kind::Sums => bug!("{:?} among kernels of rows", batch.kind),
        };
        check!(
            items.values().flatten().all(|item| item.len() == words),
            "items of {:?} of other than {words} words",
            batch.kind
        );
        let (at, items) = self.rows_table(&items);
        Launch {
            kind: batch.kind,
            at,
            items,
            shares: Vec::new(),
        }
    }

    /// The items of the gradients of one matrix, which are of one program, or of all programs of a tower that share it.
    fn weight(
        &mut self,
        gradients: &[(usize, WeightGradient)],
        items: &mut Vec<[u32; weight::WORDS]>,
    ) {
        let Some(&(program, first)) = gradients.first() else {
            bug!("a gradient without a piece");
        };
        match first.maps.weight.scope {
            Scope::Tower => {
                let sources = gradients.iter().flat_map(|(program, gradient)| {
                    let domains = self.domains(*program).into_iter();
                    domains.map(|(domain, _)| (domain, *gradient))
                });
                let sources: Vec<_> = sources.collect();
                self.weight_blocks(0, first, &sources, items);
            }
            Scope::Own => {
                for (domain, own) in self.domains(program) {
                    self.weight_blocks(own, first, &[(domain, first)], items);
                }
            }
        }
    }

    fn weight_blocks(
        &mut self,
        own: usize,
        of: WeightGradient,
        sources: &[(usize, WeightGradient)],
        items: &mut Vec<[u32; weight::WORDS]>,
    ) {
        let maps = of.maps;
        for map in 0..maps.batch {
            let matrix = own + maps.weight_of(map).first.offset;
            for outputs in blocks(maps.outputs) {
                for inputs in blocks(maps.inputs) {
                    let source = word(self.words.len());
                    for (domain, from) in sources {
                        let gradient = from.gradient + map * maps.outputs + outputs.start;
                        let input = from.input + map * maps.from_step + inputs.start;
                        self.words
                            .extend([word(*domain), word(gradient), word(input)]);
                    }
                    items.push([
                        word(matrix + outputs.start * maps.inputs + inputs.start),
                        word(maps.inputs),
                        word(outputs.len()),
                        word(inputs.len()),
                        adds(of.write),
                        wide(&maps),
                        source,
                        word(sources.len()),
                    ]);
                }
            }
        }
    }

    /// Puts together what tiles have summed; `None` if there is nothing.
    fn sums(&mut self, sums: &[&Sums]) -> Option<Launch> {
        // By tower: parameters that are summed over programs.
        let mut shared: [Vec<(usize, usize, Address, usize)>; 2] = [Vec::new(), Vec::new()];
        let mut items = Vec::new();
        for (program, (sums, of)) in zip_equal(sums, self.programs).enumerate() {
            let mut own = Vec::new();
            for &(first, width, column) in &sums.of {
                match first.scope {
                    Scope::Own => own.push((first.offset, width, column)),
                    Scope::Tower => {
                        let [query, item] = &mut shared;
                        let to = match of.tower {
                            Tower::Query => query,
                            Tower::Item => item,
                        };
                        to.push((program, column, first, width));
                    }
                }
            }
            for (domain, start) in self.domains(program) {
                let own = own.iter();
                let sources = own.map(|&(at, width, column)| (start + at, width, domain, column));
                self.sum_items(&sources.collect::<Vec<_>>(), &mut items);
            }
        }
        for of in shared {
            let mut sources = Vec::new();
            for (program, column, first, width) in of {
                for (domain, _) in self.domains(program) {
                    sources.push((first.offset, width, domain, column));
                }
            }
            self.sum_items(&sources, &mut items);
        }
        (!items.is_empty()).then(|| self.items_table(Kind::Sums, &items))
    }

    /// Items of sums whose sources may overlap: `(first element, elements, domain, first column)`.
    fn sum_items(
        &mut self,
        sources: &[(usize, usize, usize, usize)],
        items: &mut Vec<[u32; sum::WORDS]>,
    ) {
        let edges = sources.iter().flat_map(|&(at, width, ..)| [at, at + width]);
        let edges: Vec<usize> = edges.collect::<BTreeSet<_>>().into_iter().collect();
        for edge in edges.windows(2) {
            let &[start, end] = edge else { continue };
            let over = |&&(at, width, ..): &&(usize, usize, usize, usize)| {
                at <= start && end <= at + width
            };
            let over: Vec<_> = sources.iter().filter(over).collect();
            if over.is_empty() {
                continue;
            }
            for first in (start..end).step_by(sum::WIDTH_LIMIT) {
                let source = word(self.words.len());
                for (at, _, domain, column) in &over {
                    self.words
                        .extend([word(*domain), word(column + first - at)]);
                }
                items.push([
                    word(first),
                    word((end - first).min(sum::WIDTH_LIMIT)),
                    source,
                    word(over.len()),
                ]);
            }
        }
    }
}
