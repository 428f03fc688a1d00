//! The launches of a plan and the tables that they read: what follows from the plan, made once.

use std::collections::{BTreeMap, BTreeSet};

use mtmd_schema::Tower;
use mtmd_schema::plan::{Address, Field, Plan, Program, Scope, View};

use super::kernels::words::{
    NONE, activate, gather, head, light, moment, output, product, sum, tile, transfer, weight,
};
use super::layers::{blocks, wide};
use super::piece::{
    Kind, Lowering, Piece, PieceWork, Sums, WeightGradient, adds, buffer, fill, item, word,
};
use super::schedule::{Batch, PieceId, schedule};
use super::work::RowWork;
use crate::bug::{bug, check, zip_equal};

/// What one launch does.
#[derive(Debug, Clone, Copy)]
pub struct Launch {
    /// Its kernel.
    pub kind: Kind,
    /// Of a kernel that works on rows, where its header is among the words; else its first item.
    pub at: u32,
    /// Items: of a kernel that works on rows, the most of any program.
    pub items: usize,
}

/// A program and its tower.
#[derive(Debug)]
struct DeviceProgram<'p> {
    program: &'p Program,
    tower: Tower,
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
#[derive(Debug, Clone, Copy)]
pub struct MomentLaunches {
    /// Of tiles: where the header is among the words, and the most items of a program.
    pub of_tiles: (u32, usize),
    /// Columns that a tile finds.
    pub columns: usize,
    /// Of domains: the first item, and how many there are.
    pub of_domains: (u32, usize),
}

/// What the launches of heads read.
#[derive(Debug, Clone, Copy)]
pub struct HeadLaunches {
    /// The words of the heads, and after them the columns of the embeddings.
    pub heads: u32,
    /// The items of the embeddings' gradients: where the header is, and the most items of a program.
    pub gradients: (u32, usize),
}

/// All programs, those of the query tower first.
fn programs(plan: &Plan) -> Vec<DeviceProgram<'_>> {
    let of = |tower| {
        let programs = plan.tower(tower).programs.iter();
        programs.map(move |program| DeviceProgram { program, tower })
    };
    Tower::ALL.into_iter().flat_map(of).collect()
}

/// The index of a domain's program among those of both towers.
pub fn program_index(plan: &Plan, tower: Tower, domain: usize) -> usize {
    let Some(place) = plan.tower(tower).domains.get(domain) else {
        bug!("no domain {domain} of the {} tower", tower.name());
    };
    match tower {
        Tower::Query => place.program,
        Tower::Item => plan.query.programs.len() + place.program,
    }
}

/// The fields of a program that come from tables.
pub fn slots(program: &Program) -> Vec<&Field> {
    let fields = program.fields.iter();
    fields
        .filter(|field| field.start < program.embedded)
        .collect()
}

/// A domain's index among those of both towers.
pub fn domain_index(plan: &Plan, tower: Tower, domain: usize) -> usize {
    match tower {
        Tower::Query => domain,
        Tower::Item => plan.query.domains.len() + domain,
    }
}

impl Launches {
    /// Those of a plan.
    pub fn new(plan: &Plan) -> Self {
        let programs = programs(plan);
        let mut lowerings: Vec<Lowering<'_>> = programs
            .iter()
            .map(|of| Lowering::new(of.program))
            .collect();
        let mut build = Build {
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
        let forward = build.launches(&forward);
        let mut backward = build.launches(&backward);
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

struct Build<'a, 'p> {
    plan: &'p Plan,
    programs: &'a [DeviceProgram<'p>],
    words: Vec<u32>,
}

impl Build<'_, '_> {
    /// Writes a header and the items of every program, each of as many words; says where the header is, and the most
    /// items of a program.
    fn rows_table(&mut self, items: &BTreeMap<usize, Vec<Vec<u32>>>) -> (u32, usize) {
        let header = self.words.len();
        self.words.resize(header + 2 * self.programs.len(), 0);
        let mut most = 0;
        for (&program, items) in items {
            let first = word(self.words.len());
            let Some([at, count]) = self
                .words
                .get_mut(header + 2 * program..header + 2 * program + 2)
            else {
                bug!("program {program} of {}", self.programs.len());
            };
            (*at, *count) = (first, word(items.len()));
            most = most.max(items.len());
            self.words.extend(items.iter().flatten());
        }
        (word(header), most)
    }

    fn transfers(&mut self, lowerings: &[Lowering<'_>]) -> Transfers {
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
    fn gather(&mut self, lowerings: &[Lowering<'_>]) -> (u32, usize) {
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
    fn moments(&mut self, lowerings: &[Lowering<'_>]) -> MomentLaunches {
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
        let first = word(self.words.len());
        self.words.extend(of_domains.iter().flatten());
        MomentLaunches {
            of_tiles: self.rows_table(&of_tiles),
            columns: most,
            of_domains: (first, of_domains.len()),
        }
    }

    /// The heads, and where the embeddings are that they read.
    fn heads(&mut self, lowerings: &[Lowering<'_>]) -> HeadLaunches {
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

    /// Writes items of a kernel that takes them one by one.
    fn items_table<const WORDS: usize>(&mut self, kind: Kind, items: &[[u32; WORDS]]) -> Launch {
        let at = word(self.words.len());
        self.words.extend(items.iter().flatten());
        Launch {
            kind,
            at,
            items: items.len(),
        }
    }

    fn launches(&mut self, pieces: &[Vec<Piece>]) -> Vec<Launch> {
        let programs = self.programs;
        let tower = |program: usize| match programs.get(program) {
            Some(of) => of.tower,
            None => bug!("no program {program}"),
        };
        let batches = schedule(pieces, tower);
        batches
            .iter()
            .map(|batch| self.launch(batch, pieces))
            .collect()
    }

    fn launch(&mut self, batch: &Batch, pieces: &[Vec<Piece>]) -> Launch {
        let piece = |&(program, at): &PieceId| match pieces.get(program).and_then(|of| of.get(at)) {
            Some(piece) => &piece.work,
            None => bug!("no piece {at} of program {program}"),
        };
        if batch.kind == Kind::Weight {
            let mut items = Vec::new();
            for entry in &batch.entries {
                let gradients = entry.iter().map(|id| match piece(id) {
                    PieceWork::Weight(gradient) => (id.0, *gradient),
                    PieceWork::Rows(..) => bug!("a gradient of a matrix is another kernel's"),
                });
                self.weight(&gradients.collect::<Vec<_>>(), &mut items);
            }
            return self.items_table(batch.kind, &items);
        }
        let mut items: BTreeMap<usize, Vec<Vec<u32>>> = BTreeMap::new();
        for id in batch.entries.iter().flatten() {
            match piece(id) {
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

    /// The domains of a program among those of both towers, and where their own parameters start.
    fn domains(&self, program: usize) -> Vec<(usize, usize)> {
        let Some(of) = self.programs.get(program) else {
            bug!("no program {program}");
        };
        let domains = of.program.domains.iter().enumerate();
        let domain = |(block, domain): (usize, &mtmd_schema::DomainId)| {
            let index = domain_index(self.plan, of.tower, domain.0);
            (index, of.program.parameters.at(block))
        };
        domains.map(domain).collect()
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
