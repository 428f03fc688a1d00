//! `manifest.json`: what an export is, what its graphs compute, and the digests of its files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::onnx::{self, OnnxFile, Role, domain_name};
use super::slice::Slice;
use crate::schema::{Schema, TableLookup, Tower};

/// Version of the folder's layout.
pub const FORMAT: u32 = 1;

/// The content of the file.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    format: u32,
    model: &'a str,
    mtmdc: &'a str,
    spec_hash: &'a str,
    weights_hash: &'a str,
    graph_hash: &'a str,
    /// Whether all surfaces and products are there.
    whole: bool,
    surfaces: Vec<&'a str>,
    products: Vec<&'a str>,
    onnx: Onnx<'a>,
    /// By file: its digest.
    pub files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Onnx<'a> {
    opset: i64,
    tables: TableLookup,
    towers: Vec<TowerFile<'a>>,
    pairs: Vec<PairFile<'a>>,
}

/// From features to vectors.
#[derive(Debug, Serialize)]
struct TowerFile<'a> {
    file: String,
    tower: &'a str,
    domain: &'a str,
}

/// From vectors to probabilities.
#[derive(Debug, Serialize)]
struct PairFile<'a> {
    file: String,
    tasks: Vec<&'a str>,
    /// Surface and product of each cell.
    cells: Vec<[&'a str; 2]>,
}

impl<'a> Manifest<'a> {
    /// The manifest of an export with these graphs, without the digests of its files.
    pub fn new(
        schema: &'a Schema,
        slice: &Slice,
        graphs: &[OnnxFile],
        tables: TableLookup,
    ) -> Self {
        let names = |tower: Tower| {
            let domains = slice.domains(tower).iter();
            let names = domains.map(|domain| domain_name(schema, tower, *domain));
            names.collect::<Vec<_>>()
        };
        let mut onnx = Onnx {
            opset: onnx::OPSET,
            tables,
            towers: Vec::new(),
            pairs: Vec::new(),
        };
        for OnnxFile { name, role, .. } in graphs {
            let file = name.clone();
            match role {
                Role::Tower(tower, domain) => onnx.towers.push(TowerFile {
                    file,
                    tower: tower.name(),
                    domain: domain_name(schema, *tower, *domain),
                }),
                Role::Pair(tasks, cells) => onnx.pairs.push(PairFile {
                    file,
                    tasks: tasks.iter().map(|task| &*schema.task(*task).name).collect(),
                    cells: cells
                        .iter()
                        .map(|(surface, product)| {
                            let surface = domain_name(schema, Tower::Query, *surface);
                            [surface, domain_name(schema, Tower::Item, *product)]
                        })
                        .collect(),
                }),
            }
        }
        Self {
            format: FORMAT,
            model: &schema.name,
            mtmdc: env!("CARGO_PKG_VERSION"),
            spec_hash: schema.spec_hash,
            weights_hash: schema.weights_hash,
            graph_hash: schema.graph_hash,
            whole: !slice.is_part,
            surfaces: names(Tower::Query),
            products: names(Tower::Item),
            onnx,
            files: BTreeMap::new(),
        }
    }
}
