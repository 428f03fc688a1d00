//! Where the columns of the programs' inputs come from.

#![expect(
    clippy::indexing_slicing,
    reason = "domains, programs and features are those of one plan and its spec"
)]

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, Program};

use crate::bug::check;
use crate::schema::{FeatureKind, Input, Pool, Schema};

/// Where the columns of every domain's input come from.
#[derive(Debug, Clone)]
pub struct TableLayout {
    towers: [TowerLayout; 2],
    tables: usize,
}

#[derive(Debug, Clone)]
struct TowerLayout {
    /// By domain: index of its program.
    domains: Vec<usize>,
    programs: Vec<InputColumns>,
}

/// Where the columns of a program's input come from.
#[derive(Debug, Clone)]
pub(super) struct InputColumns {
    /// All columns.
    pub width: usize,
    /// Those that come from tables, which are the first.
    pub embedded: usize,
    /// Fields that come from tables.
    pub fields: Vec<TableField>,
    /// Fields that are data: vectors and numbers.
    pub data: Vec<Data>,
}

/// A field that comes from a table.
#[derive(Debug, Clone)]
pub(super) struct TableField {
    /// Index of the feature, which is the column of the batch.
    pub feature: usize,
    /// Index of the table.
    pub table: usize,
    /// Whether the field is the mean of its entries; else it is their sum.
    pub mean: bool,
    /// Columns of the input.
    pub columns: Range<usize>,
}

/// A field that is data.
#[derive(Debug, Clone)]
pub(super) struct Data {
    /// Index of the feature, which is the column of the batch.
    pub feature: usize,
    /// Columns of the input.
    pub columns: Range<usize>,
}

impl TableLayout {
    /// The layout of a plan's inputs.
    ///
    /// # Panics
    /// If the plan belongs to another spec: a bug of the compiler.
    pub fn new(schema: &Schema, plan: &Plan) -> Self {
        let tower = |tower: Tower| {
            let from = plan.tower(tower);
            let programs = from.programs.iter();
            TowerLayout {
                domains: from.domains.iter().map(|place| place.program).collect(),
                programs: programs
                    .map(|program| InputColumns::new(schema, tower, program))
                    .collect(),
            }
        };
        Self {
            towers: Tower::ALL.map(tower),
            tables: schema.tables.len(),
        }
    }

    /// The columns of a domain's input.
    pub(super) fn of(&self, tower: Tower, domain: usize) -> &InputColumns {
        let tower = &self.towers[tower as usize];
        &tower.programs[tower.domains[domain]]
    }

    /// Number of domains of a tower.
    pub(super) fn domains(&self, tower: Tower) -> usize {
        self.towers[tower as usize].domains.len()
    }

    /// Number of tables.
    pub(super) fn tables(&self) -> usize {
        self.tables
    }
}

impl InputColumns {
    fn new(schema: &Schema, tower: Tower, program: &Program) -> Self {
        let mut columns = Self {
            width: program.buffers[program.input.0].width,
            embedded: program.embedded,
            fields: Vec::new(),
            data: Vec::new(),
        };
        let features = schema.features(tower);
        for field in program.fields.iter() {
            let feature = field.feature.0;
            let range = field.start..field.start + field.width;
            let (width, is_embedded) = match &features[feature].kind {
                FeatureKind::Embedded { table, input, .. } => {
                    columns.fields.push(TableField {
                        feature,
                        table: table.0,
                        mean: is_mean(input),
                        columns: range.clone(),
                    });
                    (schema.tables[table.0].dim, true)
                }
                FeatureKind::Vector { width } => {
                    columns.data.push(Data {
                        feature,
                        columns: range.clone(),
                    });
                    (*width, false)
                }
                FeatureKind::Number(_) => {
                    columns.data.push(Data {
                        feature,
                        columns: range.clone(),
                    });
                    (1, false)
                }
            };
            check!(
                width == range.len()
                    && range.end <= columns.width
                    && is_embedded == (range.end <= columns.embedded),
                "feature {} fills columns {range:?} of an input of {}, of which {} are embedded",
                features[feature].name,
                columns.width,
                columns.embedded
            );
        }
        columns
    }
}

fn is_mean(input: &Input) -> bool {
    match input {
        Input::List {
            pool: Pool::Mean, ..
        } => true,
        Input::List {
            pool: Pool::Sum, ..
        }
        | Input::One { .. }
        | Input::Buckets { .. } => false,
    }
}
