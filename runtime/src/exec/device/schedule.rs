//! From pieces of work to launches.
//!
//! Pieces of all programs that do not depend on each other and go through one kernel are one launch, so the number of
//! launches follows the depth of the model and not its domains. A piece depends on an earlier one of its program that
//! writes what it reads, or touches what it writes.

#![expect(
    clippy::indexing_slicing,
    reason = "nodes are numbered by `nodes`, and every number is one of theirs"
)]

use std::collections::BTreeMap;
use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::Scope;

use super::piece::{Kind, Piece, PieceWork};
use crate::bug::check;

/// A piece: its program, and its place among the program's pieces.
pub type PieceId = (usize, usize);

/// Pieces that are launched together.
#[derive(Debug)]
pub struct Batch {
    /// Their kernel.
    pub kind: Kind,
    /// The pieces. Those of one entry write the gradient of one matrix that all domains of a tower share, and are one
    /// sum; all other entries have one piece.
    pub entries: Vec<Vec<PieceId>>,
}

/// Work that waits for other work.
#[derive(Debug)]
struct Node {
    kind: Kind,
    pieces: Vec<PieceId>,
    /// Nodes that wait for it.
    next: Vec<usize>,
    /// Nodes that it waits for.
    waits: usize,
    /// Nodes one after another from here to the end.
    height: usize,
}

/// The launches of all programs' pieces, by program. `tower` says which tower a program is of.
pub fn schedule(programs: &[Vec<Piece>], tower: impl Fn(usize) -> Tower) -> Vec<Batch> {
    let mut nodes = nodes(programs, tower);
    set_heights(&mut nodes);
    let mut ready: Vec<usize> = (0..nodes.len())
        .filter(|&node| nodes[node].waits == 0)
        .collect();
    let mut batches = Vec::new();
    let mut done = 0;
    while let Some(kind) = next_kind(&nodes, &ready) {
        let (now, later): (Vec<usize>, Vec<usize>) = ready
            .into_iter()
            .partition(|&node| nodes[node].kind == kind);
        ready = later;
        done += now.len();
        let mut entries = Vec::with_capacity(now.len());
        for node in now {
            entries.push(std::mem::take(&mut nodes[node].pieces));
            for next in std::mem::take(&mut nodes[node].next) {
                nodes[next].waits -= 1;
                if nodes[next].waits == 0 {
                    ready.push(next);
                }
            }
        }
        batches.push(Batch { kind, entries });
    }
    check!(
        done == nodes.len(),
        "{} of {} pieces of a plan wait for each other",
        nodes.len() - done,
        nodes.len()
    );
    batches
}

/// The kernel that is launched next: that of the ready node with the most work behind it. Gradients of matrices come last,
/// since nothing waits for their result.
fn next_kind(nodes: &[Node], ready: &[usize]) -> Option<Kind> {
    let ready = ready.iter().map(|&node| &nodes[node]);
    let first = ready.max_by_key(|node| (node.kind != Kind::Weight, node.height, node.kind));
    first.map(|node| node.kind)
}

/// The nodes, in an order in which each comes after those it waits for, but for gradients of shared matrices.
fn nodes(programs: &[Vec<Piece>], tower: impl Fn(usize) -> Tower) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    // By tower, first element and how many gradients of it there were in the program before.
    let mut shared: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
    for (program, pieces) in programs.iter().enumerate() {
        // By first element, the nodes of its gradients so far.
        let mut gradients: BTreeMap<(Scope, usize), Vec<usize>> = BTreeMap::new();
        let mut places: Vec<usize> = Vec::with_capacity(pieces.len());
        for (at, piece) in pieces.iter().enumerate() {
            let id = (program, at);
            let new = nodes.len();
            let (node, after) = match &piece.work {
                PieceWork::Weight(of) => {
                    let weight = of.maps.weight;
                    let before = gradients.entry((weight.scope, weight.offset)).or_default();
                    let node = match weight.scope {
                        Scope::Own => new,
                        Scope::Tower => {
                            let key = (tower(program) as usize, weight.offset, before.len());
                            *shared.entry(key).or_insert(new)
                        }
                    };
                    let after = before.last().copied();
                    before.push(node);
                    (node, after)
                }
                PieceWork::Rows(..) => (new, None),
            };
            match nodes.get_mut(node) {
                Some(node) => node.pieces.push(id),
                None => nodes.push(Node {
                    kind: piece.work.kind(),
                    pieces: vec![id],
                    next: Vec::new(),
                    waits: 0,
                    height: 0,
                }),
            }
            if let Some(after) = after {
                wait(&mut nodes, after, node);
            }
            for (earlier, &other) in pieces.iter().zip(&places) {
                if depends(piece, earlier) {
                    wait(&mut nodes, other, node);
                }
            }
            places.push(node);
        }
    }
    nodes
}

/// Has a node wait for another.
fn wait(nodes: &mut [Node], other: usize, node: usize) {
    // A node's pieces are looked at one after another, so it would stand last.
    if nodes[other].next.last() != Some(&node) {
        nodes[other].next.push(node);
        nodes[node].waits += 1;
    }
}

/// Whether a piece must come after an earlier one of its program.
fn depends(piece: &Piece, earlier: &Piece) -> bool {
    let meet = |some: &[Range<usize>], others: &[Range<usize>]| {
        let meets = |one: &Range<usize>| {
            let other = |other: &Range<usize>| one.start < other.end && other.start < one.end;
            others.iter().any(other)
        };
        some.iter().any(meets)
    };
    meet(&piece.reads, &earlier.writes)
        || meet(&piece.writes, &earlier.writes)
        || meet(&piece.writes, &earlier.reads)
}

/// Sets the height of every node.
fn set_heights(nodes: &mut [Node]) {
    let mut waits: Vec<usize> = nodes.iter().map(|node| node.waits).collect();
    let mut order: Vec<usize> = (0..nodes.len()).filter(|&node| waits[node] == 0).collect();
    let mut at = 0;
    while let Some(&node) = order.get(at) {
        at += 1;
        for &next in &nodes[node].next {
            waits[next] -= 1;
            if waits[next] == 0 {
                order.push(next);
            }
        }
    }
    for &node in order.iter().rev() {
        let next = nodes[node].next.iter();
        let heights = next.map(|&next| nodes[next].height + 1);
        nodes[node].height = heights.max().unwrap_or(0);
    }
}
